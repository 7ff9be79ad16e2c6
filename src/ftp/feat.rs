//! FEAT is the server's own list, edited: what we cannot carry goes, what we do ourselves is
//! there (P85–P91).

#[cfg(test)]
mod tests;

/// Data connections that the gateway does not carry: it would have to break them (P86).
const REMOVED: [&str; 8] = ["LPRT", "LPSV", "SPSV", "APSV", "CPSV", "SSCN", "ESTA", "ESTP"];

/// The protection of connections, which the gateway ends itself unless it is the server's (P86).
const SECURITY: [&str; 8] = ["AUTH", "ADAT", "PBSZ", "PROT", "CCC", "MIC", "CONF", "ENC"];

/// Features of the gateway itself, whatever the server can do.
const OWN: [&str; 2] = ["EPSV", "EPRT"];

/// What the gateway adds where it offers TLS to clients (P87).
const TLS: [&str; 3] = ["AUTH TLS", "PBSZ", "PROT"];

/// Edits one reply to FEAT, line by line.
#[derive(Debug, Default)]
pub struct FeatEditor {
    seen: [bool; OWN.len()],
    tls: FeatTls,
}

/// Whose TLS a client may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FeatTls {
    /// Nobody's.
    #[default]
    None,
    /// The gateway's.
    Ours,
    /// The server's, through the gateway (P122).
    Servers,
}

impl FeatEditor {
    /// For one reply.
    pub fn new(tls: FeatTls) -> Self {
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
        let taken = is_one_of(name, &SECURITY) && self.tls != FeatTls::Servers;
        !taken && !is_one_of(name, &REMOVED)
    }

    /// The features to add before the last line, each on a line of its own behind one blank.
    pub fn missing(&self) -> Vec<&'static str> {
        let own = OWN.iter().zip(self.seen).filter(|(_, seen)| !seen).map(|(own, _)| *own);
        let tls = (self.tls == FeatTls::Ours).then_some(TLS).into_iter().flatten();
        tls.chain(own).collect()
    }
}

/// Whether the server never hears of this feature, so that OPTS for it gets 501 (P90): those that
/// we take out, and our own. Only the first word counts.
pub fn filtered(feature: &[u8]) -> bool {
    let name = name(feature);
    is_one_of(name, &REMOVED) || is_one_of(name, &SECURITY) || is_one_of(name, &OWN)
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
