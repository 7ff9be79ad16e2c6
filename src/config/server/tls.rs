//! `tls` of an upstream: whether its connections are protected, and how it proves who it is.

use rustls_pki_types::ServerName;

use super::super::item::Item;
use super::super::problem::{Place, Problem};
use super::super::protection::{self, DATA, END, VERSIONS};
use super::super::section::Section;
use super::super::settings::Settings;
use super::super::value;
use crate::data::options::DataTls;
use crate::session::policy::{ServerTls, TlsPolicy};
use crate::tls::{ClientTlsOptions, Verify};
use crate::upstream::options::HostPort;

const MODES: &[(&str, ServerTls)] = &[
    ("off", ServerTls::Off),
    ("explicit", ServerTls::Explicit),
    ("implicit", ServerTls::Implicit),
    ("auto", ServerTls::Auto),
    ("same", ServerTls::Same),
];

const CHECKED: &[(&str, bool)] = &[("on", true), ("off", false)];

/// As read.
#[derive(Debug)]
pub(super) struct Protection {
    mode: ServerTls,
    /// Where the mode stands.
    place: Option<Place>,
    /// Data have to be protected.
    data: bool,
    strict_end: bool,
    options: ClientTlsOptions,
}

impl Protection {
    /// In clear.
    pub(super) fn none() -> Self {
        let TlsPolicy { server: mode, server_data: data, .. } = TlsPolicy::default();
        let strict_end = DataTls::default().strict_server_end;
        Self { mode, place: None, data, strict_end, options: ClientTlsOptions::default() }
    }

    /// Reads all of it.
    pub(super) fn read(mut s: Section<'_>) -> Self {
        let place = s.written("mode");
        let mode = protection::mode(&mut s, MODES, ServerTls::Off);
        let ClientTlsOptions { mut max, .. } = ClientTlsOptions::default();
        let verify = verify(&mut s, mode != ServerTls::Off);
        let server_name = s.take("server_name", server_name);
        let certificate = protection::pair(&mut s);
        s.set("max", &mut max, value::choice(VERSIONS));
        let mut data = TlsPolicy::default().server_data;
        s.set("data", &mut data, value::choice(DATA));
        let mut strict_end = DataTls::default().strict_server_end;
        s.set("eof", &mut strict_end, value::choice(END));
        s.finish();
        let options = ClientTlsOptions { verify, server_name, certificate, max };
        Self { mode, place, data, strict_end, options }
    }

    /// Where the server listens when nothing is said.
    pub(super) fn port(&self) -> u16 {
        if self.mode == ServerTls::Implicit { protection::IMPLICIT } else { protection::EXPLICIT }
    }

    /// Complains about a port that is known for the other kind of TLS.
    pub(super) fn check_port(&self, s: &Section<'_>, address: &HostPort) {
        if let Some(problem) = odd_port(self.mode, address.port) {
            s.report("tls.mode", problem.within(self.place.as_ref()));
        }
    }

    /// Gives a listener's settings what depends on the server behind it.
    pub(super) fn instruct(&self, settings: &mut Settings) {
        settings.policy.tls.server = self.mode;
        settings.policy.tls.server_data = self.data;
        settings.data.tls.strict_server_end = self.strict_end;
    }

    /// What is left is for the handshakes.
    pub(super) fn options(&self) -> Option<ClientTlsOptions> {
        (self.mode != ServerTls::Off).then(|| self.options.clone())
    }

    /// Where it says that a certificate is verified by the server's name, and does not say which.
    pub(super) fn wants_name(&self) -> Option<Option<&Place>> {
        let by_name = matches!(self.options.verify, Verify::System | Verify::CaFile(_));
        let nameless = by_name && self.options.server_name.is_none();
        (nameless && self.mode != ServerTls::Off).then_some(self.place.as_ref())
    }

    /// Where it says that the server is protected when the client is.
    pub(super) fn follows_client(&self) -> Option<Option<&Place>> {
        (self.mode == ServerTls::Same).then_some(self.place.as_ref())
    }
}

fn odd_port(mode: ServerTls, port: u16) -> Option<Problem> {
    let (implicit, fits) = match mode {
        ServerTls::Implicit => (true, "explicit"),
        ServerTls::Explicit | ServerTls::Auto | ServerTls::Same => (false, "implicit"),
        ServerTls::Off => return None,
    };
    let problem = Problem::warning(protection::odd_port(implicit, port)?);
    Some(problem.remedy(format!("mode = \"{fits}\" is for this port")))
}

/// How the server proves who it is: one way, not two.
fn verify(s: &mut Section<'_>, matters: bool) -> Verify {
    let ca = s.take("ca", value::path);
    let fingerprint = s.take("fingerprint", protection::fingerprint);
    let checked = s.take("verify", value::choice(CHECKED)).unwrap_or(true);
    let named = [("ca", s.written("ca")), ("fingerprint", s.written("fingerprint"))];
    if let [(_, Some(ca)), (_, Some(fingerprint))] = &named {
        let problem = Problem::error("a fingerprint and an issuer: only one of them can decide");
        s.report(
            "fingerprint",
            problem
                .at(fingerprint)
                .context(ca, "the issuer")
                .remedy("keep `ca` for every certificate it issues, `fingerprint` for exactly one"),
        );
    }
    let off = s.written("verify").filter(|_| !checked);
    match (&off, named.iter().find_map(|(key, place)| place.as_ref().map(|place| (key, place)))) {
        (Some(off), Some((key, place))) => {
            let problem =
                Problem::error(format!("nothing is verified, so `{key}` would not count"));
            let problem = problem.at(off).context(place, "this");
            s.report("verify", problem.remedy(format!("leave out `verify`, or `{key}`")));
        }
        (Some(off), None) if matters => s.report(
            "verify",
            Problem::warning(
                "whoever answers in the server's place is believed, and can read and change \
                 passwords and files",
            )
            .at(off)
            .remedy("pin the certificate: `ftpgate check` shows the line with its fingerprint"),
        ),
        _ => {}
    }
    match (fingerprint, ca) {
        _ if !checked => Verify::Off,
        (Some(fingerprint), _) => Verify::Fingerprint(fingerprint),
        (None, Some(file)) => Verify::CaFile(file),
        (None, None) => Verify::System,
    }
}

/// A name or an address, as it stands in a certificate.
fn server_name(item: &Item) -> Result<String, Problem> {
    let text = item.text()?;
    match ServerName::try_from(text.as_str()) {
        Ok(_) => Ok(text),
        Err(_) => Err(item
            .problem("neither a host name nor an address")
            .remedy("write it as it stands in the server's certificate, without a port")),
    }
}
