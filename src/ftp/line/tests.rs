use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Owned {
    Line(Vec<u8>),
    TooLong(Vec<u8>),
    Telnet([u8; 3]),
}

fn line(text: &[u8]) -> Owned {
    Owned::Line(text.to_vec())
}

/// Everything that comes out of `buffer` when the input arrives in these pieces.
fn items<'i>(buffer: &mut LineBuffer, pieces: impl IntoIterator<Item = &'i [u8]>) -> Vec<Owned> {
    let mut found = Vec::new();
    for mut piece in pieces {
        while let Some(item) = buffer.next(&mut piece) {
            found.push(match item {
                Item::Line(text) => Owned::Line(text.to_vec()),
                Item::TooLong(text) => Owned::TooLong(text.to_vec()),
                Item::Telnet(answer) => Owned::Telnet(answer),
            });
            assert!(buffer.pending.len() <= buffer.limit + 1);
        }
        assert!(piece.is_empty());
        assert!(buffer.pending.len() <= buffer.limit + 1);
    }
    found
}

fn commands(input: &[u8]) -> Vec<Owned> {
    items(&mut LineBuffer::commands(32, true), [input])
}

#[test]
fn a_line_is_a_line_however_it_was_cut() {
    let mut buffer = LineBuffer::commands(32, true);
    assert_eq!(items(&mut buffer, b"PASV\r\n".chunks(1)), [line(b"PASV")]);
    assert!(buffer.is_empty());
    let twenty = b"NOOP\r\n".repeat(20);
    assert_eq!(items(&mut buffer, [&twenty[..]]), vec![line(b"NOOP"); 20]);
}

#[test]
fn between_lines_there_is_no_heap() {
    let mut buffer = LineBuffer::commands(32, true);
    items(&mut buffer, [&b"NOOP\r\nPA"[..]]);
    assert!(!buffer.is_empty());
    items(&mut buffer, [&b"SV\r\n"[..]]);
    assert!(buffer.is_empty());
    assert_eq!(buffer.pending.capacity(), 0);
}

#[test]
fn a_whole_line_is_borrowed_from_the_input() {
    let input = b"USER anonymous\r\nPASS x\r\n";
    let mut rest = &input[..];
    let mut buffer = LineBuffer::commands(32, true);
    let Some(Item::Line(line)) = buffer.next(&mut rest) else { panic!("no line") };
    assert_eq!(line.as_ptr(), input.as_ptr());
    assert_eq!(rest, b"PASS x\r\n");
}

#[test]
fn a_bare_lf_ends_a_line_only_where_allowed() {
    let input = &b"USER x\nPASS y\r\n"[..];
    assert_eq!(commands(input), [line(b"USER x"), line(b"PASS y")]);
    let strict = || LineBuffer::commands(32, false);
    assert_eq!(items(&mut strict(), [input]), [line(b"USER x\nPASS y")]);
    assert_eq!(items(&mut strict(), input.chunks(1)), [line(b"USER x\nPASS y")]);
    let replies = items(&mut LineBuffer::replies(32), [&b"220 a\n221 b\r\n"[..]]);
    assert_eq!(replies, [line(b"220 a"), line(b"221 b")]);
}

#[test]
fn cr_and_nul_within_a_line_stay() {
    assert_eq!(commands(b"CWD a\r\0b\r\r\n"), [line(b"CWD a\r\0b\r")]);
    assert_eq!(commands(b"\r\n\n"), [line(b""), line(b"")]);
}

#[test]
fn the_tail_of_a_long_line_is_never_a_command() {
    // CVE-2008-4242 and its kind (P7).
    for size in [1, 7, 31, 32, 33, 34, 1000] {
        let mut buffer = LineBuffer::commands(32, true);
        let input = [&b"CWD "[..], &[b'A'; 4090], b"DELE x\r\nNOOP\r\n"].concat();
        let head = [&b"CWD "[..], &[b'A'; 28]].concat();
        assert_eq!(items(&mut buffer, input.chunks(size)), [Owned::TooLong(head), line(b"NOOP")]);
        assert!(buffer.is_empty());
    }
}

#[test]
fn the_limit_is_exact() {
    for (text, fits) in [(&b"12345678"[..], true), (b"123456789", false), (b"12345678\r", false)] {
        for end in [&b"\r\n"[..], b"\n"] {
            let input = [text, end].concat();
            for size in 1..=input.len() {
                let mut buffer = LineBuffer::replies(8);
                // A CR before LF is its end, so a bare LF makes the third row fit.
                let fits = fits || (text.ends_with(b"\r") && end == b"\n");
                let expected =
                    if fits { line(&text[..8]) } else { Owned::TooLong(text[..8].to_vec()) };
                assert_eq!(items(&mut buffer, input.chunks(size)), [expected], "{input:?} {size}");
            }
        }
    }
}

#[test]
fn telnet_sequences_are_taken_out_at_every_cut() {
    let answer = |command, option| Owned::Telnet([IAC, command, option]);
    let rows: [(&[u8], Vec<Owned>); 14] = [
        // Synch before ABOR: IP, DM (P29, P31).
        (b"\xff\xf4\xff\xf2ABOR\r\n", vec![line(b"ABOR")]),
        (b"AB\xff\xf1OR\r\xff\xf1\n", vec![line(b"ABOR")]),
        // Negotiation is refused; refusals are not answered (P26).
        (b"\xff\xfd\x01NOOP\r\n", vec![answer(WONT, 1), line(b"NOOP")]),
        (b"NO\xff\xfb\x03OP\r\n", vec![answer(DONT, 3), line(b"NOOP")]),
        (b"NO\xff\xfc\x03\xff\xfe\x01OP\r\n", vec![line(b"NOOP")]),
        (b"\xff\xfb\xffNOOP\r\n", vec![answer(DONT, 255), line(b"NOOP")]),
        // A doubled 0xFF stays doubled, a lone one before a letter stays (P27).
        (b"RETR \xff\xff.txt\r\n", vec![line(b"RETR \xff\xff.txt")]),
        (b"RETR \xff.txt\r\n", vec![line(b"RETR \xff.txt")]),
        (b"RETR a\xff\r\nNOOP\r\n", vec![line(b"RETR a\xff"), line(b"NOOP")]),
        (b"RETR a\xff\nNOOP\r\n", vec![line(b"RETR a\xff"), line(b"NOOP")]),
        // Subnegotiation, with an escaped 0xFF, and one that never ends.
        (b"\xff\xfa\x18\x00\xff\xffx\xff\xf0NOOP\r\n", vec![line(b"NOOP")]),
        (b"USER\xff\xfa\x18\x00\r\nNOOP\r\n", vec![line(b"USER"), line(b"NOOP")]),
        (b"USER\xff\xfa\x18\xff\nNOOP\r\n", vec![line(b"USER"), line(b"NOOP")]),
        // A line end ends a negotiation too.
        (b"USER\xff\xfd\r\nNOOP\r\n", vec![line(b"USER"), line(b"NOOP")]),
    ];
    for (input, expected) in rows {
        for cut in 0..=input.len() {
            let (head, tail) = input.split_at(cut);
            let mut buffer = LineBuffer::commands(32, true);
            assert_eq!(items(&mut buffer, [head, tail]), expected, "{input:x?} cut at {cut}");
            assert!(buffer.is_empty());
        }
        assert_eq!(items(&mut LineBuffer::commands(32, true), input.chunks(1)), expected);
    }
}

#[test]
fn an_unfinished_telnet_sequence_is_an_unfinished_line() {
    let mut buffer = LineBuffer::commands(32, true);
    for (piece, empty) in [(&b"\xff"[..], false), (b"\xfd", false), (b"\x01", true)] {
        items(&mut buffer, [piece]);
        assert_eq!(buffer.is_empty(), empty, "{piece:x?}");
    }
}

#[test]
fn replies_know_no_telnet() {
    let input = b"220 \xff\xfd\x01\xff\xff\r\n";
    let expected = [line(b"220 \xff\xfd\x01\xff\xff")];
    assert_eq!(items(&mut LineBuffer::replies(32), [&input[..]]), expected);
    assert_eq!(items(&mut LineBuffer::replies(32), input.chunks(1)), expected);
}

#[test]
fn endless_negotiation_needs_no_memory() {
    let mut buffer = LineBuffer::commands(16, true);
    let flood = b"\xff\xfd\x01\xff\xfaxxxxxxxx\xff\xf0".repeat(1000);
    assert_eq!(items(&mut buffer, [&flood[..]]).len(), 1000);
    assert_eq!(buffer.pending.capacity(), 0);
}

/// Bytes among which those that mean something are common.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let special = prop::sample::select(&[CR, LF, 0, b' ', b'A', SE, SB, WILL, WONT, DO, DONT, IAC]);
    prop::collection::vec(prop_oneof![6 => special, 1 => any::<u8>()], 0..120)
}

/// Lines by the plainest reading there is, for input without Telnet.
fn plain_lines(input: &[u8], limit: usize, bare_lf: bool) -> Vec<Owned> {
    let mut found = Vec::new();
    let mut text = Vec::new();
    for &byte in input {
        if byte == LF && (bare_lf || text.last() == Some(&CR)) {
            let text: Vec<u8> = std::mem::take(&mut text);
            let text = text.strip_suffix(&[CR]).unwrap_or(&text);
            found.push(if text.len() > limit {
                Owned::TooLong(text[..limit].to_vec())
            } else {
                line(text)
            });
        } else {
            text.push(byte);
        }
    }
    found
}

proptest! {
    #[test]
    fn cuts_change_nothing(
        input in bytes(),
        sizes in prop::collection::vec(1_usize..9, 1..8),
        limit in 0_usize..20,
        kind in 0..3,
    ) {
        let buffer = || match kind {
            0 => LineBuffer::commands(limit, true),
            1 => LineBuffer::commands(limit, false),
            _ => LineBuffer::replies(limit),
        };
        let mut rest = &input[..];
        let mut pieces = Vec::new();
        for size in sizes.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, after) = rest.split_at(rest.len().min(*size));
            pieces.push(piece);
            rest = after;
        }
        let whole = items(&mut buffer(), [&input[..]]);
        prop_assert_eq!(items(&mut buffer(), pieces), whole);
    }

    #[test]
    fn without_telnet_it_is_plain_splitting(
        mut input in bytes(),
        size in 1_usize..40,
        limit in 0_usize..20,
        bare_lf: bool,
    ) {
        input.retain(|&byte| byte != IAC);
        let mut buffer = LineBuffer::commands(limit, bare_lf);
        prop_assert_eq!(items(&mut buffer, input.chunks(size)), plain_lines(&input, limit, bare_lf));
    }

    #[test]
    fn no_line_holds_a_lf_where_lf_ends_lines(input in bytes(), size in 1_usize..40) {
        for item in items(&mut LineBuffer::commands(16, true), input.chunks(size)) {
            match item {
                Owned::Line(text) | Owned::TooLong(text) => {
                    prop_assert!(text.len() <= 16 && !text.contains(&LF));
                }
                Owned::Telnet(answer) => prop_assert!(matches!(answer, [IAC, WONT | DONT, _])),
            }
        }
    }
}
