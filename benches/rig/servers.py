"""The FTP servers behind the ways, each on 10.77.0.2.

A way that passes data ports on without looking needs a server that advertises the edge: `edge`.
"""
import os
import pwd
import shutil

from world import PUBLIC, SERVER

PORT = 2121
PORTS = "50000-59999"       # data ports of a server that is reached as itself
EDGE_PORTS = "61000-61999"  # the same numbers listen on the edge


def ports(edge):
    return EDGE_PORTS if edge else PORTS


class Null:
    """The load generator's own server: it costs next to nothing, so the way is what is measured."""

    def __init__(self, load):
        self.load = load

    def start(self, world, edge):
        words = [self.load, "serve", "--at", "%s:%d" % (SERVER, PORT), "--ports", ports(edge)]
        words += ["--advertise", PUBLIC] * edge
        child = world.keep("server", *words)
        world.wait_listening("server", SERVER, PORT, child)
        return child


def vsftpd():
    """Installed, or where the test suite unpacks it."""
    here = os.path.dirname(os.path.abspath(__file__))
    return shutil.which("vsftpd", path=os.environ.get("PATH", "") + ":" + os.path.normpath(
        here + "/../../target/peers/root/usr/sbin"))


class Vsftpd:
    """A real one, anonymous, with its files on a tmpfs of the run's own."""

    def __init__(self, load, folder, certificate=None):
        self.folder, self.load, self.certificate = folder, load, certificate
        self.binary = vsftpd()
        # Debian's package makes `ftp`; whoever it is must have a home to be let in.
        accounts = [a for a in pwd.getpwall() if a.pw_name in ("ftp", "daemon")]
        self.account = max((a for a in accounts if os.path.isdir(a.pw_dir)),
                           key=lambda a: a.pw_name)

    def fill(self, sizes, run):
        """The files, once a run; the upload folder belongs to the anonymous user."""
        os.makedirs(self.folder + "/root/up")
        os.makedirs(self.folder + "/empty")
        os.chown(self.folder + "/root/up", self.account.pw_uid, self.account.pw_gid)
        for size in sizes:
            with open("%s/root/z%d" % (self.folder, size), "wb") as file:
                run(self.load, "file", "--bytes", str(size), stdout=file)

    def start(self, world, edge):
        first, last = ports(edge).split("-")
        lines = [
            "listen=YES", "listen_address=" + SERVER, "listen_port=%d" % PORT, "background=NO",
            "anonymous_enable=YES", "local_enable=NO", "write_enable=YES",
            "anon_upload_enable=YES", "anon_other_write_enable=YES", "anon_umask=022",
            "anon_root=%s/root" % self.folder, "ftp_username=" + self.account.pw_name,
            "secure_chroot_dir=%s/empty" % self.folder, "seccomp_sandbox=NO", "isolate_network=NO",
            "xferlog_enable=NO", "max_clients=0", "max_per_ip=0", "idle_session_timeout=3600",
            "pasv_min_port=" + first, "pasv_max_port=" + last,
        ] + ["pasv_address=" + PUBLIC] * edge
        if self.certificate:
            lines += [
                "ssl_enable=YES", "allow_anon_ssl=YES", "force_anon_logins_ssl=YES",
                "force_anon_data_ssl=YES", "require_ssl_reuse=YES", "ssl_ciphers=HIGH",
                "rsa_cert_file=%s/cert.pem" % self.certificate,
                "rsa_private_key_file=%s/key.pem" % self.certificate,
            ]
        path = world.state + "/vsftpd.conf"
        with open(path, "w") as file:
            file.write("\n".join(lines) + "\n")
        child = world.keep("server", self.binary, path)
        world.wait_listening("server", SERVER, PORT, child)
        return child
