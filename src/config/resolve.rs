//! From sections to run form: the root, and what belongs to the whole process.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use tracing_subscriber::EnvFilter;

use super::door::{Door, Doors};
use super::item::{Item, Table};
use super::problem::Problem;
use super::read::Reader;
use super::section::Section;
use super::servers::Servers;
use super::settings::{DAY, Settings};
use super::suggest;
use super::types::{Config, Overrides, RuntimeOptions};
use super::value;
use crate::privileges::RunAs;
use crate::telemetry::options::{LogFormat, LogOptions};

/// How long a drain waits for transfers: what Kubernetes grants before it kills.
const SHUTDOWN: Duration = Duration::from_secs(30);

/// What the command line says, or the variables that stand for it.
#[derive(Debug, Default)]
pub(super) struct Flags {
    pub(super) listen: Option<Item>,
    pub(super) upstream: Option<Item>,
    pub(super) public: Option<Item>,
    pub(super) ports: Option<Item>,
    log: Option<Item>,
    log_format: Option<Item>,
}

impl Flags {
    fn new(reader: &Reader, overrides: &Overrides) -> Self {
        let flag =
            |name, variable, given: &Option<String>| reader.flag(name, variable, given.as_deref());
        let listen = (!overrides.listen.is_empty()).then(|| overrides.listen.join(","));
        Self {
            listen: flag("--listen", "FTPGATE_LISTEN", &listen),
            upstream: flag("--upstream", "FTPGATE_UPSTREAM", &overrides.upstream),
            public: flag("--public", "FTPGATE_PUBLIC_ADDRESS", &overrides.public),
            ports: flag("--ports", "FTPGATE_PORTS", &overrides.ports),
            log: flag("--log", "FTPGATE_LOG", &overrides.log),
            log_format: flag("--log-format", "FTPGATE_LOG_FORMAT", &overrides.log_format),
        }
    }
}

/// What a reading came to.
#[derive(Debug)]
pub(super) struct Reading {
    /// The doors that are right, with the places the checks point at.
    pub(super) doors: Vec<Door>,
    /// `None` when a part is wrong; why has been reported to the reader.
    pub(super) config: Option<Config>,
}

/// Reads everything.
pub(super) fn config(reader: &Reader, file: Option<Arc<Table>>, overrides: &Overrides) -> Reading {
    let flags = Flags::new(reader, overrides);
    let from_file = file.is_some();
    let mut root = Section::root(reader, file.unwrap_or_default());

    let mut base = Settings::default();
    let mut shutdown = SHUTDOWN;
    base.read(&mut root, &flags, |timeouts| {
        timeouts.set("shutdown", &mut shutdown, value::duration(Duration::ZERO..=DAY));
    });
    let log = log(root.section("log"), &flags);
    let runtime = runtime(root.section("runtime"));
    let servers = Servers::read(reader, &mut root, &flags);
    let doors =
        Doors { reader, flags: &flags, base: &base, servers: &servers }.read(&mut root, from_file);
    servers.finish(reader, &root);
    root.finish();

    let right = doors.iter().flatten().map(|door| door.config.clone()).collect::<Vec<_>>();
    let whole = !doors.is_empty() && right.len() == doors.len();
    let config = whole.then_some(Config { listeners: right, log, shutdown, runtime });
    Reading { doors: doors.into_iter().flatten().collect(), config }
}

fn log(mut s: Section<'_>, flags: &Flags) -> LogOptions {
    let mut log = LogOptions::default();
    s.overlay("level", flags.log.clone());
    s.overlay("format", flags.log_format.clone());
    s.set("format", &mut log.format, value::choice(FORMATS));
    s.set("level", &mut log.level, level);
    s.set("xferlog", &mut log.xferlog, |item| value::path(item).map(Some));
    s.finish();
    log
}

const FORMATS: &[(&str, LogFormat)] =
    &[("auto", LogFormat::Auto), ("text", LogFormat::Text), ("json", LogFormat::Json)];

const LEVELS: &[&str] = &["off", "error", "warn", "info", "debug", "trace"];

/// A level, or directives of tracing: `ftpgate=debug,warn`. A lone word that is no level would
/// be taken for a module of that name, and log nothing.
fn level(item: &Item) -> Result<String, Problem> {
    let text = item.text()?;
    let lone = text.bytes().all(|b| b.is_ascii_alphanumeric());
    if lone && !LEVELS.contains(&text.to_ascii_lowercase().as_str()) {
        let problem = item.problem("must be off, error, warn, info, debug or trace");
        return Err(match suggest::nearest(&text, LEVELS.iter().copied()) {
            Some(meant) => problem.remedy(format!("did you mean \"{meant}\"?")),
            None => problem,
        });
    }
    match EnvFilter::try_new(&text) {
        Ok(_) => Ok(text),
        Err(_) => Err(item
            .problem("not a log filter")
            .remedy("write a level, or directives such as \"ftpgate=debug,warn\"")),
    }
}

fn runtime(mut s: Section<'_>) -> RuntimeOptions {
    let workers = s.take("workers", value::integer::<usize>(1..=1024));
    let mut cpu_affinity = true;
    s.set("cpu_affinity", &mut cpu_affinity, Item::boolean);
    let user = s.take("user", account);
    let group = s.take("group", account);
    if let (None, Some(_), Some(place)) = (&user, &group, s.written("group")) {
        let problem = Problem::error("a group alone is nobody to run as").within(Some(&place));
        s.report("group", problem.remedy("name the user as well"));
    }
    s.finish();
    let run_as = user.map(|user| RunAs { user, group });
    let workers = workers.and_then(NonZeroUsize::new);
    RuntimeOptions { workers, cpu_affinity, run_as }
}

/// A user or a group, by name or number; whether there is one is seen at the start.
fn account(item: &Item) -> Result<String, Problem> {
    let text = match item.integer() {
        Ok(number) => number.to_string(),
        Err(_) => item.text()?,
    };
    let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.$@\\".contains(&b));
    if !plain || text.is_empty() || text.starts_with('-') {
        return Err(item.problem("not the name of an account").remedy("write \"ftpgate\""));
    }
    Ok(text)
}
