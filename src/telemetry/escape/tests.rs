use proptest::prelude::*;

use super::*;

#[test]
fn what_could_forge_a_line_is_escaped() {
    let table: &[(&[u8], &str)] = &[
        (b"anna", "anna"),
        (b"", ""),
        ("Größe/файл 文件".as_bytes(), "Größe/файл 文件"),
        (b"a b", "a b"),
        (b"x\r\nuser=root", "x\\r\\nuser=root"),
        (b"\x1b[2J", "\\u{1b}[2J"),
        (b"\x7f\0\t", "\\u{7f}\\u{0}\\t"),
        ("\u{85}".as_bytes(), "\\u{85}"),
        (b"\x85\x9b", "\\x85\\x9b"),
        (b"caf\xe9", "caf\\xe9"),
        (b"a\"b\\c", "a\\\"b\\\\c"),
        ("\u{202e}gpj.exe".as_bytes(), "\\u{202e}gpj.exe"),
        ("a\u{2028}b".as_bytes(), "a\\u{2028}b"),
    ];
    for (bytes, expected) in table {
        assert_eq!(escape(bytes), *expected, "{bytes:?}");
    }
}

#[test]
fn nothing_is_copied_when_there_is_nothing_to_do() {
    assert!(matches!(escape("/pub/Größe.txt".as_bytes()), Cow::Borrowed(_)));
}

#[test]
fn long_fields_are_cut_between_characters() {
    assert_eq!(escape(&[b'a'; FIELD]).len(), FIELD);
    assert_eq!(escape(&[b'a'; FIELD + 1]), "a".repeat(FIELD) + "…");
    assert_eq!(escape("é".repeat(400).as_bytes()), "é".repeat(256) + "…");
    let whole = FIELD / 4;
    assert_eq!(escape(&[0xff; 1000]), "\\xff".repeat(whole) + "…");
    assert_eq!(escape(&[b'\\'; 1000]), "\\\\".repeat(FIELD / 2) + "…");
}

proptest! {
    /// One printable line, bounded, and different bytes never look the same.
    #[test]
    fn any_bytes_are_safe(a: Vec<u8>, b: Vec<u8>) {
        let text = escape(&a);
        prop_assert!(!text.chars().any(char::is_control));
        prop_assert!(text.len() <= FIELD + '…'.len_utf8());
        prop_assert!(a == b || a.len().max(b.len()) > 100 || text != escape(&b));
    }
}
