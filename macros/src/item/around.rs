//! The function in which an expression stands, as far as the source shows it.

use proc_macro2::{Ident, Span};

use crate::item::{
    context::{Context, of_header, offset, source, without_attributes},
    function::Function,
    lexer::{Frame, enclosing},
};

/// The function around what is written here, with the `impl` or trait that it stands in.
pub(crate) fn function_around(span: Span) -> Option<Function> {
    let (source, line, column) = source(span)?;
    let source = source.strip_prefix('\u{feff}').unwrap_or(&source);
    let (name, context) = around(&source[..offset(source, line, column)?])?;
    let name = Ident::new(&name, Span::call_site());
    let item = syn::parse_quote!(
        async fn #name() {}
    );
    Some(Function::at(item, context))
}

/// The name of the innermost function that is open at the end of the text, and where it stands.
fn around(text: &str) -> Option<(String, Context)> {
    let frames = enclosing(text);
    let is_block = |frame: &&Frame| frame.open == '{';
    let (at, name) = frames.iter().enumerate().rev().find_map(|(at, frame)| {
        let name = function_name(&frame.header).filter(|_| is_block(&frame))?;
        Some((at, name))
    })?;
    let context = match frames[..at].last() {
        None => Context::Free,
        Some(frame) if is_block(&frame) => of_header(&frame.header),
        Some(_) => Context::Unknown,
    };
    Some((name, context))
}

/// `pub async fn save(…) -> …` → `save`
fn function_name(header: &str) -> Option<String> {
    let header = without_attributes(header);
    let is_word = |character: char| character.is_alphanumeric() || character == '_';
    let mut words = header.split(|character| !is_word(character)).filter(|word| !word.is_empty());
    let qualifiers =
        ["pub", "crate", "super", "self", "in", "default", "const", "async", "unsafe", "extern", "safe"];
    // A header that begins with something else is that of another block, such as a closure's.
    let first = words.by_ref().find(|word| !qualifiers.contains(word))?;
    let name = words.next().filter(|_| first == "fn")?;
    syn::parse_str::<Ident>(name).ok().map(|name| name.to_string())
}

#[cfg(test)]
mod tests {
    use quote::ToTokens;

    use super::*;
    use crate::tokens::compact;

    #[test]
    fn the_innermost_function_is_found_with_what_it_stands_in() {
        let name = |text: &str| {
            let (name, context) = around(text)?;
            Some(match context {
                Context::Inherent(Some(item)) | Context::TraitImpl(Some(item)) => {
                    format!("{}::{name}", compact(&item.self_ty.to_token_stream()))
                }
                Context::Trait(item) => format!("{}::{name}", item.ident),
                _ => name,
            })
        };
        for (text, expected) in [
            ("fn first() {} #[test(fn other)] pub(crate) async fn save(db: &Db) { if ready {", "save"),
            ("mod shop { pub fn save<F: Fn(u8) -> u8>(f: F) -> Vec<u8> { vec![", "save"),
            (
                "impl<T: Row> Repo<T> where T: Sync { unsafe fn save(&self) { run(async move {",
                "Repo<T>::save",
            ),
            ("impl Save for users::Repo { async fn save(&self) {", "users::Repo::save"),
            ("trait Save { fn save(&self) {", "Save::save"),
            ("fn outer() { fn inner() { match x { fn_name => {", "inner"),
            ("extern \"C\" fn save() { { // fn comment() {\n", "save"),
        ] {
            assert_eq!(name(text).as_deref(), Some(expected), "{text}");
        }
        for text in ["", "static KEYS: LazyLock<Vec<AnyKey>> = LazyLock::new(|| {", "fn done() {} const {"] {
            assert_eq!(name(text), None, "{text}");
        }
    }
}
