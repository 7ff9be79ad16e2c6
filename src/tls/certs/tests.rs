use std::os::unix::fs::symlink;

use super::*;
use crate::tls::testing::{Authority, text};

#[track_caller]
fn fails(files: &CertificateFiles, label: &str, parts: &[&str]) {
    let error = load(files).unwrap_err();
    assert_eq!(error.label(), label, "{error}");
    for part in parts {
        assert!(error.to_string().contains(part), "{part:?} is not in: {error}");
    }
}

#[test]
fn each_fault_of_the_files_has_its_sentence() {
    let authority = Authority::new();
    let good = authority.issue("good", &["localhost"]);
    let other = authority.issue("other", &["localhost"]);
    load(&good).unwrap();
    let put = |name: &str, text: &str| {
        let file = authority.dir.path().join(name);
        std::fs::write(&file, text).unwrap();
        file
    };
    let chain = |chain| CertificateFiles { chain, key: good.key.clone() };
    let key = |key| CertificateFiles { chain: good.chain.clone(), key };
    let armour = |kind: &str, inner: &str| {
        format!("-----BEGIN {kind}-----\n{inner}\n-----END {kind}-----\n")
    };

    fails(&chain("/nowhere/x.pem".into()), "read", &["/nowhere/x.pem", "No such file"]);
    fails(&chain(authority.dir.path().into()), "read", &["Is a directory"]);
    fails(&chain(put("empty.pem", "")), "no-certificate", &["empty.pem", "must be PEM"]);
    let broken = put("broken.pem", &armour("CERTIFICATE", "AAAA"));
    fails(&chain(broken), "bad-certificate", &["broken.pem", "issue it anew"]);
    fails(&chain(put("half.pem", "-----BEGIN CERTIFICATE-----\nAA")), "bad-certificate", &[]);
    fails(&key(good.chain.clone()), "no-key", &["good.pem", "PKCS#8"]);
    let locked = put("locked.key", &armour("ENCRYPTED PRIVATE KEY", "AAAA"));
    fails(&key(locked), "encrypted-key", &["passphrase", "openssl pkey -in", "locked.key"]);
    let legacy = "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAA==\n-----END";
    fails(&key(put("legacy.key", legacy)), "encrypted-key", &[]);
    fails(&key(put("bad.key", &armour("PRIVATE KEY", "AAAA"))), "bad-key", &["bad.key"]);
    fails(&key(other.key.clone()), "mismatch", &["other.key", "good.pem", "own certificate first"]);
    // The issuer first: the usual slip.
    let wrong_order = text(&authority.ca_file()) + &text(&good.chain);
    fails(&chain(put("order.pem", &wrong_order)), "mismatch", &["order.pem"]);
}

#[test]
fn chain_and_key_may_share_a_file() {
    let authority = Authority::new();
    let good = authority.issue("good", &["localhost"]);
    let both = authority.dir.path().join("both.pem");
    let all = text(&good.key) + &text(&good.chain) + &text(&authority.ca_file());
    std::fs::write(&both, all).unwrap();
    let loaded = load(&CertificateFiles { chain: both.clone(), key: both }).unwrap();
    assert_eq!(loaded.cert.len(), 2);
}

#[test]
fn a_file_without_end_is_not_read_to_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("zero.pem");
    symlink("/dev/zero", &file).unwrap();
    let error = read(&file).unwrap_err();
    assert!(error.to_string().contains("longer than 1 MiB"), "{error}");
}

#[test]
fn a_subject_is_cut_at_its_bound() {
    let authority = Authority::new();
    let long = "x".repeat(100);
    let name = |end: &str| format!("{long}{end}");
    let files = authority.issue(&long, &[&name(".test")[50..]]);
    let key = load(&files).unwrap();
    let subject = subject(&key.cert[0]).unwrap();
    assert_eq!(subject, format!("CN={long}"));
    assert!(super::subject(&CertificateDer::from(vec![1, 2, 3])).is_none());
}
