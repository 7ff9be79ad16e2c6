//! The bucket as a function of time, and caps put together.

use std::num::NonZeroU64;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;

fn bucket(rate: u64) -> TokenBucket {
    TokenBucket::new(NonZeroU64::new(rate).unwrap())
}

#[test]
fn starts_full_and_fills_at_its_rate() {
    let (mut bucket, start) = (bucket(1_000_000), Instant::now());
    assert_eq!(bucket.allowance(start), Ok(125_000));
    bucket.spend(125_000, start);
    assert_eq!(bucket.allowance(start), Err(Duration::from_micros(16_384)));
    assert_eq!(bucket.allowance(start + Duration::from_micros(16_384)), Ok(16_384));
    assert_eq!(bucket.allowance(start + Duration::from_millis(50)), Ok(50_000));
    assert_eq!(bucket.allowance(start + Duration::from_secs(50)), Ok(125_000), "no more than full");
}

#[test]
fn debt_is_paid_back() {
    let (mut bucket, start) = (bucket(1_000_000), Instant::now());
    bucket.spend(1_125_000, start);
    assert_eq!(bucket.allowance(start), Err(Duration::from_micros(1_016_384)));
}

#[test]
fn slowest_rate_still_moves() {
    let (mut bucket, start) = (bucket(1), Instant::now());
    bucket.spend(64 * 1024, start);
    assert_eq!(bucket.allowance(start), Err(Duration::from_secs(1)));
    assert_eq!(bucket.allowance(start + Duration::from_secs(1)), Ok(1));
}

#[test]
fn fastest_rate_overflows_nothing() {
    let (mut bucket, start) = (bucket(u64::MAX), Instant::now());
    bucket.spend(u64::MAX, start);
    bucket.spend(u64::MAX, start);
    assert!(bucket.allowance(start).is_err());
    assert!(bucket.allowance(start + Duration::from_secs(3)).is_ok());
}

proptest! {
    /// Whoever takes what is allowed and sleeps as told gets the burst and the rate, not more.
    #[test]
    fn rate_holds_over_any_interval(
        rate in 1_u64..4_000_000_000,
        chunks in prop::collection::vec(1_u64..2_000_000, 1..200),
    ) {
        let (mut bucket, start) = (bucket(rate), Instant::now());
        let (mut now, mut moved) = (start, 0);
        for chunk in chunks {
            let allowed = loop {
                match bucket.allowance(now) {
                    Ok(allowed) => break allowed,
                    Err(pause) => now += pause,
                }
            };
            prop_assert!(allowed > 0);
            let chunk = chunk.min(allowed);
            bucket.spend(chunk, now);
            moved += chunk;
            let most = bucket.burst as f64 + rate as f64 * (now - start).as_secs_f64();
            prop_assert!(moved as f64 <= most + 2.0 + rate as f64 * 1e-6, "{moved} of {most}");
        }
        // Nor much less: it never sleeps for longer than it must.
        let least = rate as f64 * (now - start).as_secs_f64();
        prop_assert!(moved as f64 + bucket.quantum as f64 + 1.0 >= least * 0.999);
    }
}

#[test]
fn the_tightest_cap_counts_and_all_are_charged() {
    let rates = Rates {
        listener_download: NonZeroU64::new(8_000_000),
        session_download: NonZeroU64::new(1_000_000),
        ..Rates::default()
    };
    let (listener, now) = (Throttle::listener(&rates), Instant::now());
    let sessions = [listener.session(&rates), listener.session(&rates)];
    let [a, b] = [0, 1].map(|n: usize| sessions[n].towards(Side::Downstream));
    assert_eq!(a.allowance(now), Ok(125_000));
    a.spend(1_000_000, now);
    assert!(a.allowance(now).is_err());
    // The other session has its own bucket, but the listener's is in debt too.
    assert!(matches!(b.allowance(now), Err(pause) if pause < Duration::from_millis(10)));
    assert!(sessions[0].towards(Side::Upstream).is_empty());
}
