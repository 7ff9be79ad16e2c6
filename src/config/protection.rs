//! What `tls` of a listener and `tls` of an upstream have in common.

use super::item::Item;
use super::problem::Problem;
use super::section::Section;
use super::value;
use crate::tls::{CertificateFiles, TlsVersion};

/// Where clients and servers expect AUTH after a greeting in the clear (RFC 4217), or no TLS at all.
pub(super) const EXPLICIT: u16 = 21;
/// Where they expect TLS from the first byte.
pub(super) const IMPLICIT: u16 = 990;

/// The versions that are spoken.
pub(super) const VERSIONS: &[(&str, TlsVersion)] =
    &[("1.2", TlsVersion::V12), ("1.3", TlsVersion::V13)];

/// Whether data have to be protected.
pub(super) const DATA: &[(&str, bool)] = &[("optional", false), ("required", true)];

/// Whether an end without close_notify is a broken transfer.
pub(super) const END: &[(&str, bool)] = &[("compat", false), ("strict", true)];

/// Reads `mode`. It has a default only where nothing else is said of TLS either: nobody names a
/// certificate to go on in the clear.
pub(super) fn mode<T: Copy>(
    s: &mut Section<'_>,
    modes: &'static [(&'static str, T)],
    default: T,
) -> T {
    if s.is_given() && s.written("mode").is_none() {
        let words: Vec<_> = modes.iter().map(|(word, _)| format!("\"{word}\"")).collect();
        let problem = Problem::error("`mode` is missing: is there to be TLS or not?");
        s.missed("mode", problem.remedy(format!("add mode = one of {}", words.join(", "))));
    }
    s.take("mode", value::choice(modes)).unwrap_or(default)
}

/// Reads `cert` and `key`. `None`: neither is there, or something is wrong and reported.
pub(super) fn pair(s: &mut Section<'_>) -> Option<CertificateFiles> {
    let problem = match (s.written("cert"), s.written("key")) {
        (Some(place), None) => {
            let problem = Problem::error("a certificate without its private key").at(&place);
            Some(("key", problem.remedy("add key = \"FILE\"; it may be the same file")))
        }
        (None, Some(place)) => {
            let problem = Problem::error("a private key without its certificate").at(&place);
            Some(("cert", problem.remedy("add cert = \"FILE\", with its issuers behind it")))
        }
        _ => None,
    };
    if let Some((key, problem)) = problem {
        s.report(key, problem);
    }
    let (chain, key) = (s.take("cert", value::path), s.take("key", value::path));
    Some(CertificateFiles { chain: chain?, key: key? })
}

/// A port that is known for the other kind of TLS, and what will happen there.
pub(super) fn odd_port(implicit: bool, port: u16) -> Option<&'static str> {
    match (implicit, port) {
        (true, EXPLICIT) => {
            Some("on port 21 the first words are in the clear: a handshake before them fails")
        }
        (false, IMPLICIT) => {
            Some("on port 990 TLS begins with the first byte: each side would wait for the other")
        }
        _ => None,
    }
}

/// SHA-256 of a certificate: 64 hexadecimal digits, with or without the colons of openssl.
pub(super) fn fingerprint(item: &Item) -> Result<[u8; 32], Problem> {
    let text = item.text()?.replace(':', "");
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let digits: Option<Vec<u8>> = text.as_bytes().iter().map(digit).collect();
    let bytes: Option<Vec<u8>> = digits.map(|digits| {
        let pairs = digits.chunks_exact(2);
        pairs.map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect()
    });
    let whole = bytes.filter(|_| text.len() == 64).and_then(|bytes| bytes.try_into().ok());
    whole.ok_or_else(|| {
        item.problem("not a SHA-256 fingerprint: 64 hexadecimal digits").remedy(
            "`ftpgate check` shows it, or openssl x509 -in CERT -noout -fingerprint -sha256",
        )
    })
}
