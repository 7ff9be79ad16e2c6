//! One line of JSON.

use std::fmt::Write as _;
use std::time::Duration;

#[derive(Default)]
pub struct Report(String);

impl Report {
    pub fn number(mut self, name: &str, value: impl Into<f64>) -> Self {
        let value: f64 = value.into();
        self.separate();
        // Counts without a fraction, times with enough of one.
        let _ = match value.fract() == 0.0 {
            true => write!(self.0, "\"{name}\": {value}"),
            false => write!(self.0, "\"{name}\": {value:.6}"),
        };
        self
    }

    pub fn count(self, name: &str, value: u64) -> Self {
        self.number(name, value as f64)
    }

    pub fn text(mut self, name: &str, value: &str) -> Self {
        self.separate();
        let plain = |c: char| if c.is_control() || c == '"' || c == '\\' { '\'' } else { c };
        let value: String = value.chars().map(plain).collect();
        let _ = write!(self.0, "\"{name}\": \"{value}\"");
        self
    }

    /// Median and 99th percentile, in microseconds.
    pub fn latencies(self, samples: &mut [Duration]) -> Self {
        samples.sort_unstable();
        let at = |share: f64| {
            let place = (samples.len().saturating_sub(1)) as f64 * share;
            samples.get(place as usize).map_or(0.0, |t| t.as_secs_f64() * 1e6)
        };
        let (p50, p99) = (at(0.5), at(0.99));
        self.number("p50_us", p50).number("p99_us", p99)
    }

    pub fn print(self) {
        use std::io::Write as _;
        let mut out = std::io::stdout().lock();
        let _ = writeln!(out, "{{{}}}", self.0);
        let _ = out.flush();
    }

    fn separate(&mut self) {
        if !self.0.is_empty() {
            self.0.push_str(", ");
        }
    }
}
