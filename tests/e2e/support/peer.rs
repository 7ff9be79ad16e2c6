//! A server that does exactly what a test says, word by word, in the clear or under TLS.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use socket2::SockRef;

use super::lab::{Lab, server_address};
use super::mock::polite;
use super::process::PATIENCE;
use super::wire::{TlsServer, Wire};

/// A server that holds one conversation, in a thread of its own.
pub(crate) struct Scripted {
    address: SocketAddr,
    heard: Arc<Mutex<Vec<String>>>,
    thread: JoinHandle<()>,
}

/// The server's end of that conversation.
pub(crate) struct Peer {
    stream: BufReader<Wire>,
    /// Where passive data connections come in.
    data: TcpListener,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Scripted {
    pub(crate) fn start(lab: &Lab, script: impl FnOnce(&mut Peer) + Send + 'static) -> Self {
        let listener = lab.net.server.listen(server_address(false, 21)).expect("listen");
        let data = lab.net.server.listen(server_address(false, 0)).expect("listen");
        let address = listener.local_addr().expect("listening");
        let heard = Arc::new(Mutex::new(Vec::new()));
        let record = heard.clone();
        let thread = std::thread::spawn(move || {
            let wire = Wire::Plain(accept(&listener));
            script(&mut Peer { stream: BufReader::new(wire), data, heard: record });
        });
        Self { address, heard, thread }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits for the end of the script, which must have run as written; returns all lines heard.
    pub(crate) fn finish(self) -> Vec<String> {
        if let Err(panic) = self.thread.join() {
            std::panic::resume_unwind(panic);
        }
        Arc::into_inner(self.heard).and_then(|h| h.into_inner().ok()).expect("nobody else's")
    }
}

impl Peer {
    /// Says something, CRLF included.
    pub(crate) fn say(&mut self, text: &str) {
        let stream = self.stream.get_mut();
        stream.write_all(text.as_bytes()).and_then(|()| stream.flush()).expect("the gateway");
    }

    /// The next line, or nothing at the end.
    pub(crate) fn hear(&mut self) -> Option<String> {
        let mut line = Vec::new();
        // A connection that breaks off is at its end as well.
        let _ = self.stream.read_until(b'\n', &mut line);
        let line = String::from_utf8_lossy(line.strip_suffix(b"\r\n")?).into_owned();
        self.heard.lock().expect("record").push(line.clone());
        Some(line)
    }

    /// Answers as a server does, until a line that begins with `word`; that one is returned.
    pub(crate) fn until(&mut self, word: &str) -> String {
        loop {
            let line = self.hear().unwrap_or_else(|| panic!("no {word}, but the end"));
            if line.starts_with(word) {
                return line;
            }
            self.answer(&line);
        }
    }

    /// Answers all that comes until the gateway goes.
    pub(crate) fn until_end(&mut self) {
        while let Some(line) = self.hear() {
            self.answer(&line);
        }
    }

    fn answer(&mut self, line: &str) {
        let port = self.data.local_addr().expect("listening").port();
        match line {
            "EPSV" => self.say(&format!("229 Entering Extended Passive Mode (|||{port}|)\r\n")),
            "PASV" => {
                let [high, low] = port.to_be_bytes();
                self.say(&format!("227 Entering Passive Mode (10,0,0,2,{high},{low})\r\n"));
            }
            "PBSZ 0" => self.say("200 PBSZ=0\r\n"),
            "PROT P" => self.say("200 Private\r\n"),
            "FEAT" => self.say("211-Features\r\n AUTH TLS\r\n EPSV\r\n211 End\r\n"),
            line => self.say(polite(line)),
        }
    }

    /// Greets, says yes to AUTH and shakes hands.
    pub(crate) fn greet_secure(&mut self, tls: &TlsServer) {
        self.say("220 Ready\r\n");
        self.until("AUTH");
        self.say("234 Go on\r\n");
        self.start_tls(tls);
    }

    pub(crate) fn start_tls(&mut self, tls: &TlsServer) {
        let socket = self.stream.get_ref().socket().try_clone().expect("socket");
        self.stream = BufReader::new(tls.accept(socket).expect("TLS with the gateway"));
    }

    /// Makes the other's handshake fail: the error is not ours to judge.
    pub(crate) fn try_tls(&mut self, tls: &TlsServer) {
        let socket = self.stream.get_ref().socket().try_clone().expect("socket");
        let _ = tls.accept(socket);
    }

    /// A data connection that the gateway makes.
    pub(crate) fn data(&self) -> TcpStream {
        accept(&self.data)
    }
}

/// Accepts with an end to patience.
fn accept(listener: &TcpListener) -> TcpStream {
    SockRef::from(listener).set_read_timeout(Some(PATIENCE)).expect("socket");
    let (stream, _) = listener.accept().expect("a connection of the gateway");
    stream.set_read_timeout(Some(PATIENCE)).expect("socket");
    stream
}
