"""What a sampled stack was doing: system calls by name, and a process's own code by what it is for.

Pure text in, names out; run as a program, it checks itself.
"""
import re

# Row -> system calls of it, in the order of the table.
CALLS = {
    "send": ("sendto", "sendmsg", "writev"),
    "write": ("write",),
    "receive": ("recvfrom", "recvmsg", "read", "readv"),
    "splice": ("splice",),
    "connect": ("connect",),
    "accept": ("accept", "accept4"),
    "close": ("close",),
    "shutdown": ("shutdown",),
    "socket, bind, listen": ("socket", "bind", "listen"),
    "socket options": ("setsockopt", "getsockopt", "getsockname", "getpeername", "fcntl", "ioctl"),
    "pipe": ("pipe", "pipe2"),
    "clock_gettime": ("clock_gettime", "gettimeofday"),
    "epoll_ctl": ("epoll_ctl",),
    "epoll_wait, poll": ("epoll_wait", "epoll_pwait", "epoll_pwait2", "poll", "ppoll", "select",
                         "pselect6"),
}
OTHER, ENTRY, SWITCH = "other system calls", "in and out of the kernel", "switching tasks"
INTERRUPT, FAULT, LOG = "interrupts", "page faults", "the log's thread"
# The function that runs; what stands first wins, for what prints an address is no network.
OWN = {
    "own code: record": r"tracing|serde|telemetry|core::fmt|alloc::fmt|::mpmc::|core::str",
    "own code: data": r"ftpgate::(data|net)::",
    "own code: dialogue": r"ftpgate::",
    "own code: runtime": r"tokio|mio::|core::task|std::sync|parking_lot|clock_gettime|Timespec",
    "own code: memory": r"malloc|calloc|free|memalign|realloc|mem(move|cpy|set|cmp)|unlink_chunk",
    "own code: rest": r"",
}
ROWS = [*CALLS, OTHER, ENTRY, SWITCH, INTERRUPT, FAULT, *OWN, LOG]

ROW_OF = {call: row for row, calls in CALLS.items() for call in calls}
CALL = re.compile(r"(?:__(?:x64|arm64|ia32)_sys_|__do_sys_|__sys_|ksys_|do_)(\w+)$")
ENTRIES = re.compile(r"do_syscall_64|do_el0_svc|entry_SYSCALL|el0t?_|x64_sys_call|invoke_syscall")
EXCEPTION = re.compile(r"asm_|el1h?_|ret_from_")
SCHEDULES = re.compile(r"_*schedule(_\w+)?$|preempt_schedule")


def samples(lines):
    """`perf script -F comm,tid,ip,sym`: (thread's name, functions from the outermost inwards)."""
    thread, frames = None, []
    for line in lines:
        if line.startswith("\t"):
            frames.append(line.split(None, 1)[1] if len(line.split(None, 1)) > 1 else "[unknown]")
        elif line.strip():
            thread = line.rsplit(None, 1)[0].strip()
        elif thread is not None:
            yield thread, frames[::-1]
            thread, frames = None, []
    if thread is not None:
        yield thread, frames[::-1]


def row(thread, frames):
    """The row that a sample belongs to."""
    if thread == "log":
        return LOG
    if any(SCHEDULES.match(frame) for frame in frames):
        return SWITCH
    for place, frame in enumerate(frames):
        if EXCEPTION.match(frame):
            return FAULT if "page_fault" in frame else INTERRUPT
        if ENTRIES.match(frame):
            return called(frames[place:])
    return own(frames[-1] if frames else "")


def called(frames):
    """The call that is served, by the first of the kernel's functions that bears its name."""
    inside = [frame for frame in frames if not ENTRIES.match(frame)]
    if not inside:
        return ENTRY
    if "task_work_run" in inside:
        return "close"  # what is put off until the way back: the end of a file
    if inside[0].startswith(("exit_to_user_mode", "syscall_exit", "asm_sysvec")):
        return INTERRUPT if inside[0].startswith("asm_") else ENTRY
    named = CALL.match(inside[0])
    return ROW_OF.get(named.group(1), OTHER) if named else OTHER


def own(function):
    return next(name for name, pattern in OWN.items() if re.search(pattern, function))


def check():
    """A sample of each kind; what is read wrongly is an AssertionError."""
    entered = ["entry_SYSCALL_64_after_hwframe", "do_syscall_64"]
    for frames, expected in [
        (["main", *entered, "__x64_sys_sendto", "__sys_sendto"], "send"),
        ([*entered, "do_writev", "vfs_writev"], "send"),
        ([*entered, "ksys_read", "vfs_read"], "receive"),
        ([*entered, "x64_sys_call", "__x64_sys_close", "__fput"], "close"),
        ([*entered, "exit_to_user_mode_loop", "task_work_run", "__fput"], "close"),
        ([*entered, "exit_to_user_mode_loop", "schedule", "__schedule"], SWITCH),
        ([*entered, "__x64_sys_epoll_wait", "do_epoll_wait"], "epoll_wait, poll"),
        ([*entered, "__x64_sys_epoll_wait", "schedule_hrtimeout_range", "schedule"], SWITCH),
        ([*entered, "__x64_sys_futex", "do_futex"], OTHER),
        (entered, ENTRY),
        (["asm_sysvec_apic_timer_interrupt", "handle_softirqs"], INTERRUPT),
        (["malloc", "asm_exc_page_fault", "exc_page_fault"], FAULT),
        (["[unknown]", "<ftpgate::telemetry::A as core::fmt::Display>::fmt"], "own code: record"),
        (["core::ptr::drop_in_place<ftpgate::data::ports::Waiting>"], "own code: data"),
        (["<impl ftpgate::session::machine::Machine>::reply_line"], "own code: dialogue"),
        (["tokio::runtime::task::raw::poll"], "own code: runtime"),
        (["__memmove_avx512_unaligned_erms"], "own code: memory"),
        (["ngx_unix_recv"], "own code: rest"),
    ]:
        assert row("worker", frames) == expected, (frames, row("worker", frames))
    assert row("log", entered) == LOG
    assert set(ROW_OF.values()) | {OTHER} <= set(ROWS)
    text = "worker 0   12 \n\tffff1 inner\n\tffff0 outer one\n\nlog   13 \n\tf0 only\n"
    assert list(samples(text.split("\n"))) == [
        ("worker 0", ["outer one", "inner"]), ("log", ["only"])]


if __name__ == "__main__":
    check()
