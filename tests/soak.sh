#!/usr/bin/env bash
# Does the gateway leak? Two long runs through it, and what it holds before and after.
#
#   tests/soak.sh [short|full]
#
# As root, on Linux: it makes a network namespace of its own, which ends with it on every path.
# `short` takes less than a minute; `full` is 100,000 transfers and 10,000 kills.
#
#   FTPGATE=PATH      the binary to try, else target/debug/ftpgate is built
#   FTPGATE_SEED=N    repeats a run's draws; it is printed
#
# (a) short transfers in a row: RETR, STOR and LIST of 0 to 4 KB, by PASV, EPSV, PORT and EPRT,
#     in eight sessions from eight addresses through 32 data ports, every byte compared;
# (b) rounds in which a random one of a transfer's four sockets is killed, by RST or FIN, at a
#     random moment.
# Afterwards the sockets, threads and other descriptors must be back to the idle number, no data
# port may be listened on, the memory must be as flat as TOLERANCE_KB says, nobody may have been
# told of a success that was none, and every killed session must be gone within BOUND seconds.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

BOUND=15              # for a killed session to be gone: grace 2 s, abort 10 s, and some air
SETTLE=20             # for the gateway to hold no more than at idle, after a batch
TOLERANCE_KB=4096     # of growth of the resident memory after the warm-up
PIPES_MAX_PER_WORKER=$((2 * 3 * 16))   # the pool keeps 16 empty pipes of each of three sizes
LANES=8
DATA=60000-60031      # the gateway's ports for clients
SERVERS=61000-61999   # and for servers, in active mode
SOURCES=$(seq -s, -f '127.0.0.%g' 2 $((LANES + 1)))
control=127.0.0.1:2121 server=127.0.0.1:2100

case ${1:-short} in
    short) transfers=15000 kills=1200 batches=3 limit=300 ;;
    full) transfers=100000 kills=10000 batches=10 limit=3000 ;;
    *) echo "usage: tests/soak.sh [short|full]" >&2; exit 2 ;;
esac

if [ -z "${SOAK_INSIDE:-}" ]; then
    [ "$(id -u)" -eq 0 ] || { echo "tests/soak.sh: must be root: it makes a network namespace" >&2; exit 2; }
    cargo build --release --locked --quiet --manifest-path benches/load/Cargo.toml
    if [ -z "${FTPGATE:-}" ]; then
        cargo build --locked --quiet
        target=$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
        export FTPGATE=$target/debug/ftpgate
    fi
    target=$(cargo metadata --format-version 1 --no-deps --manifest-path benches/load/Cargo.toml |
        sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
    export SOAK_INSIDE=$target/release/load
    # Whoever ends this script, and however, ends the whole run.
    trap 'exit 130' INT
    trap 'exit 143' TERM
    setpriv --pdeathsig KILL unshare --net --mount --pid --fork --kill-child --mount-proc \
        timeout --signal=KILL "$limit" tests/soak.sh "$@" &
    wait $!
    exit
fi

load=$SOAK_INSIDE
# A /run of our own, that goes with us.
mount -t tmpfs -o mode=755 run /run
state=/run
for name in ${!FTPGATE_@}; do [ "$name" = FTPGATE_SEED ] || unset "$name"; done
seed=${FTPGATE_SEED:-$(date +%s)}
failures=()

fail() { failures+=("$1"); echo "FAILED: $1"; }

# descriptors KIND: how many of them the gateway holds.
descriptors() {
    find "/proc/$gateway/fd" -type l -printf '%l\n' 2>/dev/null | cut -d: -f1 |
        case $1 in
            sockets) grep -c '^socket$' ;;
            pipes) grep -c '^pipe$' ;;
            others) grep -cv -e '^socket$' -e '^pipe$' ;;
        esac || true
}
threads() { find "/proc/$gateway/task" -mindepth 1 -maxdepth 1 | wc -l; }
memory() { sed -n 's/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$gateway/status"; }
gauge() {
    printf '%-22s %6s sockets %5s pipes %5s other descriptors %3s threads %8s KB resident\n' \
        "$1" "$(descriptors sockets)" "$(descriptors pipes)" "$(descriptors others)" "$(threads)" "$(memory)"
}
# number NAME: that field of the last report.
number() { sed -n "s/.*\"$1\": \([0-9.]*\).*/\1/p" "$state/report"; }

# work NAME ARGUMENT...: a run of the load generator.
work() {
    local name=$1
    shift
    "$load" "$@" >"$state/report" 2>"$state/error" || fail "$name: $(cat "$state/report" "$state/error")"
    echo "$name: $(cat "$state/report")"
}

# settle: until the gateway holds as many sockets as at idle; how long that took.
settle() {
    local begun=${EPOCHREALTIME/[.,]/} now
    while [ "$(descriptors sockets)" -gt "$idle_sockets" ]; do
        now=${EPOCHREALTIME/[.,]/}
        if [ $((now - begun)) -gt $((SETTLE * 1000000)) ]; then
            fail "$1: $(descriptors sockets) sockets after $SETTLE s, $idle_sockets at idle"
            ss -Htnp | head -20
            return
        fi
        sleep 0.05
    done
    now=${EPOCHREALTIME/[.,]/}
    echo "$1: back to idle after $(((now - begun) / 1000)) ms"
}

until_up() {
    local i
    for i in $(seq 200); do
        [ -n "$(ss -Hltn "src $1")" ] && return
        sleep 0.05
    done
    echo "nothing listens on $1"
    cat "$state"/*.log
    exit 1
}

ip link set lo up
# Outgoing connections keep clear of everybody's data ports.
echo "10000 39999" >/proc/sys/net/ipv4/ip_local_port_range
"$load" serve --at $server --ports 40000-49999 >"$state/server.log" 2>&1 &
until_up $server
cat >"$state/ftpgate.toml" <<TOML
[[listener]]
bind = "$control"
[[upstream]]
address = "$server"
data = "same"
[data]
ports = "$DATA"
upstream_ports = "$SERVERS"
[log]
level = "warn"
TOML
"$FTPGATE" run -c "$state/ftpgate.toml" >"$state/ftpgate.log" 2>&1 &
gateway=$!
until_up $control

echo "$("$FTPGATE" --version), ${1:-short}, seed $seed, $(nproc) cores, Linux $(uname -r), $(date -u +%F)"
idle_sockets=$(descriptors sockets) idle_others=$(descriptors others) idle_threads=$(threads)
gauge "started"
work "warm-up" churn --at $control --lanes $LANES --sources "$SOURCES" --transfers $((transfers / 10)) --seed "$seed"
work "warm-up" kill --at $control --lanes $LANES --sources "$SOURCES" --rounds $((kills / 10)) --bound $BOUND --seed "$seed"
settle "warm-up"
warm=$(memory)
gauge "warm"

work "transfers" churn --at $control --lanes $LANES --sources "$SOURCES" --transfers "$transfers" --seed "$seed"
settle "transfers"
gauge "after transfers"
killed=0
for batch in $(seq "$batches"); do
    work "kills, batch $batch" kill --at $control --lanes $LANES --sources "$SOURCES" \
        --rounds $((kills / batches)) --bound $BOUND --seed $((seed + batch * LANES))
    killed=$((killed + $(number killed)))
    settle "kills, batch $batch"
done
gauge "after kills"

[ "$(descriptors sockets)" -eq "$idle_sockets" ] || fail "$(descriptors sockets) sockets, $idle_sockets at idle"
[ "$(descriptors others)" -eq "$idle_others" ] || fail "$(descriptors others) other descriptors, $idle_others at idle"
[ "$(threads)" -eq "$idle_threads" ] || fail "$(threads) threads, $idle_threads at idle"
pipes_max=$((PIPES_MAX_PER_WORKER * $(nproc)))
[ "$(descriptors pipes)" -le "$pipes_max" ] || fail "$(descriptors pipes) descriptors of pipes, at most $pipes_max are pooled"
grown=$(($(memory) - warm))
[ "$grown" -le $TOLERANCE_KB ] || fail "$grown KB more resident than after the warm-up"
for range in $DATA $SERVERS; do
    work "ports $range listened on from outside" ports --address 127.0.0.1 --range $range
done
work "the server's count" stats --at $server
[ "$(number live)" -eq 1 ] || fail "$(($(number live) - 1)) sessions still open at the server"
[ "$(number short)" -eq 0 ] ||
    fail "$(number short) broken uploads ended in good order at the server: $(head -5 "$state/server.log")"
[ -s "$state/ftpgate.log" ] && { echo "the gateway's own words:"; cut -c1-200 "$state/ftpgate.log" | sort | uniq -c | sort -rn | head -20; }
kill -0 "$gateway" 2>/dev/null || fail "the gateway has ended"

echo
if [ ${#failures[@]} -gt 0 ]; then
    printf 'FAILED: %s\n' "${failures[@]}" | cut -c1-500
    exit 1
fi
echo "soak: $transfers transfers and $killed kills in $SECONDS s; nothing leaked, $grown KB grown"
