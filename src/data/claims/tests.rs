//! Transfers of one address that share a port: each gets its own client, whoever else comes.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsConnector;

use crate::data::guard::TransferTls;
use crate::data::leg::{Leg, LegSource};
use crate::data::options::{DataOptions, DataTls, Reuse};
use crate::data::ports::{PortPool, Proof};
use crate::data::testing::{LONG, connect, listener, noise, one_port, patient, peer, report};
use crate::data::throttle::Throttle;
use crate::data::transfer::Transfer;
use crate::session::event::{Direction, Fault, Outcome, Protection, Side, Stage};
use crate::tls::TlsVersion;
use crate::tls::testing::{Authority, Peer};

const LENGTH: usize = 300_000;
const PROTECTED: Protection = Protection { downstream: true, upstream: false };

/// One FTP session in a transfer, whose both ends are in the test's hands.
struct Scene {
    client: Peer,
    transfer: Transfer,
    server: TcpListener,
    to: SocketAddr,
}

impl Scene {
    async fn new(
        ca: &Authority,
        version: TlsVersion,
        (pool, local): &(Arc<PortPool>, std::net::IpAddr),
    ) -> Self {
        let (session, info, client) = ca.acquainted(version).await;
        let proof = Proof { session: session.clone(), patience: LONG };
        let lease = pool.lease(*local, peer(1), Some(proof)).unwrap();
        let to = lease.listened();
        let (server, upstream) = listener().await;
        let mut options: DataOptions = patient();
        options.tls.reuse = Reuse::Require;
        let tls = TransferTls { downstream: Some((session, info)), upstream: None };
        let throttle = Throttle::default();
        let accept = LegSource::Accept(lease);
        let transfer = Transfer::start(accept, upstream, Arc::new(options), throttle, tls);
        Self { client, transfer, server, to }
    }

    /// The transfer command is out.
    fn request(&self, direction: Direction) {
        self.transfer.advance(Stage::Protected(PROTECTED));
        self.transfer.advance(Stage::Requested(direction));
        self.transfer.advance(Stage::Started(direction));
    }

    /// The client's data connection is refused, or brings what there is to read.
    async fn read(&self, client: &Peer) -> io::Result<Vec<u8>> {
        let tcp = connect(self.to, peer(1)).await;
        let connector = TlsConnector::from(Arc::new(client.config.clone()));
        let mut stream = connector.connect(client.name.clone(), tcp).await?;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await?;
        Ok(bytes)
    }

    async fn write(&self, bytes: &[u8]) {
        let tcp = connect(self.to, peer(1)).await;
        let connector = TlsConnector::from(Arc::new(self.client.config.clone()));
        let mut stream = connector.connect(self.client.name.clone(), tcp).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        stream.shutdown().await.unwrap();
    }

    async fn serve(&self, bytes: &[u8]) {
        let mut stream = self.server.accept().await.unwrap().0;
        stream.write_all(bytes).await.unwrap();
    }

    async fn download(&self, number: u8) {
        let file = noise(LENGTH + usize::from(number));
        let (read, ()) = tokio::join!(self.read(&self.client), self.serve(&file));
        assert!(read.unwrap() == file, "not what was served to {number}");
    }
}

#[tokio::test]
async fn downloads_and_uploads_of_one_address_share_a_port() {
    let ca = Authority::new();
    for version in [TlsVersion::V12, TlsVersion::V13] {
        let house = one_port();
        let mut scenes = Vec::new();
        for _ in 0..6 {
            scenes.push(Scene::new(&ca, version, &house).await);
        }
        assert_eq!(house.0.in_use(), 1);
        // The latest first, so that none is served by order.
        for (number, mut scene) in (0..).zip(scenes.drain(..).rev()) {
            if number % 2 == 0 {
                scene.request(Direction::Download);
                scene.download(number).await;
            } else {
                scene.request(Direction::Upload);
                let file = noise(LENGTH + usize::from(number));
                let store = async {
                    let mut bytes = Vec::new();
                    let mut stream = scene.server.accept().await.unwrap().0;
                    stream.read_to_end(&mut bytes).await.unwrap();
                    bytes
                };
                let ((), stored) = tokio::join!(scene.write(&file), store);
                assert!(stored == file);
            }
            scene.transfer.advance(Stage::Finished(Direction::Either));
            let report = report(&mut scene.transfer).await;
            assert_eq!(report.outcome, Outcome::Delivered);
            assert!(report.client_tls.unwrap().resumed);
        }
        assert_eq!(house.0.in_use(), 0);
    }
}

/// The client has said its first words before the transfer command that tells how to treat it.
#[tokio::test]
async fn an_early_client_waits_for_its_command() {
    let ca = Authority::new();
    let house = one_port();
    let _other = Scene::new(&ca, TlsVersion::V13, &house).await;
    let (session, info, client) = ca.acquainted(TlsVersion::V13).await;
    let proof = Proof { session: session.clone(), patience: LONG };
    let lease = house.0.lease(house.1, peer(1), Some(proof)).unwrap();
    let tcp = connect(lease.listened(), peer(1)).await;
    let early = async {
        let mut leg = Leg::new(LegSource::Accept(lease));
        while leg.claims().is_none_or(|claims| claims.early.is_empty()) {
            tokio::select! {
                biased;
                _ = leg.next() => panic!("up before its command"),
                () = tokio::task::yield_now() => {}
            }
        }
        let tls = TransferTls { downstream: Some((session, info)), upstream: None };
        let options = DataTls { reuse: Reuse::Require, ..DataTls::default() };
        leg.protect(tls.guard(Side::Downstream, PROTECTED, Direction::Download, options).unwrap());
        leg.next().await.unwrap();
        let mut connected = leg.take().unwrap();
        assert!(connected.tls.unwrap().resumed);
        connected.stream.write_all(b"content").await.unwrap();
        connected.stream.shutdown().await.unwrap();
    };
    let both = async { tokio::join!(early, client.call(tcp)) };
    let ((), seen) = tokio::time::timeout(LONG, both).await.expect("it is served");
    assert!(seen.unwrap().resumed);
}

/// Who has seen the client's first words and repeats them gets nowhere and is in nobody's way.
#[tokio::test]
async fn repeated_words_do_no_harm() {
    let ca = Authority::new();
    for version in [TlsVersion::V12, TlsVersion::V13] {
        let house = one_port();
        let one = Scene::new(&ca, version, &house).await;
        let other = Scene::new(&ca, version, &house).await;
        let heard = one.client.hello();
        let mut thieves = Vec::new();
        for _ in 0..super::MOST_CLAIMS - 1 {
            let mut thief = connect(one.to, peer(1)).await;
            thief.write_all(&heard).await.unwrap();
            thieves.push(thief);
        }
        one.request(Direction::Download);
        other.request(Direction::Download);
        one.download(1).await;
        other.download(2).await;
        for mut thief in thieves {
            let mut bytes = Vec::new();
            let _ = thief.read_to_end(&mut bytes).await;
            assert!(bytes.len() < LENGTH, "a thief got the file");
        }
    }
}

/// Its own session, but for another name: that is a full handshake (P151), and no proof.
#[tokio::test]
async fn a_claim_that_fails_ends_the_wait() {
    let ca = Authority::new();
    let house = one_port();
    let mut one = Scene::new(&ca, TlsVersion::V12, &house).await;
    let other = Scene::new(&ca, TlsVersion::V12, &house).await;
    one.request(Direction::Download);
    other.request(Direction::Download);
    let named = one.client.named("ftp.test");
    // Its store has nothing for that name, so it says it as somebody who was told would.
    let heard = one.client.hello();
    let mut claim = connect(one.to, peer(1)).await;
    claim.write_all(&heard).await.unwrap();
    claim.write_all(b"and then nonsense").await.unwrap();
    let refused = one.read(&named).await;
    assert!(refused.is_err(), "a stranger's handshake went well");
    let outcome = report(&mut one.transfer).await.outcome;
    assert_eq!(outcome, Outcome::NotOpened(Side::Downstream, Fault::Tls));
    other.download(1).await;
}

/// Without a guard, which cannot happen where leases are proven, nothing moves in the clear.
#[tokio::test]
async fn a_claim_is_never_served_in_the_clear() {
    let ca = Authority::new();
    let house = one_port();
    let one = Scene::new(&ca, TlsVersion::V13, &house).await;
    let _other = Scene::new(&ca, TlsVersion::V13, &house).await;
    let mut client = connect(one.to, peer(1)).await;
    client.write_all(&one.client.hello()).await.unwrap();
    // It is to be there when its lease ends: who comes later is refused with an alert.
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
    one.transfer.advance(Stage::Requested(Direction::Download));
    one.transfer.advance(Stage::Started(Direction::Download));
    one.serve(b"secret").await;
    one.transfer.advance(Stage::Failed);
    let mut bytes = Vec::new();
    let _ = client.read_to_end(&mut bytes).await;
    assert_eq!(bytes, b"");
}
