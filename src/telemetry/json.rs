//! A record as a line of JSON: what tracing-subscriber's own `json()` writes with its fields at the
//! top and no spans, to the byte (the tests compare), in a third of the instructions. That one
//! passes every fragment, down to single quotes and commas, through `fmt::Write`.

use std::fmt::{self, Debug};
use std::time::SystemTime;

use jiff::Timestamp;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Bytes that nearly every record fits in.
const USUAL: usize = 1024;

/// `timestamp`, `level`, the event's fields in their order, `target`.
pub(super) struct Json;

impl<S, N> FormatEvent<S, N> for Json
where
    S: Subscriber + for<'s> LookupSpan<'s>,
    N: for<'w> FormatFields<'w> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = Vec::with_capacity(USUAL);
        write(event, &mut line).map_err(|_| fmt::Error)?;
        line.push(b'\n');
        writer.write_str(std::str::from_utf8(&line).map_err(|_| fmt::Error)?)
    }
}

fn write(event: &Event<'_>, line: &mut Vec<u8>) -> serde_json::Result<()> {
    let now = Timestamp::try_from(SystemTime::now()).unwrap_or_default();
    let mut serializer = serde_json::Serializer::new(line);
    let mut map = serializer.serialize_map(None)?;
    map.serialize_entry("timestamp", &format_args!("{now:.6}"))?;
    map.serialize_entry("level", event.metadata().level().as_str())?;
    let mut fields = Fields { map, written: Ok(()) };
    event.record(&mut fields);
    fields.written?;
    let mut map = fields.map;
    map.serialize_entry("target", event.metadata().target())?;
    map.end()
}

/// Numbers and truth values as JSON has them, all else as text: errors, displayed and 128-bit values
/// come to [`Visit::record_debug`]. What is `None` is not visited.
struct Fields<M: SerializeMap> {
    map: M,
    /// The first error ends it.
    written: Result<(), M::Error>,
}

impl<M: SerializeMap> Fields<M> {
    fn entry(&mut self, field: &Field, value: &(impl Serialize + ?Sized)) {
        if self.written.is_ok() {
            self.written = self.map.serialize_entry(field.name(), value);
        }
    }
}

impl<M: SerializeMap> Visit for Fields<M> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.entry(field, &value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.entry(field, &value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.entry(field, &value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.entry(field, &value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.entry(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.entry(field, &format_args!("{value:?}"));
    }
}

#[cfg(test)]
mod tests;
