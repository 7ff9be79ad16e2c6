"""What processes cost: CPU time and memory, from /proc.

The run has a process namespace of its own, so /proc holds no stranger; what strangers take is the
difference to the machine's whole busy time.
"""
import contextlib
import glob
import os
import resource

TICK = 1 / os.sysconf("SC_CLK_TCK")
CPUS = os.cpu_count() or 1


def stat(pid):
    """The fields of /proc/PID/stat after the name; the parent's pid is the second."""
    with open("/proc/%d/stat" % pid) as file:
        return file.read().rsplit(")", 1)[1].split()


def tree(root):
    """A process and all that came of it."""
    children = {}
    for path in glob.glob("/proc/[0-9]*"):
        pid = int(path.rsplit("/", 1)[1])
        with contextlib.suppress(OSError):
            children.setdefault(int(stat(pid)[1]), []).append(pid)
    found, todo = [], [root]
    while todo:
        pid = todo.pop()
        found.append(pid)
        todo += children.get(pid, [])
    return found


def own_cpu(pid):
    """Seconds on a CPU, of all threads and of children that have ended.

    The scheduler's nanoseconds of the threads that there are, where the kernel counts them; with
    those that have ended, ticks of 10 ms."""
    try:
        user, system, *ended = (int(field) * TICK for field in stat(pid)[11:15])
    except OSError:
        return 0.0
    threads = 0.0
    with contextlib.suppress(ValueError, IndexError):
        for path in glob.glob("/proc/%d/task/*/schedstat" % pid):
            with contextlib.suppress(FileNotFoundError), open(path) as file:
                threads += int(file.read().split()[0]) / 1e9
    return max(threads, user + system) + sum(ended)


def cpu(roots):
    """Twice, since one that ends in between is missed: it is not here any more, and was not with
    those that had ended."""
    return max(sum(own_cpu(pid) for root in roots for pid in tree(root)) for _ in range(2))


def memory(roots):
    """PSS in bytes; without smaps, resident memory, which counts shared pages more than once."""
    total = 0
    for root in roots:
        for pid in tree(root):
            with contextlib.suppress(OSError):
                total += pss(pid)
    return total


def pss(pid):
    try:
        with open("/proc/%d/smaps_rollup" % pid) as file:
            return next(int(line.split()[1]) for line in file if line.startswith("Pss:")) * 1024
    except (FileNotFoundError, StopIteration):
        with open("/proc/%d/statm" % pid) as file:
            return int(file.read().split()[1]) * resource.getpagesize()


def ours():
    """CPU seconds of this process and of children that it has waited for."""
    spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in spent)


def machine():
    """CPU seconds that the whole machine was busy."""
    with open("/proc/stat") as file:
        user, nice, system, _idle, _iowait, *rest = map(int, file.readline().split()[1:9])
    return (user + nice + system + sum(rest)) * TICK


def descriptor_limit():
    """Raised as far as it goes; children inherit it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard
