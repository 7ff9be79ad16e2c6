//! `load`: an FTP load generator and a null FTP server.
//!
//! One line of JSON on standard output for each run. See [`USAGE`].

mod args;
mod churn;
mod ftp;
mod idle;
mod kill;
mod link;
mod measure;
mod pass;
mod pattern;
mod ports;
mod report;
mod rng;
mod serve;
mod timed;
#[cfg_attr(not(feature = "tls"), path = "no_tls.rs")]
mod tls;
mod transfer;

use std::io;
use std::process::ExitCode;

use args::Args;

const USAGE: &str = "\
load COMMAND [--option value]...

measures, one session unless told otherwise; --at IP:PORT is the FTP server or the way to it
  get    --at A --bytes N [--sessions C] [--verify]   fetch zN, C at once
  put    --at A --bytes N [--sessions C] [--verify]   store it, C at once
  small  --at A --files N [--sessions C] [--bytes N] [--mode M]   many small files, PASV each
         [--beside S]   while S more sessions fetch large ones
  sess   --at A --seconds S [--sessions C]            connect, USER, PASS, QUIT, over and over
  noop   --at A --count N                             NOOP round trips
  idle   --at A --sessions N     hold N logged-in sessions until a line comes on standard input

soak
  churn  --at A --transfers N --lanes L [--sources IP,IP] [--per-session N] [--seed S]
  kill   --at A --rounds N --lanes L [--sources IP,IP] [--bound SECONDS] [--seed S]
  stats  --at A                  what a null server counted
  ports  --address IP --range A-B   exits with 1 unless every port can be listened on

peers
  serve  --at IP:PORT --ports A-B [--advertise IP]    the null server
  pass   --at IP:PORT --to IP:PORT   relays connections, with the least that this takes
  file   --bytes N               the contents of every file of N bytes, to standard output

modes: pasv epsv port eprt. --user NAME for a server that wants a certain one. The measures take --tls:
AUTH TLS and PROT P, each data connection resuming the control connection's session; built with
--features tls.";

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let command = words.next().unwrap_or_default();
    let outcome = Args::parse(words).and_then(|args| run(&command, args));
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("load {command}: {error}");
            ExitCode::from(2)
        }
    }
}

/// Whether everything that was asked for went well.
fn run(command: &str, args: Args) -> io::Result<bool> {
    raise_descriptor_limit();
    match command {
        "get" => measure::get(args),
        "put" => measure::put(args),
        "small" => measure::small(args),
        "sess" => measure::sess(args),
        "noop" => measure::noop(args),
        "idle" => idle::hold(args),
        "churn" => churn::run(args),
        "kill" => kill::run(args),
        "stats" => kill::stats(args),
        "ports" => ports::listen_on_all(args),
        "serve" => serve::run(args),
        "pass" => pass::run(args),
        "file" => pattern::print(args),
        _ => Err(io::Error::other(format!("no such command\n\n{USAGE}"))),
    }
}

fn raise_descriptor_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // What cannot be raised shows when it is used up.
    let _ = setrlimit(Resource::Nofile, limit);
}
