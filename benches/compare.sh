#!/usr/bin/env bash
# ftpgate and its rivals, side by side: throughput, CPU, latency, memory, as one table of medians
# and ratios within one run.
#
#   benches/compare.sh [--rounds N] [--quick] [--ways A,B] [--measures A,B] [--gateway PATH]
#                      [--out FILE] [--list]
#
# As root, on Linux, with python3 and cargo. Rivals are measured when they are installed (Debian:
# haproxy, proftpd-core with proftpd-mod-proxy, vsftpd). benches/README.md says what is measured.
#
# Every process and every network namespace of the run lives in namespaces of its own that end with
# it, on every path: nothing of it touches the network of the machine.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

case " $* " in *" --help "* | *" -h "*) sed -n '2,13s/^# \?//p' "$0"; exit ;; esac
[ "$(id -u)" -eq 0 ] || { echo "benches/compare.sh: must be root: it makes network namespaces" >&2; exit 2; }

target() { cargo metadata --format-version 1 --no-deps "$@" | sed 's/.*"target_directory":"\([^"]*\)".*/\1/'; }

cargo build --release --locked --quiet --manifest-path benches/load/Cargo.toml
case " $* " in
    *" --gateway"* | *" --list "*) ;;
    *)
        echo "building ftpgate with its release profile; --gateway PATH takes a binary that is there" >&2
        cargo build --release --locked --quiet
        set -- --gateway "$(target)/release/ftpgate" "$@"
        ;;
esac
exec unshare --net --mount --pid --fork --kill-child --mount-proc \
    python3 benches/rig/main.py --load "$(target --manifest-path benches/load/Cargo.toml)/release/load" "$@"
