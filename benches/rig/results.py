"""What was measured, as lines of JSON: one that says what the run was, then one a measurement.

A file may hold several runs, of other ways or measures: they are read as one."""
import collections
import datetime
import json
import os
import statistics

QUIET = 0.2  # share of the machine in strange hands that a value may have had


def machine():
    with open("/proc/cpuinfo") as file:
        models = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    with open("/proc/meminfo") as file:
        memory = round(int(file.readline().split()[1]) / 2**20)
    with open("/etc/os-release") as file:
        names = dict(line.rstrip().split("=", 1) for line in file if "=" in line)
    return "%s, %s cores, %s GiB, %s, Linux %s" % (
        (models or ["?"])[0], os.cpu_count(), memory, names.get("PRETTY_NAME", "?").strip('"'),
        os.uname().release)


def header(ways, measures, options, command):
    now = datetime.datetime.now(datetime.timezone.utc)
    return {"run": {
        "machine": machine(), "date": now.strftime("%Y-%m-%d %H:%M UTC"), "command": command,
        "congestion": options.congestion, "rounds": options.rounds,
        "ways": {way.name: way.version() for way in ways},
        "measures": {measure.name: measure.described() for measure in measures},
    }}


class Results:
    def __init__(self):
        self.runs, self.lines = [], []
        self.ways, self.measures = {}, {}
        # (measure, way) -> round -> result; rounds are counted through all runs.
        self.found = collections.defaultdict(dict)
        self.base = self.last = 0

    @classmethod
    def read(cls, *paths):
        results = cls()
        for path in paths:
            with open(path) as file:
                for line in file:
                    results.add(json.loads(line))
        return results

    def add(self, line):
        if "run" in line:
            self.runs.append(line["run"])
            self.ways.update(line["run"]["ways"])
            self.measures.update(line["run"]["measures"])
            self.base = self.last
            return
        number = self.base + line["round"]
        self.last = max(self.last, number + 1)
        self.found[line["measure"], line["way"]][number] = line

    def values(self, measure, way, value):
        """Round -> value."""
        rounds = self.found.get((measure, way), {}).items()
        return {n: line["values"][value] for n, line in rounds if value in line.get("values", {})}

    def median(self, measure, way, value):
        found = self.values(measure, way, value)
        return statistics.median(found.values()) if found else None

    def ratio(self, measure, way, to, value):
        """The median of the ratios within each round."""
        ours, theirs = self.values(measure, way, value), self.values(measure, to, value)
        ratios = [ours[n] / theirs[n] for n in ours if theirs.get(n)]
        return statistics.median(ratios) if ratios else None

    def noisy(self, measure, way):
        lines = self.found.get((measure, way), {}).values()
        return any(line.get("elsewhere", 0) > QUIET for line in lines)

    def troubles(self):
        """(measure, way) -> what went wrong, and in how many rounds."""
        found = {}
        for key, rounds in self.found.items():
            said = [line.get("error") or line.get("short") for line in rounds.values()]
            said = [text for text in said if text]
            if said:
                found[key] = "%s (%d of %d rounds)" % (said[0], len(said), len(rounds))
        return found

    def caption(self):
        """Machine, versions, date and command, a line each."""
        one = lambda key: list(dict.fromkeys(run[key] for run in self.runs))
        dates = sorted(one("date"))
        counts = sorted({len(found) for found in self.found.values()}) or [0]
        rounds = "one round" if counts[-1] < 2 else "medians of %d rounds" % counts[-1]
        if counts[-1] > counts[0]:
            rounds = "medians of %d to %d rounds" % (counts[0], counts[-1])
        return [
            "; ".join(one("machine")) + "; " + " and ".join(one("congestion")),
            ", ".join(dict.fromkeys(self.ways.values())),
            " to ".join(dates[:1] + dates[1:][-1:]) + "; " + rounds,
            *one("command"),
        ]
