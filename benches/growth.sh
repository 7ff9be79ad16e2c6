#!/usr/bin/env bash
# How the cost of the gateway grows: with sessions that are held, streams at once, data ports,
# listeners and cores, as one table of medians and of ratios to the first step.
#
#   benches/growth.sh [--rounds N] [--quick] [--axes A,B] [--congestion NAME] [--gateway PATH]
#                     [--out FILE.jsonl] [--table FILE.md] [--list]
#
# As root, on Linux, with python3 and cargo. benches/GROWTH.md says what is measured, and what it
# means for larger machines and for many.
set -euo pipefail
case " $* " in *" --help "* | *" -h "*) sed -n '2,9s/^# \?//p' "$0"; exit ;; esac
. "$(dirname "$0")/rig/run.sh"
run growth.py "$@"
