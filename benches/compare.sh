#!/usr/bin/env bash
# ftpgate and its rivals, side by side: throughput, CPU, latency, memory, as one table of medians
# and ratios within one run.
#
#   benches/compare.sh [--rounds N] [--quick | --smoke] [--ways A,B] [--measures A,B]
#                      [--congestion NAME] [--gateway PATH]
#                      [--out FILE.jsonl] [--table FILE.md] [--chart FILE.svg] [--list]
#
# As root, on Linux, with python3 and cargo. Rivals are measured when they are installed (Debian:
# haproxy, nginx with libnginx-mod-stream, proftpd-core with proftpd-mod-proxy, ftp-proxy, nftables,
# vsftpd). benches/README.md says what is measured.
#
# Every process and every network namespace of the run lives in namespaces of its own that end with
# it, on every path: nothing of it touches the network of the machine.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# A setting of the machine must not leak into the gateway under test.
for name in ${!FTPGATE_@}; do unset "$name"; done

case " $* " in *" --help "* | *" -h "*) sed -n '2,15s/^# \?//p' "$0"; exit ;; esac
[ "$(id -u)" -eq 0 ] || { echo "benches/compare.sh: must be root: it makes network namespaces" >&2; exit 2; }

# build FOLDER [OPTION...]: its release binaries; says where they are.
build() {
    cargo build --release --locked --quiet --manifest-path "$1/Cargo.toml" "${@:2}" >&2
    cargo metadata --format-version 1 --no-deps --manifest-path "$1/Cargo.toml" |
        sed 's/.*"target_directory":"\([^"]*\)".*/\1\/release/'
}

# As the results tell it: where this machine keeps a binary is nobody's business.
command=$(sed -E 's/ --gateway[ =][^ ]+//' <<<"benches/compare.sh${*:+ $*}")
features=(--features tls)
# The smallest form does without TLS, whose libraries take a minute to build.
[[ " $* " == *" --smoke "* && " $* " != *tls-* ]] && features=()
load=$(build "$root/benches/load" "${features[@]}")/load
case " $* " in
    *" --gateway"* | *" --list "*) ;;
    *)
        echo "building ftpgate with its release profile; --gateway PATH takes a binary that is there" >&2
        set -- --gateway "$(build "$root")/ftpgate" "$@"
        ;;
esac
# Whoever ends this script, and however, ends the whole run.
trap 'exit 130' INT
trap 'exit 143' TERM
setpriv --pdeathsig KILL unshare --net --mount --pid --fork --kill-child --mount-proc \
    python3 -B "$root/benches/rig/main.py" --load "$load" --command "$command" "$@" &
wait $!
