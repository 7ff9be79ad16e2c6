//! Hellos of a real client in any pieces, and what is none.

use proptest::prelude::*;
use tokio::io::AsyncWriteExt as _;

use super::*;
use crate::tls::TlsVersion;
use crate::tls::testing::{Authority, PATIENCE, loopback};

/// The same bytes with the handshake message cut over records of `size`.
fn in_records(hello: &[u8], size: usize) -> Vec<u8> {
    let (header, message) = hello.split_at(5);
    let record = |part: &[u8]| {
        let length = u16::try_from(part.len()).unwrap().to_be_bytes();
        [&header[..3], &length, part].concat()
    };
    message.chunks(size).flat_map(record).collect()
}

#[tokio::test]
async fn an_offer_names_its_session_and_no_other() {
    let ca = Authority::new();
    for version in [TlsVersion::V12, TlsVersion::V13] {
        let (one, _, one_peer) = ca.acquainted(version).await;
        let (other, _, other_peer) = ca.acquainted(version).await;
        let offer = |hello: Vec<u8>| Offer::read(&hello).unwrap().unwrap();
        let (one_offers, other_offers) = (offer(one_peer.hello()), offer(other_peer.hello()));
        assert!(one.gave(&one_offers) && other.gave(&other_offers));
        assert!(!one.gave(&other_offers) && !other.gave(&one_offers));
        let stranger = offer(ca.client(version).hello());
        assert_eq!(stranger.tickets, Vec::<Vec<u8>>::new());
        assert!(!one.gave(&stranger) && !one.gave(&Offer::default()));
    }
}

#[tokio::test]
async fn a_session_id_is_an_offer_too() {
    let ca = Authority::new();
    let session = ca.server().session();
    // What a client without tickets is given.
    let config = session.control();
    assert!(config.session_storage.put(b"the session's id".to_vec(), b"state".to_vec()));
    let offer = |id: &[u8]| Offer { session_id: id.to_vec(), tickets: Vec::new() };
    assert!(session.gave(&offer(b"the session's id")));
    assert!(!session.gave(&offer(b"another's id")) && !session.gave(&offer(b"")));
    assert!(!ca.server().session().gave(&offer(b"")));
}

#[tokio::test]
async fn pieces_are_put_together() {
    let ca = Authority::new();
    let whole = ca.acquainted(TlsVersion::V13).await.2.hello();
    let offer = Offer::read(&whole).unwrap().unwrap();
    assert_eq!(offer.tickets.len(), 1);
    for size in [1, 7, 100, 4000] {
        assert_eq!(Offer::read(&in_records(&whole, size)), Ok(Some(offer.clone())));
    }
    for end in 0..whole.len() {
        assert_eq!(Offer::read(&whole[..end]), Ok(None), "at {end}");
    }
    let (mut near, far) = loopback().await;
    let dribble = async {
        for piece in whole.chunks(50) {
            near.write_all(piece).await.unwrap();
            tokio::task::yield_now().await;
        }
    };
    let (read, ()) = tokio::join!(offered(&far), dribble);
    assert_eq!(read.unwrap(), offer);
    // And is still all there.
    let mut left = vec![0; whole.len()];
    tokio::io::AsyncReadExt::read_exact(&mut { far }, &mut left).await.unwrap();
    assert!(left == whole);
}

#[tokio::test]
async fn a_look_does_not_spoil_the_handshake() {
    let ca = Authority::new();
    for version in [TlsVersion::V12, TlsVersion::V13] {
        let (session, info, peer) = ca.acquainted(version).await;
        let (near, far) = loopback().await;
        let serve = async {
            let offer = offered(&far).await.unwrap();
            assert!(session.gave(&offer));
            let config = session.data(&info, true);
            let (mut stream, info) = crate::tls::accept(far, config, PATIENCE).await.unwrap();
            stream.shutdown().await.unwrap();
            info
        };
        let (info, seen) = tokio::join!(serve, peer.call(near));
        assert!(info.resumed && seen.unwrap().resumed);
    }
}

#[tokio::test]
async fn an_end_or_nonsense_ends_the_wait() {
    let ca = Authority::new();
    let whole = ca.client(TlsVersion::V13).hello();
    let half = &whole[..whole.len() / 2];
    for (sent, why) in [
        (&b""[..], io::ErrorKind::UnexpectedEof),
        (half, io::ErrorKind::UnexpectedEof),
        (b"USER ann\r\n", io::ErrorKind::InvalidData),
    ] {
        let (mut near, far) = loopback().await;
        near.write_all(sent).await.unwrap();
        drop(near);
        let wait = tokio::time::timeout(PATIENCE, offered(&far)).await.expect("no waiting");
        assert_eq!(wait.unwrap_err().kind(), why);
    }
}

#[test]
fn what_is_no_hello() {
    let ca = Authority::new();
    let whole = ca.client(TlsVersion::V12).hello();
    let with = |at: usize, byte: u8| {
        let mut bytes = whole.clone();
        bytes[at] = byte;
        Offer::read(&bytes)
    };
    assert_eq!(with(0, 23), Err(NotHello), "application data");
    assert_eq!(with(1, 2), Err(NotHello), "a version of another age");
    assert_eq!(with(5, 2), Err(NotHello), "a ServerHello");
    assert_eq!(with(6, 1), Err(NotHello), "too long");
    assert_eq!(with(43, 255), Err(NotHello), "fields that leave the message");
    assert_eq!(Offer::read(b"\x16\x03\x01\0\0"), Err(NotHello), "an empty record");
    assert_eq!(Offer::read(b"SSH-2.0-x\r\n"), Err(NotHello));
    let endless = [&b"\x16\x03\x01\x40\0\x01\0\x3f\xff"[..], &vec![0; LONGEST]].concat();
    assert_eq!(Offer::read(&endless[..LONGEST - 1]), Ok(None));
    assert_eq!(Offer::read(&endless[..LONGEST]), Err(NotHello), "more than we look at");
}

#[test]
fn of_many_tickets_few_are_looked_at() {
    let identity = [&[0, 1, b't'][..], &[0; 4]].concat();
    let identities = identity.repeat(100);
    let vector =
        |body: &[u8]| [&u16::try_from(body.len()).unwrap().to_be_bytes()[..], body].concat();
    let extension = [&PRE_SHARED_KEY.to_be_bytes()[..], &vector(&vector(&identities))].concat();
    let body =
        [&[3, 3][..], &[0; 32], &[0], &[0, 2, 0x13, 1], &[1, 0], &vector(&extension)].concat();
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    let message = [&[CLIENT_HELLO][..], &length[1..], &body].concat();
    let hello = [&[RECORD_HANDSHAKE, 3, 1][..], &vector(&message)].concat();
    let offer = Offer::read(&hello).unwrap().unwrap();
    assert_eq!(offer.tickets, vec![b"t".to_vec(); MOST_TICKETS]);
}

proptest! {
    #[test]
    fn nothing_panics(bytes: Vec<u8>, at in 0..2000_usize, byte: u8) {
        let _ = Offer::read(&bytes);
        let framed = [&[22, 3, 1, 0xff, 0xff, 1, 0, 0x20, 0][..], &bytes].concat();
        let _ = Offer::read(&framed);
        static HELLO: std::sync::LazyLock<Vec<u8>> = std::sync::LazyLock::new(|| {
            Authority::new().client(TlsVersion::V13).hello()
        });
        let mut changed = HELLO.clone();
        let at = at % changed.len();
        changed[at] = byte;
        let _ = Offer::read(&changed);
        let _ = Offer::of(&changed[9..]);
    }
}
