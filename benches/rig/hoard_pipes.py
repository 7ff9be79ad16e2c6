"""Takes all pages of pipes that this user may have, says so, and keeps them."""
import fcntl
import os
import signal

LARGE = 1 << 20
held = []


def hold():
    """One more pipe; its bytes."""
    read, write = os.pipe()
    held.append((read, write))
    try:
        fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, LARGE)
    except PermissionError:
        pass  # the next ones are of the default size, then of two pages
    return fcntl.fcntl(write, fcntl.F_GETPIPE_SZ)


while hold() > 2 * os.sysconf("SC_PAGE_SIZE"):
    pass
print("none left", flush=True)
signal.pause()
