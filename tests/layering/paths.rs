//! Just enough of a Rust reader: code without comments and strings, its words, its paths.

/// The source with comments, strings and characters blanked out, line by line as it was.
pub(crate) fn code_only(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let skipped = blank_length(rest, out.chars().next_back());
        let (taken, after) = rest.split_at(skipped.unwrap_or(first.len_utf8()));
        match skipped {
            Some(_) => out.extend(taken.chars().map(|c| if c == '\n' { c } else { ' ' })),
            None => out.push(first),
        }
        rest = after;
    }
    out
}

/// The length of the comment or literal at the start of `text`, if there is one.
fn blank_length(text: &str, before: Option<char>) -> Option<usize> {
    let until = |from: usize, end: &str| {
        text[from..].find(end).map_or(text.len(), |at| from + at + end.len())
    };
    if text.starts_with("//") {
        return Some(text.find('\n').unwrap_or(text.len()));
    }
    if text.starts_with("/*") {
        return Some(until(2, "*/"));
    }
    if text.starts_with('"') {
        return Some(quoted(text, '"'));
    }
    let word = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
    if text.starts_with('r') && (!word || before == Some('b')) {
        let hashes = text[1..].chars().take_while(|c| *c == '#').count();
        if text[1 + hashes..].starts_with('"') {
            return Some(until(2 + hashes, &format!("\"{}", "#".repeat(hashes))));
        }
    }
    // A lifetime has no second quote.
    let mut chars = text.char_indices();
    if chars.next()?.1 == '\'' {
        let (_, character) = chars.next()?;
        let closed = character == '\\' || chars.next().is_some_and(|(_, c)| c == '\'');
        return closed.then(|| quoted(text, '\''));
    }
    None
}

fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return at + c.len_utf8(),
            _ => {}
        }
    }
    text.len()
}

/// Every word, with its line and the code before it.
pub(crate) fn words(code: &str) -> impl Iterator<Item = (usize, &str, &str)> {
    let inner = |c: char| c.is_alphanumeric() || c == '_';
    let mut line = 1;
    code.char_indices().filter_map(move |(at, c)| {
        line += usize::from(c == '\n');
        let (before, rest) = code.split_at(at);
        if !inner(c) || before.ends_with(inner) {
            return None;
        }
        let end = rest.find(|c| !inner(c)).unwrap_or(rest.len());
        Some((line, before, &rest[..end]))
    })
}

/// Every path that starts with `crate` or `super`, from the root of the crate, with its line.
/// Groups in braces are spread out: `crate::{a, b::c}` is `a` and `b::c`.
pub(crate) fn crate_paths(module: &[String], code: &str) -> Vec<(usize, Vec<String>)> {
    let mut found = Vec::new();
    for (line, before, word) in words(code) {
        let rest = &code[before.len() + word.len()..];
        let inside = before.trim_end().ends_with("::") || before.ends_with('$');
        let base = match word {
            "crate" => Vec::new(),
            "super" if !inside => module[..module.len() - 1].to_vec(),
            _ => continue,
        };
        // `pub(crate)` and `pub(super)` are no paths.
        let Some(tree) = rest.trim_start().strip_prefix("::") else { continue };
        let mut paths = Vec::new();
        tree_paths(tree, base, &mut paths);
        found.extend(paths.into_iter().map(|path| (line, path)));
    }
    found
}

/// Reads one tree of a path into `paths`; gives back what follows it.
fn tree_paths<'c>(tree: &'c str, mut path: Vec<String>, paths: &mut Vec<Vec<String>>) -> &'c str {
    let mut rest = tree.trim_start();
    if let Some(mut group) = rest.strip_prefix('{') {
        loop {
            group = group.trim_start().trim_start_matches(',').trim_start();
            if let Some(after) = group.strip_prefix('}') {
                return after;
            }
            let before = group.len();
            group = tree_paths(group, path.clone(), paths);
            if group.len() == before {
                return group;
            }
        }
    }
    let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '*'));
    let (name, after) = rest.split_at(end.unwrap_or(rest.len()));
    rest = after;
    match name {
        "super" => _ = path.pop(),
        "self" | "" => {}
        _ => path.push(name.to_owned()),
    }
    if let Some(renamed) = rest.trim_start().strip_prefix("as ") {
        let end = renamed.find([',', '}', ';']).unwrap_or(renamed.len());
        rest = &renamed[end..];
    }
    match rest.trim_start().strip_prefix("::") {
        // A turbofish is no part of the path.
        Some(deeper) if !deeper.trim_start().starts_with('<') => tree_paths(deeper, path, paths),
        _ => {
            paths.push(path);
            rest
        }
    }
}
