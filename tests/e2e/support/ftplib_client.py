"""Python's ftplib as a client: HOST PORT USER PASSWORD VERB PATH."""

import ftplib
import os
import sys

host, port, user, password, verb, path = sys.argv[1:]
ftp = ftplib.FTP(timeout=20)
ftp.connect(host, int(port))
ftp.login(user, password)
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
ftp.quit()
