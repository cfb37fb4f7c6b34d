//! What a function becomes, and what it is called.

use quote::ToTokens;

use crate::{
    item::{context::Context, function::Function},
    tokens::{OF_MACRO, compact},
};

/// What kind of items the function becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// The function, and its companions in an enum of the same name.
    Free,
    /// The method, and its companions in the same `impl`.
    Method,
    /// The function alone: an `impl` of a trait can hold no companions.
    Alone,
}

impl Form {
    pub(super) fn of(function: &Function) -> Form {
        match &function.context {
            Context::TraitImpl(_) | Context::Trait(_) => Form::Alone,
            Context::Inherent(_) => Form::Method,
            Context::Free | Context::Nested | Context::Unknown => Form::Free,
        }
    }
}

/// The function's name for people: `load_user`, `Repo::load_user`.
pub(crate) fn display_name(function: &Function) -> String {
    let name = function.sig.ident.to_string();
    let owner = match &function.context {
        Context::Trait(item) => item.ident.to_string().replace(OF_MACRO, "$"),
        _ => {
            function.implementation().map(|item| compact(&item.self_ty.to_token_stream())).unwrap_or_default()
        }
    };
    if owner.is_empty() { name } else { format!("{owner}::{name}") }
}
