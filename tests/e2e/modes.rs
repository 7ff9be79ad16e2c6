//! Every data connection a client can ask for, with every one the server can be asked for, across
//! address families.

use std::fmt::Write as _;
use std::io::Read;
use std::net::{IpAddr, SocketAddr, TcpStream};

use crate::support::ftp::{Control, Mode, parse_229};
use crate::support::gateway::{Config, Gateway};
use crate::support::lab::{Lab, content};
use crate::support::mock::{Mock, polite};
use crate::support::net::{PUBLIC, PUBLIC6};
use crate::support::servers::{Kind, Server};

const UPSTREAM_MODES: [&str; 7] = ["PASV", "EPSV", "PORT", "EPRT", "same", "passive", "active"];
const LENGTH: usize = 100_000;

/// One listener for each thing to ask of the server, on port 2100, 2101 …
fn configuration(server: SocketAddr) -> String {
    let mut toml = format!(
        "[data]\nports = \"60000-60010\"\nupstream_ports = \"61000-61100\"\n\
         [advertise]\naddress = \"{PUBLIC}\"\n"
    );
    for (port, mode) in (2100..).zip(UPSTREAM_MODES) {
        let _ = write!(
            toml,
            "[[listener]]\nname = \"{mode}\"\nupstream = \"{mode}\"\n\
             bind = [\"{PUBLIC}:{port}\", \"[{PUBLIC6}]:{port}\"]\n\
             [[upstream]]\nname = \"{mode}\"\naddress = \"{server}\"\ndata = \"{mode}\"\n"
        );
    }
    toml
}

/// What the server has to be asked then: IPv6 has no PASV and no PORT.
fn expected(wanted: &str, client: Mode, server_v6: bool) -> &'static str {
    let passive = match wanted {
        "same" => matches!(client, Mode::Pasv | Mode::Epsv),
        wanted => matches!(wanted, "passive" | "PASV" | "EPSV"),
    };
    let same_extended = wanted == "same" && matches!(client, Mode::Epsv | Mode::Eprt);
    let extended = server_v6 || same_extended || matches!(wanted, "EPSV" | "EPRT");
    match (passive, extended) {
        (true, false) => "PASV",
        (true, true) => "EPSV",
        (false, false) => "PORT",
        (false, true) => "EPRT",
    }
}

fn all_modes(kind: Kind, client: IpAddr, server: fn(&Server) -> SocketAddr) {
    let lab = Lab::new();
    let file = content(1, LENGTH);
    lab.serve("file", &file);
    let upstream = Server::start(&lab, kind);
    let server = server(&upstream);
    let mut gateway = Gateway::start_with(&lab, &configuration(server));
    for (port, upstream_mode) in (2100..).zip(UPSTREAM_MODES) {
        for mode in Mode::ALL {
            if client.is_ipv6() && matches!(mode, Mode::Pasv | Mode::Port) {
                continue;
            }
            let name = format!("{upstream_mode}-{mode:?}");
            let mut control = Control::login(&lab.net.client, SocketAddr::new(client, port));
            assert!(control.fetch(mode, "RETR file") == file, "{name}: RETR");
            control.store(mode, &format!("STOR {name}"), &file);
            let stored = std::fs::read(lab.home().join(&name)).expect("stored file");
            assert!(stored == file, "{name}: STOR");
            let list = String::from_utf8(control.fetch(mode, "LIST")).expect("a listing");
            assert!(list.contains(&name), "{name}: LIST gave\n{list}");
            // pyftpdlib 1.5.7 goes deaf on a connection that comes while another goes.
            control.expect("QUIT", 221);
            assert_eq!(control.expect_end(), "");
            let asked = expected(upstream_mode, mode, server.is_ipv6());
            let record = [
                format!("\"path\":\"{name}\""),
                format!("\"client_mode\":\"{}\"", format!("{mode:?}").to_uppercase()),
                format!("\"server_mode\":\"{asked}\""),
            ];
            gateway.logs(&format!("{name} asks {asked}"), |line| {
                record.iter().all(|part| line.contains(part))
            });
        }
    }
    gateway.stop();
}

macro_rules! families {
    ($($server:ident = $kind:ident),+) => { $(
        mod $server {
            use super::*;

            #[test]
            fn from_ipv4_to_ipv4() {
                all_modes(Kind::$kind, PUBLIC.into(), Server::address);
            }

            #[test]
            fn from_ipv4_to_ipv6() {
                all_modes(Kind::$kind, PUBLIC.into(), Server::address6);
            }

            #[test]
            fn from_ipv6_to_ipv4() {
                all_modes(Kind::$kind, PUBLIC6.into(), Server::address);
            }

            #[test]
            fn from_ipv6_to_ipv6() {
                all_modes(Kind::$kind, PUBLIC6.into(), Server::address6);
            }
        }
    )+ };
}

families! {
    vsftpd = Vsftpd,
    proftpd = Proftpd,
    pure_ftpd = PureFtpd,
    inetutils = Inetutils,
    pyftpdlib = Pyftpdlib
}

/// PASV and PORT cannot name an IPv6 address: the client is told so, and goes on.
#[test]
fn an_ipv6_client_cannot_use_ipv4_commands() {
    let lab = Lab::new();
    lab.serve("file", b"content");
    let server = Server::start(&lab, Kind::Vsftpd);
    let gateway = Gateway::start_with(&lab, &configuration(server.address()));
    let mut control = Control::login(&lab.net.client, SocketAddr::new(PUBLIC6.into(), 2100));
    let reply = control.expect("PASV", 425);
    assert!(reply.text().contains("EPSV"), "no hint: {}", reply.text());
    let reply = control.command("PORT 203,0,113,10,200,10");
    assert!((500..=504).contains(&reply.code), "{}", reply.text());
    control.expect("RETR file", 425);
    assert_eq!(control.fetch(Mode::Epsv, "RETR file"), b"content");
    gateway.stop();
}

/// A server that does not know EPSV is asked once; the next session does not ask again.
#[test]
fn a_server_without_epsv() {
    fn old(line: &str) -> &'static str {
        match line {
            "PASV" => "227 Entering Passive Mode (10,0,0,2,234,96)\r\n",
            "EPSV" => "500 EPSV not understood\r\n",
            line => polite(line),
        }
    }
    let lab = Lab::new();
    let mock = Mock::start(&lab, old);
    let config = Config::to(mock.address()).upstream("data = \"EPSV\"");
    let gateway = Gateway::start(&lab, &config);
    for _ in 0..2 {
        let mut control = Control::login(&lab.net.client, gateway.address());
        drop(control.open(Mode::Epsv));
        control.in_step();
    }
    let asked: Vec<_> = mock.lines().into_iter().filter(|line| line.len() == 4).collect();
    assert_eq!(asked, ["EPSV", "PASV", "PASV"]);
    gateway.stop();
}

/// What FEAT promises is kept where the server knows only the old commands.
#[test]
fn a_server_without_eprt() {
    fn old(line: &str) -> &'static str {
        match line.split(' ').next().unwrap_or_default() {
            "FEAT" => "211-Features\r\n SIZE\r\n211 End\r\n",
            "PORT" => "200 PORT ok\r\n",
            "EPRT" => "500 EPRT not understood\r\n",
            _ => polite(line),
        }
    }
    let lab = Lab::new();
    let mock = Mock::start(&lab, old);
    let config = Config::to(mock.address()).upstream("data = \"same\"");
    let gateway = Gateway::start(&lab, &config);
    let mut control = Control::login(&lab.net.client, gateway.address());
    assert!(control.expect("FEAT", 211).text().contains("EPRT"));
    drop(control.open(Mode::Eprt));
    control.in_step();
    gateway.stop();
}

/// For firewalls that know active mode by its port 20; and several connections may leave from it.
#[test]
fn active_data_from_a_port_of_our_choice() {
    for (setting, wanted) in [("", false), ("[listener.data]\nsource_port = 20\n", true)] {
        let lab = Lab::new();
        lab.serve("file", b"content");
        let server = Server::start(&lab, Kind::Vsftpd);
        let gateway = Gateway::start(&lab, &Config::to(server.address()).section(setting));
        let mut controls = [(); 2].map(|()| Control::login(&lab.net.client, gateway.address()));
        let streams = controls.each_mut().map(|control| {
            let data = control.open(Mode::Port);
            control.send("RETR file");
            control.data(data)
        });
        for (stream, control) in streams.iter().zip(&mut controls) {
            let from = stream.peer_addr().expect("connected");
            assert_eq!(from.ip(), IpAddr::from(PUBLIC));
            assert_eq!(from.port() == 20, wanted, "{from}");
            control.expect_started();
            control.expect_reply(226);
        }
        gateway.stop();
    }
}

/// An address that is good on one link only takes its data connections by that link.
#[test]
fn a_link_local_client() {
    let lab = Lab::new();
    let file = content(1, LENGTH);
    lab.serve("file", &file);
    let server = Server::start(&lab, Kind::Vsftpd);
    let to = lab.net.link_local();
    let toml = format!(
        "[[listener]]\nbind = \"[::]:21\"\n[[upstream]]\naddress = \"{}\"\n",
        server.address()
    );
    let gateway = Gateway::start_with(&lab, &toml);
    let mut control = Control::login(&lab.net.client, to.into());
    let mut data = to;
    data.set_port(parse_229(&control.expect("EPSV", 229).text()));
    control.send("RETR file");
    let passive = lab.net.client.connect(None, data.into()).expect("data connection");
    let mut own = control.local();
    own.set_port(0);
    let fetch = |control: &mut Control, mut stream: TcpStream| {
        control.expect_started();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).expect("data connection");
        assert!(bytes == file);
        control.expect_reply(226);
    };
    fetch(&mut control, passive);
    let listener = lab.net.client.listen(own).expect("listen");
    let port = listener.local_addr().expect("listening").port();
    control.expect(&format!("EPRT |2|{}|{port}|", own.ip()), 200);
    control.send("RETR file");
    let (active, _) = listener.accept().expect("data connection");
    fetch(&mut control, active);
    gateway.stop();
}
