//! What a write names, for the catalog: constants, as far as that can be said without a value.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::{Expr, ExprCall, ExprPath, LitStr, ext::IdentExt};

use super::call::{Companion, companion, import, in_block, renamed, stand_in};
use crate::{
    item::beside::Site,
    parse::call::Call,
    plan::{Mention, ReadPlan, TagKey},
    tokens::compact,
};

/// What a write names, as a call on its settings.
pub(super) fn targets(mentions: &[Mention], site: &Site) -> TokenStream {
    let targets = mentions.iter().map(|mention| match mention {
        Mention::Template(literal) => quote!(__aside::Target::Template(#literal)),
        Mention::Tag(literal) => {
            let tag = tag_of_template(literal);
            quote!(__aside::Target::Tag(#tag))
        }
        Mention::Call(call) => of_call(call, site),
    });
    quote!(.targets(&[#(#targets),*]))
}

fn of_call(call: &Call, site: &Site) -> TokenStream {
    match call {
        Call::Path(call, path) => match companion(path) {
            Companion::OfFunction { path, span, .. } => function(&path, span, call.args.len(), site),
            Companion::OfType(_) => {
                let written = compact(&path.to_token_stream());
                method(&match (written.strip_prefix("Self::"), self_type(site)) {
                    (Some(name), Some(of)) => format!("{of}::{name}"),
                    _ => written,
                })
            }
        },
        Call::Method(call) => {
            let name = call.method.unraw().to_string();
            let of = matches!(&*call.receiver, Expr::Path(path) if path.path.is_ident("self"));
            method(&match self_type(site).filter(|_| of) {
                Some(of) => format!("{of}::{name}"),
                None => name,
            })
        }
        Call::Tag(call) => {
            let tag = tag_of_call(call);
            quote!(__aside::Target::Tag(#tag))
        }
        Call::Key(key) => {
            let written = compact(&key.to_token_stream());
            quote!(__aside::Target::Other(#written))
        }
    }
}

/// The tags of a cached function's entries, as a call on its settings.
pub(super) fn tags(plan: &ReadPlan) -> Option<TokenStream> {
    let tags = plan.tags.iter().map(|tag| match tag {
        TagKey::Template(_, literal) => tag_of_template(literal),
        TagKey::Call(call) => tag_of_call(call),
    });
    (!plan.tags.is_empty()).then(|| quote!(.tags(&[#(#tags),*])))
}

fn tag_of_template(literal: &LitStr) -> TokenStream {
    quote!(__aside::TagName::Template(#literal))
}

/// Only the name of the function that gives a tag is known, which as a rule is the name of its declaration.
fn tag_of_call(call: &ExprCall) -> TokenStream {
    let name = match &*call.func {
        Expr::Path(path) => path.path.segments.last().map(|last| last.ident.unraw().to_string()),
        _ => None,
    };
    let name = name.unwrap_or_default();
    quote!(__aside::TagName::Declared(#name))
}

fn method(written: &str) -> TokenStream {
    quote!(__aside::Target::Method(#written))
}

fn self_type(site: &Site) -> Option<String> {
    site.function.implementation().map(|item| compact(&item.self_ty.to_token_stream()))
}

/// The function by what the linker knows of it. Where it is none the key says so, and here something stands in its place.
fn function(path: &ExprPath, span: Span, arguments: usize, site: &Site) -> TokenStream {
    let nowhere = Span::mixed_site();
    let function = |named: TokenStream| quote_spanned!(nowhere=> <#named as ::cached_aside::__private::Companion>::function);
    let found = match import(site, &[], path) {
        None => function(path.to_token_stream()),
        Some(import) => {
            let (named, other) = stand_in(arguments);
            let import = renamed(&import, &named, span);
            let found = in_block(span, &import, &function(named.to_token_stream()));
            in_block(span, &other, &found)
        }
    };
    quote!(__aside::Target::Function(#found))
}
