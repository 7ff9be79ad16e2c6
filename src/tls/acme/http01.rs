//! Answers the issuer's questions (RFC 8555 8.3) and nothing else.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::AcmeError;
use crate::net::socket;

/// Longest request, bytes: a line and the headers that issuers send.
const REQUEST: usize = 4096;
/// Longest time for a question and its answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Questions at once on an address: issuers ask from a few places; the rest are passers-by.
const AT_ONCE: usize = 32;
/// How long accept rests when the kernel has no descriptor to give.
const REST: Duration = Duration::from_millis(100);
const PATH: &str = "/.well-known/acme-challenge/";

/// What is answered, by token.
type Answers = Arc<Mutex<BTreeMap<String, String>>>;

/// Listens while the issuer is expected.
pub(super) struct Responder {
    listeners: Vec<TcpListener>,
    answers: Answers,
}

impl Responder {
    /// An address of every family is wanted, and IPv6 where the machine has it.
    pub(super) fn bind(addresses: &[SocketAddr]) -> Result<Self, AcmeError> {
        let mut listeners = Vec::new();
        for &address in addresses {
            match socket::listen_control(address, false).and_then(TcpListener::from_std) {
                Ok(listener) => listeners.push(listener),
                Err(error) if addresses.len() > 1 && socket::is_missing_ipv6(&address, &error) => {}
                Err(source) => return Err(AcmeError::Listen { address, source }),
            }
        }
        Ok(Self { listeners, answers: Answers::default() })
    }

    pub(super) fn put(&self, token: &str, answer: &str) {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.insert(token.to_owned(), answer.to_owned());
    }

    /// Never ends by itself.
    pub(super) async fn serve(self) {
        let mut all = JoinSet::new();
        for listener in self.listeners {
            all.spawn(serve(listener, self.answers.clone()));
        }
        while all.join_next().await.is_some() {}
    }
}

async fn serve(listener: TcpListener, answers: Answers) {
    let mut questions = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) if questions.len() < AT_ONCE => {
                    let answers = answers.clone();
                    questions.spawn(tokio::time::timeout(PATIENCE, answer(stream, answers)));
                }
                Ok(_) => {}
                Err(_) => tokio::time::sleep(REST).await,
            },
            Some(_) = questions.join_next() => {}
        }
    }
}

async fn answer(mut stream: TcpStream, answers: Answers) -> io::Result<()> {
    let mut request = Vec::new();
    while memchr::memmem::find(&request, b"\r\n\r\n").is_none() {
        let room = REQUEST - request.len();
        if room == 0 || (&mut stream).take(room as u64).read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
    let found = token(&request).and_then(|token| {
        answers.lock().unwrap_or_else(PoisonError::into_inner).get(token).cloned()
    });
    let (status, body) = match found {
        Some(body) => ("200 OK", body),
        None => ("404 Not Found", String::new()),
    };
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/octet-stream\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all((head + &body).as_bytes()).await?;
    stream.shutdown().await
}

/// What a GET asks for.
fn token(request: &[u8]) -> Option<&str> {
    let line = request.split(|&byte| byte == b'\r').next()?;
    let mut words = std::str::from_utf8(line).ok()?.split(' ');
    let (method, path) = (words.next()?, words.next()?);
    if method == "GET" { path.strip_prefix(PATH) } else { None }
}

#[cfg(test)]
mod tests;
