use super::*;

/// What is left of a server's feature lines, and what is added.
fn edit(lines: &[&str]) -> (Vec<String>, Vec<&'static str>) {
    let mut editor = FeatEditor::default();
    let kept = lines.iter().filter(|line| editor.keep(line.as_bytes()));
    let kept = kept.map(|line| (*line).to_owned()).collect();
    (kept, editor.missing())
}

#[test]
fn vsftpd() {
    let (kept, missing) = edit(&[
        " AUTH TLS",
        " EPRT",
        " EPSV",
        " MDTM",
        " PASV",
        " PBSZ",
        " PROT",
        " REST STREAM",
        " SIZE",
        " TVFS",
        " UTF8",
    ]);
    assert_eq!(
        kept,
        [" EPRT", " EPSV", " MDTM", " PASV", " REST STREAM", " SIZE", " TVFS", " UTF8"]
    );
    assert!(missing.is_empty());
}

#[test]
fn proftpd_repeats_the_code() {
    let (kept, missing) = edit(&[
        "211-AUTH TLS",
        "211-CCC",
        "211-CLNT",
        "211-EPRT",
        "211-EPSV",
        "211-HOST",
        "211-LANG en-GB.UTF-8*",
        "211-MFF modify;UNIX.group;UNIX.mode;",
        "211-PBSZ",
        "211-PROT",
        "211-SITE COPY",
        "211-SSCN",
        "211-UTF8",
    ]);
    assert_eq!(
        kept,
        [
            "211-CLNT",
            "211-EPRT",
            "211-EPSV",
            "211-HOST",
            "211-LANG en-GB.UTF-8*",
            "211-MFF modify;UNIX.group;UNIX.mode;",
            "211-SITE COPY",
            "211-UTF8",
        ]
    );
    assert!(missing.is_empty());
}

#[test]
fn pure_ftpd_offers_what_we_do_not_carry() {
    let (kept, missing) = edit(&[
        " EPRT",
        " IDLE",
        " MDTM",
        " SIZE",
        " MFMT",
        " REST STREAM",
        " MLST type*;size*;sizd*;modify*;UNIX.mode*;UNIX.uid*;UNIX.gid*;unique*;",
        " MLSD",
        " AUTH TLS",
        " PBSZ",
        " PROT",
        " ESTA",
        " PASV",
        " EPSV",
        " SPSV",
        " ESTP",
    ]);
    assert_eq!(
        kept,
        [
            " EPRT",
            " IDLE",
            " MDTM",
            " SIZE",
            " MFMT",
            " REST STREAM",
            " MLST type*;size*;sizd*;modify*;UNIX.mode*;UNIX.uid*;UNIX.gid*;unique*;",
            " MLSD",
            " PASV",
            " EPSV",
        ]
    );
    assert!(missing.is_empty());
}

#[test]
fn old_filezilla_server_has_no_epsv_in_its_list() {
    let lines = [" MDTM", " REST STREAM", " SIZE", " MLST type*;size*;", " MLSD", " UTF8", " CLNT"];
    let (kept, missing) = edit(&lines);
    assert_eq!(kept, lines);
    assert_eq!(missing, ["EPSV", "EPRT"]);
}

#[test]
fn crushftp_and_ws_ftp() {
    let (kept, missing) = edit(&[
        " AUTH TLS",
        " AUTH SSL",
        " SSCN",
        " PBSZ",
        " PROT",
        " CCC",
        " CLNT",
        " EPSV",
        " MDTM YYYYMMDDHHMMSS[+-TZ];filename",
        " MODE Z",
        " LIST -Q",
        " SITE MD5",
        " XMD5",
    ]);
    assert_eq!(
        kept,
        [
            " CLNT",
            " EPSV",
            " MDTM YYYYMMDDHHMMSS[+-TZ];filename",
            " MODE Z",
            " LIST -Q",
            " SITE MD5",
            " XMD5",
        ]
    );
    assert_eq!(missing, ["EPRT"]);
    // Not indented, joined with semicolons, in small letters.
    let (kept, _) = edit(&["AUTH SSL;TLS-P;", "PROT C;P;", "PBSZ", "auth tls", "  prot", "XQUOTA"]);
    assert_eq!(kept, ["XQUOTA"]);
}

#[test]
fn blank_lines_pass_and_our_own_stand_once() {
    let (kept, missing) = edit(&["", " ", " EPSV", "epsv", " EPSV 1", "\tEPRT", " EPRT"]);
    assert_eq!(kept, ["", " ", " EPSV", "\tEPRT"]);
    assert!(missing.is_empty());
    assert_eq!(FeatEditor::default().missing(), ["EPSV", "EPRT"]);
}

#[test]
fn a_name_is_the_whole_word() {
    let lines = [" AUTHX", " PROTECT", " MICE", " EPSVX", " X-AUTH TLS", "\u{e4}AUTH", " 211-AUTH"];
    assert_eq!(edit(&lines).0, lines);
    assert_eq!(name(b" MLST type*;size*;"), b"MLST");
}

#[test]
fn options_of_what_the_server_never_hears_of() {
    for feature in ["EPSV", "epsv ALL", "EPRT", "PROT P", "AUTH", "sscn on", "LPSV", "ESTP"] {
        assert!(filtered(feature.as_bytes()), "{feature}");
    }
    for feature in ["UTF8 ON", "MLST type;", "MODE Z LEVEL 9", "HASH", "HOST", "PASV", "", "PROTX"]
    {
        assert!(!filtered(feature.as_bytes()), "{feature}");
    }
}
