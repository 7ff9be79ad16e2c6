use std::sync::Mutex;

use super::*;

/// What `log` writes to the subscriber that `start` makes.
pub(in crate::telemetry) fn written<S>(
    start: impl FnOnce(Buffer) -> S,
    log: impl FnOnce(),
) -> String
where
    S: Subscriber + Send + Sync + 'static,
{
    let buffer = Buffer::default();
    tracing::subscriber::with_default(start(buffer.clone()), log);
    let bytes = buffer.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

#[derive(Clone, Default)]
pub(in crate::telemetry) struct Buffer(Arc<Mutex<Vec<u8>>>);

impl MakeWriter<'_> for Buffer {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// For the records' own tests.
pub(in crate::telemetry) fn json_of(log: impl FnOnce()) -> String {
    written(|lines| json_lines(filter("info").unwrap(), lines), log)
}

/// For the records' own tests.
pub(in crate::telemetry) fn text_of(log: impl FnOnce()) -> String {
    written(|lines| text_lines(filter("info").unwrap(), lines, false), log)
}

#[test]
fn json_has_its_keys_at_the_top_and_one_line_a_record() {
    let out = json_of(|| {
        tracing::info!(target: "ftpgate::x", session = "abc", bytes = 7u64, "said \"so\"\n");
        tracing::debug!("not this");
    });
    assert_eq!(out.lines().count(), 1, "{out}");
    for part in [
        "\"level\":\"INFO\"",
        "\"message\":\"said \\\"so\\\"\\n\"",
        "\"session\":\"abc\"",
        "\"bytes\":7",
        "\"target\":\"ftpgate::x\"",
        "{\"timestamp\":\"",
    ] {
        assert!(out.contains(part), "{part} in {out}");
    }
    assert!(!out.contains("\"fields\""), "{out}");
}

#[test]
fn text_is_one_line_without_colours() {
    let out = text_of(|| tracing::warn!(session = "a\nb", "hello"));
    assert_eq!(out.lines().count(), 1, "{out}");
    assert!(out.contains("WARN hello session=\"a\\nb\""), "{out}");
}

#[test]
fn levels_and_filters() {
    for good in ["info", "WARN", "off", "ftpgate=debug", "warn,ftpgate::transfer=info"] {
        assert!(filter(good).is_ok(), "{good}");
    }
    for bad in ["verbose", "", "ftpgate=loud", "info warn"] {
        let error = filter(bad).unwrap_err().to_string();
        assert!(error.contains("trace"), "{error}");
    }
}
