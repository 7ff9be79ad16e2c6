use std::path::Path;
use std::time::Duration;

use super::super::item::Item;
use super::super::protection;
use super::*;
use crate::data::options::Reuse;
use crate::session::policy::{ClientTls, ServerTls};
use crate::tls::{ClientCertificate, TlsVersion, UnknownSni, Verify};

const PAIR: &str = "cert = \"c.pem\", key = \"k.pem\"";

/// A listener and an upstream with these.
fn both(listener: &str, upstream: &str) -> String {
    format!(
        "[[listener]]\nbind = \"127.0.0.1:2121\"\n{listener}\n\
         [[upstream]]\naddress = \"ftp.internal\"\n{upstream}\n"
    )
}

fn listener(tls: &str) -> String {
    both(&format!("tls = {{ {tls} }}"), "")
}

fn upstream(tls: &str) -> String {
    both("", &format!("tls = {{ {tls} }}"))
}

fn warnings(text: &str) -> Vec<String> {
    read(text, &[]).unwrap().1.iter().map(Problem::one_line).collect()
}

#[test]
fn without_a_word_there_is_no_tls() {
    let only = only(read(SMALL, &[]));
    assert_eq!((only.tls, only.upstream.tls), (None, None));
    assert_eq!(only.policy.tls.client, ClientTls::Off);
    assert_eq!(only.policy.tls.server, ServerTls::Off);
}

#[test]
fn what_a_listener_says_reaches_policy_data_and_handshakes() {
    let text = listener(&format!(
        "mode = \"implicit\", {PAIR}, certificates = [{{ cert = \"b\", key = \"b\" }}], \
         data = \"optional\", reuse = \"require\", min = \"1.3\", client_ca = \"ca\", \
         client_cert = \"optional\", unknown_sni = \"default\", eof = \"compat\""
    ));
    let only = only(read(&text, &[]));
    assert_eq!((only.policy.tls.client, only.policy.tls.client_data), (ClientTls::Implicit, false));
    assert_eq!(only.data.tls.reuse, Reuse::Require);
    assert!(!only.data.tls.strict_client_end);
    let tls = only.tls.unwrap();
    let chains: Vec<_> = tls.certificates.iter().map(|files| files.chain.as_path()).collect();
    assert_eq!(chains, [Path::new("c.pem"), Path::new("b")]);
    assert_eq!((tls.versions.min, tls.versions.max), (TlsVersion::V13, TlsVersion::V13));
    assert_eq!(tls.client_ca.as_deref(), Some(Path::new("ca")));
    assert_eq!(tls.client_certificate, ClientCertificate::Optional);
    assert_eq!(tls.unknown_sni, UnknownSni::Default);
}

#[test]
fn where_tls_is_required_data_are_too_unless_said_otherwise() {
    let data =
        |tls: &str| only(read(&listener(&format!("{tls}, {PAIR}")), &[])).policy.tls.client_data;
    assert!(data("mode = \"required\""));
    assert!(data("mode = \"implicit\""));
    assert!(!data("mode = \"optional\""));
    assert!(!data("mode = \"required\", data = \"optional\""));
}

#[test]
fn what_an_upstream_says_reaches_policy_data_and_handshakes() {
    let only = only(read(
        &upstream(
            "mode = \"auto\", ca = \"ca\", server_name = \"ftp.example\", cert = \"c\", \
             key = \"k\", max = \"1.3\", data = \"optional\", eof = \"strict\"",
        ),
        &[],
    ));
    assert_eq!((only.policy.tls.server, only.policy.tls.server_data), (ServerTls::Auto, false));
    assert!(only.data.tls.strict_server_end);
    let tls = only.upstream.tls.unwrap();
    assert_eq!(tls.verify, Verify::CaFile("ca".into()));
    assert_eq!(tls.server_name.as_deref(), Some("ftp.example"));
    assert_eq!(tls.certificate.unwrap().key, Path::new("k"));
    assert_eq!(tls.max, TlsVersion::V13);
}

#[test]
fn a_server_under_implicit_tls_listens_on_its_own_port() {
    let port = |mode: &str, written: &str| {
        let text = upstream(&format!("mode = \"{mode}\""));
        let text = text.replace("ftp.internal", &format!("ftp.internal{written}"));
        only(read(&text, &[])).upstream.address.unwrap().port
    };
    assert_eq!(port("implicit", ""), 990);
    assert_eq!(port("implicit", ":9990"), 9990);
    for mode in ["off", "explicit", "auto"] {
        assert_eq!(port(mode, ""), 21, "{mode}");
    }
}

#[test]
fn each_listener_has_the_protection_of_its_own_server() {
    let text = "[[listener]]\nbind = \"127.0.0.1:1\"\nupstream = \"a\"\n\
                [[listener]]\nbind = \"127.0.0.1:2\"\nupstream = \"b\"\n\
                [[upstream]]\nname = \"a\"\naddress = \"a\"\ntls = { mode = \"explicit\" }\n\
                [[upstream]]\nname = \"b\"\naddress = \"b\"\n";
    let (config, _) = read(text, &[]).unwrap();
    let modes: Vec<_> = config.listeners.iter().map(|l| l.policy.tls.server).collect();
    assert_eq!(modes, [ServerTls::Explicit, ServerTls::Off]);
    let verify = config.listeners[0].upstream.tls.as_ref().map(|tls| &tls.verify);
    assert_eq!(verify, Some(&Verify::System));
}

#[test]
fn one_wait_is_for_every_handshake() {
    let text = format!("{SMALL}[timeouts]\ntls = \"7s\"\n");
    let only = only(read(&text, &[]));
    let seven = Duration::from_secs(7);
    assert_eq!((only.policy.timeouts.tls, only.data.tls.handshake), (seven, seven));
}

#[test]
fn nobody_names_a_certificate_to_go_on_in_the_clear() {
    let missing = |text: &str, environment: &[(&str, &str)]| {
        let said = wrong(read(text, environment));
        said.len() == 1 && said[0].contains("`mode` is missing")
    };
    assert!(missing(&listener(PAIR), &[]));
    assert!(missing(&upstream("ca = \"ca.pem\""), &[]));
    let certificate = [
        ("FTPGATE_LISTENER_0_TLS_CERT", "c.pem"),
        ("FTPGATE_LISTENER_0_TLS_KEY", "k.pem"),
        ("FTPGATE_LISTENER_0_TLS_MODE", ""),
    ];
    assert!(missing(SMALL, &certificate));
    let blank = [("FTPGATE_LISTENER_0_TLS_CERT", " "), ("FTPGATE_LISTENER_0_TLS_MODE", "")];
    assert_eq!(only(read(SMALL, &blank)).tls, None);
    let off = listener(&format!("mode = \"off\", {PAIR}"));
    assert_eq!(only(read(&off, &[])).tls, None);
}

#[test]
fn a_certificate_may_come_by_variables() {
    let only = only(read(
        SMALL,
        &[
            ("FTPGATE_LISTENER_0_TLS_MODE", "required"),
            ("FTPGATE_LISTENER_0_TLS_CERT", "/run/c.pem"),
            ("FTPGATE_LISTENER_0_TLS_KEY", "/run/k.pem"),
            ("FTPGATE_UPSTREAM_0_TLS_MODE", "explicit"),
        ],
    ));
    assert_eq!(only.policy.tls.client, ClientTls::Required);
    assert_eq!(only.tls.unwrap().certificates.len(), 1);
    assert_eq!(only.policy.tls.server, ServerTls::Explicit);
}

#[test]
fn nothing_that_needs_a_certificate_goes_without() {
    for mode in ["optional", "required", "implicit"] {
        for tls in ["", ", cert = \"c\"", ", key = \"k\"", ", certificates = [{}]", ", cert = 1"] {
            let text = listener(&format!("mode = \"{mode}\"{tls}"));
            assert!(read(&text, &[]).is_err(), "{text}");
        }
    }
    let blank = [("FTPGATE_LISTENER_0_TLS_KEY", "")];
    assert!(read(&listener("mode = \"required\", cert = \"c\""), &blank).is_err());
    let more = "mode = \"required\", certificates = [{ cert = \"b\", key = \"b\" }]";
    assert_eq!(only(read(&listener(more), &[])).tls.unwrap().certificates.len(), 1);
}

#[test]
fn a_fingerprint_is_64_digits() {
    let fingerprint = |text: &str| protection::fingerprint(&Item::variable("FTPGATE_X", text)).ok();
    let digits = "00ff".repeat(16);
    assert_eq!(fingerprint(&digits).unwrap()[..3], [0, 255, 0]);
    let colons = ["0A"; 32].join(":");
    assert_eq!(fingerprint(&colons), Some([10; 32]));
    for text in ["", "00", &digits[1..], &format!("{digits}00"), &digits.replace("00f", "00g")] {
        assert_eq!(fingerprint(text), None, "{text}");
    }
    assert_eq!(fingerprint(&"é".repeat(32)), None);
}

#[test]
fn a_server_proves_itself_in_one_way() {
    let pin = "00".repeat(32);
    let errors = |tls: &str| {
        let text = upstream(&format!("mode = \"explicit\", {tls}"));
        read(&text, &[]).err().map_or(0, |problems| problems.iter().count())
    };
    assert_eq!(errors("ca = \"ca\", verify = \"on\""), 0);
    assert_eq!(errors(&format!("fingerprint = \"{pin}\"")), 0);
    assert_eq!(errors(&format!("ca = \"ca\", fingerprint = \"{pin}\"")), 1);
    assert_eq!(errors("ca = \"ca\", verify = \"off\""), 1);
    assert_eq!(errors(&format!("verify = \"off\", fingerprint = \"{pin}\"")), 1);
    assert_eq!(errors("server_name = \"ftp.example:21\""), 1);
    assert_eq!(errors("server_name = \"192.0.2.7\""), 0);
}

#[test]
fn believing_everybody_is_a_warning() {
    let off = warnings(&upstream("mode = \"explicit\", verify = \"off\""));
    assert_eq!(off.len(), 1);
    assert!(off[0].contains("whoever answers in the server's place is believed"), "{off:?}");
    assert_eq!(warnings(&upstream("mode = \"off\", verify = \"off\"")).len(), 0);
}

#[test]
fn a_port_of_the_other_kind_is_a_warning() {
    let server = |mode: &str, port: u16| {
        let client = format!("tls = {{ mode = \"optional\", {PAIR} }}");
        let text = both(&client, &format!("tls = {{ mode = \"{mode}\" }}"));
        warnings(&text.replace("internal", &format!("internal:{port}"))).len()
    };
    let client = |mode: &str, port: u16| {
        let text = listener(&format!("mode = \"{mode}\", {PAIR}"));
        warnings(&text.replace("2121", &port.to_string())).len()
    };
    for (mode, on_21, on_990) in
        [("explicit", 0, 1), ("auto", 0, 1), ("same", 0, 1), ("implicit", 1, 0), ("off", 0, 0)]
    {
        assert_eq!((server(mode, 21), server(mode, 990)), (on_21, on_990), "{mode}");
        assert_eq!(server(mode, 2121), 0, "{mode}");
    }
    for (mode, on_21, on_990) in
        [("optional", 0, 1), ("required", 0, 1), ("implicit", 1, 0), ("off", 0, 0)]
    {
        assert_eq!((client(mode, 21), client(mode, 990)), (on_21, on_990), "{mode}");
    }
}

#[test]
fn settings_that_work_against_each_other_are_a_warning() {
    let listener = |tls: &str| warnings(&listener(&format!("{PAIR}, {tls}"))).len();
    assert_eq!(listener("mode = \"optional\", data = \"required\""), 1);
    assert_eq!(listener("mode = \"required\", data = \"required\""), 0);
    assert_eq!(listener("mode = \"required\", data = \"optional\""), 0);
    assert_eq!(listener("mode = \"required\", client_ca = \"ca\""), 1);
    let same = "tls = { mode = \"same\" }";
    assert_eq!(warnings(&both("", same)).len(), 1);
    let on = format!("tls = {{ mode = \"optional\", {PAIR} }}");
    assert_eq!(warnings(&both(&on, same)).len(), 0);
}

#[test]
fn a_box_that_nobody_knows_of_leaves_auth_to_the_server() {
    let policy = "[policy]\nrfc6384 = \"on\"\n";
    let (config, warnings) = read(&(both("", "") + policy), &[]).unwrap();
    assert_eq!(config.listeners[0].policy.tls.client, ClientTls::Passthrough);
    assert_eq!(warnings, []);
    let said = only(read(&(listener("mode = \"off\"") + policy), &[]));
    assert_eq!(said.policy.tls.client, ClientTls::Off);
    // Our own TLS with the server leaves none for the client.
    let ours = only(read(&(upstream("mode = \"explicit\"") + policy), &[]));
    assert_eq!(ours.policy.tls.client, ClientTls::Off);
    let transparent = "[[listener]]\nbind = \"127.0.0.1:2121\"\nmode = \"redirect\"\n\
                       destinations = [\"192.0.2.0/24\"]\n";
    assert_eq!(only(read(transparent, &[])).policy.tls.client, ClientTls::Passthrough);
}

#[test]
fn ports_lead_to_the_server_where_its_tls_does() {
    let data = "[data]\npassthrough_ports = \"50000-50010\"\n";
    let passed = only(read(&(listener("mode = \"passthrough\"") + data), &[]));
    assert_eq!(passed.mirrored().map(|range| (range.first, range.last)), Some((50000, 50010)));
    assert_eq!(passed.tls, None);
    assert_eq!(only(read(&(both("", "") + data), &[])).mirrored(), None);
}

#[test]
fn a_translators_ports_wait_long_enough() {
    let short =
        both("", "") + "[policy]\nrfc6384 = \"strict\"\n[timeouts]\ndata_accept = \"29s\"\n";
    let [warning] = &warnings(&short)[..] else { panic!("one warning") };
    assert!(warning.contains("30s"), "{warning}");
    assert_eq!(warnings(&short.replace("29s", "30s")), [""; 0]);
}
