"""The table of growth: medians, and ratios to the first step. `growth_table.py RESULTS.jsonl…`
prints it."""
import sys

from axes import axes
from report import markdown, number
from results import Results


class Growth(Results):
    """Of one way, at the steps of several axes."""

    def add(self, line):
        if "axis" in line:
            line = {**line, "measure": line["axis"], "way": line["step"]}
        super().add(line)

    def steps(self, axis):
        return sorted(step for name, step in self.found if name == axis.name)

    def cell(self, axis, step, value):
        median = self.median(axis.name, step, value)
        if median is None:
            return "!" if (axis.name, step) in self.troubles() else "–"
        first = self.steps(axis)[0]
        ratio = None if step == first else self.ratio(axis.name, step, first, value)
        text = number(median) + ("" if ratio is None else " ×%.2f" % ratio)
        return text + "~" * self.noisy(axis.name, step)


def table(results):
    """Markdown."""
    measured = [axis for axis in axes() if results.steps(axis)]
    columns = max((len(results.steps(axis)) for axis in measured), default=0)
    rows = [["what grows, and what that costs", "unit"] + [""] * columns]
    for axis in measured:
        steps = results.steps(axis)
        rows.append(["**%s**" % axis.title, ""] + ["**%s**" % format(step, ",") for step in steps])
        for value, unit in axis.values.items():
            rows.append([value, unit] + [results.cell(axis, step, value) for step in steps])
    rows = [row + [""] * (columns + 2 - len(row)) for row in rows]
    parts = ["\n".join("    " + line for line in results.caption()), markdown(rows),
             "×: ratio to the first step, within a round. `~`: strange processes took more than a "
             "fifth of the machine, three tries long. `!`: see below."]
    troubles = results.troubles().items()
    parts += ["\n".join("- %s, %s: %s" % (axis, format(step, ","), text)
                        for (axis, step), text in troubles)] * bool(troubles)
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    print(table(Growth.read(*sys.argv[1:])))
