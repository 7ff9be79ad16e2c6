//! A session that is logged in, and a conductor who does what its machine says.

use std::hint::black_box;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ftpgate::session::event::{Action, Event, Outcome, Side, TransferReport};
use ftpgate::session::{Desk, Machine, Policy};

use super::{OUTER, PORT};

pub(crate) struct Session {
    machine: Machine,
    /// The worker's, which it lends to the machine whose turn it is.
    desk: Option<Box<Desk>>,
    now: Instant,
}

impl Session {
    pub(crate) fn logged_in() -> Self {
        let now = Instant::now();
        let client = SocketAddr::from(([198, 51, 100, 10], 40_000));
        let local = SocketAddr::from((OUTER, 21));
        let machine = Machine::new(Arc::new(Policy::default()), client, local, now);
        let mut session = Self { machine, desk: None, now };
        let peer = SocketAddr::from(([10, 77, 0, 2], 21));
        let local = SocketAddr::from(([10, 77, 0, 1], 41_000));
        session.obey();
        session.handle(Event::Connected { peer, local, epsv: true });
        session.server(b"220 ready\r\n");
        session.ask(b"USER anonymous\r\n", b"331 password\r\n");
        session.ask(b"PASS guest\r\n", b"230 in\r\n");
        session
    }

    /// One command and its reply.
    pub(crate) fn ask(&mut self, command: &[u8], reply: &[u8]) {
        self.client(command);
        self.server(reply);
    }

    /// One download: two commands, three replies, one report.
    pub(crate) fn download(&mut self) {
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

    fn handle(&mut self, event: Event<'_>) {
        self.machine.lend(self.desk.take().unwrap_or_default());
        self.machine.handle(event, self.now);
        self.obey();
    }

    /// Carries actions out as far as the machine waits for an answer; words are sent at once.
    fn obey(&mut self) {
        let mut sent = Vec::new();
        while let Some(action) = self.machine.poll_action() {
            match black_box(action) {
                Action::Listen { side, .. } => {
                    let address = SocketAddr::from((OUTER, PORT));
                    self.machine.handle(Event::Listening(side, address), self.now);
                }
                Action::Send { bytes, .. } => sent = bytes,
                _ => {}
            }
        }
        self.desk = self.machine.take_desk();
        if let Some(desk) = &mut self.desk {
            desk.recycle(sent);
        }
    }

    fn client(&mut self, bytes: &[u8]) {
        self.handle(Event::Bytes(Side::Downstream, black_box(bytes)));
    }

    fn server(&mut self, bytes: &[u8]) {
        self.handle(Event::Bytes(Side::Upstream, black_box(bytes)));
    }
}
