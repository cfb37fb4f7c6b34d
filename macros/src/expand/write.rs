//! A writing function: the keys that are known before, one call around the body, and its end.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::{Expr, spanned::Spanned};

use super::{
    detached,
    function::{around, body, cache, cloned_cache, pinned},
    key::value_text,
    keys::{self, Places},
    pieces::{hygienic, imports, optional, returned},
    settings,
    shape::{shape, shape_constant},
};
use crate::{
    parse::call::Call,
    plan::{After, Argument, End, WritePlan},
};

pub(crate) fn write(plan: &WritePlan) -> TokenStream {
    let function = plan.site.function;
    let refusing: &[&str] = if plan.settings.inside.is_some() { &["NoRefusal"] } else { &[] };
    let (imports, shape, keys, arguments) = match &plan.end {
        End::Store(keys) => {
            (imports(refusing), Some(shape_constant(function)), keys_to_store(plan, keys), None)
        }
        End::Delete { before, after } => {
            let keys = before.iter().chain(after.iter().flat_map(|after| &after.keys));
            (
                imports(&[refusing, &keys::imported(keys)].concat()),
                None,
                if before.is_empty() { quote!(::core::iter::empty()) } else { places(plan).keys(before) },
                after.as_ref().map(|after| arguments(plan, after)),
            )
        }
    };
    let settings = settings::of_write(plan);
    let (cache, cache_argument) = named_cache(plan);
    let when = &plan.when;
    let future = match &plan.transfers {
        None => pinned(&body(function, &quote!(#keys #arguments #when))),
        Some(_) => detached::owned_body(function),
    };
    let name = hygienic("keys");
    let call = |keys: &TokenStream| call(plan, cache_argument.as_ref(), keys);
    let statements = match &plan.when {
        None => {
            let call = returned(&call(&name.to_token_stream()), &function.output);
            quote!(#imports #shape #settings let #name = #keys; #arguments #cache #future #call)
        }
        Some(condition) => {
            let (when, alone) = (hygienic("when"), body_alone(plan, cache_argument.as_ref()));
            let call =
                call(&quote!(::core::iter::Iterator::flatten(::core::iter::IntoIterator::into_iter(#name))));
            let call = returned(&quote!(if #when { #call } else { #alone }), &function.output);
            quote! {
                #imports
                #shape
                #settings
                let #when: ::core::primitive::bool = #condition;
                let #name = if #when { ::core::option::Option::Some(#keys) } else { ::core::option::Option::None };
                #arguments
                #cache
                #future
                #call
            }
        }
    };
    match &plan.transfers {
        None => around(function, &statements),
        Some(transfers) => detached::around(function, transfers, &statements),
    }
}

fn places<'a>(plan: &'a WritePlan) -> Places<'a> {
    Places { site: &plan.site, named: plan.cache.is_some() }
}

/// The cache that the attribute names, as a statement and as the argument of type `Option<&Cache>`.
fn named_cache(plan: &WritePlan) -> (Option<TokenStream>, Option<TokenStream>) {
    let (statement, lent) = match (&plan.transfers, &plan.when) {
        (None, None) => cache(plan.cache.as_ref(), plan.site.function),
        (None, Some(_)) => return plan.cache.as_ref().map(cache_when).unzip(),
        // It goes on without whoever has the cache, and is a task of that cache also where it is the body alone.
        (Some(_), _) => plan.cache.as_ref().map(cloned_cache).unzip(),
    };
    (statement, lent.map(|cache| quote!(::core::option::Option::Some(#cache))))
}

/// The cache that the attribute names, where the condition is true: it may be what allows to find it.
fn cache_when(expr: &Expr) -> (TokenStream, TokenStream) {
    let (when, cache, (found, _)) = (hygienic("when"), hygienic("cache"), cloned_cache(expr));
    let statement = quote! {
        let #cache: ::core::option::Option<::cached_aside::Cache> =
            if #when { #found ::core::option::Option::Some(#cache) } else { ::core::option::Option::None };
    };
    (statement, quote!(::core::option::Option::as_ref(&#cache)))
}

/// The body without its keys.
fn body_alone(plan: &WritePlan, cache: Option<&TokenStream>) -> TokenStream {
    let body = hygienic("body");
    if plan.transfers.is_none() {
        return quote!(#body.await);
    }
    let cache = or_none(cache);
    quote!(__aside::detached(#cache, #body).await)
}

/// The cache as the optional argument that it is.
fn or_none(cache: Option<&TokenStream>) -> TokenStream {
    cache.map_or_else(|| quote!(::core::option::Option::None), TokenStream::clone)
}

/// The one call around the body.
fn call(plan: &WritePlan, cache: Option<&TokenStream>, keys: &TokenStream) -> TokenStream {
    let (function, future) = (plan.site.function, hygienic("body"));
    // With `guard = "required"`: how the function says that the write is refused.
    let output = &function.output;
    let refuse = plan.settings.required().map(|span| quote_spanned!(span=> __aside::refuse::<#output>));
    // Outside of a transaction it is refused where its type can say so.
    let may_refuse = plan.settings.inside.is_some() && refuse.is_none();
    let refused =
        if may_refuse { quote!(__aside::MayRefuse::<#output>::REFUSE) } else { optional(refuse.as_ref()) };
    let cache_or_none = or_none(cache);
    let (update, write_with) = match &plan.transfers {
        None => (quote!(update), quote!(write_with)),
        Some(_) => (quote!(update_detached), quote!(write_detached)),
    };
    let is_plain = cache.is_none() && refuse.is_none() && !may_refuse && plan.transfers.is_none();
    match &plan.end {
        End::Store(_) => quote! {
            __aside::#update::<#output, __SHAPE, _>(&__WRITE, #cache_or_none, #refused, #keys, #future).await
        },
        End::Delete { after: None, .. } if is_plain => {
            quote!(__aside::write(&__WRITE, #keys, #future).await)
        }
        End::Delete { after, .. } => {
            let after = match after {
                Some(after) => keys_of_result(plan, after),
                None if plan.transfers.is_some() => quote!(|_: &#output| ::core::option::Option::None),
                None => quote!(|_| ::core::option::Option::None),
            };
            quote!(__aside::#write_with(&__WRITE, #cache_or_none, #refused, #keys, #future, #after).await)
        }
    }
}

/// The keys under which the result of the body is stored.
fn keys_to_store(plan: &WritePlan, keys: &[Call]) -> TokenStream {
    let output = &plan.site.function.output;
    let keys = keys.iter().map(|call| {
        let key = places(plan).key(call, &[]);
        // Method by method: by then the compiler knows what is cached, and can say that it is something else.
        let by = quote_spanned!(key.span()=> by::<#output, __SHAPE>());
        quote!(__aside::Updated(#key).#by)
    });
    quote!([#(#keys),*])
}

/// The arguments of the keys of the result that are evaluated before the body.
fn arguments(plan: &WritePlan, after: &After) -> TokenStream {
    let arguments = after.arguments.iter().map(|(name, argument)| {
        let value = match argument {
            Argument::Expr(expr) => expr.to_token_stream(),
            Argument::Copied(expr) => quote_spanned!(expr.span()=> __aside::copy_arg(#expr)),
            Argument::Text(value) => value_text(value),
            Argument::List(each) => keys::list(each),
        };
        match &plan.when {
            None => quote!(let #name = #value;),
            // Only then: the condition may be what allows to evaluate them.
            Some(_) => {
                let when = hygienic("when");
                quote!(let #name = if #when { ::core::option::Option::Some(#value) } else { ::core::option::Option::None };)
            }
        }
    });
    quote!(#(#arguments)*)
}

/// The closure that makes the keys of what the body returned.
fn keys_of_result(plan: &WritePlan, after: &After) -> TokenStream {
    let shape = shape(plan.site.function);
    let (result, keys) = (&after.result, places(plan).keys(&after.keys));
    let returned = hygienic("returned");
    let keys = quote!(__aside::of_success::<_, #shape, _>(#returned, |#result| #keys));
    if plan.when.is_none() {
        return quote!(move |#returned| #keys);
    }
    let given = after.arguments.iter().map(|(name, _)| name);
    quote! {
        move |#returned| {
            #(let ::core::option::Option::Some(#given) = #given else { return ::core::default::Default::default() };)*
            #keys
        }
    }
}
