//! `"user:{id}"` → literals and placeholders. Templates whose keys could coincide are refused.

use syn::{Ident, LitStr, ext::IdentExt, parse::ParseStream};

/// A template in an attribute, with the literal it was written as.
#[derive(Clone)]
pub(crate) struct Template {
    pub(crate) literal: LitStr,
    pub(crate) parts: Vec<Part>,
    /// It is a tag's: its key begins with a `#` that nobody writes.
    pub(crate) is_tag: bool,
}

impl Template {
    /// The template that comes next.
    pub(super) fn read(input: ParseStream) -> syn::Result<Template> {
        if !input.peek(LitStr) {
            return Err(input.error("a key is a template in a string, such as `\"user:{id}\"`"));
        }
        Template::parse(input.parse()?)
    }

    pub(crate) fn parse(literal: LitStr) -> syn::Result<Template> {
        match parse(&literal.value()) {
            Ok(parts) => Ok(Template { literal, parts, is_tag: false }),
            Err(mistake) => Err(mistake.at(&literal)),
        }
    }

    /// One that a write names: what it asks for can be asked of a call.
    pub(super) fn of_write(literal: &LitStr) -> syn::Result<Template> {
        let text = literal.value();
        if let Some(start) = text.strip_suffix('*') {
            let why = "a key is that of one entry, and `*` finds none; give the entries a tag, and write that, as in \
                       `#[invalidates(tags(\"users\"))]`. An entry with this very key is named by the call of its function";
            return Err(Mistake::new(start.len(), why).at(literal));
        }
        Template::parse(literal.clone()).map_err(|error| match asks(&literal.value()) {
            Some(mistake) => mistake.at(literal),
            None => error,
        })
    }

    pub(crate) fn placeholders(&self) -> impl Iterator<Item = &Placeholder> {
        self.parts.iter().filter_map(|part| match part {
            Part::Placeholder(placeholder) => Some(placeholder),
            Part::Literal(_) => None,
        })
    }
}

/// One piece of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    /// Copied into the key; `{{` and `}}` are already single braces.
    Literal(String),
    /// A value.
    Placeholder(Placeholder),
}

/// `{user.id:08}`
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Placeholder {
    /// `user`
    pub(crate) name: String,
    /// `["id"]`
    pub(crate) fields: Vec<String>,
    /// `08`
    pub(crate) format: Format,
    /// Where the name begins in the template (bytes).
    pub(crate) at: usize,
}

/// How a placeholder wants its value written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Format {
    /// By `Display`, as it is.
    Plain,
    /// By another trait, or a sign, which no two values share.
    As(String),
    /// Padded to a width; only for numbers, because padding makes two texts the same.
    Padded(String),
}

/// What is wrong with a template, and where (bytes).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mistake {
    pub(crate) at: usize,
    pub(crate) why: String,
}

impl Mistake {
    fn new(at: usize, why: impl Into<String>) -> Mistake {
        Mistake { at, why: why.into() }
    }

    /// Stable Rust can't point inside a literal, so the message draws the arrow.
    pub(crate) fn at(&self, literal: &LitStr) -> syn::Error {
        let text = literal.value();
        let at = self.at.min(text.len());
        let from = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
        let line = text[from..].lines().next().unwrap_or_default();
        let column = text[from..at].chars().count();
        syn::Error::new(literal.span(), format!("{}\n\n{line}\n{:column$}^", self.why, ""))
    }
}

/// A value never contains one of these: the runtime percent-encodes them. `%` is left out here, because it is part of
/// encoded values.
fn separates(character: char) -> bool {
    matches!(character, ':' | '/' | '|' | '#' | ',' | ';' | '=' | '{' | '}')
        || character.is_whitespace()
        || character.is_control()
}

/// The parts of a template, or the first thing wrong with it.
pub(crate) fn parse(text: &str) -> Result<Vec<Part>, Mistake> {
    if text.is_empty() {
        return Err(Mistake::new(0, "an empty key; write a template such as `\"user:{id}\"`"));
    }
    if let Some(name) = text.strip_prefix('#').filter(|name| name.split('.').all(is_name)) {
        return Err(Mistake::new(
            0,
            format!("a parameter is written `{{{name}}}`, as in `\"user:{{{name}}}\"`"),
        ));
    }
    if text.starts_with('#') {
        return Err(Mistake::new(
            0,
            "a key can't start with `#`: such names are kept for tags; start with a word, such as `user:`",
        ));
    }
    let mut parts = Vec::new();
    let mut literal = String::new();
    let mut at = 0;
    while let Some(character) = text[at..].chars().next() {
        let rest = &text[at..];
        if rest.starts_with("{{") || rest.starts_with("}}") {
            literal.push(character);
            at += 2;
        } else if character == '{' {
            let length = rest.find('}').ok_or_else(|| {
                Mistake::new(at, "this `{` is never closed; write `{{` if the key is to contain one")
            })?;
            let placeholder = placeholder(&rest[1..length], at + 1)?;
            if !literal.is_empty() {
                parts.push(Part::Literal(std::mem::take(&mut literal)));
            }
            check_separated(&parts, at)?;
            parts.push(Part::Placeholder(placeholder));
            at += length + 1;
        } else if character == '}' {
            return Err(Mistake::new(
                at,
                "this `}` was never opened; write `}}` if the key is to contain one",
            ));
        } else {
            literal.push(character);
            at += character.len_utf8();
        }
    }
    if !literal.is_empty() {
        parts.push(Part::Literal(literal));
    }
    if let [Part::Placeholder(first), Part::Literal(next), ..] = &parts[..]
        && next.starts_with('#')
    {
        return Err(Mistake::new(
            first.at - 1,
            "with an empty value this key would start with `#`, and such names are kept for tags; \
             start with a word, such as `user:`",
        ));
    }
    Ok(parts)
}

/// A placeholder that follows `parts` must be separated from the one before it.
fn check_separated(parts: &[Part], at: usize) -> Result<(), Mistake> {
    let between = match parts {
        [] | [Part::Literal(_)] => return Ok(()),
        [.., Part::Literal(between)] => between.as_str(),
        [.., Part::Placeholder(_)] => "",
    };
    if between.chars().any(separates) {
        return Ok(());
    }
    Err(Mistake::new(
        at,
        "this value could run into the one before it, so that two argument lists give one key; \
         put a separator between them, such as `:` or `/`",
    ))
}

/// The text between the braces, which begins at `at` in the template.
fn placeholder(text: &str, at: usize) -> Result<Placeholder, Mistake> {
    let (path, spec) = text.split_once(':').unwrap_or((text, ""));
    let lead = path.len() - path.trim_start().len();
    let (path, at) = (path.trim(), at + lead);
    if path.is_empty() || path.chars().all(|character| character.is_ascii_digit()) {
        return Err(Mistake::new(
            at,
            "a placeholder names a parameter, such as `{id}`: there are no positions here",
        ));
    }
    let mut names = Vec::new();
    let mut name_at = at;
    for name in path.split('.') {
        if !(is_name(name) || (!names.is_empty() && is_index(name))) {
            return Err(Mistake::new(
                name_at,
                "a placeholder is a parameter or a field of one, such as `{id}`, `{user.id}`, `{self.tenant}` or `{pair.0}`; \
                 for anything else write a function that computes it and takes it as a parameter",
            ));
        }
        names.push(name.to_owned());
        name_at += name.len() + 1;
    }
    let name = names.remove(0);
    let format = format(spec).map_err(|why| Mistake::new(at + path.len(), why))?;
    Ok(Placeholder { name, fields: names, format, at })
}

/// The placeholder that asks for what there is, or for an item: `{id?}`, `{ids[0]}`.
fn asks(text: &str) -> Option<Mistake> {
    let open = text.match_indices('{').map(|(at, _)| at + 1);
    let inside = |at: usize| Some((at, &text[at..at + text[at..].find('}')?]));
    open.filter_map(inside).find_map(|(at, written)| {
        let expr = written.split(':').next()?.trim();
        let asks = expr.find(['?', '['])?;
        let mut names = expr.split(['.', '?']).filter(|name| !name.is_empty());
        let is_part = |name: &str| is_name(name.split('[').next().unwrap_or(name)) || is_index(name);
        if !names.all(is_part) {
            return None;
        }
        let expr = by_question_marks(expr)?;
        let why = format!(
            "a template can't ask for what there is; name the call of the cached function, such as `load_user({expr})`: the key is left \
             out where there is none"
        );
        Some(Mistake::new(at + asks, why))
    })
}

/// `ids[0].id` → `ids.first()?.id`
fn by_question_marks(expr: &str) -> Option<String> {
    let mut parts = expr.split('[');
    let mut asked = parts.next()?.to_owned();
    for part in parts {
        let (index, rest) = part.split_once(']')?;
        let item = if index == "0" { ".first()?".to_owned() } else { format!(".get({index})?") };
        asked.extend([item.as_str(), rest]);
    }
    Some(asked)
}

fn is_name(text: &str) -> bool {
    let text = text.strip_prefix("r#").unwrap_or(text);
    let name = syn::parse::Parser::parse_str(Ident::parse_any, text);
    text != "_" && name.is_ok_and(|name| name == text)
}

fn is_index(text: &str) -> bool {
    !text.is_empty() && text.len() < 10 && text.chars().all(|character| character.is_ascii_digit())
}

/// The part of Rust's format grammar under which different values stay different:
/// `[<^>][+][#][0][width][trait]`.
fn format(spec: &str) -> Result<Format, String> {
    let spec = spec.trim_end();
    if spec.is_empty() {
        return Ok(Format::Plain);
    }
    if spec.contains('$') || spec.contains('*') {
        return Err(
            "a width can't come from a parameter here; write it as a number, such as `{id:08}`".into()
        );
    }
    if spec.contains('.') {
        return Err(
            "a precision cuts values short, so that two of them would share one entry; leave it out".into()
        );
    }
    let rest = spec.strip_prefix(['<', '^', '>']).unwrap_or(spec);
    let rest = rest.strip_prefix('+').unwrap_or(rest);
    let rest = rest.strip_prefix('#').unwrap_or(rest);
    let kind = rest.trim_start_matches(|character: char| character.is_ascii_digit());
    let padded = kind.len() < rest.len();
    match kind {
        "?" | "x?" | "X?" if padded => Err("a width is for numbers; padding makes two texts the same".into()),
        "" if padded => Ok(Format::Padded(spec.to_owned())),
        "" | "?" | "x?" | "X?" | "x" | "X" | "o" | "b" | "e" | "E" => Ok(Format::As(spec.to_owned())),
        _ => Err(format!(
            "`{spec}` is not a format that a key can use; write for example `{{id:08}}`, `{{id:x}}` or `{{kind:?}}`"
        )),
    }
}

#[cfg(test)]
mod tests;
