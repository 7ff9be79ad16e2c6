"""profile.sh's second half: where the CPU time of a way goes. Runs in namespaces of its own.

What perf counts slows what it looks at. So the time comes from runs without it, and only the shares
from runs with it: share of the samples × true CPU per unit."""
import collections
import contextlib
import signal
import sys

import measures
import perf
import procs
import stacks
from gate import Failed
from main import all_ways, prepare, present
from options import chosen, parser, program, publish, say
from report import markdown, number
from results import header
from rig import BUSY_ELSEWHERE

# More of each than in compare.sh, and rounds, until there is CPU time to take samples of.
SCALE = measures.Scale(8 * 10**9, 2 * 10**9, 4000, 3, 100000, (200,))
ENOUGH = 2.5   # seconds of CPU with perf
ROUNDS = 12    # at most
WAYS, MEASURES = "ftpgate,nginx,haproxy", "small-pin,noop-pin"
LITTLE, FEW = 0.002, 0.05  # share of the cost, and calls per unit, that a row is not made for
OWN_SUM, SUM = "own code", "all"
SAMPLES, COUNTS = "/run/perf.data", "/run/perf.stat"


class Unit:
    """What the cost is divided by: how many there were, by the report; `scale`: of its seconds."""

    def __init__(self, name, unit, scale, count):
        self.name, self.unit, self.scale, self.count = name, unit, scale, count


GIGABYTE = Unit("GB", "ms", 1e3, measures.gigabytes)
UNITS = {
    "get": GIGABYTE, "put": GIGABYTE,
    **{command: Unit(name, "µs", 1e6, lambda report: report["done"]) for command, name in
       (("small", "file"), ("sess", "session"), ("noop", "round trip"))},
}


class Profile:
    """Of one way, in one measure."""

    def __init__(self, rig, way, measure):
        self.rig, self.way, self.measure = rig, way, measure
        self.unit = UNITS[measure.words[0]]
        self.spent = self.done = self.watched = self.elsewhere = 0.0
        self.samples, self.calls = collections.Counter(), {}

    def enough(self):
        return self.watched >= ENOUGH

    def round(self):
        """Once as it is, once with perf."""
        done, cpu, elsewhere = self.quietest()
        self.done, self.spent = self.done + done, self.spent + cpu
        self.elsewhere = max(self.elsewhere, elsewhere)
        self.watched += self.run(lambda pids: perf.sampled(pids, SAMPLES))[1]
        for thread, frames in stacks.samples(perf.stacks(SAMPLES)):
            self.samples[stacks.row(thread, frames)] += 1
        if not self.samples:
            raise Failed("%s was never seen at work" % self.way.name)

    def quietest(self):
        """Of a few tries."""
        runs = []
        while len(runs) < self.rig.tries and all(run[2] > BUSY_ELSEWHERE for run in runs):
            runs.append(self.run())
        return min(runs, key=lambda run: run[2])

    def count(self):
        """How often each row's system calls are asked for, per unit."""
        known = perf.countable(stacks.ROW_OF)
        if not known:
            return
        done, _, _ = self.run(lambda pids: perf.counted(pids, known, COUNTS))
        found = perf.counts(COUNTS)
        rest = found.pop(perf.ALL, 0) - sum(found.values())
        self.calls = collections.Counter({stacks.OTHER: rest / done})
        for call, times in found.items():
            self.calls[stacks.ROW_OF[call]] += times / done

    def run(self, watching=lambda pids: contextlib.nullcontext()):
        """In a network of its own: units, CPU seconds, share of the machine in strange hands."""
        rig, way, measure = self.rig, self.way, self.measure
        with rig.world(way, measure.pinned) as world:
            server, roots = rig.start(world, way, measure.server, measure.tls)
            failed = rig.warm(world, way, measure)
            if failed:
                raise Failed(failed)
            with watching([pid for root in roots for pid in procs.tree(root)]):
                report, cost, result = rig.loaded(world, way, measure, server, roots)
        if "error" in result:
            raise Failed(result["error"])
        return self.unit.count(report), cost.way, result["elsewhere"]

    def cost(self, share=1.0):
        return share * self.spent / self.done * self.unit.scale

    def cells(self, rows):
        """CPU and calls, in each of those rows."""
        total = sum(self.samples.values())
        own = sum(self.samples[row] for row in stacks.OWN)
        of = {**self.samples, OWN_SUM: own, SUM: total}
        cpu = [figure(self.cost(of.get(row, 0) / total)) for row in rows]
        return cpu, [figure(self.calls.get(row, 0)) for row in rows]

    def tells(self, row):
        """Whether there is anything worth a row."""
        return self.samples[row] > LITTLE * self.samples.total() or self.calls.get(row, 0) >= FEW


def figure(value):
    return "" if value < 0.005 else "%.2f" % value if value < 10 else number(value)


def table(profiles):
    """One measure: a pair of columns for each way."""
    measure, unit = profiles[0].measure, profiles[0].unit
    seen = [row for row in stacks.ROWS if any(profile.tells(row) for profile in profiles)]
    place = next((seen.index(row) for row in seen if row in stacks.OWN), len(seen))
    rows = [*seen[:place], OWN_SUM, *seen[place:], SUM]
    columns = [["%s of CPU per %s" % (unit.unit, unit.name), *rows, "samples"]]
    for profile in profiles:
        cpu, calls = profile.cells(rows)
        noisy = "~" * (profile.elsewhere > BUSY_ELSEWHERE)
        columns.append([profile.way.name + noisy, *cpu, format(profile.samples.total(), ",")])
        columns.append(["calls", *calls, ""])
    return "### %s\n\n%s" % (measure.described()["title"], markdown([list(r) for r in zip(*columns)]))


def profiled(rig, ways, measure):
    """The profiles; each round goes through the ways one after another."""
    profiles = [Profile(rig, way, measure) for way in ways if measure.through(way)]
    for count in range(1, ROUNDS + 1):
        for profile in [profile for profile in profiles if not profile.enough()]:
            profile.round()
            say("%s, %s, round %d: %.1f %s per %s" % (
                measure.name, profile.way.name, count, profile.cost(), profile.unit.unit,
                profile.unit.name))
    for profile in profiles:
        profile.count()
    return profiles


def heading(ways, wanted, options):
    run = header(ways, wanted, options, options.command)["run"]
    lines = ["%s; %s" % (run["machine"], run["congestion"]), ", ".join(run["ways"].values()),
             run["date"], run["command"]]
    return "\n".join("    " + line for line in lines)


def arguments():
    taken = parser("benches/profile.sh")
    taken.add_argument("--ways", default=WAYS, help="default: " + WAYS)
    taken.add_argument("--measures", default=MEASURES, help="default: " + MEASURES)
    taken.set_defaults(rounds=ROUNDS)
    return taken.parse_args()


def main():
    stacks.check()
    options = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    known = all_ways(options.gateway, options.load)
    for nobody in ("direct", "knat"):
        del known[nobody]  # the kernel alone: no process that could be looked at
    there = [m.name for m in measures.measures(SCALE).values() if m.words[0] in UNITS]
    if options.list:
        return print("ways: %s\nmeasures: %s" % (", ".join(known), ", ".join(there)))
    program(options.gateway)
    chosen("measure", options.measures, dict.fromkeys(there))
    missing = perf.missing()
    if missing:
        sys.exit("benches/profile.sh: " + missing)
    ways, wanted = present(options, known, SCALE)
    wanted = [measure for measure in wanted if any(measure.through(way) for way in ways)]
    if not wanted:
        sys.exit("benches/profile.sh: none of these ways can be measured so")
    rig = prepare(options, SCALE, ways, wanted)
    # Once more, in case that the files had to be smaller.
    names = [measure.name for measure in wanted]
    wanted = chosen("measure", ",".join(names), measures.measures(SCALE))
    tables = [heading(ways, wanted, options)]
    for measure in wanted:
        tables.append(table(profiled(rig, ways, measure)))
    publish("\n\n".join(tables) + "\n", options.table)


if __name__ == "__main__":
    try:
        main()
    except (RuntimeError, Failed) as error:
        sys.exit("benches/profile.sh: %s" % error)
