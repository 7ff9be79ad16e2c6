//! What happens to a transfer in the middle: ABOR, STAT, QUIT, and either end going away.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::support::ftp::{Control, Mode, reset};
use crate::support::gateway::{Config, Gateway};
use crate::support::lab::{Lab, PASSWORD, USER, content};
use crate::support::process::{Process, eventually};
use crate::support::servers::{Kind, Server};

/// More than all sockets on the way can hold.
const LARGE: usize = 50_000_000;
const HALF: usize = 1_000_000;
/// A server that hears ABOR only after the transfer must not be waited for too long.
const IMPATIENT: &str = "[timeouts]\nabort = \"1s\"\n";

/// In the order of their end: the logs are shown before their directory goes.
struct Scene {
    gateway: Gateway,
    server: Server,
    lab: Lab,
}

fn scene(kind: Kind) -> Scene {
    let lab = Lab::new();
    lab.serve_large("large", 1, LARGE);
    let server = Server::start(&lab, kind);
    let gateway = Gateway::start(&lab, &Config::to(server.address()).section(IMPATIENT));
    Scene { gateway, server, lab }
}

impl Scene {
    fn login(&self) -> Control<'_> {
        Control::login(&self.lab.net.client, self.gateway.address())
    }

    /// Begins to download and reads a little.
    fn downloading(&self) -> (Control<'_>, TcpStream) {
        let mut control = self.login();
        let data = control.open(Mode::Pasv);
        control.send("RETR large");
        let mut stream = control.data(data);
        control.expect_started();
        stream.read_exact(&mut vec![0; HALF]).expect("data connection");
        (control, stream)
    }
}

/// Sends ABOR and a PWD behind it: whatever is said in between, it must end, be in step, and the
/// session must go on to transfer.
pub(crate) fn abort(control: &mut Control, urgent: bool) {
    if urgent {
        control.send_urgent("ABOR");
    } else {
        control.send("ABOR");
    }
    control.send("PWD");
    let codes = std::iter::from_fn(|| Some(control.reply().code).filter(|code| *code != 257));
    // The transfer may begin just before it is aborted; Pure-FTPd says how fast it was, as a 150.
    let (began, said): (Vec<_>, Vec<_>) = codes.partition(|code| matches!(code, 125 | 150));
    let known = |code: &u16| matches!(code, 225 | 226 | 425 | 426 | 450 | 451);
    let fine = began.len() <= 2 && (1..=2).contains(&said.len()) && said.iter().all(known);
    assert!(fine, "ABOR was answered {began:?} {said:?}\n{}", control.transcript());
    control.in_step();
    assert!(!control.fetch(Mode::Epsv, "NLST").is_empty());
}

fn aborts(kind: Kind) {
    let scene = scene(kind);
    for urgent in [false, true] {
        // Before anything moved: the data connection was never made.
        let mut control = scene.login();
        let unused = control.open(Mode::Pasv);
        control.send("RETR large");
        abort(&mut control, urgent);
        drop(unused);
        // In the middle, the data connection still there but nobody reading.
        let (mut control, stream) = scene.downloading();
        abort(&mut control, urgent);
        drop(stream);
        // After the end.
        let mut control = scene.login();
        control.fetch(Mode::Pasv, "RETR large");
        abort(&mut control, urgent);
    }
    scene.gateway.stop();
}

/// STAT in a transfer is answered, before or after the 226, and the file is whole.
fn stat(kind: Kind) {
    let scene = scene(kind);
    let (mut control, mut stream) = scene.downloading();
    control.send("STAT");
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).expect("data connection");
    drop(stream);
    assert_eq!(rest.len(), LARGE - HALF);
    let mut codes = [control.reply().code, control.reply().code];
    codes.sort_unstable();
    // Pure-FTPd does not know STAT without a path.
    assert!(matches!(codes, [211..=213, 226] | [226, 500]), "{codes:?}");
    control.in_step();
    scene.gateway.stop();
}

/// QUIT in a transfer waits for its end.
fn quit(kind: Kind) {
    let scene = scene(kind);
    let (mut control, mut stream) = scene.downloading();
    control.send("QUIT");
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).expect("data connection");
    assert_eq!(rest.len(), LARGE - HALF);
    control.expect_reply(226);
    control.expect_reply(221);
    assert_eq!(control.expect_end(), "");
    scene.gateway.stop();
}

macro_rules! each_server {
    ($($test:ident),+) => { $(
        mod $test {
            use super::Kind;

            #[test]
            fn vsftpd() {
                super::$test(Kind::Vsftpd);
            }

            #[test]
            fn proftpd() {
                super::$test(Kind::Proftpd);
            }

            #[test]
            fn pure_ftpd() {
                super::$test(Kind::PureFtpd);
            }

            #[test]
            fn inetutils() {
                super::$test(Kind::Inetutils);
            }

            #[test]
            fn pyftpdlib() {
                super::$test(Kind::Pyftpdlib);
            }
        }
    )+ };
}

each_server!(aborts, stat, quit);

/// vsftpd can be told to listen for ABOR; it then wants the urgent mark.
#[test]
fn an_urgent_abor_reaches_the_server() {
    let lab = Lab::new();
    lab.serve_large("large", 1, LARGE);
    let server = Server::vsftpd(&lab, 21, "async_abor_enable=YES\n");
    // Time enough to fail the test if only the reset of the data connection ended the transfer.
    let config = Config::to(server.address()).upstream("abor = \"urgent\"");
    let gateway = Gateway::start(&lab, &config.section("[timeouts]\nabort = \"1h\"\n"));
    let scene = Scene { gateway, server, lab };
    let (mut control, stream) = scene.downloading();
    abort(&mut control, false);
    drop(stream);
    scene.gateway.stop();
}

/// A client that is gone takes its session at the server with it.
#[test]
fn a_killed_client_frees_the_server() {
    let scene = scene(Kind::Vsftpd);
    let (lab, to) = (&scene.lab, scene.gateway.address());
    let mut curl = lab.net.client.command("curl");
    curl.args(["-sS", "--limit-rate", "1M", "-u", &format!("{USER}:{PASSWORD}"), "-o"]);
    curl.arg(lab.local("part")).arg(format!("ftp://{to}/large"));
    let mut curl = Process::start("curl", curl, lab.path("curl.log"));
    let part = || std::fs::metadata(lab.local("part")).is_ok_and(|file| file.len() > 0);
    curl.wait_for("it downloads", |_| part().then_some(()));
    assert_eq!(lab.net.server.established(21), 1);
    curl.kill();
    eventually("the server's session ends", || (lab.net.server.established(21) == 0).then_some(()));
    scene.gateway.stop();
}

/// A download whose server dies in the middle is never called complete.
#[test]
fn a_killed_server_is_no_success() {
    let mut scene = scene(Kind::Vsftpd);
    let (lab, gateway) = (&scene.lab, &scene.gateway);
    let mut control = Control::login(&lab.net.client, gateway.address());
    let data = control.open(Mode::Pasv);
    control.send("RETR large");
    let mut stream = control.data(data);
    control.expect_started();
    stream.read_exact(&mut vec![0; HALF]).expect("data connection");
    scene.server.kill();
    let _ = stream.read_to_end(&mut Vec::new());
    let reply = control.reply();
    assert!(matches!(reply.code, 421 | 426 | 451), "{}", reply.text());
    let rest = control.expect_end();
    assert!(!rest.contains("226"), "{rest}");
    scene.gateway.stop();
}

/// Nor is one whose client broke the data connection, and only that.
#[test]
fn a_broken_download_is_no_success() {
    let scene = scene(Kind::Vsftpd);
    let (mut control, stream) = scene.downloading();
    reset(stream);
    let reply = control.reply();
    assert!(matches!(reply.code, 425 | 426 | 451), "{}", reply.text());
    control.in_step();
    assert!(!control.fetch(Mode::Pasv, "NLST").is_empty());
    scene.gateway.stop();
}

/// The server may be done long before the client is: what it calls complete is only so when the
/// client has it.
#[test]
fn a_broken_download_that_the_server_calls_complete() {
    /// More than the client takes unread and the gateway's kernel takes for it, less than it takes
    /// from the server.
    const UNREAD: usize = 400_000;
    let lab = Lab::new();
    lab.net.gateway.sysctl("net/ipv4/tcp_wmem", "4096 16384 16384");
    lab.net.gateway.sysctl("net/ipv4/tcp_rmem", "4096 1000000 6000000");
    lab.serve("file", &content(1, UNREAD));
    // It connects to us, from port 20, so that its end of the data connection is known.
    let server = Server::start(&lab, Kind::Vsftpd);
    let config = Config::to(server.address()).upstream("data = \"active\"");
    let gateway = Gateway::start(&lab, &config);
    let mut control = Control::login(&lab.net.client, gateway.address());
    let data = control.open(Mode::Pasv);
    control.send("RETR file");
    let mut stream = control.data(data);
    control.expect_started();
    stream.read_exact(&mut [0]).expect("data connection");
    eventually("the server is done", || (lab.net.server.established(20) == 0).then_some(()));
    reset(stream);
    let reply = control.reply();
    assert!(matches!(reply.code, 425 | 426 | 451), "{}", reply.text());
    control.in_step();
    gateway.stop();
}

/// How an upload ends before its end.
#[derive(Clone, Copy)]
enum Cut {
    /// The client's data connection is reset.
    Reset,
    /// The client says nothing more.
    Silence,
}

fn cut_upload(how: Cut) {
    let lab = Lab::new();
    let server = Server::vsftpd(&lab, 21, "delete_failed_uploads=YES\n");
    let config = Config::to(server.address()).section("[timeouts]\ndata_stall = \"1s\"\n");
    let gateway = Gateway::start(&lab, &config);
    let mut control = Control::login(&lab.net.client, gateway.address());
    let data = control.open(Mode::Pasv);
    control.send("STOR upload");
    let mut stream = control.data(data);
    control.expect_started();
    let file = content(1, 2 * HALF);
    stream.write_all(&file[..HALF]).expect("data connection");
    let stored = lab.home().join("upload");
    // The server must have had the first half, or nothing is shown.
    eventually("the first half arrives", || {
        std::fs::metadata(&stored).is_ok_and(|f| f.len() == HALF as u64).then_some(())
    });
    let kept = match how {
        Cut::Reset => {
            reset(stream);
            None
        }
        Cut::Silence => Some(stream),
    };
    let reply = control.reply();
    assert!(matches!(reply.code, 425 | 426 | 451), "{}", reply.text());
    eventually("the server drops half an upload", || (!stored.exists()).then_some(()));
    drop(kept);
    control.in_step();
    gateway.stop();
}

#[test]
fn half_an_upload_is_not_kept() {
    cut_upload(Cut::Reset);
}

#[test]
fn a_stalled_upload_is_not_kept() {
    cut_upload(Cut::Silence);
}
