//! Every client against every server through the gateway, the server out of the client's reach.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::support::gateway::{Config, Gateway};
use crate::support::lab::{Lab, content};
use crate::support::process::run;
use crate::support::servers::{Kind, Server};
use crate::support::tools::{self, Job, Site, Tool};

/// Names that servers, clients and shells trip over.
const NAMES: [&str; 4] = ["plain.bin", "empty", "two words.bin", "Grüße 文件.bin"];
const LENGTH: usize = 300_000;
/// Where a broken transfer is taken up again.
const CUT: usize = 123_457;

/// The content of the file at this place of the list.
fn file(number: usize) -> Vec<u8> {
    let length = if NAMES[number] == "empty" { 0 } else { LENGTH };
    content(number as u64, length)
}

/// All that a tool can do, once; what went wrong is collected, to see it all at once.
struct Exchange<'a> {
    lab: &'a Lab,
    site: Site<'a>,
    problems: Vec<String>,
}

impl Exchange<'_> {
    fn attempt(&mut self, what: &str, job: Job) -> Option<String> {
        match run(job.command, &job.input) {
            Ok(output) => Some(output),
            Err(why) => {
                self.problems.push(format!("{what}: {why}"));
                None
            }
        }
    }

    fn compare(&mut self, what: &str, path: &Path, wanted: &[u8]) {
        match fs::read(path) {
            Ok(bytes) if bytes == wanted => {}
            Ok(bytes) => self.problems.push(format!(
                "{what}: {} bytes instead of {}, or others",
                bytes.len(),
                wanted.len()
            )),
            Err(e) => self.problems.push(format!("{what}: {}: {e}", path.display())),
        }
    }

    /// A place for a local file, in a directory of its own.
    fn local(&self, directory: &str, name: &str) -> PathBuf {
        let directory = self.lab.local(directory);
        fs::create_dir_all(&directory).expect("own directory");
        directory.join(name)
    }

    fn list(&mut self, job: Job) {
        let Some(output) = self.attempt("list", job) else { return };
        for name in ["plain.bin", "empty"] {
            if !output.contains(name) {
                self.problems.push(format!("list: no {name} in:\n{output}"));
            }
        }
    }

    fn downloads(&mut self, tool: &Tool) {
        for (number, name) in NAMES.into_iter().enumerate() {
            let local = self.local("got", name);
            if let Some(get) = tool.get {
                let what = format!("get {name}");
                if self.attempt(&what, get(&self.site, &local)).is_some() {
                    self.compare(&what, &local, &file(number));
                }
            }
        }
        if let Some(resume) = tool.resume_get {
            let local = self.local("resumed", NAMES[0]);
            fs::write(&local, &file(0)[..CUT]).expect("own file");
            self.attempt("resumed get", resume(&self.site, &local));
            self.compare("resumed get", &local, &file(0));
        }
    }

    fn uploads(&mut self, tool: &Tool) {
        for (number, name) in NAMES.into_iter().enumerate() {
            let local = self.local("put", &format!("sent {name}"));
            fs::write(&local, file(number)).expect("own file");
            if let Some(put) = tool.put {
                let what = format!("put {name}");
                if self.attempt(&what, put(&self.site, &local)).is_some() {
                    let stored = self.lab.home().join(format!("sent {name}"));
                    self.compare(&what, &stored, &file(number));
                }
            }
        }
        if let Some(append) = tool.append {
            let local = self.local("append", "log.bin");
            fs::write(&local, &file(0)[CUT..]).expect("own file");
            let stored = self.lab.serve("log.bin", &file(0)[..CUT]);
            self.attempt("append", append(&self.site, &local));
            self.compare("append", &stored, &file(0));
        }
        if let Some(resume) = tool.resume_put {
            let local = self.local("resume", "part.bin");
            fs::write(&local, file(0)).expect("own file");
            let stored = self.lab.serve("part.bin", &file(0)[..CUT]);
            self.attempt("resumed put", resume(&self.site, &local));
            self.compare("resumed put", &stored, &file(0));
        }
    }
}

/// Puts the files into the user's home.
pub(crate) fn serve_all(lab: &Lab) {
    for (number, name) in NAMES.into_iter().enumerate() {
        lab.serve(name, &file(number));
    }
}

/// Lists, downloads and uploads with everything the tool can do; returns what went wrong.
pub(crate) fn use_all(lab: &Lab, tool: &Tool, gateway: &Gateway) -> Vec<String> {
    let address = if tool.ipv6 { gateway.address6() } else { gateway.address() };
    use_all_at(lab, tool, address)
}

/// The same with what clients connect to.
pub(crate) fn use_all_at(lab: &Lab, tool: &Tool, address: SocketAddr) -> Vec<String> {
    let site = Site { lab, address, options: tool.options, scheme: tool.scheme };
    let mut exchange = Exchange { lab, site, problems: Vec::new() };
    if let Some(list) = tool.list {
        let job = list(&exchange.site);
        exchange.list(job);
    }
    exchange.downloads(tool);
    exchange.uploads(tool);
    exchange.problems
}

fn exchange(kind: Kind, tool: &Tool) {
    let lab = Lab::new();
    serve_all(&lab);
    let server = Server::start(&lab, kind);
    let upstream = if tool.ipv6 { server.address6() } else { server.address() };
    let gateway = Gateway::start(&lab, &Config::to(upstream));
    let problems = use_all(&lab, tool, &gateway);
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    gateway.stop();
}

macro_rules! matrix {
    ($($server:ident = $kind:ident),+) => { $(
        mod $server {
            use super::*;

            const SERVER: Kind = Kind::$kind;

            matrix! { @clients
                curl = tools::CURL,
                curl_pasv = tools::CURL.with(&["--disable-epsv"]),
                curl_eprt = tools::CURL.with(&["-P", "-"]),
                curl_port = tools::CURL.with(&["-P", "-", "--disable-eprt"]),
                curl_ipv6 = tools::CURL.over_ipv6(),
                lftp = tools::LFTP,
                lftp_pipelined = tools::LFTP.with(&["set ftp:sync-mode off"]),
                lftp_active = tools::LFTP.with(&["set ftp:passive-mode off"]),
                lftp_ipv6 = tools::LFTP.over_ipv6(),
                ncftp = tools::NCFTP,
                tnftp = tools::TNFTP,
                tnftp_ipv6 = tools::TNFTP.over_ipv6(),
                wget = tools::WGET,
                wget_ipv6 = tools::WGET.over_ipv6(),
                aria2 = tools::ARIA2,
                rclone = tools::RCLONE,
                ftplib = tools::FTPLIB,
                ftplib_ipv6 = tools::FTPLIB.over_ipv6(),
                busybox = tools::BUSYBOX
            }
        }
    )+ };
    (@clients $($client:ident = $tool:expr),+) => { $(
        #[test]
        fn $client() {
            exchange(SERVER, &$tool);
        }
    )+ };
}

matrix! {
    vsftpd = Vsftpd,
    proftpd = Proftpd,
    pure_ftpd = PureFtpd,
    inetutils = Inetutils,
    pyftpdlib = Pyftpdlib
}
