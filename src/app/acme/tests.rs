use super::*;

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
