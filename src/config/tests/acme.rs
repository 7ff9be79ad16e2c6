use std::path::Path;

use super::*;
use crate::tls::AcmeOptions;

fn listener(tls: &str) -> String {
    SMALL.replacen("[[upstream]]", &format!("tls = {{ {tls} }}\n[[upstream]]"), 1)
}

fn fetched(acme: &str) -> AcmeOptions {
    let text = listener(&format!("mode = \"required\", acme = {{ {acme} }}"));
    let tls = only(read(&text, &[])).tls.unwrap();
    let acme = tls.acme.unwrap();
    assert_eq!(tls.certificates, [acme.files()]);
    acme
}

#[test]
fn names_are_enough() {
    let acme = fetched("names = [\"FTP.example.org.\", \"192.0.2.1\"]");
    assert_eq!(acme.names, ["ftp.example.org", "192.0.2.1"]);
    assert_eq!(acme.directory, "https://acme-v02.api.letsencrypt.org/directory");
    assert_eq!((acme.ca.as_deref(), acme.contact.len()), (None, 0));
    assert_eq!(acme.dir, Path::new("/var/lib/ftpgate/acme"));
    assert_eq!(acme.http, ["0.0.0.0:80".parse().unwrap(), "[::]:80".parse().unwrap()]);
    assert_eq!(
        acme.files().chain,
        Path::new(
            "/var/lib/ftpgate/acme/acme-v02.api.letsencrypt.org_directory/ftp.example.org.pem"
        )
    );
}

#[test]
fn all_of_it_can_be_said() {
    let acme = fetched(
        "names = \"ftp.test\", contact = [\"mailto:a@b.test\", \"mailto:c@b.test\"], \
         directory = \"https://127.0.0.1:14000/dir\", ca = \"ca\", dir = \"d\", \
         http = \"127.0.0.1:8080\"",
    );
    assert_eq!(acme.names, ["ftp.test"]);
    assert_eq!(acme.contact, ["mailto:a@b.test", "mailto:c@b.test"]);
    assert_eq!(acme.directory, "https://127.0.0.1:14000/dir");
    assert_eq!(acme.ca.as_deref(), Some(Path::new("ca")));
    assert_eq!(acme.http, ["127.0.0.1:8080".parse().unwrap()]);
}

#[test]
fn it_may_come_by_variables() {
    let variables = [
        ("FTPGATE_LISTENER_0_TLS_MODE", "required"),
        ("FTPGATE_LISTENER_0_TLS_ACME_NAMES", "ftp.test,www.test"),
        ("FTPGATE_LISTENER_0_TLS_ACME_HTTP", "*:8080"),
    ];
    let acme = only(read(SMALL, &variables)).tls.unwrap().acme.unwrap();
    assert_eq!(acme.names, ["ftp.test", "www.test"]);
    assert_eq!(acme.http.len(), 2);
}

#[test]
fn others_may_stand_beside_it() {
    let more = "certificates = [{ cert = \"b\", key = \"b\" }]";
    let text = listener(&format!("mode = \"required\", acme = {{ names = [\"a.test\"] }}, {more}"));
    let tls = only(read(&text, &[])).tls.unwrap();
    let chains: Vec<_> = tls.certificates.iter().map(|files| files.chain.clone()).collect();
    assert_eq!(chains, [tls.acme.unwrap().files().chain, "b".into()]);
}

#[test]
fn where_there_is_no_tls_nothing_is_fetched() {
    let text = listener("mode = \"off\", acme = { names = [\"a.test\"] }");
    assert_eq!(only(read(&text, &[])).tls, None);
}

#[test]
fn where_the_tls_is_the_servers_it_means_nothing() {
    let text = listener("mode = \"passthrough\", acme = { names = [\"a.test\"] }");
    let text = text.replace("[[upstream]]", "[data]\npassthrough_ports = \"20000\"\n[[upstream]]");
    let (_, warnings) = read(&text, &[]).unwrap();
    let said: Vec<_> = warnings.iter().map(Problem::one_line).collect();
    assert!(said.iter().any(|line| line.contains("tls.acme: means nothing here")), "{said:?}");
}

#[test]
fn listeners_share_it_or_keep_apart() {
    let two = |first: &str, second: &str| {
        let one = |bind: &str, acme: &str| {
            format!(
                "[[listener]]\nbind = \"{bind}\"\n\
                 tls = {{ mode = \"required\", acme = {{ {acme} }} }}\n"
            )
        };
        let upstream = "[[upstream]]\naddress = \"ftp.internal\"\n";
        let text = [one("127.0.0.1:1", first), one("127.0.0.1:2", second), upstream.into()];
        read(&text.concat(), &[]).err().map(|problems| problems.to_string()).unwrap_or_default()
    };
    assert_eq!(two("names = [\"a.test\"]", "names = [\"a.test\"]"), "");
    assert_eq!(two("names = [\"a.test\"]", "names = [\"b.test\", \"a.test\"]"), "");
    let clash = two("names = [\"a.test\"]", "names = [\"a.test\", \"b.test\"]");
    assert!(clash.contains("each would overwrite the other's"), "{clash}");
    assert_eq!(two("names = [\"a.test\"]", "names = [\"a.test\", \"b.test\"], dir = \"d\""), "");
}
