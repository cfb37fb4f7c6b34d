//! A writing function: the keys that are known before, one call around the body, the keys that only the result names.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;

use super::{around, body, cache, imports, ours, pinned, shape};
use crate::{check::WritePlan, signature::Function};

pub(crate) fn write(plan: &WritePlan, function: &Function) -> TokenStream {
    let asks = plan.optional || plan.after.as_ref().is_some_and(|after| after.optional);
    let imports = imports(if asks { &["GivenRef", "GivenNot"] } else { &[] });
    let settings = settings(&plan.name, &plan.settings);
    let keys = keys_before(plan);
    let (arguments, after) = after(plan, function);
    let (cache, cache_argument) = cache(plan.cache.as_ref(), function);
    let refuse = refuse(plan.required, function);
    let pinned = pinned(&body(function));
    let future = ours("body");
    let call = |keys: &TokenStream| match (&cache_argument, &refuse, &after) {
        (None, None, None) => quote!(__aside::write(&__WRITE, #keys, #future).await),
        _ => {
            let cache = optional(cache_argument.as_ref());
            let refuse = optional(refuse.as_ref());
            let nothing = quote!(|_| ::core::option::Option::None);
            let after = after.as_ref().unwrap_or(&nothing);
            quote!(__aside::write_with(&__WRITE, #cache, #refuse, #keys, #future, #after).await)
        }
    };
    let statements = match &plan.when {
        None => {
            let name = ours("keys");
            let call = call(&name.to_token_stream());
            quote!(#imports #settings let #name = #keys; #arguments #cache #pinned #call)
        }
        Some(condition) => {
            let (when, name) = (ours("when"), ours("keys"));
            let call =
                call(&quote!(::core::iter::Iterator::flatten(::core::iter::IntoIterator::into_iter(#name))));
            quote! {
                #imports
                #settings
                let #when: bool = #condition;
                let #name = if #when { ::core::option::Option::Some(#keys) } else { ::core::option::Option::None };
                #arguments
                #cache
                #pinned
                if #when { #call } else { #future.await }
            }
        }
    };
    around(function, &statements)
}

pub(super) fn optional(argument: Option<&impl ToTokens>) -> TokenStream {
    match argument {
        None => quote!(::core::option::Option::None),
        Some(argument) => quote!(::core::option::Option::Some(#argument)),
    }
}

/// What the attribute fixes, as a static.
pub(super) fn settings(name: &str, settings: &TokenStream) -> TokenStream {
    // A setting that makes no sense is reported from here to there.
    let at_settings = settings.span();
    let new = quote_spanned! {at_settings=>
        __aside::WriteFunction::declare(::core::module_path!(), #name)
    };
    quote! {
        static __WRITE: __aside::WriteFunction = #new #settings;
    }
}

fn keys_before(plan: &WritePlan) -> TokenStream {
    let keys = &plan.before;
    if keys.is_empty() { quote!(::core::iter::empty()) } else { list(keys, plan.optional) }
}

fn list(keys: &[TokenStream], optional: bool) -> TokenStream {
    if optional {
        quote!(::core::iter::Iterator::flatten(::core::iter::IntoIterator::into_iter([#(#keys),*])))
    } else {
        quote!([#(#keys),*])
    }
}

/// What is computed before the body for the keys behind it, and the closure that makes them of what it returned.
fn after(plan: &WritePlan, function: &Function) -> (TokenStream, Option<TokenStream>) {
    let Some(after) = &plan.after else { return (TokenStream::new(), None) };
    let shape = shape(function);
    let (result, keys) = (&after.result, list(&after.keys, after.optional));
    let arguments = after.arguments.iter().map(|(name, value)| quote!(let #name = #value;));
    let returned = ours("returned");
    let closure = quote! {
        move |#returned| __aside::of_success::<_, #shape, _>(#returned, |#result| #keys)
    };
    (quote!(#(#arguments)*), Some(closure))
}

/// How a write is refused, where that was asked for.
pub(super) fn refuse(required: Option<Span>, function: &Function) -> Option<TokenStream> {
    let output = &function.output;
    required.map(|span| quote_spanned!(span=> __aside::refuse::<#output>))
}
