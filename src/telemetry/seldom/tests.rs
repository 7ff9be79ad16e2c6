use super::*;

#[test]
fn each_reason_once_in_a_while_and_none_is_forgotten() {
    let (seldom, start) = (Seldom::default(), Instant::now());
    assert_eq!(seldom.count_at("late", start), Some(1));
    for _ in 0..1000 {
        assert_eq!(seldom.count_at("late", start + PAUSE / 2), None);
    }
    assert_eq!(seldom.count_at("malformed", start + PAUSE / 2), Some(1));
    assert_eq!(seldom.count_at("late", start + PAUSE), Some(1001));
    assert_eq!(seldom.count_at("late", start + PAUSE), None);
}
