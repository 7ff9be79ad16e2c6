use proptest::prelude::*;

use super::*;

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn from(source: &str, destination: &str) -> Origin {
    Origin::Relayed { source: address(source), destination: address(destination) }
}

/// A version 2 header with this command, family and block.
fn v2(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
    header.extend([command, family]);
    header.extend(u16::try_from(block.len()).unwrap().to_be_bytes());
    header.extend(block);
    header
}

/// 192.0.2.1:40000 to 203.0.113.7:21, and extensions.
fn tcp4(tlvs: &[u8]) -> Vec<u8> {
    v2(0x21, 0x11, &[&[192, 0, 2, 1, 203, 0, 113, 7, 0x9c, 0x40, 0, 21], tlvs].concat())
}

fn facts() -> Facts {
    let tls =
        TlsFacts { version: "1.3", cipher: "TLS_AES_128_GCM_SHA256", client: Some("ann".into()) };
    Facts { unique_id: "0123456789".into(), authority: Some("ftp.example".into()), tls: Some(tls) }
}

#[test]
fn lines_of_the_specification() {
    let long = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
    for (line, origin) in [
        (
            "PROXY TCP4 255.255.255.254 255.255.255.255 65535 65535".into(),
            from("255.255.255.254:65535", "255.255.255.255:65535"),
        ),
        ("PROXY TCP4 192.0.2.1 203.0.113.7 0 21".into(), from("192.0.2.1:0", "203.0.113.7:21")),
        ("PROXY TCP6 2001:db8::1 ::1 1 2".into(), from("[2001:db8::1]:1", "[::1]:2")),
        (
            "PROXY TCP6 ::ffff:192.0.2.1 ::ffff:203.0.113.7 1 2".into(),
            from("192.0.2.1:1", "203.0.113.7:2"),
        ),
        ("PROXY UNKNOWN".into(), Origin::Unknown),
        (format!("PROXY UNKNOWN {long} {long} 65535 65535"), Origin::Unknown),
        ("PROXY UNKNOWN what \u{e9}ver".into(), Origin::Unknown),
    ] {
        let bytes = format!("{line}\r\n220 more").into_bytes();
        assert_eq!(parse(&bytes), Ok(Some((origin, line.len() + 2))), "{line}");
    }
}

#[test]
fn a_line_is_this_line_or_none() {
    for line in [
        "PROXY TCP4 192.0.2.1 203.0.113.7 40000 21\n",
        "PROXY TCP4 192.0.2.1 203.0.113.7 40000 21\r \r\n",
        "PROXY TCP4 192.0.2.1 203.0.113.7 40000 021\r\n",
        "PROXY TCP4 192.0.2.1 203.0.113.7 +40000 21\r\n",
        "PROXY TCP4 192.0.2.1 203.0.113.7 40000 65536\r\n",
        "PROXY TCP4 192.0.2.1 203.0.113.7 40000\r\n",
        "PROXY TCP4 192.0.2.1 203.0.113.7 40000 21 \r\n",
        "PROXY TCP4 192.0.2.1 203.0.113.7 40000 21 22\r\n",
        "PROXY TCP4 192.0.2.1  203.0.113.7 40000 21\r\n",
        "PROXY  TCP4 192.0.2.1 203.0.113.7 40000 21\r\n",
        "PROXY TCP4 192.0.2.01 203.0.113.7 40000 21\r\n",
        "PROXY TCP4 192.0.2 203.0.113.7 40000 21\r\n",
        "PROXY TCP4 2001:db8::1 203.0.113.7 40000 21\r\n",
        "PROXY TCP6 192.0.2.1 203.0.113.7 40000 21\r\n",
        "PROXY TCP6 fe80::1%eth0 fe80::2 40000 21\r\n",
        "PROXY tcp4 192.0.2.1 203.0.113.7 40000 21\r\n",
        "PROXY UDP4 192.0.2.1 203.0.113.7 40000 21\r\n",
        "PROXY UNKNOWNS\r\n",
        "PROXY \r\n",
    ] {
        assert_eq!(parse(line.as_bytes()), Err(Malformed::Line), "{line}");
    }
    let endless = format!("PROXY UNKNOWN {}", "x".repeat(200));
    assert_eq!(parse(endless.as_bytes()), Err(Malformed::Line));
    for text in
        ["GET / HTTP/1.1\r\n", "USER ann\r\n", "PASS x\r\n", "PROXYTCP4", "\x16\x03\x01", "\0"]
    {
        assert_eq!(parse(text.as_bytes()), Err(Malformed::Signature), "{text}");
    }
    for address in ["0.0.0.0", "224.0.0.1"] {
        let line = format!("PROXY TCP4 {address} 203.0.113.7 40000 21\r\n");
        assert_eq!(parse(line.as_bytes()), Err(Malformed::Address));
    }
}

#[test]
fn binary_headers() {
    let end = |header: &[u8]| header.len();
    let plain = tcp4(&[]);
    let relayed = from("192.0.2.1:40000", "203.0.113.7:21");
    assert_eq!(parse(&plain), Ok(Some((relayed, end(&plain)))));
    // Unknown extensions, empty ones, and what follows the header.
    let mut more = tcp4(&[0xe0, 0, 2, 7, 7, 0x04, 0, 0]);
    let length = more.len();
    more.extend(b"USER");
    assert_eq!(parse(&more), Ok(Some((relayed, length))));
    // LOCAL and UNSPEC are skipped by their length, whatever is in them (P162).
    for (header, origin) in [
        (v2(0x20, 0x00, &[]), Origin::Local),
        (v2(0x20, 0x11, &[1, 2, 3]), Origin::Local),
        (v2(0x20, 0xff, &[9; 40]), Origin::Local),
        (v2(0x21, 0x00, &[]), Origin::Unknown),
        (v2(0x21, 0x00, &[9; 12]), Origin::Unknown),
    ] {
        assert_eq!(parse(&header), Ok(Some((origin, header.len()))));
    }
}

#[test]
fn binary_headers_that_are_wrong() {
    let at_once = |header: &[u8], why| {
        assert_eq!(parse(header), Err(why), "{header:?}");
    };
    at_once(b"\r\n\r\n\0\r\nQUIX", Malformed::Signature);
    for command in [0x10, 0x22, 0x2f, 0x31] {
        at_once(&v2(command, 0x11, &[0; 12]), Malformed::Command);
    }
    // UDP, local sockets, and what nobody knows.
    for family in [0x01, 0x10, 0x12, 0x22, 0x31, 0x32, 0x41, 0x13] {
        at_once(&v2(0x21, family, &[0; 216]), Malformed::Family);
    }
    at_once(&v2(0x21, 0x11, &[0; 11]), Malformed::Length);
    at_once(&v2(0x21, 0x21, &[0; 35]), Malformed::Length);
    at_once(&v2(0x21, 0x11, &[0; LONGEST]), Malformed::Length);
    at_once(&v2(0x20, 0x00, &[0; LONGEST]), Malformed::Length);
    at_once(&v2(0x21, 0x11, &[0; 12]), Malformed::Address);
    for tlvs in [&[0xe0][..], &[0xe0, 0], &[0xe0, 0, 1], &[0x03, 0, 3, 0, 0, 0], &[0x04, 0, 0, 9]] {
        at_once(&tcp4(tlvs), Malformed::Tlv);
    }
    // The longest that is let in.
    let block = vec![0; LONGEST - 16];
    assert_eq!(parse(&v2(0x20, 0, &block)), Ok(Some((Origin::Local, LONGEST))));
}

#[test]
fn a_checksum_has_to_be_right() {
    // RFC 3720, B.4: 32 bytes of zeros.
    assert_eq!(crc32c::with_gap(&[0; 32], 8), 0x8a91_36aa);
    let ascending: Vec<u8> = (0..32).collect();
    assert_eq!(crc32c::with_gap(&ascending, 32), 0x46dd_794e);
    let header = Version::V2.header(address("192.0.2.1:1"), address("203.0.113.7:2"), &facts());
    assert!(parse(&header).is_ok());
    // Any bit behind the fixed part, but those that say that the checksum is one.
    let kind = header.len() - 7;
    for bit in (16 * 8..header.len() * 8).filter(|bit| bit / 8 != kind) {
        let mut broken = header.clone();
        broken[bit / 8] ^= 1 << (bit % 8);
        assert_ne!(parse(&broken), parse(&header), "bit {bit}");
    }
    let twice = [&[0x03, 0, 4, 0, 0, 0, 0][..]; 2].concat();
    assert_eq!(parse(&tcp4(&twice)), Err(Malformed::Tlv));
}

#[test]
fn what_is_sent() {
    let (client, server) = (address("192.0.2.1:40000"), address("203.0.113.7:21"));
    let line = Version::V1.header(client, server, &facts());
    assert_eq!(line, b"PROXY TCP4 192.0.2.1 203.0.113.7 40000 21\r\n");
    let mixed = Version::V1.header(address("[2001:db8::1]:5"), server, &facts());
    assert_eq!(mixed, b"PROXY TCP6 2001:db8::1 ::ffff:203.0.113.7 5 21\r\n");
    let header = Version::V2.header(client, server, &facts());
    let mut expected = tcp4(&[0x02, 0, 11]);
    expected.extend(b"ftp.example\x20\0\x2e\x03\0\0\0\0\x21\0\x07TLSv1.3\x22\0\x03ann");
    expected.extend(b"\x23\0\x16TLS_AES_128_GCM_SHA256\x05\0\x0a0123456789\x03\0\x04");
    expected[15] = u8::try_from(header.len() - 16).unwrap();
    assert_eq!(header[..header.len() - 4], expected);
    for version in [Version::V1, Version::V2] {
        let own = version.own();
        let (origin, length) = parse(&own).unwrap().unwrap();
        assert_ne!(origin, from("192.0.2.1:1", "192.0.2.1:1"));
        assert_eq!(length, own.len());
    }
}

#[test]
fn long_names_are_cut() {
    let long = "\u{e9}".repeat(300);
    let tls = TlsFacts { version: "1.2", cipher: "X", client: Some(long.clone()) };
    let facts = Facts { unique_id: long.clone(), authority: Some(long), tls: Some(tls) };
    let header = Version::V2.header(address("[::1]:1"), address("[::1]:2"), &facts);
    assert_eq!(parse(&header), Ok(Some((from("[::1]:1", "[::1]:2"), header.len()))));
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        source: SocketAddr, destination: SocketAddr, id in "[0-9a-z]{0,10}", v1: bool,
    ) {
        let version = if v1 { Version::V1 } else { Version::V2 };
        let header = version.header(source, destination, &Facts { unique_id: id, ..Facts::default() });
        let canonical = |a: SocketAddr| SocketAddr::new(a.ip().to_canonical(), a.port());
        let impossible = |a: SocketAddr| {
            let ip = a.ip().to_canonical();
            ip.is_unspecified() || ip.is_multicast()
        };
        if impossible(source) || impossible(destination) {
            prop_assert_eq!(parse(&header), Err(Malformed::Address));
        } else {
            let origin = Origin::Relayed {
                source: canonical(source), destination: canonical(destination),
            };
            prop_assert_eq!(parse(&header), Ok(Some((origin, header.len()))));
        }
        // A part of it is never taken for the whole, nor for something else.
        for end in 0..header.len() {
            prop_assert_eq!(parse(&header[..end]), Ok(None));
        }
    }

    #[test]
    fn nothing_panics(bytes: Vec<u8>, v1: bool) {
        let start: &[u8] = if v1 { b"PROXY TCP4 " } else { b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0" };
        let _ = parse(&[start, &bytes].concat());
        let _ = parse(&bytes);
    }
}
