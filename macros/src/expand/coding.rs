//! How values become bytes: the codec and the version, for the types that the function stores.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::{Expr, Type, spanned::Spanned};

use super::pieces::setting;
use crate::{
    item::value::{self, Kind, kind, parts},
    parse::codec_of_ours,
    plan::ReadPlan,
};

/// How values are encoded; this requires `Serialize` of the return type.
pub(super) fn coding(plan: &ReadPlan, output: &Type, shape: &TokenStream) -> TokenStream {
    // They decide by the value whether and for how long it is stored.
    let conditions = [
        setting("store_if", plan.options.store_if.as_ref(), ToTokens::to_token_stream),
        setting("ttl_for", plan.options.ttl_for.as_ref(), ToTokens::to_token_stream),
    ];
    let conditions: TokenStream = conditions.into_iter().flatten().collect();
    // Closures are read from left to right: by then the type must be known.
    let coding = coding_of(plan, output, (!conditions.is_empty()).then_some(shape));
    let local = setting("local", plan.options.local.as_ref(), |_| TokenStream::new());
    quote!(#coding #conditions #local)
}

/// The same without its conditions; without a shape the type of what is stored is left to inference.
pub(super) fn coding_of(plan: &ReadPlan, output: &Type, shape: Option<&TokenStream>) -> TokenStream {
    let (codec, version, by_version) = (codec(plan), version(plan), by_version(plan));
    let parts = parts(output);
    // Errors about a part point to it, if it is the only one that they can be about.
    let kind = kind(value::value(output));
    let at = Span::mixed_site().located_at(match parts.as_slice() {
        [part] => part.span(),
        _ if kind == Kind::Other => output.span(),
        _ => value::value(output).span(),
    });
    // The tokens of the return type stay where they are: what is mistyped in it is shown there.
    let value = match shape {
        None => quote_spanned!(at=> _),
        Some(shape) => quote_spanned!(at=> __aside::Value<#output, #shape>),
    };
    // Each has the words for what can't be cached of its kind.
    let coding = match kind {
        Kind::Pointer => quote_spanned!(at=> coding_of_pointer),
        Kind::Time => quote_spanned!(at=> coding_of_time),
        Kind::Other if parts.is_empty() => quote_spanned!(at=> coding),
        Kind::Other => quote_spanned!(at=> coding_of_parts),
    };
    quote_spanned!(at=> __aside::#coding::<#value, #codec>(#version) #by_version)
}

/// The type of what is stored.
pub(super) fn value(output: &Type, shape: &TokenStream) -> TokenStream {
    let at_output = Span::mixed_site().located_at(output.span());
    quote_spanned!(at_output=> ::cached_aside::__private::Value<#output, #shape>)
}

/// How the errors are encoded that the function stores.
pub(super) fn error_coding(plan: &ReadPlan, output: &Type, shape: &TokenStream) -> TokenStream {
    let (codec, version, by_version) = (codec(plan), version(plan), by_version(plan));
    let at_output = Span::mixed_site().located_at(output.span());
    let error = quote_spanned!(at_output=> __aside::ErrorOf<#output, #shape>);
    quote_spanned!(at_output=> __aside::error_coding::<#error, #codec>(#version) #by_version)
}

/// The codecs that come with the crate are meant by their names alone: other crates have a `Json` too.
pub(super) fn codec(plan: &ReadPlan) -> TokenStream {
    let Some(ty) = plan.options.codec.as_ref().map(|codec| &codec.value) else {
        return quote!(__aside::DefaultCodec);
    };
    match codec_of_ours(ty) {
        Some(name) => quote_spanned!(name.span()=> ::cached_aside::#name),
        None => ty.to_token_stream(),
    }
}

pub(super) fn version(plan: &ReadPlan) -> TokenStream {
    match plan.options.version.as_ref().map(|version| &version.value.number) {
        None => quote!(0),
        Some(number @ Expr::Lit(_)) => number.to_token_stream(),
        Some(constant) => quote_spanned!(constant.span()=> const { #constant }),
    }
}

/// For `version = only(…)`, which replaces the comparison of the type's structure.
fn by_version(plan: &ReadPlan) -> Option<TokenStream> {
    let only = plan.options.version.as_ref().is_some_and(|version| version.value.only);
    only.then(|| quote!(.by_version()))
}
