//! Socket options of data connections, as the kernel shows them.

use std::fs;
use std::io::Read as _;
use std::net::IpAddr;

use crate::support::ftp::{Control, Mode};
use crate::support::gateway::{Config, Gateway, told};
use crate::support::lab::{Lab, content};
use crate::support::mock::{Mock, polite};
use crate::support::net::{CLIENT, SERVER};
use crate::support::process::{eventually, run};
use crate::support::servers::{Kind, Server};

/// More than the sockets on the way can hold: a transfer stays open until it is read.
const LARGE: usize = 40_000_000;
/// What every kernel has.
const RENO: &str = "reno";

/// What the gateway's end of a data connection with somebody has.
#[derive(Debug, PartialEq, Eq)]
struct Leg {
    congestion: String,
    /// `SO_RCVBUF` and `SO_SNDBUF`.
    buffers: [usize; 2],
}

impl Leg {
    /// Out of a line of `ss -timOH`.
    fn read(line: &str) -> Self {
        let (_, memory) = line.split_once("skmem:(").expect("memory");
        let (memory, details) = memory.split_once(')').expect("memory");
        let size = |key| memory.split(',').find_map(|field| field.strip_prefix(key));
        let size = |key| size(key).and_then(|bytes| bytes.parse().ok()).expect("a size");
        let mut words = details.split_ascii_whitespace();
        let congestion = words.find(|word| !matches!(*word, "ts" | "sack" | "ecn" | "ecnseen"));
        let congestion = congestion.expect("a congestion control").to_owned();
        Self { congestion, buffers: [size("rb"), size("tb")] }
    }

    /// The only one with this peer.
    fn with(lab: &Lab, peer: IpAddr) -> Option<Self> {
        let mut ss = lab.net.gateway.command("ss");
        let peer = peer.to_string();
        ss.args(["-timnOH", "state", "established", "dst", &peer]);
        ss.args(["and", "not", "sport", "=", ":21", "and", "not", "dport", "=", ":21"]);
        let shown = run(ss, "").expect("ss");
        match shown.lines().collect::<Vec<_>>().as_slice() {
            [] => None,
            [line] => Some(Self::read(line)),
            _ => panic!("more than one:\n{shown}"),
        }
    }
}

/// Both legs in the middle of a download, client's first.
fn legs(lab: &Lab, server: &Server, mode: Mode, keys: &str) -> [Leg; 2] {
    let config = Config::to(server.address());
    let config = config.upstream("data = \"same\"").section(&format!("[listener.data]\n{keys}\n"));
    let gateway = Gateway::start(lab, &config);
    let mut control = Control::login(&lab.net.client, gateway.address());
    let data = control.open(mode);
    control.send("RETR large");
    let mut stream = control.data(data);
    control.expect_started();
    let legs = [CLIENT, SERVER]
        .map(|peer| eventually("a data connection with {peer}", || Leg::with(lab, peer.into())));
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).expect("data connection");
    assert_eq!(bytes.len(), LARGE);
    control.expect_reply(226);
    gateway.stop();
    legs
}

/// Each leg has its own congestion control, whoever connects, and both have the sizes.
#[test]
fn each_leg_of_a_transfer_has_what_is_set() {
    let lab = Lab::new();
    lab.serve_large("large", 1, LARGE);
    let server = Server::start(&lab, Kind::Vsftpd);
    let systems = "/proc/sys/net/ipv4/tcp_congestion_control";
    let systems = lab.net.gateway.run(|| fs::read_to_string(systems)).expect("the system's own");
    let systems = systems.trim();
    assert_ne!(systems, RENO, "nothing can be told apart: choose another for this machine");
    // The kernel doubles what it is told.
    let set = Leg { congestion: RENO.into(), buffers: [2 * 256 * 1024; 2] };
    for mode in [Mode::Pasv, Mode::Port] {
        for (prefix, side) in [("", 0), ("upstream_", 1)] {
            let keys = format!(
                "{prefix}congestion = \"{RENO}\"\n{prefix}buffer = \"256KiB\"\n\
                 {prefix}notsent_lowat = \"64KiB\"\n"
            );
            let legs = legs(&lab, &server, mode, &keys);
            assert_eq!(legs[side], set, "{mode:?}");
            let other = &legs[1 - side];
            assert_eq!(other.congestion, systems, "{mode:?}");
            assert_ne!(other.buffers, set.buffers, "{mode:?}");
        }
    }
}

/// A process that turned into an ordinary user can still use it.
#[test]
fn an_ordinary_user_may() {
    let lab = Lab::new();
    let file = content(1, 100_000);
    lab.serve("file", &file);
    let server = Server::start(&lab, Kind::Vsftpd);
    let keys = "congestion = \"reno\"\nupstream_congestion = \"reno\"\nbuffer = \"64KiB\"";
    let config = Config::to(server.address())
        .upstream("data = \"same\"")
        .section(&format!("[listener.data]\n{keys}\n"))
        .section("[runtime]\nuser = \"nobody\"\n");
    let gateway = Gateway::start(&lab, &config);
    let mut control = Control::login(&lab.net.client, gateway.address());
    for mode in Mode::ALL {
        assert!(control.fetch(mode, "RETR file") == file, "{mode:?}");
    }
    control.expect("QUIT", 221);
    gateway.stop();
}

/// What the kernel does not have is told with its place, at the start and by the self-check; what
/// it has is told by the latter, too.
#[test]
fn congestion_controls_that_are_not_there() {
    let lab = Lab::new();
    let mock = Mock::start(&lab, polite);
    let toml = |key: &str| {
        let config = Config::to(mock.address());
        config.section(&format!("[listener.data]\n{key}\n")).toml()
    };
    let attempt = |verb: &str, key: &str| told(&lab, verb, &toml(key));
    for verb in ["run", "check"] {
        let key = "congestion = \"nonsense\"";
        let said = attempt(verb, key).expect_err("there is none");
        assert!(said.contains("data.congestion"), "{said}");
        let line = 1 + toml(key).lines().position(|line| line == key).expect("written");
        assert!(said.contains(&format!("ftpgate.toml:{line}:14")), "{said}");
        assert!(said.contains("this kernel has no congestion control \"nonsense\""), "{said}");
        assert!(said.contains(RENO) && said.contains("modprobe tcp_nonsense"), "{said}");
    }
    let said = attempt("check", "upstream_congestion = \"reno\"").expect("there is");
    let line = "public: data.upstream_congestion: data connections with server use reno";
    assert!(said.contains(line), "{said}");
}

/// One that the machine keeps from ordinary users is refused to them; who starts as root keeps what
/// it takes, and no more.
#[test]
fn a_congestion_control_for_administrators() {
    let lab = Lab::new();
    let mock = Mock::start(&lab, polite);
    let config = Config::to(mock.address())
        .section("[listener.data]\ncongestion = \"reno\"\n")
        .section("[runtime]\nuser = \"nobody\"\n");
    // Seen by this process alone: the machine has one list for all its namespaces.
    let allowed = lab.path("allowed");
    fs::write(&allowed, "cubic\n").expect("own file");
    let hide = format!(
        "mount --bind {} /proc/sys/net/ipv4/tcp_allowed_congestion_control && exec \"$@\"",
        allowed.display()
    );
    let mut gateway = Gateway::start_by(&lab, &["sh", "-c", &hide, "sh"], &config.toml());
    gateway.logs("what it kept", |line| line.contains("\"kept\":\"CAP_NET_ADMIN\""));
    gateway.stop();

    let mut check = lab.net.gateway.command("sh");
    check.args(["-c", &hide, "sh", "setpriv", "--bounding-set", "-net_admin", "--inh-caps=-all"]);
    check.args([env!("CARGO_BIN_EXE_ftpgate"), "check", "-c"]).arg(lab.path("ftpgate.toml"));
    let said = run(check, "").expect_err("it may not");
    assert!(said.contains("this process may not use the congestion control \"reno\""), "{said}");
    assert!(said.contains("tcp_allowed_congestion_control=\"cubic reno\""), "{said}");
}
