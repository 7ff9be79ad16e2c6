//! What the operator is shown: the self-check, and what stands in the log before the first client.

use std::fs;

use crate::support::gateway::{Config, Gateway, told};
use crate::support::lab::Lab;
use crate::support::mock::{Mock, polite};
use crate::support::net::PUBLIC;
use crate::support::process::{Process, eventually, run};

/// `ftpgate check` on the gateway's machine: what it said, and whether it was content.
fn check(lab: &Lab, config: &Config) -> (String, bool) {
    match told(lab, "check", &config.toml()) {
        Ok(said) => (said, true),
        Err(said) => (said, false),
    }
}

fn has(said: &str, line: &str) {
    assert!(said.lines().any(|l| l.starts_with(line)), "no {line:?} in:\n{said}");
}

#[test]
fn a_machine_on_which_it_would_work() {
    let lab = Lab::new();
    let mock = Mock::start(&lab, polite);
    let log = lab.path("xferlog");
    let section = format!("[log]\nxferlog = \"{}\"\n", log.display());
    let (said, content) = check(&lab, &Config::to(mock.address()).section(&section));
    assert!(content, "{said}");
    has(&said, &format!("ok    log.xferlog: {} can be written", log.display()));
    assert!(!log.exists());
    has(&said, "ok    configuration: 1 listener(s)");
    has(&said, &format!("ok    public: {PUBLIC}:21 can be bound"));
    has(&said, "ok    public: client data ports 60000-60010 on 203.0.113.1: all can be bound");
    has(&said, &format!("ok    public: clients are told {PUBLIC} (rule address)"));
    has(&said, "ok    public: server 10.0.0.2:21 answers: 220 Mock ready");
    assert!(!said.contains("server data ports"), "the server is never let in:\n{said}");
}

/// Everything only the machine can tell, all of it in one go.
#[test]
fn a_machine_on_which_it_would_not() {
    let lab = Lab::new();
    let mock = Mock::start(&lab, |_| "");
    let gateway = &lab.net.gateway;
    let _control = gateway.listen((PUBLIC, 21).into()).expect("listen");
    let _data = gateway.listen((PUBLIC, 60004).into()).expect("listen");
    let down = std::net::SocketAddr::new(mock.address().ip(), 2100);
    let config = Config::to(down).upstream("data = \"active\"");
    let config =
        config.advertise("rules = [{ clients = \"10.8.0.0/16\", address = \"no.such.name\" }]");
    let config = config.section("[log]\nxferlog = \"/nowhere/xferlog\"\n");
    let (said, content) = check(&lab, &config);
    assert!(!content, "{said}");
    has(&said, "warn  log.xferlog: /nowhere/xferlog cannot be written by this user now: No such");
    has(&said, &format!("FAIL  public: {PUBLIC}:21 cannot be bound: Address already in use"));
    has(
        &said,
        "warn  public: client data ports 60000-60010 on 203.0.113.1: 1 cannot be bound (60004)",
    );
    has(&said, "ok    public: server data ports 11000-11999 on 0.0.0.0: all can be bound");
    has(&said, "FAIL  public: the advertised name no.such.name has not resolved");
    has(&said, "FAIL  public: clients in 10.8.0.0/16 get 425 for PASV");
    has(&said, "FAIL  public: server 10.0.0.2:2100: cannot connect to 10.0.0.2:2100");
}

/// The reason is told once, with what to do about it.
#[test]
fn an_address_that_is_taken() {
    let lab = Lab::new();
    let _control = lab.net.gateway.listen((PUBLIC, 21).into()).expect("listen");
    let mut command = lab.net.gateway.command(env!("CARGO_BIN_EXE_ftpgate"));
    command.args(["run", "--upstream", "10.0.0.2", "--listen", &format!("{PUBLIC}:21")]);
    let said = run(command, "").expect_err("it cannot start");
    assert_eq!(said.matches("Address already in use").count(), 1, "{said}");
    assert!(said.contains("another program listens there (ss -ltnp shows which)"), "{said}");
}

/// With ever fewer descriptors it serves, or says that it cannot and fails: never neither.
#[test]
fn too_few_descriptors_to_start() {
    let lab = Lab::new();
    let mock = Mock::start(&lab, polite);
    let file = lab.path("ftpgate.toml");
    let config = Config::to(mock.address()).section("[runtime]\nworkers = 1\n");
    fs::write(&file, config.toml()).expect("own file");
    let (mut served, mut without_worker) = (0, 0);
    for limit in 6..30 {
        let mut command = lab.net.gateway.command("prlimit");
        command.arg(format!("--nofile={limit}")).arg(env!("CARGO_BIN_EXE_ftpgate"));
        command.args(["run", "-c"]).arg(&file);
        let mut process = Process::start("ftpgate", command, lab.path("ftpgate.log"));
        let failed = eventually("it serves or ends", || {
            let ready = process.log().contains("\"ready\"").then_some(None);
            process.ended().map(Some).or(ready)
        });
        match failed {
            Some(status) => {
                let log = process.log();
                assert!(
                    !status.success(),
                    "{limit} descriptors: success, and nothing done:\n{log}"
                );
                without_worker += usize::from(log.contains("ftpgate: no worker can be started"));
            }
            None => served += 1,
        }
    }
    assert!(served > 0 && without_worker > 0, "{served}, {without_worker}");
}

/// The ports to open, on both sides, and what clients are told of them.
#[test]
fn ports_to_open() {
    let lab = Lab::new();
    let mock = Mock::start(&lab, polite);
    let config = Config::to(mock.address()).upstream("data = \"same\"");
    let config = config.section("[listener.data]\nexpose = \"40000-40010\"\navoid = [60003]\n");
    let log = Gateway::start(&lab, &config).stop();
    for line in [
        "for clients: 21 and data ports 60000-60010 without 60003 (told as 40000-40010)",
        "for the server: data ports 11000-11999\"",
    ] {
        assert!(log.contains(line), "no {line:?} in:\n{log}");
    }
}
