//! The slots that options are read into.

use proc_macro2::TokenStream;
use syn::{Ident, LitBool, Token, ext::IdentExt, parenthesized, parse::ParseStream};

use super::args::OptionValue;
use crate::problem::one_of;

/// The name of an option, whether there is such a one or not.
pub(super) fn name(input: ParseStream, options: &[&str]) -> syn::Result<Ident> {
    if !input.peek(Ident::peek_any) {
        return Err(input.error(format!("expected an option: {}", one_of(options))));
    }
    input.call(Ident::parse_any)
}

/// Reads `= value` into the slot of the option, which must be empty.
pub(super) fn set<T>(
    slot: &mut Option<OptionValue<T>>,
    name: Ident,
    input: ParseStream,
    value: impl FnOnce(ParseStream) -> syn::Result<T>,
) -> syn::Result<()> {
    let equals: Option<Token![=]> = input.parse()?;
    if equals.is_none() || input.is_empty() || input.peek(Token![,]) {
        return Err(syn::Error::new(name.span(), format!("`{name}` needs a value: write `{name} = …`")));
    }
    fill(slot, name, value(input)?)
}

/// Reads an option that has no value into its slot, which must be empty.
pub(super) fn set_flag(
    slot: &mut Option<OptionValue<()>>,
    name: Ident,
    input: ParseStream,
) -> syn::Result<()> {
    if !input.is_empty() && !input.peek(Token![,]) {
        let is_off = |ahead: ParseStream| {
            ahead.parse::<Token![=]>().is_ok() && ahead.parse::<LitBool>().is_ok_and(|value| !value.value)
        };
        let why = if is_off(&input.fork()) {
            format!("`{name}` takes no value: leave it out")
        } else {
            format!("`{name}` takes no value: write `{name}` alone")
        };
        return Err(syn::Error::new(name.span(), why));
    }
    fill(slot, name, ())
}

/// Reads `(name, name)` into the slot of the option, which must be empty.
pub(super) fn set_list(
    slot: &mut Option<OptionValue<Vec<Ident>>>,
    name: Ident,
    input: ParseStream,
) -> syn::Result<()> {
    if !input.peek(syn::token::Paren) {
        return Err(syn::Error::new(
            name.span(),
            format!("`{name}` takes a list of parameters: write `{name}(db)` or `{name}(self, db)`"),
        ));
    }
    let content;
    parenthesized!(content in input);
    let mut names = Vec::new();
    while !content.is_empty() {
        if !content.peek(Ident::peek_any) {
            let error = content.error("expected the name of a parameter, such as `skip(self, db)`");
            content.parse::<TokenStream>()?;
            return Err(error);
        }
        names.push(content.call(Ident::parse_any)?);
        if !content.is_empty() && !content.peek(Token![,]) {
            let error = match names.pop().filter(|_| content.peek(Token![.])) {
                Some(whole) => syn::Error::new(
                    whole.span(),
                    format!("`{name}` names parameters: write `{name}({whole})`"),
                ),
                None => content.error("expected `,`"),
            };
            content.parse::<TokenStream>()?;
            return Err(error);
        }
        content.parse::<Option<Token![,]>>()?;
    }
    if let Some(before) = slot {
        // What both name is skipped.
        names.retain(|name| !before.value.contains(name));
        before.value.extend(names);
        let all: Vec<String> = before.value.iter().map(ToString::to_string).collect();
        let why = format!("`{name}` is written twice; write one, `{name}({})`", all.join(", "));
        return Err(syn::Error::new(name.span(), why));
    }
    fill(slot, name, names)
}

/// Puts the value into the slot of the option, which must be empty.
pub(super) fn fill<T>(slot: &mut Option<OptionValue<T>>, name: Ident, value: T) -> syn::Result<()> {
    if slot.is_some() {
        return Err(syn::Error::new(name.span(), format!("`{name}` is written twice; keep one of them")));
    }
    *slot = Some(OptionValue { name, value });
    Ok(())
}
