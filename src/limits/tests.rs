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

#[test]
fn descriptors_are_counted() {
    assert_eq!(busy_sessions(64 + 2 * 32 + 6 * 100, 2), 100);
    assert_eq!(busy_sessions(64 + 2 * 32 + 6 * 100 - 1, 2), 99);
    assert_eq!(busy_sessions(10, 2), 0);
    assert_eq!(busy_sessions(u64::MAX, 1), usize::try_from((u64::MAX - 96) / 6).unwrap());
    assert_eq!(most_sessions(64 + 2 * 32 + 2 * 100, 2), 100);
    assert_eq!(most_sessions(64, 2), 16);
    assert_eq!(most_sessions(1, 2), 1);
}

#[test]
fn the_warning_names_a_limit_that_is_enough() {
    assert_eq!(descriptor_warning(10_000, 2, 1000), None);
    for limit in [10, 1024] {
        let warning = descriptor_warning(limit, 2, 4000).unwrap();
        assert!(warning.contains("LimitNOFILE=24128"), "{warning}");
    }
    assert_eq!(descriptor_warning(24_128, 2, 4000), None);
    assert!(descriptor_warning(24_127, 2, 4000).is_some());
}
