//! Listen, connect, and every `setsockopt` of the program.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::{Domain, SockRef, Socket, TcpKeepalive, Type};
use tokio::io::Interest;
use tokio::net::{TcpSocket, TcpStream};

use super::device::Device;
use super::transparent;
use super::tuning::Tuning;

/// Control connections that may wait for accept: a burst of clients, bounded by `somaxconn`.
const CONTROL_BACKLOG: i32 = 4096;
/// Data connections that may wait for accept: one is wanted, the rest are strangers or, on a
/// shared port, other clients.
const DATA_BACKLOG: i32 = 64;
/// Unanswered keepalive probes until a control connection counts as dead.
const KEEPALIVE_PROBES: u32 = 4;

/// A non-blocking listener for control connections.
///
/// With `reuse_port` several sockets of this process share the address, one for each worker.
///
/// # Errors
/// Whatever the kernel says to socket, bind or listen.
pub(crate) fn listen_control(
    addr: SocketAddr,
    reuse_port: bool,
) -> io::Result<std::net::TcpListener> {
    let socket = listener(addr)?;
    socket.set_reuse_port(reuse_port)?;
    socket.bind(&addr.into())?;
    socket.listen(CONTROL_BACKLOG)?;
    Ok(socket.into())
}

/// A non-blocking listener for data connections. `SO_REUSEADDR` lets TIME_WAIT pass (S32);
/// `SO_REUSEPORT` would let two processes cross their connections (S31).
///
/// With `borrowed` the address need not be this machine's (P172). With `device` only what comes in
/// through that link is for it.
///
/// What it accepts is tuned as by [`connect_data`]: accepted connections inherit these options.
///
/// # Errors
/// Whatever the kernel says; [`io::ErrorKind::AddrInUse`] when somebody else listens there.
pub(crate) fn listen_data_on(
    device: Option<Device>,
    addr: SocketAddr,
    borrowed: bool,
    tuning: Tuning,
) -> io::Result<std::net::TcpListener> {
    let socket = listener(addr)?;
    bind_device(SockRef::from(&socket), device)?;
    if borrowed {
        transparent::borrow(SockRef::from(&socket))?;
    }
    tune_data(SockRef::from(&socket))?;
    tuning.apply(SockRef::from(&socket))?;
    socket.bind(&addr.into())?;
    socket.listen(DATA_BACKLOG)?;
    Ok(socket.into())
}

/// The same, by any link and with the kernel's own choices.
#[cfg(test)]
pub(crate) fn listen_data(addr: SocketAddr, borrowed: bool) -> io::Result<std::net::TcpListener> {
    listen_data_on(None, addr, borrowed, Tuning::default())
}

/// `[::]` beside another address means "and IPv6, if there is any".
pub(crate) fn is_missing_ipv6(address: &SocketAddr, error: &io::Error) -> bool {
    let unsupported = rustix::io::Errno::AFNOSUPPORT.raw_os_error();
    address.is_ipv6()
        && address.ip().is_unspecified()
        && (error.raw_os_error() == Some(unsupported)
            || error.kind() == io::ErrorKind::AddrNotAvailable)
}

fn listener(addr: SocketAddr) -> io::Result<Socket> {
    #[cfg(target_os = "linux")]
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM.nonblocking(), None)?;
    #[cfg(not(target_os = "linux"))]
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, None)?;
    #[cfg(not(target_os = "linux"))]
    socket.set_nonblocking(true)?;
    socket.set_reuse_address(true)?;
    if addr.is_ipv6() {
        // The sysctl's default must not decide whether IPv4 clients come in here too (S34).
        socket.set_only_v6(true)?;
    }
    Ok(socket)
}

/// How one of our own connections leaves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Origin {
    /// The local address and port (P41, P40), port 0 for any; `None`: the kernel's choice.
    pub(crate) from: Option<SocketAddr>,
    /// The link, whatever the routes say; `None`: as they say.
    pub(crate) device: Option<Device>,
    /// That address need not be this machine's (P174).
    pub(crate) borrowed: bool,
    /// What its packets are marked with, for rules that must let them pass (P175); 0 is nothing.
    pub(crate) mark: u32,
    /// What else it is given.
    pub(crate) tuning: Tuning,
}

impl Origin {
    /// From an address of this machine, or from any.
    pub(crate) fn own(from: Option<SocketAddr>) -> Self {
        Self { from, ..Self::default() }
    }
}

/// Connects to `to`, leaving from the address `from` if one is named (P41).
///
/// # Errors
/// What the kernel or the network says; [`io::ErrorKind::TimedOut`] after `timeout`.
pub(crate) async fn connect(
    to: SocketAddr,
    from: Option<IpAddr>,
    timeout: Duration,
) -> io::Result<TcpStream> {
    connect_control(to, Origin::own(from.map(|ip| SocketAddr::new(ip, 0))), timeout).await
}

/// The same for any origin.
///
/// # Errors
/// As [`connect`].
pub(crate) async fn connect_control(
    to: SocketAddr,
    origin: Origin,
    timeout: Duration,
) -> io::Result<TcpStream> {
    connect_tuned(to, origin, timeout, |_| Ok(())).await
}

/// As [`connect`], for a data connection: until [`close_plainly`] it ends with a reset however it
/// is closed, even by the death of this process; and a short segment never waits for an
/// acknowledgement (P59). Buffers are left to the kernel, which tunes them better than a constant,
/// unless `origin` says otherwise.
///
/// # Errors
/// As [`connect`].
pub(crate) async fn connect_data(
    to: SocketAddr,
    origin: Origin,
    timeout: Duration,
) -> io::Result<TcpStream> {
    connect_tuned(to, origin, timeout, |socket| tune_data(SockRef::from(socket))).await
}

async fn connect_tuned(
    to: SocketAddr,
    origin: Origin,
    timeout: Duration,
    tune: fn(&TcpSocket) -> io::Result<()>,
) -> io::Result<TcpStream> {
    let attempt = async {
        let socket = if to.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        tune(&socket)?;
        origin.tuning.apply(SockRef::from(&socket))?;
        if origin.mark != 0 {
            transparent::mark(SockRef::from(&socket), origin.mark)?;
        }
        bind_device(SockRef::from(&socket), origin.device)?;
        if let Some(from) = origin.from {
            if origin.borrowed {
                transparent::borrow(SockRef::from(&socket))?;
            }
            if from.port() == 0 {
                choose_port_at_connect(&socket)?;
            } else {
                // The same port again and again, towards one peer or many (P40, S33).
                socket.set_reuseaddr(true)?;
            }
            socket.bind(from)?;
        }
        socket.connect(to).await
    };
    tokio::time::timeout(timeout, attempt).await.map_err(|_| io::ErrorKind::TimedOut)?
}

/// A port chosen at bind has to be free towards everybody: with tens of thousands of our
/// connections in TIME_WAIT the kernel would search for milliseconds. Chosen at connect it has to be
/// free towards this one peer.
#[cfg(target_os = "linux")]
fn choose_port_at_connect(socket: &TcpSocket) -> io::Result<()> {
    use nix::sys::socket::{setsockopt, sockopt::IpBindAddressNoPort};
    Ok(setsockopt(socket, IpBindAddressNoPort, &true)?)
}

/// Elsewhere ports in TIME_WAIT are at least not counted.
#[cfg(not(target_os = "linux"))]
fn choose_port_at_connect(socket: &TcpSocket) -> io::Result<()> {
    socket.set_reuseaddr(true)
}

/// Through a link and no other.
#[cfg(target_os = "linux")]
fn bind_device(socket: SockRef<'_>, device: Option<Device>) -> io::Result<()> {
    device.map_or(Ok(()), |device| socket.bind_device(Some(device.as_bytes())))
}

/// Known to Linux only.
#[cfg(not(target_os = "linux"))]
fn bind_device(_: SockRef<'_>, device: Option<Device>) -> io::Result<()> {
    device.map_or(Ok(()), |_| Err(io::ErrorKind::Unsupported.into()))
}

/// Whether a connection may leave from an address and a link of ours (P40, P41), tuned like this.
///
/// # Errors
/// What the kernel says: the address is not ours, there is no such link or congestion control, it
/// takes a privilege.
pub(crate) fn try_origin(origin: Origin) -> io::Result<()> {
    let family = origin.from.map_or(Domain::IPV4, Domain::for_address);
    let socket = Socket::new(family, Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    bind_device(SockRef::from(&socket), origin.device)?;
    origin.tuning.apply(SockRef::from(&socket))?;
    origin.from.map_or(Ok(()), |from| socket.bind(&from.into()))
}

/// The peer must not take what it got for the whole unless we say so (P50).
fn tune_data(socket: SockRef<'_>) -> io::Result<()> {
    socket.set_tcp_nodelay(true)?;
    socket.set_linger(Some(Duration::ZERO))
}

/// From now on closing this data connection is a FIN after all that was written, not a reset.
pub(crate) fn close_plainly(stream: &TcpStream) {
    // It fails only where nothing can be sent any more.
    let _ = SockRef::from(stream).set_linger(None);
}

/// From now on closing this data connection is a reset again.
pub(crate) fn reset_on_close(stream: &TcpStream) {
    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
}

/// Options of a control connection: no delay (P59), urgent data in line (P29), and keepalive
/// probes after `keepalive` of silence (P34). What a listener accepts inherits its own.
///
/// # Errors
/// When the connection is gone already.
pub(crate) fn tune_control(socket: &impl AsFd, keepalive: Duration) -> io::Result<()> {
    let socket = SockRef::from(socket);
    socket.set_tcp_nodelay(true)?;
    socket.set_out_of_band_inline(true)?;
    let interval = (keepalive / KEEPALIVE_PROBES).max(Duration::from_secs(1));
    let probes = TcpKeepalive::new().with_time(keepalive).with_interval(interval);
    #[cfg(not(target_os = "openbsd"))]
    let probes = probes.with_retries(KEEPALIVE_PROBES);
    socket.set_tcp_keepalive(&probes)
}

/// Sends FIN: everything was written.
///
/// # Errors
/// When the connection is gone already.
pub(crate) fn shutdown_write(stream: &TcpStream) -> io::Result<()> {
    SockRef::from(stream).shutdown(std::net::Shutdown::Write)
}

/// Sends `bytes`, the last of which is TCP urgent data (P30); says how many went out.
///
/// # Errors
/// [`io::ErrorKind::WouldBlock`] when the send buffer is full.
pub(crate) fn send_urgent(stream: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    stream.try_io(Interest::WRITABLE, || SockRef::from(stream).send_out_of_band(bytes))
}

/// Reads once. Where `emptied` says of what was read that there is no more for now, the reactor is
/// told so, which spares the read that would find nothing.
///
/// # Errors
/// [`io::ErrorKind::WouldBlock`] when there is nothing; what the kernel says.
pub(crate) fn read(
    stream: &TcpStream,
    buffer: &mut [u8],
    emptied: impl Fn(&[u8]) -> bool,
) -> io::Result<usize> {
    let mut last = None;
    let read = stream.try_io(Interest::READABLE, || {
        let read = rustix::io::read(stream, &mut *buffer)?;
        if read > 0 && emptied(buffer.get(..read).unwrap_or_default()) {
            last = Some(read);
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(read)
    });
    last.map_or(read, Ok)
}

/// The runtime takes it for granted that there is something to read on a connection just accepted.
/// Where that is unlikely, this spares the read: to be called at once, before the reactor has had a
/// word about the connection.
pub(crate) fn expect_nothing(accepted: &TcpStream) {
    let nothing = || Err::<(), _>(io::ErrorKind::WouldBlock.into());
    let _ = accepted.try_io(Interest::READABLE, nothing);
}

/// Copies what has arrived, without taking it from the socket; 0 is the end of the stream.
///
/// # Errors
/// [`io::ErrorKind::WouldBlock`] when nothing has.
pub(crate) fn peek(stream: &TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    Ok(rustix::net::recv(stream, buffer, rustix::net::RecvFlags::PEEK)?.0)
}

/// Whether something has arrived and was not read, as far as the reactor knows.
pub(crate) fn has_unread(stream: &TcpStream) -> bool {
    stream.try_io(Interest::READABLE, || peek(stream, &mut [0])).is_ok_and(|read| read > 0)
}

/// Raises the soft limit of open files to the hard one and says what it is now.
///
/// # Errors
/// When the kernel refuses the new limit.
pub(crate) fn descriptor_limit() -> io::Result<u64> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return Ok(limit.current.unwrap_or(u64::MAX));
    }
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })?;
    Ok(getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests;
