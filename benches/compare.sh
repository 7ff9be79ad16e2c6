#!/usr/bin/env bash
# ftpgate and its rivals, side by side: throughput, CPU, latency, memory, as one table of medians
# and ratios within one run.
#
#   benches/compare.sh [--rounds N] [--quick | --smoke] [--ways A,B] [--measures A,B]
#                      [--congestion NAME] [--gateway PATH] [--build NAME=PATH]...
#                      [--out FILE.jsonl] [--table FILE.md] [--chart FILE.svg] [--list]
#
# As root, on Linux, with python3 and cargo. Rivals are measured when they are installed (Debian:
# haproxy, nginx with libnginx-mod-stream, proftpd-core with proftpd-mod-proxy, ftp-proxy, nftables,
# vsftpd). benches/README.md says what is measured.
#
# Every process and every network namespace of the run lives in namespaces of its own that end with
# it, on every path: nothing of it touches the network of the machine.
set -euo pipefail
case " $* " in *" --help "* | *" -h "*) sed -n '2,15s/^# \?//p' "$0"; exit ;; esac
. "$(dirname "$0")/rig/run.sh"
# The smallest form does without TLS, whose libraries take a minute to build.
[[ " $* " == *" --smoke "* && " $* " != *tls-* ]] && features=()
run main.py "$@"
