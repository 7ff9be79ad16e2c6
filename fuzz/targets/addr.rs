//! Addresses that parse are printed so that they parse as the same, and FEAT is edited once.
#![no_main]

use std::net::Ipv4Addr;

use ftpgate::ftp::addr::{
    EpsvArg, HostPort, eprt, epsv_reply, parse_eprt, pasv_reply, replace_address, scan_epsv_reply,
};
use ftpgate::ftp::feat::{FeatEditor, filtered};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    if let Ok(found) = HostPort::parse(text) {
        assert_eq!(HostPort::scan(text), Some(found));
    }
    if let Some(found) = HostPort::scan(text) {
        assert_eq!(HostPort::parse(found.to_string().as_bytes()), Ok(found));
        assert_eq!(HostPort::scan(pasv_reply(found).as_bytes()), Some(found));
    }
    let (inner, outer) = (Ipv4Addr::new(10, 0, 0, 5).into(), Ipv4Addr::new(203, 0, 113, 7).into());
    if let Some(replaced) = replace_address(text, inner, outer) {
        assert_eq!(replace_address(&replaced, inner, outer), None);
    }
    if let Ok(found) = parse_eprt(text) {
        assert!(found.port() != 0);
        assert_eq!(parse_eprt(eprt(found).to_string().as_bytes()), Ok(found));
        replace_address(text, found.ip(), found.ip());
    }
    if let Some(port) = scan_epsv_reply(text) {
        assert_eq!(scan_epsv_reply(epsv_reply(port).as_bytes()), Some(port));
    }
    EpsvArg::parse(text);
    let mut editor = FeatEditor::default();
    assert!(!editor.keep(text) || !editor.keep(text) || !filtered(text));
});
