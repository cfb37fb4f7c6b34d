//! Plans into tokens: `quote!` and little else.

mod attributes;
mod batch;
mod body;
mod call;
mod catalog;
pub(crate) mod cfg_parameters;
mod coding;
mod companions;
mod detached;
mod function;
mod key;
mod key_companions;
mod keys;
pub(crate) mod root;
mod settings;
mod shape;
mod tags;
mod write;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};

pub(crate) use batch::batch;
pub(crate) use tags::declared as declared_tag;
pub(crate) use write::write;

use crate::{
    item::{beside::Site, function::Function},
    parse::args::OptionValue,
    plan::{Form, ReadPlan, TargetKey},
};

/// A list of keys, in an expression of type `Vec<AnyKey>`.
pub(crate) fn key_list(keys: &[TargetKey], site: &Site) -> TokenStream {
    let imports = imports(&keys::imported(keys.iter()));
    let keys = keys::Places { site, named: false }.keys(keys);
    quote!({ #imports __aside::all_keys(#keys) })
}

pub(crate) fn read(plan: &ReadPlan, function: &Function) -> TokenStream {
    match plan.form {
        Form::Free => companions::free(plan, function),
        Form::Method => companions::method(plan, function),
        Form::Alone => {
            let shape = shape::shape_constant(function);
            let settings = settings::of_read(plan, function, &quote!(__SHAPE));
            let load =
                function::load(plan, function, &quote!(__SHAPE), &quote!(&__READ), &function::body(function));
            function::around(function, &quote!(#shape #settings #load))
        }
    }
}

/// The name of a variable, which the user's code can't see. No `static` has it either: a variable could not be called so.
fn hygienic(name: &str) -> Ident {
    Ident::new(&format!("__{name}"), Span::mixed_site())
}

/// What the first line of a generated body brings into scope: our module under a short name, and traits whose methods and
/// constants exist for our own types only.
fn imports(traits: &[&str]) -> TokenStream {
    if traits.is_empty() {
        return quote!(
            use ::cached_aside::__private as __aside;
        );
    }
    let traits = traits.iter().map(|name| Ident::new(name, Span::mixed_site()));
    quote!(use ::cached_aside::__private::{self as __aside, #(#traits as _),*};)
}

/// `Some(argument)` or `None`, as an expression.
fn optional(argument: Option<&impl ToTokens>) -> TokenStream {
    match argument {
        None => quote!(::core::option::Option::None),
        Some(argument) => quote!(::core::option::Option::Some(#argument)),
    }
}

/// A generated name, located at the function's: lints about names and unused items ignore it.
fn generated(name: &str, at: Span) -> Ident {
    Ident::new(name, Span::mixed_site().located_at(at))
}

/// An option as a call on the settings.
fn setting<T>(
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
