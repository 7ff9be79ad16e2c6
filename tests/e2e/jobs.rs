//! Whole jobs of real tools: mirrors, a package upload; and the records they leave.

use std::fs;
use std::path::Path;

use crate::support::gateway::{Config, Gateway};
use crate::support::lab::{Lab, PASSWORD, USER, assert_same, content};
use crate::support::process::run;
use crate::support::servers::{Kind, Server};

const FILES: usize = 1000;
/// Where Debian's archive takes uploads, and what it lets anybody do there.
const UPLOAD_QUEUE: &str = "anonymous_enable=YES\nanon_upload_enable=YES\nanon_umask=022\n\
    no_anon_password=NO\n";

fn name(number: usize) -> String {
    format!("{:02}/file {number}", number % 10)
}

fn file(number: usize) -> Vec<u8> {
    content(number as u64, number % 3000)
}

/// A thousand small files in a tree, there and back, by a client that does not wait for replies.
fn mirror(kind: Kind) {
    let lab = Lab::new();
    fs::create_dir(lab.home().join("tree")).expect("own directory");
    for directory in 0..10 {
        fs::create_dir(lab.home().join(format!("tree/{directory:02}"))).expect("own directory");
    }
    for number in 0..FILES {
        lab.serve(&format!("tree/{}", name(number)), &file(number));
    }
    let server = Server::start(&lab, kind);
    let gateway = Gateway::start(&lab, &Config::to(server.address()));
    let mut lftp = lab.client("lftp");
    let script = format!(
        "set ftp:sync-mode off; set net:max-retries 1; set cmd:fail-exit yes; \
         open -u {USER},{PASSWORD} {}; mirror tree here; mirror -R here back",
        gateway.address().ip()
    );
    lftp.args(["-c", &script]);
    run(lftp, "").expect("lftp");
    for number in 0..FILES {
        let name = name(number);
        let got = fs::read(lab.local("here").join(&name)).expect("downloaded file");
        assert!(got == file(number), "download of {name}");
        let back = fs::read(lab.home().join("back").join(&name)).expect("uploaded file");
        assert!(back == file(number), "upload of {name}");
    }
    gateway.stop();
}

#[test]
fn a_pipelined_mirror_of_vsftpd() {
    mirror(Kind::Vsftpd);
}

#[test]
fn a_pipelined_mirror_of_proftpd() {
    mirror(Kind::Proftpd);
}

/// A listing of thousands of lines that comes over the control connection.
#[test]
fn a_listing_without_a_data_connection() {
    let lab = Lab::new();
    for number in 0..5000 {
        fs::write(lab.home().join(format!("entry-{number:04}")), "").expect("served file");
    }
    let server = Server::start(&lab, Kind::Vsftpd);
    let gateway = Gateway::start(&lab, &Config::to(server.address()));
    let mut lftp = lab.client("lftp");
    let open = format!("open -u {USER},{PASSWORD} {}", gateway.address().ip());
    lftp.args(["-c", &format!("set ftp:use-stat-for-list yes; {open}; ls")]);
    let listing = run(lftp, "").expect("lftp");
    assert_eq!(listing.lines().filter(|line| line.contains("entry-")).count(), 5000);
    let log = gateway.stop();
    assert!(!log.contains("\"message\":\"transfer\""), "a data connection was used");
}

/// What is uploaded with the `.changes` file: a package, for the sake of the upload.
fn package(directory: &Path) -> [&'static str; 2] {
    const DEB: &str = "hello_1.0_all.deb";
    const CHANGES: &str = "hello_1.0_amd64.changes";
    fs::create_dir(directory).expect("own directory");
    fs::write(directory.join(DEB), content(1, 200_000)).expect("own file");
    let sum = |program: &str| {
        let mut command = std::process::Command::new(program);
        command.arg(directory.join(DEB));
        let output = run(command, "").expect(program);
        output.split(' ').next().unwrap_or_default().to_owned()
    };
    let (md5, sha1, sha256) = (sum("md5sum"), sum("sha1sum"), sum("sha256sum"));
    let text = format!(
        "Format: 1.8\nDate: Fri, 01 Mar 2024 12:00:00 +0000\nSource: hello\nBinary: hello\n\
         Architecture: all\nVersion: 1.0\nDistribution: unstable\nUrgency: low\n\
         Maintainer: Nobody <nobody@example.org>\nChanged-By: Nobody <nobody@example.org>\n\
         Description:\n hello - says hello\nChanges:\n hello (1.0) unstable; urgency=low\n\
         Checksums-Sha1:\n {sha1} 200000 {DEB}\nChecksums-Sha256:\n {sha256} 200000 {DEB}\n\
         Files:\n {md5} 200000 misc optional {DEB}\n"
    );
    fs::write(directory.join(CHANGES), text).expect("own file");
    [DEB, CHANGES]
}

#[test]
fn a_package_upload() {
    let lab = Lab::new();
    let incoming = lab.path("archive/incoming");
    fs::create_dir_all(&incoming).expect("own directory");
    lab.give_to_anonymous(&incoming);
    let root = format!("{UPLOAD_QUEUE}anon_root={}\n", lab.path("archive").display());
    let server = Server::vsftpd(&lab, 21, &root);
    let gateway = Gateway::start(&lab, &Config::to(server.address()));
    let work = lab.local("package");
    let files = package(&work);
    fs::write(
        lab.local("dput.cf"),
        format!(
            "[gateway]\nfqdn = {}\nmethod = ftp\nlogin = anonymous\nincoming = /incoming\n\
         allow_unsigned_uploads = 1\nallow_dcut = 0\nrun_dinstall = 0\n",
            gateway.address().ip()
        ),
    )
    .expect("own file");
    let mut dput = lab.client("dput");
    dput.arg("-c").arg(lab.local("dput.cf")).args(["-u", "gateway"]).arg(work.join(files[1]));
    run(dput, "").expect("dput");
    for name in files {
        assert_same(&work.join(name), &incoming.join(name));
    }
    gateway.stop();
}

/// The classic transfer log, as the tools of thirty years read it, and the records of the log.
#[test]
fn records() {
    let lab = Lab::new();
    lab.serve("two words", b"content");
    let server = Server::start(&lab, Kind::Vsftpd);
    let xferlog = lab.path("xferlog");
    let section = format!("[log]\nformat = \"json\"\nxferlog = \"{}\"\n", xferlog.display());
    let gateway = Gateway::start(&lab, &Config::to(server.address()).section(&section));
    let mut curl = lab.client("curl");
    curl.args(["-sS", "-u", &format!("{USER}:{PASSWORD}"), "-o", "copy"]);
    curl.arg(format!("ftp://{}/two%20words", gateway.address()));
    run(curl, "").expect("curl");
    let log = gateway.stop();
    let record = log.lines().find(|line| line.contains("\"message\":\"transfer\""));
    let record = record.expect("a record of the transfer");
    for part in [
        "\"client\":\"203.0.113.10:",
        "\"user\":\"ftp1\"",
        "\"path\":\"two words\"",
        "\"bytes_down\":7",
        "\"outcome\":\"ok\"",
        "\"client_mode\":\"EPSV\"",
    ] {
        assert!(record.contains(part), "no {part} in {record}");
    }
    let text = fs::read_to_string(xferlog).expect("xferlog");
    let line = text.lines().next().expect("a line");
    // The date is five of the fields that awk sees.
    let fields: Vec<_> = line.split_ascii_whitespace().collect();
    assert_eq!(fields.len(), 5 + 13, "{line}");
    assert_eq!(fields[6..12], ["203.0.113.10", "7", "two_words", "b", "_", "o"], "{line}");
    assert_eq!(fields[13], USER, "{line}");
    assert_eq!(fields[17], "c", "{line}");
}
