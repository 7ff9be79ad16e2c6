"""pyftpdlib on both families: HOME USER PASSWORD UID ADDRESS..."""

import os
import sys

from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler
from pyftpdlib.servers import FTPServer

home, user, password, uid, *addresses = sys.argv[1:]
authorizer = DummyAuthorizer()
authorizer.add_user(user, password, home, perm="elradfmwMT")
FTPHandler.authorizer = authorizer
FTPHandler.tcp_no_delay = True
FTPServer.max_cons_per_ip = 0
# All share one event loop.
servers = [FTPServer((address, 21), FTPHandler) for address in addresses]
os.setgid(int(uid))
os.setuid(int(uid))
servers[0].serve_forever()
