//! The client's eyes: what it is told must be replies, and nothing but replies.

use super::ledger::Verdict;

/// Reads what the client is told, as strictly as any client.
#[derive(Default)]
pub(crate) struct Reader {
    line: Vec<u8>,
    /// The code of the multi-line reply being read.
    open: Option<Vec<u8>>,
    /// The last line of each final reply of the last read.
    pub(crate) last: Vec<String>,
    pub(crate) finals: usize,
    pub(crate) closing: bool,
}

impl Reader {
    /// Takes whole lines.
    pub(crate) fn read(&mut self, bytes: &[u8]) -> Verdict {
        for byte in bytes {
            self.line.push(*byte);
            // The answer to a Telnet negotiation stands between lines.
            if self.line.len() == 3 && self.line[0] == 0xff {
                self.line.clear();
            }
            if *byte == b'\n' {
                let line = std::mem::take(&mut self.line);
                self.line(line.strip_suffix(b"\r\n").ok_or("a bare LF for the client")?)?;
            }
        }
        if self.line.is_empty() { Ok(()) } else { Err("half a line for the client".into()) }
    }

    fn line(&mut self, line: &[u8]) -> Verdict {
        let code = line.get(..3).filter(|code| code.iter().all(u8::is_ascii_digit));
        let last = code.is_some() && line.get(3) == Some(&b' ');
        if let Some(open) = &self.open {
            if !(last && code == Some(open)) {
                return Ok(());
            }
            self.open = None;
        } else if code.is_some() && line.get(3) == Some(&b'-') {
            self.open = code.map(<[u8]>::to_vec);
            return Ok(());
        } else if !last {
            return Err(format!("no reply: {}", String::from_utf8_lossy(line)));
        }
        let code = code.unwrap_or_default();
        self.closing |= code == b"421";
        if code != b"421" && code[0] != b'1' {
            self.finals += 1;
            self.last.push(String::from_utf8_lossy(line).into_owned());
        }
        Ok(())
    }
}

/// The verb of a line, Telnet sequences aside.
pub(crate) fn verb(line: &[u8]) -> String {
    let clean =
        [&b"\xff\xf4\xff\xf2"[..], b"\xff\xfaxyz\xff\xf0", b"\xff\xfd\x01", b"\xff\xfb\x22"];
    let line = clean.iter().find_map(|telnet| line.strip_prefix(*telnet)).unwrap_or(line);
    let verb = line.split(|b| *b == b' ').next().unwrap_or_default();
    verb.iter().filter(|b| b.is_ascii()).map(|b| b.to_ascii_uppercase() as char).collect()
}
