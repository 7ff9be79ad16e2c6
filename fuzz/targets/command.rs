//! A line that is taken for a command is written as one line, and reads as the same command.
#![no_main]

use ftpgate::ftp::command::{Command, foreign_protocol};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|line: &[u8]| {
    foreign_protocol(line);
    let strict = Command::parse(line, false);
    let pairs = Command::parse(line, true);
    if strict.is_ok() {
        assert_eq!(pairs, strict);
    }
    let Ok(command) = pairs else { return };
    assert!((1..=16).contains(&command.name.len()));
    let mut written = Vec::new();
    command.write_to(&mut written);
    let text = written.strip_suffix(b"\r\n").unwrap();
    assert_eq!(Command::parse(text, true), Ok(command));
    let controls = text.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0));
    assert_eq!(controls, strict.is_err());
    assert!(!text.contains(&b'\n'));
});
