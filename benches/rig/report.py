"""The table: medians over the rounds, and ratios taken within each round."""
import datetime
import os
import statistics

OURS, RIVALS = "ftpgate", ("direct", "haproxy", "haproxy-1m", "modproxy")


def machine_line():
    model = cores = memory = system = "?"
    with open("/proc/cpuinfo") as file:
        models = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
        model, cores = (models or ["?"])[0], os.cpu_count()
    with open("/proc/meminfo") as file:
        memory = round(int(file.readline().split()[1]) / 2**20)
    with open("/etc/os-release") as file:
        names = dict(line.rstrip().split("=", 1) for line in file if "=" in line)
        system = names.get("PRETTY_NAME", "?").strip('"')
    return "%s, %s cores, %s GiB, %s, Linux %s, cubic" % (
        model, cores, memory, system, os.uname().release)


def number(value):
    if value >= 1000:
        return "{:,.0f}".format(value)
    return "%.0f" % value if value >= 100 else "%.1f" % value if value >= 10 else "%.3f" % value


class Table:
    def __init__(self, ways, measures, rounds):
        self.ways, self.measures, self.rounds = ways, measures, rounds
        self.results = {}

    def add(self, number, measure, way, result):
        self.results[measure.name, way.name, number] = result

    def values(self, measure, way, value):
        """Round -> value."""
        found = {}
        for number in range(self.rounds):
            result = self.results.get((measure, way, number), {})
            if value in result.get("values", {}):
                found[number] = result["values"][value]
        return found

    def ratio(self, measure, way, to, value):
        ours, theirs = self.values(measure, way, value), self.values(measure, to, value)
        ratios = [ours[n] / theirs[n] for n in ours if theirs.get(n)]
        return "%.2f" % statistics.median(ratios) if ratios else "-"

    def cell(self, measure, way, value):
        found = self.values(measure, way, value)
        results = [self.results.get((measure, way, n), {}) for n in range(self.rounds)]
        if not found:
            return "failed" if any("error" in result for result in results) else "-"
        noisy = any(result.get("elsewhere", 0) > 0.2 for result in results)
        text = number(statistics.median(found.values())) + "~" * noisy
        if way not in ("direct", OURS) and value == "rate":
            ratio = self.ratio(measure, way, "direct", value)
            text += " (%s)" % ratio if ratio != "-" else ""
        return text

    def print(self, versions):
        names = [way.name for way in self.ways]
        rivals = [rival for rival in RIVALS if rival in names and OURS in names]
        now = datetime.datetime.now(datetime.timezone.utc)
        print("\n%s\n%s; %d rounds, medians\n%s\n" % (
            machine_line(), now.strftime("%Y-%m-%d %H:%M UTC"), self.rounds, ", ".join(versions)))
        head = ["measure", "", *names] + ["%s / %s" % (OURS, rival) for rival in rivals]
        rows = [head, ["---"] * len(head)]
        for measure in self.measures:
            for value, (unit, _) in measure.values.items():
                cells = [self.cell(measure.name, way, value) for way in names]
                ratios = [self.ratio(measure.name, OURS, rival, value) for rival in rivals]
                title = "%s%s, %s" % (measure.title, self.behind(measure), value)
                rows.append([title, unit, *cells, *ratios])
        widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
        for row in rows:
            print("| " + " | ".join(cell.ljust(w) for cell, w in zip(row, widths)) + " |")
        print("\nIn brackets: ratio to direct. ~: other processes took more than a fifth of the "
              "machine in one of the rounds, three tries long.")
        errors = {(measure, way): result["error"]
                  for (measure, way, _), result in self.results.items() if "error" in result}
        for (measure, way), error in errors.items():
            print("%s, %s: %s" % (way, measure, error))

    def behind(self, measure):
        return "" if measure.server == "null" else " (%s)" % measure.server
