//! The arguments against the function: every rule, and a plan in which nothing is left to ask.

mod constants;
mod coverage;
mod derived_key;
mod fixed;
pub(crate) mod key;
mod named;
mod optional_keys;
mod pattern;
mod read;
mod staleness;
mod targets;
mod write;

use quote::ToTokens;

pub(crate) use read::{CacheKnown, ReadPlan, Shown, read};
pub(crate) use staleness::Kept;
pub(crate) use targets::{After, Argument, KeyOf, TargetKey};
pub(crate) use write::{End, WritePlan, WriteSettings, write};

use crate::{
    item::{function::Function, place::Place},
    tokens::{OF_MACRO, compact},
};

/// What kind of items the function becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// The function, and its companions in an enum of the same name.
    Free,
    /// The method, and its companions beside it.
    Method,
    /// The function alone: nothing can stand beside it in an `impl` of a trait.
    Alone,
}

impl Form {
    fn of(function: &Function) -> Form {
        match &function.place {
            Place::TraitImpl(_) | Place::Trait(_) => Form::Alone,
            Place::Inherent(_) => Form::Method,
            Place::Free | Place::Nested | Place::Unknown => Form::Free,
        }
    }
}

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
