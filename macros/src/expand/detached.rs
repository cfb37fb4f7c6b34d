//! A write that goes on when its caller has gone: its body is a function of its own, which is given arguments of its own.

use proc_macro2::{Ident, TokenStream};
use quote::quote;
use syn::{Visibility, ext::IdentExt};

use super::{
    body, function,
    pieces::{generated, hygienic},
};
use crate::{
    item::{function::Function, generics::turbofish},
    plan::ArgTransfer,
};

/// The names of the functions that are generated beside it.
struct Names {
    body: Ident,
    detached: Ident,
}

impl Names {
    fn of(function: &Function) -> Names {
        let (name, span) = (function.sig.ident.unraw(), function.sig.ident.span());
        Names {
            body: generated(&format!("__{name}_body"), span),
            detached: generated(&format!("__{name}_detached"), span),
        }
    }
}

/// What is before the name of a function beside it.
fn owner(function: &Function) -> Option<TokenStream> {
    let in_impl = function.receiver().is_some() || function.context.has_self_type();
    in_impl.then(|| quote!(Self::))
}

/// The body with its arguments, as a variable.
pub(super) fn owned_body(function: &Function) -> TokenStream {
    let ((outer, handed_on), Names { detached, .. }, of) =
        (body::outer(function), Names::of(function), owner(function));
    let (arguments, name) = (turbofish(&outer.sig.generics), hygienic("body"));
    quote!(let #name = #of #detached #arguments(#(#handed_on),*);)
}

/// The function with these statements, and its body beside it.
pub(super) fn around(
    function: &Function,
    transfers: &[ArgTransfer],
    statements: &TokenStream,
) -> TokenStream {
    let (names, of) = (Names::of(function), owner(function));
    let of_function =
        body::of_function(function, &names.body, &quote!(#[doc(hidden)]), &Visibility::Inherited, &[]);
    let path = &names.body;
    let owned = body::owned(function, transfers, &quote!(#of #path), &names.detached);
    let (outer, _) = body::outer(function);
    let outer = function::around(&outer, statements);
    quote!(#of_function #owned #outer)
}
