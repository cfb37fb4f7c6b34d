//! A writing function: the keys that are known before, one call around the body, the keys that only the result names.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;

use super::{around, body, cache, imports, ours, shape_constant};
use crate::{check::WritePlan, signature::Function};

pub(crate) fn write(plan: &WritePlan, function: &Function) -> TokenStream {
    let output = &function.output;
    let at_output = Span::mixed_site().located_at(output.span());
    let imports = imports(None, &[]);
    let shape = shape_constant(function);
    let settings = settings(plan);
    let (keys, keys_argument, when) = (ours("keys"), ours("keys"), ours("when"));
    let before = keys_before(plan);
    let (arguments, after) = after(plan, function);
    let (cache, cache_argument) = cache(plan.cache.as_ref());
    let refuse = refuse(plan, function);
    let body = body(function);
    let write = quote_spanned!(at_output=> __aside::write::<_, __SHAPE, _, _>);
    let statements = match &plan.when {
        None => quote! {
            #imports
            #shape
            #settings
            let #keys = #before;
            #arguments
            #cache
            #write(&__WRITE, #cache_argument, #keys_argument, #refuse, #body, #after).await
        },
        Some(condition) => {
            let future = ours("body");
            quote! {
                #imports
                #shape
                #settings
                let #when: bool = #condition;
                let #keys = if #when { #before } else { ::std::vec::Vec::new() };
                #arguments
                #cache
                let #future = #body;
                if #when {
                    #write(&__WRITE, #cache_argument, #keys_argument, #refuse, #future, #after).await
                } else {
                    #future.await
                }
            }
        }
    };
    around(function, &statements)
}

fn settings(plan: &WritePlan) -> TokenStream {
    let WritePlan { name, settings, .. } = plan;
    // A setting that makes no sense is reported from here to there.
    let at_settings = settings.span();
    let new = quote_spanned! {at_settings=>
        __aside::WriteSettings::new(::core::module_path!(), #name, ::core::file!(), ::core::line!())
    };
    quote! {
        static __WRITE: __aside::WriteFunction = __aside::WriteFunction::new(#new #settings);
    }
}

fn keys_before(plan: &WritePlan) -> TokenStream {
    let keys = &plan.before;
    if keys.is_empty() { quote!(::std::vec::Vec::new()) } else { quote!(::std::vec![#(#keys),*]) }
}

/// What is computed before the body for the keys behind it, and the closure that makes them of the result.
fn after(plan: &WritePlan, function: &Function) -> (TokenStream, TokenStream) {
    let Some(after) = &plan.after else {
        return (TokenStream::new(), quote!(|_| ::std::vec::Vec::new()));
    };
    let output = &function.output;
    let (result, keys) = (&after.result, &after.keys);
    let arguments = after.arguments.iter().map(|(name, value)| quote!(let #name = #value;));
    let closure = quote! {
        move |#result: &<#output as __aside::Success<__SHAPE>>::Value| ::std::vec![#(#keys),*]
    };
    (quote!(#(#arguments)*), closure)
}

fn refuse(plan: &WritePlan, function: &Function) -> TokenStream {
    let output = &function.output;
    match plan.required {
        None => quote!(::core::option::Option::None),
        Some(span) => {
            let refuse = quote_spanned!(span=> __aside::refuse::<#output>);
            quote!(::core::option::Option::Some(#refuse))
        }
    }
}
