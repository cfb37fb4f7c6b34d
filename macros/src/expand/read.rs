//! A cached function: its settings, its key, one call.

use proc_macro2::{Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::{GenericParam, Type, spanned::Spanned};

use super::{cache, imports, kept_cache, key_text, optional, ours, pinned, shape_of};
use crate::{
    item::{
        function::Function,
        place::Place,
        shape::{has_lifetimes, is_opaque, parts, without_lifetimes},
    },
    plan::ReadPlan,
    tokens::{OF_MACRO, mentions},
};

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
    let has_none = assert_outcome("assert_none", plan.none_ttl, shape);
    let has_error = assert_outcome("assert_error", plan.staleness.if_error, shape);
    let fails = assert_outcome("assert_fails", plan.error_ttl, shape);
    let named = plan.cache.as_ref().map(|cache| &cache.expr);
    let (pinned, name) = (pinned(body), ours("body"));
    let (pinned, body) = match &plan.staleness.kept {
        Some(_) => (None, body),
        None => (Some(&pinned), &name.to_token_stream()),
    };
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
        #pinned
        #load(#cache_argument #read, #key, #coding, #returns, #body).await
    }
}

/// What the attribute fixes, as a static that the program can find without a call.
pub(super) fn settings(plan: &ReadPlan, function: &Function, shape: &TokenStream) -> TokenStream {
    let ReadPlan { name, template, ttl, settings, staleness, .. } = plan;
    let old = &staleness.settings;
    let types = types(plan, function, shape);
    let new = quote_spanned! {plan.at_ttl=>
        __aside::ReadFunction::declare(::core::module_path!(), #name, #template, #ttl)
    };
    quote! {
        static __READ: __aside::ReadFunction = #new #settings #old #types;
        ::cached_aside::__private::inventory::submit! { ::cached_aside::__private::Linked(&__READ) }
    }
}

/// How the types are encoded that the function stores, where they are known without a call.
fn types(plan: &ReadPlan, function: &Function, shape: &TokenStream) -> Option<TokenStream> {
    let ReadPlan { codec, version, by_version, .. } = plan;
    let output = without_lifetimes(&function.output);
    let used = quote!(#output #codec #version);
    let generic = |parameter: &GenericParam| match parameter {
        GenericParam::Type(parameter) => mentions(&used, &parameter.ident.to_string()),
        GenericParam::Const(parameter) => mentions(&used, &parameter.ident.to_string()),
        GenericParam::Lifetime(_) => false,
    };
    // A static is an item of its own: generic parameters and `Self` mean nothing in it.
    if mentions(&used, "Self")
        || function.generic_parameters().any(generic)
        || is_of_unknown_generics(function)
    {
        return None;
    }
    let at_output = Span::mixed_site().located_at(output.span());
    let value = quote_spanned!(at_output=> __aside::Value<#output, #shape>);
    let stores = coding_of(plan, &output, &value);
    let errors = plan.errors.as_ref().map(|_| {
        let error = quote_spanned!(at_output=> __aside::ErrorOf<#output, #shape>);
        let coding =
            quote_spanned!(at_output=> __aside::error_coding::<#error, #codec>(#version) #by_version);
        quote!(.errors(&#coding))
    });
    Some(quote!(.stores(&#stores) #errors))
}

/// An `impl` around the function that can't be read may have parameters of any name.
fn is_of_unknown_generics(function: &Function) -> bool {
    match &function.place {
        Place::Inherent(None) | Place::TraitImpl(None) => true,
        Place::Inherent(Some(item)) | Place::TraitImpl(Some(item)) => {
            item.to_token_stream().to_string().contains(OF_MACRO)
        }
        // What is generic around a nested function means nothing in it either.
        Place::Free | Place::Nested | Place::Trait(_) | Place::Unknown => false,
    }
}

/// `__aside::assert_…::<SHAPE>();` where an option was written that says something about one kind of outcome: compiles only if the
/// return type has it.
fn assert_outcome(assertion: &str, option: Option<Span>, shape: &TokenStream) -> Option<TokenStream> {
    option.map(|span| {
        let (assertion, shape) = (Ident::new(assertion, span), located(shape, span));
        quote_spanned!(span=> __aside::#assertion::<#shape>();)
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
    let conditions = &plan.conditions;
    let at_output = Span::mixed_site().located_at(output.span());
    // Closures are read from left to right: by then the type must be known.
    let value = if conditions.is_empty() {
        quote_spanned!(at_output=> _)
    } else {
        quote_spanned!(at_output=> __aside::Value<#output, #shape>)
    };
    let coding = coding_of(plan, output, &value);
    quote!(#coding #conditions)
}

fn coding_of(plan: &ReadPlan, output: &Type, value: &TokenStream) -> TokenStream {
    let ReadPlan { codec, version, by_version, .. } = plan;
    let parts = parts(output);
    // What is said of a part is said where it stands, if it is the only one that can be meant.
    let at = Span::mixed_site().located_at(match parts.as_slice() {
        [part] => part.span(),
        _ => output.span(),
    });
    let value = located(value, at);
    let coding =
        if parts.is_empty() { quote_spanned!(at=> coding) } else { quote_spanned!(at=> coding_of_parts) };
    quote_spanned!(at=> __aside::#coding::<#value, #codec>(#version) #by_version)
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
        quote!(.storing(|| __aside::stored_errors(#coding, #error_if)))
    });
    let sharing = if has_lifetimes(output) { quote!(unshared()) } else { quote!(SHARED) };
    quote!(#returns::#sharing #storing #given_up .or_absent())
}
