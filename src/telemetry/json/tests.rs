use std::io;
use std::num::{NonZeroU16, Wrapping};

use proptest::prelude::*;
use tracing::level_filters::LevelFilter;
use tracing::{debug, error, field, info, info_span, trace, warn};

use super::super::log::tests::written;
use super::*;

/// As every time is written.
const SHAPE: &str = "0000-00-00T00:00:00.000000Z";

/// What the library's own formatter writes.
fn library(log: impl FnOnce()) -> String {
    let start = |lines| {
        let json = tracing_subscriber::fmt().with_max_level(LevelFilter::TRACE).json();
        let json = json.flatten_event(true).with_current_span(false).with_span_list(false);
        json.with_writer(lines).finish()
    };
    written(start, log)
}

fn ours(log: impl FnOnce()) -> String {
    let start = |lines| {
        let json = tracing_subscriber::fmt().with_max_level(LevelFilter::TRACE);
        json.with_writer(lines).event_format(Json).finish()
    };
    written(start, log)
}

/// The time, and what follows it.
fn parted(line: &str) -> (&str, &str) {
    line.strip_prefix("{\"timestamp\":\"").unwrap().split_at(SHAPE.len())
}

/// Runs `log` under both; they write the same `count` lines, but for the time.
#[track_caller]
fn same(count: usize, log: impl Fn()) {
    let (theirs, ours) = (library(&log), ours(&log));
    assert_eq!((theirs.lines().count(), ours.lines().count()), (count, count), "{ours}");
    assert!(theirs.ends_with('\n') && ours.ends_with('\n'));
    for (theirs, ours) in theirs.lines().zip(ours.lines()) {
        assert_eq!(parted(theirs).1, parted(ours).1);
        assert!(serde_json::from_str::<serde_json::Value>(ours).is_ok(), "{ours}");
    }
}

/// Displayed in many pieces.
struct Pieces;

impl fmt::Display for Pieces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a{}\"", 1)?;
        f.write_str("\n")?;
        write!(f, "{:>4}é", '\\')
    }
}

#[test]
fn levels_targets_and_messages() {
    same(9, || {
        error!("e");
        warn!(target: "ftpgate::transfer", "w");
        info!(name: "named", target: "a \"target\"\n", "i");
        debug!(n = 1, "said \"{}\"\n", "so");
        trace!(n = 1);
        info!(message = "as a field", n = 1);
        info!("{}", "é 文 😀 \u{2028}\u{7f}\u{0}\\");
        info!(message = %Pieces);
        info!("");
    });
}

#[test]
fn text() {
    for text in
        ["", "plain", "\"quoted\" \\ /", "\0\u{1}\u{8}\t\n\u{b}\u{c}\r\u{1f}", "\u{7f}\u{80}"]
            .into_iter()
            .chain([
                "é 文 😀",
                "\u{2028}\u{202e}\u{feff}\u{fffd}",
                "\\u{1b}",
                &"long \"".repeat(20_000),
            ])
    {
        same(1, || {
            let (owned, boxed) = (text.to_owned(), Box::new(text));
            info!(text, owned, boxed, display = %text, debug = ?text, last = 0, "{text}");
        });
    }
}

#[test]
fn numbers() {
    same(7, || {
        info!(a = 0u8, b = u16::MAX, c = u32::MAX, d = u64::MAX, e = usize::MAX);
        info!(a = -1i8, b = i16::MIN, c = i32::MIN, d = i64::MIN, e = isize::MAX, f = 7);
        info!(a = u128::MAX, b = i128::MIN, c = 1u128);
        info!(a = NonZeroU16::MAX, b = Wrapping(3u8), c = true, d = false, e = 'c'.is_control());
        info!(a = 0.0, b = -0.0, c = 0.1f32, d = 0.1, e = 1.0, f = 1e16, g = 1e300, h = 1e-7);
        info!(a = f64::NAN, b = f64::INFINITY, c = f64::NEG_INFINITY, d = f32::NAN);
        info!(a = f64::MAX, b = f64::MIN_POSITIVE, c = 5e-324, d = f64::EPSILON, e = 1.234);
    });
}

#[test]
fn what_is_absent_and_what_is_there() {
    same(3, || {
        info!(a = None::<u64>, b = None::<&str>, c = None::<f64>, d = field::Empty, "nothing");
        info!(a = Some(1), b = Some("x"), c = Some(f64::NAN), d = Some(true), e = None::<bool>);
        info!(a = Some(field::display(Pieces)), b = Some(field::debug("é\"")));
    });
}

#[test]
fn displayed_debugged_and_errors() {
    let inner = io::Error::new(io::ErrorKind::NotFound, "no \"such\"\nfile");
    let error = io::Error::other(inner);
    same(4, || {
        info!(a = %Pieces, b = ?Some("x\n"), c = ?[1, 2], d = ?(), e = %"", f = format_args!("{Pieces}"));
        info!(error = &error as &(dyn std::error::Error + 'static), "refused");
        info!(%error, debug = ?error);
        info!(bytes = &b"\0\xffabc"[..], none = &b""[..]);
    });
}

#[test]
fn names() {
    same(3, || {
        info!(r#type = 1, r#fn = "x", r#match = ?"y");
        info!(log.target = "t", log.line = 3, http.method = "GET", "like a bridged one");
        info!("a \"name\"\n" = 1, "é" = "x", timestamp = "mine", level = "mine", target = "mine");
    });
}

#[test]
fn spans_are_not_written() {
    same(2, || {
        let span = info_span!("outer", session = "abc", n = 1);
        let _entered = span.enter();
        info!("inside");
        info!(parent: &span, n = 2, "inside");
    });
}

proptest! {
    #[test]
    fn anything(text: String, float: f64, signed: i64, unsigned: u64, some: Option<u128>) {
        same(1, || info!(text, float, signed, unsigned, some, shown = %text, "{text:?}"));
    }
}

/// The same time, of the same length, from the same clock.
#[test]
fn times_are_the_library_s() {
    let lines = [library(|| info!("x")), ours(|| info!("x")), library(|| info!("x"))];
    let times = lines.each_ref().map(|line| parted(line).0);
    assert!(times.is_sorted(), "{times:?}");
    for time in times {
        let shape = time.replace(|c: char| c.is_ascii_digit(), "0");
        assert_eq!(shape, SHAPE, "{time}");
    }
}
