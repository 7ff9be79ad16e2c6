use std::fs;
use std::time::Duration;

use super::*;
use crate::session::event::{Direction, Outcome, TransferReport};

fn record(verb: &str, path: &[u8]) -> TransferRecord {
    TransferRecord {
        verb: verb.into(),
        path: path.to_vec(),
        user: b"anna".to_vec(),
        direction: Direction::Download,
        binary: true,
        client_mode: "PASV",
        server_mode: "PASV",
        server_code: Some(226),
        client_code: 226,
        report: Some(TransferReport {
            outcome: Outcome::Delivered,
            downloaded: 1_048_576,
            uploaded: 512,
            client: Some(([192, 0, 2, 1], 40000).into()),
            server: Some(([10, 0, 0, 2], 50000).into()),
            closed_first: None,
            elapsed: Duration::from_millis(3900),
            strangers: 0,
            client_tls: None,
            server_tls: None,
        }),
    }
}

fn written(record: &TransferRecord, whole: bool) -> String {
    let now: Zoned = "2026-11-05T08:12:30[UTC]".parse().unwrap();
    let line = line(&now, "192.0.2.7".parse().unwrap(), record, whole).unwrap();
    String::from_utf8(line).unwrap()
}

#[test]
fn the_classic_form() {
    assert_eq!(
        written(&record("RETR", b"/pub/a.iso"), true),
        "Thu Nov  5 08:12:30 2026 3 192.0.2.7 1048576 /pub/a.iso b _ o r anna ftp 0 * c\n"
    );
    let mut upload = record("APPE", b"in.txt");
    upload.binary = false;
    upload.user = b"Anonymous".to_vec();
    assert_eq!(
        written(&upload, false),
        "Thu Nov  5 08:12:30 2026 3 192.0.2.7 512 in.txt a _ i a Anonymous ftp 0 * i\n"
    );
}

/// Whatever the names hold, there are 18 words: 5 of the time and 13 more fields.
#[test]
fn names_cannot_add_fields_or_lines() {
    let names: [&[u8]; 6] =
        [b"", b"a b.txt", b"x\r\nThu Nov 5", b"\xff\x80", "a\u{2003}b".as_bytes(), b"\x1b[0m\t"];
    for name in names {
        let line = written(&TransferRecord { user: name.to_vec(), ..record("STOU", name) }, true);
        assert_eq!(line.split_whitespace().count(), 18, "{line:?}");
        assert_eq!(line.matches('\n').count(), 1, "{line:?}");
        assert!(!line.trim_end().chars().any(char::is_control), "{line:?}");
    }
    assert!(written(&record("RETR", "Größe 1".as_bytes()), true).contains(" Größe_1 b "));
}

#[test]
fn at_least_one_second() {
    let mut quick = record("RETR", b"x");
    quick.report = quick.report.map(|r| TransferReport { elapsed: Duration::ZERO, ..r });
    assert!(written(&quick, true).contains(" 2026 1 192.0.2.7 "));
}

#[test]
fn listings_and_refusals_are_no_lines() {
    let client = "192.0.2.7".parse().unwrap();
    for verb in ["LIST", "NLST", "MLSD", "XFER"] {
        assert!(line(&Zoned::now(), client, &record(verb, b"x"), true).is_none(), "{verb}");
    }
    let refused = TransferRecord { report: None, ..record("RETR", b"x") };
    assert!(line(&Zoned::now(), client, &refused, false).is_none());
}

#[test]
fn lines_are_appended_to_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("xferlog");
    fs::write(&path, "before\n").unwrap();
    let log = Xferlog::open(path.clone()).unwrap();
    for name in ["one", "two"] {
        log.transfer("192.0.2.7".parse().unwrap(), &record("RETR", name.as_bytes()), true);
    }
    drop(log);
    let text = fs::read_to_string(&path).unwrap();
    let names: Vec<_> = text.lines().map(|l| l.split(' ').rev().nth(9).unwrap_or(l)).collect();
    assert_eq!(names, ["before", "one", "two"]);
}

#[test]
fn a_rotated_file_is_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let (path, old) = (folder.path().join("xferlog"), folder.path().join("xferlog.1"));
    let mut sink = Rotated { path: path.clone(), file: Some(append(&path).unwrap()) };
    sink.write(b"one\n").unwrap();
    fs::rename(&path, &old).unwrap();
    sink.write(b"two\n").unwrap();
    sink.write(b"three\n").unwrap();
    assert_eq!(fs::read_to_string(&old).unwrap(), "one\n");
    assert_eq!(fs::read_to_string(&path).unwrap(), "two\nthree\n");
    fs::remove_file(&path).unwrap();
    sink.write(b"four\n").unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "four\n");
    let mode = path.metadata().unwrap().mode();
    assert_eq!(mode & 0o007, 0, "{mode:o}");
}

/// A folder that goes away costs lines, and only as long as it is away.
#[test]
fn a_lost_folder_is_an_error_until_it_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("log");
    fs::create_dir(&inner).unwrap();
    let path = inner.join("xferlog");
    let mut sink = Rotated { path: path.clone(), file: Some(append(&path).unwrap()) };
    fs::remove_dir_all(&inner).unwrap();
    assert!(sink.write(b"lost\n").is_err());
    fs::create_dir(&inner).unwrap();
    sink.write(b"kept\n").unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "kept\n");
}

#[test]
fn an_unwritable_path_is_told_at_start() {
    assert!(Xferlog::open("/no/such/folder/xferlog".into()).is_err());
}
