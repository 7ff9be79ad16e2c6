//! The classic laboratory: two clients, two files of 300 MB, eleven data ports.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use crate::support::ftp::{Control, parse_227, parse_229};
use crate::support::gateway::{Config, Gateway};
use crate::support::lab::{Lab, PASSWORD, USER, assert_same};
use crate::support::net::PUBLIC;
use crate::support::process::run;
use crate::support::servers::Server;

const LENGTH: usize = 300_000_000;
const PORTS: std::ops::RangeInclusive<u16> = 60000..=60010;

/// The server as it is set up in the classroom.
const SERVER: &str = "pasv_min_port=60000\npasv_max_port=60010\n\
    idle_session_timeout=120\ndata_connection_timeout=60\n";
const TIMEOUTS: &str = "[timeouts]\nidle = \"120s\"\ndata_stall = \"60s\"\n";

/// Downloads as one client; returns the 227 as curl got it.
fn download(lab: &Lab, from: IpAddr, to: SocketAddr, name: &str) -> String {
    let mut curl = lab.client("curl");
    curl.args(["-sSv", "--disable-epsv", "--interface", &from.to_string()]);
    curl.args(["-u", &format!("{USER}:{PASSWORD}"), "-o", name, &format!("ftp://{to}/{name}")]);
    let output = run(curl, "").unwrap_or_else(|why| panic!("{name}: {why}"));
    let line = output.lines().find_map(|line| line.strip_prefix("< 227"));
    format!("227{}", line.unwrap_or_else(|| panic!("no 227 in\n{output}")))
}

#[test]
fn two_clients_download_at_once() {
    let lab = Lab::new();
    let names = ["a.txt", "b.txt"];
    let served = [1, 2].map(|seed| lab.serve_large(names[seed as usize - 1], seed, LENGTH));
    let clients = lab.net.client_addresses(2);
    let server = Server::vsftpd(&lab, 21, SERVER);
    let gateway = Gateway::start(&lab, &Config::to(server.address()).section(TIMEOUTS));

    let lines = std::thread::scope(|scope| {
        let (lab, to) = (&lab, gateway.address());
        let fetch = |n: usize| {
            let from = clients[n];
            scope.spawn(move || download(lab, from, to, names[n]))
        };
        [fetch(0), fetch(1)].map(|thread| thread.join().expect("download"))
    });
    for line in lines {
        let told = parse_227(line.trim_end());
        assert_eq!(told.ip(), IpAddr::from(PUBLIC), "{line}");
        assert!(PORTS.contains(&told.port()), "{line}");
    }
    for (name, served) in names.iter().zip(served) {
        assert_same(&served, &lab.local(name));
    }
    gateway.stop();
}

/// The very bytes of the replies that clients and firewalls read.
#[test]
fn the_address_on_the_wire() {
    let lab = Lab::new();
    let server = Server::vsftpd(&lab, 21, SERVER);
    let gateway = Gateway::start(&lab, &Config::to(server.address()));
    let mut control = Control::login(&lab.net.client, gateway.address());
    let line = control.expect("PASV", 227).text();
    let told = parse_227(&line);
    let (p1, p2) = (told.port() / 256, told.port() % 256);
    assert_eq!(line, format!("227 Entering Passive Mode (203,0,113,1,{p1},{p2})"));
    assert!(PORTS.contains(&told.port()), "{line}");
    let line = control.expect("EPSV", 229).text();
    let port = parse_229(&line);
    assert_eq!(line, format!("229 Entering Extended Passive Mode (|||{port}|)"));
    assert!(PORTS.contains(&port), "{line}");
    gateway.stop();
}

/// A server in a container names an address that nobody outside can reach; it stays as it is.
#[test]
fn a_server_that_names_an_unreachable_address() {
    let lab = Lab::new();
    let served = lab.serve_large("file", 3, 1_000_000);
    let server = Server::vsftpd(&lab, 21, "pasv_address=172.17.0.2\n");
    let gateway = Gateway::start(&lab, &Config::to(server.address()));
    let line = download(&lab, crate::support::net::CLIENT.into(), gateway.address(), "file");
    assert_eq!(parse_227(line.trim_end()).ip(), IpAddr::from(PUBLIC), "{line}");
    assert_same(&served, &lab.local("file"));

    let mut lftp = lab.client("lftp");
    let open =
        format!("set net:max-retries 1; open -u {USER},{PASSWORD} {}", gateway.address().ip());
    lftp.args(["-c", &format!("{open}; put file -o copy")]);
    run(lftp, "").expect("upload");
    assert_same(&served, &lab.home().join(Path::new("copy")));
    gateway.stop();
}
