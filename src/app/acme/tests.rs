use tempfile::TempDir;

use super::*;

/// Where nobody answers.
fn options(dir: &TempDir, name: &str) -> AcmeOptions {
    AcmeOptions {
        directory: "https://127.0.0.1:1/dir".into(),
        ca: None,
        contact: Vec::new(),
        names: vec![name.into()],
        dir: dir.path().into(),
        http: vec!["127.0.0.1:0".parse().unwrap()],
    }
}

#[test]
fn listeners_with_the_same_certificate_have_one_client() {
    let dir = tempfile::tempdir().unwrap();
    let mut clients = Clients::default();
    for (listener, name) in [("a", "one.test"), ("b", "two.test"), ("c", "one.test")] {
        clients.prepare(listener, &options(&dir, name)).unwrap();
    }
    let shown: Vec<_> = clients.0.iter().map(|client| client.listeners.join(" ")).collect();
    assert_eq!(shown, ["a c", "b"]);
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_waited_out_unless_somebody_asks() {
    let dir = tempfile::tempdir().unwrap();
    let mut clients = Clients::default();
    clients.prepare("a", &options(&dir, "one.test")).unwrap();
    let minutes = |client: &Client| (client.next - Instant::now()).as_secs() / 60;
    for failures in 1..4 {
        assert!(!clients.0[0].look().await);
        let client = &mut clients.0[0];
        let wait = minutes(client);
        assert_eq!((client.failures, wait), (failures, 10 << (failures - 1)));
        assert!(!client.look().await);
        assert_eq!(client.failures, failures, "asked before its time");
        tokio::time::advance(Duration::from_secs(wait * 60)).await;
    }
    clients.0[0].look().await;
    clients.hurry();
    clients.0[0].look().await;
    assert_eq!(clients.0[0].failures, 5);
}

#[test]
fn patience_grows_with_each_failure_and_has_an_end() {
    let minutes = |failures| patience(failures, false).as_secs() / 60;
    assert_eq!([0, 1, 2, 3].map(minutes), [10, 20, 40, 80]);
    assert_eq!([7, 31, 32, u32::MAX].map(minutes), [720; 4]);
    // Five failures an hour is what issuers allow: these are three.
    assert!((0..3).map(|n| patience(n, false)).sum::<Duration>() >= Duration::from_secs(60 * 60));
}

#[test]
fn who_is_told_to_wait_waits() {
    assert_eq!(patience(0, true), LOOK);
    assert_eq!(patience(9, true), LONGEST_RETRY);
}
