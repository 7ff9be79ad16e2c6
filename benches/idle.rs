//! What an idle session holds: `cargo bench --bench idle`.
//!
//! The gateway runs in a process of its own, which is this program again. Each figure is what
//! comes on top with more sessions, divided by their number: what the process holds anyway is not
//! in it. The parts are blocks of the heap as they were asked for; the process as a whole is what
//! the kernel says, the heap's own overhead included and the kernel's sockets not.

mod idle {
    pub(crate) mod ftp;
    pub(crate) mod profile;
}

use std::env;
use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;

use idle::ftp;
use idle::profile::{self, Held};
use rustix::process::{Resource, getrlimit, setrlimit};
use rustls::ClientConfig;
use tempfile::TempDir;
use tokio::net::TcpListener;

#[global_allocator]
static HEAP: dhat::Alloc = dhat::Alloc;

/// Where the gateway is to write down what its heap held.
const PROFILE: &str = "HEAP_PROFILE";
/// Sessions held.
const FEW: usize = 200;
const MANY: usize = 1200;
/// Descriptors of one here: the client's, and the server's.
const EACH: u64 = 2;

fn main() -> anyhow::Result<ExitCode> {
    if env::args().nth(1).is_some_and(|word| word == "run") {
        let file = env::var_os(PROFILE);
        let profiler = file.map(|file| {
            dhat::Profiler::builder().trim_backtraces(None).file_name(PathBuf::from(file)).build()
        });
        let code = ftpgate::cli::main();
        drop(profiler);
        return Ok(code);
    }
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit)?;
    anyhow::ensure!(limit.maximum.is_none_or(|most| most > 100 + EACH * MANY as u64), "ulimit -n");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    for tls in [false, true] {
        runtime.block_on(table(tls))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// One kind of session.
async fn table(tls: bool) -> anyhow::Result<()> {
    let house = House::new(tls).await?;
    let mut held = Vec::new();
    for sessions in [FEW, MANY] {
        let file = house.folder.path().join(format!("{sessions}.json"));
        let gateway = house.start(Some(&file)).await?;
        let clients = house.fill(sessions).await?;
        gateway.stop()?;
        drop(clients);
        held.push(profile::read(&file, part)?);
    }
    let gateway = house.start(None).await?;
    let mut clients = house.fill(FEW).await?;
    let before = gateway.resident()?;
    clients.extend(house.fill(MANY - FEW).await?);
    let process = (gateway.resident()? - before) / (MANY - FEW) as f64;
    gateway.stop()?;

    let mut out = std::io::stdout().lock();
    let kind = if tls { "under TLS towards the client" } else { "plain" };
    writeln!(out, "\nAn idle session, {kind}\n{:>8} {:>8}  part", "bytes", "blocks")?;
    let mut sum = 0.0;
    for (part, many) in &held[1] {
        let few = held[0].get(part).copied().unwrap_or_default();
        let each = |many: f64, few: f64| (many - few) / (MANY - FEW) as f64;
        let (bytes, blocks) = (each(many.bytes, few.bytes), each(many.blocks, few.blocks));
        if bytes >= 1.0 {
            writeln!(out, "{bytes:8.0} {blocks:8.2}  {part}")?;
            sum += bytes;
        }
    }
    writeln!(out, "{sum:8.0}           all parts\n{process:8.0}           the process grows by")?;
    Ok(())
}

/// What everything stands on: not what asks for memory.
const GROUND: [&str; 7] =
    ["alloc::", "backtrace::", "core::ops", "dhat", "__rust", "std::", "core::option"];

/// Which part asked for blocks: the first frame above the ground; and how large they are, where each
/// session has one.
fn part(frames: &[&str], held: Held) -> String {
    let names = frames.iter().map(|frame| frame.split_once(": ").map_or(*frame, |(_, name)| name));
    let mut known = names.filter(|name| !GROUND.iter().any(|ground| name.contains(ground)));
    let name = known.next().unwrap_or("?");
    let name = name.split_once(" (").map_or(name, |(name, _)| name);
    let size = held.bytes / held.blocks;
    if held.blocks < FEW as f64 / 2.0 { name.to_owned() } else { format!("{name}, {size:.0} each") }
}

/// A server, a configuration for a gateway in front of it.
struct House {
    folder: TempDir,
    config: PathBuf,
    gateway: SocketAddr,
    tls: Option<Arc<ClientConfig>>,
}

impl House {
    async fn new(tls: bool) -> anyhow::Result<Self> {
        let server = TcpListener::bind("127.0.0.1:0").await?;
        let upstream = server.local_addr()?;
        tokio::spawn(ftp::serve(server));
        let gateway = TcpListener::bind("127.0.0.1:0").await?.local_addr()?;
        let folder = tempfile::tempdir()?;
        let config = folder.path().join("ftpgate.toml");
        let (words, tls) = if tls { secured(folder.path())? } else { (String::new(), None) };
        fs::write(
            &config,
            format!(
                "[runtime]\nworkers = 1\n[[listener]]\nbind = \"{gateway}\"\n{words}\
                 [[upstream]]\naddress = \"{upstream}\"\n\
                 [limits]\nsessions_per_client = {MANY}\n"
            ),
        )?;
        Ok(Self { folder, config, gateway, tls })
    }

    async fn start(&self, profile: Option<&Path>) -> anyhow::Result<Gateway> {
        let mut command = Command::new(env::current_exe()?);
        command.args(["run", "-c"]).arg(&self.config);
        command.envs(profile.map(|file| (PROFILE, file)));
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let gateway = Gateway(child);
        ftp::up(self.gateway).await?;
        Ok(gateway)
    }

    async fn fill(&self, sessions: usize) -> anyhow::Result<Vec<Box<dyn ftp::Client>>> {
        let mut clients = Vec::new();
        for _ in 0..sessions {
            clients.push(ftp::log_in(self.gateway, self.tls.clone()).await?);
        }
        Ok(clients)
    }
}

/// The listener's words about TLS, and a client that believes its certificate.
fn secured(folder: &Path) -> anyhow::Result<(String, Option<Arc<ClientConfig>>)> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    let (cert, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    fs::write(&cert, made.cert.pem())?;
    fs::write(&key, made.signing_key.serialize_pem())?;
    let mut roots = rustls::RootCertStore::empty();
    roots.add(made.cert.der().clone())?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let words = format!("tls = {{ mode = \"optional\", cert = {cert:?}, key = {key:?} }}\n");
    Ok((words, Some(Arc::new(client))))
}

struct Gateway(Child);

impl Gateway {
    /// Its share of the machine's memory, bytes.
    fn resident(&self) -> anyhow::Result<f64> {
        let text = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.0.id()))?;
        let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
        let words = line.and_then(|line| line.split_whitespace().next());
        let kib: f64 = words.ok_or_else(|| anyhow::anyhow!("no Pss"))?.parse()?;
        Ok(kib * 1024.0)
    }

    fn stop(mut self) -> anyhow::Result<()> {
        let pid = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        self.0.wait()?;
        Ok(())
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
