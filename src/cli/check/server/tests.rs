use tokio::net::TcpListener;

use super::*;
use crate::tls::testing::{Authority, PATIENCE};
use crate::tls::{TlsServer, TlsVersion};
use crate::upstream::options::{HostPort, Source, UpstreamOptions};

/// A server that answers every line with the next of these; after 234 it speaks TLS.
struct Script {
    /// From the first byte on.
    implicit: bool,
    greeting: &'static str,
    answers: &'static [&'static str],
}

const GREETING: &str = "220-Files of\r\n 221 nobody\r\n220 Example\r\n";
const WILLING: &[&str] = &["234 go on\r\n", "200 ok\r\n", "200 ok\r\n"];

async fn play<S: AsyncRead + AsyncWrite + Unpin>(
    peer: &mut BufReader<S>,
    answers: &mut impl Iterator<Item = &&'static str>,
) -> bool {
    let mut line = String::new();
    loop {
        line.clear();
        if peer.read_line(&mut line).await.unwrap_or(0) == 0 {
            return false;
        }
        let Some(answer) = answers.next() else { return false };
        peer.get_mut().write_all(answer.as_bytes()).await.unwrap();
        peer.get_mut().flush().await.unwrap();
        if answer.starts_with("234") {
            return true;
        }
    }
}

async fn serve(mut stream: TcpStream, script: &Script, tls: &TlsServer) {
    let mut answers = script.answers.iter();
    let greeting = script.greeting.as_bytes();
    if !script.implicit {
        stream.write_all(greeting).await.unwrap();
        let mut peer = BufReader::new(stream);
        if !play(&mut peer, &mut answers).await {
            return;
        }
        stream = peer.into_inner();
    }
    let config = tls.session().control();
    let Ok((mut stream, _)) = tls::accept(stream, config, PATIENCE).await else { return };
    if script.implicit {
        stream.write_all(greeting).await.unwrap();
        stream.flush().await.unwrap();
    }
    play(&mut BufReader::new(stream), &mut answers).await;
}

/// Tries a server that plays this script as often as it is asked.
async fn trial(script: Script, policy: TlsPolicy, verify: Option<Verify>, tls: &TlsServer) -> Told {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let options = UpstreamOptions {
        name: "test".into(),
        address: Some(HostPort { host: "127.0.0.1".into(), port }),
        tls: verify.map(|verify| ClientTlsOptions { verify, ..ClientTlsOptions::default() }),
        retry_epsv: Duration::ZERO,
        proxy: [None; 2],
        sessions: None,
        source: Source::Auto,
        device: None,
        mark: None,
    };
    let upstream = Upstream::new(options, Vec::new());
    let trial = Trial { upstream, policy, dial: PATIENCE, handshake: PATIENCE };
    let accept = async {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            serve(stream, &script, tls).await;
        }
    };
    let run = async {
        match trial.run().await {
            Ok(found) => Told { found: Some(found), ..Told::default() },
            Err(refusal) => {
                let pin = trial.fingerprint(&refusal).await;
                Told { refusal: Some(refusal), pin, found: None }
            }
        }
    };
    tokio::select! {
        told = run => told,
        () = accept => Told::default(),
    }
}

#[derive(Default)]
struct Told {
    found: Option<Found>,
    refusal: Option<Refusal>,
    pin: Option<String>,
}

impl Told {
    fn refusal(self) -> String {
        self.refusal.unwrap().to_string()
    }
}

fn policy(server: ServerTls, server_data: bool) -> TlsPolicy {
    TlsPolicy { server, server_data, ..TlsPolicy::default() }
}

/// An issuer, a server with its certificate, and how to verify it.
fn trusted() -> (Authority, std::sync::Arc<TlsServer>, Verify) {
    let authority = Authority::new();
    let certificate = authority.issue("server", &["127.0.0.1"]);
    let options = crate::tls::testing::server_options(vec![certificate]);
    let verify = Verify::CaFile(authority.ca_file());
    (authority, TlsServer::load(&options).unwrap(), verify)
}

#[tokio::test]
async fn a_plain_server_greets() {
    let (_authority, tls, _) = trusted();
    let script = Script { implicit: false, greeting: GREETING, answers: &[] };
    let told = trial(script, TlsPolicy::default(), None, &tls).await;
    let found = told.found.unwrap();
    assert_eq!((found.greeting.as_str(), found.tls.is_none()), ("220 Example", true));
    for (greeting, said) in [
        ("421 too\x1b many\r\n", "it refuses us: 421 too? many"),
        ("SSH-2.0-x\r\n", "it accepts but does not answer"),
    ] {
        let script = Script { implicit: false, greeting, answers: &[] };
        let told = trial(script, TlsPolicy::default(), None, &tls).await;
        assert!(told.refusal().starts_with(said), "{greeting}");
    }
}

#[tokio::test]
async fn tls_comes_up_in_both_ways() {
    let (_authority, tls, verify) = trusted();
    for (mode, implicit, answers) in [
        (ServerTls::Explicit, false, WILLING),
        (ServerTls::Implicit, true, &WILLING[1..]),
        (ServerTls::Same, false, WILLING),
    ] {
        let script = Script { implicit, greeting: GREETING, answers };
        let told = trial(script, policy(mode, true), Some(verify.clone()), &tls).await;
        let found = told.found.unwrap();
        assert_eq!(found.tls.unwrap().version, TlsVersion::V12, "{mode:?}");
        assert_eq!((found.but, found.pin), (None, None), "{mode:?}");
    }
}

#[tokio::test]
async fn a_server_that_shrinks_back_is_told_from_others() {
    let (_authority, tls, verify) = trusted();
    let explicit = |answers| Script { implicit: false, greeting: GREETING, answers };
    for (answers, said) in [
        (&["502 what?\r\n"][..], "it refuses AUTH TLS: 502 what?"),
        (&["234 ok\r\n230 and more\r\n"][..], "behind its answer to AUTH"),
        (&["234 ok\r\n", "200 ok\r\n", "536 no\r\n"][..], "it refuses to protect data: 536 no"),
    ] {
        let policy = policy(ServerTls::Explicit, true);
        let told = trial(explicit(answers), policy, Some(verify.clone()), &tls).await;
        assert!(told.refusal().starts_with(said), "{said}");
    }
    let clear = &["234 ok\r\n", "502 no\r\n", "536 no\r\n"];
    let told =
        trial(explicit(clear), policy(ServerTls::Explicit, false), Some(verify.clone()), &tls)
            .await;
    assert_eq!(told.found.unwrap().but, Some("it refuses PROT P: data go in the clear"));
    let none = &["211-Features:\r\n AUTH GSSAPI\r\n211 End\r\n"];
    let told = trial(explicit(none), policy(ServerTls::Auto, true), Some(verify), &tls).await;
    assert!(told.found.unwrap().but.unwrap().contains("no AUTH TLS"));
}

#[tokio::test]
async fn a_certificate_that_is_not_believed_can_be_pinned() {
    let (_authority, tls, _) = trusted();
    let script = || Script { implicit: false, greeting: GREETING, answers: WILLING };
    let explicit = policy(ServerTls::Explicit, true);
    let wrong = Some(Verify::Fingerprint([0; 32]));
    let told = trial(script(), explicit, wrong, &tls).await;
    let pin = told.pin.clone().unwrap();
    assert!(told.refusal().starts_with("no TLS, wrong-fingerprint: "));
    let told = trial(script(), explicit, Some(Verify::Off), &tls).await;
    assert_eq!(told.found.unwrap().pin.as_ref(), Some(&pin));
    let stranger = Authority::new();
    let verify = Some(Verify::CaFile(stranger.ca_file()));
    let told = trial(script(), explicit, verify, &tls).await;
    assert_eq!(told.pin.as_ref(), Some(&pin));
    assert!(told.refusal().starts_with("no TLS, certificate-unknown-issuer: "));
}
