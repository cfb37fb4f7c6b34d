//! An updating function: the keys, one call around the body.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;

use super::{
    around, body, cache, imports, ours, pinned, shape_constant,
    write::{optional, refuse, settings},
};
use crate::{check::UpdatePlan, signature::Function};

pub(crate) fn update(plan: &UpdatePlan, function: &Function) -> TokenStream {
    let imports = imports(&[]);
    let shape = shape_constant(function);
    let settings = settings(&plan.name, &plan.settings);
    let output = &function.output;
    let key = |key: &TokenStream| {
        // Method by method: by then the compiler knows what is cached, and can say that it is something else.
        let by = quote_spanned!(key.span()=> by::<#output, __SHAPE>());
        quote!(__aside::Updated(#key).#by)
    };
    let keys = plan.keys.iter().map(key);
    let keys = quote!([#(#keys),*]);
    let (cache, cache_argument) = cache(plan.cache.as_ref(), function);
    let cache_argument = optional(cache_argument.as_ref());
    let refuse = optional(refuse(plan.required, function).as_ref());
    let pinned = pinned(&body(function));
    let future = ours("body");
    let update = quote!(__aside::update::<#output, __SHAPE, _>);
    let call = |keys: &TokenStream| quote!(#update(&__WRITE, #cache_argument, #refuse, #keys, #future).await);
    let name = ours("keys");
    let statements = match &plan.when {
        None => {
            let call = call(&name.to_token_stream());
            quote!(#imports #shape #settings let #name = #keys; #cache #pinned #call)
        }
        Some(condition) => {
            let when = ours("when");
            let call =
                call(&quote!(::core::iter::Iterator::flatten(::core::iter::IntoIterator::into_iter(#name))));
            quote! {
                #imports
                #shape
                #settings
                let #when: bool = #condition;
                let #name = if #when { ::core::option::Option::Some(#keys) } else { ::core::option::Option::None };
                #cache
                #pinned
                if #when { #call } else { #future.await }
            }
        }
    };
    around(function, &statements)
}
