//! What a server may answer: well, badly, too late, unasked.

use std::collections::VecDeque;

use super::dice::Dice;
use super::ledger::TAG;

/// A server that answers in its own time.
pub(crate) struct Server {
    /// Every command gets one reply of its own, in order, which says what it is for.
    honest: bool,
    /// Commands that it has not answered, oldest first.
    owed: VecDeque<Owed>,
    /// Said, but not yet arrived.
    pub(crate) said: Vec<u8>,
}

struct Owed {
    verb: String,
    /// 1yz already given.
    preliminaries: usize,
}

impl Server {
    pub(crate) const fn new(honest: bool) -> Self {
        Self { honest, owed: VecDeque::new(), said: Vec::new() }
    }

    /// Its client connected.
    pub(crate) fn greet(&mut self, dice: &mut Dice) {
        if !dice.once_in(4) {
            return self.say("220 ready");
        }
        let text: &&str = dice.pick(&[
            "220-hello\r\n227 (10,0,0,9,4,1)\r\n220 ready",
            "120 wait\r\n220 ready",
            "230 in already",
            "554 go away",
            "421 full",
            "220",
        ]);
        self.say(text);
    }

    /// A command arrived.
    pub(crate) fn hear(&mut self, line: &[u8]) {
        let verb = line.split(|b| *b == b' ').next().unwrap_or_default();
        let verb = String::from_utf8_lossy(verb).to_ascii_uppercase();
        self.owed.push_back(Owed { verb, preliminaries: 0 });
    }

    fn say(&mut self, text: &str) {
        self.said.extend_from_slice(text.as_bytes());
        self.said.extend_from_slice(b"\r\n");
    }

    /// Answers something it owes.
    pub(crate) fn answer(&mut self, dice: &mut Dice) {
        if dice.once_in(2) && self.overtake(dice) {
            return;
        }
        let Some(owed) = self.owed.front_mut() else { return };
        let transfer = is_transfer(&owed.verb);
        if transfer && owed.preliminaries < 2 && !dice.once_in(3) {
            owed.preliminaries += 1;
            let text: &&str = dice.pick(&["150 here it comes", "125 again", "150-a\r\n150 b"]);
            return self.say(text);
        }
        let verb = owed.verb.clone();
        self.owed.pop_front();
        let abor = self.owed.front().is_some_and(|next| next.verb == "ABOR");
        if transfer && abor && dice.once_in(2) {
            if dice.once_in(2) {
                // One reply for the two.
                self.owed.pop_front();
            }
            let text: &&str = dice.pick(&["426 aborted", "226 closing", "451 aborted"]);
            return self.finally(text, &verb);
        }
        let text = self.reply(dice, &verb);
        self.finally(&text, &verb);
    }

    fn finally(&mut self, text: &str, verb: &str) {
        let set_up = matches!(verb, "PASV" | "EPSV" | "PORT" | "EPRT");
        if self.honest && !set_up {
            // A bare code has no room for words.
            let blank = if text.len() == 3 { " ok" } else { "" };
            return self.say(&format!("{text}{blank}{TAG}{verb}"));
        }
        self.say(text);
    }

    fn reply(&self, dice: &mut Dice, verb: &str) -> String {
        if !self.honest && dice.once_in(24) {
            let odd = [
                "200 ok",
                "500 no",
                "227 (10,0,0,2,4,1)",
                "350 more",
                "226 done",
                "299 odd",
                "502-a\r\n 227 (10,0,0,2,4,1)\r\n502 b",
                "530 log in",
                "200",
                "250-x\r\n250 y",
                "213 s",
                "426 odd",
            ];
            return (*dice.pick(&odd)).into();
        }
        reply(dice, verb)
    }

    /// STAT may be answered before the transfer that was asked for first.
    fn overtake(&mut self, dice: &mut Dice) -> bool {
        if !self.owed.front().is_some_and(|first| is_transfer(&first.verb)) {
            return false;
        }
        let early = self.owed.iter().position(|owed| owed.verb == "STAT");
        let Some(owed) = early.filter(|at| *at > 0).and_then(|at| self.owed.remove(at)) else {
            return false;
        };
        let text = self.reply(dice, &owed.verb);
        self.finally(&text, &owed.verb);
        true
    }

    /// The plainest reply to everything it owes.
    pub(crate) fn settle(&mut self) {
        while let Some(owed) = self.owed.pop_front() {
            let text = if owed.verb == "ABOR" { "226 settled" } else { "250 settled" };
            self.finally(text, &owed.verb);
        }
    }

    /// Says what nobody asked for.
    pub(crate) fn interrupt(&mut self, dice: &mut Dice) {
        let text: &&str = dice.pick(&[
            "200 unasked",
            "227 Entering Passive Mode (10,0,0,9,4,1)",
            "229 (|||4000|)",
            "150 unasked",
            "226 unasked",
            "230 unasked",
            "no reply at all",
            "",
            "999 what",
            "12",
            "214-x\r\n227 Entering Passive Mode (10,0,0,9,4,1)\r\n214 end",
            "331 unasked",
            "500 unasked",
            "425 unasked",
            "214-begins",
        ]);
        self.say(text);
        if dice.once_in(12) {
            self.say("421 enough");
        }
    }
}

pub(crate) fn is_transfer(verb: &str) -> bool {
    ["RETR", "STOR", "APPE", "STOU", "LIST", "NLST", "MLSD", "XLST", "THMB"].contains(&verb)
}

/// A final reply that this verb may get.
fn reply(dice: &mut Dice, verb: &str) -> String {
    // Never a port of the gateway's own.
    let port = if dice.once_in(12) { dice.below(1024) } else { 20_000 + dice.below(40_000) };
    let (high, low) = (port / 256, port % 256);
    match verb {
        "PASV" if dice.once_in(10) => "425 no".into(),
        "PASV" => match dice.below(4) {
            0 => format!("227 Entering Passive Mode (172,17,0,2,{high},{low})."),
            1 => format!("227-two\r\n227 =10,0,0,2,{high},{low}"),
            2 => format!("227 (0,0,0,0,{high},{low})"),
            _ => format!("227 Entering Passive Mode (10,0,0,2,{high},{low})"),
        },
        "EPSV" if dice.once_in(3) => "500 EPSV?".into(),
        "EPSV" => format!("229 ok (|||{port}|)"),
        "PORT" | "EPRT" if dice.once_in(6) => "500 no".into(),
        "PORT" | "EPRT" => "200 ok".into(),
        "USER" if dice.once_in(4) => (*dice.pick(&["230 in", "530 no"])).into(),
        "USER" => "331 password".into(),
        "PASS" if dice.once_in(6) => (*dice.pick(&["530 no", "332 account", "202 ok"])).into(),
        "PASS" => "230 in".into(),
        "FEAT" => (*dice.pick(&[
            "211-Features:\r\n SIZE\r\n EPSV\r\n AUTH TLS\r\n211 End",
            "502 no",
            "211 none",
            "500-what\r\n500 no",
        ]))
        .into(),
        "AUTH" if dice.once_in(4) => (*dice.pick(&["500 no", "504 no", "234-a\r\n234 b"])).into(),
        "AUTH" => "234 go on".into(),
        "PBSZ" | "PROT" if dice.once_in(8) => "500 no".into(),
        "PBSZ" | "PROT" => "200 ok".into(),
        "STAT" => {
            (*dice.pick(&["211-a\r\n226 b\r\n211 c", "213 ok", "213-a\r\n213 b", "500 no"])).into()
        }
        "ABOR" => (*dice.pick(&["226 abort", "225 nothing", "226-a\r\n226 b"])).into(),
        "QUIT" => (*dice.pick(&["221 bye", "221-a\r\n221 b", "500 no"])).into(),
        "REIN" => (*dice.pick(&["220 again", "120 wait\r\n220 again", "502 no"])).into(),
        verb if is_transfer(verb) => (*dice.pick(&[
            "226 done",
            "226 done",
            "226 done",
            "226-almost\r\n226 done",
            "250 done",
            "426 broken",
            "451 local",
            "550 none",
            "425 cannot",
        ]))
        .into(),
        _ => {
            (*dice.pick(&["200 ok", "250 ok", "257 \"/\"", "550 no", "214-a\r\nb\r\n214 c"])).into()
        }
    }
}
