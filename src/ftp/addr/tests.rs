use proptest::prelude::*;

use super::*;

fn host_port(ip: [u8; 4], port: u16) -> HostPort {
    HostPort { ip: ip.into(), port }
}

#[test]
fn port_takes_six_numbers_and_nothing_else() {
    for (arg, expected) in [
        ("192,0,2,1,195,80", host_port([192, 0, 2, 1], 50_000)),
        ("0,0,0,0,0,0", host_port([0; 4], 0)),
        ("255,255,255,255,255,255", host_port([255; 4], 65_535)),
        ("127,000,000,001,004,001", host_port([127, 0, 0, 1], 1025)),
        ("10,010,0,1,4,1", host_port([10, 10, 0, 1], 1025)),
    ] {
        assert_eq!(HostPort::parse(arg.as_bytes()), Ok(expected), "{arg}");
    }
    for arg in [
        "",
        ",",
        "1",
        "1,2,3,4,5",
        "1,2,3,4,5,",
        ",1,2,3,4,5,6",
        "1,2,3,4,5,6,",
        "1,2,3,4,5,6,7",
        "256,2,3,4,5,6",
        "1,256,3,4,5,6",
        "1,2,256,4,5,6",
        "1,2,3,256,5,6",
        "1,2,3,4,256,6",
        "1,2,3,4,5,256",
        "1,2,3,4,5,999999999999999999999",
        "-1,2,3,4,5,6",
        "+1,2,3,4,5,6",
        "1,-2,3,4,5,6",
        "1,2,3,4,5,-6",
        "0x1,2,3,4,5,6",
        "1,2,3,4,5,0x6",
        "1,2,3,4,a,6",
        " 1,2,3,4,5,6",
        "1,2,3,4,5,6 ",
        "1, 2,3,4,5,6",
        "1 ,2,3,4,5,6",
        "1,2,3,4,5,6\t",
        "(1,2,3,4,5,6)",
        "=1,2,3,4,5,6",
        "1.2.3.4,5,6",
        "1.2.3.4.5.6",
        "1;2;3;4;5;6",
        "1,,3,4,5,6",
        "1,2,3,4,,6",
        "1,2,3,4,5,6\0",
        "1,2,3,4,5,6\r",
        "0001,2,3,4,5,6",
        "1,2,3,4,5,0006",
        "|1|1.2.3.4|5|",
        "1,2,3,4,5,6 7,8,9,10,11,12",
        "localhost,5,6",
        "\u{661},2,3,4,5,6",
        "1,2,3,4,5,1e1",
        "1,2,3,4,5,6.0",
        "1,2,3,4,1286",
    ] {
        assert_eq!(HostPort::parse(arg.as_bytes()), Err(AddrError), "{arg:?}");
    }
}

/// Texts of 227 as servers send them.
#[test]
fn any_227_is_understood() {
    let here = host_port([10, 0, 0, 5], 50_000);
    for text in [
        "Entering Passive Mode (10,0,0,5,195,80)",
        "Entering Passive Mode (10,0,0,5,195,80).",
        "Entering Passive Mode. (10,0,0,5,195,80)",
        "Entering passive mode (10,0,0,5,195,80)",
        "Entering Passive Mode (010,000,000,005,195,080)",
        // Without brackets (B4X, sys-ftpd), with `=` (publicfile), with blanks.
        "10,0,0,5,195,80",
        "=10,0,0,5,195,80",
        "Entering Passive Mode 10,0,0,5,195,80",
        "Entering Passive Mode 10,0,0,5,195,80.",
        "Entering Passive Mode( 10, 0, 0, 5, 195,80).",
        "Entering Passive Mode (10 , 0 , 0 , 5 , 195 , 80)",
        "Passive mode 2, on (10,0,0,5,195,80)",
        "Mode passif: 10,0,0,5,195,80 (port 50000)",
        "Entering Passive Mode (10,0,0,5,195,80) (1,2,3,4,5,6)",
        "(1,2,3,4,5) (300,10,0,0,5,195,80)",
        "\u{fffd}v10,0,0,5,195,80",
    ] {
        assert_eq!(HostPort::scan(text.as_bytes()), Some(here), "{text}");
    }
    for text in [
        "",
        "Entering Passive Mode (",
        "Entering Passive Mode",
        "Entering Passive Mode (10,0,0,5,195)",
        "Entering Passive Mode (10,0,0,5,195,256)",
        "Entering Passive Mode (10,0,0,5,195,1234)",
        "Entering Passive Mode (10,0,0,5,-61,80)",
        "Entering Passive Mode (10.0.0.5,195,80)",
        "Entering Extended Passive Mode (|||50000|)",
        "Entering Passive Mode (a,b,c,d,e,f)",
    ] {
        assert_eq!(HostPort::scan(text.as_bytes()), None, "{text}");
    }
    // Addresses nobody should dial are read too: only the port is used (P63).
    for ip in [[0, 0, 0, 0], [127, 0, 0, 1], [169, 254, 169, 254], [10, 0, 0, 1]] {
        let text = format!("Entering Passive Mode ({})", host_port(ip, 22));
        assert_eq!(HostPort::scan(text.as_bytes()), Some(host_port(ip, 22)));
    }
}

#[test]
fn eprt_grammar() {
    let v4 = "192.0.2.1:4660";
    let v6 = "[2001:db8::1]:4660";
    for (arg, expected) in [
        ("|1|192.0.2.1|4660|", v4),
        ("!1!192.0.2.1!4660!", v4),
        ("~1~192.0.2.1~4660~", v4),
        (":1:192.0.2.1:4660:", v4),
        ("|2|2001:db8::1|4660|", v6),
        ("!2!2001:DB8:0:0:0:0:0:1!4660!", v6),
        // v4-mapped is IPv4 (P78).
        ("|2|::ffff:192.0.2.1|4660|", v4),
        ("|2|::ffff:c000:201|4660|", v4),
        ("|1|192.0.2.1|1|", "192.0.2.1:1"),
        ("|1|192.0.2.1|65535|", "192.0.2.1:65535"),
    ] {
        assert_eq!(parse_eprt(arg.as_bytes()), Ok(expected.parse().unwrap()), "{arg}");
    }
    for arg in ["|3|192.0.2.1|4660|", "|0|x|y|", "|99999999999|192.0.2.1|4660|", "|01|1.2.3.4|5|"] {
        assert_eq!(parse_eprt(arg.as_bytes()), Err(EprtError::Family), "{arg}");
    }
    for arg in [
        "",
        "|",
        "||||",
        "|1|192.0.2.1|4660",
        "1|192.0.2.1|4660|",
        "|1|192.0.2.1|4660||",
        "|1|192.0.2.1|4660| ",
        " |1|192.0.2.1|4660|",
        "|1|192.0.2.1|0|",
        "|1|192.0.2.1|65536|",
        "|1|192.0.2.1|0021|",
        "|1|192.0.2.1|+21|",
        "|1|192.0.2.1||",
        "|1||4660|",
        "|1|192.0.2|4660|",
        "|1|192.0.2.01|4660|",
        "|1|192.0.2.256|4660|",
        "|1|0x7f.1|4660|",
        "|1|2001:db8::1|4660|",
        "|2|192.0.2.1|4660|",
        "|2|fe80::1%eth0|4660|",
        "|2|2001:db8|4660|",
        ":2:2001:db8::1:4660:",
        ".1.192.0.2.1.4660.",
        "||192.0.2.1|4660|",
        "|x|192.0.2.1|4660|",
        "|-1|192.0.2.1|4660|",
        "|1|192.0.2.1!4660|",
        "192,0,2,1,18,52",
        "|1|\u{661}.0.2.1|4660|",
    ] {
        assert_eq!(parse_eprt(arg.as_bytes()), Err(EprtError::Syntax), "{arg}");
    }
    assert_eq!(parse_eprt(b"\x801\x80192.0.2.1\x804660\x80"), Err(EprtError::Syntax));
}

#[test]
fn any_229_is_understood() {
    for text in [
        "Entering Extended Passive Mode (|||6446|)",
        "Entering Extended Passive Mode (|||6446|).",
        // IBM i and z/OS.
        "Entering Extended Passive Mode (!!!6446!).",
        "Extended Passive mode OK (|||6446|)",
        "Entering (extended) Passive Mode (|||6446|)",
        "Entering Extended Passive Mode (|2|2001:db8::1|6446|)",
        "Entering Extended Passive Mode (|1|192.0.2.1|6446|)",
        "Entering Extended Passive Mode (|||6446|",
        // BulletProof, one delimiter short.
        "Entering Extended Passive Mode (||6446|)",
        "(@@@6446@)",
    ] {
        assert_eq!(scan_epsv_reply(text.as_bytes()), Some(6446), "{text}");
    }
    for delimiter in (b'!'..=b'~').filter(|byte| !byte.is_ascii_digit()) {
        let d = char::from(delimiter);
        let text = format!("ok ({d}{d}{d}6446{d})");
        assert_eq!(scan_epsv_reply(text.as_bytes()), Some(6446), "{text}");
    }
    for text in [
        "",
        "(",
        "()",
        "(|||)",
        "(||||)",
        "(|||0|)",
        "(|||65536|)",
        "(|||0021|)",
        "(|||-1|)",
        "(|||6446)",
        "(|||64 46|)",
        "(   6446 )",
        "|||6446|",
        "(|x|y|6446|)",
        "(|||6446!)",
        "Entering Passive Mode (10,0,0,5,195,80)",
    ] {
        assert_eq!(scan_epsv_reply(text.as_bytes()), None, "{text}");
    }
}

#[test]
fn what_we_write_is_what_everybody_reads() {
    assert_eq!(
        pasv_reply(host_port([203, 0, 113, 7], 50_123)),
        "227 Entering Passive Mode (203,0,113,7,195,203)\r\n"
    );
    assert_eq!(epsv_reply(50_123), "229 Entering Extended Passive Mode (|||50123|)\r\n");
    for (addr, expected) in [
        ("192.0.2.1:4660", "|1|192.0.2.1|4660|"),
        ("[2001:DB8:0:0:1:0:0:1]:4660", "|2|2001:db8::1:0:0:1|4660|"),
        ("[::ffff:192.0.2.1]:4660", "|1|192.0.2.1|4660|"),
        ("[fe80::1%3]:4660", "|2|fe80::1|4660|"),
    ] {
        assert_eq!(eprt(addr.parse().unwrap()).to_string(), expected);
    }
}

#[test]
fn epsv_argument() {
    for (arg, expected) in [
        ("", EpsvArg::Default),
        ("  ", EpsvArg::Default),
        ("1", EpsvArg::V4),
        ("2 ", EpsvArg::V6),
        ("ALL", EpsvArg::All),
        ("all", EpsvArg::All),
        ("3", EpsvArg::Other),
        ("01", EpsvArg::Other),
        ("x", EpsvArg::Other),
        ("ALL 1", EpsvArg::Other),
    ] {
        assert_eq!(EpsvArg::parse(arg.as_bytes()), expected, "{arg:?}");
    }
}

#[test]
fn mapped_is_v4() {
    for (ip, expected) in [
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::1"),
        ("::1", "::1"),
        ("::192.0.2.1", "::192.0.2.1"),
    ] {
        assert_eq!(canonical(ip.parse().unwrap()), expected.parse::<IpAddr>().unwrap());
    }
}

#[test]
fn an_inner_address_is_replaced_where_it_stands_alone() {
    let v4 = ("10.0.0.5", "203.0.113.7");
    let v6 = ("2001:db8::5", "2001:db8:1::7");
    for ((inner, outer), line, expected) in [
        (v4, "220 ftp at 10.0.0.5 ready", "220 ftp at 203.0.113.7 ready"),
        (v4, "220 [10.0.0.5]", "220 [203.0.113.7]"),
        (v4, "220 10.0.0.5.", "220 203.0.113.7."),
        (v4, "10.0.0.5", "203.0.113.7"),
        (v4, "10.0.0.5:21 10.0.0.5", "203.0.113.7:21 203.0.113.7"),
        (v4, "220 ProFTPD [::ffff:10.0.0.5]", "220 ProFTPD [::ffff:203.0.113.7]"),
        (v4, "150 to (10,0,0,5,195,80)", "150 to (203,0,113,7,195,80)"),
        (v4, "150 to =010,000,000,005,195,80.", "150 to =203,0,113,7,195,80."),
        (v4, "|1|10.0.0.5|21|", "|1|203.0.113.7|21|"),
        (("::ffff:10.0.0.5", "203.0.113.7"), "at 10.0.0.5", "at 203.0.113.7"),
        (("10.0.0.5", "2001:db8::7"), "at 10.0.0.5 10,0,0,5,1,2", "at 2001:db8::7 0,0,0,0,1,2"),
        (v6, "220 [2001:db8::5]:21", "220 [2001:db8:1::7]:21"),
        (v6, "220 2001:DB8:0:0:0:0:0:5", "220 2001:db8:1::7"),
        (v6, "from 2001:db8::5: hello 2001:db8::5.", "from 2001:db8:1::7: hello 2001:db8:1::7."),
        (("2001:db8::", "2001:db8::9"), "at 2001:db8:: here", "at 2001:db8::9 here"),
    ] {
        let replaced =
            replace_address(line.as_bytes(), inner.parse().unwrap(), outer.parse().unwrap());
        assert_eq!(replaced.as_deref(), Some(expected.as_bytes()), "{line}");
    }
    for ((inner, outer), line) in [
        (v4, ""),
        (v4, "220 ready"),
        (v4, "110.0.0.5"),
        (v4, "10.0.0.55"),
        (v4, "10.0.0.51 10.0.0"),
        (v4, "version 1.10.0.0.5"),
        (v4, "version 10.0.0.5.1"),
        (v4, "10,0,0,55"),
        (v4, "110,0,0,5"),
        (v4, "10, 0, 0, 5"),
        (v6, "2001:db8::55"),
        (v6, "2001:db8::5:1"),
        (v6, "12001:db8::5"),
        (v6, "10.0.0.5"),
    ] {
        let replaced =
            replace_address(line.as_bytes(), inner.parse().unwrap(), outer.parse().unwrap());
        assert_eq!(replaced, None, "{line}");
    }
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    let special = prop::sample::select(&b"0123456789,,,...||||():: af"[..]);
    prop::collection::vec(prop_oneof![8 => special, 1 => any::<u8>()], 0..60)
}

proptest! {
    #[test]
    fn host_port_parse_undoes_print(ip: [u8; 4], port: u16) {
        let here = host_port(ip, port);
        prop_assert_eq!(HostPort::parse(here.to_string().as_bytes()), Ok(here));
        prop_assert_eq!(HostPort::scan(pasv_reply(here).as_bytes()), Some(here));
    }

    #[test]
    fn eprt_parse_undoes_print(ip: IpAddr, port in 1_u16..) {
        let here = SocketAddr::new(canonical(ip), port);
        prop_assert_eq!(parse_eprt(eprt(here).to_string().as_bytes()), Ok(here));
        prop_assert_eq!(scan_epsv_reply(epsv_reply(port).as_bytes()), Some(port));
    }

    #[test]
    fn whatever_parses_was_there(text in text()) {
        if let Ok(found) = HostPort::parse(&text) {
            prop_assert_eq!(HostPort::scan(&text), Some(found));
        }
        if let Ok(found) = parse_eprt(&text) {
            prop_assert_eq!(parse_eprt(eprt(found).to_string().as_bytes()), Ok(found));
        }
        if let Some(port) = scan_epsv_reply(&text) {
            let digits = port.to_string();
            prop_assert!(text.windows(digits.len()).any(|at| at == digits.as_bytes()));
        }
    }

    /// After the replacement there is nothing left to replace, and the rest is as it was.
    #[test]
    fn nothing_of_the_inner_address_is_left(
        words in prop::collection::vec(prop_oneof![
            Just("10.0.0.5".to_owned()),
            Just("10,0,0,5".to_owned()),
            "[0-9.,a ]{0,6}",
        ], 0..8),
    ) {
        let line = words.concat();
        let inner = "10.0.0.5".parse().unwrap();
        let outer = "203.0.113.7".parse().unwrap();
        if let Some(replaced) = replace_address(line.as_bytes(), inner, outer) {
            prop_assert_ne!(&replaced[..], line.as_bytes());
            prop_assert_eq!(replace_address(&replaced, inner, outer), None);
            let back = replace_address(&replaced, outer, inner).unwrap();
            // Not always the line itself: zeros in front of a number are gone.
            prop_assert_eq!(replace_address(&back, inner, outer), Some(replaced));
        }
    }

    #[test]
    fn replacing_in_v6_never_fails(text in text(), ip: IpAddr) {
        let line = [&text[..], b" ", ip.to_string().as_bytes(), b" ", &text].concat();
        let outer = "2001:db8::7".parse().unwrap();
        prop_assert!(replace_address(&line, ip, outer).is_some());
    }
}
