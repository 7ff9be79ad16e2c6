"""Python's ftplib under TLS as a client: HOST PORT USER PASSWORD HOW VERB PATH.

HOW is reuse, fresh (as ftplib does by itself: no data connection resumes anything),
active (the same, the server connects) or implicit.
"""

import ftplib
import os
import ssl
import sys

host, port, user, password, how, verb, path = sys.argv[1:]


class Client(ftplib.FTP_TLS):
    def connect(self, *args):
        if how != "implicit":
            return super().connect(*args)
        plain = ftplib.FTP.connect
        self.ssl_version = None
        wrap = self.context.wrap_socket

        def create(address, timeout, **more):
            sock = connect(address, timeout, **more)
            return wrap(sock, server_hostname=self.host)

        connect, ftplib.socket.create_connection = ftplib.socket.create_connection, create
        try:
            return plain(self, *args)
        finally:
            ftplib.socket.create_connection = connect

    def ntransfercmd(self, cmd, rest=None):
        connection, size = ftplib.FTP.ntransfercmd(self, cmd, rest)
        session = self.sock.session if how == "reuse" else None
        wrapped = self.context.wrap_socket(connection, server_hostname=self.host, session=session)
        if how == "reuse":
            assert wrapped.session_reused, "not resumed"
        return wrapped, size


ftp = Client(timeout=20, context=ssl.create_default_context(cafile="../ca.pem"))
ftp.set_pasv(how != "active")
ftp.connect(host, int(port))
ftp.login(user, password)
ftp.prot_p()
name = os.path.basename(path)

if verb == "list":
    ftp.retrlines("LIST")
elif verb == "get":
    with open(path, "wb") as file:
        ftp.retrbinary("RETR " + name, file.write)
elif verb == "resume-get":
    with open(path, "ab") as file:
        ftp.retrbinary("RETR " + name, file.write, rest=file.tell())
elif verb == "put":
    with open(path, "rb") as file:
        ftp.storbinary("STOR " + name, file)
elif verb == "append":
    with open(path, "rb") as file:
        ftp.storbinary("APPE " + name, file)
elif verb == "resume-put":
    ftp.voidcmd("TYPE I")
    offset = ftp.size(name)
    with open(path, "rb") as file:
        file.seek(offset)
        ftp.storbinary("STOR " + name, file, rest=offset)
elif verb == "series":
    # One saved session for every transfer.
    for number in range(10):
        ftp.retrlines("LIST", lambda line: None)
        with open(path, "rb") as file:
            ftp.storbinary(f"STOR {name}-{number}", file)
        with open(f"{path}-{number}", "wb") as file:
            ftp.retrbinary(f"RETR {name}-{number}", file.write)
ftp.quit()
