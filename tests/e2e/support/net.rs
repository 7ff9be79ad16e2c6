//! Network namespaces: a client, the gateway and a server, joined by veth pairs of their own.
//!
//! ```text
//!   client 203.0.113.10 ---- 203.0.113.1 gateway 10.0.0.1 ---- 10.0.0.2 server
//!     2001:db8:113::10       2001:db8:113::1     fd00:10::1    fd00:10::2
//! ```
//!
//! The client has no route to the server and nothing is joined to the machine's own network.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rustix::net::netdevice::name_to_index;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use socket2::{Domain, Protocol, Socket, Type};

use super::process::run;

/// The client's first address, and the one of its IPv6 side.
pub(crate) const CLIENT: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 10);
pub(crate) const CLIENT6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0x113, 0, 0, 0, 0, 0x10);
/// The gateway as clients see it.
pub(crate) const PUBLIC: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);
pub(crate) const PUBLIC6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0x113, 0, 0, 0, 0, 1);
/// The server, private.
pub(crate) const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
pub(crate) const SERVER6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0x10, 0, 0, 0, 0, 0, 2);

const NAMESPACES: &str = "/run/netns";
const PREFIX: &str = "ftpgate-e2e-";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// One network namespace; gone when dropped.
pub(crate) struct Ns {
    name: String,
    handle: File,
}

impl Ns {
    pub(super) fn new(name: String) -> Self {
        ip(&["netns", "add", &name]);
        ip(&["-n", &name, "link", "set", "lo", "up"]);
        let handle = File::open(Path::new(NAMESPACES).join(&name)).expect("namespace just made");
        let new = Self { name, handle };
        // An address that is first looked for in the neighbourhood costs every test two seconds.
        new.sysctl("net/ipv6/conf/default/accept_dad", "0");
        new
    }

    /// The name of another that belongs with it.
    pub(super) fn name_of_neighbour(&self, role: &str) -> String {
        format!("{}-{role}", self.name)
    }

    /// Runs `ip` in it.
    pub(crate) fn ip(&self, args: &str) {
        let args: Vec<_> = ["-n", &self.name].into_iter().chain(args.split(' ')).collect();
        ip(&args);
    }

    /// Loads firewall rules; fails where the kernel lacks something that they need.
    pub(crate) fn nft(&self, rules: &str) {
        let mut nft = self.command("nft");
        nft.args(["-f", "-"]);
        run(nft, rules).unwrap_or_else(|why| {
            panic!("this kernel or nft cannot load the rules of the test: {why}\n{rules}")
        });
    }

    /// Sets a kernel parameter of this namespace, named by its path.
    pub(crate) fn sysctl(&self, key: &str, value: &str) {
        let path = Path::new("/proc/sys").join(key);
        self.run(|| fs::write(&path, value)).unwrap_or_else(|e| panic!("{key}: {e}"));
    }

    /// Runs `work` in a thread inside the namespace. A socket made there stays there, whoever
    /// uses it afterwards.
    pub(crate) fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let enter = || {
            move_into_link_name_space(self.handle.as_fd(), Some(LinkNameSpaceType::Network))
                .expect("enter a network namespace");
            work()
        };
        std::thread::scope(|scope| match scope.spawn(enter).join() {
            Ok(value) => value,
            Err(panic) => std::panic::resume_unwind(panic),
        })
    }

    /// A command that will run in the namespace and die with the thread that starts it.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "ip", "netns", "exec", &self.name, program]);
        command
    }

    /// Connects, from the given local address if there is one.
    pub(crate) fn connect(&self, from: Option<IpAddr>, to: SocketAddr) -> io::Result<TcpStream> {
        self.run(|| {
            let socket = Socket::new(Domain::for_address(to), Type::STREAM, Some(Protocol::TCP))?;
            if let Some(from) = from {
                socket.bind(&SocketAddr::new(from, 0).into())?;
            }
            socket.connect_timeout(&to.into(), CONNECT_TIMEOUT)?;
            Ok(socket.into())
        })
    }

    /// Listens.
    pub(crate) fn listen(&self, at: SocketAddr) -> io::Result<TcpListener> {
        self.run(|| TcpListener::bind(at))
    }

    /// How many connections in the state ESTABLISHED have this local port.
    pub(crate) fn established(&self, port: u16) -> usize {
        self.sockets(port).iter().filter(|state| *state == "01").count()
    }

    /// Does anything listen on this port?
    pub(crate) fn listens(&self, port: u16) -> bool {
        self.sockets(port).iter().any(|state| state == "0A")
    }

    /// The states (hexadecimal, as the kernel lists them) of the TCP sockets on a local port.
    fn sockets(&self, port: u16) -> Vec<String> {
        let table = self.run(|| {
            ["tcp", "tcp6"].map(|t| fs::read_to_string(format!("/proc/thread-self/net/{t}")))
        });
        let wanted = format!("{port:04X}");
        let table = table.map(|t| t.expect("socket table"));
        let lines = table.iter().flat_map(|t| t.lines().skip(1));
        let fields = lines.map(|line| line.split_ascii_whitespace().collect::<Vec<_>>());
        fields
            .filter(|f| f.get(1).is_some_and(|local| local.ends_with(&wanted)))
            .filter_map(|f| f.get(3).map(ToString::to_string))
            .collect()
    }
}

impl Drop for Ns {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.name]).status();
    }
}

/// The three namespaces of one test.
pub(crate) struct Topology {
    pub(crate) client: Ns,
    pub(crate) gateway: Ns,
    pub(crate) server: Ns,
}

impl Topology {
    pub(crate) fn new() -> Self {
        let new = Self::unjoined();
        new.join(&new.client, "public", (CLIENT, CLIENT6), (PUBLIC, PUBLIC6));
        let private = (Ipv4Addr::new(10, 0, 0, 1), Ipv6Addr::new(0xfd00, 0x10, 0, 0, 0, 0, 0, 1));
        new.join(&new.server, "private", (SERVER, SERVER6), private);
        new
    }

    pub(super) fn unjoined() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        static SWEEP: Once = Once::new();
        SWEEP.call_once(sweep);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let ns = |role| Ns::new(format!("{PREFIX}{}-{number}-{role}", std::process::id()));
        Self { client: ns("client"), gateway: ns("gateway"), server: ns("server") }
    }

    pub(super) fn join(
        &self,
        peer: &Ns,
        link: &str,
        theirs: (Ipv4Addr, Ipv6Addr),
        ours: (Ipv4Addr, Ipv6Addr),
    ) {
        join((peer, "eth0", theirs), (&self.gateway, link, ours));
    }

    /// Gives the client `count` addresses more and returns them.
    pub(crate) fn client_addresses(&self, count: u8) -> Vec<IpAddr> {
        let addresses: Vec<_> = (0..count).map(|n| Ipv4Addr::new(203, 0, 113, 20 + n)).collect();
        let mut batch = String::new();
        for address in &addresses {
            let _ = writeln!(batch, "addr add {address}/24 dev eth0");
        }
        let mut child = Command::new("ip")
            .args(["-n", &self.client.name, "-batch", "-"])
            .stdin(Stdio::piped())
            .spawn()
            .expect("ip");
        child.stdin.take().expect("piped").write_all(batch.as_bytes()).expect("ip reads its batch");
        assert!(child.wait().expect("ip").success(), "ip -batch");
        addresses.into_iter().map(IpAddr::V4).collect()
    }

    /// Gives the gateway's machine another address on the client's link.
    pub(crate) fn public_address(&self, address: IpAddr) {
        let length = if address.is_ipv4() { 24 } else { 64 };
        let mut args = vec!["-n", &self.gateway.name, "addr", "add"];
        let address_text = format!("{address}/{length}");
        args.extend([address_text.as_str(), "dev", "public"]);
        args.extend(address.is_ipv6().then_some("nodad"));
        ip(&args);
    }

    /// The gateway's control port at an address that is good on the client's link only, as the
    /// client names it.
    pub(crate) fn link_local(&self) -> SocketAddrV6 {
        const ADDRESS: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
        // The one that the kernel gives the client comes when it comes.
        const CLIENT: &str = "fe80::2/64";
        let ours = format!("{ADDRESS}/64");
        for (ns, address, link) in
            [(&self.gateway, ours.as_str(), "public"), (&self.client, CLIENT, "eth0")]
        {
            ip(&["-n", &ns.name, "-6", "addr", "add", address, "dev", link, "nodad"]);
        }
        let link = self.client.run(|| {
            let socket = Socket::new(Domain::IPV6, Type::DGRAM, None)?;
            io::Result::Ok(name_to_index(&socket, "eth0")?)
        });
        SocketAddrV6::new(ADDRESS, 21, 0, link.expect("the client's link"))
    }

    /// Lets the client reach the server without the gateway.
    pub(crate) fn open_route(&self) {
        self.gateway.sysctl("net/ipv4/ip_forward", "1");
        self.gateway.sysctl("net/ipv6/conf/all/forwarding", "1");
        for (ns, v4, v6) in [
            (&self.client, "203.0.113.1", "2001:db8:113::1"),
            (&self.server, "10.0.0.1", "fd00:10::1"),
        ] {
            ip(&["-n", &ns.name, "route", "add", "default", "via", v4]);
            ip(&["-n", &ns.name, "-6", "route", "add", "default", "via", v6]);
        }
    }
}

type End<'a> = (&'a Ns, &'a str, (Ipv4Addr, Ipv6Addr));

/// Lays a cable between two namespaces: each with the link's name there and its addresses.
pub(super) fn join(theirs: End<'_>, ours: End<'_>) {
    let (far, near) = (&theirs.0.name, &ours.0.name);
    let pair = ["type", "veth", "peer", "name", theirs.1, "netns", far];
    ip(&["-n", near, "link", "add", ours.1].into_iter().chain(pair).collect::<Vec<_>>());
    for (ns, link, (v4, v6)) in [ours, theirs] {
        ip(&["-n", &ns.name, "addr", "add", &format!("{v4}/24"), "dev", link]);
        ip(&["-n", &ns.name, "-6", "addr", "add", &format!("{v6}/64"), "dev", link, "nodad"]);
        ip(&["-n", &ns.name, "link", "set", link, "up"]);
    }
}

/// Removes what a killed run left behind: namespaces named after a process that is gone, or after
/// ourselves, who have made none yet.
fn sweep() {
    let own = std::process::id().to_string();
    let Ok(entries) = fs::read_dir(NAMESPACES) else { return };
    for name in entries.flatten().filter_map(|e| e.file_name().into_string().ok()) {
        let Some(rest) = name.strip_prefix(PREFIX) else { continue };
        let pid = rest.split('-').next().unwrap_or_default();
        if pid == own || !Path::new("/proc").join(pid).exists() {
            let _ = Command::new("ip").args(["netns", "del", &name]).status();
        }
    }
}

fn ip(args: &[&str]) {
    let output = Command::new("ip").args(args).output().expect("ip");
    assert!(
        output.status.success(),
        "ip {}: {}",
        args.join(" "),
        String::from_utf8_lossy(&output.stderr)
    );
}
