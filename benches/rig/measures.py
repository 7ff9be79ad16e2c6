"""The measures, and one measurement of one way."""
import json
import subprocess
import threading
import time

import procs
from world import World

BUSY_ELSEWHERE = 0.2  # share of the machine in strange hands above which a measurement is repeated
TRIES = 3
LIMIT = 180           # seconds for one run of the load generator
SETTLE = 0.3          # seconds for a new network and its processes to become quiet
CHECK = 8 << 20       # bytes carried each way and compared, before anything is measured


class Measure:
    """A run of the load generator, and what it says.

    `values`: name -> (unit, better, function of (report, CPU seconds of the way))."""

    def __init__(self, name, title, words, values, server="null", tls=False):
        self.name, self.title, self.words = name, title, words
        self.values, self.server, self.tls = values, server, tls

    def through(self, way):
        """Whether that way can be measured by it: TLS ends only at those that read the dialogue."""
        return way.tls or not self.tls


def rate(report, _cpu):
    return report["done"] / report["seconds"]


def megabytes(report, _cpu):
    return report["bytes"] / 1e6 / report["seconds"]


def cpu_per_gigabyte(report, cpu):
    return cpu / (report["bytes"] / 1e9)


def p50(report, _cpu):
    return report["p50_us"]


def p99(report, _cpu):
    return report["p99_us"]


def each(report, cpu):
    return cpu / report["done"] * 1e6


BULK = {"rate": ("MB/s", megabytes), "CPU": ("s/GB", cpu_per_gigabyte)}
SMALL = {"rate": ("files/s", rate), "first byte p50": ("us", p50), "first byte p99": ("us", p99),
         "CPU": ("us/file", each)}
SESS = {"rate": ("sessions/s", rate), "CPU": ("us/session", each)}
NOOP = {"p50": ("us", p50), "p99": ("us", p99)}

UNDER_TLS = ("get", "put", "small", "sess", "idle200", "idle1000")


def measures(quick, bulk):
    files, seconds, noops = (400, 1, 1000) if quick else (2000, 3, 5000)
    size = "%g GB" % (bulk / 1e9) if bulk >= 1e9 else "%d MB" % (bulk / 1e6)
    found = []
    for server in ("null", "vsftpd"):
        at = "" if server == "null" else "@" + server
        found += [
            Measure("get" + at, size + " down", ["get", "--bytes", str(bulk)], BULK, server),
            Measure("put" + at, size + " up", ["put", "--bytes", str(bulk)], BULK, server),
            Measure("small" + at, "%d x 1 KiB, one session" % files,
                    ["small", "--files", str(files)], SMALL, server),
        ]
    found += [
        Measure("sess", "session set-up, 16 at a time",
                ["sess", "--sessions", "16", "--seconds", str(seconds)], SESS),
        Measure("noop", "NOOP round trip", ["noop", "--count", str(noops)], NOOP),
    ]
    for count in (200,) if quick else (200, 1000, 5000):
        found.append(Measure("idle%d" % count, "%d idle sessions" % count,
                             ["idle", "--sessions", str(count)],
                             {"memory": ("KiB/session", None)}))
    # The client under TLS, which ends at the way; behind it plain FTP to the null server.
    for measure in [m for m in found if m.server == "null" and m.name in UNDER_TLS]:
        found.append(Measure("tls-" + measure.name, "FTPS: " + measure.title,
                             measure.words[:1] + ["--tls"] + measure.words[1:], measure.values,
                             tls=True))
    return {measure.name: measure for measure in found}


class Rig:
    def __init__(self, load, servers, descriptors):
        self.load, self.servers, self.descriptors = load, servers, descriptors

    def measure(self, way, measure):
        """The quietest of at most three tries: {"values": …} or {"error": …}."""
        best = None
        for number in range(1, TRIES + 1):
            result = dict(self.once(way, measure), tries=number)
            if best is None or result["elsewhere"] < best["elsewhere"]:
                best = result
            if "error" in result or result["elsewhere"] <= BUSY_ELSEWHERE:
                return result
        return dict(best, tries=TRIES)

    def once(self, way, measure):
        with World(way.routed) as world:
            server = self.servers[measure.server].start(world, way.edge)
            child = way.start(world, self.descriptors, measure.tls)
            roots = [child.pid] if child else []
            time.sleep(SETTLE)
            if measure.words[0] == "idle":
                return self.idle(world, way, measure, roots)
            self.run(world, way, ["get", "--bytes", "1024"] + ["--tls"] * measure.tls)  # warm
            before = time.monotonic(), procs.machine(), procs.ours(), procs.cpu(roots), procs.cpu([server.pid])
            report = self.run(world, way, measure.words)
            after = time.monotonic(), procs.machine(), procs.ours(), procs.cpu(roots), procs.cpu([server.pid])
        wall, machine, client, cpu, serving = (b - a for a, b in zip(before, after))
        elsewhere = max(0.0, machine - client - cpu - serving) / (wall * procs.CPUS)
        result = {"elsewhere": round(elsewhere, 3), "machine_cpu": round(machine, 3)}
        if report.get("failed", 1):
            return dict(result, error=report.get("error", "failed"))
        values = {name: value(report, cpu) for name, (_, value) in measure.values.items()}
        return dict(result, values=values)

    def check(self, way, server, tls):
        """What is carried is what was sent, both ways."""
        with World(way.routed) as world:
            self.servers[server].start(world, way.edge)
            way.start(world, self.descriptors, tls)
            for command in ("get", "put"):
                words = [command, "--bytes", str(CHECK), "--verify"] + ["--tls"] * tls
                report = self.run(world, way, words)
                if report.get("failed", 1):
                    raise RuntimeError("%s through %s to %s is wrong: %s"
                                       % (command, way.name, server, report.get("error")))

    def run(self, world, way, words):
        command = world.inside(world.names["client"]) + [self.load, *words, "--at", way.at]
        try:
            out = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT)
            return json.loads(out.stdout)
        except subprocess.TimeoutExpired:
            return {"failed": 1, "error": "not done after %d s" % LIMIT}
        except ValueError:
            return {"failed": 1, "error": out.stderr.strip() or "no report"}

    def idle(self, world, way, measure, roots):
        self.run(world, way, ["get", "--bytes", "1024"] + ["--tls"] * measure.tls)
        empty = procs.memory(roots)
        client = world.spawn("client", self.load, *measure.words, "--at", way.at,
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        with Deadline(client):
            report = json.loads(client.stdout.readline() or '{"failed": 1, "held": 0}')
            time.sleep(SETTLE)
            full = procs.memory(roots)
            client.stdin.write("\n")
            client.stdin.flush()
            alive = json.loads(client.stdout.readline() or '{"alive": 0}')["alive"]
        wanted = int(measure.words[-1])
        if alive < wanted:
            why = report.get("error") or "some did not answer"
            return {"elsewhere": 0.0, "error": "%d of %d held: %s" % (alive, wanted, why)}
        return {"elsewhere": 0.0, "values": {"memory": (full - empty) / wanted / 1024}}


class Deadline:
    """Kills a process that takes too long, so that nobody waits for it for ever."""

    def __init__(self, child):
        self.timer = threading.Timer(LIMIT, child.kill)

    def __enter__(self):
        self.timer.start()

    def __exit__(self, *_):
        self.timer.cancel()
