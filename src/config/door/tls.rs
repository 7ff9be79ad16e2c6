//! `tls` of a listener: what its clients may and must protect, and what we show them.

mod acme;

use std::net::SocketAddr;

use super::super::problem::{Place, Problem};
use super::super::protection::{self, DATA, END, VERSIONS};
use super::super::section::Section;
use super::super::server::Server;
use super::super::settings::Settings;
use super::super::value;
use crate::data::options::{DataTls, Reuse};
use crate::session::policy::ClientTls;
use crate::tls::{
    AcmeOptions, CertificateFiles, ClientCertificate, ServerTlsOptions, TlsVersions, UnknownSni,
};

const MODES: &[(&str, ClientTls)] = &[
    ("off", ClientTls::Off),
    ("optional", ClientTls::Optional),
    ("required", ClientTls::Required),
    ("implicit", ClientTls::Implicit),
    ("passthrough", ClientTls::Passthrough),
];

/// What has no meaning where the TLS is the server's.
const OURS: [&str; 11] = [
    "cert",
    "key",
    "certificates",
    "unknown_sni",
    "data",
    "reuse",
    "eof",
    "min",
    "max",
    "client_cert",
    "client_ca",
];

const REUSE: &[(&str, Reuse)] =
    &[("off", Reuse::Off), ("prefer", Reuse::Prefer), ("require", Reuse::Require)];

const CLIENT_CERT: &[(&str, ClientCertificate)] = &[
    ("off", ClientCertificate::Off),
    ("optional", ClientCertificate::Optional),
    ("required", ClientCertificate::Required),
];

const UNKNOWN_SNI: &[(&str, UnknownSni)] =
    &[("refuse", UnknownSni::Refuse), ("default", UnknownSni::Default)];

/// As read.
#[derive(Debug)]
pub(super) struct Protection {
    mode: ClientTls,
    /// Where the mode stands.
    place: Option<Place>,
    /// Data have to be protected.
    data: bool,
    reuse: Reuse,
    strict_end: bool,
    options: ServerTlsOptions,
}

impl Protection {
    /// Reads all of it. `silent`: a box that nobody knows of leaves AUTH to the server, if nothing
    /// else is said (P102).
    pub(super) fn read(mut s: Section<'_>, silent: bool) -> Self {
        let place = s.written("mode");
        let default = if silent { ClientTls::Passthrough } else { ClientTls::Off };
        let mode = protection::mode(&mut s, MODES, default);
        let acme = s.section("acme");
        let fetched = acme.is_given().then(|| acme.place().cloned());
        let options = options(&mut s, acme);
        let DataTls { mut reuse, mut strict_client_end, .. } = DataTls::default();
        let mut data = matches!(mode, ClientTls::Required | ClientTls::Implicit);
        s.set("data", &mut data, value::choice(DATA));
        s.set("reuse", &mut reuse, value::choice(REUSE));
        s.set("eof", &mut strict_client_end, value::choice(END));
        match mode {
            ClientTls::Off => {}
            ClientTls::Passthrough => useless(&mut s, fetched),
            _ if options.certificates.is_empty() && fetched.is_none() => {
                no_certificate(&mut s, place.as_ref());
            }
            _ => {}
        }
        if mode == ClientTls::Optional && data {
            let problem = Problem::warning(
                "clients without TLS can log in, and then every transfer of theirs is refused",
            );
            let problem = problem.within(s.written("data").as_ref());
            s.report("data", problem.remedy("mode = \"required\" tells them before the password"));
        }
        s.finish();
        Self { mode, place, data, reuse, strict_end: strict_client_end, options }
    }

    /// Complains about ports that are known for the other kind of TLS.
    pub(super) fn check_ports(&self, s: &Section<'_>, addresses: &[SocketAddr]) {
        if self.is_off() {
            return;
        }
        let implicit = self.mode == ClientTls::Implicit;
        let fits = if implicit { "required" } else { "implicit" };
        let mut ports = addresses.iter().map(SocketAddr::port);
        if let Some(reason) = ports.find_map(|port| protection::odd_port(implicit, port)) {
            let problem = Problem::warning(reason).within(self.place.as_ref());
            s.report("tls.mode", problem.remedy(format!("mode = \"{fits}\" is for this port")));
        }
    }

    /// No client of this listener is ever under TLS.
    pub(super) fn is_off(&self) -> bool {
        self.mode == ClientTls::Off
    }

    /// Whether AUTH can be the server's, and what has to be there for it.
    pub(super) fn check_passthrough(&self, s: &Section<'_>, server: &Server, settings: &Settings) {
        if self.mode != ClientTls::Passthrough {
            return;
        }
        let report = |problem: Problem, remedy: String| {
            s.report("tls.mode", problem.within(self.place.as_ref()).remedy(remedy));
        };
        if server.is_protected() {
            let reason = "AUTH cannot be the server's: our own connection to it is under TLS";
            let remedy = "leave out `tls` of the upstream, or choose another mode here";
            report(Problem::error(reason), remedy.into());
        } else if self.place.is_some() && settings.places.forwarded.is_none() {
            let reason = "clients can log in under TLS, but no data connection gets through: what \
                          the server says about its ports cannot be read";
            let remedy = "add [data] passthrough_ports = \"FIRST-LAST\", the passive range of \
                          the server";
            report(Problem::warning(reason), remedy.into());
        }
    }

    /// Gives a listener's settings what they have to know; what is left is for the handshakes.
    pub(super) fn instruct(self, settings: &mut Settings) -> Option<ServerTlsOptions> {
        settings.policy.tls.client = self.mode;
        if matches!(self.mode, ClientTls::Off | ClientTls::Passthrough) {
            return None;
        }
        settings.policy.tls.client_data = self.data;
        settings.data.tls.reuse = self.reuse;
        settings.data.tls.strict_client_end = self.strict_end;
        Some(self.options)
    }
}

/// What is said of our own TLS where there is none.
fn useless(s: &mut Section<'_>, acme: Option<Option<Place>>) {
    let written = OURS.map(|key| s.written(key).map(|place| (key, Some(place))));
    for (key, place) in written.into_iter().flatten().chain(acme.map(|place| ("acme", place))) {
        let problem = Problem::warning("means nothing here: this TLS is the server's");
        s.report(key, problem.within(place.as_ref()));
    }
}

fn no_certificate(s: &mut Section<'_>, place: Option<&Place>) {
    let named = ["cert", "key", "certificates"].map(|key| s.written(key));
    // One that is wrong has been reported.
    if named.iter().all(Option::is_none) {
        let problem = Problem::error("TLS towards clients needs a certificate").within(place);
        s.report(
            "cert",
            problem.remedy(
                "add cert = \"FILE\" and key = \"FILE\", or acme = { names = [\"NAME\"] }; for a first \
                 try: ftpgate cert self-signed",
            ),
        );
    }
}

fn options(s: &mut Section<'_>, acme: Section<'_>) -> ServerTlsOptions {
    let mut certificates: Vec<_> = protection::pair(s).into_iter().collect();
    let acme = fetched(s, acme);
    certificates.extend(acme.as_ref().map(AcmeOptions::files));
    if let Some(more) = s.tables("certificates", element) {
        certificates.extend(more);
    }
    let TlsVersions { mut min, mut max } = TlsVersions::default();
    s.set("min", &mut min, value::choice(VERSIONS));
    s.set("max", &mut max, value::choice(VERSIONS));
    if min > max {
        let place = s.written("min").or_else(|| s.written("max"));
        let problem = Problem::error(format!("`min` {min} is above `max` {max}"));
        s.report("min", problem.within(place.as_ref()));
    }
    let mut unknown_sni = UnknownSni::default();
    s.set("unknown_sni", &mut unknown_sni, value::choice(UNKNOWN_SNI));
    let client_ca = s.take("client_ca", value::path);
    let mut client_certificate = ClientCertificate::default();
    s.set("client_cert", &mut client_certificate, value::choice(CLIENT_CERT));
    client_certificates(s, client_certificate);
    let versions = TlsVersions { min, max };
    ServerTlsOptions { certificates, acme, client_ca, client_certificate, versions, unknown_sni }
}

/// A certificate that is fetched stands in the place of one that is named.
fn fetched(s: &mut Section<'_>, acme: Section<'_>) -> Option<AcmeOptions> {
    let named = s.written("cert").or_else(|| s.written("key")).filter(|_| acme.is_given());
    if let Some(named) = named {
        let problem = Problem::error("a certificate that is named and one that is fetched");
        let problem = match acme.place() {
            Some(place) => problem.at(&named).context(place, "fetched"),
            None => problem.at(&named),
        };
        let remedy = "keep one of them; others, for other names, go into `certificates`";
        s.report("cert", problem.remedy(remedy));
    }
    acme::read(acme)
}

/// One of `certificates`: both keys are needed.
fn element(s: &mut Section<'_>) -> Option<CertificateFiles> {
    if s.written("cert").is_none() && s.written("key").is_none() {
        s.missing("cert");
    }
    protection::pair(s)
}

/// Whether they are asked for, and whose are good, go together.
fn client_certificates(s: &mut Section<'_>, asked: ClientCertificate) {
    match (asked, s.written("client_ca")) {
        (ClientCertificate::Off, Some(place)) => {
            let problem = Problem::warning("no client is asked for a certificate").at(&place);
            let remedy = "add client_cert = \"required\" or \"optional\"";
            s.report("client_ca", problem.remedy(remedy));
        }
        (ClientCertificate::Optional | ClientCertificate::Required, None) => {
            let place = s.written("client_cert");
            let problem =
                Problem::error("client certificates are asked for, and nothing says whose");
            let remedy = "add client_ca = \"FILE\" with the issuers of client certificates";
            s.report("client_cert", problem.within(place.as_ref()).remedy(remedy));
        }
        _ => {}
    }
}
