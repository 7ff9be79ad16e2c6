//! splice(2) through pipes that belong to the worker.
//!
//! The rule that keeps readiness right: fill only an empty pipe, drain it wholly before reading
//! again. Then "would block" on the way in is always the source and on the way out always the
//! destination, and each is told to its own socket. The pipe itself needs no registration.

use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::pipe::{
    PipeFlags, SpliceFlags, fcntl_getpipe_size, fcntl_setpipe_size, pipe_with, splice,
};
use tokio::io::Interest;
use tokio::net::TcpStream;

/// Sizes of pipes: a transfer starts with the first and outgrows it.
const SIZES: [usize; 3] = [64 << 10, 256 << 10, 1 << 20];
/// A pipe of the next size is worth its price once so many times its size was moved.
const WORTH: u64 = 1;
/// Empty pipes of each size that a worker keeps: two descriptors each.
const KEPT: usize = 16;
/// After the kernel refused a pipe, a worker copies so many times before it asks again.
const REFUSED_PAUSE: u32 = 256;
/// Bytes in all pipes together where the kernel sets no bound (root): it bounds what slow readers
/// can make us hold.
const MAX_BUDGET: usize = 256 << 20;
/// The sysctl counts pages; where they are larger we stay below what is allowed.
const PAGE: usize = 4096;

/// Bytes of all pipes of this process.
static IN_USE: AtomicUsize = AtomicUsize::new(0);

/// Idle pipes of each size.
type Pool = [Vec<Pipe>; SIZES.len()];

thread_local! {
    static POOL: RefCell<Pool> = const { RefCell::new([const { Vec::new() }; SIZES.len()]) };
    static REFUSED: Cell<u32> = const { Cell::new(0) };
}

/// A pipe and what is in it. Dropping closes it and whatever it holds.
pub(super) struct Pipe {
    read: OwnedFd,
    write: OwnedFd,
    class: usize,
    held: usize,
    _charge: Charge,
}

/// A share of the budget; dropping gives it back.
struct Charge(usize);

impl Charge {
    fn take(bytes: usize) -> Option<Self> {
        reserve(&IN_USE, bytes, budget()).then_some(Self(bytes))
    }
}

/// Adds `bytes` to what is `used` if that stays within `budget`.
fn reserve(used: &AtomicUsize, bytes: usize, budget: usize) -> bool {
    let more = |used: usize| used.checked_add(bytes).filter(|sum| *sum <= budget);
    used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
}

impl Drop for Charge {
    fn drop(&mut self) {
        IN_USE.fetch_sub(self.0, Ordering::Relaxed);
    }
}

impl Pipe {
    /// An empty pipe fit for a transfer that moved `moved` bytes, none above `largest` bytes.
    /// `None`: no budget, copy instead.
    pub(super) fn take(moved: u64, largest: usize) -> Option<Self> {
        let allowed = SIZES.iter().filter(|size| **size <= largest).count();
        let outgrown = SIZES.iter().filter(|size| WORTH * **size as u64 <= moved).count();
        let wanted = outgrown.min(allowed).saturating_sub(1);
        let any = |class| idle(class..class + 1).or_else(|| Self::new(class));
        idle(wanted..allowed).or_else(|| (0..allowed.min(wanted + 1)).rev().find_map(any))
    }

    /// A new pipe; `None` when our budget or the kernel's does not allow it.
    fn new(class: usize) -> Option<Self> {
        if REFUSED.get() > 0 {
            REFUSED.set(REFUSED.get() - 1);
            return None;
        }
        let size = *SIZES.get(class)?;
        let charge = Charge::take(size)?;
        let made = || -> rustix::io::Result<Option<(OwnedFd, OwnedFd)>> {
            let (read, write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
            // Above its soft limit a user's new pipes shrink to two pages, silently.
            let enough =
                fcntl_getpipe_size(&write)? >= size || fcntl_setpipe_size(&write, size)? >= size;
            Ok(enough.then_some((read, write)))
        };
        let Ok(Some((read, write))) = made() else {
            REFUSED.set(REFUSED_PAUSE);
            return None;
        };
        Some(Self { read, write, class, held: 0, _charge: charge })
    }

    /// Ends the use of the pipe. It is kept for the next burst only if nothing is in it.
    pub(super) fn give_back(self) {
        if self.held > 0 {
            return;
        }
        // Without a pool (the thread is ending) the pipe is closed.
        let _ = POOL.try_with(|pool| {
            if let Some(kept) = pool.borrow_mut().get_mut(self.class).filter(|k| k.len() < KEPT) {
                kept.push(self);
            }
        });
    }

    /// Whether everything that was filled in is drained.
    pub(super) fn is_empty(&self) -> bool {
        self.held == 0
    }

    /// Takes up to `limit` bytes out of the socket; 0 is its end. Only for an empty pipe.
    pub(super) fn fill(&mut self, from: &TcpStream, limit: usize) -> io::Result<usize> {
        let size = SIZES.get(self.class).copied().unwrap_or_default();
        self.held = from.try_io(Interest::READABLE, || {
            Ok(splice(from, None, &self.write, None, size.min(limit), flags())?)
        })?;
        Ok(self.held)
    }

    /// Writes to the socket as much as goes, and says how much went.
    pub(super) fn drain(&mut self, to: &TcpStream) -> io::Result<usize> {
        let written = to.try_io(Interest::WRITABLE, || {
            Ok(splice(&self.read, None, to, None, self.held, flags())?)
        })?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.held = self.held.saturating_sub(written);
        Ok(written)
    }
}

/// Never `MORE`: a tail would wait for a successor (P59).
fn flags() -> SpliceFlags {
    SpliceFlags::MOVE | SpliceFlags::NONBLOCK
}

/// A pipe that lies idle on this worker.
fn idle(classes: std::ops::Range<usize>) -> Option<Pipe> {
    let from =
        |pool: &RefCell<Pool>| pool.borrow_mut().get_mut(classes)?.iter_mut().find_map(Vec::pop);
    POOL.try_with(from).ok().flatten()
}

/// What all pipes of this process may hold.
fn budget() -> usize {
    static BUDGET: OnceLock<usize> = OnceLock::new();
    *BUDGET.get_or_init(|| {
        if rustix::process::geteuid().is_root() {
            return MAX_BUDGET;
        }
        let pages = std::fs::read_to_string("/proc/sys/fs/pipe-user-pages-soft");
        match pages.ok().and_then(|text| text.trim().parse::<usize>().ok()) {
            Some(0) | None => MAX_BUDGET,
            Some(pages) => pages.saturating_mul(PAGE),
        }
    })
}

#[cfg(test)]
mod tests;
