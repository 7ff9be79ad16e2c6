use super::*;

fn nets(list: &[&str]) -> Vec<IpNet> {
    list.iter().map(|net| net.parse().unwrap()).collect()
}

#[test]
fn deny_wins_and_nothing_allowed_is_nobody() {
    let list = |allow: &[&str], deny: &[&str]| AccessList { allow: nets(allow), deny: nets(deny) };
    let table = [
        (list(&[], &[]), "10.0.0.1", false),
        (list(&["0.0.0.0/0"], &[]), "10.0.0.1", true),
        (list(&["0.0.0.0/0"], &[]), "2001:db8::1", false),
        (list(&["0.0.0.0/0", "::/0"], &["10.0.0.0/8"]), "10.0.0.1", false),
        (list(&["0.0.0.0/0", "::/0"], &["10.0.0.0/8"]), "::ffff:10.0.0.1", false),
        (list(&["0.0.0.0/0", "::/0"], &["10.0.0.0/8"]), "11.0.0.1", true),
        (list(&["0.0.0.0/0"], &["::ffff:10.0.0.0/104"]), "10.0.0.1", false),
        (list(&["0.0.0.0/0"], &["::/0"]), "10.0.0.1", true),
        (list(&["::/0"], &[]), "::ffff:10.0.0.1", false),
        (list(&["10.0.0.1/32"], &["10.0.0.1/32"]), "10.0.0.1", false),
    ];
    for (n, (list, client, expected)) in table.into_iter().enumerate() {
        assert_eq!(list.admits(client.parse().unwrap()), expected, "row {n}");
    }
}

/// Two workers, and so many sockets that listen.
fn listening(listening: usize) -> Standing {
    Standing { workers: 2, listening }
}

#[test]
fn descriptors_are_counted() {
    const STANDING: u64 = 64 + 2 * 112 + 3;
    assert_eq!(busy_sessions(STANDING + 6 * 100, listening(3)), 100);
    assert_eq!(busy_sessions(STANDING + 6 * 100 - 1, listening(3)), 99);
    assert_eq!(busy_sessions(10, listening(1)), 0);
    let one = Standing { workers: 1, listening: 1 };
    assert_eq!(busy_sessions(u64::MAX, one), usize::try_from((u64::MAX - 177) / 6).unwrap());
    assert_eq!(most_sessions(STANDING + 2 * 200, listening(3)), 200);
    assert_eq!(most_sessions(64, listening(1)), 16);
    assert_eq!(most_sessions(1, listening(1)), 1);
}

#[test]
fn many_listeners_leave_room_for_fewer_sessions() {
    assert_eq!(most_sessions(2048, listening(2)), 879);
    assert_eq!(most_sessions(2048, listening(2 * 150)), 730);
}

#[test]
fn the_warning_names_a_limit_that_is_enough() {
    assert_eq!(descriptor_warning(10_000, listening(2), 1000), None);
    for limit in [10, 1024] {
        let warning = descriptor_warning(limit, listening(2), 4000).unwrap();
        assert!(warning.contains("LimitNOFILE=24290"), "{warning}");
    }
    assert_eq!(descriptor_warning(24_290, listening(2), 4000), None);
    assert!(descriptor_warning(24_289, listening(2), 4000).is_some());
}
