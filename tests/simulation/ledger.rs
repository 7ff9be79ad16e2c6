//! What must hold, kept by counting: a shadow of the session that knows no policy.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;

use ftpgate::ftp::line::{Item, LineBuffer};
use ftpgate::ftp::reply::ReplyParser;
use ftpgate::session::event::{
    Leg, Outcome, Side, Stage, TransferPlan, TransferRecord, TransferReport,
};
use ftpgate::session::policy::{Policy, PortCommand, Rfc6384, ServerTls};

use super::reader::{Reader, verb};

pub(crate) type Verdict = Result<(), String>;

/// The address that the gateway tells here, and the data ports that it gives out: no server names
/// them.
pub(crate) const OURS: &str = "203,0,113,7";
pub(crate) const OUR_PORTS: RangeInclusive<u16> = 10_100..=10_199;

/// What an honest server puts between its words and the verb it answers.
pub(crate) const TAG: &str = " re:";

pub(crate) struct Ledger {
    client: IpAddr,
    pub(crate) server: Option<IpAddr>,
    /// Its last line may have lost its end.
    pub(crate) server_gone: bool,
    cr_nul: bool,
    strict: bool,
    /// The gateway protects its connection to the server, with commands of its own.
    own_tls: bool,
    /// It says NOOP in place of some of the client's.
    translator: bool,
    /// The client's whole lines that the server may still be told.
    lines: VecDeque<Vec<u8>>,
    line: Vec<u8>,
    commands: usize,
    to_client: Reader,
    /// What the client's finals are for, by verb: its greeting first. Followed only with an honest
    /// server, which says what it answers.
    expects: Option<VecDeque<String>>,
    /// Commands sent to the server less its final replies; below zero only while a chunk of
    /// several replies is being read.
    outstanding: i32,
    from_server: (LineBuffer, ReplyParser),
    asked: Option<String>,
    /// What the last good-looking PORT or EPRT of the client named.
    named: Vec<SocketAddr>,
    leases: [Option<SocketAddr>; 2],
    open: Option<TransferPlan>,
    report: Option<TransferReport>,
    stage: u8,
    pub(crate) requested: usize,
    pub(crate) records: usize,
    logged_in: bool,
    pub(crate) closed: bool,
}

impl Ledger {
    pub(crate) fn new(client: IpAddr, policy: &Policy, honest: bool) -> Self {
        Self {
            client: client.to_canonical(),
            server: None,
            server_gone: false,
            cr_nul: policy.cr_nul,
            translator: policy.rfc6384 != Rfc6384::Off,
            own_tls: policy.tls.server != ServerTls::Off,
            strict: policy.port_command == PortCommand::Strict,
            lines: VecDeque::new(),
            line: Vec::new(),
            commands: 0,
            to_client: Reader::default(),
            expects: honest.then(|| ["greeting".to_owned()].into()),
            outstanding: 0,
            from_server: (LineBuffer::replies(8192), ReplyParser::default()),
            asked: None,
            named: Vec::new(),
            leases: [None, None],
            open: None,
            report: None,
            stage: 0,
            requested: 0,
            records: 0,
            logged_in: false,
            closed: false,
        }
    }

    /// Final replies that the client still has to get: one for each of its lines, and a greeting.
    pub(crate) fn missing(&self) -> usize {
        (self.commands + 1).saturating_sub(self.to_client.finals)
    }

    /// The session is being closed: what was asked is not answered any more.
    pub(crate) fn is_closing(&self) -> bool {
        self.closed || self.to_client.closing
    }

    // --- what goes in ---

    pub(crate) fn client_says(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.line.push(*byte);
            if *byte == b'\n' {
                let line = std::mem::take(&mut self.line);
                let line = line.strip_suffix(b"\n").unwrap_or(&line);
                let line = line.strip_suffix(b"\r").unwrap_or(line);
                self.commands += 1;
                if let Some(expects) = &mut self.expects {
                    expects.push_back(verb(line));
                }
                self.named.extend(named(line));
                self.lines.push_back(line.to_vec());
            }
        }
    }

    pub(crate) fn server_says(&mut self, mut bytes: &[u8]) {
        let (lines, parser) = &mut self.from_server;
        while let Some(item) = lines.next(&mut bytes) {
            let (Item::Line(line) | Item::TooLong(line)) = item else { continue };
            let Ok(reply) = parser.accept(line) else { continue };
            if reply.ends() && !reply.code.is_preliminary() {
                self.outstanding -= 1;
            }
        }
    }

    /// The machine has dealt with all that the server said: what was too much is nobody's.
    pub(crate) fn server_said(&mut self) {
        self.outstanding = self.outstanding.max(0);
    }

    /// What was said in the clear on that side is void; a machine that uses it is caught.
    pub(crate) fn starts_anew(&mut self, side: Side) {
        match side {
            Side::Downstream => {
                self.lines.clear();
                self.line.clear();
            }
            Side::Upstream => {
                self.from_server = (LineBuffer::replies(8192), ReplyParser::default());
            }
        }
    }

    pub(crate) fn listening(&mut self, side: Side, at: SocketAddr) -> Verdict {
        let slot = &mut self.leases[side.index()];
        if slot.replace(at).is_some() {
            return Err("a second lease on one side".into());
        }
        Ok(())
    }

    pub(crate) fn reported(&mut self, report: TransferReport) {
        self.report = Some(report);
        self.open = None;
    }

    // --- what comes out ---

    pub(crate) fn told_client(&mut self, bytes: &[u8]) -> Verdict {
        for line in String::from_utf8_lossy(bytes).lines() {
            self.address_told(line)?;
        }
        self.to_client.read(bytes)?;
        if self.to_client.finals > self.commands + 1 {
            return Err("more final replies than commands".into());
        }
        for line in std::mem::take(&mut self.to_client.last) {
            self.attribute(&line)?;
        }
        Ok(())
    }

    /// Our own addresses are told only while they listen.
    fn address_told(&mut self, text: &str) -> Verdict {
        let named = text.split_once("(|||").and_then(|(_, rest)| rest.split('|').next());
        let named = named.and_then(|port| port.parse::<u16>().ok());
        if text.contains(OURS) || named.is_some_and(|port| OUR_PORTS.contains(&port)) {
            // The transfer is open, or the server is being asked for its part of it.
            let lease = match self.open {
                Some(TransferPlan { downstream: Leg::Accept, .. }) => self.leases[0],
                Some(_) => None,
                None => self.leases[0].filter(|_| self.asked.is_some()),
            };
            let port = lease.ok_or("an address is told that nobody listens on")?.port();
            let comma = format!("{OURS},{},{})", port / 256, port % 256);
            if !text.contains(&comma) && !text.contains(&format!("(|||{port}|)")) {
                return Err("another port is told than the one that listens".into());
            }
        }
        if text.starts_with("226 ABOR processed") {
            self.outstanding -= 1;
        }
        Ok(())
    }

    /// Reply n is for command n, but for ABOR and STAT, which overtake.
    fn attribute(&mut self, line: &str) -> Verdict {
        let Some(expects) = &mut self.expects else { return Ok(()) };
        let tag = line.rsplit_once(TAG).map(|(_, verb)| verb);
        let tag = if line == "226 ABOR processed." { Some("ABOR") } else { tag };
        let at = match tag {
            Some(begun) if self.server_gone => expects.iter().position(|v| v.starts_with(begun)),
            Some(overtakes @ ("ABOR" | "STAT")) => expects.iter().position(|v| v == overtakes),
            Some(verb) => expects.front().filter(|front| *front == verb).map(|_| 0),
            None => Some(0),
        };
        match at.and_then(|at| expects.remove(at)) {
            Some(_) => Ok(()),
            None => Err(format!("{tag:?} is answered, but {expects:?} wait")),
        }
    }

    /// Returns the line without its end.
    pub(crate) fn told_server<'b>(&mut self, bytes: &'b [u8]) -> Result<&'b [u8], String> {
        let line = bytes.strip_suffix(b"\r\n").ok_or("half a line goes upstream")?;
        let bare = if self.cr_nul { remove_cr_nul(line) } else { line.to_vec() };
        if bare.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
            return Err("a control byte goes upstream".into());
        }
        let verb = line.split(|b| *b == b' ').next().unwrap_or_default().to_ascii_uppercase();
        self.outstanding += 1;
        if self.outstanding > 1 && !matches!(&*verb, b"ABOR" | b"STAT") {
            return Err("two commands wait upstream".into());
        }
        match &*verb {
            b"PASV" | b"EPSV" if bare.len() == 4 => {}
            // Not translated, in the client's words.
            b"EPSV" if self.translator => self.came_from_client(line)?,
            // Not translated, it is the client's own, in its own words.
            b"EPRT" if self.translator && self.leases[1].is_none() => {
                if named(line).map(|named| named.ip()) != Some(self.client) {
                    return Err("a foreign EPRT goes upstream".into());
                }
                return self.came_from_client(line).map(|()| line);
            }
            b"PORT" | b"EPRT" => {
                let lease = self.leases[1].ok_or("PORT upstream without a lease")?;
                if named(line) != Some(lease) {
                    return Err("PORT upstream names what does not listen".into());
                }
            }
            b"ABOR" if bare.len() == 4 => return Ok(line),
            b"NOOP" if self.translator && bare.len() == 4 => return Ok(line),
            b"AUTH" | b"PBSZ" | b"PROT" | b"FEAT" if self.own_tls => return Ok(line),
            _ => return self.came_from_client(line).map(|()| line),
        }
        self.asked = Some(String::from_utf8_lossy(&verb).into_owned());
        Ok(line)
    }

    /// A forwarded line is one that the client sent, in the order it sent them.
    fn came_from_client(&mut self, line: &[u8]) -> Verdict {
        let same =
            |sent: &Vec<u8>| sent.contains(&0xff) || sent.trim_ascii_end() == line.trim_ascii_end();
        let at = self.lines.iter().position(same).ok_or("the client never sent this line")?;
        let overtook = line.eq_ignore_ascii_case(b"STAT");
        if !overtook {
            self.lines.drain(..at);
        }
        Ok(())
    }

    pub(crate) fn opened(&mut self, plan: TransferPlan) -> Verdict {
        if self.open.is_some() {
            return Err("a second transfer".into());
        }
        let asked = self.asked.take().ok_or("a transfer that the server was not asked for")?;
        match plan.downstream {
            Leg::Accept if self.leases[0].is_none() => return Err("no lease downstream".into()),
            Leg::Accept => {}
            Leg::Connect(to) if to.ip() != self.client => return Err("dials a stranger".into()),
            Leg::Connect(to) if !self.was_named(to) => {
                return Err("dials what the client did not name".into());
            }
            Leg::Connect(to) if to.port() < 1024 => return Err("dials a low port".into()),
            Leg::Connect(_) => {}
        }
        match (plan.upstream, &*asked) {
            (Leg::Accept, "PORT" | "EPRT") if self.leases[1].is_some() => {}
            (Leg::Connect(to), "PASV" | "EPSV")
                if Some(to.ip()) == self.server && to.port() >= 1024 => {}
            other => return Err(format!("server leg {other:?}")),
        }
        (self.open, self.report, self.stage) = (Some(plan), None, 0);
        Ok(())
    }

    /// By address too, unless that is to be replaced.
    fn was_named(&self, to: SocketAddr) -> bool {
        self.named.iter().any(|named| named == &to || !self.strict && named.port() == to.port())
    }

    pub(crate) fn advanced(&mut self, stage: Stage) -> Verdict {
        let rank = match stage {
            Stage::Granted | Stage::Protected(_) => 0,
            Stage::Requested(_) => 1,
            Stage::Started(_) => 2,
            Stage::Finished(_) => 3,
            Stage::Failed => 4,
        };
        if rank < self.stage {
            return Err(format!("the dialogue goes back to {stage:?}"));
        }
        self.requested += usize::from(rank == 1);
        self.stage = rank;
        Ok(())
    }

    pub(crate) fn released(&mut self) {
        self.open = None;
        self.leases = [None, None];
    }

    /// The leases belong to the transfer from now on, and the grant they made is over.
    pub(crate) fn recorded(&mut self, record: &TransferRecord) -> Verdict {
        self.records += 1;
        let success = record.client_code / 100 == 2;
        let outcome = record.report.map(|report| report.outcome);
        if record.report != self.report {
            return Err("the record has another report than the data plane gave".into());
        }
        if success && !matches!(outcome, Some(Outcome::Delivered | Outcome::NoData)) {
            return Err(format!("success after {outcome:?}"));
        }
        if success && record.server_code.is_none_or(|code| code / 100 != 2) {
            return Err("success that the server did not confirm".into());
        }
        self.report = None;
        self.leases = [None, None];
        Ok(())
    }

    pub(crate) fn logged_in(&mut self) -> Verdict {
        match std::mem::replace(&mut self.logged_in, true) {
            true => Err("logged in twice".into()),
            false => Ok(()),
        }
    }

    pub(crate) fn closes(&mut self) -> Verdict {
        self.closed = true;
        if self.requested != self.records {
            return Err(format!("{} transfers, {} records", self.requested, self.records));
        }
        Ok(())
    }
}

fn remove_cr_nul(line: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = line;
    while let Some((byte, tail)) = rest.split_first() {
        match rest.strip_prefix(b"\r\0") {
            Some(tail) => rest = tail,
            None => {
                out.push(*byte);
                rest = tail;
            }
        }
    }
    out
}

/// What a PORT or EPRT line names.
fn named(line: &[u8]) -> Option<SocketAddr> {
    let text = std::str::from_utf8(line).ok()?.to_ascii_uppercase();
    if let Some(arg) = text.strip_prefix("PORT ") {
        let numbers: Vec<u8> = arg.split(',').map_while(|n| n.parse().ok()).collect();
        let [a, b, c, d, high, low] = numbers[..] else { return None };
        return Some(SocketAddr::new([a, b, c, d].into(), u16::from_be_bytes([high, low])));
    }
    let mut fields = text.strip_prefix("EPRT |")?.split('|').skip(1);
    let ip: IpAddr = fields.next()?.parse().ok()?;
    Some(SocketAddr::new(ip.to_canonical(), fields.next()?.parse().ok()?))
}
