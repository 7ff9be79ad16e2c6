# Sourced: runs a program of this folder in namespaces of its own, with a load generator and a
# gateway. Every process and every network namespace of the run ends with it, on every path: nothing
# of it touches the network of the machine.
#
#   run PROGRAM [OPTION...]    `features`: options of cargo for the load generator
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# A setting of the machine must not leak into the gateway under test.
for name in ${!FTPGATE_@}; do unset "$name"; done
features=(--features tls)

# build FOLDER [OPTION...]: its release binaries; says where they are.
build() {
    cargo build --release --locked --quiet --manifest-path "$1/Cargo.toml" "${@:2}" >&2
    cargo metadata --format-version 1 --no-deps --manifest-path "$1/Cargo.toml" |
        sed 's/.*"target_directory":"\([^"]*\)".*/\1\/release/'
}

run() {
    local program=$1 command load
    shift
    # As the results tell it: where this machine keeps a binary is nobody's business.
    command=$(sed -E 's/ --gateway[ =][^ ]+//; s/( --build[ =][^= ]+)=[^ ]+/\1/g' <<<"benches/${0##*/}${*:+ $*}")
    [ "$(id -u)" -eq 0 ] || { echo "$0: must be root: it makes network namespaces" >&2; exit 2; }
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
        python3 -B "$root/benches/rig/$program" --load "$load" --command "$command" "$@" &
    wait $!
}
