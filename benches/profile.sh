#!/usr/bin/env bash
# Where the CPU time of a way goes, by system call and by part of its own code: a table for each
# measure, in µs for each file, round trip or session, in ms for each GB.
#
#   benches/profile.sh [--ways A,B] [--measures A,B] [--congestion NAME] [--gateway PATH]
#                      [--table FILE.md] [--list]
#
# As root, on Linux, with python3, cargo and perf (Debian: linux-perf). Ways and measures are those
# of compare.sh; benches/README.md says how it is reckoned.
set -euo pipefail
case " $* " in *" --help "* | *" -h "*) sed -n '2,9s/^# \?//p' "$0"; exit ;; esac
. "$(dirname "$0")/rig/run.sh"
run profile.py "$@"
