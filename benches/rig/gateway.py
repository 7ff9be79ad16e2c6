"""ftpgate itself, twice: as it is, and without pipes."""
import os
import shutil
import sys

from servers import PORT
from ways import CERTIFICATE, TIMEOUT, Way, first_line
from world import PUBLIC, SERVER

TLS = """tls = {{ mode = "required", cert = "{0}/cert.pem", key = "{0}/key.pem" }}""".format(CERTIFICATE)
NOBODY = 64321  # a user that owns nothing else on this machine
COPY = "/run/ftpgate"


class Ftpgate(Way):
    """With its defaults, and limits that let one client address be a crowd."""
    name = "ftpgate"
    tls = True

    def __init__(self, binary, name=None):
        self.binary = binary
        self.name = name or self.name

    def version(self):
        return first_line(self.binary, "--version")

    def command(self, state, limit, tls):
        path = state + "/ftpgate.toml"
        with open(path, "w") as file:
            file.write("""[[listener]]
bind = "{public}:21"
{tls}
[[upstream]]
address = "{server}:{port}"
[data]
ports = "50000-59999"
[advertise]
address = "{public}"
[limits]
sessions = 12000
sessions_per_client = 12000
logins_pending = 12000
handshakes_per_minute = 1000000
[timeouts]
idle = "{idle}s"
""".format(public=PUBLIC, server=SERVER, port=PORT, idle=TIMEOUT, tls=TLS * tls))
        return [self.binary, "run", "-c", path]


class NoPipe(Ftpgate):
    """As an ordinary user whose pipes another process has used up: Linux allows a user 64 MiB of
    them, and then gives out none of a useful size. ftpgate copies."""
    name = "ftpgate-nopipe"
    tls = False  # there are no pipes under TLS

    def available(self):
        with open("/proc/sys/fs/pipe-user-pages-soft") as file:
            return int(file.read()) > 0

    def missing(self):
        return "this machine grants its users pipes without a bound"

    def start(self, world, limit, tls=False):
        # Ordinary users may listen on port 21 of this namespace, and read this binary.
        world.run("edge", "sh", "-c", "echo 0 >/proc/sys/net/ipv4/ip_unprivileged_port_start")
        if not os.path.exists(COPY):
            shutil.copy(self.binary, COPY)
            os.chmod(COPY, 0o755)
        ordinary = ["setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups"]
        hoard = os.path.join(os.path.dirname(os.path.abspath(__file__)), "hoard_pipes.py")
        with open(hoard) as script:
            holder = world.spawn("edge", *ordinary, sys.executable, "-c", script.read())
        world.wait_said("none left", holder)
        words = self.command(world.state, limit, tls)
        child = world.keep("edge", *ordinary, COPY, *words[1:])
        world.wait_listening("edge", PUBLIC, 21, child)
        return child
