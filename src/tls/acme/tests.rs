use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;

use instant_acme::{Error, Problem};

use super::*;
use crate::tls::TlsServer;
use crate::tls::testing::{Authority, DAY, server_options};

fn options(authority: &Authority) -> AcmeOptions {
    AcmeOptions {
        directory: "https://127.0.0.1:1/dir".into(),
        ca: Some(authority.ca_file()),
        contact: Vec::new(),
        names: vec!["localhost".into(), "127.0.0.1".into()],
        dir: authority.dir.path().join("acme"),
        http: vec!["127.0.0.1:0".parse().unwrap()],
    }
}

/// Puts a pair where what is fetched goes.
fn store(acme: &Acme, issued: &CertificateFiles) {
    let text = |file| std::fs::read_to_string(file).unwrap();
    acme.keep(&acme.options.files().chain, &(text(&issued.key) + &text(&issued.chain))).unwrap();
}

fn now() -> u64 {
    UnixTime::now().as_secs()
}

#[test]
fn a_server_can_start_before_the_issuer_has_answered() {
    let authority = Authority::new();
    let acme = Acme::new(options(&authority));
    let files = acme.options.files();
    assert_eq!(acme.due().as_secs(), 0);
    assert!(acme.stand_in().unwrap());
    TlsServer::load(&server_options(vec![files.clone()])).unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&files.key), 0o600);
    assert_eq!(mode(&acme.options.folder()), 0o700);
    // It is for the time being.
    assert_eq!(acme.due().as_secs(), 0);
    let stands = std::fs::read(&files.chain).unwrap();
    assert!(!acme.stand_in().unwrap());
    assert_eq!(std::fs::read(&files.chain).unwrap(), stands);
}

#[test]
fn a_certificate_is_due_in_its_last_third_or_for_other_names() {
    let authority = Authority::new();
    let mut acme = Acme::new(options(&authority));
    // It lives for 200 days, of which 100 are left.
    store(&acme, &authority.issue("issued", &["localhost", "127.0.0.1"]));
    let due = (acme.due().as_secs() - now()).div_ceil(DAY.as_secs());
    assert_eq!(due, 34);
    assert!(!acme.stand_in().unwrap());
    acme.options.names.push("ftp.test".into());
    assert_eq!(acme.due().as_secs(), 0);
    // And yet it is the one to be shown until there is another.
    assert!(!acme.stand_in().unwrap());
}

#[test]
fn one_that_has_ended_is_due_and_still_better_than_nothing() {
    let authority = Authority::new();
    let acme = Acme::new(options(&authority));
    let ended = SystemTime::now() - DAY;
    store(&acme, &authority.issue_until("ended", &["localhost", "127.0.0.1"], ended));
    assert!(acme.due().as_secs() < now());
    assert!(!acme.stand_in().unwrap());
}

#[test]
fn what_is_no_certificate_is_replaced() {
    let authority = Authority::new();
    let acme = Acme::new(options(&authority));
    acme.keep(&acme.options.files().chain, "half a certifi").unwrap();
    assert_eq!(acme.due().as_secs(), 0);
    assert!(acme.stand_in().unwrap());
}

#[tokio::test]
async fn without_an_issuer_the_files_stay_as_they_are() {
    let authority = Authority::new();
    let acme = Acme::new(options(&authority));
    acme.stand_in().unwrap();
    let file = acme.options.files().chain;
    let before = std::fs::read(&file).unwrap();
    let error = acme.fetch().await.unwrap_err();
    assert_eq!(error.label(), "unreachable");
    let said = error.to_string();
    assert!(said.starts_with("https://127.0.0.1:1/dir cannot be asked: "), "{said}");
    assert!(said.contains("refused"), "{said}");
    assert_eq!(std::fs::read(&file).unwrap(), before);
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let authority = Authority::new();
    let acme = Acme::new(AcmeOptions { dir: authority.ca_file(), ..options(&authority) });
    let error = acme.stand_in().unwrap_err();
    assert_eq!(error.label(), "keep");
    assert!(error.to_string().contains("ca.pem/127.0.0.1_1_dir/localhost.pem"), "{error}");
    assert!(error.to_string().contains("ftpgate's user must own the folder"), "{error}");
}

#[test]
fn another_issuer_is_another_account_and_certificate() {
    let authority = Authority::new();
    let one = options(&authority);
    let other = AcmeOptions { directory: "https://127.0.0.1:2/../dir".into(), ..one.clone() };
    assert_eq!(one.folder(), one.dir.join("127.0.0.1_1_dir"));
    assert_eq!(other.folder(), one.dir.join("127.0.0.1_2_.._dir"));
    assert_ne!(one.files(), other.files());
}

#[test]
fn what_is_not_what_was_asked_for_replaces_nothing() {
    let authority = Authority::new();
    let acme = Acme::new(options(&authority));
    let all = ["localhost", "127.0.0.1"];
    store(&acme, &authority.issue("good", &all));
    let kept = std::fs::read(acme.options.files().chain).unwrap();
    let read = |files: &CertificateFiles| {
        let text = |file| std::fs::read_to_string(file).unwrap();
        text(&files.key) + &text(&files.chain)
    };
    let (other, less) = (authority.issue("other", &all), authority.issue("less", &["localhost"]));
    let crossed = CertificateFiles { chain: other.chain.clone(), key: less.key.clone() };
    for bad in ["<html>".to_owned(), read(&less), read(&crossed)] {
        let error = acme.adopt(&bad).unwrap_err();
        assert_eq!(error.label(), "useless", "{error}");
        assert_eq!(std::fs::read(acme.options.files().chain).unwrap(), kept);
    }
    acme.adopt(&read(&other)).unwrap();
    assert_eq!(std::fs::read_to_string(acme.options.files().chain).unwrap(), read(&other));
}

fn problem(kind: &str) -> Problem {
    Problem {
        r#type: Some(format!("urn:ietf:params:acme:error:{kind}")),
        detail: Some("words of the\nissuer".into()),
        status: Some(400),
        subproblems: Vec::new(),
    }
}

#[test]
fn what_the_issuer_says_comes_with_a_remedy() {
    let refused = |kind: &str| AcmeError::issuer("https://issuer/dir", Error::Api(problem(kind)));
    let error = refused("rateLimited");
    assert_eq!(
        error.to_string(),
        "https://issuer/dir refuses: words of the issuer; it counts requests: wait, and try things \
         out with its staging directory"
    );
    assert!(error.is_rate_limit());
    assert_eq!(error.label(), "rate-limit");
    assert!(refused("accountDoesNotExist").is_unknown_account());
    for (kind, remedy) in [
        ("caa", "the CAA record"),
        ("rejectedIdentifier", "is it public"),
        ("invalidContact", "mailto:"),
        ("externalAccountRequired", "another issuer"),
        ("serverInternal", "is it the right `directory`?"),
    ] {
        let error = refused(kind);
        assert!(error.to_string().contains(remedy), "{kind}: {error}");
        assert!(!error.is_rate_limit() && !error.is_unknown_account());
    }
}

#[test]
fn a_name_that_is_not_proven_says_where_to_look() {
    let http: Vec<SocketAddr> = vec!["0.0.0.0:80".parse().unwrap(), "[::]:80".parse().unwrap()];
    for (kind, remedy) in [
        ("connection", "requests to port 80 of it must arrive at 0.0.0.0:80 and [::]:80"),
        ("dns", "ftp.test needs an A or AAAA record"),
        ("unauthorized", "somebody else answers at port 80 of ftp.test"),
        ("caa", "the CAA record of ftp.test"),
    ] {
        let error = AcmeError::not_verified("ftp.test".into(), &problem(kind), &http);
        let said = error.to_string();
        assert!(said.starts_with("the issuer cannot verify ftp.test: words of the issuer; "));
        assert!(said.contains(remedy), "{kind}: {said}");
        assert_eq!(error.label(), "not-verified");
    }
}
