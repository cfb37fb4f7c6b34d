//! Where an annotated function is: free, in an `impl` of a type, in an `impl` of a trait, in a trait.
//!
//! The compiler doesn't say. An attribute knows the position of its function, so it reads the source up to there, with a lexer for
//! comments, literals and brackets only, and looks at the text before the innermost open `{`. That works in the bodies of macros
//! too.
//!
//! # Why it has to know
//!
//! The companions of a free function live in an `enum` of its name. An `impl` can hold no `enum`, so those of a method are
//! functions beside it; and an `impl` of a trait can hold no function that the trait hasn't, so there are none. A derived key names
//! the type, and `Self` in an attribute's constant, which a `static` doesn't know, has to be written out. None of this can
//! be asked of the compiler: tokens are expanded before names and types mean anything, and no tokens are right in all four contexts.
//!
//! # What else could be done
//!
//! - *An attribute on the `impl`*, as `#[bon]` has it, sees the block and each function in it. Whoever forgets it gets no companions,
//!   or an error that speaks of an `enum` which nobody wrote; and it has to be known by every other attribute that rewrites
//!   the block (`#[async_trait]`).
//! - *An option* (`method`, `of = Repo`) repeats what the source says, and can be wrong.
//! - *By the signature alone* (`self` or `Self` in it, `pub` or not): what `Function` does where the source can't be read. An
//!   associated function without either looks free, and a private method looks like one of a trait.
//! - *No companions*: then `#[invalidates]` names keys as text, which the compiler can't check.
//!
//! # Where the source can't be read
//!
//! In code that another macro generated with spans of its own, in some documentation tests, and where a tool expands without
//! files, the context is `Unknown` (and so are the items around the function: [`crate::item::beside`]). The signature then
//! decides, so that a private method has no companions. An associated function in whose signature is neither `self` nor
//! `Self` is taken for a free one, and does not compile. Functions of one name inside of one function share a derived
//! key, as [`namesakes_before`] finds none. Messages are the compiler's own where ours need the source.

use syn::{Generics, Ident, ItemImpl, ItemTrait};

use crate::{
    item::lexer::{Frame, enclosing, skip},
    tokens::OF_MACRO,
};

/// Where a function is.
#[derive(Clone)]
pub(crate) enum Context {
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

impl Context {
    /// Whether `Self` means something here.
    pub(crate) fn has_self_type(&self) -> bool {
        matches!(self, Context::Inherent(_) | Context::TraitImpl(_) | Context::Trait(_))
    }

    /// The generic parameters of what is around the function.
    pub(crate) fn generics(&self) -> Option<&Generics> {
        match self {
            Context::Inherent(item) | Context::TraitImpl(item) => item.as_ref().map(|item| &item.generics),
            Context::Trait(item) => Some(&item.generics),
            Context::Free | Context::Nested | Context::Unknown => None,
        }
    }

    /// The context of the function whose `fn` has this span.
    pub(crate) fn of(span: proc_macro2::Span) -> Context {
        let Some((source, line, column)) = source(span) else { return Context::Unknown };
        context(&source, line, column)
    }
}

/// How many functions of this name come before the one whose `fn` has this span, inside of the same function: the compiler has
/// one path for those of several blocks.
pub(crate) fn namesakes_before(span: proc_macro2::Span, name: &Ident) -> usize {
    let Some((source, line, column)) = source(span) else { return 0 };
    let name = name.to_string();
    namesakes(&source, line, column, name.trim_start_matches("r#"))
}

fn namesakes(source: &str, line: usize, column: usize, name: &str) -> usize {
    let source = source.strip_prefix('\u{feff}').unwrap_or(source);
    let Some(at) = offset(source, line, column) else { return 0 };
    let in_function =
        |frame: &Frame| frame.open == '{' && matches!(of_header(&frame.header), Context::Nested);
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

/// The context of the `fn` at this line and column (from one).
pub(crate) fn context(source: &str, line: usize, column: usize) -> Context {
    let source = source.strip_prefix('\u{feff}').unwrap_or(source);
    let Some(at) = offset(source, line, column).filter(|at| is_function(&source[*at..])) else {
        return Context::Unknown;
    };
    match enclosing(&source[..at]).last() {
        None => Context::Free,
        Some(Frame { open: '{', header, .. }) => of_header(header),
        Some(_) => Context::Unknown,
    }
}

/// The `fn` of `#[async_trait]` has the span of the `async` that it replaces.
fn is_function(text: &str) -> bool {
    text.starts_with("fn") || text.starts_with("async")
}

pub(crate) fn offset(source: &str, line: usize, column: usize) -> Option<usize> {
    let text = source.split_inclusive('\n').nth(line.checked_sub(1)?)?;
    let before = text.char_indices().nth(column.checked_sub(1)?)?.0;
    Some(text.as_ptr() as usize - source.as_ptr() as usize + before)
}

/// The text before an open brace says what the brace opens.
pub(super) fn of_header(header: &str) -> Context {
    let header = without_visibility(without_attributes(header)).replace('$', OF_MACRO);
    let mut words =
        header.split_whitespace().skip_while(|word| matches!(*word, "unsafe" | "default" | "auto" | "const"));
    let word = words.next().unwrap_or_default();
    if word == "impl" || word.starts_with("impl<") {
        return match syn::parse_str::<ItemImpl>(&format!("{header} {{}}")) {
            Ok(item) if item.trait_.is_some() => Context::TraitImpl(Some(Box::new(item))),
            Ok(item) => Context::Inherent(Some(Box::new(item))),
            Err(_) => Context::Unknown,
        };
    }
    if word == "trait" {
        let name = words.next().unwrap_or_default();
        let end = name
            .find(|character: char| !(character.is_alphanumeric() || character == '_'))
            .unwrap_or(name.len());
        let item = syn::parse_str(&format!("{header} {{}}"));
        let item = item.or_else(|_| syn::parse_str(&format!("trait {} {{}}", &name[..end])));
        return item.map_or(Context::Unknown, |item| Context::Trait(Box::new(item)));
    }
    if word == "mod" {
        return Context::Free;
    }
    if header.trim_end().ends_with("=>") && header.trim_start().starts_with(['(', '[', '{'])
        || header.contains("macro_rules!")
        || header.trim_end().ends_with('!')
    {
        return Context::Unknown;
    }
    Context::Nested
}

fn without_visibility(header: &str) -> &str {
    let Some(rest) = header.strip_prefix("pub") else { return header };
    match (rest.starts_with('('), rest.find(')')) {
        (true, Some(end)) => &rest[end + 1..],
        _ if rest.starts_with(char::is_whitespace) => rest,
        _ => header,
    }
}

pub(super) fn without_attributes(header: &str) -> &str {
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

#[cfg(test)]
mod tests;
