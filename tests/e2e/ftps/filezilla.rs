//! FileZilla on a screen that nobody sees: it connects, lists, and works off its queue. It insists
//! on data connections that resume the TLS session and end by close_notify (P131).

use std::fs;

use crate::support::gateway::{Config, Gateway};
use crate::support::lab::{Lab, PASSWORD, USER, content};
use crate::support::pki::Pki;
use crate::support::process::{Process, eventually, run};
use crate::support::servers::{Kind, Server};

const LENGTH: usize = 1_000_000;
const SETTINGS: &str = "<?xml version=\"1.0\"?>\
    <FileZilla3 version=\"3.63.0\" platform=\"*nix\"><Settings>\
    <Setting name=\"Greeting version\">99.0</Setting>\
    <Setting name=\"Greeting resources\"></Setting>\
    <Setting name=\"Update Check\">0</Setting>\
    <Setting name=\"Logging\">1</Setting>\
    <Setting name=\"Logging file\">LOG</Setting></Settings></FileZilla3>";
/// A certificate that was accepted before.
const TRUSTED: &str = "<?xml version=\"1.0\"?><FileZilla3><TrustedCerts><Certificate>\
    <Data>DATA</Data><ActivationTime>1577836800</ActivationTime>\
    <ExpirationTime>4000000000</ExpirationTime><Host>HOST</Host><Port>21</Port>\
    <TrustSANs>1</TrustSANs></Certificate></TrustedCerts></FileZilla3>";

/// Its settings, what it trusts and what it is to do; returns where it writes its log.
fn prepare(lab: &Lab, pki: &Pki, host: &str) -> std::path::PathBuf {
    let home = lab.local(".config/filezilla");
    fs::create_dir_all(&home).expect("own directory");
    let log = lab.path("filezilla-messages.log");
    let settings = SETTINGS.replace("LOG", &log.display().to_string());
    fs::write(home.join("filezilla.xml"), settings).expect("own file");
    let hex: String = pki.gateway_der().iter().map(|byte| format!("{byte:02x}")).collect();
    let trusted = TRUSTED.replace("DATA", &hex).replace("HOST", host);
    fs::write(home.join("trustedcerts.xml"), trusted).expect("own file");
    let mut queue = lab.client("/usr/bin/python3");
    queue.arg("-").arg(home.join("queue.sqlite3")).args([host, USER, PASSWORD]);
    queue.args([&format!("{}/", lab.local("").display()), "sent"]);
    run(queue, include_str!("../support/filezilla_queue.py")).expect("a queue");
    log
}

#[test]
fn connects_lists_and_transfers() {
    let lab = Lab::new();
    let pki = Pki::new(&lab);
    let file = content(1, LENGTH);
    lab.serve("file", &file);
    fs::write(lab.local("sent"), &file).expect("own file");
    let server = Server::start(&lab, Kind::Vsftpd);
    let listener = pki.listener("required", "reuse = \"require\"");
    let mut gateway = Gateway::start(&lab, &Config::to(server.address()).listener(&listener));
    let host = gateway.address().ip().to_string();
    let messages = prepare(&lab, &pki, &host);

    let mut xvfb = lab.client("Xvfb");
    xvfb.args(["-displayfd", "1", "-nolisten", "tcp", "-screen", "0", "1024x768x24"]);
    let mut screen = Process::start("Xvfb", xvfb, lab.path("xvfb.log"));
    let number = screen.wait_for("it has a number", |p| {
        let log = p.log();
        log.lines().find(|line| line.parse::<u32>().is_ok()).map(ToOwned::to_owned)
    });
    let display = format!(":{number}");
    let mut filezilla = lab.client("filezilla");
    filezilla.env("DISPLAY", &display).arg(format!("ftpes://{USER}:{PASSWORD}@{host}/"));
    let mut filezilla = Process::start("filezilla", filezilla, lab.path("filezilla.log"));
    filezilla.wait_for("it lists", |_| {
        let log = fs::read_to_string(&messages).unwrap_or_default();
        log.contains("Directory listing of \"/\" successful").then_some(())
    });
    // "Process Queue".
    let mut key = lab.client("xdotool");
    key.env("DISPLAY", &display).args(["key", "--clearmodifiers", "ctrl+p"]);
    run(key, "").expect("xdotool");
    eventually("FileZilla uploads", || {
        (fs::read(lab.home().join("sent")).ok()? == file).then_some(())
    });
    gateway.logs("the upload", |line| {
        ["\"verb\":\"STOR\"", "\"outcome\":\"ok\"", "\"client_resumed\":true"]
            .iter()
            .all(|part| line.contains(part))
    });
    drop((filezilla, screen));
    gateway.stop();
}
