//! The pool of pipes and its budget. What goes through them is tested with the transfers.

use std::net::Ipv4Addr;
use std::os::fd::AsRawFd;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use super::*;

const MIB: u64 = 1 << 20;

#[test]
fn pipe_grows_with_the_transfer_up_to_the_largest_allowed() {
    let size = |moved, largest| {
        let pipe = Pipe::take(moved, largest)?;
        Some(fcntl_getpipe_size(&pipe.write).unwrap())
    };
    assert_eq!(size(0, 1 << 20), Some(64 << 10));
    assert_eq!(size(MIB / 4 - 1, 1 << 20), Some(64 << 10));
    assert_eq!(size(MIB / 4, 1 << 20), Some(256 << 10));
    assert_eq!(size(MIB, 1 << 20), Some(1 << 20));
    assert_eq!(size(u64::MAX, 300 << 10), Some(256 << 10));
    assert_eq!(size(u64::MAX, 64 << 10), Some(64 << 10));
    assert_eq!(size(u64::MAX, (64 << 10) - 1), None);
    assert_eq!(size(0, 0), None);
}

#[test]
fn empty_pipe_is_used_again() {
    let pipe = Pipe::take(4 * MIB, 1 << 20).unwrap();
    let fd = pipe.read.as_raw_fd();
    pipe.give_back();
    // A larger one that lies idle is better than a new one, if it is allowed.
    let small = Pipe::take(0, 64 << 10).unwrap();
    assert_ne!(small.read.as_raw_fd(), fd);
    let large = Pipe::take(0, 1 << 20).unwrap();
    assert_eq!(large.read.as_raw_fd(), fd);
}

#[test]
fn worker_keeps_few() {
    let pipes: Vec<_> = (0..=KEPT).map(|_| Pipe::take(0, 64 << 10).unwrap()).collect();
    pipes.into_iter().for_each(Pipe::give_back);
    assert_eq!(POOL.with_borrow(|pool| pool[0].len()), KEPT);
}

#[tokio::test]
async fn pipe_that_holds_something_is_never_kept() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let to = listener.local_addr().unwrap();
    let long = std::time::Duration::from_secs(60);
    let ours = crate::net::socket::connect(to, None, long).await.unwrap();
    let (mut theirs, _) = listener.accept().await.unwrap();
    theirs.write_all(b"left").await.unwrap();
    ours.readable().await.unwrap();
    let mut pipe = Pipe::take(0, 1 << 20).unwrap();
    assert_eq!(pipe.fill(&ours, 3).unwrap(), 3);
    assert!(!pipe.is_empty());
    pipe.give_back();
    assert!(POOL.with_borrow(|pool| pool.iter().all(Vec::is_empty)));
}

#[test]
fn budget_is_a_bound() {
    let used = AtomicUsize::new(0);
    assert!(!reserve(&used, 101, 100));
    assert!(reserve(&used, 60, 100));
    assert!(!reserve(&used, 60, 100));
    assert!(reserve(&used, 40, 100));
    assert!(!reserve(&used, usize::MAX, usize::MAX));
    assert_eq!(used.into_inner(), 100);
}

#[test]
fn refusal_of_the_kernel_is_not_asked_for_again_at_once() {
    REFUSED.set(2);
    assert!(Pipe::take(0, 64 << 10).is_none());
    assert!(Pipe::take(0, 64 << 10).is_none());
    assert!(Pipe::take(0, 64 << 10).is_some());
}

/// Sessions are let in by the descriptors that are left (S24), and idle pipes leave fewer.
#[test]
fn pool_takes_no_more_descriptors_than_are_kept_for_it() {
    // Beside epoll, the wake-up and what they are made of.
    const RUNTIME: usize = 8;
    let pooled = 2 * KEPT * SIZES.len();
    assert!((pooled + RUNTIME) as u64 <= crate::limits::DESCRIPTORS_WORKER);
}
