//! How values become bytes: the codec and the version, for the types that the function stores.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::{Expr, GenericParam, Type, TypePath, spanned::Spanned};

use super::pieces::setting;
use crate::{
    item::{
        beside::Beside,
        function::Function,
        value::{self, CONTAINERS, Kind, is_cacheable, kind, parts},
    },
    parse::codec_of_ours,
    plan::ReadPlan,
    tokens::mentions,
};

/// How values are encoded; this requires `Serialize` of the return type.
pub(super) fn coding(
    plan: &ReadPlan,
    function: &Function,
    output: &Type,
    shape: &TokenStream,
) -> TokenStream {
    // They decide by the value whether and for how long it is stored.
    let conditions = [
        setting("store_if", plan.options.store_if.as_ref(), ToTokens::to_token_stream),
        setting("ttl_for", plan.options.ttl_for.as_ref(), ToTokens::to_token_stream),
    ];
    let conditions: TokenStream = conditions.into_iter().flatten().collect();
    // Closures are read from left to right: by then the type must be known.
    let coding = coding_of(plan, function, output, (!conditions.is_empty()).then_some(shape));
    let local = setting("local", plan.options.local.as_ref(), |_| TokenStream::new());
    quote!(#coding #conditions #local)
}

/// The same without its conditions; without a shape the type of what is stored is left to inference.
pub(super) fn coding_of(
    plan: &ReadPlan,
    function: &Function,
    output: &Type,
    shape: Option<&TokenStream>,
) -> TokenStream {
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
        Kind::Other => {
            let are_asked = !parts.is_empty() && !has_another_container(function);
            let parts = parts.into_iter().filter(|_| are_asked).filter_map(|part| asked(part, function, at));
            quote_spanned!(at=> Parts #(#parts)*.coding)
        }
    };
    quote_spanned!(at=> __aside::#coding::<#value, #codec>(#version) #by_version)
}

/// `.of::<User>()`: a part that is asked by itself for what caching it needs, shown where the whole is. Of one with arguments the
/// compiler says which of them lacks it, and of a parameter how to bound it.
fn asked(part: &Type, function: &Function, at: Span) -> Option<TokenStream> {
    let Type::Path(TypePath { qself: None, path, .. }) = part else { return None };
    let tokens = part.to_token_stream();
    let is_parameter = function.generic_parameters().any(|parameter| match parameter {
        GenericParam::Type(parameter) => mentions(&tokens, &parameter.ident.to_string()),
        _ => false,
    });
    let has_arguments = path.segments.iter().any(|segment| !segment.arguments.is_none());
    let of = match kind(part) {
        Kind::Pointer => quote_spanned!(at=> of_pointer),
        _ if has_arguments => return None,
        Kind::Time => quote_spanned!(at=> of_time),
        Kind::Other => quote_spanned!(at=> of),
    };
    // What `$crate`, lifetimes and the words of another edition mean lies in their spans. What a trait says of its own types it may say
    // of the whole.
    let of_self = path.segments.len() > 1 && path.segments[0].ident == "Self";
    let means_by_span = tokens.to_string().contains(['$', '\'']) || mentions(&tokens, "gen");
    if of_self || is_parameter || is_cacheable(part) || means_by_span {
        return None;
    }
    let part = respanned(tokens, at);
    Some(quote_spanned!(at=> .#of::<#part>()))
}

/// Whether another type than that of the standard library is called as a container is: it may need nothing of what it is made of.
fn has_another_container(function: &Function) -> bool {
    let is_another = |beside: &Beside, name: &str| {
        beside.writes_one_of(&["enum", "struct", "type"], name) || beside.imports_from_elsewhere(name)
    };
    Beside::of(function).is_some_and(|beside| CONTAINERS.iter().any(|name| is_another(&beside, name)))
}

fn respanned(tokens: TokenStream, at: Span) -> TokenStream {
    let shown = |mut token: TokenTree| {
        token.set_span(at);
        token
    };
    tokens.into_iter().map(shown).collect()
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
