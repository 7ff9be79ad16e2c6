//! Values with the place they were read from: a file's TOML, or the words of a variable or flag.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{Place, Problem, Source, SourceKind};

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub(super) value: Value,
    pub(super) place: Place,
}

/// What was written.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Text(String),
    /// The text of a variable or flag: its type is that of the key.
    Words(String),
    Integer(i64),
    Boolean(bool),
    List(Vec<Item>),
    Table(Arc<Table>),
    /// A type no key has: what it is called, with its article.
    Other(&'static str),
}

/// A table of the file, or an inline one.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) entries: BTreeMap<String, Entry>,
}

/// One key of a table.
#[derive(Debug)]
pub(super) struct Entry {
    /// Where the key itself stands.
    pub(super) key: Place,
    pub(super) item: Item,
}

/// Reads a whole file: its table as far as it can be understood, and every syntax error.
pub(super) fn document(name: &str, text: &str) -> (Arc<Table>, Vec<Problem>) {
    let source = Arc::new(Source { kind: SourceKind::File(name.into()), text: text.into() });
    let (table, errors) = DeTable::parse_recoverable(text);
    let problems = errors.iter().map(|error| syntax(error, &source, 0)).collect();
    (Origin { source: &source, offset: 0 }.table(table.get_ref()), problems)
}

fn syntax(error: &toml::de::Error, source: &Arc<Source>, offset: usize) -> Problem {
    let end = source.text.len();
    let span = error.span().unwrap_or(end..end);
    let place = Place { source: source.clone(), span: span.start + offset..span.end + offset };
    let problem = Problem::error(format!("this is not TOML: {}", error.message())).at(&place);
    match unquoted(&source.text, place.span.start) {
        Some((key, value)) => {
            problem.remedy(format!("a text stands in quotes: {key} = \"{value}\""))
        }
        None => problem,
    }
}

/// The key and the value of the line with this byte, when the value seems to lack its quotes.
fn unquoted(text: &str, at: usize) -> Option<(&str, &str)> {
    let start = text.get(..at)?.rfind('\n').map_or(0, |newline| newline + 1);
    let line = text.get(start..)?.lines().next()?;
    let (key, value) = line.split('#').next()?.split_once('=')?;
    let plain =
        value.bytes().all(|b| b == b' ' || b.is_ascii_alphanumeric() || b"-.:/*_".contains(&b));
    let inside = at >= start + key.len();
    (plain && inside && !value.trim().is_empty()).then(|| (key.trim(), value.trim()))
}

/// A stretch of TOML inside of a source.
struct Origin<'a> {
    source: &'a Arc<Source>,
    offset: usize,
}

impl Origin<'_> {
    fn place(&self, span: Range<usize>) -> Place {
        let span = span.start + self.offset..span.end + self.offset;
        Place { source: self.source.clone(), span }
    }

    fn table(&self, table: &DeTable<'_>) -> Arc<Table> {
        let entries = table.iter().map(|(key, value)| {
            let entry = Entry { key: self.place(key.span()), item: self.item(value) };
            (key.get_ref().to_string(), entry)
        });
        Arc::new(Table { entries: entries.collect() })
    }

    fn item(&self, value: &Spanned<DeValue<'_>>) -> Item {
        let read = match value.get_ref() {
            DeValue::String(text) => Value::Text(text.to_string()),
            DeValue::Integer(integer) => i64::from_str_radix(integer.as_str(), integer.radix())
                .map_or(Value::Other("a number beyond 64 bits"), Value::Integer),
            DeValue::Boolean(boolean) => Value::Boolean(*boolean),
            DeValue::Array(items) => Value::List(items.iter().map(|i| self.item(i)).collect()),
            DeValue::Table(table) => Value::Table(self.table(table)),
            DeValue::Float(_) => Value::Other("a fraction"),
            DeValue::Datetime(_) => Value::Other("a date"),
        };
        Item { value: read, place: self.place(value.span()) }
    }
}

impl Item {
    /// What the variable `name` holds.
    pub(super) fn variable(name: &str, value: &str) -> Self {
        Self::words(SourceKind::Variable(name.into()), format!("{name}="), value)
    }

    /// What was given with the flag `name`.
    pub(super) fn flag(name: &str, value: &str) -> Self {
        Self::words(SourceKind::Flag(name.into()), format!("{name} "), value)
    }

    fn words(kind: SourceKind, mut text: String, value: &str) -> Self {
        let start = text.len();
        text.push_str(value);
        let span = start..text.len();
        let place = Place { source: Arc::new(Source { kind, text }), span };
        Self { value: Value::Words(value.into()), place }.trimmed()
    }

    /// Words without the blanks around them.
    fn trimmed(mut self) -> Self {
        if let Value::Words(words) = &mut self.value {
            let lead = words.len() - words.trim_start().len();
            *words = words.trim().to_owned();
            self.place.span.start += lead;
            self.place.span.end = self.place.span.start + words.len();
        }
        self
    }

    /// A variable or flag with nothing in it.
    pub(super) fn is_blank(&self) -> bool {
        matches!(&self.value, Value::Words(words) if words.is_empty())
    }

    /// Whether these are the words.
    pub(super) fn is(&self, text: &str) -> bool {
        matches!(&self.value, Value::Words(words) if words == text.trim())
    }

    /// A problem with this very value.
    pub(super) fn problem(&self, reason: impl Into<String>) -> Problem {
        Problem::error(reason).at(&self.place)
    }

    fn wrong_type(&self, wanted: &str) -> Problem {
        let found = match &self.value {
            Value::Text(_) | Value::Words(_) => "a text",
            Value::Integer(_) => "a number",
            Value::Boolean(_) => "true or false",
            Value::List(_) => "a list",
            Value::Table(_) => "a table",
            Value::Other(other) => other,
        };
        self.problem(format!("must be {wanted}, not {found}"))
    }

    /// The text; quotes around the words of a variable are optional.
    pub(super) fn text(&self) -> Result<String, Problem> {
        match &self.value {
            Value::Text(text) => Ok(text.clone()),
            Value::Words(words) if words.starts_with(['"', '\'']) => match self.parsed()?.value {
                Value::Text(text) => Ok(text),
                _ => Err(self.wrong_type("a text")),
            },
            Value::Words(words) => Ok(words.clone()),
            _ => Err(self.wrong_type("a text")),
        }
    }

    pub(super) fn integer(&self) -> Result<i64, Problem> {
        match &self.value {
            Value::Integer(integer) => Ok(*integer),
            Value::Words(words) => words.parse().map_err(|_| self.wrong_type("a whole number")),
            Value::Text(text) if text.trim().parse::<i64>().is_ok() => Err(self
                .wrong_type("a whole number")
                .remedy(format!("write {}, without quotes", text.trim()))),
            _ => Err(self.wrong_type("a whole number")),
        }
    }

    pub(super) fn boolean(&self) -> Result<bool, Problem> {
        match &self.value {
            Value::Boolean(boolean) => Ok(*boolean),
            Value::Words(words) if words == "true" => Ok(true),
            Value::Words(words) if words == "false" => Ok(false),
            _ => Err(self.wrong_type("true or false")),
        }
    }

    pub(super) fn table(&self) -> Result<Arc<Table>, Problem> {
        match &self.value {
            Value::Table(table) => Ok(table.clone()),
            Value::Words(words) if words.starts_with('{') => match self.parsed()?.value {
                Value::Table(table) => Ok(table),
                _ => Err(self.wrong_type("a table")),
            },
            _ => Err(self.wrong_type("a table")),
        }
    }

    /// The elements of a list; one value alone is a list of one, and words are split at commas.
    pub(super) fn list(&self) -> Result<Vec<Self>, Problem> {
        match &self.value {
            Value::List(items) => Ok(items.clone()),
            Value::Words(words) if words.is_empty() => Ok(Vec::new()),
            Value::Words(words) if words.starts_with(['[', '{']) => match self.parsed() {
                Ok(Self { value: Value::List(items), .. }) => Ok(items),
                Ok(item) => Ok(vec![item]),
                // `[::]:21` opens with a bracket and is no TOML.
                Err(_) if !words.contains(['"', '\'', '{']) => Ok(self.split(words)),
                Err(problem) => Err(problem),
            },
            Value::Words(words) => Ok(self.split(words)),
            _ => Ok(vec![self.clone()]),
        }
    }

    fn split(&self, words: &str) -> Vec<Self> {
        let mut start = self.place.span.start;
        let pieces = words.split(',').map(|piece| {
            let span = start..start + piece.len();
            start = span.end + 1;
            let place = Place { source: self.place.source.clone(), span };
            Self { value: Value::Words(piece.into()), place }.trimmed()
        });
        pieces.collect()
    }

    /// The words read as TOML.
    fn parsed(&self) -> Result<Self, Problem> {
        let Value::Words(words) = &self.value else { return Ok(self.clone()) };
        let (source, offset) = (&self.place.source, self.place.span.start);
        match DeValue::parse(words) {
            Ok(value) => Ok(Origin { source, offset }.item(&value)),
            Err(error) => Err(syntax(&error, source, offset)),
        }
    }
}
