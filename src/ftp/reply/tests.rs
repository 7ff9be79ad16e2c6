use proptest::prelude::*;

use super::*;

/// The parts and codes of these lines, and what is written for them.
fn read(lines: &[&[u8]]) -> (Vec<(Part, u16)>, Vec<u8>) {
    let mut parser = ReplyParser::default();
    let mut out = Vec::new();
    let mut parts = Vec::new();
    for line in lines {
        let reply = parser.accept(line).unwrap();
        reply.write_to(&mut out);
        assert_eq!(parser.in_progress().is_none(), reply.ends());
        parts.push((reply.part, reply.code.get()));
    }
    (parts, out)
}

#[test]
fn codes() {
    for bad in [0, 99, 600, 999, u16::MAX] {
        assert_eq!(ReplyCode::new(bad), None);
    }
    for (code, class) in [(100, 1), (227, 2), (350, 3), (421, 4), (599, 5)] {
        let code = ReplyCode::new(code).unwrap();
        assert_eq!(code.class(), class);
        let is = [code.is_preliminary(), code.is_positive(), code.is_intermediate()];
        assert_eq!(is, [class == 1, class == 2, class == 3]);
        assert_eq!(code.is_negative(), class >= 4);
        assert_eq!(code.to_string(), code.get().to_string());
    }
}

#[test]
fn one_line() {
    type Row = (&'static [u8], u16, &'static [u8], &'static [u8]);
    let rows: [Row; 7] = [
        (b"220 vsFTPd", 220, b"vsFTPd", b"220 vsFTPd\r\n"),
        (b"220 ", 220, b"", b"220 \r\n"),
        // A code alone gets its blank (P13).
        (b"200", 200, b"", b"200 \r\n"),
        (b"331\r", 331, b"", b"331 \r\n"),
        // Servers that send CR CR LF.
        (b"220 hi\r", 220, b"hi", b"220 hi\r\n"),
        (b"220 a\rb\0c\nd", 220, b"a\rb\0c\nd", b"220 a?b?c?d\r\n"),
        (b"257 \"/\xe4\xff\"  ", 257, b"\"/\xe4\xff\"  ", b"257 \"/\xe4\xff\"  \r\n"),
    ];
    for (line, code, text, written) in rows {
        let mut parser = ReplyParser::default();
        let reply = parser.accept(line).unwrap();
        assert_eq!((reply.part, reply.code.get(), reply.text), (Part::Only, code, text));
        assert!(reply.starts() && reply.ends());
        let mut out = Vec::new();
        reply.write_to(&mut out);
        assert_eq!(out, written, "{}", line.escape_ascii());
    }
}

#[test]
fn what_is_not_a_reply() {
    for line in [
        &b""[..],
        b"\r",
        b"22",
        b"2 0 x",
        b" 220 x",
        b"000 x",
        b"099 x",
        b"600 x",
        b"999-x",
        b"220x",
        b"220\tx",
        b"2200 x",
        b"+20 x",
        b"SSH-2.0-OpenSSH",
        b"\xff\xff\xff x",
    ] {
        assert_eq!(ReplyParser::default().accept(line), Err(NotAReply), "{}", line.escape_ascii());
    }
}

#[test]
fn only_the_same_code_and_a_blank_end_a_reply() {
    use Part::*;
    // Inner lines may look like anything, even like the answer to PASV (P14, S7).
    let (parts, out) = read(&[
        b"214-x",
        b"227 Entering Passive Mode (10,0,0,1,0,22)",
        b"",
        b"  214 indented",
        b"214-again",
        b"2140 no",
        b"214",
    ]);
    assert_eq!(
        parts,
        [
            (First, 214),
            (Inner, 214),
            (Inner, 214),
            (Inner, 214),
            (Inner, 214),
            (Inner, 214),
            (Last, 214)
        ]
    );
    assert_eq!(
        out.escape_ascii().to_string(),
        "214-x\\r\\n227 Entering Passive Mode (10,0,0,1,0,22)\\r\\n\\r\\n  214 indented\\r\\n\
         214-again\\r\\n2140 no\\r\\n214 \\r\\n"
    );
}

#[test]
fn a_stray_cr_makes_no_end_that_only_the_client_sees() {
    let (parts, out) = read(&[b"214-x", b"214\r end", b"214\n end", b"214 end"]);
    assert_eq!(
        parts[1..].iter().map(|part| part.0).collect::<Vec<_>>(),
        [Part::Inner, Part::Inner, Part::Last]
    );
    assert_eq!(out, b"214-x\r\n214? end\r\n214? end\r\n214 end\r\n");
}

/// What servers really send, greetings and others: all of it passes as it came.
#[test]
fn replies_of_real_servers() {
    let rows: [&[&str]; 18] = [
        &["220 (vsFTPd 3.0.3)"],
        &["220 ProFTPD Server (Debian) [::ffff:192.0.2.7]"],
        &[
            "220---------- Welcome to Pure-FTPd [privsep] [TLS] ----------",
            "220-You are user number 1 of 50 allowed.",
            "220-Local time is now 12:00. Server port: 21.",
            "220-This is a private system - No anonymous login",
            "220-IPv6 connections are also welcome on this server.",
            "220 You will be disconnected after 15 minutes of inactivity.",
        ],
        &[
            "220-FileZilla Server version 0.9.41 beta",
            "220-written by Tim Kosse (Tim.Kosse@gmx.de)",
            "220 Please visit http://sourceforge.net/projects/filezilla/",
        ],
        &["220 Microsoft FTP Service"],
        &["220 ftp.example.org FTP server (Version wu-2.6.2(1)) ready."],
        &["220 B4X FTP Server"],
        &["220 Serv-U FTP Server v15.1 ready..."],
        &["220 FTPGW1 IBM FTP CS V2R4 at MVS1, 10:00:00 on 2026-01-01."],
        &["120 Service ready in 5 minutes"],
        &["421 Too many users, sorry"],
        &["500 OOPS: vsftpd: refusing to run with writable root inside chroot()"],
        // aioftp: the address is in the last line of two (P16).
        &["227-listen socket created", "227 (127,0,0,1,154,21)"],
        // IIS repeats, WS_FTP does not indent.
        &["230-User logged in", "Welcome to UL", "230 User logged in"],
        // A code of another class within a reply, bare.
        &["250-", "550", "250 ok"],
        &["230-User usr-230 is logged in", "230 OK. Current directory is /"],
        &["213-Status of /:", "drwxr-xr-x   2 0 0  4096 Jan 1 12:00 .", "", "213 End"],
        &["150 FILE: upload.0001"],
    ];
    for row in rows {
        let lines: Vec<&[u8]> = row.iter().map(|line| line.as_bytes()).collect();
        let (parts, out) = read(&lines);
        let sent: String = row.iter().map(|line| format!("{line}\r\n")).collect();
        assert_eq!(String::from_utf8(out).unwrap(), sent);
        assert!(matches!(parts[0].0, Part::First | Part::Only));
        assert!(matches!(parts[parts.len() - 1].0, Part::Last | Part::Only));
    }
}

#[test]
fn a_reply_of_any_length_takes_no_memory() {
    let mut parser = ReplyParser::default();
    parser.accept(b"213-Status").unwrap();
    for _ in 0..200_000 {
        assert_eq!(parser.accept(b"-rw-r--r-- 1 a a 1 x").unwrap().part, Part::Inner);
    }
    assert_eq!(parser.accept(b"213 End").unwrap().part, Part::Last);
}

fn reply_bytes() -> impl Strategy<Value = Vec<u8>> {
    let special = prop::sample::select(&b"0123456789 -\r\n\0a\xff"[..]);
    prop::collection::vec(prop_oneof![5 => special, 1 => any::<u8>()], 0..12)
}

proptest! {
    /// Whatever comes in, what goes out reads as the same replies: the client can never see an
    /// end or a start where the gateway saw none.
    #[test]
    fn what_is_written_reads_the_same(
        lines in prop::collection::vec(prop_oneof![
            reply_bytes(),
            "2[0-2][0-2][ -]?".prop_map(String::into_bytes),
            "220\r? ?\r?".prop_map(String::into_bytes),
        ], 0..12),
    ) {
        let (mut parser, mut again) = (ReplyParser::default(), ReplyParser::default());
        for line in &lines {
            let Ok(reply) = parser.accept(line) else { continue };
            let mut out = Vec::new();
            reply.write_to(&mut out);
            let text = out.strip_suffix(b"\r\n").unwrap();
            prop_assert!(memchr3(b'\r', b'\n', 0, text).is_none());
            let read = again.accept(text).unwrap();
            prop_assert_eq!((read.part, read.code), (reply.part, reply.code));
            let mut twice = Vec::new();
            read.write_to(&mut twice);
            prop_assert_eq!(&twice, &out);
        }
        prop_assert_eq!(parser.in_progress(), again.in_progress());
    }

    #[test]
    fn a_line_is_its_code_separator_and_text(code in 100_u16..600, text: Vec<u8>) {
        let line = [code.to_string().as_bytes(), b" ", &text[..]].concat();
        let reply = ReplyParser::default().accept(&line).unwrap();
        prop_assert_eq!(reply.code.get(), code);
        prop_assert_eq!(reply.text, trim_cr(&text));
    }
}
