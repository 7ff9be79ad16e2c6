"""The ways from the client to the server, one at a time on the edge.

Here: what a way is, and those on which the client's connections reach the server itself.
"""
import os
import shutil
import subprocess

from servers import PORT
from world import PUBLIC, SERVER

TIMEOUT = 3600  # seconds of silence that no way may take for an end
CERTIFICATE = "/run/certificate"  # cert.pem and key.pem, for whoever ends TLS


def first_line(*words):
    out = subprocess.run(words, capture_output=True, text=True)
    return (out.stdout + out.stderr).strip().split("\n")[0]


class Way:
    """One that runs on the edge and listens on its port 21."""
    forwards = False    # the edge passes packets on
    routed = False      # the client has a route to the server
    edge = False        # needs a server that advertises the edge
    plain = True        # can be measured without TLS
    tls = False         # can be measured with the client under TLS
    server = None       # the only server it goes with
    only = None         # the only command of the load generator that it is for
    sessions = 20000    # how many it may be asked to hold
    slowness = 1        # by how much its count of small files is divided
    at = PUBLIC + ":21"

    def start(self, world, limit, tls=False):
        """The process; `limit`: descriptors it may have; `tls`: its clients are under TLS."""
        words = self.command(world.state, limit, tls)
        child = world.keep("edge", *words)
        world.wait_listening("edge", PUBLIC, 21, child)
        return child

    def available(self):
        return True

    def missing(self):
        return "it is not installed"


class Direct(Way):
    """The edge only routes: what the machine can do."""
    name = "direct"
    forwards = routed = True
    at = "%s:%d" % (SERVER, PORT)

    def start(self, world, limit, tls=False):
        return None

    def version(self):
        return "Linux %s" % os.uname().release


class VsftpdTls(Direct):
    """The edge only routes, and vsftpd ends TLS itself: what FTPS costs without any gateway."""
    name = "vsftpd-tls"
    plain, tls = False, True
    server = "vsftpd-tls"

    def __init__(self, binary):
        self.binary = binary

    def available(self):
        return self.binary is not None

    def version(self):
        # It writes where its client would be: on its standard input.
        reader, writer = os.pipe()
        subprocess.run([self.binary, "-v"], stdin=writer, stderr=subprocess.DEVNULL)
        os.close(writer)
        with open(reader, errors="replace") as said:
            return said.readline().strip().replace(": version", "") or "vsftpd"


RULES = """
table ip rig {{
  ct helper ftp {{ type "ftp" protocol tcp; }}
  chain helper {{
    type filter hook prerouting priority -150;
    iifname "pub" tcp dport 21 ct helper set "ftp";
  }}
  chain inwards {{
    type nat hook prerouting priority dstnat;
    iifname "pub" ip daddr {public} tcp dport 21 dnat to {server}:{port};
  }}
  chain outwards {{ type nat hook postrouting priority srcnat; }}
  chain forward {{
    type filter hook forward priority filter; policy drop;
    ct state established,related accept
    iifname "pub" tcp dport {port} ct status dnat accept
  }}
}}
""".format(public=PUBLIC, server=SERVER, port=PORT)


class Knat(Way):
    """The kernel alone: DNAT by nftables, its FTP helper, and a firewall that drops the rest."""
    name = "knat"
    forwards = True

    def available(self):
        if not shutil.which("nft"):
            return False
        # Whether the kernel has all of it shows when it is asked for it.
        tried = subprocess.run(["unshare", "--net", "nft", "-f", "-"], input=RULES, text=True,
                               stderr=subprocess.DEVNULL)
        return tried.returncode == 0

    def missing(self):
        return "it takes nft, and a kernel with nf_conntrack_ftp and nf_nat_ftp"

    def version(self):
        return first_line("nft", "--version")

    def start(self, world, limit, tls=False):
        command = world.command("edge", ["nft", "-f", "-"])
        subprocess.run(command, input=RULES, text=True, check=True)
