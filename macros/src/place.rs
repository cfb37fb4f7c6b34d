//! Where an annotated function stands: free, in an `impl` of a type, in an `impl` of a trait, in a trait.
//!
//! An attribute isn't told. It knows where its function begins, so it reads the source up to there, with a lexer that
//! knows comments, literals and brackets and nothing else, and looks at what stands before the innermost open `{`. That
//! works in the bodies of macros too.

use syn::{Generics, Ident, ItemImpl, ItemTrait};

/// Stands for the `$` of what a macro fills in.
pub(crate) const OF_MACRO: &str = "__of_macro_";

/// Where a function stands.
#[derive(Clone)]
pub(crate) enum Place {
    /// At the level of a module.
    Free,
    /// In the body of another function.
    Nested,
    /// In `impl Repo { … }`, which is known where the source can be read.
    Inherent(Option<Box<ItemImpl>>),
    /// In `impl Load for Repo { … }`, which is known where the source can be read.
    TraitImpl(Option<Box<ItemImpl>>),
    /// In `trait Load { … }`.
    Trait(Box<ItemTrait>),
    /// The source can't be read (generated code), or doesn't say it (the arm of a macro).
    Unknown,
}

impl Place {
    /// Whether `Self` means something here.
    pub(crate) fn has_self_type(&self) -> bool {
        matches!(self, Place::Inherent(_) | Place::TraitImpl(_) | Place::Trait(_))
    }

    /// The generic parameters of what is around the function.
    pub(crate) fn generics(&self) -> Option<&Generics> {
        match self {
            Place::Inherent(item) | Place::TraitImpl(item) => item.as_ref().map(|item| &item.generics),
            Place::Trait(item) => Some(&item.generics),
            Place::Free | Place::Nested | Place::Unknown => None,
        }
    }

    /// The place of the function whose `fn` has this span.
    pub(crate) fn of(span: proc_macro2::Span) -> Place {
        let Some((source, line, column)) = source(span) else { return Place::Unknown };
        place(&source, line, column)
    }
}

/// How many functions of this name stand before the one whose `fn` has this span, inside of the same function: of several
/// blocks the compiler gives them all one path.
pub(crate) fn namesakes_before(span: proc_macro2::Span, name: &Ident) -> usize {
    let Some((source, line, column)) = source(span) else { return 0 };
    let name = name.to_string();
    namesakes(&source, line, column, name.trim_start_matches("r#"))
}

fn namesakes(source: &str, line: usize, column: usize, name: &str) -> usize {
    let source = source.strip_prefix('\u{feff}').unwrap_or(source);
    let Some(at) = offset(source, line, column) else { return 0 };
    let in_function = |frame: &Frame| frame.open == '{' && matches!(of_header(&frame.header), Place::Nested);
    let frames = enclosing(&source[..at]);
    let Some(function) = frames.iter().find(|frame| in_function(frame)) else { return 0 };
    let (mut rest, mut after_fn, mut found) = (&source[function.at..at], false, 0);
    while !rest.is_empty() {
        let (token, after) = rest.split_at(skip(rest));
        rest = after;
        if token.trim().is_empty() || token.starts_with("//") || token.starts_with("/*") {
            continue;
        }
        found += usize::from(after_fn && token == name);
        // `r#name` is read as `r`, `#` and `name`.
        after_fn = token == "fn" || after_fn && matches!(token, "r" | "#");
    }
    found
}

/// The text of the file that the span is in, and the line and column (from one) where it starts. Outside of a compiler,
/// as in this crate's own tests, there is none.
pub(crate) fn source(span: proc_macro2::Span) -> Option<(String, usize, usize)> {
    if !proc_macro::is_available() {
        return None;
    }
    let span = span.unwrap();
    let source = std::fs::read_to_string(span.local_file()?).ok()?;
    Some((source, span.line(), span.column()))
}

/// The place of the `fn` at this line and column (from one).
pub(crate) fn place(source: &str, line: usize, column: usize) -> Place {
    let source = source.strip_prefix('\u{feff}').unwrap_or(source);
    let Some(at) = offset(source, line, column).filter(|at| is_function(&source[*at..])) else {
        return Place::Unknown;
    };
    match enclosing(&source[..at]).last() {
        None => Place::Free,
        Some(Frame { open: '{', header, .. }) => of_header(header),
        Some(_) => Place::Unknown,
    }
}

/// `#[async_trait]` gives its `fn` the span of the `async` that it replaces.
fn is_function(text: &str) -> bool {
    text.starts_with("fn") || text.starts_with("async")
}

pub(crate) fn offset(source: &str, line: usize, column: usize) -> Option<usize> {
    let text = source.split_inclusive('\n').nth(line.checked_sub(1)?)?;
    let before = text.char_indices().nth(column.checked_sub(1)?)?.0;
    Some(text.as_ptr() as usize - source.as_ptr() as usize + before)
}

/// What stands before an open brace says what the brace opens.
fn of_header(header: &str) -> Place {
    let header = without_visibility(without_attributes(header)).replace('$', OF_MACRO);
    let mut words =
        header.split_whitespace().skip_while(|word| matches!(*word, "unsafe" | "default" | "auto" | "const"));
    let word = words.next().unwrap_or_default();
    if word == "impl" || word.starts_with("impl<") {
        return match syn::parse_str::<ItemImpl>(&format!("{header} {{}}")) {
            Ok(item) if item.trait_.is_some() => Place::TraitImpl(Some(Box::new(item))),
            Ok(item) => Place::Inherent(Some(Box::new(item))),
            Err(_) => Place::Unknown,
        };
    }
    if word == "trait" {
        let name = words.next().unwrap_or_default();
        let end = name
            .find(|character: char| !(character.is_alphanumeric() || character == '_'))
            .unwrap_or(name.len());
        let item = syn::parse_str(&format!("{header} {{}}"));
        let item = item.or_else(|_| syn::parse_str(&format!("trait {} {{}}", &name[..end])));
        return item.map_or(Place::Unknown, |item| Place::Trait(Box::new(item)));
    }
    if word == "mod" {
        return Place::Free;
    }
    if header.trim_end().ends_with("=>") && header.trim_start().starts_with(['(', '[', '{'])
        || header.contains("macro_rules!")
        || header.trim_end().ends_with('!')
    {
        return Place::Unknown;
    }
    Place::Nested
}

fn without_visibility(header: &str) -> &str {
    let Some(rest) = header.strip_prefix("pub") else { return header };
    match (rest.starts_with('('), rest.find(')')) {
        (true, Some(end)) => &rest[end + 1..],
        _ if rest.starts_with(char::is_whitespace) => rest,
        _ => header,
    }
}

fn without_attributes(header: &str) -> &str {
    let mut rest = header.trim();
    while rest.starts_with("#[") || rest.starts_with("#![") {
        let mut depth = 0_usize;
        let end = rest.find(|character| {
            match character {
                '[' => depth += 1,
                ']' => depth -= 1,
                _ => {}
            }
            character == ']' && depth == 0
        });
        let Some(end) = end else { return rest };
        rest = rest[end + 1..].trim_start();
    }
    rest
}

/// A bracket that is still open, with what stands before it.
#[derive(Debug, PartialEq, Eq)]
struct Frame {
    open: char,
    header: String,
    /// Where the bracket is (bytes).
    at: usize,
}

/// The brackets that are open at the end of the text.
fn enclosing(text: &str) -> Vec<Frame> {
    let mut frames: Vec<Frame> = Vec::new();
    // What has been read of the item that each open bracket contains; the last belongs to the innermost.
    let mut headers = vec![String::new()];
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        let length = skip(rest);
        let (token, after) = rest.split_at(length);
        rest = after;
        let Some(header) = headers.last_mut() else { break };
        match character {
            '/' if length > 1 => header.push(' '),
            '(' | '[' | '{' if length == 1 => {
                let before = header.clone();
                header.push(character);
                let at = text.len() - rest.len() - 1;
                frames.push(Frame { open: character, header: before, at });
                headers.push(String::new());
            }
            ')' | ']' | '}' if length == 1 => {
                if frames.pop().is_none() {
                    continue;
                }
                let inside = headers.pop().unwrap_or_default();
                let Some(header) = headers.last_mut() else { break };
                if character == '}' && !after.trim_start().starts_with(['>', ',']) {
                    header.clear();
                } else {
                    header.push_str(&inside);
                    header.push(character);
                }
            }
            ';' => header.clear(),
            // The text of a literal says nothing, and may look like anything.
            _ if token.contains('"') => header.push_str("\"\""),
            _ => header.push_str(token),
        }
    }
    frames
}

/// The length of the comment, literal or character at the start of the text (which isn't empty).
pub(crate) fn skip(text: &str) -> usize {
    let first = text.chars().next().map_or(0, char::len_utf8);
    if text.starts_with("//") {
        return text.find('\n').unwrap_or(text.len());
    }
    if text.starts_with("/*") {
        return block_comment(text);
    }
    if text.starts_with('\'') {
        return quote(text);
    }
    if text.starts_with('"') {
        return string(text);
    }
    // A word: as a whole, so that the prefix of a literal isn't looked for inside a name.
    let word =
        text.find(|character: char| !(character.is_alphanumeric() || character == '_')).unwrap_or(text.len());
    if word == 0 {
        return first;
    }
    let after = &text[word..];
    match &text[..word] {
        "r" | "br" | "cr" => word + raw_string(after),
        "b" | "c" if after.starts_with('"') => word + string(after),
        "b" if after.starts_with('\'') => word + quote(after),
        _ => word,
    }
}

fn block_comment(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        if rest.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// A string, from its quote to the end of its last one.
fn string(text: &str) -> usize {
    let mut escaped = false;
    for (at, character) in text.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// `#"…"#` or `"…"`; nothing when it is neither (`r#name`).
fn raw_string(text: &str) -> usize {
    let hashes = text.len() - text.trim_start_matches('#').len();
    if !text[hashes..].starts_with('"') {
        return 0;
    }
    let end = format!("\"{}", &text[..hashes]);
    let start = hashes + 1;
    text[start..].find(&end).map_or(text.len(), |at| start + at + end.len())
}

/// A character literal, or only the quote of a lifetime.
fn quote(text: &str) -> usize {
    let mut characters = text.char_indices().skip(1);
    let Some((_, first)) = characters.next() else { return text.len() };
    if first == '\\' {
        // The escaped character may itself be a quote.
        characters.next();
        return characters.find(|(_, character)| *character == '\'').map_or(text.len(), |(at, _)| at + 1);
    }
    match characters.next() {
        Some((at, '\'')) => at + 1,
        _ => 1,
    }
}

#[cfg(test)]
#[path = "place_tests.rs"]
mod tests;
