use std::num::NonZeroU32;

use super::super::tuning;
use super::*;
use crate::net::tuning::{Congestion, Congestions, Tuning};

fn kernel(privileged: bool) -> Kernel {
    let congestions = Congestions::parse("reno cubic bbr\n", "reno cubic\n");
    let largest = [Some(8 << 20), Some(4 << 20)];
    let tuning = tuning::Kernel { congestions, privileged, largest };
    Kernel { tuning, ..Kernel::default() }
}

/// What is said of the keys in `[data]`, and whether it is refused.
fn said(keys: &str, kernel: &Kernel) -> (Vec<String>, bool) {
    let text = format!("{SMALL}[data]\n{keys}\n");
    let lines = |problems: &[Problem]| problems.iter().map(Problem::one_line).collect();
    match resolve(Some(("f", &text)), [], &Overrides::default(), kernel) {
        Ok((_, warnings)) => (lines(&warnings), false),
        Err(problems) => (lines(&problems.0), true),
    }
}

#[test]
fn each_side_has_its_own() {
    let keys = "congestion = \"bbr\"\nbuffer = \"256KiB\"\nnotsent_lowat = 131072\n\
                upstream_congestion = \"reno\"\nupstream_buffer = \"1MiB\"\n\
                upstream_notsent_lowat = \"64KiB\"\n";
    let listener = only(read(&format!("{SMALL}[data]\n{keys}"), &[]));
    let tuning = |name, buffer, lowat| Tuning {
        congestion: Congestion::new(name),
        buffer: NonZeroU32::new(buffer),
        notsent_lowat: NonZeroU32::new(lowat),
    };
    assert_eq!(listener.data.downstream.tuning, tuning("bbr", 256 << 10, 128 << 10));
    assert_eq!(listener.data.upstream.tuning, tuning("reno", 1 << 20, 64 << 10));
}

#[test]
fn a_listener_can_go_back_to_what_the_kernel_chooses() {
    let keys = "congestion = \"bbr\"\nbuffer = \"1MiB\"\nnotsent_lowat = 8192\n\
                upstream_buffer = \"1MiB\"\n";
    let text = format!("[data]\n{keys}{SMALL}");
    let own = "[[listener]]\ndata = { congestion = \"AUTO\", buffer = 0, notsent_lowat = \"0\" }\n";
    let listener = only(read(&text.replace("[[listener]]\n", own), &[]));
    assert_eq!(listener.data.downstream.tuning, Tuning::default());
    let buffer = NonZeroU32::new(1 << 20);
    assert_eq!(listener.data.upstream.tuning, Tuning { buffer, ..Tuning::default() });
}

#[test]
fn what_the_kernel_does_not_have_is_refused() {
    for (key, privileged) in [("congestion", false), ("upstream_congestion", true)] {
        let (said, refused) = said(&format!("{key} = \"vegas\""), &kernel(privileged));
        let column = key.len() + 4;
        let expected = format!(
            "f:6:{column}: data.{key}: this kernel has no congestion control \"vegas\": it has \
             reno, cubic, bbr; name one of these, or load it: modprobe tcp_vegas"
        );
        assert_eq!((said, refused), (vec![expected], true));
    }
    assert_eq!(said("congestion = \"vegas\"", &Kernel::default()), (Vec::new(), false));
}

#[test]
fn what_takes_a_privilege_is_refused_without() {
    let (told, refused) = said("congestion = \"bbr\"", &kernel(false));
    let expected = "f:6:14: data.congestion: this process may not use the congestion control \
                    \"bbr\": without CAP_NET_ADMIN there is reno, cubic; allow it for all: sysctl \
                    -w net.ipv4.tcp_allowed_congestion_control=\"reno cubic bbr\"";
    assert_eq!((told, refused), (vec![expected.to_owned()], true));
    assert_eq!(said("congestion = \"bbr\"", &kernel(true)), (Vec::new(), false));
    assert_eq!(said("congestion = \"cubic\"", &kernel(false)), (Vec::new(), false));
}

#[test]
fn more_than_the_kernel_gives_is_a_warning() {
    for key in ["buffer", "upstream_buffer"] {
        assert_eq!(said(&format!("{key} = \"4MiB\""), &kernel(false)), (Vec::new(), false));
        let (told, refused) = said(&format!("{key} = \"5MiB\""), &kernel(false));
        let column = key.len() + 4;
        let expected = format!(
            "f:6:{column}: data.{key}: this kernel gives a socket no more than 4.0 MiB; sysctl -w \
             net.core.wmem_max=5242880, or a smaller size"
        );
        assert_eq!((told, refused), (vec![expected], false));
    }
}

#[test]
fn one_range_with_two_tunings_is_two_pools() {
    let text = format!("{SMALL}[[listener]]\nbind = \"127.0.0.1:2122\"\n[listener.data]\nKEY\n");
    let warnings = |key| read(&text.replace("KEY", key), &[]).unwrap().1.len();
    assert_eq!(warnings(""), 0);
    assert_eq!(warnings("congestion = \"reno\""), 1);
    // Those towards servers are not listened on here.
    assert_eq!(warnings("upstream_congestion = \"reno\""), 0);
}
