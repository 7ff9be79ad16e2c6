#!/usr/bin/env bash
# The test command: everything that must hold before a change is taken.
#
#   tests/run.sh
#
# As root on a Debian machine, since it installs Debian's FTP servers and clients and makes network
# namespaces of its own. Every step runs even if one before it failed; the last line sums up; the
# exit status is 0 only if every step passed. FTPGATE_TEST_LIMIT is the bound for the whole, in
# seconds.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1

limit=${FTPGATE_TEST_LIMIT:-1500}
fuzz_seconds=${FTPGATE_TEST_FUZZ_SECONDS:-5}
started=$SECONDS
passed=0 failed=() report=()
child=

# A setting of the machine must not leak into the configurations under test.
for name in ${!FTPGATE_@} ${!E2E_@}; do unset "$name"; done
export CARGO_TERM_COLOR=${CARGO_TERM_COLOR:-never}

stop() {
    [ -n "$child" ] && kill -TERM "$child" 2>/dev/null
    wait
    echo "tests/run.sh: interrupted"
    exit 130
}
trap stop INT TERM

# step NAME COMMAND...: run it within what is left of the limit, tell how long it took.
step() {
    local name=$1 begun=$SECONDS left status
    shift
    left=$((limit - (SECONDS - started)))
    echo
    echo "==> $name: $*"
    if [ "$left" -le 0 ]; then
        status=124
    else
        timeout --kill-after=20 "$left" "$@" &
        child=$!
        wait "$child"
        status=$?
        child=
    fi
    local verdict=ok
    case $status in
        0) passed=$((passed + 1)) ;;
        124 | 137) verdict="FAILED (out of time)" failed+=("$name") ;;
        *) verdict="FAILED (status $status)" failed+=("$name") ;;
    esac
    report+=("$(printf '%5ds  %-10s %s' $((SECONDS - begun)) "$name" "$verdict")")
    echo "<== $name: $verdict, $((SECONDS - begun)) s"
    return "$status"
}

finish() {
    echo
    printf '%s\n' "${report[@]}"
    local total=$((SECONDS - started))
    if [ "${#failed[@]}" -eq 0 ]; then
        echo "tests/run.sh: all $passed steps passed in $total s"
        exit 0
    fi
    echo "tests/run.sh: ${#failed[@]} of $((passed + ${#failed[@]})) steps FAILED in $total s: ${failed[*]}"
    exit 1
}

# Cargo of at least the version in Cargo.toml; Debian's own may be older.
toolchain() {
    local wanted have
    wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
    [ -r "$HOME/.cargo/env" ] && . "$HOME/.cargo/env"
    have=$(cargo --version 2>/dev/null | cut -d' ' -f2)
    if [ -n "$have" ] && [ "$(printf '%s\n%s\n' "$wanted" "$have" | sort -V | head -1)" = "$wanted" ]; then
        return 0
    fi
    echo "tests/run.sh: cargo ${have:-is missing}, $wanted or newer is needed, with rustfmt and clippy" >&2
    return 1
}

# Every configuration we ship, through the binary that the tests have just built. What the file says
# must be right; its servers are not here, so in a namespace without a network they fail at once.
configurations() {
    local target binary file said status=0
    target=$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
    binary=$target/debug/ftpgate
    for file in config/*.toml; do
        said=$(unshare --net "$binary" check -c "$file" 2>&1)
        if grep -q '^ok    configuration' <<<"$said"; then
            echo "$file: $(head -1 <<<"$said")"
        else
            printf '%s\n' "$file is refused:" "$said"
            status=1
        fi
    done
    return "$status"
}

if [ "$(id -u)" -ne 0 ]; then
    echo "tests/run.sh: must be root: it installs packages and makes network namespaces" >&2
    exit 2
fi

# The short form of the benchmark, through the binary that the tests have built.
smoke() {
    local target
    target=$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
    python3 benches/rig/stacks.py &&
        benches/compare.sh --smoke --gateway "$target/debug/ftpgate"
}

export -f configurations smoke
step packages tests/setup.sh || finish
toolchain || { failed+=(toolchain); finish; }
step format cargo fmt --check
step lint cargo clippy --locked --all-targets -- -D warnings
step lean cargo clippy --locked --no-default-features -- -D warnings
step test cargo test --locked
step docs env RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps
step config bash -c configurations
# The same draws every time: what chance finds belongs into a long run of its own.
step fuzz env FUZZ_SEED=1 fuzz/run.sh "$fuzz_seconds"
step soak tests/soak.sh short
# The debug binary: that every way carries its bytes, and that the benchmark still works. Its numbers
# are printed and say nothing.
step bench bash -c smoke
finish
