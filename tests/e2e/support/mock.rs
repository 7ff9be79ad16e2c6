//! A server that records every line it gets and answers as a test says.

use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use socket2::SockRef;

use super::lab::{Lab, server_address};

/// What to say to a line (without its end), CRLF included; empty for nothing.
pub(crate) type Answer = fn(&str) -> &'static str;

/// The recording server; stops when dropped.
pub(crate) struct Mock {
    listener: Arc<TcpListener>,
    record: Arc<Mutex<Record>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Record {
    lines: Vec<String>,
    connections: Vec<TcpStream>,
}

impl Mock {
    pub(crate) fn start(lab: &Lab, answer: Answer) -> Self {
        Self::start_at(lab, server_address(false, 21), answer)
    }

    /// At this address of the server's machine.
    pub(crate) fn start_at(lab: &Lab, at: SocketAddr, answer: Answer) -> Self {
        let listener = lab.net.server.listen(at).expect("listen");
        let listener = Arc::new(listener);
        let record = Arc::new(Mutex::new(Record::default()));
        let (at, to) = (listener.clone(), record.clone());
        let thread = std::thread::spawn(move || {
            std::thread::scope(|scope| {
                while let Ok((stream, _)) = at.accept() {
                    let copy = stream.try_clone().expect("socket");
                    to.lock().expect("record").connections.push(copy);
                    scope.spawn(|| converse(stream, &to, answer));
                }
            });
        });
        Self { listener, record, thread: Some(thread) }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.listener.local_addr().expect("listening")
    }

    /// All lines so far, of all connections.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.record.lock().expect("record").lines.clone()
    }

    /// Who connected.
    pub(crate) fn peers(&self) -> Vec<IpAddr> {
        let connections = &self.record.lock().expect("record").connections;
        connections.iter().map(|c| c.peer_addr().expect("connected").ip()).collect()
    }

    /// How often somebody connected.
    pub(crate) fn connections(&self) -> usize {
        self.record.lock().expect("record").connections.len()
    }
}

impl Drop for Mock {
    fn drop(&mut self) {
        // Ends the accept, then the conversations.
        let _ = SockRef::from(&*self.listener).shutdown(Shutdown::Both);
        for connection in &self.record.lock().expect("record").connections {
            let _ = connection.shutdown(Shutdown::Both);
        }
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn converse(stream: TcpStream, record: &Mutex<Record>, answer: Answer) {
    let mut output = stream.try_clone().expect("socket");
    let mut input = BufReader::new(stream);
    let mut send = |text: &str| output.write_all(text.as_bytes()).is_ok();
    let mut alive = send("220 Mock ready\r\n");
    let mut line = Vec::new();
    while alive && input.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
        let text = String::from_utf8_lossy(&line);
        let text = text.strip_suffix("\r\n").unwrap_or(&text).to_owned();
        record.lock().expect("record").lines.push(text.clone());
        alive = send(answer(&text));
        line.clear();
    }
}

/// The answers of a server with whom a client can log in.
pub(crate) fn polite(line: &str) -> &'static str {
    match line.split(' ').next().unwrap_or_default() {
        "USER" => "331 Password\r\n",
        "PASS" => "230 Welcome\r\n",
        "PWD" => "257 \"/\"\r\n",
        "QUIT" => "221 Bye\r\n",
        "TYPE" | "NOOP" | "CWD" => "200 OK\r\n",
        _ => "502 No\r\n",
    }
}
