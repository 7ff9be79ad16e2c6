//! `ftpgate demo`, the first thing that anybody runs, from its first line to its end.

#![cfg(feature = "demo")]
#![allow(clippy::unwrap_used, reason = "a test may stop at once")]

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

/// Killed when the test fails.
struct Demo(Child);

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn it_tells_its_story_and_leaves_nothing_behind() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ftpgate"));
        let child = command.arg("demo").stdout(Stdio::piped()).spawn().unwrap();
        let mut demo = Demo(child);
        let mut story = String::new();
        let mut out = BufReader::new(demo.0.stdout.take().unwrap());
        while !story.contains("Ctrl-C ends it.") {
            assert!(out.read_line(&mut story).unwrap() > 0, "{story}");
        }
        assert!(
            story.contains("the server says  227 Entering Passive Mode (172,17,0,2,"),
            "{story}"
        );
        assert!(
            story.contains("ftpgate says     227 Entering Passive Mode (127,0,0,1,"),
            "{story}"
        );
        assert_eq!(story.matches("sha256").count(), 4, "{story}");
        let folder = story.split_once("files are in ").unwrap().1.split_once(" and").unwrap().0;
        let folder = PathBuf::from(folder);
        assert!(folder.is_dir());
        let pid = Pid::from_raw(i32::try_from(demo.0.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
        assert!(demo.0.wait().unwrap().success(), "{signal:?}");
        assert!(!folder.exists(), "{signal:?}");
    }
}
