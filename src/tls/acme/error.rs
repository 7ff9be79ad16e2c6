//! Why there is no certificate: what happened, and what to do about it.

use std::error::Error as _;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use instant_acme::{Error, Problem};

/// What the types of RFC 8555 6.7 begin with.
const TYPE: &str = "urn:ietf:params:acme:error:";

/// Longest account of an issuer that is logged, characters.
const WORDS: usize = 500;

/// Why there is no certificate from the issuer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AcmeError {
    /// A file of ours cannot be read or written.
    #[error("cannot keep {}: {source}; ftpgate's user must own the folder", file.display())]
    Keep {
        /// The file.
        file: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The port for the issuer's request is not ours to have.
    #[error("cannot listen on {address} for the issuer: {source}; {}", port_remedy(source))]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the kernel said.
        source: io::Error,
    },
    /// There was no answer, or none that is ACME.
    #[error(
        "{directory} cannot be asked: {why}; is `directory` right, and may this machine connect to \
         it?"
    )]
    Unreachable {
        /// The directory.
        directory: String,
        /// What happened, to its cause.
        why: String,
    },
    /// The issuer says no.
    #[error("{directory} refuses: {why}; {}", refusal_remedy(kind))]
    Refused {
        /// The directory.
        directory: String,
        /// The type of RFC 8555 6.7, without what all have in common.
        kind: String,
        /// What it said.
        why: String,
    },
    /// The issuer does not find us behind a name.
    #[error("the issuer cannot verify {name}: {why}; {}", proof_remedy(kind, name, http))]
    NotVerified {
        /// The name.
        name: String,
        /// As in `Refused`.
        kind: String,
        /// What it said.
        why: String,
        /// Where we listen.
        http: String,
    },
    /// The issuer was too slow.
    #[error("the issuer did not finish the order in time; its status page may know why")]
    Timeout,
    /// What came from the issuer is not what was asked for.
    #[error("the certificate from the issuer cannot be used: {0}; ask the issuer")]
    Useless(String),
    /// A name is none.
    #[error("no certificate can be asked for: {0}; check the names")]
    Request(#[from] rcgen::Error),
}

impl AcmeError {
    pub(super) fn issuer(directory: &str, error: Error) -> Self {
        let directory = directory.to_owned();
        match error {
            Error::Timeout(_) => Self::Timeout,
            Error::Api(problem) => {
                Self::Refused { directory, kind: kind(&problem), why: words(&problem) }
            }
            error => {
                // The library's outermost words say no more than that it failed.
                let mut why = error.to_string();
                let mut cause = error.source();
                while let Some(deeper) = cause {
                    why = format!("{why}: {deeper}");
                    cause = deeper.source();
                }
                Self::Unreachable { directory, why }
            }
        }
    }

    pub(super) fn not_verified(name: String, problem: &Problem, http: &[SocketAddr]) -> Self {
        let http: Vec<_> = http.iter().map(SocketAddr::to_string).collect();
        let (kind, why) = (kind(problem), words(problem));
        Self::NotVerified { name, kind, why, http: http.join(" and ") }
    }

    /// It does not know who we are, or no longer.
    pub(super) fn is_unknown_account(&self) -> bool {
        matches!(self, Self::Refused { kind, .. } if kind == "accountDoesNotExist")
    }

    /// Asking again soon would make it worse.
    pub(crate) fn is_rate_limit(&self) -> bool {
        matches!(self, Self::Refused { kind, .. } if kind == "rateLimited")
    }

    /// Short and stable, for logs and metrics.
    pub(crate) fn label(&self) -> &'static str {
        match self {
            Self::Keep { .. } => "keep",
            Self::Listen { .. } => "listen",
            Self::Unreachable { .. } => "unreachable",
            Self::Refused { .. } if self.is_rate_limit() => "rate-limit",
            Self::Refused { .. } => "refused",
            Self::NotVerified { .. } => "not-verified",
            Self::Timeout => "timeout",
            Self::Useless(_) => "useless",
            Self::Request(_) => "names",
        }
    }
}

fn kind(problem: &Problem) -> String {
    let kind = problem.r#type.as_deref().unwrap_or_default();
    kind.strip_prefix(TYPE).unwrap_or(kind).to_owned()
}

/// The issuer's words on one line, cut at a bound.
fn words(problem: &Problem) -> String {
    let mut words = problem.detail.clone().unwrap_or_else(|| "without a reason".into());
    for part in &problem.subproblems {
        if let Some(detail) = &part.detail {
            words = format!("{words}; {detail}");
        }
    }
    words.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(WORDS).collect()
}

fn port_remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "who listens there (ss -ltnp shows it) can pass /.well-known/acme-challenge/ on to \
             another port of ours, named in `http`"
        }
        io::ErrorKind::PermissionDenied => {
            "ports below 1024 need CAP_NET_BIND_SERVICE: grant it, or set `http` to a port to which \
             80 is forwarded"
        }
        _ => "set `http` to an address of this machine to which port 80 of the names leads",
    }
}

fn refusal_remedy(kind: &str) -> &'static str {
    match kind {
        "rateLimited" => "it counts requests: wait, and try things out with its staging directory",
        "rejectedIdentifier" => "it certifies no such name: is it public, and spelt right?",
        "caa" => "the CAA record of the name must allow this issuer",
        "invalidContact" | "unsupportedContact" => {
            "set `contact` to \"mailto:\" and an address that takes mail"
        }
        "externalAccountRequired" => {
            "it wants an account made beforehand, which is not supported: take another issuer"
        }
        _ => "is it the right `directory`?",
    }
}

fn proof_remedy(kind: &str, name: &str, http: &str) -> String {
    match kind {
        "dns" => format!("{name} needs an A or AAAA record that leads to this machine"),
        "unauthorized" | "incorrectResponse" => format!(
            "somebody else answers at port 80 of {name}, who must leave \
             /.well-known/acme-challenge/ to {http}"
        ),
        "caa" => format!("the CAA record of {name} must allow this issuer"),
        _ => format!("{name} must lead here, and requests to port 80 of it must arrive at {http}"),
    }
}
