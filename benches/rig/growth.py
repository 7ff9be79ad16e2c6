"""growth.sh's second half: the rounds. Runs in namespaces of its own."""
import json
import os
import signal
import sys

import world
from axes import axes
from gate import Failed, Shaped
from growth_table import Growth, table
from measures import FULL, QUICK
from options import chosen, parser, publish, rounds, say
from results import header
from rig import BUSY_ELSEWHERE, Rig
from servers import Null


def arguments():
    taken = rounds(parser("benches/growth.sh"), 3)
    taken.add_argument("--axes", help="default: all")
    options = taken.parse_args()
    options.rounds = options.rounds or (1 if options.quick else 3)
    return options


def quietest(rig, axis, step):
    """Of a few tries: {"values": …} or {"error": …}."""
    best = None
    for tries in range(1, rig.tries + 1):
        try:
            gate, values = axis.measure(rig, step)
        except Failed as error:
            return {"error": str(error)}
        result = {"values": values, "elsewhere": round(gate.elsewhere(), 3), "tries": tries}
        if best is None or result["elsewhere"] < best["elsewhere"]:
            best = result
        if best["elsewhere"] <= BUSY_ELSEWHERE:
            break
    return best


def measure_all(rig, options, wanted, results):
    with open(options.out or os.devnull, "a") as out:
        def put(line):
            text = json.dumps(line, ensure_ascii=False)
            print(text, file=out, flush=True)
            results.add(line)
            return text

        put(header([Shaped(options.gateway)], [], options, options.command))
        for number in range(options.rounds):
            for axis in wanted:
                # Every other round goes down the steps: a machine that gets warm must not show.
                for step in axis.steps[::-1] if number % 2 else axis.steps:
                    result = quietest(rig, axis, step)
                    say(put({"round": number, "axis": axis.name, "step": step, **result}))


def main():
    options = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    known = {axis.name: axis(options.quick) for axis in axes()}
    if options.list:
        return print("axes: " + ", ".join(known))
    wanted = chosen("axis", options.axes, known)
    world.prepare()
    scale = QUICK if options.quick else FULL
    rig = Rig(options.load, {"null": Null(options.load)}, options.congestion, scale)
    rig.binary = options.gateway
    results = Growth()
    measure_all(rig, options, wanted, results)
    publish(table(results), options.table)
    sys.exit(1 if results.troubles() else 0)


if __name__ == "__main__":
    try:
        main()
    except RuntimeError as error:
        sys.exit("benches/growth.sh: %s" % error)
