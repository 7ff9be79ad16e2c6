//! The user to run as: names and numbers, its groups.

use std::ffi::CString;

use nix::unistd::{Gid, Group, Uid, User};

/// `[runtime] user` and `group`, as configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RunAs {
    /// A name, or a number.
    pub(crate) user: String,
    /// The same; `None` is the user's own.
    pub(crate) group: Option<String>,
}

/// A user of this machine.
#[derive(Debug)]
pub(crate) struct Account {
    /// As configured.
    pub(crate) name: String,
    pub(super) uid: Uid,
    pub(super) gid: Gid,
    /// The name by which its further groups are found; a bare number has none.
    pub(super) member: Option<CString>,
}

/// Why there is nobody to run as.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AccountError {
    /// No such user, or group.
    #[error("runtime.{key} is {name:?}: there is none of this name here; make it ({make} {name})")]
    Unknown {
        /// `user` or `group`.
        key: &'static str,
        /// As configured.
        name: String,
        /// The program that makes one.
        make: &'static str,
    },
    /// A number that stands for no user, without a group.
    #[error("runtime.user is the number {0}, which no user has: name runtime.group as well")]
    NoGroup(String),
    /// Root is who we are already.
    #[error("runtime.user is {0:?}, which is root: name a user without privileges")]
    Root(String),
    /// The user database cannot be read.
    #[error("cannot look up runtime.{key} {name:?}: {error}")]
    Lookup {
        /// `user` or `group`.
        key: &'static str,
        /// As configured.
        name: String,
        /// What was said.
        error: nix::Error,
    },
}

impl Account {
    /// Whether it is the one that we run as.
    pub(crate) fn is_ours(&self) -> bool {
        self.uid == Uid::effective()
    }

    /// Looks it up.
    ///
    /// # Errors
    /// There is none, or it is root's.
    pub(crate) fn find(run_as: &RunAs) -> Result<Self, AccountError> {
        let name = &run_as.user;
        let lookup = |error| AccountError::Lookup { key: "user", name: name.clone(), error };
        let number = name.parse().ok().map(Uid::from_raw);
        let user = match number {
            Some(uid) => User::from_uid(uid),
            None => User::from_name(name),
        };
        let user = user.map_err(lookup)?;
        let group = run_as.group.as_deref().map(group).transpose()?;
        let (uid, own) = match (&user, number) {
            (Some(user), _) => (user.uid, Some(user.gid)),
            (None, Some(uid)) => (uid, None),
            (None, None) => {
                let (key, make) = ("user", "useradd --system");
                return Err(AccountError::Unknown { key, name: name.clone(), make });
            }
        };
        if uid.is_root() {
            return Err(AccountError::Root(name.clone()));
        }
        let gid = group.or(own).ok_or_else(|| AccountError::NoGroup(name.clone()))?;
        let member = user.and_then(|user| CString::new(user.name).ok());
        Ok(Self { name: name.clone(), uid, gid, member })
    }
}

fn group(name: &str) -> Result<Gid, AccountError> {
    if let Ok(number) = name.parse() {
        return Ok(Gid::from_raw(number));
    }
    let lookup = |error| AccountError::Lookup { key: "group", name: name.to_owned(), error };
    let found = Group::from_name(name).map_err(lookup)?;
    found.map(|group| group.gid).ok_or_else(|| {
        let (key, make) = ("group", "groupadd --system");
        AccountError::Unknown { key, name: name.to_owned(), make }
    })
}
