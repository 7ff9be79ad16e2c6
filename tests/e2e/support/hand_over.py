"""Listens as a service manager does and hands its sockets over, to a process without privileges.

hand_over.py [--on-demand ROUNDS] NAME=IP@PORT... -- PROGRAM ARGUMENT...

At once, in its own place; or on demand: each time a client waits and no program runs.
"""

import os
import select
import signal
import socket
import sys

NOBODY = 65534


def listening(spec):
    ip, port = spec.split("=", 1)[1].split("@")
    s = socket.socket(socket.AF_INET6 if ":" in ip else socket.AF_INET)
    if s.family == socket.AF_INET6:
        # What listens on all addresses is for both families, as with ListenStream=21.
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, ip != "::")
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((ip, int(port)))
    s.listen(4096)
    return s


def hand_over(sockets, names, program):
    for n, s in enumerate(sockets):
        os.dup2(s.fileno(), 3 + n)
    os.environ.update(
        LISTEN_FDS=str(len(sockets)), LISTEN_PID=str(os.getpid()), LISTEN_FDNAMES=":".join(names)
    )
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)
    os.execv(program[0], program)


arguments = sys.argv[1:]
rounds = 0
if arguments[0] == "--on-demand":
    rounds, arguments = int(arguments[1]), arguments[2:]
split = arguments.index("--")
specs, program = arguments[:split], arguments[split + 1 :]
# Above those that are handed over.
sockets = []
for spec in specs:
    s = listening(spec)
    sockets.append(socket.socket(fileno=os.dup2(s.detach(), 50 + len(sockets))))
names = [spec.split("=")[0] for spec in specs]
if rounds == 0:
    hand_over(sockets, names, program)
for _ in range(rounds):
    select.select(sockets, [], [])
    child = os.fork()
    if child == 0:
        hand_over(sockets, names, program)
    signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGTERM))
    os.waitpid(child, 0)
