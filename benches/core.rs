//! What the words and the mind cost, without sockets: `cargo bench --bench core`.

use std::hint::black_box;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ftpgate::ftp::addr::{HostPort, pasv_reply};
use ftpgate::ftp::command::Command;
use ftpgate::ftp::line::{Item, LineBuffer};
use ftpgate::ftp::reply::ReplyParser;
use ftpgate::session::event::{Action, Event, Outcome, Side, TransferReport};
use ftpgate::session::{Machine, Policy};

/// What a client says in a download session.
const COMMANDS: &[u8] = b"USER anonymous\r\nPASS guest@example.com\r\nTYPE I\r\nCWD /pub/linux\r\n\
    PASV\r\nRETR a-file-with-an-ordinary-name-1.2.3.tar.gz\r\nNOOP\r\nQUIT\r\n";
const REPLY: &[u8] = b"227 Entering Passive Mode (10,77,0,2,195,80).";
const OUTER: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);

fn lines(c: &mut Criterion) {
    let mut group = c.benchmark_group("lines");
    let count = COMMANDS.iter().filter(|b| **b == b'\n').count() as u64;
    group.throughput(Throughput::Elements(count));
    for (name, chunk) in [("whole", COMMANDS.len()), ("in chunks of 7", 7)] {
        group.bench_function(name, |b| {
            let mut buffer = LineBuffer::commands(4096, true);
            b.iter(|| {
                for mut input in black_box(COMMANDS).chunks(chunk) {
                    while let Some(item) = buffer.next(&mut input) {
                        if let Item::Line(line) = item {
                            black_box(Command::parse(line, false).is_ok());
                        }
                    }
                }
            });
        });
    }
    group.finish();
}

fn rewrite(c: &mut Criterion) {
    let mut group = c.benchmark_group("227");
    group.throughput(Throughput::Elements(1));
    group.bench_function("read", |b| {
        let mut parser = ReplyParser::default();
        b.iter(|| {
            let reply = parser.accept(black_box(REPLY)).ok();
            reply.and_then(|reply| HostPort::scan(reply.text))
        });
    });
    group.bench_function("write", |b| {
        b.iter(|| pasv_reply(black_box(HostPort { ip: OUTER, port: 50_123 })));
    });
    group.finish();
}

/// A session that is logged in, and answers what its machine asks.
struct Session {
    machine: Machine,
    now: Instant,
}

impl Session {
    fn logged_in() -> Self {
        let now = Instant::now();
        let client = SocketAddr::from(([198, 51, 100, 10], 40_000));
        let local = SocketAddr::from((OUTER, 21));
        let machine = Machine::new(Arc::new(Policy::default()), client, local, now);
        let mut session = Self { machine, now };
        let peer = SocketAddr::from(([10, 77, 0, 2], 21));
        let local = SocketAddr::from(([10, 77, 0, 1], 41_000));
        session.obey();
        session.handle(Event::Connected { peer, local, epsv: true });
        session.server(b"220 ready\r\n");
        session.ask(b"USER anonymous\r\n", b"331 password\r\n");
        session.ask(b"PASS guest\r\n", b"230 in\r\n");
        session
    }

    fn handle(&mut self, event: Event<'_>) {
        self.machine.handle(event, self.now);
        self.obey();
    }

    /// Carries actions out as far as the machine waits for an answer.
    fn obey(&mut self) {
        while let Some(action) = self.machine.poll_action() {
            if let Action::Listen { side, .. } = black_box(action) {
                let address = SocketAddr::from((OUTER, 50_123));
                self.machine.handle(Event::Listening(side, address), self.now);
            }
        }
    }

    fn client(&mut self, bytes: &[u8]) {
        self.handle(Event::Bytes(Side::Downstream, black_box(bytes)));
    }

    fn server(&mut self, bytes: &[u8]) {
        self.handle(Event::Bytes(Side::Upstream, black_box(bytes)));
    }

    fn ask(&mut self, command: &[u8], reply: &[u8]) {
        self.client(command);
        self.server(reply);
    }

    /// One download: two commands, three replies, one report.
    fn download(&mut self) {
        self.ask(b"PASV\r\n", b"227 Entering Passive Mode (10,77,0,2,195,80).\r\n");
        self.ask(b"RETR file.bin\r\n", b"150 Opening BINARY mode data connection.\r\n");
        self.handle(Event::TransferDone(TransferReport {
            outcome: Outcome::Delivered,
            downloaded: 1024,
            uploaded: 0,
            client: None,
            server: None,
            closed_first: Some(Side::Upstream),
            elapsed: Duration::from_micros(100),
            strangers: 0,
            client_tls: None,
            server_tls: None,
        }));
        self.server(b"226 Transfer complete.\r\n");
        assert!(!self.machine.in_transfer(), "the cycle has come round");
    }
}

fn machine(c: &mut Criterion) {
    let mut group = c.benchmark_group("machine");
    // A command and a reply.
    group.throughput(Throughput::Elements(2));
    group.bench_function("NOOP, per line", |b| {
        let mut session = Session::logged_in();
        b.iter(|| session.ask(b"NOOP\r\n", b"200 OK\r\n"));
    });
    // Two commands and three replies.
    group.throughput(Throughput::Elements(5));
    group.bench_function("PASV and RETR, per line", |b| {
        let mut session = Session::logged_in();
        b.iter(|| session.download());
    });
    group.finish();
}

criterion_group!(benches, lines, rewrite, machine);
criterion_main!(benches);
