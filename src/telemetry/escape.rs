//! Bytes that a peer chose, made safe for any log (S28).

use std::borrow::Cow;
use std::fmt::Write;

/// Longest field of a record, bytes; a cut one ends with `…`.
const FIELD: usize = 512;

/// Escapes what could forge, hide or garble a log line: control bytes, invalid UTF-8, characters
/// that break lines or turn the reading direction, quotes and the backslash itself. Cut at
/// [`FIELD`] bytes. Nothing is copied when there is nothing to do.
pub(super) fn escape(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) if bytes.len() <= FIELD && !text.chars().any(is_unsafe) => Cow::Borrowed(text),
        _ => Cow::Owned(escaped(bytes)),
    }
}

fn escaped(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().min(FIELD) + 16);
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            let before = out.len();
            push(&mut out, c);
            if out.len() > FIELD {
                return cut(out, before);
            }
        }
        for byte in chunk.invalid() {
            let before = out.len();
            // Writing to a String cannot fail.
            let _ = write!(out, "\\x{byte:02x}");
            if out.len() > FIELD {
                return cut(out, before);
            }
        }
    }
    out
}

fn push(out: &mut String, c: char) {
    match c {
        '"' | '\\' => out.extend(['\\', c]),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        c if is_unsafe(c) => out.extend(c.escape_unicode()),
        c => out.push(c),
    }
}

fn cut(mut out: String, at: usize) -> String {
    out.truncate(at);
    out.push('…');
    out
}

/// Control characters (C0, DEL, C1), line and paragraph separators, direction marks and
/// overrides, and the two characters that escaping itself needs.
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '"' | '\\' | '\u{61c}' | '\u{200e}' | '\u{200f}')
        || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests;
