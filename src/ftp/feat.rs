//! FEAT is the server's own list, edited: what we cannot carry goes, what we do ourselves is
//! there (P85–P91).

#[cfg(test)]
mod tests;

/// Features that the gateway takes out, for it would have to break them (P86): data connections
/// it does not carry, and the protection of connections it ends itself.
const REMOVED: [&str; 16] = [
    "AUTH", "ADAT", "PBSZ", "PROT", "CCC", "MIC", "CONF", "ENC", "LPRT", "LPSV", "SPSV", "APSV",
    "CPSV", "SSCN", "ESTA", "ESTP",
];

/// Features of the gateway itself, whatever the server can do.
const OWN: [&str; 2] = ["EPSV", "EPRT"];

/// What the gateway adds where it offers TLS to clients (P87).
const TLS: [&str; 3] = ["AUTH TLS", "PBSZ", "PROT"];

/// Edits one reply to FEAT, line by line.
#[derive(Debug, Default)]
pub struct FeatEditor {
    seen: [bool; OWN.len()],
    /// TLS is offered to this client.
    tls: bool,
}

impl FeatEditor {
    /// For one reply; `tls`: AUTH TLS is offered to this client.
    pub fn new(tls: bool) -> Self {
        Self { tls, ..Self::default() }
    }

    /// Whether an inner line of the server's reply is passed on as it is. Our own features stay
    /// where the server has them, once.
    pub fn keep(&mut self, line: &[u8]) -> bool {
        let name = name(line);
        for (own, seen) in OWN.iter().zip(&mut self.seen) {
            if name.eq_ignore_ascii_case(own.as_bytes()) {
                return !std::mem::replace(seen, true);
            }
        }
        !is_one_of(name, &REMOVED)
    }

    /// The features to add before the last line, each on a line of its own behind one blank.
    pub fn missing(&self) -> Vec<&'static str> {
        let own = OWN.iter().zip(self.seen).filter(|(_, seen)| !seen).map(|(own, _)| *own);
        let tls = self.tls.then_some(TLS).into_iter().flatten();
        tls.chain(own).collect()
    }
}

/// Whether the server never hears of this feature, so that OPTS for it gets 501 (P90): those that
/// we take out, and our own. Only the first word counts.
pub fn filtered(feature: &[u8]) -> bool {
    let name = name(feature);
    is_one_of(name, &REMOVED) || is_one_of(name, &OWN)
}

fn is_one_of(name: &[u8], names: &[&str]) -> bool {
    names.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()))
}

/// The feature that a line of FEAT names: its first word, as sent. Some servers repeat the code on
/// each line instead of the blank of RFC 2389: `211-MDTM`.
pub fn name(line: &[u8]) -> &[u8] {
    let line = line.strip_prefix(b"211-").unwrap_or(line).trim_ascii_start();
    let end = line.iter().position(|byte| !byte.is_ascii_alphanumeric()).unwrap_or(line.len());
    line.get(..end).unwrap_or_default()
}
