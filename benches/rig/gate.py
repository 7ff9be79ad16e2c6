"""One gateway of a certain shape in a network of its own, and what it costs to use it."""
import contextlib
import os
import socket
import subprocess
import time

import procs
from gateway import Ftpgate
from rig import QUITTING, SETTLE, Deadline
from world import PUBLIC, World, output

READY = 30  # seconds for a gateway to say that it is ready
# Data ports of 20,000 have to fit between outgoing connections and the end.
OUTGOING = "10000 39999"


class Failed(Exception):
    """The load generator, and through it a peer, says what went wrong."""


class Shaped(Ftpgate):
    """ftpgate with so many data ports, listeners and workers; it says itself when it is ready."""

    def __init__(self, binary, ports=10000, listeners=1, workers=None):
        super().__init__(binary)
        self.ports, self.listeners, self.workers = ports, listeners, workers
        # The last one: what comes first is not what is measured.
        self.at = "%s:%d" % (PUBLIC, self.door(listeners - 1))

    def door(self, number):
        return 21 + number if number == 0 else 2100 + number

    def command(self, state, limit, tls):
        words = super().command(state, limit, tls)
        path = words[-1]
        with open(path) as file:
            text = file.read()
        first = 60000 - self.ports
        changed = text.replace('ports = "50000-59999"', 'ports = "%d-59999"' % first)
        assert self.ports == 10000 or changed != text
        for number in range(1, self.listeners):
            changed += '[[listener]]\nbind = "%s:%d"\n' % (PUBLIC, self.door(number))
        if self.workers:
            changed += "[runtime]\nworkers = %d\n" % self.workers
        with open(path, "w") as file:
            file.write(changed)
        return words

    def start(self, world, limit, tls=False):
        """The process, and how long it took until it was ready."""
        words, path = self.command(world.state, limit, tls), world.state + "/ready"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready:
            ready.bind(path)
            ready.settimeout(READY)
            begun = time.monotonic()
            child = world.spawn("edge", *words, env={**os.environ, "NOTIFY_SOCKET": path})
            try:
                while b"READY=1" not in ready.recv(4096):
                    pass
            except TimeoutError:
                raise RuntimeError("ftpgate is not ready: " + output(child)[-500:]) from None
        return child, time.monotonic() - begun


@contextlib.contextmanager
def on(cpus):
    """What is started now runs on those cores alone; None: on all."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cpus or before)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class Gate:
    """`with Gate(rig, …) as gate:`; `cpus`: those of the gateway; `core`: the one that it and its
    peers have to share."""

    def __init__(self, rig, cpus=None, core=None, **shape):
        self.rig, self.cpus = rig, cpus
        self.way = Shaped(rig.binary, **shape)
        self.world = World(self.way, rig.congestion, core)
        self.wall = self.strange = 0.0

    def __enter__(self):
        self.world.__enter__()
        try:
            self._start()
        except BaseException:
            self.world.__exit__()
            raise
        return self

    def _start(self):
        setting = "echo %s >/proc/sys/net/ipv4/ip_local_port_range" % OUTGOING
        self.world.run("edge", "sh", "-c", setting)
        self.server = self.rig.servers["null"].start(self.world, False)
        with on(self.cpus):
            self.child, self.seconds = self.way.start(self.world, self.rig.descriptors)
        time.sleep(SETTLE)

    def __exit__(self, *_):
        self.world.__exit__()

    def warm(self):
        self.load("get", "--bytes", "1024")

    def load(self, *words):
        """What the load generator reports."""
        report = self.rig.run(self.world, self.way, list(words))
        if report.get("failed", 1):
            raise Failed("%s: %s" % (" ".join(words), report.get("error", "failed")))
        return report

    def cost(self, *words):
        """The same, and the gateway's CPU seconds."""
        before = self._clocks()
        report = self.load(*words)
        return report, self._count(before)

    def idle_cpu(self, seconds):
        """CPU seconds in each second in which nobody wants anything."""
        before = self._clocks()
        time.sleep(seconds)
        return self._count(before) / seconds

    def _clocks(self):
        time.sleep(QUITTING)
        return (time.monotonic(), procs.machine(), procs.ours(), procs.cpu([self.child.pid]),
                procs.cpu([self.server.pid]))

    def _count(self, before):
        wall, machine, client, cpu, serving = (b - a for a, b in zip(before, self._clocks()))
        self.wall += wall
        self.strange += max(0.0, machine - client - cpu - serving)
        return cpu

    def elsewhere(self):
        """The share of the machine that others took while something was measured."""
        return self.strange / (self.wall * procs.CPUS) if self.wall else 0.0

    def memory(self):
        return procs.memory([self.child.pid])

    def time_wait(self):
        query = self.world.command("edge", ["ss", "-Htan", "state", "time-wait", "src " + PUBLIC])
        out = subprocess.run(query, capture_output=True, text=True, check=True).stdout
        return out.count("\n")

    @contextlib.contextmanager
    def holding(self, sessions):
        """So many logged-in sessions, all of which still answer at the end."""
        words = [self.rig.load, "idle", "--sessions", str(sessions), "--at", self.way.at]
        client = self.world.spawn("client", *words, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                  text=True)
        with Deadline(client):
            said = client.stdout.readline()
        if '"held": %d,' % sessions not in said:
            raise Failed("%d sessions are not held: %s" % (sessions, said.strip()))
        time.sleep(SETTLE)
        yield
        with Deadline(client):
            client.stdin.write("\n")
            client.stdin.flush()
            said = client.stdout.readline()
        if '"alive": %d}' % sessions not in said:
            raise Failed("of %d sessions some did not answer: %s" % (sessions, said.strip()))
