//! Pieces that many generated items are made of.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::{Type, spanned::Spanned};

use crate::parse::args::OptionValue;

/// The name of a variable, which the user's code can't see. No `static` has it either: a variable could not be called so.
pub(super) fn hygienic(name: &str) -> Ident {
    Ident::new(&format!("__{name}"), Span::mixed_site())
}

/// What the first line of a generated body brings into scope: our module under a short name, and traits whose methods and
/// constants exist for our own types only.
pub(super) fn imports(traits: &[&str]) -> TokenStream {
    if traits.is_empty() {
        return quote!(
            use ::cached_aside::__private as __aside;
        );
    }
    let traits = traits.iter().map(|name| Ident::new(name, Span::mixed_site()));
    quote!(use ::cached_aside::__private::{self as __aside, #(#traits as _),*};)
}

/// What a function returns, in a statement of its own. Before Rust 2024 what the last expression of a block makes on its way outlives the
/// variables of the block, and `tail_expr_drop_order` says so of each.
pub(super) fn returned(value: &TokenStream, output: &Type) -> TokenStream {
    let at = Span::mixed_site().located_at(output.span());
    let name = Ident::new("__returned", at);
    quote_spanned!(at=> let #name = #value; #name)
}

/// `Some(argument)` or `None`, as an expression.
pub(super) fn optional(argument: Option<&impl ToTokens>) -> TokenStream {
    match argument {
        None => quote!(::core::option::Option::None),
        Some(argument) => quote!(::core::option::Option::Some(#argument)),
    }
}

/// A generated name, located at the function's: lints about names and unused items ignore it.
pub(super) fn generated(name: &str, at: Span) -> Ident {
    Ident::new(name, Span::mixed_site().located_at(at))
}

/// An option as a call on the settings.
pub(super) fn setting<T>(
    name: &str,
    option: Option<&OptionValue<T>>,
    value: impl FnOnce(&T) -> TokenStream,
) -> Option<TokenStream> {
    option.map(|option| {
        let (span, value) = (option.name.span(), value(&option.value));
        let name = Ident::new(name, span);
        quote_spanned!(span=> .#name(#value))
    })
}
