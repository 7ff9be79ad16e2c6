use std::collections::HashSet;

use proptest::prelude::*;

use super::*;

fn parse(line: &[u8]) -> Result<Command<'_>, CommandError> {
    Command::parse(line, false)
}

fn written(command: &Command<'_>) -> Vec<u8> {
    let mut line = Vec::new();
    command.write_to(&mut line);
    line
}

#[test]
fn verb_and_argument() {
    let rows: [(&[u8], Verb, &[u8]); 15] = [
        (b"PASV", Verb::Pasv, b""),
        (b"pasv", Verb::Pasv, b""),
        (b"PaSv", Verb::Pasv, b""),
        (b"XCWD /a", Verb::Cwd, b"/a"),
        (b"xmkd a", Verb::Mkd, b"a"),
        (b"XSHA512 a", Verb::Xsha512, b"a"),
        // Blanks are part of the path (P4).
        (b"RETR  a ", Verb::Retr, b" a "),
        (b"RETR ", Verb::Retr, b""),
        (b"RETR   ", Verb::Retr, b"  "),
        (b"RETR \xe4\xc3\xa4\xff\xff", Verb::Retr, b"\xe4\xc3\xa4\xff\xff"),
        (b"LIST -a", Verb::List, b"-a"),
        // Behind a verb without argument they are nothing (P3), but words are kept.
        (b"PASV  ", Verb::Pasv, b""),
        (b"NOOP now", Verb::Noop, b"now"),
        (b"FROB x", Verb::Other, b"x"),
        (b"ABCDEFGHIJKLMNOP", Verb::Other, b""),
    ];
    for (line, verb, arg) in rows {
        let command = parse(line).unwrap();
        assert_eq!((command.verb, command.arg), (verb, arg), "{}", line.escape_ascii());
        assert!(line.starts_with(command.name));
    }
}

#[test]
fn what_is_not_a_command() {
    use CommandError::*;
    let rows: [(&[u8], CommandError); 20] = [
        (b"", Empty),
        (b" ", BadVerb),
        (b" NOOP", BadVerb),
        (b"\tNOOP", BadVerb),
        (b"NOOP\tx", BadVerb),
        (b"7ZIP", BadVerb),
        (b"P@SW", BadVerb),
        (b"ABCDEFGHIJKLMNOPQ", BadVerb),
        (b"\xffUSER", BadVerb),
        (b"USER\0", BadVerb),
        (b"NOOP\r", BadVerb),
        (b"CWD\r a", BadVerb),
        (b"\x16\x03\x01\x02\x00", BadVerb),
        (b"CWD a\0b", BadArgument),
        (b"CWD a\rb", BadArgument),
        (b"CWD a\r", BadArgument),
        (b"CWD a\nDELE b", BadArgument),
        (b"CWD a\r\0PORT 1,2,3,4,5,6", BadArgument),
        (b"NOOP \r", BadArgument),
        (b"PASV \0", BadArgument),
    ];
    for (line, error) in rows {
        assert_eq!(parse(line), Err(error), "{}", line.escape_ascii());
    }
}

#[test]
fn cr_nul_only_as_a_pair_and_only_where_asked_for() {
    let rows: [(&[u8], bool); 9] = [
        (b"RETR a\r\0b", true),
        (b"RETR \r\0\r\0", true),
        (b"RETR a", true),
        (b"RETR a\r", false),
        (b"RETR a\0\r", false),
        (b"RETR a\0", false),
        (b"RETR \r\0\0", false),
        (b"RETR \r\r\0", false),
        (b"RETR \r\0\n", false),
    ];
    for (line, ok) in rows {
        let parsed = Command::parse(line, true);
        assert_eq!(parsed.is_ok(), ok, "{}", line.escape_ascii());
        if let Ok(command) = parsed {
            assert_eq!(written(&command), [line, b"\r\n"].concat());
        }
    }
}

#[test]
fn lines_are_written_anew() {
    for (line, expected) in [
        (&b"pasv"[..], &b"pasv\r\n"[..]),
        (b"PASV   ", b"PASV\r\n"),
        (b"CDUP ", b"CDUP\r\n"),
        (b"XCWD  a b ", b"XCWD  a b \r\n"),
    ] {
        assert_eq!(written(&parse(line).unwrap()), expected);
    }
}

#[test]
fn every_verb_is_found_by_its_name() {
    let mut names = HashSet::new();
    for &verb in Verb::ALL {
        assert_eq!(Verb::of(verb.as_str().as_bytes()), verb);
        assert_eq!(Verb::of(verb.as_str().to_lowercase().as_bytes()), verb);
        assert!(names.insert(verb.as_str()));
    }
    for (twin, verb) in [
        ("XCWD", Verb::Cwd),
        ("XCUP", Verb::Cdup),
        ("XMKD", Verb::Mkd),
        ("XRMD", Verb::Rmd),
        ("XPWD", Verb::Pwd),
    ] {
        assert_eq!(Verb::of(twin.as_bytes()), verb);
    }
    for other in [&b""[..], b"?", b"XXXX", b"RETRX", b"ABCDEFGHIJKLMNOP", b"\xff\xff\xff\xff"] {
        assert_eq!(Verb::of(other), Verb::Other);
    }
}

#[test]
fn kinds_of_verbs() {
    let kind = |is: fn(Verb) -> bool| {
        let named = Verb::ALL.iter().filter(|verb| is(**verb)).map(|verb| verb.as_str());
        named.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(kind(Verb::opens_data), "RETR STOR STOU APPE LIST NLST MLSD");
    assert_eq!(kind(Verb::is_upload), "STOR STOU APPE");
    assert_eq!(kind(Verb::sets_up_foreign_data), "APSV LPRT LPSV SSCN CPSV SPSV ESTA ESTP");
    assert_eq!(kind(Verb::is_security), "AUTH ADAT PBSZ PROT CCC MIC CONF ENC");
    assert_eq!(kind(Verb::is_slow), "SITE HASH COMB XCRC XMD5 XSHA XSHA1 XSHA256 XSHA512");
    for is in [Verb::opens_data, Verb::is_security, Verb::sets_up_foreign_data, Verb::is_slow] {
        assert!(!is(Verb::Other));
    }
}

#[test]
fn other_protocols_are_told_by_their_first_line() {
    let foreign: [&[u8]; 21] = [
        b"GET / HTTP/1.1",
        b"get / http/1.0",
        b"POST / HTTP/1.1",
        b"PRI * HTTP/2.0",
        b"FROBNICATE /x HTTP/1.1",
        b"GET /",
        b"HTTP/1.1 200 OK",
        b"OPTIONS * RTSP/1.0",
        b"DESCRIBE rtsp://x/ RTSP/1.0",
        b"SETUP rtsp://x/ RTSP/1.0",
        b"INVITE sip:a@b SIP/2.0",
        b"REGISTER sip:b SIP/2.0",
        b"SIP/2.0 200 OK",
        b"EHLO x",
        b"ehlo",
        b"HELO x",
        b"LHLO x",
        b"MAIL FROM:<a@b>",
        b"SSH-2.0-OpenSSH_9.2p1",
        b"\x16\x03\x01\x02\x00\x01",
        b"\x16\x03",
    ];
    for line in foreign {
        assert!(foreign_protocol(line), "{}", line.escape_ascii());
    }
    for line in [
        &b"USER anonymous"[..],
        b"AUTH TLS",
        b"HOST ftp.example.org",
        b"FEAT",
        b"HELP",
        b"MAIL root",
        b"GETX",
        b"",
        b" ",
        b"\x16",
        b"SSH",
    ] {
        assert!(!foreign_protocol(line), "{}", line.escape_ascii());
    }
    for &verb in Verb::ALL {
        assert!(!foreign_protocol(verb.as_str().as_bytes()));
    }
    assert!(foreign_start(b"\x16\x03\x03") && !foreign_start(b"\x16") && !foreign_start(b"USER"));
}

proptest! {
    #[test]
    fn parse_undoes_print(name in "[A-Za-z][A-Za-z0-9]{0,15}", arg: Vec<u8>) {
        let clean = |byte: &u8| !matches!(byte, b'\r' | b'\n' | 0);
        let arg: Vec<u8> = arg.into_iter().filter(clean).collect();
        let verb = Verb::of(name.as_bytes());
        prop_assume!(verb.takes_argument() || arg.iter().any(|byte| *byte != b' '));
        let command = Command { verb, name: name.as_bytes(), arg: &arg };
        let line = written(&command);
        let (text, end) = line.split_at(line.len() - 2);
        prop_assert_eq!(end, b"\r\n");
        prop_assert_eq!(parse(text), Ok(command));
    }

    #[test]
    fn no_line_is_two_lines(
        line in prop::collection::vec(prop_oneof![
            prop::sample::select(&b"\r\n\0 AUSER"[..]),
            any::<u8>(),
        ], 0..40),
    ) {
        if let Ok(command) = parse(&line) {
            let written = written(&command);
            let text = written.strip_suffix(b"\r\n").unwrap();
            prop_assert!(memchr3(b'\r', b'\n', 0, text).is_none());
            prop_assert_eq!(parse(text), Ok(command));
        }
        if let Ok(command) = Command::parse(&line, true) {
            let written = written(&command);
            prop_assert!(only_cr_nul(written.strip_suffix(b"\r\n").unwrap()));
        }
        foreign_protocol(&line);
    }
}
