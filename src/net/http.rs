//! One small HTTP/1.1 exchange with a machine beside us: a cloud's metadata, a router's UPnP.
//!
//! Nothing is looked up, no proxy is asked and no redirect followed: the address is given. The
//! answer is bounded in size and in time, and its parser is pure.

use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::socket;

/// A whole answer: a router's description of itself has some 20 KB.
const ANSWER_LIMIT: usize = 64 * 1024;
/// What is read at a time.
const CHUNK: usize = 4096;

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request<'a> {
    /// `GET`, `PUT`, `POST`.
    pub(crate) method: &'static str,
    /// What goes into the field `Host`.
    pub(crate) host: &'a str,
    /// From its first slash on.
    pub(crate) path: &'a str,
    /// Further fields.
    pub(crate) fields: &'a [(&'a str, &'a str)],
    /// Sent with its length; may be empty.
    pub(crate) body: &'a str,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Response {
    /// As `200`.
    pub(crate) status: u16,
    fields: Vec<(String, String)>,
    /// Bytes that are not UTF-8 are replaced.
    pub(crate) body: String,
}

impl Response {
    /// The first field of that name.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let found = self.fields.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

/// Asks `to` and waits for the whole answer, for `wait` at most.
///
/// # Errors
/// What the network says, [`io::ErrorKind::TimedOut`], or an answer that is not HTTP or too long.
pub(crate) async fn exchange(
    to: SocketAddr,
    request: &Request<'_>,
    wait: Duration,
) -> io::Result<Response> {
    let request = request.to_bytes()?;
    let exchange = async {
        let mut stream = socket::connect(to, None, wait).await?;
        stream.write_all(&request).await?;
        let mut answer = Vec::new();
        loop {
            let ended = (&mut stream).take(CHUNK as u64).read_buf(&mut answer).await? == 0;
            if let Some(response) = parse(&answer, ended)? {
                return Ok(response);
            }
            if answer.len() >= ANSWER_LIMIT {
                return Err(bad("the answer is too long"));
            }
        }
    };
    tokio::time::timeout(wait, exchange).await.map_err(|_| io::ErrorKind::TimedOut)?
}

impl Request<'_> {
    /// Nothing that is put in may end a line.
    fn to_bytes(self) -> io::Result<Vec<u8>> {
        let fields = self.fields.iter().flat_map(|(name, value)| [*name, *value]);
        let plain = |text: &str| text.bytes().all(|b| b == b' ' || b.is_ascii_graphic());
        if !fields.chain([self.host]).all(plain) || !self.path.bytes().all(|b| b.is_ascii_graphic())
        {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not fit for a request"));
        }
        let Self { method, host, path, .. } = self;
        let mut text = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
        for (name, value) in self.fields {
            let _ = write!(text, "{name}: {value}\r\n");
        }
        let _ = write!(text, "Content-Length: {}\r\n\r\n{}", self.body.len(), self.body);
        Ok(text.into_bytes())
    }
}

/// The answer, once it is whole; `ended`: no more will come.
fn parse(bytes: &[u8], ended: bool) -> io::Result<Option<Response>> {
    let Some(length) = memchr::memmem::find(bytes, b"\r\n\r\n") else {
        return if ended { Err(bad("the answer is cut short")) } else { Ok(None) };
    };
    let (head, rest) = (&bytes[..length], &bytes[length + 4..]);
    let head = String::from_utf8_lossy(head);
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(status).ok_or_else(|| bad("the answer is not HTTP"))?;
    let field = |line: &str| {
        let (name, value) = line.split_once(':')?;
        Some((name.trim().to_owned(), value.trim().to_owned()))
    };
    let mut response =
        Response { status, fields: lines.filter_map(field).collect(), body: String::new() };
    let chunked = response.field("Transfer-Encoding").is_some_and(|v| v.contains("chunked"));
    let body = if chunked {
        unchunked(rest)?
    } else if let Some(length) = response.field("Content-Length") {
        let length = length.parse::<usize>().ok().filter(|&length| length <= ANSWER_LIMIT);
        let length = length.ok_or_else(|| bad("the answer is too long"))?;
        rest.get(..length).map(<[u8]>::to_vec)
    } else {
        ended.then(|| rest.to_vec())
    };
    match body {
        Some(body) => {
            response.body = String::from_utf8_lossy(&body).into_owned();
            Ok(Some(response))
        }
        None if ended => Err(bad("the answer is cut short")),
        None => Ok(None),
    }
}

/// `HTTP/1.1 200 OK`.
fn status(line: &str) -> Option<u16> {
    let mut words = line.strip_prefix("HTTP/1.")?.split(' ');
    words.next().filter(|minor| matches!(*minor, "0" | "1"))?;
    words.next()?.parse().ok().filter(|status| (200..600).contains(status))
}

/// The chunks put together; `None` while the last is not there.
fn unchunked(mut rest: &[u8]) -> io::Result<Option<Vec<u8>>> {
    let mut body = Vec::new();
    loop {
        let Some(end) = memchr::memmem::find(rest, b"\r\n") else { return Ok(None) };
        let size = std::str::from_utf8(&rest[..end]).ok().and_then(|line| {
            let size = line.split(';').next().unwrap_or_default().trim();
            usize::from_str_radix(size, 16).ok().filter(|&size| size <= ANSWER_LIMIT)
        });
        let size = size.ok_or_else(|| bad("a chunk of the answer has no length"))?;
        if size == 0 {
            return Ok(Some(body));
        }
        rest = &rest[end + 2..];
        let Some(chunk) = rest.get(..size) else { return Ok(None) };
        body.extend_from_slice(chunk);
        let Some(next) = rest.get(size + 2..) else { return Ok(None) };
        rest = next;
    }
}

fn bad(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests;
