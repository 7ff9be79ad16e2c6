//! The real FTP servers, each in the server's namespace, none of them installed.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;

use super::lab::{Lab, PASSWORD, USER, peers, server_address};
use super::net::{SERVER, SERVER6};
use super::process::Process;

/// A server program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Vsftpd,
    Proftpd,
    PureFtpd,
    Inetutils,
    Pyftpdlib,
}

/// A running server; killed with all its sessions when dropped.
pub(crate) struct Server {
    process: Process,
    port: u16,
}

impl Server {
    /// Any server, on port 21 of both families.
    pub(crate) fn start(lab: &Lab, kind: Kind) -> Self {
        match kind {
            Kind::Vsftpd => Self::vsftpd(lab, 21, ""),
            Kind::Proftpd => Self::proftpd(lab, ""),
            Kind::PureFtpd => Self::pure_ftpd(lab, &[]),
            Kind::Inetutils => inetutils(lab),
            Kind::Pyftpdlib => pyftpdlib(lab),
        }
    }

    /// vsftpd on some port, with lines added to its configuration.
    pub(crate) fn vsftpd(lab: &Lab, port: u16, more: &str) -> Self {
        let empty = lab.path("empty");
        fs::create_dir_all(&empty).expect("own directory");
        let text = format!(
            "listen=NO\nlisten_ipv6=YES\nlisten_port={port}\nbackground=NO\nanonymous_enable=NO\n\
             local_enable=YES\nwrite_enable=YES\nlocal_umask=022\npam_service_name=ftp\n\
             secure_chroot_dir={}\nchroot_local_user=YES\nallow_writeable_chroot=YES\n\
             xferlog_enable=NO\nconnect_from_port_20=YES\nmax_per_ip=0\nisolate_network=NO\n{more}",
            empty.display()
        );
        let config = lab.path(&format!("vsftpd-{port}.conf"));
        fs::write(&config, text).expect("own file");
        Self::spawn(
            lab,
            "vsftpd",
            port,
            &[
                &peers().join("usr/sbin/vsftpd").display().to_string(),
                &config.display().to_string(),
            ],
        )
    }

    /// ProFTPD, with lines added to its configuration.
    pub(crate) fn proftpd(lab: &Lab, more: &str) -> Self {
        let dir = lab.path("proftpd");
        fs::create_dir(&dir).expect("own directory");
        let dir = dir.display();
        let mut text = format!(
            "ServerName server\nServerType standalone\nDefaultAddress {SERVER} {SERVER6}\nPort 21\n\
             User nobody\nGroup nogroup\nPidFile {dir}/pid\nScoreboardFile {dir}/scoreboard\n\
             DelayTable {dir}/delay\nSystemLog {dir}/log\nTransferLog none\nWtmpLog off\n\
             UseReverseDNS off\nAuthOrder mod_auth_unix.c\nDefaultRoot ~\nAllowOverwrite on\n\
             AllowStoreRestart on\nDelayEngine off\nMaxInstances 300\n"
        );
        let _ = write!(text, "ModulePath {}\n{more}", peers().join("usr/lib/proftpd").display());
        let config = lab.path("proftpd.conf");
        fs::write(&config, text).expect("own file");
        let program = peers().join("usr/sbin/proftpd");
        Self::spawn(
            lab,
            "proftpd",
            21,
            &[
                &program.display().to_string(),
                "--nodaemon",
                "--config",
                &config.display().to_string(),
            ],
        )
    }

    /// Pure-FTPd, with options added.
    pub(crate) fn pure_ftpd(lab: &Lab, more: &[&str]) -> Self {
        let program = peers().join("usr/sbin/pure-ftpd").display().to_string();
        let pid = lab.path("pure-ftpd.pid").display().to_string();
        // Unix accounts, all in their homes, nobody anonymous, no names looked up, 300 sessions.
        let options = ["-l", "unix", "-A", "-E", "-H", "-c", "300", "-C", "300", "-g", &pid];
        Self::spawn(lab, "pure-ftpd", 21, &[&[program.as_str()], &options[..], more].concat())
    }

    pub(crate) fn address(&self) -> SocketAddr {
        server_address(false, self.port)
    }

    pub(crate) fn address6(&self) -> SocketAddr {
        server_address(true, self.port)
    }

    /// Ends it and all its sessions at once.
    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }

    /// Runs a server with the test's /etc, in mount and process namespaces of its own: what it
    /// forks dies with it. A shell stays the first process there: vsftpd gives up when it is
    /// handed the orphans of its own children.
    pub(crate) fn spawn(lab: &Lab, name: &str, port: u16, argv: &[&str]) -> Self {
        let mut command = lab.net.server.command("unshare");
        command.args(["--mount", "--pid", "--fork", "--kill-child=KILL", "--mount-proc"]);
        lab.enter_etc(&mut command, "\"$@\" & wait");
        command.args(argv).current_dir("/");
        let log = lab.path(&format!("{name}-{port}.log"));
        let mut process = Process::start(name, command, log);
        process.wait_for("it listens", |_| lab.net.server.listens(port).then_some(()));
        Self { process, port }
    }
}

fn inetutils(lab: &Lab) -> Server {
    let program = peers().join("usr/sbin/ftpd").display().to_string();
    let pid = lab.path("inetutils.pid");
    // As a daemon it goes to the background, so something else has to stay.
    let script = format!("{program} --daemon --pidfile={} && exec sleep infinity", pid.display());
    Server::spawn(lab, "inetutils-ftpd", 21, &["sh", "-c", &script])
}

fn pyftpdlib(lab: &Lab) -> Server {
    let script = lab.path("pyftpdlib_server.py");
    fs::write(&script, include_str!("pyftpdlib_server.py")).expect("own file");
    let (script, home) = (script.display().to_string(), lab.home().display().to_string());
    let (v4, v6) = (SERVER.to_string(), SERVER6.to_string());
    let argv = ["/usr/bin/python3", &script, &home, USER, PASSWORD, "4001", &v4, &v6];
    Server::spawn(lab, "pyftpdlib", 21, &argv)
}
