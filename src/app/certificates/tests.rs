use std::time::SystemTime;

use super::*;
use crate::tls::testing::{Authority, DAY};
use crate::tls::{ClientTlsOptions, Verify};

/// Lets the keeper look once more, in time that is not real.
async fn a_minute() {
    tokio::time::sleep(INTERVAL + Duration::from_secs(1)).await;
}

fn kept(tls: Tls, stop: &Stop) -> (Arc<Wake>, tokio::task::JoinHandle<()>) {
    let wake = Arc::<Wake>::default();
    let all = vec![Secured { listener: "public".into(), tls }];
    (wake.clone(), tokio::spawn(keep(all, wake, stop.clone())))
}

#[tokio::test(start_paused = true)]
async fn a_listeners_new_certificate_is_in_use_within_a_minute_unasked() {
    let authority = Authority::new();
    let (server, stop) = (authority.server(), Stop::default());
    let shown = || server.describe().concat();
    let (_, keeper) = kept(Tls::Server(server.clone()), &stop);
    a_minute().await;
    assert!(shown().contains("for localhost, ftp.test"), "{}", shown());

    let files = authority.issue("server", &["localhost", "new.test"]);
    assert!(shown().contains("ftp.test"));
    a_minute().await;
    assert!(shown().contains("for localhost, new.test"), "{}", shown());

    std::fs::write(&files.key, "no key").unwrap();
    a_minute().await;
    assert!(shown().contains("new.test"), "the old one stays: {}", shown());
    authority.issue("server", &["newest.test"]);
    a_minute().await;
    assert!(shown().contains("newest.test"), "{}", shown());

    stop.drain.cancel();
    keeper.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_upstreams_files_are_read_again_too() {
    let authority = Authority::new();
    let certificate = Some(authority.issue("ours", &["gateway.test"]));
    let verify = Verify::CaFile(authority.ca_file());
    let options = ClientTlsOptions { verify, certificate, ..ClientTlsOptions::default() };
    let (client, stop) = (TlsClient::load(&options, "ftp.test").unwrap(), Stop::default());
    let ends = || client.warnings(UnixTime::now()).concat();
    let (_, keeper) = kept(Tls::Client(client.clone(), "server".into()), &stop);

    authority.issue_until("ours", &["gateway.test"], SystemTime::now() + DAY);
    assert_eq!(ends(), "");
    a_minute().await;
    assert!(ends().contains("ours.pem expires in"), "{}", ends());

    std::fs::write(authority.ca_file(), "no issuer").unwrap();
    authority.issue("ours", &["gateway.test"]);
    a_minute().await;
    assert!(ends().contains("ours.pem expires in"), "all of it stays: {}", ends());

    stop.kill.cancel();
    keeper.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn who_asks_or_fetches_need_not_wait() {
    let authority = Authority::new();
    let (server, stop) = (authority.server(), Stop::default());
    let (wake, keeper) = kept(Tls::Server(server.clone()), &stop);
    let looked = async |name: &str| {
        while !server.describe().concat().contains(name) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let within = Duration::from_secs(1);
    authority.issue("server", &["asked.test"]);
    stop.reload.notify_one();
    tokio::time::timeout(within, looked("asked.test")).await.unwrap();
    tokio::time::timeout(within, wake.again.notified()).await.unwrap();

    authority.issue("server", &["fetched.test"]);
    wake.fetched.notify_one();
    tokio::time::timeout(within, looked("fetched.test")).await.unwrap();
    let asked = tokio::time::timeout(within, wake.again.notified()).await;
    assert!(asked.is_err(), "what was fetched is not asked for again");

    stop.drain.cancel();
    keeper.await.unwrap();
}
