use super::*;

const KEEP: Duration = Duration::from_secs(600);

#[test]
fn a_refusal_is_remembered_for_that_server_and_expires() {
    let memory = EpsvMemory::new(KEEP);
    let now = Instant::now();
    let (one, two): (IpAddr, IpAddr) = ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
    assert!(memory.allowed(one, now));
    memory.refused(one, now);
    assert!(!memory.allowed(one, now + KEEP - Duration::from_millis(1)));
    assert!(!memory.allowed("::ffff:10.0.0.1".parse().unwrap(), now));
    assert!(memory.allowed(two, now));
    assert!(memory.allowed(one, now + KEEP));
}

#[test]
fn the_memory_is_bounded_and_the_oldest_goes() {
    let memory = EpsvMemory::new(KEEP);
    let now = Instant::now();
    let peer = |n: u32| IpAddr::V4((0x0a00_0000 + n).into());
    for n in 0..100 {
        memory.refused(peer(n), now + Duration::from_millis(u64::from(n)));
    }
    assert_eq!(memory.lock().len(), PEERS);
    let later = now + Duration::from_secs(1);
    assert!(memory.allowed(peer(0), later));
    assert!(!memory.allowed(peer(99), later));
}
