//! A cached function: its settings, its key, one call.

use proc_macro2::{Group, Span, TokenStream, TokenTree};
use quote::{quote, quote_spanned};
use syn::{Type, spanned::Spanned};

use super::{
    around, body, cache, companion, imports, kept_cache, key_text, ours, shape_constant, shape_of,
    write::optional,
};
use crate::{
    check::{Form, ReadPlan},
    shape::{has_lifetimes, is_opaque},
    signature::Function,
};

pub(crate) fn read(plan: &ReadPlan, function: &Function) -> TokenStream {
    match plan.form {
        Form::Free => companion::free(plan, function),
        Form::Method => companion::method(plan, function),
        Form::Alone => {
            let shape = shape_constant(function);
            let settings = settings(plan);
            let load = load(plan, function, &quote!(__SHAPE), &quote!(&__READ), &body(function));
            around(function, &quote!(#shape #settings #load))
        }
    }
}

/// The body of the annotated function.
pub(super) fn load(
    plan: &ReadPlan,
    function: &Function,
    shape: &TokenStream,
    read: &TokenStream,
    body: &TokenStream,
) -> TokenStream {
    let output = &function.output;
    let text = key_text(&plan.key);
    let key = ours("key");
    let at_output = Span::mixed_site().located_at(output.span());
    let has_none = has_none(plan, shape);
    let has_error = has_error(plan, shape);
    let fails = fails(plan, shape);
    let named = plan.cache.as_ref().map(|cache| &cache.expr);
    let (cache, load, cache_argument) = if plan.staleness.kept.is_some() {
        let kept = named.map(kept_cache);
        let argument = optional(kept.as_ref().map(|(_, cache)| cache));
        (
            kept.map(|(kept, _)| kept),
            quote_spanned!(at_output=> __aside::load_owned),
            Some(quote!(#argument,)),
        )
    } else {
        match cache(named, function) {
            (cache, None) => (cache, quote_spanned!(at_output=> __aside::load), None),
            (cache, Some(argument)) => {
                (cache, quote_spanned!(at_output=> __aside::load_in), Some(quote!(#argument,)))
            }
        }
    };
    let coding = coding(plan, output, shape);
    let imports = imports(if has_lifetimes(output) { &["NoAbsent"] } else { &["NotShared", "NoAbsent"] });
    let returns = returns(plan, output, shape);
    // A type that could not be looked into where the shape is asked for is looked into once its parameters are known.
    let checked = is_opaque(output, function).then(|| {
        let known = shape_of(output, function);
        quote_spanned!(at_output=> const { __aside::assert_shape(#known, #shape) };)
    });
    quote! {
        #imports
        #checked
        #has_none
        #has_error
        #fails
        let #key = #text;
        #cache
        #load(#cache_argument #read, #key, #coding, #returns, #body).await
    }
}

/// What the attribute fixes, as a static.
pub(super) fn settings(plan: &ReadPlan) -> TokenStream {
    let ReadPlan { name, template, ttl, settings, staleness, .. } = plan;
    let old = &staleness.settings;
    let new = quote_spanned! {plan.at_ttl=>
        __aside::ReadFunction::declare(::core::module_path!(), #name, #template, #ttl)
    };
    quote!(static __READ: __aside::ReadFunction = #new #settings #old;)
}

/// Compiles only if the return type has a `None` that could be stored.
fn has_none(plan: &ReadPlan, shape: &TokenStream) -> Option<TokenStream> {
    plan.none_ttl.map(|span| {
        let shape = located(shape, span);
        quote_spanned!(span=> __aside::assert_none::<#shape>();)
    })
}

/// Compiles only if the return type has an `Err` in the place of which an old value could be given.
fn has_error(plan: &ReadPlan, shape: &TokenStream) -> Option<TokenStream> {
    plan.staleness.if_error.map(|span| {
        let shape = located(shape, span);
        quote_spanned!(span=> __aside::assert_error::<#shape>();)
    })
}

/// Compiles only if the return type has an `Err` that could be stored.
fn fails(plan: &ReadPlan, shape: &TokenStream) -> Option<TokenStream> {
    plan.error_ttl.map(|span| {
        let shape = located(shape, span);
        quote_spanned!(span=> __aside::assert_fails::<#shape>();)
    })
}

/// The same tokens as if they had been written elsewhere.
fn located(tokens: &TokenStream, at: Span) -> TokenStream {
    let shown = |mut token: TokenTree| {
        if let TokenTree::Group(group) = &token {
            token = Group::new(group.delimiter(), located(&group.stream(), at)).into();
        }
        token.set_span(at);
        token
    };
    tokens.clone().into_iter().map(shown).collect()
}

/// How values are encoded; this is what asks the return type for `Serialize`.
pub(super) fn coding(plan: &ReadPlan, output: &Type, shape: &TokenStream) -> TokenStream {
    let ReadPlan { codec, version, by_version, conditions, .. } = plan;
    let at_output = Span::mixed_site().located_at(output.span());
    if conditions.is_empty() {
        return quote_spanned!(at_output=> __aside::coding::<_, #codec>(#version) #by_version);
    }
    // Closures are read from left to right: by then the type must be known.
    let value = quote_spanned!(at_output=> __aside::Value<#output, #shape>);
    let coding = quote_spanned!(at_output=> __aside::coding::<#value, #codec>(#version) #by_version);
    quote!(#coding #conditions)
}

/// The type of what is stored.
pub(super) fn value(output: &Type, shape: &TokenStream) -> TokenStream {
    let at_output = Span::mixed_site().located_at(output.span());
    quote_spanned!(at_output=> ::cached_aside::__private::Value<#output, #shape>)
}

/// The return type with its shape, and how its errors are shared.
fn returns(plan: &ReadPlan, output: &Type, shape: &TokenStream) -> TokenStream {
    let at_output = Span::mixed_site().located_at(output.span());
    let returns = quote_spanned!(at_output=> __aside::Returns::<#output, #shape>);
    let given_up = plan.staleness.hard.map(|span| {
        let returned = located(&quote!(#output), span);
        let given_up = quote_spanned!(span=> __aside::given_up::<#returned>);
        quote!(.or_given_up(#given_up))
    });
    let storing = plan.errors.as_ref().map(|error_if| {
        let ReadPlan { codec, version, by_version, .. } = plan;
        let error = quote_spanned!(at_output=> __aside::ErrorOf<#output, #shape>);
        let coding =
            quote_spanned!(at_output=> __aside::error_coding::<#error, #codec>(#version) #by_version);
        quote!(.storing(#coding, #error_if))
    });
    let sharing = if has_lifetimes(output) { quote!(unshared()) } else { quote!(SHARED) };
    quote!(#returns::#sharing #storing #given_up .or_absent())
}
