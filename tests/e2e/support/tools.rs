//! The real FTP clients, each told in its own way to do the same few things.
//!
//! A file has the same name on both sides; a local file stands in a directory of its own.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use super::lab::{Lab, PASSWORD, USER};

/// rclone's own scrambling of the password.
const RCLONE_PASSWORD: &str = "VIhWqiPMjBEtv2ga1Yxp1b6Ox7LcW0I";

/// What a client talks to, and how.
pub(crate) struct Site<'a> {
    pub(crate) lab: &'a Lab,
    pub(crate) address: SocketAddr,
    /// Options of the tool, such as the one for active mode.
    pub(crate) options: &'static [&'static str],
    /// Of the URLs that it is given.
    pub(crate) scheme: &'static str,
}

/// A command and what it reads.
pub(crate) struct Job {
    pub(crate) command: Command,
    pub(crate) input: String,
}

impl From<Command> for Job {
    fn from(command: Command) -> Self {
        Self { command, input: String::new() }
    }
}

type List = fn(&Site) -> Job;
/// Moves one file; the path is the local one, its last part the name on the server.
type Move = fn(&Site, &Path) -> Job;

/// A client and what it can do.
#[derive(Clone, Copy)]
pub(crate) struct Tool {
    pub(crate) options: &'static [&'static str],
    /// From an IPv6 client to an IPv6 server, instead of IPv4.
    pub(crate) ipv6: bool,
    pub(crate) scheme: &'static str,
    pub(crate) list: Option<List>,
    pub(crate) get: Option<Move>,
    pub(crate) put: Option<Move>,
    pub(crate) append: Option<Move>,
    pub(crate) resume_get: Option<Move>,
    pub(crate) resume_put: Option<Move>,
    /// Ten times in one session: a listing, an upload, a download of that.
    pub(crate) series: Option<Move>,
}

const NONE: Tool = Tool {
    options: &[],
    ipv6: false,
    scheme: "ftp",
    list: None,
    get: None,
    put: None,
    append: None,
    resume_get: None,
    resume_put: None,
    series: None,
};

impl Tool {
    pub(crate) const fn with(self, options: &'static [&'static str]) -> Self {
        Self { options, ..self }
    }

    pub(crate) const fn over_ipv6(self) -> Self {
        Self { ipv6: true, ..self }
    }

    /// With URLs that ask for TLS; what that means differs.
    pub(crate) const fn ftps(self) -> Self {
        Self { scheme: "ftps", ..self }
    }
}

fn name(local: &Path) -> &str {
    local.file_name().and_then(|n| n.to_str()).expect("a name")
}

fn directory(local: &Path) -> &Path {
    local.parent().expect("a directory")
}

impl Site<'_> {
    fn host(&self) -> String {
        self.address.ip().to_string()
    }

    fn port(&self) -> String {
        self.address.port().to_string()
    }

    /// The URL of a file of the user, or of the home.
    fn url(&self, name: &str) -> String {
        let mut url = format!("{}://{}/", self.scheme, self.address);
        for byte in name.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' => {
                    url.push(byte.into())
                }
                _ => url.push_str(&format!("%{byte:02X}")),
            }
        }
        url
    }

    fn curl(&self, args: &[&str], path: &Path, url: &str) -> Job {
        let mut command = self.lab.client("curl");
        command.args(["-sS", "--globoff", "-u", &format!("{USER}:{PASSWORD}")]).args(self.options);
        command.args(args).arg(path).arg(url);
        command.into()
    }

    fn lftp(&self, script: &str) -> Job {
        let mut command = self.lab.client("lftp");
        let settings = self.options.join("; ");
        let script = format!(
            "set net:max-retries 1; set net:timeout 20; set cmd:fail-exit yes; {settings}; \
             open -u {USER},{PASSWORD} -p {} {}://{}; {script}",
            self.port(),
            self.scheme,
            self.host()
        );
        command.args(["-c", &script]);
        command.into()
    }

    fn ncftp(&self, program: &str, args: &[&str], rest: &[&Path]) -> Job {
        let mut command = self.lab.client(program);
        command.args(["-V", "-r", "0", "-t", "20", "-u", USER, "-p", PASSWORD, "-P", &self.port()]);
        command.args(self.options).args(args).arg(self.host()).args(rest);
        command.into()
    }

    fn tnftp(&self, local: &Path, script: &str) -> Job {
        let mut command = self.lab.client("tnftp");
        command.current_dir(directory(local)).args(["-n", "-i", "-v"]);
        command.args(self.options).args([self.host(), self.port()]);
        Job { command, input: format!("user {USER} {PASSWORD}\nbinary\n{script}\nbye\n") }
    }

    fn wget(&self, args: &[&str], output: &Path, name: &str) -> Job {
        let mut command = self.lab.client("wget");
        command.args(["-nv", "--tries=1", "--timeout=20", "--ftp-user", USER]);
        command.args(["--ftp-password", PASSWORD]).args(self.options).args(args);
        command.arg("-O").arg(output).arg(self.url(name));
        command.into()
    }

    fn aria2(&self, args: &[&str], local: &Path) -> Job {
        let mut command = self.lab.client("aria2c");
        command.args(["--no-conf", "--quiet", "--max-tries=1", "--timeout=20", "--ftp-user", USER]);
        command.args(["--ftp-passwd", PASSWORD, "--allow-overwrite=true"]).args(self.options);
        command.args(args).arg("--dir").arg(directory(local)).arg("--out").arg(name(local));
        command.arg(self.url(name(local)));
        command.into()
    }

    fn rclone(&self, verb: &str, paths: impl Fn(String) -> Vec<String>) -> Job {
        let mut command = self.lab.client("rclone");
        let (host, port) = (self.host(), self.port());
        let remote = format!(":ftp,host='{host}',port={port},user={USER},pass={RCLONE_PASSWORD}:");
        command.env("SSL_CERT_FILE", self.lab.path("ca.pem"));
        command.args(["--config", "/dev/null", "--retries", "1", "--low-level-retries", "1"]);
        command.args(self.options).arg(verb).args(paths(remote));
        command.into()
    }

    fn ftplib(&self, verb: &str, local: &Path) -> Job {
        let mut command = self.lab.client("/usr/bin/python3");
        command.args(["-", &self.host(), &self.port(), USER, PASSWORD, verb]).arg(local);
        Job { command, input: include_str!("ftplib_client.py").into() }
    }

    fn ftplib_tls(&self, verb: &str, local: &Path) -> Job {
        let mut command = self.lab.client("/usr/bin/python3");
        command.args(["-", &self.host(), &self.port(), USER, PASSWORD]).args(self.options);
        command.arg(verb).arg(local);
        Job { command, input: include_str!("ftplib_tls_client.py").into() }
    }

    fn ftp_ssl(&self, local: &Path, script: &str) -> Job {
        let mut command = self.lab.client("ftp-ssl");
        command.current_dir(directory(local)).args(["-n", "-i", "-v", "-z", "secure"]);
        command.args(["-z", "verify=1", "-z"]);
        command.arg(format!("cacert={}", self.lab.path("ca.pem").display()));
        command.args(self.options).args([self.host(), self.port()]);
        Job { command, input: format!("user {USER} {PASSWORD}\nbinary\n{script}\nbye\n") }
    }

    fn busybox(&self, applet: &str, args: &[&str], paths: [&Path; 2]) -> Job {
        let mut command = self.lab.client("busybox");
        command.args([applet, "-u", USER, "-p", PASSWORD, "-P", &self.port()]).args(self.options);
        command.args(args).arg(self.host()).args(paths);
        command.into()
    }
}

pub(crate) const CURL: Tool = Tool {
    list: Some(|s| s.curl(&["-o"], Path::new("-"), &s.url(""))),
    get: Some(|s, l| s.curl(&["-o"], l, &s.url(name(l)))),
    put: Some(|s, l| s.curl(&["-T"], l, &s.url(name(l)))),
    append: Some(|s, l| s.curl(&["--append", "-T"], l, &s.url(name(l)))),
    resume_get: Some(|s, l| s.curl(&["-C", "-", "-o"], l, &s.url(name(l)))),
    resume_put: Some(|s, l| s.curl(&["-C", "-", "-T"], l, &s.url(name(l)))),
    ..NONE
};

pub(crate) const LFTP: Tool = Tool {
    list: Some(|s| s.lftp("ls")),
    get: Some(|s, l| s.lftp(&format!("get \"{}\" -o \"{}\"", name(l), l.display()))),
    put: Some(|s, l| s.lftp(&format!("put \"{}\"", l.display()))),
    resume_get: Some(|s, l| s.lftp(&format!("get -c \"{}\" -o \"{}\"", name(l), l.display()))),
    resume_put: Some(|s, l| s.lftp(&format!("put -c \"{}\"", l.display()))),
    ..NONE
};

pub(crate) const NCFTP: Tool = Tool {
    list: Some(|s| {
        let mut command = s.lab.client("ncftpls");
        command.args(["-l", "-r", "0", "-t", "20", "-u", USER, "-p", PASSWORD, "-P", &s.port()]);
        command.args(s.options).arg(format!("ftp://{}/", s.host()));
        command.into()
    }),
    get: Some(|s, l| s.ncftp("ncftpget", &["-Z"], &[directory(l), Path::new(name(l))])),
    put: Some(|s, l| s.ncftp("ncftpput", &["-Z"], &[Path::new("."), l])),
    append: Some(|s, l| s.ncftp("ncftpput", &["-A"], &[Path::new("."), l])),
    resume_get: Some(|s, l| s.ncftp("ncftpget", &["-z"], &[directory(l), Path::new(name(l))])),
    // It asks to go on where the file ends and then sends all of it.
    resume_put: None,
    ..NONE
};

pub(crate) const TNFTP: Tool = Tool {
    list: Some(|s| s.tnftp(&s.lab.local("x"), "ls")),
    get: Some(|s, l| s.tnftp(l, &format!("get \"{0}\" \"{0}\"", name(l)))),
    put: Some(|s, l| s.tnftp(l, &format!("put \"{0}\" \"{0}\"", name(l)))),
    append: Some(|s, l| s.tnftp(l, &format!("append \"{0}\" \"{0}\"", name(l)))),
    resume_get: Some(|s, l| s.tnftp(l, &format!("reget \"{0}\" \"{0}\"", name(l)))),
    ..NONE
};

pub(crate) const WGET: Tool = Tool {
    list: Some(|s| s.wget(&[], Path::new("-"), "")),
    get: Some(|s, l| s.wget(&[], l, name(l))),
    resume_get: Some(|s, l| s.wget(&["-c"], l, name(l))),
    ..NONE
};

pub(crate) const ARIA2: Tool = Tool {
    get: Some(|s, l| s.aria2(&[], l)),
    resume_get: Some(|s, l| s.aria2(&["-c"], l)),
    ..NONE
};

pub(crate) const RCLONE: Tool = Tool {
    list: Some(|s| s.rclone("lsf", |remote| vec![remote])),
    get: Some(|s, l| s.rclone("copyto", |remote| vec![remote + name(l), l.display().to_string()])),
    put: Some(|s, l| s.rclone("copyto", |remote| vec![l.display().to_string(), remote + name(l)])),
    ..NONE
};

pub(crate) const FTPLIB: Tool = Tool {
    list: Some(|s| s.ftplib("list", Path::new(""))),
    get: Some(|s, l| s.ftplib("get", l)),
    put: Some(|s, l| s.ftplib("put", l)),
    append: Some(|s, l| s.ftplib("append", l)),
    resume_get: Some(|s, l| s.ftplib("resume-get", l)),
    resume_put: Some(|s, l| s.ftplib("resume-put", l)),
    ..NONE
};

/// Its options are how it is to do TLS: `reuse`, `fresh` (no connection resumes another),
/// `active`, `implicit`.
pub(crate) const FTPLIB_TLS: Tool = Tool {
    list: Some(|s| s.ftplib_tls("list", Path::new(""))),
    get: Some(|s, l| s.ftplib_tls("get", l)),
    put: Some(|s, l| s.ftplib_tls("put", l)),
    append: Some(|s, l| s.ftplib_tls("append", l)),
    resume_get: Some(|s, l| s.ftplib_tls("resume-get", l)),
    resume_put: Some(|s, l| s.ftplib_tls("resume-put", l)),
    series: Some(|s, l| s.ftplib_tls("series", l)),
    ..NONE
};

/// Netkit's ftp with TLS in it.
pub(crate) const FTP_SSL: Tool = Tool {
    list: Some(|s| s.ftp_ssl(&s.lab.local("x"), "ls")),
    get: Some(|s, l| s.ftp_ssl(l, &format!("get \"{0}\" \"{0}\"", name(l)))),
    put: Some(|s, l| s.ftp_ssl(l, &format!("put \"{0}\" \"{0}\"", name(l)))),
    append: Some(|s, l| s.ftp_ssl(l, &format!("append \"{0}\" \"{0}\"", name(l)))),
    ..NONE
};

pub(crate) const BUSYBOX: Tool = Tool {
    get: Some(|s, l| s.busybox("ftpget", &[], [l, Path::new(name(l))])),
    put: Some(|s, l| s.busybox("ftpput", &[], [Path::new(name(l)), l])),
    resume_get: Some(|s, l| s.busybox("ftpget", &["-c"], [l, Path::new(name(l))])),
    ..NONE
};
