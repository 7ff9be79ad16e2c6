//! What the words and the mind do for a session, a step at a time and without sockets: `core.rs`
//! takes the time of each, `heap.rs` counts what it allocates.

pub(crate) mod dialogue;

use std::fmt::Display;
use std::hint::black_box;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};

use ftpgate::ftp::addr::{HostPort, eprt, epsv_reply, parse_eprt, pasv_reply, scan_epsv_reply};
use ftpgate::ftp::command::Command;
use ftpgate::ftp::line::{Item, LineBuffer};
use ftpgate::ftp::reply::ReplyParser;

use dialogue::Session;

/// The gateway, as clients see it.
pub(crate) const OUTER: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);
const PORT: u16 = 50_123;

/// Something that happens to a session again and again.
pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) run: Box<dyn FnMut()>,
}

fn step(name: &'static str, run: impl FnMut() + 'static) -> Step {
    Step { name, run: Box::new(run) }
}

/// All of them, each once.
pub(crate) fn all() -> Vec<Step> {
    let mut steps = Vec::from(lines());
    steps.extend(addresses_read());
    steps.extend(addresses_written());
    steps.extend(relayed());
    steps
}

fn lines() -> [Step; 3] {
    let mut whole = LineBuffer::commands(4096, true);
    let mut pieces = LineBuffer::commands(4096, true);
    let mut replies = (LineBuffer::replies(4096), ReplyParser::default());
    [
        step("a command parsed", move || {
            command(&mut whole, b"RETR a-file-with-an-ordinary-name-1.2.3.tar.gz\r\n");
        }),
        step("a command parsed that came in two pieces", move || {
            command(&mut pieces, b"RETR a-file-with-an-ordi");
            command(&mut pieces, b"nary-name-1.2.3.tar.gz\r\n");
        }),
        step("a reply parsed", move || {
            let (lines, parser) = &mut replies;
            let mut input =
                black_box(&b"250 CWD command successful, directory is now /pub.\r\n"[..]);
            while let Some(item) = lines.next(&mut input) {
                if let Item::Line(line) = item {
                    black_box(parser.accept(line).is_ok());
                }
            }
        }),
    ]
}

fn command(lines: &mut LineBuffer, bytes: &[u8]) {
    let mut input = black_box(bytes);
    while let Some(item) = lines.next(&mut input) {
        if let Item::Line(line) = item {
            black_box(Command::parse(line, false).is_ok());
        }
    }
}

fn addresses_read() -> [Step; 4] {
    [
        step("PORT read", || {
            black_box(HostPort::parse(black_box(b"198,51,100,10,156,64")).is_ok());
        }),
        step("EPRT read", || {
            black_box(parse_eprt(black_box(b"|2|2001:db8::10|40000|")).is_ok());
        }),
        step("227 read", || {
            let text = b"Entering Passive Mode (10,77,0,2,195,80).";
            black_box(HostPort::scan(black_box(text)).is_some());
        }),
        step("229 read", || {
            let text = b"Entering Extended Passive Mode (|||50000|)";
            black_box(scan_epsv_reply(black_box(text)).is_some());
        }),
    ]
}

fn addresses_written() -> [Step; 4] {
    let at = HostPort { ip: OUTER, port: PORT };
    let v6 = SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1], PORT));
    [
        written("PORT written", move || at),
        written("EPRT written", move || eprt(black_box(v6))),
        written("227 written", move || pasv_reply(black_box(at))),
        written("229 written", move || epsv_reply(black_box(PORT))),
    ]
}

fn written<T: Display>(name: &'static str, what: impl Fn() -> T + 'static) -> Step {
    let mut line = Vec::with_capacity(128);
    step(name, move || {
        line.clear();
        black_box(write!(line, "{}", what()).is_ok());
    })
}

fn relayed() -> [Step; 3] {
    let mut noop = Session::logged_in();
    let mut list = Session::logged_in();
    let mut passive = Session::logged_in();
    [
        step("NOOP and its reply, relayed", move || noop.ask(b"NOOP\r\n", b"200 NOOP ok.\r\n")),
        step("MLST and its reply of three lines, relayed", move || {
            list.ask(
                b"MLST a-file-with-an-ordinary-name-1.2.3.tar.gz\r\n",
                b"250-Listing\r\n size=1024;type=file; a-file\r\n250 End\r\n",
            );
        }),
        step("PASV, RETR, 150 and 226: the dialogue of a download", move || passive.download()),
    ]
}
