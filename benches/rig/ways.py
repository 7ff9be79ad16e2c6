"""The ways from the client to the server, one at a time on the edge."""
import os
import re
import shutil
import subprocess

from servers import EDGE_PORTS, PORT
from world import PUBLIC, SERVER

TIMEOUT = 3600  # seconds of silence that no way may take for an end
CERTIFICATE = "/run/certificate"  # cert.pem and key.pem, for the ways that end TLS


def first_line(*words):
    out = subprocess.run(words, capture_output=True, text=True)
    return (out.stdout + out.stderr).strip().split("\n")[0]


class Way:
    """One that runs on the edge and listens on its port 21."""
    routed = False   # the client reaches the server itself
    edge = False     # needs a server that advertises the edge
    tls = False      # can end the client's TLS
    at = PUBLIC + ":21"

    def start(self, world, limit, tls=False):
        """The process; `limit`: descriptors it may have; `tls`: its clients are under TLS."""
        words = self.command(world.state, limit, tls)
        child = world.spawn("edge", *words)
        world.wait_listening("edge", PUBLIC, 21, child)
        return child

    def available(self):
        return True


class Direct(Way):
    """The edge only routes: what the machine can do."""
    name = "direct"
    routed = True
    at = "%s:%d" % (SERVER, PORT)

    def start(self, world, limit, tls=False):
        return None

    def version(self):
        return "Linux %s" % os.uname().release


class Haproxy(Way):
    """TCP with splice, control port and data ports passed on unread."""
    edge = True

    def __init__(self, name, pipe=None):
        self.name, self.pipe = name, pipe

    def available(self):
        return shutil.which("haproxy") is not None

    def version(self):
        return re.sub(r" - .*| \d{4}/.*", "", first_line("haproxy", "-v"))

    def command(self, state, limit, tls):
        # Two descriptors a connection, and pipes; what is left is for its listeners.
        sessions = min(12000, int((limit - 1500) * 0.38))
        pipe = "  tune.pipesize %d\n" % self.pipe if self.pipe else ""
        path = state + "/haproxy.cfg"
        with open(path, "w") as file:
            file.write("""global
  maxconn {sessions}
{pipe}defaults
  mode tcp
  option splice-request
  option splice-response
  timeout connect 5s
  timeout client {idle}s
  timeout server {idle}s
listen control
  bind {public}:21 backlog 4096
  server it {server}:{port}
listen data
  bind {public}:{ports}
  server it {server}
""".format(sessions=sessions, pipe=pipe, idle=TIMEOUT, public=PUBLIC, server=SERVER, port=PORT,
           ports=EDGE_PORTS))
        return ["haproxy", "-db", "-f", path]


class Modproxy(Way):
    """ProFTPD as a reverse proxy: it reads and answers the dialogue, as we do."""
    name = "modproxy"
    tls = True
    modules = "/usr/lib/proftpd"

    def available(self):
        return shutil.which("proftpd") is not None and os.path.exists(self.modules + "/mod_proxy.so")

    def version(self):
        return first_line("proftpd", "-v") + ", mod_proxy"

    def command(self, state, limit, tls):
        path = state + "/proftpd.conf"
        os.mkdir(state + "/tables", 0o700)
        lines = [
            "ModulePath " + self.modules, "LoadModule mod_tls.c", "LoadModule mod_proxy.c",
            "ServerName edge", "ServerType standalone", "DefaultAddress " + PUBLIC,
            "SocketBindTight on", "Port 21", "UseIPv6 off", "User root", "Group root",
            "PidFile %s/pid" % state, "ScoreboardFile %s/scoreboard" % state,
            "SystemLog none", "TransferLog none", "WtmpLog off", "UseReverseDNS off",
            "MaxInstances 12000", "MaxConnectionRate 100000", "TCPBacklog 255",
            "TimeoutIdle %d" % TIMEOUT, "TimeoutNoTransfer %d" % TIMEOUT, "TimeoutLogin 300",
            "PassivePorts 50000 59999", "MasqueradeAddress " + PUBLIC, "DelayEngine off",
            "ControlsEngine off", "ProxyEngine on", "ProxyRole reverse",
            "ProxyTables %s/tables" % state, "ProxyLog none",
            # Its default loads a bundle of certificates for every session: far slower.
            "ProxyTLSEngine off", "ProxyReverseServers ftp://%s:%d" % (SERVER, PORT),
        ] + [
            "TLSEngine on", "TLSRequired on", "TLSLog none",
            "TLSECCertificateFile %s/cert.pem" % CERTIFICATE,
            "TLSECCertificateKeyFile %s/key.pem" % CERTIFICATE,
        ] * tls
        with open(path, "w") as file:
            file.write("\n".join(lines) + "\n")
        return ["proftpd", "--nodaemon", "--config", path]


TLS = """tls = {{ mode = "required", cert = "{0}/cert.pem", key = "{0}/key.pem" }}""".format(CERTIFICATE)


class Ftpgate(Way):
    """With its defaults, and limits that let one client address be a crowd."""
    name = "ftpgate"
    tls = True

    def __init__(self, binary):
        self.binary = binary

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


def all_ways(gateway):
    ways = [Direct(), Haproxy("haproxy"), Haproxy("haproxy-1m", 1 << 20), Modproxy(),
            Ftpgate(gateway)]
    return {way.name: way for way in ways}
