"""The picture: ftpgate beside its rivals. `chart.py RESULTS.jsonl… FILE.svg` draws it again from
what was measured before; with `--light` or `--dark` for one kind of page only."""
import statistics
import sys
import textwrap

from results import Results
from svg import Svg

# Each panel: (measure, value, title, what it is a ratio to; None: the figure itself)
PANELS = [
    [("get", "rate", "Download, 1 stream", "direct"),
     ("get2", "rate", "Download, 2 streams", "direct"),
     ("get64", "rate", "Download, 64 streams", "direct")],
    [("put", "rate", "Upload, 1 stream", "direct"),
     ("small8", "rate", "1 KiB files, 8 sessions", "direct"),
     ("sess", "rate", "Logins, 16 at a time", "direct")],
    [("get64", "CPU", "CPU of the way, 64 streams", None),
     ("small", "first byte p50", "PASV to first byte, p50", None),
     ("idle1000", "memory", "Memory of an idle session", None)],
    [("tls-get", "rate", "FTPS download", "vsftpd-tls"),
     ("tls-put", "rate", "FTPS upload", "vsftpd-tls"),
     ("tls-sess", "rate", "FTPS logins, 16 at a time", "vsftpd-tls")],
]
# Way -> (what it is called, class of its bar), from the top.
WAYS = {
    "ftpgate": ("ftpgate", "ours"), "ftpgate-nopipe": ("ftpgate, no pipes", "ours2"),
    "direct": ("direct", "kernel"), "knat": ("kernel NAT", "kernel"),
    "haproxy-1m": ("HAProxy, 1 MB pipes", "rival"), "haproxy": ("HAProxy", "rival"),
    "nginx-256k": ("nginx, 256 KB", "rival"), "nginx": ("nginx", "rival"),
    "ftp-proxy": ("SUSE ftp-proxy", "rival"), "modproxy": ("mod_proxy", "rival"),
    "vsftpd-tls": ("vsftpd itself", "kernel"),
}
WIDTH, MARGIN, GAP = 960, 24, 26
COLUMN = (WIDTH - 2 * MARGIN - 2 * GAP) / 3
LABELS, VALUES = 120, 40      # width of the names left, of the figures right of the bars
HEAD, ROW, BAR = 40, 17, 11
TOO_LONG = 4                  # times the median: such a bar is broken off


def figure(value):
    if value >= 1000:
        return "{:,.0f}".format(value)
    return "%.0f" % value if value >= 100 else "%.1f" % value if value >= 10 else "%.2f" % value


class Chart:
    def __init__(self, results):
        self.results, self.svg, self.y = results, Svg(WIDTH), 0

    def draw(self, dark=None):
        self.svg.text(MARGIN, 38, "ftpgate and the other ways to an FTP server", "title", 19)
        self.svg.text(MARGIN, 58, "One machine, the same client and server, interleaved rounds; "
                      "a ratio is taken within its round, and the bar is the median.", "quiet", 12)
        self.y = 78
        for row in PANELS:
            panels = [panel for panel in (self.panel(*what) for what in row) if panel["bars"]]
            if not panels:
                continue
            for place, panel in enumerate(panels):
                self.bars(MARGIN + place * (COLUMN + GAP), panel)
            self.y += HEAD + ROW * max(len(panel["bars"]) for panel in panels) + 22
        return self.caption(dark)

    def panel(self, measure, value, title, base):
        """What is in it: a bar for each way that was measured."""
        bars = []
        for way, (name, css) in WAYS.items():
            if way == base == "direct":
                continue  # the line at 1
            if way == "ftpgate-nopipe" and measure[:3] not in ("get", "put"):
                continue  # pipes are for bulk
            found = self.results.ratio(measure, way, base, value) if base else \
                self.results.median(measure, way, value)
            if found or (found == 0 and not css == "kernel"):
                bars.append((name, css, found))
            elif (measure, way) in self.results.found and found is None:
                bars.append((name, css, None))
        unit, better = self.results.measures.get(measure, {"values": {}})["values"].get(
            value, ("", "higher"))
        of = self.results.median(measure, base, value) if base else None
        note = "higher is better" if better == "higher" else "lower is better"
        if of:
            name = {"direct": "direct", "vsftpd-tls": "vsftpd itself"}[base]
            note = "1 = %s, %s %s; %s" % (name, figure(of), unit, note)
        else:
            note = "%s; %s" % (unit, note)
        return {"title": title, "note": note, "bars": bars, "line": bool(of),
                "low": better == "lower"}

    def bars(self, x, panel):
        svg, y = self.svg, self.y
        svg.text(x, y + 12, panel["title"], "title", 13)
        svg.text(x, y + 27, panel["note"], "quiet", 10.5)
        figures = [found for _, _, found in panel["bars"] if found is not None] or [1]
        most = max(figures)
        if panel["low"]:
            most = min(most, TOO_LONG * statistics.median(figures))
        most = max(most, 1.0 if panel["line"] else 0) or 1
        left, room = x + LABELS, COLUMN - LABELS - VALUES
        top, bottom = y + HEAD - 4, y + HEAD + ROW * len(panel["bars"])
        svg.put("line", "axis", x1=left, x2=left, y1=top, y2=bottom)
        if panel["line"]:
            one = left + room / most
            svg.put("line", "line", x1=one, x2=one, y1=top, y2=bottom)
        for place, (name, css, found) in enumerate(panel["bars"]):
            at = y + HEAD + ROW * place
            svg.text(left - 7, at + 9.5, name, "title" if css == "ours" else "text", 11, "end")
            if found is None:
                svg.text(left + 5, at + 9.5, "fails", "quiet", 11)
                continue
            length = max(1.0, room * min(found, most) / most)
            svg.put("rect", css, x=left, y=at, width=length, height=BAR, rx=1.5)
            if found > most:
                for shift in (8, 13):
                    edge = left + length - shift
                    svg.put("line", "break", x1=edge, x2=edge - 4, y1=at - 1, y2=at + BAR + 1)
            svg.text(left + length + 5, at + 9.5, figure(found), "halo", 11)

    def caption(self, dark):
        for line in self.results.caption():
            for part in textwrap.wrap(line, 158):
                self.svg.text(MARGIN, self.y + 6, part, "quiet", 10.5)
                self.y += 15
        return self.svg.document(self.y + 14, "ftpgate and its rivals, measured", dark)


def write(results, path, dark=None):
    with open(path, "w") as file:
        file.write(Chart(results).draw(dark))


if __name__ == "__main__":
    words = [word for word in sys.argv[1:] if not word.startswith("--")]
    kind = {"--dark": True, "--light": False}.get(next((w for w in sys.argv if w[:2] == "--"), None))
    if len(words) < 2:
        sys.exit("usage: chart.py RESULTS.jsonl… FILE.svg [--light | --dark]")
    write(Results.read(*words[:-1]), words[-1], kind)
