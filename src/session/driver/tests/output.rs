//! Bytes on their way out.

use std::future::poll_fn;
use std::mem::MaybeUninit;
use std::task::Poll;

use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};

use super::house::{connect, reset, soon};
use crate::net::stream::Stream;
use crate::session::driver::output::Output;

async fn pair() -> (Stream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let near = connect(listener.local_addr().unwrap()).await;
    (near.into(), listener.accept().await.unwrap().0)
}

/// Writes what the socket takes now.
async fn flush(output: &mut Output, stream: &mut Stream) {
    poll_fn(|cx| Poll::Ready(output.poll_flush(stream, cx))).await.unwrap();
}

/// S23: a reader that keeps up, but never quite, for as long as it likes.
#[tokio::test]
async fn a_reader_that_is_always_behind_costs_no_more_than_what_it_has_not_read() {
    const CHUNK: usize = 16 << 10;
    let (mut near, mut far) = pair().await;
    // The kernel takes little at a time, as it does on a slow path.
    socket2::SockRef::from(near.tcp()).set_send_buffer_size(CHUNK / 4).unwrap();
    let reader = tokio::spawn(async move {
        let mut seen = vec![0; CHUNK / 4];
        while far.read(&mut seen).await.unwrap() > 0 {
            tokio::task::yield_now().await;
        }
    });
    let mut output = Output::default();
    let mut emptied = 0;
    for _ in 0..40 {
        while output.len() < 4 * CHUNK {
            output.push(vec![7; CHUNK], false);
        }
        let some = poll_fn(|cx| {
            output.poll_flush(&mut near, cx).unwrap();
            if output.len() < 4 * CHUNK { Poll::Ready(()) } else { Poll::Pending }
        });
        soon("room", some).await;
        emptied += usize::from(output.is_empty());
        assert!(output.capacity() <= 16 * CHUNK, "{} bytes are kept", output.capacity());
    }
    assert!(emptied < 20, "this reader was not behind");
    drop(near);
    soon("the reader", reader).await.unwrap();
}

/// P30: the urgent byte is the one that was meant, whatever is in front of it.
#[tokio::test]
async fn the_urgent_mark_stays_where_it_was_set() {
    let (mut near, far) = pair().await;
    let mut output = Output::default();
    output.push(vec![1; 1000], false);
    flush(&mut output, &mut near).await;
    output.push(b"abc".to_vec(), false);
    output.push(b"xyZ".to_vec(), true);
    output.push(b"def".to_vec(), false);
    flush(&mut output, &mut near).await;
    assert_eq!(output.len(), 0);
    let socket = socket2::SockRef::from(&far);
    let mut urgent = [MaybeUninit::new(0); 1];
    far.readable().await.unwrap();
    assert_eq!(socket.recv_out_of_band(&mut urgent).unwrap(), 1);
    let mut far = far;
    let mut seen = vec![0; 1008];
    soon("bytes", far.read_exact(&mut seen)).await.unwrap();
    assert!(seen.ends_with(b"abcxydef"), "{:?}", &seen[1000..]);
}

/// What cannot be written is not tried again.
#[tokio::test]
async fn a_dead_connection_is_told_once() {
    let (mut near, far) = pair().await;
    reset(far);
    near.tcp().readable().await.unwrap();
    let mut output = Output::default();
    output.push(b"abc".to_vec(), false);
    let flushed = poll_fn(|cx| Poll::Ready(output.poll_flush(&mut near, cx))).await;
    assert!(flushed.is_err());
    flush(&mut output, &mut near).await;
    assert_eq!(output.len(), 0);
}
