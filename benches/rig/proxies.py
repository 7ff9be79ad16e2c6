"""Ways that read the dialogue, as ftpgate does: ProFTPD's mod_proxy and SUSE's ftp-proxy."""
import os
import shutil

from servers import PORT
from ways import CERTIFICATE, TIMEOUT, Way, first_line
from world import PUBLIC, SERVER


class Modproxy(Way):
    """ProFTPD as a reverse proxy, a process for each session."""
    name = "modproxy"
    tls = True
    sessions = 5000  # a megabyte each
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


class FtpProxy(Way):
    """SUSE's, a process for each session. It serves 512 at most, and each file costs it the 40 ms
    of a delayed acknowledgement, so it gets fewer of them."""
    name = "ftp-proxy"
    sessions = 1000
    slowness = 20

    def available(self):
        return shutil.which("ftp-proxy") is not None

    def version(self):
        return "SUSE ftp-proxy"

    def command(self, state, limit, tls):
        path = state + "/ftp-proxy.conf"
        with open(path, "w") as file:
            file.write("""[-Global-]
ServerType standalone
Listen {public}
Port 21
DestinationAddress {server}
DestinationPort {port}
DestinationTransferMode client
PassiveMinDataPort 50000
PassiveMaxDataPort 59999
ActiveMinDataPort 9000
ActiveMaxDataPort 9999
SockBindRand yes
MaxClients 512
ForkLimit 1000000
TimeOut {idle}
LogDestination {state}/ftp-proxy.log
LogLevel ERR
""".format(public=PUBLIC, server=SERVER, port=PORT, idle=TIMEOUT, state=state))
        return ["ftp-proxy", "-d", "-n", "-f", path]
