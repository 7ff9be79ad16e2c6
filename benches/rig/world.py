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
import tempfile
import time

CLIENT, PUBLIC, PRIVATE, SERVER = "198.51.100.10", "198.51.100.1", "10.77.0.1", "10.77.0.2"
READY_TIMEOUT = 15  # seconds for a server or a way to listen
STOP_TIMEOUT = 3    # seconds from TERM to KILL

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
    """`with World(routed) as world:`; `routed`: the client reaches the server itself."""

    def __init__(self, routed):
        self.routed = routed
        prefix = "ftpgate-bench-%d" % next(_serial)
        self.names = {place: "%s-%s" % (prefix, place) for place in ("client", "edge", "server")}
        self.children = []

    def __enter__(self):
        self.state = tempfile.mkdtemp(dir="/run")
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
        forward = "echo %d >/proc/sys/net/ipv4/ip_forward" % self.routed
        run(*self.inside(edge), "sh", "-c", forward)
        self._ip(edge, "link add pub type veth peer name eth0 netns " + client,
                 "link add priv type veth peer name eth0 netns " + server,
                 "link set lo up", "link set pub up", "link set priv up",
                 "addr add %s/24 dev pub" % PUBLIC, "addr add %s/24 dev priv" % PRIVATE,
                 # By route: a namespace may not choose what the machine has not allowed.
                 "route replace 198.51.100.0/24 dev pub src %s congctl cubic" % PUBLIC,
                 "route replace 10.77.0.0/24 dev priv src %s congctl cubic" % PRIVATE)
        self._ip(client, "link set lo up", "link set eth0 up", "addr add %s/24 dev eth0" % CLIENT,
                 "route replace 198.51.100.0/24 dev eth0 src %s congctl cubic" % CLIENT,
                 *["route add 10.77.0.0/24 via %s congctl cubic" % PUBLIC] * self.routed)
        self._ip(server, "link set lo up", "link set eth0 up", "addr add %s/24 dev eth0" % SERVER,
                 "route replace 10.77.0.0/24 dev eth0 src %s congctl cubic" % SERVER,
                 "route add default via %s congctl cubic" % PRIVATE)

    def _ip(self, name, *lines):
        run("ip", "-n", name, "-batch", "-", input="\n".join(lines), text=True)

    def inside(self, name):
        return ["nsenter", "--net=/run/netns/" + name]

    def spawn(self, place, *words, **options):
        """A process in that place, stopped at the end. Its output is in a file until then."""
        log = os.path.join(self.state, "%s-%d.log" % (place, len(self.children)))
        with open(log, "wb") as out:
            options = {"stdin": subprocess.DEVNULL, "stdout": out, "stderr": out, **options}
            child = subprocess.Popen(self.inside(self.names[place]) + list(words), **options)
        child.log = log
        self.children.append(child)
        return child

    def wait_listening(self, place, address, port, child):
        """Until something listens there."""
        query = self.inside(self.names[place]) + ["ss", "-Hltn", "src %s:%d" % (address, port)]
        deadline = time.monotonic() + READY_TIMEOUT
        while time.monotonic() < deadline and child.poll() is None:
            if subprocess.run(query, capture_output=True).stdout:
                return
            time.sleep(0.05)
        with open(child.log, errors="replace") as log:
            raise RuntimeError("%s does not listen: %s" % (child.args[2], log.read()[-500:]))


def stop(child):
    if child.poll() is not None:
        return
    child.send_signal(signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(STOP_TIMEOUT)
        return
    child.kill()
    child.wait()
