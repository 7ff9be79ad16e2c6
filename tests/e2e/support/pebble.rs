//! An ACME issuer for tests, on the client's side of the gateway.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::lab::Lab;
use super::net::{CLIENT, PUBLIC};
use super::pki::Pki;
use super::process::{Process, run};

/// A name that leads the issuer to the gateway.
pub(crate) const NAME: &str = "ftp.example.test";

/// A running pebble: it knows nobody when it starts, and forgets everything when it ends.
pub(crate) struct Pebble {
    process: Process,
    /// Trusts what it issues.
    root: PathBuf,
}

/// Where it is asked, and who signed its own certificate: keys of `acme`.
pub(crate) fn keys(pki: &Pki) -> String {
    format!("directory = \"https://{}/dir\", ca = \"{}\"", listens(14000), pki.ca().display())
}

fn listens(port: u16) -> SocketAddr {
    (CLIENT, port).into()
}

impl Pebble {
    /// It will look for answers at this port.
    pub(crate) fn start(lab: &Lab, pki: &Pki, http: u16) -> Self {
        let own = pki.issue("pebble", &[&CLIENT.to_string()]);
        let (listen, manage) = (listens(14000), listens(15000));
        let config = format!(
            r#"{{"pebble": {{"listenAddress": "{listen}", "managementListenAddress": "{manage}",
            "certificate": "{}", "privateKey": "{}", "httpPort": {http}, "tlsPort": 5001}}}}"#,
            own.chain.display(),
            own.key.display()
        );
        let file = lab.path("pebble.json");
        fs::write(&file, config).expect("own file");
        let hosts = lab.path("hosts");
        fs::write(&hosts, format!("127.0.0.1 localhost\n{PUBLIC} {NAME}\n")).expect("own file");
        let mut command = lab.net.client.command("sh");
        let enter = "mount --bind \"$1\" /etc/hosts && exec pebble -config \"$2\"";
        command.args(["-c", enter, "sh"]).arg(hosts).arg(file);
        // Its whims are for others to test: answers that come late, nonces that are refused, and
        // proofs that are remembered.
        for (name, value) in [("VA_NOSLEEP", "1"), ("WFE_NONCEREJECT", "0"), ("AUTHZREUSE", "0")] {
            command.env(format!("PEBBLE_{name}"), value);
        }
        let mut process = Process::start("pebble", command, lab.path("pebble.log"));
        // It says so before it does.
        let listening = || [listen, manage].iter().all(|at| lab.net.client.listens(at.port()));
        process.wait_for("it listens", |_| listening().then_some(()));
        let root = lab.path("pebble-root.pem");
        let mut curl = lab.net.client.command("curl");
        curl.args(["-sS", "--fail", "--cacert"]).arg(pki.ca()).arg("-o").arg(&root);
        curl.arg(format!("https://{manage}/roots/0"));
        run(curl, "").expect("its root certificate");
        Self { process, root }
    }

    /// The certificate behind all it issues.
    pub(crate) fn root(&self) -> &PathBuf {
        &self.root
    }

    /// How many certificates it has issued.
    pub(crate) fn issued(&self) -> usize {
        self.process.log().matches("Issued certificate serial").count()
    }
}
