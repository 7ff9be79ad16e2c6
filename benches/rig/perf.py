"""Linux's perf, attached to processes: what they do with their time, and what they ask the kernel for."""
import contextlib
import os
import re
import select
import shutil
import signal
import subprocess

FREQUENCY = 999  # samples a second of CPU time; no multiple of the kernel's tick
ANSWER = 10      # seconds for perf to begin or to end
ALL = "sys_enter"
PACKAGE = "perf is not here (Debian: linux-perf)"


def missing():
    """Why it cannot be used, or None."""
    if not shutil.which("perf"):
        return PACKAGE
    with contextlib.suppress(OSError), open("/proc/kallsyms") as symbols:
        if int(symbols.readline().split()[0], 16) == 0:
            return "the kernel hides its symbols: kernel.kptr_restrict"
    tried = subprocess.run(["perf", "record", "-q", "-e", "cpu-clock", "-g", "-o", "/dev/null",
                            "--", "true"], capture_output=True, text=True)
    return None if tried.returncode == 0 else "perf does not work: " + tried.stderr.strip()


@contextlib.contextmanager
def attached(pids, *words):
    """From here to the end: perf with those words on those processes and on what comes of them."""
    (asked, ask), (answer, answered) = os.pipe(), os.pipe()
    command = ["perf", *words, "-D", "-1", "--control", "fd:%d,%d" % (asked, answered),
               "-p", ",".join(map(str, pids))]
    perf = subprocess.Popen(command, pass_fds=(asked, answered), stdin=subprocess.DEVNULL,
                            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    os.close(asked)
    os.close(answered)

    def tell(word):
        with contextlib.suppress(BrokenPipeError):
            os.write(ask, word + b"\n")
        ready, _, _ = select.select([answer], [], [], ANSWER)
        if not ready or not os.read(answer, 64):
            perf.kill()
            raise RuntimeError("perf: " + (perf.stderr.read().strip() or "no answer"))

    try:
        tell(b"enable")
        yield
        tell(b"disable")
        perf.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            perf.wait(ANSWER)
    finally:
        perf.kill()
        perf.wait()
        perf.stderr.close()
        os.close(ask)
        os.close(answer)


def sampled(pids, path):
    """Their stacks, some of each second of their CPU time, to that file."""
    return attached(pids, "record", "-q", "-e", "cpu-clock", "-F", str(FREQUENCY), "-g",
                    "-o", path)


def stacks(path):
    """Lines of text: what was sampled."""
    out = subprocess.run(["perf", "script", "-i", path, "-F", "comm,tid,ip,sym"],
                         capture_output=True, text=True, errors="replace")
    if out.returncode:
        raise RuntimeError("perf script: " + out.stderr.strip()[-500:])
    return out.stdout.splitlines()


def counted(pids, calls, path):
    """How often they ask for each of those system calls, to that file."""
    events = ["syscalls:sys_enter_" + call for call in calls] + ["raw_syscalls:" + ALL]
    return attached(pids, "stat", "-x", ",", "-e", ",".join(events), "-o", path)


def counts(path):
    """System call -> how often; `ALL`: all of them."""
    found = {}
    with open(path) as file:
        for line in file:
            fields = line.split(",")
            if len(fields) > 2 and fields[0].isdigit():
                found[re.sub("^(raw_)?syscalls:(sys_enter_)?", "", fields[2])] = int(fields[0])
    return found


def countable(calls):
    """Those among them that can be counted here."""
    out = subprocess.run(["perf", "list", "--no-desc", "tracepoint"], capture_output=True, text=True)
    return [call for call in calls if "syscalls:sys_enter_%s " % call in out.stdout]
