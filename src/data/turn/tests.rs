use std::future::poll_fn;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::time::{advance, timeout};

use super::*;
use crate::data::testing::{connect, peer};

/// Whether it comes at once.
async fn at_once<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = std::pin::pin!(future);
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(it) => Poll::Ready(Some(it)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

#[tokio::test(start_paused = true)]
async fn turns_are_long_and_nobody_waits_while_nobody_speaks() {
    let (one, two) = (at_once(Turn::take()).await.unwrap(), at_once(Turn::take()).await.unwrap());
    advance(LONG - Duration::from_nanos(1)).await;
    assert!(!one.is_over() && !two.is_over());
    advance(Duration::from_nanos(1)).await;
    assert!(one.is_over());
    assert!(at_once(one.end()).await.is_none(), "others go on after a long turn");
}

#[tokio::test(start_paused = true)]
async fn turns_are_short_and_one_at_a_time_after_a_word() {
    spoken(Instant::now());
    let one = Turn::take().await;
    assert!(at_once(Turn::take()).await.is_none(), "it is taken");
    advance(SHORT).await;
    assert!(one.is_over());
    one.end().await;
    assert!(at_once(Turn::take()).await.is_some());
    advance(LIVELY).await;
    let (one, two) = (Turn::take().await, at_once(Turn::take()).await);
    assert!(two.is_some() && one.until() - Instant::now() == LONG, "it is quiet again");
}

#[tokio::test(start_paused = true)]
async fn they_come_in_the_order_of_asking() {
    spoken(Instant::now());
    let turn = Turn::take().await;
    let order = Arc::new(std::sync::Mutex::new(Vec::new()));
    let tasks = [1, 2, 3].map(|number| {
        let order = order.clone();
        tokio::spawn(async move {
            for _ in 0..2 {
                let turn = Turn::take().await;
                order.lock().unwrap().push(number);
                turn.end().await;
            }
        })
    });
    turn.end().await;
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(*order.lock().unwrap(), [1, 2, 3, 1, 2, 3]);
}

/// Who has something to read is served between two turns, though transfers never stop asking.
#[tokio::test]
async fn a_word_is_heard_between_two_turns() {
    spoken(Instant::now());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = connect(listener.local_addr().unwrap(), peer(1)).await;
    let (mut server, _) = listener.accept().await.unwrap();
    let taken = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    for _ in 0..8 {
        let taken = taken.clone();
        tokio::spawn(async move {
            loop {
                spoken(Instant::now());
                let turn = Turn::take().await;
                taken.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                turn.end().await;
            }
        });
    }
    let now = || taken.load(std::sync::atomic::Ordering::Relaxed);
    for _ in 0..100 {
        // Every transfer has asked once more.
        let rounds = now() + 8;
        while now() < rounds {
            yield_now().await;
        }
        client.write_all(b"NOOP\r\n").await.unwrap();
        let before = now();
        server.read_exact(&mut [0; 6]).await.unwrap();
        assert!(now() - before <= 3, "it waited for {} turns", now() - before);
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_polled_lets_others_go_first() {
    spoken(Instant::now());
    let mut turns = Turns::default();
    poll_fn(|cx| turns.poll(cx).map(drop)).await;
    let other = tokio::spawn(async { Turn::take().await.end().await });
    yield_now().await;
    assert!(!other.is_finished());
    poll_fn(|cx| {
        turns.pass(cx);
        Poll::Ready(())
    })
    .await;
    poll_fn(|cx| turns.poll(cx).map(drop)).await;
    assert!(other.is_finished(), "it had asked before");
    turns.leave();
    assert!(timeout(LONG, Turn::take()).await.is_ok(), "it is given back");
}

/// The runtime's queue never holds it up: it is woken though nothing else happens.
#[tokio::test(start_paused = true)]
async fn who_passes_alone_is_woken() {
    for lively in [false, true] {
        if lively {
            spoken(Instant::now());
        }
        let mut turns = Turns::default();
        let mut passed = 0;
        poll_fn(|cx| {
            let turn = turns.poll(cx).map(drop);
            if turn.is_pending() || passed == 3 {
                return turn;
            }
            passed += 1;
            turns.pass(cx);
            Poll::Pending
        })
        .await;
        assert_eq!(passed, 3);
    }
}

/// A transfer may find that it has nothing to do while its turn is on its way.
#[tokio::test(start_paused = true)]
async fn who_leaves_keeps_nobody_waiting() {
    spoken(Instant::now());
    let turn = Turn::take().await;
    let mut turns = Turns::default();
    assert!(at_once(poll_fn(|cx| turns.poll(cx).map(drop))).await.is_none());
    turn.end().await;
    turns.leave();
    assert!(at_once(Turn::take()).await.is_some(), "it was given to who is gone");

    poll_fn(|cx| turns.poll(cx).map(drop)).await;
    poll_fn(|cx| {
        turns.pass(cx);
        Poll::Ready(())
    })
    .await;
    turns.leave();
    assert!(at_once(Turn::take()).await.is_some(), "and so was what it had passed on");
}
