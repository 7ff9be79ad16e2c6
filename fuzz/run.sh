#!/bin/sh
# Builds the fuzz targets and runs each for a while: fuzz/run.sh [seconds] [target...]
#
# Needs the stable Rust toolchain and a C++ compiler (Debian: apt-get install g++), for libFuzzer
# comes as C++ source. Neither nightly nor cargo-fuzz is needed. Without targets, every [[bin]] of
# fuzz/Cargo.toml is run. FUZZ_SEED=N repeats a run's draws. What it learns goes to fuzz/target/corpus, what it finds to
# fuzz/target/findings; the seeds in fuzz/corpus are only read.
set -eu

cd "$(dirname "$0")"
seconds=${1:-60}
[ $# -eq 0 ] || shift
command -v c++ >/dev/null || { echo "run.sh: no C++ compiler: install g++" >&2; exit 2; }
[ $# -gt 0 ] || set -- $(sed -n '/^\[\[bin\]\]/,/^$/ s/^name = "\(.*\)"/\1/p' Cargo.toml)

# An explicit --target keeps the coverage out of build scripts and macros, which have no fuzzer to
# link to.
host=$(rustc -vV | sed -n 's/^host: //p')
export RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module \
-Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
-Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares \
-Ccodegen-units=1"
for target in "$@"; do
    bins="${bins:-} --bin $target"
done
# shellcheck disable=SC2086 # a list of options
cargo build --release --target "$host" --target-dir target $bins

for target in "$@"; do
    mkdir -p "target/corpus/$target" target/findings "corpus/$target"
    echo "== $target, $seconds s"
    "target/$host/release/$target" -seed="${FUZZ_SEED:-0}" -max_total_time="$seconds" -max_len=4096 -timeout=10 \
        -rss_limit_mb=1024 -print_final_stats=1 -verbosity=0 \
        -artifact_prefix="target/findings/$target-" "target/corpus/$target" "corpus/$target"
done
