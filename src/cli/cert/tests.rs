use std::os::unix::fs::PermissionsExt as _;

use super::*;

fn names(name: &str) -> Vec<String> {
    vec![name.to_owned()]
}

#[test]
fn a_wildcard_is_a_name_and_nonsense_is_not() {
    assert!(make(&names("*.example.org")).is_ok());
    let error = make(&names("ftp example")).unwrap_err();
    assert!(error.to_string().contains("\"ftp example\" is not a host name"), "{error}");
}

#[test]
fn only_the_owner_reads_the_key() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("tls");
    let (certificate, key) = write(&out, "certificate", "key").unwrap();
    let mode = fs::metadata(&key).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(fs::read_to_string(certificate).unwrap(), "certificate");
    assert_eq!(fs::read_to_string(key).unwrap(), "key");
}

#[test]
fn nothing_is_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("cert.pem"), "mine").unwrap();
    let error = write(dir.path(), "certificate", "key").unwrap_err();
    assert!(format!("{error:#}").contains("cert.pem"), "{error:#}");
    assert_eq!(fs::read_to_string(dir.path().join("cert.pem")).unwrap(), "mine");
    assert!(!dir.path().join("key.pem").exists());
}
