"""The tables: ratios, and the figures that they are of. `report.py RESULTS.jsonl…` prints them."""
import sys

from results import Results

OURS, ABOVE = "ftpgate", ("direct", "knat", "bare", "vsftpd-tls")  # ways that are no proxies
BASES = ("direct", "vsftpd-tls")


def number(value):
    if value is None:
        return "–"
    if value >= 1000:
        return "{:,.0f}".format(value)
    return "%.0f" % value if value >= 100 else "%.1f" % value if value >= 10 else \
        "0" if value == 0 else "%.3f" % value


class Report:
    def __init__(self, results):
        self.results = results

    def text(self):
        """Markdown."""
        parts = ["\n".join("    " + line for line in self.results.caption())]
        for tls, heading in ((False, "Plain FTP"), (True, "FTPS, ended at the way")):
            rows = [(name, m) for name, m in self.results.measures.items() if m["tls"] == tls]
            rows = [(name, m) for name, m in rows if self.measured(name)]
            if rows:
                parts += ["### %s: ratios" % heading, self.ratios(rows),
                          "### %s: figures" % heading, self.figures(rows)]
        bases = " or ".join(way for way in BASES if way in self.results.ways)
        parts.append(("×: ratio to %s. " % bases if bases else "") + "`~`: strange processes took "
                     "more than a fifth of the machine, three tries long. `!`: see below. "
                     "↓: lower is better.")
        troubles = self.results.troubles()
        if troubles:
            parts.append("\n".join("- %s, %s: %s" % (way, measure, text)
                                   for (measure, way), text in troubles.items()))
        return "\n\n".join(parts) + "\n"

    def measured(self, measure):
        return any(name == measure for name, _ in self.results.found)

    def columns(self, rows):
        names = [name for name, _ in rows]
        return [way for way in self.results.ways
                if any((name, way) in self.results.found for name in names)]

    def ratios(self, rows):
        """Each way's ratio to the base; where that has no value, the figure itself."""
        ways = self.columns(rows)
        base = next((way for way in BASES if way in ways), None)
        ours = OURS in ways
        table = [["measure", "unit", *ways] + ["%s to the best proxy" % OURS] * ours]
        for name, value, title, unit, better in each(rows):
            cells = [self.ratio_cell(name, way, base, value) for way in ways]
            table.append([title, unit, *cells] + [self.best(name, value, better, ways)] * ours)
        return markdown(table)

    def ratio_cell(self, measure, way, base, value):
        if base is None or way == base:
            return self.cell(measure, way, value)
        if not self.results.median(measure, base, value) or value == "held":
            return self.cell(measure, way, value)
        ratio = self.results.ratio(measure, way, base, value)
        if ratio is None:
            return self.cell(measure, way, value)
        return "×%.2f" % ratio + self.marks(measure, way)

    def best(self, measure, value, better, ways):
        """Our ratio to the best of those that are proxies, and which that is."""
        if value == "held":
            return "–"
        rivals = [way for way in ways if not way.startswith(OURS) and way not in ABOVE]
        medians = {way: self.results.median(measure, way, value) for way in rivals}
        medians = {way: median for way, median in medians.items() if median is not None}
        if not medians:
            return "–"
        best = (max if better == "higher" else min)(medians, key=medians.get)
        ratio = self.results.ratio(measure, OURS, best, value)
        return "–" if ratio is None else "×%.2f %s" % (ratio, best)

    def figures(self, rows):
        ways = self.columns(rows)
        table = [["measure", "unit", *ways]]
        for name, value, title, unit, _ in each(rows):
            table.append([title, unit, *[self.cell(name, way, value) for way in ways]])
        return markdown(table)

    def cell(self, measure, way, value):
        median = self.results.median(measure, way, value)
        if median is None:
            failed = self.results.found.get((measure, way))
            return "failed !" if failed else "–"
        return number(median) + self.marks(measure, way)

    def marks(self, measure, way):
        return "~" * self.results.noisy(measure, way) + \
            " !" * ((measure, way) in self.results.troubles())


def each(rows):
    for name, measure in rows:
        for value, (unit, better) in measure["values"].items():
            arrow = " ↓" * (better == "lower")
            yield name, value, "%s, %s" % (measure["title"], value), unit + arrow, better


def markdown(table):
    table = [table[0], ["---"] * len(table[0]), *table[1:]]
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
    return "\n".join("| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |"
                     for row in table)


if __name__ == "__main__":
    print(Report(Results.read(*sys.argv[1:])).text())
