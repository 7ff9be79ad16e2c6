"""One measurement of one way: its network, its processes, and the load on them."""
import json
import subprocess
import threading
import time

import procs
from measures import Cost
from world import World

BUSY_ELSEWHERE = 0.2  # share of the machine in strange hands above which a measurement is repeated
LIMIT = 180           # seconds for one run of the load generator
SETTLE = 0.3          # seconds for a new network and its processes to become quiet
QUITTING = 0.1        # seconds for processes of sessions to end
CHECK = 8 << 20       # bytes carried each way and compared, before anything is measured
WARM = ["get", "--bytes", "1024"]


class Rig:
    def __init__(self, load, servers, congestion, scale):
        self.load, self.servers, self.congestion = load, servers, congestion
        self.tries, self.watch = scale.tries, scale.watch
        self.descriptors = procs.descriptor_limit()

    def measure(self, way, measure):
        """The quietest of a few tries: {"values": …} or {"error": …}."""
        best = None
        for number in range(1, self.tries + 1):
            result = dict(self.once(way, measure), tries=number)
            if best is None or result["elsewhere"] < best["elsewhere"]:
                best = result
            if "error" in result or result["elsewhere"] <= BUSY_ELSEWHERE:
                return result
        return dict(best, tries=self.tries)

    def world(self, way, pinned=False):
        return World(way, self.congestion, procs.CPUS - 1 if pinned else None)

    def start(self, world, way, server, tls):
        """The server's process, and those whose cost is the way's."""
        serving = self.servers[way.server or server].start(world, way.edge)
        child = way.start(world, self.descriptors, tls)
        if way.server:
            return serving, [serving.pid]
        return serving, [child.pid] if child else []

    def once(self, way, measure):
        with self.world(way, measure.pinned) as world:
            server, roots = self.start(world, way, measure.server, measure.tls)
            failed = self.warm(world, way, measure)
            if failed:
                return {"elsewhere": 0.0, "error": failed}
            if measure.words[0] == "idle":
                return self.idle(world, way, measure, roots)
            report, cost, result = self.loaded(world, way, measure, server, roots)
        if "error" in result:
            return result
        found = values(measure, report, cost)
        if measure.fewer(way):
            found.pop("CPU", None)  # so few files cost less than what a clock of 10 ms can tell
        return dict(result, values=found)

    def warm(self, world, way, measure):
        """One file, once all is quiet; what went wrong, if anything did."""
        time.sleep(SETTLE)
        report = self.run(world, way, WARM + ["--tls"] * measure.tls)
        return trouble(report)

    def loaded(self, world, way, measure, server, roots):
        """The load: its report, what it cost, and what a line of the results tells of both."""
        before = self.clocks(server, roots)
        report = self.run(world, way, measure.command(way))
        after = self.clocks(server, roots)
        wall, machine, client, serving, cpu = (b - a for a, b in zip(before, after))
        strange = machine - client - serving - (0 if way.server else cpu)
        result = {"elsewhere": round(max(0.0, strange) / (wall * procs.CPUS), 3),
                  "seconds": report.get("seconds"), "machine_cpu": round(machine, 3),
                  "client_cpu": round(client, 3), "server_cpu": round(serving, 3)}
        if trouble(report):
            result["error"] = trouble(report)
        return report, Cost(cpu, machine), result

    def clocks(self, server, roots):
        time.sleep(QUITTING)
        return (time.monotonic(), procs.machine(), procs.ours(), procs.cpu([server.pid]),
                procs.cpu(roots))

    def check(self, way, server, tls):
        """What is carried is what was sent, both ways."""
        with self.world(way) as world:
            self.start(world, way, server, tls)
            for command in ("get", "put"):
                words = [command, "--bytes", str(CHECK), "--verify"] + ["--tls"] * tls
                report = self.run(world, way, words)
                if report.get("failed", 1):
                    raise RuntimeError("%s through %s to %s is wrong: %s"
                                       % (command, way.name, server, report.get("error")))

    def run(self, world, way, words):
        command = world.command("client", [self.load, *words, "--at", way.at])
        try:
            out = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT)
            return json.loads(out.stdout)
        except subprocess.TimeoutExpired:
            return {"failed": 1, "error": "not done after %d s" % LIMIT}
        except ValueError:
            return {"failed": 1, "error": out.stderr.strip() or "no report"}

    def idle(self, world, way, measure, roots):
        """Holds sessions; those that are there in the end count."""
        empty = procs.memory(roots)
        client = world.spawn("client", self.load, *measure.command(way), "--at", way.at,
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        with Deadline(client):
            line = client.stdout.readline()
            if not line:
                return {"elsewhere": 0.0, "error": "not there after %d s" % LIMIT}
            report = json.loads(line)
            time.sleep(SETTLE)
            full = procs.memory(roots)
            begun, before = time.monotonic(), procs.cpu(roots)
            time.sleep(self.watch)
            spent, lasted = procs.cpu(roots) - before, time.monotonic() - begun
            client.stdin.write("\n")
            client.stdin.flush()
            alive = json.loads(client.stdout.readline() or '{"alive": 0}')["alive"]
        wanted = measure.sessions()
        why = "%d of %d held: %s" % (alive, wanted, report.get("error") or "some did not answer")
        if alive == 0:
            return {"elsewhere": 0.0, "error": why}
        held = {"bytes": full - empty, "held": alive, "seconds": lasted}
        result = {"elsewhere": 0.0, "values": values(measure, held, Cost(spent, 0))}
        return result if alive == wanted else dict(result, short=why)


def trouble(report):
    """What went wrong, by the load generator's report, or None."""
    return (report.get("error") or "failed") if report.get("failed", 1) else None


def values(measure, report, cost):
    return {name: value(report, cost) for name, (_, _, value) in measure.values.items()}


class Deadline:
    """Kills a process that takes too long, so that nobody waits for it for ever."""

    def __init__(self, child):
        self.timer = threading.Timer(LIMIT, child.kill)

    def __enter__(self):
        self.timer.start()

    def __exit__(self, *_):
        self.timer.cancel()
