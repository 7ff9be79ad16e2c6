//! One test's world: namespaces, a directory, the server's user and files.

use std::fs::{self, File, Permissions};
use std::io::{BufReader, BufWriter, Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::net::{SERVER, SERVER6, Topology};

pub(crate) const USER: &str = "ftp1";
pub(crate) const PASSWORD: &str = "secret1";
/// crypt(3) of the password.
const HASH: &str = "$6$ftpgate$/2G8O5W94HHLswzLD8B88Z4CEUVTC1wJOHztEZ.ghl8iZoncTYLa6S.305tBXu/Yz7hDKrAa7bmBMlT5hw9dl1";
const UID: u32 = 4001;
const ANONYMOUS: u32 = 4002;
const BLOCK: usize = 1 << 20;

/// Programs that `tests/setup.sh` installs.
const TOOLS: &[&str] = &[
    "ip",
    "nft",
    "ss",
    "setpriv",
    "timeout",
    "curl",
    "lftp",
    "ncftpget",
    "tnftp",
    "wget",
    "aria2c",
    "rclone",
    "busybox",
    "dput",
    "python3",
    "ftp-ssl",
    "openssl",
    "systemd-socket-activate",
    "pebble",
    "java",
    "javac",
    "filezilla",
    "Xvfb",
    "xdotool",
    "haproxy",
];

/// Namespaces and files of one test.
pub(crate) struct Lab {
    pub(crate) net: Topology,
    dir: TempDir,
}

impl Lab {
    pub(crate) fn new() -> Self {
        Self::on(Topology::new)
    }

    /// The client in a LAN, the server in the Internet, the gateway on the router in between.
    pub(crate) fn router() -> Self {
        Self::on(Topology::router)
    }

    fn on(net: impl FnOnce() -> Topology) -> Self {
        require();
        let dir = TempDir::with_prefix("ftpgate-e2e-").expect("temporary directory");
        // The servers enter it as another user.
        fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).expect("own directory");
        let new = Self { net: net(), dir };
        fs::create_dir(new.home()).expect("own directory");
        fs::create_dir(new.local("")).expect("own directory");
        own(&new.home());
        new.write_etc();
        new
    }

    /// A file or directory of the test itself.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The home of the server's user.
    pub(crate) fn home(&self) -> PathBuf {
        self.path("home")
    }

    /// A file on the client's side.
    pub(crate) fn local(&self, name: &str) -> PathBuf {
        self.path("client").join(name)
    }

    /// Puts a file into the user's home.
    pub(crate) fn serve(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.home().join(name);
        fs::write(&path, bytes).expect("served file");
        own(&path);
        path
    }

    /// Makes a directory one where anonymous users may write.
    pub(crate) fn give_to_anonymous(&self, path: &Path) {
        chown(path, Some(ANONYMOUS), Some(ANONYMOUS)).expect("chown");
    }

    /// Puts a large file there, every block of it different.
    pub(crate) fn serve_large(&self, name: &str, seed: u64, length: usize) -> PathBuf {
        let path = self.home().join(name);
        let mut block = content(seed, BLOCK);
        let mut file = BufWriter::new(File::create(&path).expect("served file"));
        for number in 0..length.div_ceil(BLOCK) {
            block[..8].copy_from_slice(&(number as u64).to_be_bytes());
            let rest = (length - number * BLOCK).min(BLOCK);
            file.write_all(&block[..rest]).expect("served file");
        }
        file.flush().expect("served file");
        own(&path);
        path
    }

    /// A command that runs in the client's namespace, with a home and a time limit of its own.
    pub(crate) fn client(&self, program: &str) -> Command {
        let mut command = self.net.client.command("timeout");
        command.args(["--signal", "KILL", "120"]);
        self.enter_etc(&mut command, "exec \"$@\"");
        command.arg(program).current_dir(self.local(""));
        command.env("HOME", self.local("")).env("LC_ALL", "C.UTF-8");
        command.env("XDG_CONFIG_HOME", self.local(".config"));
        command
    }

    /// Adds a shell that puts the test's /etc in place (in a mount namespace that must be its
    /// own already) and goes on with `then`, whose `"$@"` are the arguments still to come.
    pub(crate) fn enter_etc(&self, command: &mut Command, then: &str) {
        let mount = "etc=$1; shift; for f in passwd shadow group nsswitch.conf pam.d; do
            mount --bind \"$etc/$f\" \"/etc/$f\" || exit; done;";
        command.args(["sh", "-c", &format!("{mount} {then}"), "sh"]).arg(self.path("etc"));
    }

    /// The server's user, how to check the password, and no name but those in files.
    fn write_etc(&self) {
        let home = self.home();
        let home = home.display();
        let etc = self.path("etc");
        fs::create_dir_all(etc.join("pam.d")).expect("own directory");
        let files = [
            (
                "passwd",
                format!(
                    "root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/nonexistent:/bin/false\n\
                 ftp:x:{ANONYMOUS}:{ANONYMOUS}::{home}:/bin/false\n{USER}:x:{UID}:{UID}::{home}:/bin/sh\n"
                ),
            ),
            ("shadow", format!("{USER}:{HASH}:19000:0:99999:7:::\n")),
            (
                "group",
                format!("root:x:0:\nnogroup:x:65534:\nftp:x:{ANONYMOUS}:\n{USER}:x:{UID}:\n"),
            ),
            ("nsswitch.conf", "passwd: files\ngroup: files\nshadow: files\nhosts: files\n".into()),
            (
                "pam.d/ftp",
                "auth required pam_unix.so\naccount required pam_unix.so\n\
                session optional pam_permit.so\n"
                    .into(),
            ),
        ];
        for (name, text) in files {
            fs::write(etc.join(name), text).expect("own file");
        }
    }
}

/// The server's address in one of the families.
pub(crate) fn server_address(v6: bool, port: u16) -> SocketAddr {
    let ip: IpAddr = if v6 { SERVER6.into() } else { SERVER.into() };
    SocketAddr::new(ip, port)
}

/// Where `tests/setup.sh` unpacks the FTP servers.
pub(crate) fn peers() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers/root")
}

/// Fails, and says how to go on, where the suite cannot run.
fn require() {
    assert!(rustix::process::geteuid().is_root(), "the end-to-end suite must be run as root");
    let missing = |tool: &&str| {
        let path = std::env::var_os("PATH").unwrap_or_default();
        !std::env::split_paths(&path).any(|dir| dir.join(tool).exists())
    };
    let missing: Vec<_> = TOOLS.iter().copied().filter(missing).collect();
    assert!(missing.is_empty(), "run tests/setup.sh first: {missing:?} not found");
    assert!(peers().exists(), "run tests/setup.sh first: no FTP servers in {}", peers().display());
}

/// Gives a file to the server's user.
fn own(path: &Path) {
    chown(path, Some(UID), Some(UID)).expect("chown");
}

/// Bytes that look random and are the same for the same seed.
pub(crate) fn content(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        // SplitMix64
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bytes.extend_from_slice(&(z ^ (z >> 31)).to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// Fails unless two files hold the same bytes.
pub(crate) fn assert_same(a: &Path, b: &Path) {
    let open = |path: &Path| {
        let file = File::open(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let length = file.metadata().expect("length").len();
        (BufReader::with_capacity(BLOCK, file), length)
    };
    let ((mut first, length), (mut second, other)) = (open(a), open(b));
    assert_eq!(length, other, "lengths of {} and {}", a.display(), b.display());
    let (mut x, mut y) = (vec![0; BLOCK], vec![0; BLOCK]);
    let mut left = usize::try_from(length).expect("length");
    while left > 0 {
        let size = left.min(BLOCK);
        first.read_exact(&mut x[..size]).expect("read");
        second.read_exact(&mut y[..size]).expect("read");
        assert!(x[..size] == y[..size], "{} and {} differ", a.display(), b.display());
        left -= size;
    }
}
