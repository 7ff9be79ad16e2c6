"""What is measured: runs of the load generator, and what is read out of what they say."""


HIGH, LOW = "higher", "lower"  # which is better


class Measure:
    """`values`: name -> (unit, which is better, function of (report, Cost)).

    `server`: of a way that has no other; `rounds`: the most it is worth; `pinned`: client, way and
    server share one core."""

    def __init__(self, name, title, words, values, server="null", tls=False, rounds=99,
                 pinned=False):
        self.name, self.title, self.words, self.values = name, title, words, values
        self.server, self.tls, self.rounds, self.pinned = server, tls, rounds, pinned

    def through(self, way):
        """Whether that way can be measured by it: TLS ends only at those that read the dialogue, and
        some are for one thing only."""
        if way.only not in (None, self.words[0]):
            return False
        if self.words[0] == "idle" and self.sessions() > way.sessions:
            return False
        return way.tls if self.tls else way.plain

    def sessions(self):
        return int(self.words[self.words.index("--sessions") + 1])

    def command(self, way):
        """The load generator's words for that way."""
        words = list(self.words)
        if self.fewer(way):
            at = words.index("--files") + 1
            words[at] = str(max(8, int(words[at]) // way.slowness))
        return words + ["--tls"] * self.tls

    def fewer(self, way):
        """Whether that way gets fewer small files than the others."""
        return way.slowness > 1 and self.words[0] == "small"

    def described(self):
        values = {name: [unit, better] for name, (unit, better, _) in self.values.items()}
        title = self.title + (" (%s)" % self.server if self.server != "null" else "")
        return {"title": title, "tls": self.tls, "values": values}


class Cost:
    """CPU seconds of one measurement: the way's processes, and the whole machine."""

    def __init__(self, way, machine):
        self.way, self.machine = way, machine


def rate(report, _cost):
    return report["done"] / report["seconds"]


def gigabytes(report):
    return report["bytes"] / 1e9


BULK = {
    "rate": ("MB/s", HIGH, lambda report, _: gigabytes(report) * 1e3 / report["seconds"]),
    "CPU": ("s/GB", LOW, lambda report, cost: cost.way / gigabytes(report)),
    "CPU, machine": ("s/GB", LOW, lambda report, cost: cost.machine / gigabytes(report)),
}
LATENCY = {
    "p50": ("µs", LOW, lambda report, _: report["p50_us"]),
    "p99": ("µs", LOW, lambda report, _: report["p99_us"]),
}
SMALL = {
    "rate": ("files/s", HIGH, rate),
    **{"first byte " + name: value for name, value in LATENCY.items()},
    "CPU": ("µs/file", LOW, lambda report, cost: cost.way / report["done"] * 1e6),
}
BESIDE = {
    **{name: value for name, value in SMALL.items() if name != "CPU"},
    "bulk beside": ("MB/s", HIGH, lambda report, _: report["beside_bytes"] / 1e6 / report["seconds"]),
}
SESSIONS = {
    "rate": ("sessions/s", HIGH, rate),
    "login p50": LATENCY["p50"],
    "CPU": ("µs/session", LOW, lambda report, cost: cost.way / report["done"] * 1e6),
}
IDLE = {
    "memory": ("KiB/session", LOW, lambda report, _: report["bytes"] / report["held"] / 1024),
    "held": ("sessions", HIGH, lambda report, _: report["held"]),
    "CPU": ("ms/s", LOW, lambda report, cost: cost.way * 1e3 / report["seconds"]),
}
STREAMS = (1, 2, 8, 64)


class Scale:
    """How much of everything. `bulk`: bytes in all, long enough that a stream's start is not what
    counts; `dear`: the same with files on a tmpfs behind, and under TLS; `tries`: how often a
    measurement is repeated that was disturbed, at most; `watch`: seconds that idle sessions are
    watched for."""

    def __init__(self, bulk, dear, files, seconds, noops, idle, tries=3, watch=3):
        self.bulk, self.dear, self.files, self.seconds = bulk, dear, files, seconds
        self.noops, self.idle = noops, idle
        self.tries, self.watch = tries, watch


FULL = Scale(8 * 10**9, 2 * 10**9, 2000, 3, 5000, (200, 1000, 5000, 9500))
QUICK = Scale(256 * 10**6, 256 * 10**6, 400, 1, 1000, (200, 1000))
SMOKE = Scale(32 * 10**6, 32 * 10**6, 64, 0.2, 200, (100,), tries=1, watch=0.5)


def size(count):
    return "%g GB" % (count / 1e9) if count >= 1e9 else "%.3g MB" % (count / 1e6)


def bulk(total):
    for verb, direction in (("get", "down"), ("put", "up")):
        for streams in STREAMS:
            each = total // streams
            name = verb if streams == 1 else "%s%d" % (verb, streams)
            title = "%s %s" % (size(each) if streams == 1 else
                               "%d × %s" % (streams, size(each)), direction)
            words = [verb, "--bytes", str(each), "--sessions", str(streams)]
            yield Measure(name, title, words, BULK)


def dialogue(scale):
    for sessions in (1, 8):
        name = "small" if sessions == 1 else "small%d" % sessions
        files = scale.files * (2 if sessions > 1 else 1)
        title = "%d × 1 KiB, %d session%s" % (files, sessions, "s" * (sessions > 1))
        words = ["small", "--files", str(files), "--sessions", str(sessions)]
        yield Measure(name, title, words, SMALL)
        yield Measure(name + "-pin", title + ", one core", words, SMALL, pinned=True)
    files = scale.files // 4
    yield Measure("small-beside", "%d × 1 KiB, 1 session, beside 4 of bulk" % files,
                  ["small", "--files", str(files), "--beside", "4"], BESIDE)
    for name, sessions in (("sess", 16), ("sess1", 1)):
        words = ["sess", "--sessions", str(sessions), "--seconds", str(scale.seconds)]
        yield Measure(name, "session set-up, %d at a time" % sessions, words, SESSIONS)
    words = ["noop", "--count", str(scale.noops)]
    yield Measure("noop", "NOOP round trip", words, LATENCY)
    yield Measure("noop-pin", "NOOP round trip, one core", words, LATENCY, pinned=True)


def idle(scale):
    for count in scale.idle:
        yield Measure("idle%d" % count, "{:,} idle sessions".format(count),
                      ["idle", "--sessions", str(count)], IDLE, rounds=2)


def measures(scale):
    """Name -> measure."""
    rest = [*dialogue(scale), *idle(scale)]
    found, dear = bulk(scale.bulk), [*bulk(scale.dear), *rest]
    # A real server behind, which is the limit more often than the way.
    real = [Measure(m.name + "@vsftpd", m.title, m.words, m.values, server="vsftpd")
            for m in dear if m.name in ("get", "put", "small", "sess")]
    # The client under TLS, which ends at the way; behind it plain FTP.
    under = ("get", "put", "small", "small8", "small-beside", "sess", "idle%d" % scale.idle[0], "idle1000")
    secure = [Measure("tls-" + m.name, "FTPS: " + m.title, m.words, m.values, tls=True,
                      rounds=m.rounds) for m in dear if m.name in under]
    return {measure.name: measure for measure in [*found, *rest, *real, *secure]}
