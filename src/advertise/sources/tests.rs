use std::fs;
use std::path::PathBuf;

use super::super::options::{AdvertiseOptions, Source};
use super::*;

const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, 2));
const LOCAL: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));

fn v4(text: &str) -> Addresses {
    Addresses { v4: Some(text.parse().unwrap()), v6: None }
}

fn answer(name: &str, answer: io::Result<Addresses>) -> Looked {
    Looked { names: BTreeMap::from([(name.to_owned(), answer)]), ..Looked::default() }
}

fn down() -> io::Result<Addresses> {
    Err(io::ErrorKind::TimedOut.into())
}

#[test]
fn the_last_good_answer_is_kept() {
    let mut journal = Journal::default();
    let known = settle(&Known::default(), answer("n", down()), &mut journal);
    assert_eq!(known, Known::default(), "nothing is made up");
    let known = settle(&known, answer("n", Ok(v4("203.0.113.7"))), &mut journal);
    let known = settle(&known, answer("n", down()), &mut journal);
    assert_eq!(known.names["n"], v4("203.0.113.7"));
    let known = settle(&known, answer("n", Ok(v4("203.0.113.8"))), &mut journal);
    assert_eq!(known.names["n"], v4("203.0.113.8"));
}

#[test]
fn a_failure_is_told_once_until_it_ends() {
    let mut journal = Journal::default();
    let known = settle(&Known::default(), answer("n", down()), &mut journal);
    assert!(journal.told.contains("n"));
    let known = settle(&known, answer("n", Ok(v4("203.0.113.7"))), &mut journal);
    assert!(journal.told.is_empty(), "the next failure is news again");
    settle(&known, Looked { file: Some(down()), ..Looked::default() }, &mut journal);
    assert_eq!(journal.told.len(), 1);
}

#[test]
fn files_are_read_with_care() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("address");
    let read = |text: &str| {
        fs::write(&path, text).unwrap();
        read_file(&path)
    };
    assert_eq!(read("203.0.113.7\n").unwrap(), v4("203.0.113.7"));
    let both = read("# ours\n 2001:db8::7 # six\n\n203.0.113.7 203.0.113.8").unwrap();
    assert_eq!(both.to_string(), "203.0.113.7, 2001:db8::7");
    assert_eq!(read("::ffff:203.0.113.7").unwrap(), v4("203.0.113.7"));
    for bad in ["", "# nothing", "203.0.113", "203.0.113.07", "ftp.example", "203.0.113.7 x"] {
        assert!(read(bad).is_err(), "{bad:?}");
    }
    assert!(read(&"#".repeat(100_000)).is_err(), "bounded");
    assert!(read_file(&folder.path().join("absent")).is_err());
}

fn watching(path: PathBuf) -> Arc<Advertiser> {
    Advertiser::new(AdvertiseOptions { file: Some(path), ..AdvertiseOptions::default() })
}

fn told(advertiser: &Advertiser) -> Option<String> {
    advertiser.choose(CLIENT, LOCAL).map(|c| format!("{} {}", c.address, c.rule))
}

#[tokio::test(start_paused = true)]
async fn the_file_is_watched_and_a_bad_one_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("address");
    let advertiser = watching(path.clone());
    let cancel = CancellationToken::new();
    advertiser.refresh_once().await;
    assert_eq!(told(&advertiser), None);
    let task = tokio::spawn(advertiser.clone().refresh_forever(cancel.clone()));
    let refreshed = || tokio::time::sleep(advertiser.options.refresh * 2);
    fs::write(&path, "203.0.113.7").unwrap();
    refreshed().await;
    assert_eq!(told(&advertiser).as_deref(), Some("203.0.113.7 file"));
    fs::write(&path, "oops").unwrap();
    refreshed().await;
    assert_eq!(told(&advertiser).as_deref(), Some("203.0.113.7 file"));
    fs::write(&path, "203.0.113.8").unwrap();
    refreshed().await;
    assert_eq!(told(&advertiser).as_deref(), Some("203.0.113.8 file"));
    cancel.cancel();
    task.await.unwrap();
}

#[tokio::test]
async fn names_are_resolved_in_the_background_of_choosing() {
    let address = Some(Source::Name("localhost".into()));
    let advertiser = Advertiser::new(AdvertiseOptions { address, ..AdvertiseOptions::default() });
    assert_eq!(told(&advertiser), None, "choosing never asks the resolver itself");
    advertiser.refresh_once().await;
    assert_eq!(told(&advertiser).as_deref(), Some("127.0.0.1 address"));
}

/// Asked for by nobody, the cloud may be silent; asked for by the operator, STUN may not.
#[test]
fn a_silent_cloud_is_gone_without() {
    let mut journal = Journal::default();
    let looked = || Looked { cloud: Some(down()), stun: Some(down()), ..Looked::default() };
    let known = settle(&Known::default(), looked(), &mut journal);
    assert_eq!(known, Known::default());
    let answered = Looked { cloud: Some(Ok(Addresses::default())), ..Looked::default() };
    let known = settle(&known, answered, &mut journal);
    assert_eq!(known.cloud, Some(Addresses::default()), "to have no address is an answer");
    let known = settle(&known, looked(), &mut journal);
    assert_eq!(known.cloud, Some(Addresses::default()), "and is kept");
}

#[tokio::test(start_paused = true)]
async fn a_kept_answer_has_an_age() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("address");
    fs::write(&path, "203.0.113.7").unwrap();
    let advertiser = watching(path.clone());
    advertiser.refresh_once().await;
    assert_eq!(advertiser.stale(FILE), None);
    fs::remove_file(&path).unwrap();
    tokio::time::advance(Duration::from_secs(600)).await;
    advertiser.refresh_once().await;
    assert_eq!(advertiser.stale(FILE), Some(Duration::from_secs(600)));
    assert_eq!(told(&advertiser).as_deref(), Some("203.0.113.7 file"));
}
