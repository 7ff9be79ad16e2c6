use super::*;

impl Resolver {
    /// As if this had just been the resolver's answer.
    pub(in crate::upstream) async fn remember(&self, answer: Answer) {
        *self.last.lock().await = Some((Instant::now() + FRESH, answer));
    }
}

fn resolver(host: &str) -> Resolver {
    Resolver::new(HostPort { host: host.into(), port: 21 })
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

#[tokio::test(start_paused = true)]
async fn an_answer_serves_for_a_moment_only() {
    let resolver = resolver("localhost");
    let other: SocketAddr = "192.0.2.1:21".parse().unwrap();
    resolver.remember(Ok([other].into())).await;
    tokio::time::advance(FRESH / 2).await;
    assert_eq!(*resolver.addresses(soon()).await.unwrap(), [other]);
    tokio::time::advance(FRESH).await;
    let fresh = resolver.addresses(soon()).await.unwrap();
    assert!(!fresh.is_empty() && fresh.iter().all(|a| a.ip().is_loopback()), "{fresh:?}");
}

#[tokio::test(start_paused = true)]
async fn a_failure_serves_too() {
    let resolver = resolver("localhost");
    let failed = resolver.failed(io::ErrorKind::TimedOut.into());
    resolver.remember(Err(failed)).await;
    let error = resolver.addresses(soon()).await.unwrap_err();
    assert_eq!(error.label(), "resolve");
    assert!(error.to_string().contains("localhost:21"), "{error}");
}

/// One lookup at a time, but nobody waits for another's beyond the own deadline.
#[tokio::test(start_paused = true)]
async fn the_deadline_holds_while_another_looks_up() {
    let resolver = resolver("localhost");
    let _looking = resolver.last.lock().await;
    let error = resolver.addresses(Instant::now() + FRESH).await.unwrap_err();
    assert_eq!(error.label(), "resolve");
}

#[tokio::test]
async fn a_literal_is_itself() {
    for (host, expected) in [("192.0.2.1", "192.0.2.1:21"), ("2001:db8::1", "[2001:db8::1]:21")] {
        let found = resolver(host).addresses(soon()).await.unwrap();
        assert_eq!(*found, [expected.parse().unwrap()]);
    }
}
