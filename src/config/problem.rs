//! What is wrong with a configuration: where, why, and what to do about it.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

/// A text that values were read from.
#[derive(PartialEq, Eq)]
pub(super) struct Source {
    /// What it is.
    pub(super) kind: SourceKind,
    /// All of it; for a variable `NAME=value`, for a flag `--name value`.
    pub(super) text: String,
}

/// Where a text came from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum SourceKind {
    /// A file, by its path as the user gave it.
    File(String),
    /// An environment variable, by its name.
    Variable(String),
    /// A flag of the command line, by its name.
    Flag(String),
}

/// A stretch of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// The text it is part of.
    pub(super) source: Arc<Source>,
    /// Bytes of that text.
    pub(super) span: Range<usize>,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Severity {
    /// The configuration is refused.
    Error,
    /// It works, with a consequence the operator should know.
    Warning,
}

/// One thing wrong with a configuration. `Display` draws it with the line it is on and a caret,
/// without colour; [`Problem::one_line`] is for logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem(Box<Detail>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Detail {
    severity: Severity,
    reason: String,
    /// The key it is about, `data.ports`.
    key: Option<String>,
    place: Option<Place>,
    /// A second place that has to do with it, and what it is.
    context: Option<(Place, &'static str)>,
    remedy: Option<String>,
}

impl Problem {
    pub(super) fn error(reason: impl Into<String>) -> Self {
        Self::new(Severity::Error, reason.into())
    }

    pub(super) fn warning(reason: impl Into<String>) -> Self {
        Self::new(Severity::Warning, reason.into())
    }

    fn new(severity: Severity, reason: String) -> Self {
        Self(Box::new(Detail {
            severity,
            reason,
            key: None,
            place: None,
            context: None,
            remedy: None,
        }))
    }

    pub(super) fn at(mut self, place: &Place) -> Self {
        self.0.place = Some(place.clone());
        self
    }

    /// At a place, if there is one.
    pub(super) fn within(self, place: Option<&Place>) -> Self {
        match place {
            Some(place) => self.at(place),
            None => self,
        }
    }

    pub(super) fn about(mut self, key: impl Into<String>) -> Self {
        self.0.key = Some(key.into());
        self
    }

    pub(super) fn context(mut self, place: &Place, what: &'static str) -> Self {
        self.0.context = Some((place.clone(), what));
        self
    }

    pub(super) fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.0.remedy = Some(remedy.into());
        self
    }

    /// Whether it still stands when the file has these syntax errors: what could not be read may
    /// be what it misses or misreads.
    pub(super) fn survives(&self, syntax: &[Self]) -> bool {
        let Some(place) = &self.0.place else { return false };
        !syntax.iter().filter_map(|error| error.0.place.as_ref()).any(|e| e.shares_line(place))
    }

    /// Whether it says nothing new: the same of the same place, or the same of nowhere and the key.
    fn repeats(&self, other: &Self) -> bool {
        let (this, other) = (&*self.0, &*other.0);
        let same = this.place == other.place && this.reason == other.reason;
        same && (this.place.is_some() || this.key == other.key)
    }

    /// Whether the configuration can be used in spite of it.
    pub fn is_warning(&self) -> bool {
        self.0.severity == Severity::Warning
    }

    /// The key it is about, `data.ports` or `listener.public.data.ports`.
    pub fn key(&self) -> Option<&str> {
        self.0.key.as_deref()
    }

    /// `ftpgate.toml:3:9: key: reason; remedy`, or the variable or flag instead of the file.
    pub fn one_line(&self) -> String {
        let mut line = self.0.place.as_ref().map(|p| format!("{p}: ")).unwrap_or_default();
        if let Some(key) = &self.0.key {
            line.push_str(&format!("{key}: "));
        }
        line.push_str(&self.0.reason);
        if let Some(remedy) = &self.0.remedy {
            line.push_str("; ");
            line.push_str(remedy);
        }
        line.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
    }

    /// Several lines: the reason, the place with a caret, the remedy.
    pub fn render(&self, colour: bool) -> String {
        let level = match self.0.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let mut title = match &self.0.place {
            Some(place) => level.primary_title(place.title(&self.0.reason)),
            None => level.primary_title(&self.0.reason),
        };
        if let Some(key) = &self.0.key {
            title = title.id(key);
        }
        let mut group = title.elements(self.snippets());
        if let Some(remedy) = &self.0.remedy {
            group = group.element(Level::HELP.message(remedy));
        }
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        renderer.render(&[group])
    }

    /// The lines to show: one source, or two when the other place is elsewhere.
    fn snippets(&self) -> Vec<Snippet<'_, annotate_snippets::Annotation<'_>>> {
        let Some(place) = &self.0.place else { return Vec::new() };
        let primary = AnnotationKind::Primary.span(place.span.clone());
        let first = place.source.snippet().annotation(primary);
        let Some((other, what)) = &self.0.context else { return vec![first] };
        let annotation = AnnotationKind::Context.span(other.span.clone()).label(*what);
        if other.source == place.source {
            vec![first.annotation(annotation)]
        } else {
            vec![first, other.source.snippet().annotation(annotation)]
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl Place {
    fn shares_line(&self, other: &Self) -> bool {
        let (first, second) =
            if self.span.start <= other.span.start { (self, other) } else { (other, self) };
        let between = first.span.end..second.span.start.max(first.span.end);
        let text = self.source.text.get(between).unwrap_or_default();
        self.source == other.source && !text.contains('\n')
    }

    /// A variable or a flag is named in the title, as it has no line and column.
    fn title(&self, reason: &str) -> String {
        match &self.source.kind {
            SourceKind::File(_) => reason.to_owned(),
            SourceKind::Variable(name) => format!("environment variable {name}: {reason}"),
            SourceKind::Flag(name) => format!("{name}: {reason}"),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source.kind {
            SourceKind::File(name) => {
                let before = self.source.text.get(..self.span.start).unwrap_or_default();
                let line = before.matches('\n').count() + 1;
                let column = before.chars().rev().take_while(|&c| c != '\n').count() + 1;
                write!(f, "{name}:{line}:{column}")
            }
            SourceKind::Variable(name) | SourceKind::Flag(name) => f.write_str(name),
        }
    }
}

/// Its name: the whole text beside each value would hide the values.
impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)
    }
}

impl Source {
    fn snippet<T: Clone>(&self) -> Snippet<'_, T> {
        let snippet = Snippet::source(self.text.as_str());
        match &self.kind {
            SourceKind::File(name) => snippet.path(name.as_str()),
            SourceKind::Variable(_) | SourceKind::Flag(_) => snippet.line_numbering(false),
        }
    }
}

/// In the order of the file, then of variables and flags; what has no place comes last. The same
/// thing said of several listeners, or of them and the global section, is said once.
pub(super) fn sort(problems: &mut Vec<Problem>) {
    problems.sort_by_cached_key(|problem| match &problem.0.place {
        Some(place) => (0, Some(place.source.kind.clone()), place.span.start),
        None => (1, None, 0),
    });
    problems.dedup_by(|later, first| later.repeats(first));
}

/// Everything wrong with a configuration, in the order of the file; at least one is an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(pub(super) Vec<Problem>);

impl Problems {
    /// One after the other.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }

    /// All of them drawn, and a last line that counts the errors.
    pub fn render(&self, colour: bool) -> String {
        let mut text = String::new();
        for problem in &self.0 {
            text.push_str(&problem.render(colour));
            text.push_str("\n\n");
        }
        let errors = self.0.iter().filter(|p| !p.is_warning()).count();
        let plural = if errors == 1 { "" } else { "s" };
        text.push_str(&format!("{errors} error{plural} in the configuration"));
        text
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Problems {}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}
