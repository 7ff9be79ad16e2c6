//! `--name value` options, each taken once; what is left over is an error.

use std::collections::HashMap;
use std::fmt::Display;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

pub struct Args(HashMap<String, String>);

impl Args {
    pub fn parse(words: impl Iterator<Item = String>) -> io::Result<Self> {
        let mut words = words.peekable();
        let mut options = HashMap::new();
        while let Some(word) = words.next() {
            let Some(name) = word.strip_prefix("--") else {
                return Err(io::Error::other(format!("`{word}` is no option")));
            };
            let value = words.next_if(|next| !next.starts_with("--")).unwrap_or_default();
            options.insert(name.to_owned(), value);
        }
        Ok(Self(options))
    }

    /// The option, or the default.
    pub fn or<T>(&mut self, name: &str, default: T) -> io::Result<T>
    where
        T: FromStr<Err: Display>,
    {
        match self.0.remove(name) {
            None => Ok(default),
            Some(text) => text.parse().map_err(|e| bad(name, &text, e)),
        }
    }

    pub fn required<T>(&mut self, name: &str) -> io::Result<T>
    where
        T: FromStr<Err: Display>,
    {
        let text = self.0.remove(name);
        let text = text.ok_or_else(|| io::Error::other(format!("--{name} is missing")))?;
        text.parse().map_err(|e| bad(name, &text, e))
    }

    pub fn flag(&mut self, name: &str) -> bool {
        self.0.remove(name).is_some()
    }

    /// `--at`: where to connect to, or to listen.
    pub fn at(&mut self) -> io::Result<SocketAddr> {
        self.required("at")
    }

    /// `--sources`: addresses to connect from, one for each lane in turn; none: the kernel's choice.
    pub fn sources(&mut self) -> io::Result<Vec<IpAddr>> {
        let text: String = self.or("sources", String::new())?;
        let address = |t: &str| t.parse().map_err(|e| bad("sources", t, e));
        text.split(',').filter(|t| !t.is_empty()).map(address).collect()
    }

    /// `A-B`, both ends included.
    pub fn range(&mut self, name: &str) -> io::Result<(u16, u16)> {
        let text: String = self.required(name)?;
        let (first, last) = text.split_once('-').unwrap_or((&text, &text));
        let port = |t: &str| t.parse::<u16>().map_err(|e| bad(name, t, e));
        Ok((port(first)?, port(last)?))
    }

    /// Nothing may be left over.
    pub fn end(self) -> io::Result<()> {
        match self.0.into_keys().next() {
            None => Ok(()),
            Some(name) => Err(io::Error::other(format!("unknown option --{name}"))),
        }
    }
}

fn bad(name: &str, text: &str, error: impl Display) -> io::Error {
    io::Error::other(format!("--{name} {text}: {error}"))
}
