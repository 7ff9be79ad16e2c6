"""Runs a command and reaps whatever comes of it, so that the CPU time of each of its processes is
counted here, even of those that nobody else waits for. Passes TERM on, and ends with the command."""
import ctypes
import os
import signal
import sys

SET_PDEATHSIG, SET_CHILD_SUBREAPER = 1, 36  # <linux/prctl.h>

prctl = ctypes.CDLL(None, use_errno=True).prctl
prctl(SET_CHILD_SUBREAPER, 1, 0, 0, 0)
# Not between fork and exec: what is told to end then must not be us.
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
child = os.fork()
if child == 0:
    prctl(SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    try:
        os.execvp(sys.argv[1], sys.argv[1:])
    except OSError as error:
        print("%s: %s" % (sys.argv[1], error), file=sys.stderr)
        os._exit(127)
signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGTERM))
signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
while True:
    ended, status = os.wait()
    if ended == child:
        sys.exit(os.waitstatus_to_exitcode(status) & 0xFF)
