"""The network of one measurement: three namespaces, joined to each other and to nothing else.

    client                    edge                        server
    198.51.100.10  --veth--  198.51.100.1 | 10.77.0.1  --veth--  10.77.0.2

Made anew for every measurement, so that no connection of the one before is left over.
"""
import contextlib
import itertools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

CLIENT, PUBLIC, PRIVATE, SERVER = "198.51.100.10", "198.51.100.1", "10.77.0.1", "10.77.0.2"
READY_TIMEOUT = 15  # seconds for a server or a way to listen
STOP_TIMEOUT = 3    # seconds from TERM to KILL
KEEPER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "keeper.py")

# Outgoing connections keep clear of the ranges of data ports, which are above.
SYSCTLS = {
    "ipv4/ip_local_port_range": "10000 49999",
    "core/somaxconn": "16384",
    "ipv4/tcp_max_syn_backlog": "16384",
}
_serial = itertools.count(1)


def run(*words, **options):
    subprocess.run(words, check=True, **options)


def prepare():
    """Once, at the start: a /run of our own, for names of namespaces, configurations and served
    files, that goes with us."""
    run("mount", "-t", "tmpfs", "-o", "mode=755", "run", "/run")
    os.mkdir("/run/netns")


class World:
    """`with World(way, congestion, core) as world:`

    `way`: whether the edge forwards, and whether the client has a route to the server itself;
    `congestion`: the congestion control of every connection; `core`: the one that all processes
    have to share, if not None."""

    def __init__(self, way, congestion="cubic", core=None):
        self.way, self.congestion = way, congestion
        self.pinned = ["taskset", "-c", str(core)] if core is not None else []
        prefix = "ftpgate-bench-%d" % next(_serial)
        self.names = {place: "%s-%s" % (prefix, place) for place in ("client", "edge", "server")}
        self.children = []

    def __enter__(self):
        self.state = tempfile.mkdtemp(dir="/run")
        os.chmod(self.state, 0o755)  # for ways that do not run as root
        try:
            self._build()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for child in reversed(self.children):
            stop(child)
        for name in self.names.values():
            subprocess.run(["ip", "netns", "del", name], stderr=subprocess.DEVNULL)
        shutil.rmtree(self.state, ignore_errors=True)

    def _build(self):
        client, edge, server = self.names.values()
        for name in self.names.values():
            run("ip", "netns", "add", name)
            settings = " ; ".join("echo '%s' >/proc/sys/net/%s" % (v, k) for k, v in SYSCTLS.items())
            run(*self.inside(name), "sh", "-c", settings)
        # The peers' old connections must not use up ports for the next.
        for name in (client, server):
            run(*self.inside(name), "sh", "-c", "echo 1000 >/proc/sys/net/ipv4/tcp_max_tw_buckets")
        forward = "echo %d >/proc/sys/net/ipv4/ip_forward" % self.way.forwards
        run(*self.inside(edge), "sh", "-c", forward)
        # By route: a namespace may not choose what the machine has not allowed.
        by = " congctl " + self.congestion
        self._ip(edge, "link add pub type veth peer name eth0 netns " + client,
                 "link add priv type veth peer name eth0 netns " + server,
                 "link set lo up", "link set pub up", "link set priv up",
                 "addr add %s/24 dev pub" % PUBLIC, "addr add %s/24 dev priv" % PRIVATE,
                 "route replace 198.51.100.0/24 dev pub src %s%s" % (PUBLIC, by),
                 "route replace 10.77.0.0/24 dev priv src %s%s" % (PRIVATE, by))
        self._ip(client, "link set lo up", "link set eth0 up", "addr add %s/24 dev eth0" % CLIENT,
                 "route replace 198.51.100.0/24 dev eth0 src %s%s" % (CLIENT, by),
                 *["route add 10.77.0.0/24 via %s%s" % (PUBLIC, by)] * self.way.routed)
        self._ip(server, "link set lo up", "link set eth0 up", "addr add %s/24 dev eth0" % SERVER,
                 "route replace 10.77.0.0/24 dev eth0 src %s%s" % (SERVER, by),
                 "route add default via %s%s" % (PRIVATE, by))

    def _ip(self, name, *lines):
        run("ip", "-n", name, "-batch", "-", input="\n".join(lines), text=True)

    def inside(self, name):
        return ["nsenter", "--net=/run/netns/" + name]

    def command(self, place, words):
        return self.inside(self.names[place]) + self.pinned + list(words)

    def keep(self, place, *words):
        """A process in that place whose cost will be asked for, and of all that comes of it."""
        child = self.spawn(place, sys.executable, "-ISB", KEEPER, *words)
        child.name = words[0]
        return child

    def spawn(self, place, *words, **options):
        """A process in that place, stopped at the end. Its output is in a file until then."""
        log = os.path.join(self.state, "%s-%d.log" % (place, len(self.children)))
        with open(log, "wb") as out:
            options = {"stdin": subprocess.DEVNULL, "stdout": out, "stderr": out, **options}
            child = subprocess.Popen(self.command(place, words), **options)
        child.log, child.name = log, words[0]
        self.children.append(child)
        return child

    def run(self, place, *words):
        run(*self.command(place, words))

    def wait_said(self, text, child):
        """Until it has said that on its output."""
        self.wait(child, lambda: text in output(child), "has not said `%s`" % text)

    def wait_listening(self, place, address, port, child):
        """Until something listens there."""
        query = self.inside(self.names[place]) + ["ss", "-Hltn", "src %s:%d" % (address, port)]
        self.wait(child, lambda: subprocess.run(query, capture_output=True).stdout,
                  "does not listen")

    def wait(self, child, ready, otherwise):
        deadline = time.monotonic() + READY_TIMEOUT
        while time.monotonic() < deadline and child.poll() is None:
            if ready():
                return
            time.sleep(0.02)
        raise RuntimeError("%s %s: %s" % (child.name, otherwise, output(child)[-500:]))


def output(child):
    with open(child.log, errors="replace") as log:
        return log.read()


def stop(child):
    if child.poll() is not None:
        return
    child.send_signal(signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(STOP_TIMEOUT)
        return
    child.kill()
    child.wait()
