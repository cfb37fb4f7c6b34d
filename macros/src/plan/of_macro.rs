//! Parameters of an `impl` that a macro fills in: the source shows `$t`, and what that is called there is not known.

use quote::ToTokens;
use syn::{GenericParam, Ident};

use crate::{
    item::function::Function,
    tokens::{compact, is_of_macro, mentions},
};

/// What to do instead of naming the parameter of an `impl` in an attribute, if it is one that a macro fills in.
pub(super) fn instead(name: &Ident, function: &Function) -> Option<String> {
    if !is_of_macro(name) {
        return None;
    }
    let written = compact(&name.to_token_stream());
    let self_ty = function.implementation().map(|item| item.self_ty.to_token_stream()).unwrap_or_default();
    Some(if mentions(&self_ty, &name.to_string()) {
        format!(
            "what a macro fills in for `{written}` has no name here: write `{{Self}}` into the key, which contains it, or `skip(Self)` if \
             the result never depends on it"
        )
    } else {
        format!(
            "what a macro fills in for `{written}` has no name here: write a name in its place, such as `T`, and that into the key"
        )
    })
}

/// The same where a name of nothing may be that of such a parameter.
pub(super) fn may_be_meant(name: &str, function: &Function) -> Option<String> {
    if !name.starts_with(char::is_uppercase) {
        return None;
    }
    let parameter = function.parameters_around().find_map(|parameter| match parameter {
        GenericParam::Type(parameter) => Some(&parameter.ident).filter(|name| is_of_macro(name)),
        GenericParam::Const(parameter) => Some(&parameter.ident).filter(|name| is_of_macro(name)),
        GenericParam::Lifetime(_) => None,
    })?;
    instead(parameter, function)
        .map(|instead| format!("`{name}` is not a parameter of this function, and {instead}"))
}
