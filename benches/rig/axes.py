"""What grows, and what is measured at each step of it."""
import os

import procs
from gate import Gate

STREAMED = 4 * 10**9  # bytes, in all streams together
# Bytes in each stream at least: what a transfer costs to get going would else pass for growth.
STREAM = 64 * 10**6
HELD_STILL = 2        # seconds of looking at a gateway that has nothing to do


class Axis:
    """`values`: name -> unit, in the order of the table."""
    name = title = ""
    steps = few = ()
    values = {}

    def __init__(self, quick):
        self.quick = quick
        if quick:
            self.steps = self.few

    def measure(self, rig, step):
        """One gateway: the gate, and name -> figure."""
        raise NotImplementedError


def small(gate, files, sessions):
    return gate.cost("small", "--files", str(files), "--sessions", str(sessions))


def per(seconds, report):
    """Microseconds of CPU for each of what was done."""
    return seconds / report["done"] * 1e6


def rate(report):
    return report["done"] / report["seconds"]


class Sessions(Axis):
    name, title = "sessions", "idle sessions held"
    steps, few = (1, 100, 1000, 5000, 9500), (1, 200)
    values = {
        "NOOP, p50": "us", "NOOP, CPU": "us", "1 KiB file, first byte p50": "us",
        "1 KiB file, CPU": "us", "new session, p50": "us", "new session, CPU": "us",
        "memory of an idle session": "KiB", "idle CPU": "us/s",
    }

    def measure(self, rig, step):
        noops, files, seconds = (1000, 400, 1) if self.quick else (10000, 4000, 2)
        # All on one core: a round trip then does not depend on where the scheduler puts its ends.
        with Gate(rig, core=procs.CPUS - 1) as gate:
            gate.warm()
            empty = gate.memory()
            with gate.holding(step):
                grown = gate.memory() - empty
                idle = gate.idle_cpu(HELD_STILL)
                small(gate, files // 4, 1)
                noop, noop_cpu = gate.cost("noop", "--count", str(noops))
                file, file_cpu = small(gate, files, 1)
                new, new_cpu = gate.cost("sess", "--sessions", "1", "--seconds", str(seconds))
        figures = [noop["p50_us"], per(noop_cpu, noop), file["p50_us"], per(file_cpu, file),
                   new["p50_us"], per(new_cpu, new), grown / step / 1024, idle * 1e6]
        values = dict(zip(self.values, figures))
        if step < 100:  # what the process itself takes would hide it
            del values["memory of an idle session"]
        return gate, values


class Streams(Axis):
    name, title = "streams", "downloads at once"
    steps, few = (1, 4, 16, 64, 256), (1, 16)
    values = {"rate of all": "MB/s", "CPU": "s/GB"}

    def measure(self, rig, step):
        size = STREAM // 4 if self.quick else max(STREAMED // step, STREAM)
        with Gate(rig) as gate:
            gate.load("get", "--bytes", str(size // 4), "--sessions", str(step))
            report, cpu = gate.cost("get", "--bytes", str(size), "--sessions", str(step))
        gigabytes = report["bytes"] / 1e9
        figures = [gigabytes * 1000 / report["seconds"], cpu / gigabytes]
        return gate, dict(zip(self.values, figures))


class Ports(Axis):
    name, title = "ports", "data ports"
    steps, few = (11, 100, 1000, 20000), (11, 1000)
    values = {
        "1 KiB files, one session": "files/s", "one session, CPU": "us/file",
        "1 KiB files, 8 sessions": "files/s", "8 sessions, CPU": "us/file",
        "TIME_WAIT per port, then": "sockets",
        "one session, later": "files/s", "one session, CPU, later": "us/file",
        "8 sessions, later": "files/s", "8 sessions, CPU, later": "us/file",
        "TIME_WAIT per port, at the end": "sockets",
    }

    def measure(self, rig, step):
        files, between = (400, 2000) if self.quick else (2000, 40000)
        with Gate(rig, ports=step) as gate:
            gate.warm()
            figures = self.both(gate, files) + [gate.time_wait() / step]
            gate.load("small", "--files", str(between), "--sessions", "8")
            figures += self.both(gate, files) + [gate.time_wait() / step]
        return gate, dict(zip(self.values, figures))

    @staticmethod
    def both(gate, files):
        figures = []
        for sessions in (1, 8):
            report, cpu = small(gate, files, sessions)
            figures += [rate(report), per(cpu, report)]
        return figures


class Listeners(Axis):
    name, title = "listeners", "listeners"
    steps, few = (1, 10, 50, 200), (1, 10)
    values = {
        "start, until ready": "ms", "memory, nobody there": "MiB", "session set-up, 16 at a time":
        "sessions/s", "CPU": "us/session", "NOOP, p50": "us", "1 KiB files": "files/s",
        "CPU of a file": "us",
    }

    def measure(self, rig, step):
        noops, files, seconds = (1000, 400, 1) if self.quick else (5000, 2000, 2)
        with Gate(rig, listeners=step) as gate:
            empty = gate.memory()
            gate.warm()
            new, new_cpu = gate.cost("sess", "--sessions", "16", "--seconds", str(seconds))
            noop = gate.load("noop", "--count", str(noops))
            file, file_cpu = small(gate, files, 1)
        figures = [gate.seconds * 1000, empty / 2**20, rate(new), per(new_cpu, new),
                   noop["p50_us"], rate(file), per(file_cpu, file)]
        return gate, dict(zip(self.values, figures))


class Cores(Axis):
    name, title = "cores", "cores of the gateway, a worker on each"
    values = {
        "one download": "MB/s", "one download, CPU": "s/GB", "8 downloads": "MB/s",
        "8 downloads, CPU": "s/GB", "1 KiB files, 8 sessions": "files/s", "a file, CPU": "us",
        "session set-up, 16 at a time": "sessions/s", "a session, CPU": "us",
    }

    def __init__(self, quick):
        super().__init__(quick)
        count = len(os.sched_getaffinity(0))
        self.steps = [n for n in (1, 2, 4, 8, 16, 32, 64) if n <= count]

    def measure(self, rig, step):
        size, files, seconds = (256 * 10**6, 400, 1) if self.quick else (2 * 10**9, 4000, 2)
        figures = []
        with Gate(rig, cpus=set(sorted(os.sched_getaffinity(0))[:step]), workers=step) as gate:
            gate.warm()
            for streams in (1, 8):
                words = ["get", "--bytes", str(size // streams), "--sessions", str(streams)]
                gate.load(*words)
                report, cpu = gate.cost(*words)
                gigabytes = report["bytes"] / 1e9
                figures += [gigabytes * 1000 / report["seconds"], cpu / gigabytes]
            for words in (["small", "--files", str(files), "--sessions", "8"],
                          ["sess", "--sessions", "16", "--seconds", str(seconds)]):
                report, cpu = gate.cost(*words)
                figures += [rate(report), per(cpu, report)]
        return gate, dict(zip(self.values, figures))


def axes():
    return Sessions, Streams, Ports, Listeners, Cores
