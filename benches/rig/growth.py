"""growth.sh's second half: the rounds, and the table. Runs in namespaces of its own."""
import argparse
import datetime
import json
import signal
import statistics
import sys

import procs
import world
from axes import axes
from gate import Failed, Shaped
from main import chosen, say
from measures import BUSY_ELSEWHERE, TRIES, Rig
from report import machine_line, number
from servers import Null


def arguments():
    parser = argparse.ArgumentParser(prog="benches/growth.sh")
    parser.add_argument("--load", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--gateway", help="the ftpgate binary")
    parser.add_argument("--rounds", type=int, help="default 3, 1 with --quick")
    parser.add_argument("--quick", action="store_true", help="few steps, once: does it all work?")
    parser.add_argument("--axes", help="default: all")
    parser.add_argument("--out", help="a file for one line of JSON for each measurement")
    parser.add_argument("--list", action="store_true", help="names of the axes")
    options = parser.parse_args()
    options.rounds = options.rounds or (1 if options.quick else 3)
    return options


def quietest(rig, axis, step):
    """Of at most three tries: {"values": ...} or {"error": ...}."""
    best = None
    for tries in range(1, TRIES + 1):
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


class Table:
    """Medians, and in brackets the ratio to the first step, taken within a round."""

    def __init__(self):
        self.results = {}

    def add(self, round, axis, step, result):
        self.results.setdefault((axis.name, step), {})[round] = result

    def figures(self, axis, step, value):
        results = self.results.get((axis.name, step), {})
        found = {n: result.get("values", {}).get(value) for n, result in results.items()}
        return {n: figure for n, figure in found.items() if figure is not None}

    def cell(self, axis, step, value):
        results = self.results.get((axis.name, step), {}).values()
        found = self.figures(axis, step, value)
        if not found:
            return "failed" if any("error" in result for result in results) else "-"
        noisy = any(result.get("elsewhere", 0) > BUSY_ELSEWHERE for result in results)
        text = number(statistics.median(found.values())) + "~" * noisy
        first = self.figures(axis, axis.steps[0], value)
        ratios = [found[n] / first[n] for n in found if first.get(n)]
        if step != axis.steps[0] and ratios:
            text += " (%.2f)" % statistics.median(ratios)
        return text

    def print(self, wanted):
        width = max(len(axis.steps) for axis in wanted)
        rows = [["what grows, and what that costs", "unit"] + [""] * width]
        rows.append(["---"] * len(rows[0]))
        for axis in wanted:
            steps = ["**%s**" % format(step, ",") for step in axis.steps]
            rows.append(["**%s**" % axis.title, ""] + steps)
            for value, unit in axis.values.items():
                rows.append([value, unit] + [self.cell(axis, step, value) for step in axis.steps])
        rows = [row + [""] * (len(rows[0]) - len(row)) for row in rows]
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        for row in rows:
            print("| " + " | ".join(cell.ljust(w) for cell, w in zip(row, widths)) + " |")


def main():
    options = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    known = axes(options.quick)
    if options.list:
        return print("axes: " + ", ".join(known))
    wanted = chosen("axis", options.axes, known)
    world.prepare()
    rig = Rig(options.load, {"null": Null(options.load)}, procs.descriptor_limit())
    rig.binary = options.gateway
    table, out = Table(), open(options.out, "a") if options.out else None
    for round in range(options.rounds):
        for axis in wanted:
            # Every other round goes down the steps: a machine that gets warmer would else show.
            for step in axis.steps[::-1] if round % 2 else axis.steps:
                result = quietest(rig, axis, step)
                table.add(round, axis, step, result)
                line = json.dumps({"round": round, "axis": axis.name, "step": step, **result})
                say(line)
                if out:
                    print(line, file=out, flush=True)
    now = datetime.datetime.now(datetime.timezone.utc)
    print("\n%s\n%s; %d rounds, medians; %d descriptors\n%s\n" % (
        machine_line(), now.strftime("%Y-%m-%d %H:%M UTC"), options.rounds, rig.descriptors,
        Shaped(options.gateway).version()))
    table.print(wanted)
    print("\nIn brackets: ratio to the first step. ~: other processes took more than a fifth of the "
          "machine in one of the rounds, three tries long.")
    errors = {(axis, step): result["error"] for (axis, step), rounds in table.results.items()
              for result in rounds.values() if "error" in result}
    for (axis, step), error in errors.items():
        print("%s, %s: %s" % (axis, format(step, ","), error))
    sys.exit(1 if errors else 0)


if __name__ == "__main__":
    try:
        main()
    except RuntimeError as error:
        sys.exit("benches/growth.sh: %s" % error)
