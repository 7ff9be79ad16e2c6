//! The conductor: waits for what happens, tells the machine, does what it says.
//!
//! Three steps, and no decisions but when to write: [`Driver::poll_input`] waits, `Machine::handle` decides,
//! [`Driver::perform`] acts. The session is one task; everything it owns goes with it.

mod alarm;
pub(crate) mod arrival;
mod control;
mod dial;
mod grant;
mod introduce;
mod output;
pub(crate) mod rooms;
mod secure;
#[cfg(test)]
mod tests;
mod tunnel;

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::desk::Desk;
use super::event::{Action, CloseReason, Event, Side, TransferReport};
use super::machine::Machine;
use crate::data::ports::PortLease;
use crate::data::throttle::Throttle;
use crate::data::transfer::Transfer;
use crate::registry::SessionPermit;
use crate::telemetry::audit::SessionInfo;
use crate::tls::{HandshakeError, TlsInfo};
use crate::upstream::UpstreamError;
use alarm::Alarm;
use arrival::Arrival;
use control::{Control, Short};
use rooms::Rooms;
use secure::SessionTls;

/// Bytes read from a control connection at once; the buffer belongs to the worker.
const READ_CHUNK: usize = 16 << 10;

/// Unsent bytes of either side above which nothing more is read: back-pressure (S23).
const OUTPUT_LIMIT: usize = 64 << 10;

/// How long the last words may take to be written.
const LAST_WORDS: Duration = Duration::from_secs(5);

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_CHUNK]);
    /// Lent to the machine whose turn it is.
    static DESK: RefCell<Option<Box<Desk>>> = RefCell::default();
}

type Connecting = Pin<Box<dyn Future<Output = Result<TcpStream, UpstreamError>> + Send>>;

/// What a session waits for.
enum Input {
    Read(Side, usize),
    Eof(Side),
    Connected(Result<TcpStream, UpstreamError>),
    Shaken(Side, Result<TlsInfo, HandshakeError>),
    Report(TransferReport),
    Deadline,
    Drain,
}

/// One session's sockets and the machine that rules them.
struct Driver {
    machine: Machine,
    rooms: Arc<Rooms>,
    permit: SessionPermit,
    /// The address that the client reached, and the server it aims at where it chooses one.
    reached: SocketAddr,
    aim: Option<SocketAddr>,
    info: SessionInfo,
    /// The client's and the server's.
    controls: [Control; 2],
    tls: SessionTls,
    connecting: Option<Connecting>,
    leases: [Option<PortLease>; 2],
    transfer: Option<Transfer>,
    throttle: Throttle,
    /// The client waits for a port since the last look.
    exhausted: bool,
    /// This transfer's replies have waited for it once.
    held_back: bool,
    alarm: Alarm,
    drain: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    /// Whose turn it is to be read.
    turn: Side,
    /// Whose connection failed at a write that nobody waited for.
    broken: Option<Side>,
    closing: Option<CloseReason>,
    /// The dialogue is none of our business any more (P122).
    tunnelled: bool,
}

/// What carries one session from its accepted control connection, tuned as such, to its end. Its
/// driver is made here: made inside of the task it would take its room twice.
///
/// `drain` is cancelled when the process stops.
pub(crate) fn serve(
    stream: TcpStream,
    arrival: Arrival,
    rooms: Arc<Rooms>,
    permit: SessionPermit,
    drain: CancellationToken,
) -> impl Future<Output = ()> + Send {
    let Arrival { client, own, local, server, .. } = arrival;
    let now = now();
    let mut driver = Driver {
        machine: Machine::new(rooms.policy.clone(), client, local, now),
        info: SessionInfo::new(permit.id(), rooms.name.clone(), client, rooms.xferlog.clone()),
        reached: local,
        aim: server,
        throttle: rooms.throttle.session(&rooms.data.rates),
        rooms,
        permit,
        controls: [Control::new(stream, own), Control::default()],
        tls: SessionTls::default(),
        connecting: None,
        leases: [None, None],
        transfer: None,
        exhausted: false,
        held_back: false,
        alarm: Alarm::new(),
        drain: Some(Box::pin(drain.cancelled_owned())),
        turn: Side::Upstream,
        broken: None,
        closing: None,
        tunnelled: false,
    };
    if driver.rooms.policy.hide_addresses {
        driver.machine.hide_behind(driver.outer(local.ip()));
    }
    async move {
        driver.run().await;
        driver.finish().await;
    }
}

impl Driver {
    async fn run(&mut self) {
        self.alarm.look_soon();
        self.obey();
        while self.closing.is_none() && !self.tunnelled {
            let input = poll_fn(|cx| self.poll_input(cx)).await;
            self.machine.lend(DESK.take().unwrap_or_default());
            self.tell(input);
            self.obey();
        }
        if self.tunnelled {
            // Not in the task of those that are not.
            Box::pin(self.tunnel()).await;
        }
    }

    // --- wait ---

    /// One pass over everything the session waits for. Writes early: they make room for reads.
    /// Reads last, in turns: who never stops talking must not keep the clock or the other side from
    /// being heard.
    fn poll_input(&mut self, cx: &mut Context<'_>) -> Poll<Input> {
        if let Some(side) = self.broken.take() {
            return Poll::Ready(Input::Eof(side));
        }
        if let Some(transfer) = &mut self.transfer
            && let Poll::Ready(report) = transfer.poll_report(cx)
        {
            self.transfer = None;
            return Poll::Ready(Input::Report(report));
        }
        let wait = self.hold_back(cx);
        for side in [Side::Downstream, Side::Upstream] {
            let control = self.control(side);
            if !(wait && side == Side::Downstream) && control.poll_flush(cx).is_err() {
                return Poll::Ready(Input::Eof(side));
            }
            if let Poll::Ready(shaken) = control.poll_handshake(cx) {
                return Poll::Ready(Input::Shaken(side, shaken));
            }
        }
        if let Some(connecting) = &mut self.connecting
            && let Poll::Ready(result) = connecting.as_mut().poll(cx)
        {
            self.connecting = None;
            return Poll::Ready(Input::Connected(result));
        }
        if let Some(drain) = &mut self.drain
            && drain.as_mut().poll(cx).is_ready()
        {
            self.drain = None;
            return Poll::Ready(Input::Drain);
        }
        if self.poll_deadline(cx).is_ready() {
            return Poll::Ready(Input::Deadline);
        }
        if self.controls.iter().all(|control| control.unsent() < OUTPUT_LIMIT) {
            for side in [self.turn, self.turn.other()] {
                if let Poll::Ready(input) = self.poll_read(side, cx) {
                    self.turn = side.other();
                    return Poll::Ready(input);
                }
            }
        }
        Poll::Pending
    }

    /// Something is unsent and the final reply is here: as a rule its 1yz, and with both came the
    /// data. The transfer has a turn first, and may be over then: both replies leave as one, which
    /// spares a busy worker a write and the client a wake-up.
    fn hold_back(&mut self, cx: &Context<'_>) -> bool {
        let with_the_final = self.machine.is_draining_data() && self.controls[0].unsent() > 0;
        if !with_the_final || std::mem::replace(&mut self.held_back, true) {
            return false;
        }
        cx.waker().wake_by_ref();
        true
    }

    fn poll_read(&mut self, side: Side, cx: &mut Context<'_>) -> Poll<Input> {
        if !self.machine.wants_input(side) {
            return Poll::Pending;
        }
        let short = match side {
            Side::Upstream => Short::IsAll,
            Side::Downstream if self.transfer.is_none() => Short::LineIsAll,
            // There is something to abort: nothing is left to chance.
            Side::Downstream => Short::SaysNothing,
        };
        let control = self.control(side);
        let read = SCRATCH.with_borrow_mut(|scratch| control.poll_read(scratch, short, cx));
        read.map(|read| match read {
            Ok(read @ 1..) => Input::Read(side, read),
            Ok(0) | Err(_) => Input::Eof(side),
        })
    }

    fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self.machine.poll_deadline() {
            Some(deadline) => self.alarm.poll(deadline, cx),
            None => Poll::Pending,
        }
    }

    fn control(&mut self, side: Side) -> &mut Control {
        let [client, server] = &mut self.controls;
        match side {
            Side::Downstream => client,
            Side::Upstream => server,
        }
    }

    // --- tell ---

    fn tell(&mut self, input: Input) {
        let now = now();
        match input {
            // No await lies between the read and here: the worker's buffer is still ours.
            Input::Read(side, len) => SCRATCH.with_borrow(|scratch| {
                let bytes = scratch.get(..len).unwrap_or_default();
                self.machine.handle(Event::Bytes(side, bytes), now);
            }),
            Input::Eof(side) => self.eof(side, now),
            Input::Connected(Ok(server)) => self.connected(server, now),
            Input::Connected(Err(error)) => {
                self.not_connected(&error, now);
            }
            Input::Shaken(side, shaken) => self.shaken(side, shaken, now),
            Input::Report(report) => {
                self.machine.handle(Event::TransferDone(report), now);
            }
            Input::Deadline => {
                // A transfer that runs is not late. What else may be due is due again at once.
                let joined = self.transfer.as_ref().is_some_and(Transfer::take_joined);
                let event = if joined { Event::TransferJoined } else { Event::Deadline };
                self.machine.handle(event, now);
            }
            Input::Drain => self.machine.handle(Event::Drain, now),
        }
    }

    fn eof(&mut self, side: Side, now: Instant) {
        if side == Side::Upstream {
            self.control(side).drop_stream();
        }
        self.machine.handle(Event::Eof(side), now);
    }

    // --- act ---

    /// Performs until the machine has nothing more to say.
    fn obey(&mut self) {
        loop {
            let mut answer = None;
            while let Some(action) = self.machine.poll_action() {
                answer = self.perform(action).or(answer);
            }
            match answer {
                Some(event) => self.machine.handle(event, now()),
                None => break,
            }
        }
        let desk = self.machine.take_desk().filter(|desk| !desk.is_large());
        DESK.with_borrow_mut(|workers| *workers = workers.take().or(desk));
    }

    fn perform(&mut self, action: Action) -> Option<Event<'static>> {
        if matches!(action, Action::Listen { .. } | Action::Record(_)) {
            // These take their time: what was said before goes out first.
            self.speak();
        }
        match action {
            Action::Send { to, bytes, urgent } => self.control(to).push(bytes, urgent),
            Action::StartTls(side) => return self.start_tls(side),
            Action::Tunnel => self.tunnelled = true,
            Action::Connect => self.dial(),
            Action::ConnectTo { host, port } => self.dial_named(host, port),
            Action::Listen { side, expected, advertise, protected } => {
                return Some(match self.listen(side, expected, advertise, protected) {
                    Ok(addr) => Event::Listening(side, addr),
                    Err(why) => Event::ListenRefused(side, why),
                });
            }
            Action::Open(plan) => {
                self.alarm.look_soon();
                self.held_back = false;
                self.open(plan);
            }
            Action::Advance(stage) => {
                if let Some(transfer) = &self.transfer {
                    transfer.advance(stage);
                }
            }
            Action::Hurry => self.transfer.iter().for_each(Transfer::hurry),
            Action::CloseTransfer => {
                self.transfer = None;
                self.leases = [None, None];
            }
            Action::EpsvRefused => {
                if let Some(server) = self.info.server {
                    self.rooms.upstream.epsv_refused(server.ip());
                }
            }
            Action::LoggedIn => self.permit.logged_in(),
            Action::Record(record) => self.info.transfer(&record),
            Action::Close(reason) => self.closing = Some(reason),
        }
        None
    }

    /// Writes what goes at once; the rest is left to the next wait.
    fn speak(&mut self) {
        let mut nobody = Context::from_waker(Waker::noop());
        for side in [Side::Downstream, Side::Upstream] {
            if self.control(side).poll_flush(&mut nobody).is_err() {
                self.broken = Some(side);
            }
        }
    }

    // --- end ---

    /// Says the last words, within bounds.
    async fn finish(&mut self) {
        self.transfer = None;
        self.leases = [None, None];
        let until = now() + LAST_WORDS;
        let words = poll_fn(|cx| {
            let ends = [Side::Upstream, Side::Downstream].map(|s| self.control(s).poll_finish(cx));
            let said = ends.iter().all(Poll::is_ready);
            if said { Poll::Ready(()) } else { self.alarm.poll(until, cx) }
        });
        words.await;
        SCRATCH.with_borrow_mut(|scratch| self.control(Side::Downstream).discard_unread(scratch));
    }
}

/// The record of the session is written on every way out, the hard stop included.
impl Drop for Driver {
    fn drop(&mut self) {
        let reason = self.closing.map_or("cut-off", CloseReason::label);
        self.info.closed(self.machine.user(), reason);
    }
}

/// The machine's clock is the timers' clock.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
