//! The arguments against the function: every rule, and a plan in which nothing is left to ask.

mod constants;
mod covered;
mod derived;
mod fixed;
mod named;
mod read;
mod staleness;
mod targets;
mod write;

use proc_macro2::TokenStream;
use quote::{ToTokens, quote_spanned};

pub(crate) use read::{CacheKnown, Form, ReadPlan, read};
pub(crate) use staleness::Kept;
pub(crate) use targets::{After, Argument, KeyOf, TargetKey};
pub(crate) use write::{End, WritePlan, WriteSettings, write};

use crate::{
    place::{OF_MACRO, Place},
    signature::Function,
};

/// The function's name for people: `load_user`, `Repo::load_user`.
fn display_name(function: &Function) -> String {
    let name = function.sig.ident.to_string();
    let owner = match &function.place {
        Place::Trait(item) => item.ident.to_string().replace(OF_MACRO, "$"),
        _ => {
            function.implementation().map(|item| compact(&item.self_ty.to_token_stream())).unwrap_or_default()
        }
    };
    if owner.is_empty() { name } else { format!("{owner}::{name}") }
}

/// Tokens as one would write them: `Repo<T>`.
pub(crate) fn compact(tokens: &TokenStream) -> String {
    let mut text = tokens.to_string().replace(OF_MACRO, "$");
    for (spaced, tight) in
        [(" :: ", "::"), (":: ", "::"), (" < ", "<"), ("< ", "<"), (" >", ">"), (" ,", ","), ("& ", "&")]
    {
        text = text.replace(spaced, tight);
    }
    text
}

/// An option's name and value as a call on the settings.
pub(crate) fn setting(name: &str, value: &TokenStream, span: proc_macro2::Span) -> TokenStream {
    let name = proc_macro2::Ident::new(name, span);
    quote_spanned!(span=> .#name(#value))
}
