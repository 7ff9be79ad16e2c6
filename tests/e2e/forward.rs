//! Forward mode: the client names its server as it logs in.

use std::fs;

use crate::support::ftp::{Control, Mode};
use crate::support::gateway::Gateway;
use crate::support::lab::{Lab, PASSWORD, USER, assert_same};
use crate::support::mock::{Mock, polite};
use crate::support::net::{PUBLIC, SERVER, SERVER6};
use crate::support::process::run;
use crate::support::servers::Server;

/// `destinations` names the server's networks: they are private, so `0.0.0.0/0` would not do.
const GATEWAY: &str = r#"
[[listener]]
name = "out"
bind = ["203.0.113.1:21", "[2001:db8:113::1]:21"]
mode = "forward"
clients = ["203.0.113.0/24", "2001:db8:113::/64"]
destinations = ["10.0.0.2/32", "fd00:10::/64"]
destination_ports = ["21", "2121"]

[data]
ports = "60000-60010"
"#;

fn lftp(lab: &Lab, settings: &str, server: &str, local: &str) -> String {
    let mut lftp = lab.client("lftp");
    let script = format!(
        "set net:max-retries 1; set net:timeout 20; set cmd:fail-exit yes; {settings}; \
         open -u {USER},{PASSWORD} {server}; get served -o {local}; put {local} -o back-{local}; \
         debug 9; ls"
    );
    lftp.args(["-c", &script]);
    run(lftp, "").unwrap_or_else(|why| panic!("{settings}: {why}"))
}

#[test]
fn lftp_in_its_four_styles() {
    let lab = Lab::new();
    let served = lab.serve_large("served", 1, 300_000);
    let _server = Server::vsftpd(&lab, 2121, "");
    let gateway = Gateway::start_with(&lab, GATEWAY);
    let proxy = |login: &str| format!("set ftp:proxy ftp://{login}{PUBLIC}");
    let server = format!("ftp://{SERVER}:2121");
    let styles = [
        ("user", proxy("")),
        ("user", proxy("gate:gatesecret@")),
        ("open", proxy("")),
        ("joined-acct", proxy("gate:gatesecret@")),
    ];
    for (number, (style, proxy)) in styles.iter().enumerate() {
        let local = format!("style-{number}");
        lftp(&lab, &format!("{proxy}; set ftp:proxy-auth-type {style}"), &server, &local);
        assert_same(&served, &lab.local(&local));
        assert_same(&served, &lab.home().join(format!("back-{local}")));
    }
    gateway.stop();
}

/// As its template numbers them.
#[test]
fn ncftp_in_its_styles() {
    let lab = Lab::new();
    let served = lab.serve_large("served", 2, 300_000);
    let _server = Server::vsftpd(&lab, 21, "");
    let gateway = Gateway::start_with(&lab, GATEWAY);
    let settings = lab.local(".ncftp");
    fs::create_dir(&settings).expect("home");
    for style in [1, 2, 3, 4, 7, 8, 9] {
        let text = format!(
            "firewall-type={style}\nfirewall-host={PUBLIC}\nfirewall-port=21\nfirewall-user=gate\n\
             firewall-password=gatesecret\nfirewall-exception-list=.invalid\n"
        );
        fs::write(settings.join("firewall"), text).expect("home");
        fs::create_dir(lab.local(&style.to_string())).expect("home");
        let mut ncftp = lab.client("ncftpget");
        ncftp.env("NCFTPDIR", &settings);
        ncftp.args(["-V", "-Z", "-r", "0", "-t", "20", "-u", USER, "-p", PASSWORD]);
        ncftp.args([&SERVER.to_string(), &style.to_string(), "served"]);
        run(ncftp, "").unwrap_or_else(|why| panic!("type {style}: {why}"));
        assert_same(&served, &lab.local(&format!("{style}/served")));
    }
    gateway.stop();
}

#[test]
fn an_ipv4_client_names_an_ipv6_server() {
    let lab = Lab::new();
    lab.serve("served", b"over both");
    let _server = Server::vsftpd(&lab, 21, "");
    let gateway = Gateway::start_with(&lab, GATEWAY);
    let mut control = Control::connect(&lab.net.client, gateway.address());
    control.expect_reply(220);
    control.expect(&format!("USER {USER}@[{SERVER6}]:21"), 331);
    control.expect(&format!("PASS {PASSWORD}"), 230);
    control.expect("TYPE I", 200);
    for mode in [Mode::Pasv, Mode::Epsv, Mode::Port, Mode::Eprt] {
        assert_eq!(control.fetch(mode, "RETR served"), b"over both", "{mode:?}");
    }
    let log = {
        drop(control);
        gateway.stop()
    };
    assert!(log.contains(&format!("\"server\":\"[{SERVER6}]:21\"")), "{log}");
}

/// S38: the same words for what is refused, what is not there and what has no name, and no packet
/// for what is refused.
#[test]
fn what_is_not_listed_is_not_dialled() {
    let lab = Lab::new();
    let mock = Mock::start(&lab, polite);
    let narrow = GATEWAY.replace("\"21\", \"2121\"", "\"2121-2122\"");
    // The gateway's own address is in it.
    let narrow = narrow.replace("10.0.0.2/32", "10.0.0.0/30");
    let mut gateway = Gateway::start_with(&lab, &narrow);
    let refused = [
        format!("{SERVER}:21"),
        "127.0.0.1:2121".into(),
        "localhost:2121".into(),
        "169.254.169.254:2121".into(),
        "10.0.0.1:2121".into(),
        "[::1]:2121".into(),
        "[::ffff:127.0.0.1]:2121".into(),
        "no-such-name.invalid:2121".into(),
        // Listed, and nothing listens.
        format!("{SERVER}:2122"),
    ];
    for server in &refused {
        let mut control = Control::connect(&lab.net.client, gateway.address());
        control.expect_reply(220);
        let words = control.expect(&format!("USER {USER}@{server}"), 530).text();
        assert_eq!(words, "530 That server cannot be reached from here.", "{server}");
        control.expect("NOOP", 200);
        control.expect("QUIT", 221);
    }
    assert_eq!(mock.connections(), 0, "a refused server was dialled");
    gateway.logs("the port and the key", |l| {
        l.contains("destination-port") && l.contains("destination_ports")
    });
    gateway.logs("itself", |l| l.contains("10.0.0.1:2121 is this gateway itself"));
    gateway.logs("a reserved address", |l| l.contains("destination-reserved"));
    gateway.stop();
}

/// An open proxy is what nobody wants: clients are let in by name only.
#[test]
fn clients_from_outside_are_not_let_in_by_default() {
    let lab = Lab::new();
    let closed = GATEWAY.replace("clients = [\"203.0.113.0/24\", \"2001:db8:113::/64\"]\n", "");
    assert_ne!(closed, GATEWAY);
    let gateway = Gateway::start_with(&lab, &closed);
    let mut control = Control::connect(&lab.net.client, gateway.address());
    control.expect_reply(421);
    control.expect_end();
    gateway.stop();
}
