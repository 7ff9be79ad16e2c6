use super::*;

#[test]
fn a_router_that_began_anew_is_known_by_its_clock() {
    for (before, epoch, ours, anew) in [
        (1000, 1060, 60, false),
        (1000, 1058, 60, false),
        (1000, 999, 0, false),
        (1000, 3, 60, true),
        (30, 40, 60, true),
        (10, 2000, 60, true),
        (0, u32::MAX, u64::from(u32::MAX), false),
    ] {
        assert_eq!(began_anew(before, epoch, ours), anew, "{before} {epoch} {ours}");
    }
}

#[test]
fn a_mapping_is_known_by_the_same_number_again() {
    assert_eq!(nonce(21), nonce(21));
    assert_ne!(nonce(21), nonce(22));
    assert!(nonce(21).is_some());
}

#[test]
fn a_refused_port_and_silence_are_told_apart() {
    assert!(!pcp_refused(pcp::Failure::NotAuthorized(0)).silent);
    assert!(!natpmp_refused(natpmp::Failure::OutOfResources).silent);
    assert!(pcp_refused(pcp::Failure::Timeout).silent);
    let closed = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
    assert_eq!(natpmp_refused(natpmp::Failure::Socket(closed)), Refused::silent("no answer"));
    assert!(pcp_refused(pcp::Failure::AddressMismatch).why.contains("another NAT"));
}
