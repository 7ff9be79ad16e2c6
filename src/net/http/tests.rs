use proptest::prelude::*;
use tokio::net::TcpListener;

use super::*;

fn whole(bytes: &[u8], ended: bool) -> Option<Response> {
    parse(bytes, ended).unwrap()
}

#[test]
fn bodies_of_all_three_kinds() {
    let counted = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nServer: x\r\n\r\nhello and more";
    assert_eq!(whole(counted, false).unwrap().body, "hello");
    assert_eq!(whole(counted, false).unwrap().field("server"), Some("x"));
    let to_the_end = b"HTTP/1.0 404 Not Found\r\n\r\nno";
    assert_eq!(whole(to_the_end, false), None);
    let response = whole(to_the_end, true).unwrap();
    assert_eq!((response.status, response.body.as_str()), (404, "no"));
    let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n";
    assert_eq!(whole(chunked, false).unwrap().body, "abc0123456789");
}

#[test]
fn what_is_cut_short_or_strange_is_an_error() {
    for bad in [
        &b"HTTP/1.1 200 OK\r\nContent-Le"[..],
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffff\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 20x OK\r\n\r\n",
        b"",
    ] {
        assert!(parse(bad, true).is_err(), "{}", String::from_utf8_lossy(bad));
    }
}

#[test]
fn no_line_can_be_smuggled_in() {
    let request = Request { method: "GET", host: "h", path: "/", fields: &[], body: "" };
    assert!(request.to_bytes().is_ok());
    for path in ["/a b", "/\r\nX: y", "/\u{e9}"] {
        assert!(Request { path, ..request }.to_bytes().is_err(), "{path:?}");
    }
    assert!(Request { host: "h\r\nX: y", ..request }.to_bytes().is_err());
    assert!(Request { fields: &[("A", "b\nc")], ..request }.to_bytes().is_err());
}

proptest! {
    #[test]
    fn any_bytes_and_any_cut(bytes: Vec<u8>, ended: bool) {
        let _ = parse(&bytes, ended);
        let mut answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        answer.extend(&bytes);
        let _ = parse(&answer, ended);
    }

    #[test]
    fn a_prefix_is_never_the_whole(cut in 0usize..72) {
        let answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n2\r\n!!\r\n0\r\n\r\n";
        prop_assert_eq!(parse(&answer[..cut.min(answer.len() - 5)], false).unwrap(), None);
    }
}

/// Answers one connection with these bytes, and keeps it open if told so.
async fn answering(answer: Vec<u8>, stay: bool) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 1024];
        let _ = stream.read(&mut request).await;
        let _ = stream.write_all(&answer).await;
        if stay {
            std::future::pending::<()>().await;
        }
    });
    address
}

const REQUEST: Request<'_> = Request { method: "GET", host: "h", path: "/", fields: &[], body: "" };

#[tokio::test]
async fn an_exchange_over_a_socket() {
    let wait = Duration::from_secs(30);
    let address = answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_vec(), true).await;
    assert_eq!(exchange(address, &REQUEST, wait).await.unwrap().body, "ok");
    let mut endless = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    endless.resize(1 << 20, b'x');
    let address = answering(endless, true).await;
    let error = exchange(address, &REQUEST, wait).await.unwrap_err();
    assert_eq!(error.to_string(), "the answer is too long");
}

#[tokio::test]
async fn silence_ends() {
    let address = answering(b"HTTP/1.1 200 OK\r\n".to_vec(), true).await;
    let error = exchange(address, &REQUEST, Duration::from_millis(50)).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
}
