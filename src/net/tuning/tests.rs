//! That a socket really has what it is given.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::net::socket::{Origin, connect_data, listen_data_on};

const LONG: Duration = Duration::from_secs(60);
const BUFFER: u32 = 65_536;
const LOWAT: u32 = 16_384;

fn tuning() -> Tuning {
    Tuning {
        congestion: Congestion::new("reno"),
        buffer: NonZeroU32::new(BUFFER),
        notsent_lowat: NonZeroU32::new(LOWAT),
    }
}

/// Both ends of a connection, the dialled one and the accepted one, each tuned.
async fn pair(tuning: Tuning) -> [TcpStream; 2] {
    let at = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let listener = listen_data_on(None, at, false, tuning).unwrap();
    let to = listener.local_addr().unwrap();
    let listener = TcpListener::from_std(listener).unwrap();
    let origin = Origin { tuning, ..Origin::default() };
    let (dialled, accepted) = tokio::join!(connect_data(to, origin, LONG), listener.accept());
    [dialled.unwrap(), accepted.unwrap().0]
}

/// Congestion control, both buffers and the low-water mark, as the kernel has them.
fn options(stream: &TcpStream) -> (String, [usize; 2], u32) {
    let socket = SockRef::from(stream);
    let congestion = String::from_utf8(socket.tcp_congestion().unwrap()).unwrap();
    let buffers = [socket.send_buffer_size().unwrap(), socket.recv_buffer_size().unwrap()];
    let name = congestion.trim_end_matches('\0').to_owned();
    (name, buffers, socket.tcp_notsent_lowat().unwrap())
}

#[tokio::test]
async fn both_ends_have_what_they_are_given() {
    for stream in pair(tuning()).await {
        let (congestion, buffers, lowat) = options(&stream);
        assert_eq!(congestion, "reno");
        // The kernel doubles what it is told, for its own bookkeeping.
        assert_eq!(buffers, [2 * BUFFER as usize; 2]);
        assert_eq!(lowat, LOWAT);
    }
}

#[tokio::test]
async fn the_others_have_what_the_kernel_chooses() {
    let [dialled, accepted] = pair(Tuning::default()).await;
    let plain = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let client = std::net::TcpStream::connect(plain.local_addr().unwrap()).unwrap();
    client.set_nonblocking(true).unwrap();
    let server = plain.accept().unwrap().0;
    server.set_nonblocking(true).unwrap();
    let kernels = [client, server].map(|stream| TcpStream::from_std(stream).unwrap());
    for (ours, kernels) in [dialled, accepted].iter().zip(&kernels) {
        assert_eq!(options(ours), options(kernels));
    }
}

#[tokio::test]
async fn one_that_there_is_not_is_refused() {
    let tuning = Tuning { congestion: Congestion::new("nonsense"), ..Tuning::default() };
    let at = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let refused = listen_data_on(None, at, false, tuning).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::NotFound);
    let origin = Origin { tuning, ..Origin::default() };
    let refused = connect_data(at, origin, LONG).await.unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::NotFound);
}

#[test]
fn names_of_congestion_controls() {
    for name in ["reno", "bbr", "westwood", "fifteen_letters"] {
        assert_eq!(Congestion::new(name).unwrap().to_string(), name);
    }
    for name in ["", "sixteen_letters_", "cubic ", "a/b", "\u{fc}"] {
        assert_eq!(Congestion::new(name), None, "{name}");
    }
}

#[test]
fn a_kernel_that_tells_nothing_lacks_nothing() {
    let bbr = Congestion::new("bbr").unwrap();
    let unknown = Congestions::parse("", "");
    assert!(unknown.without(bbr).is_none() && unknown.guarding(bbr).is_none());
    let known = Congestions::parse("reno cubic\n", "reno cubic\n");
    assert_eq!(known.without(bbr).unwrap(), ["reno", "cubic"]);
    assert!(known.without(Congestion::new("cubic").unwrap()).is_none());
    // The machine that runs this knows Reno, as all do.
    assert!(Congestions::here().without(Congestion::new("reno").unwrap()).is_none());
}
