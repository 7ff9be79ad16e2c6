use proptest::prelude::*;

use super::*;

/// RFC 5769 section 2.2 and 2.3: sample answers over IPv4 and IPv6.
const ID: Id = [0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae];
const XOR_V4: [u8; 12] = [0, 0x20, 0, 8, 0, 1, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43];
const XOR_V6: [u8; 24] = [
    0, 0x20, 0, 20, 0, 2, 0xa1, 0x47, 0x01, 0x13, 0xa9, 0xfa, 0xa5, 0xd3, 0xf1, 0x79, 0xbc, 0x25,
    0xf4, 0xb5, 0xbe, 0xd2, 0xb9, 0xd9,
];
/// `SOFTWARE: test vector`, padded.
const SOFTWARE: &[u8] = b"\x80\x22\x00\x0btest vector ";

fn answer_of(attributes: &[&[u8]]) -> Vec<u8> {
    let attributes = attributes.concat();
    let length = u16::try_from(attributes.len()).unwrap().to_be_bytes();
    [&BINDING_SUCCESS[..], &length, &COOKIE, &ID, &attributes].concat()
}

#[test]
fn the_samples_of_rfc_5769() {
    let v4 = answer_of(&[SOFTWARE, &XOR_V4]);
    assert_eq!(parse(&v4, ID), Some("192.0.2.1:32853".parse().unwrap()));
    let v6 = answer_of(&[SOFTWARE, &XOR_V6]);
    assert_eq!(parse(&v6, ID).unwrap().to_string(), "[2001:db8:1234:5678:11:2233:4455:6677]:32853");
}

#[test]
fn servers_of_old_answer_in_clear() {
    let clear = [0, 1, 0, 8, 0, 1, 0x80, 0x55, 192, 0, 2, 9];
    assert_eq!(parse(&answer_of(&[&clear]), ID), Some("192.0.2.9:32853".parse().unwrap()));
    let both = answer_of(&[&clear, &XOR_V4]);
    assert_eq!(parse(&both, ID), Some("192.0.2.1:32853".parse().unwrap()));
}

#[test]
fn what_does_not_answer_us_is_nothing() {
    let good = answer_of(&[&XOR_V4]);
    let mut other = ID;
    other[0] ^= 1;
    assert_eq!(parse(&good, other), None);
    for n in 0..good.len() {
        assert_eq!(parse(&good[..n], ID), None, "cut at {n}");
    }
    let mut refused = good.clone();
    refused[1] = 0x11;
    assert_eq!(parse(&refused, ID), None);
    assert_eq!(parse(&answer_of(&[SOFTWARE]), ID), None);
}

proptest! {
    #[test]
    fn any_bytes(bytes: Vec<u8>) {
        let _ = parse(&bytes, ID);
        let _ = parse(&answer_of(&[&bytes]), ID);
    }
}

/// Drops the first question, then tells the asker where it came from.
async fn server() -> HostPort {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let port = socket.local_addr().unwrap().port();
    tokio::spawn(async move {
        let mut packet = [0; 64];
        let _ = socket.recv_from(&mut packet).await;
        while let Ok((length, from)) = socket.recv_from(&mut packet).await {
            assert_eq!((length, &packet[..4]), (20, &BINDING_REQUEST[..]));
            let IpAddr::V4(ip) = from.ip() else { panic!("asked over IPv6") };
            let mut value = vec![0, 0x20, 0, 8, 0, 1];
            value.extend(from.port().to_be_bytes().iter().zip(COOKIE).map(|(b, c)| b ^ c));
            value.extend(ip.octets().iter().zip(COOKIE).map(|(b, c)| b ^ c));
            let answer = [&BINDING_SUCCESS[..], &[0, 12], &packet[4..20], &value].concat();
            let _ = socket.send_to(b"noise", from).await;
            let _ = socket.send_to(&answer, from).await;
        }
    });
    HostPort { host: "127.0.0.1".into(), port }
}

#[tokio::test]
async fn a_lost_packet_is_sent_again() {
    let found = ask(&server().await).await.unwrap();
    assert_eq!(found, Addresses { v4: Some(Ipv4Addr::LOCALHOST), v6: None });
}

#[tokio::test]
async fn nobody_there_is_an_error() {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    drop(socket);
    assert!(ask(&HostPort { host: "127.0.0.1".into(), port }).await.is_err());
}
