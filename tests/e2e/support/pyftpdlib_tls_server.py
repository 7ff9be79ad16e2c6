"""pyftpdlib under TLS: HOME USER PASSWORD UID CERTIFICATE HOW ADDRESS...

HOW is explicit, implicit, or filezilla: as FileZilla Server does it, with a new ticket on the
control connection right before each answer that opens a data connection, no other tickets, and no
data connection that does not take up the session again.
"""

import ctypes
import os
import sys

from OpenSSL import SSL
from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import TLS_DTPHandler, TLS_FTPHandler
from pyftpdlib.servers import FTPServer

libssl = ctypes.CDLL("libssl.so.3")


def handle(connection):
    """The SSL* that Python has no full view of."""
    return ctypes.c_void_p(int(SSL._ffi.cast("uintptr_t", connection._ssl)))


class Implicit(TLS_FTPHandler):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._pbsz = self._prot = True
        self.secure_connection(self.ssl_context)

    def handle(self):
        pass

    def handle_ssl_established(self):
        TLS_FTPHandler.handle(self)


class Resuming(TLS_DTPHandler):
    def handle_ssl_established(self):
        if not libssl.SSL_session_reused(handle(self.socket)):
            self.cmd_channel.respond("425 TLS session resumption required")
            self.close()


class TicketFirst(TLS_FTPHandler):
    dtp_handler = Resuming

    def respond(self, reply, *args, **kwargs):
        if reply[:3] in ("227", "229") or "PORT command" in reply:
            # Fails before TLS 1.3, where the one ticket came with the handshake.
            libssl.SSL_new_session_ticket(handle(self.socket))
        super().respond(reply, *args, **kwargs)


home, user, password, uid, certificate, how, *addresses = sys.argv[1:]
handler = {"explicit": TLS_FTPHandler, "implicit": Implicit, "filezilla": TicketFirst}[how]
handler.authorizer = DummyAuthorizer()
handler.authorizer.add_user(user, password, home, perm="elradfmwMT")
handler.certfile = certificate
handler.tls_control_required = True
handler.tls_data_required = True
handler.ssl_context = handler.get_ssl_context()
handler.ssl_context.set_session_id(b"ftp")
if how == "filezilla":
    context = ctypes.c_void_p(int(SSL._ffi.cast("uintptr_t", handler.ssl_context._context)))
    libssl.SSL_CTX_set_num_tickets(context, 0)
FTPServer.max_cons_per_ip = 0
# All share one event loop.
servers = [FTPServer((address, 21), handler) for address in addresses]
os.setgid(int(uid))
os.setuid(int(uid))
servers[0].serve_forever()
