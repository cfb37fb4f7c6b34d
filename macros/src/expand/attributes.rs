//! Which of the function's attributes and visibility the generated items have.

use proc_macro2::Span;
use quote::{ToTokens, quote};
use syn::{
    AttrStyle, Attribute, Meta, MetaList, Token, VisRestricted, Visibility, parse_quote,
    punctuated::Punctuated,
};

use crate::{
    item::function::Function,
    tokens::{compact, mentions},
};

/// The function's visibility as that of an item that we made: `pub` is where an item begins, and an item that begins in a
/// `macro_rules!` of the program is the program's for the compiler's lints (`dead_code`).
pub(super) fn generated_vis(function: &Function) -> Visibility {
    let mut vis = function.vis.clone();
    if let Visibility::Public(keyword) | Visibility::Restricted(VisRestricted { pub_token: keyword, .. }) =
        &mut vis
    {
        keyword.span = Span::mixed_site().located_at(keyword.span);
    }
    vis
}

/// What may be dead counts as used for the compiler, and so does all that it calls: companions are not allowed to be because the function
/// is expected to be.
const DEAD_CODE: &str = "dead_code";

/// Lints about a function as an item, whatever is in its body: what is generated beside it has none of them.
const OF_ITEMS: [&str; 8] = [
    DEAD_CODE,
    "missing_docs",
    "non_snake_case",
    "unreachable_pub",
    "clippy::doc_markdown",
    "clippy::missing_errors_doc",
    "clippy::missing_panics_doc",
    "clippy::module_name_repetitions",
];

/// The attribute on what has another body: what was expected of that one, it allows.
pub(super) fn allowing(attribute: &Attribute) -> Attribute {
    let mut attribute = as_outer(attribute);
    if let Some(list) = expected(&mut attribute) {
        list.path = parse_quote!(allow);
    }
    attribute
}

/// The attribute on the function that stands in the place of the written one, which is expected to be as an item what that would be.
pub(super) fn on_outer_function(attribute: &Attribute) -> Vec<Attribute> {
    let of_item = expecting(attribute, |lint| OF_ITEMS.contains(&lint));
    [allowing(attribute)].into_iter().chain(of_item).collect()
}

/// The attribute on the function that has the body.
pub(super) fn on_body(attribute: &Attribute) -> Vec<Attribute> {
    match expected(&mut attribute.clone()) {
        // A group, of which any lint is enough.
        Some(list) if mentions(&list.tokens, "unused") => vec![allowing(attribute)],
        Some(_) => {
            let of_body = expecting(attribute, |lint| !OF_ITEMS.contains(&lint));
            let of_item = expecting(attribute, |lint| OF_ITEMS.contains(&lint) && lint != DEAD_CODE);
            of_body.into_iter().chain(of_item.as_ref().map(allowing)).collect()
        }
        None => vec![as_outer(attribute)],
    }
}

/// What is expected, if anything is.
fn expected(attribute: &mut Attribute) -> Option<&mut MetaList> {
    match &mut attribute.meta {
        Meta::List(list) if list.path.is_ident("expect") => Some(list),
        _ => None,
    }
}

/// The same `expect`, of these lints alone.
fn expecting(attribute: &Attribute, is_kept: impl Fn(&str) -> bool) -> Option<Attribute> {
    let mut attribute = as_outer(attribute);
    let list = expected(&mut attribute)?;
    let entries = list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated).ok()?;
    let (reason, lints): (Vec<Meta>, Vec<Meta>) =
        entries.into_iter().partition(|entry| matches!(entry, Meta::NameValue(_)));
    let lints: Vec<Meta> =
        lints.into_iter().filter(|lint| is_kept(&compact(&lint.to_token_stream()))).collect();
    list.tokens = quote!(#(#lints,)* #(#reason),*);
    (!lints.is_empty()).then_some(attribute)
}

pub(super) fn is_deprecated(attribute: &Attribute) -> bool {
    attribute.path().is_ident("deprecated")
}

/// What is generated of a function does with it that its author may not: the companions of a deprecated one call each other, and hand on
/// arguments that are named as if they were not used.
pub(super) fn allowed_here(function: &Function) -> impl Iterator<Item = Attribute> {
    let deprecated = function.attrs.iter().any(is_deprecated).then(|| parse_quote!(#[allow(deprecated)]));
    let mut bindings = function.parameters.iter().flat_map(|parameter| &parameter.bindings);
    let underscored = bindings
        .any(|name| name.to_string().starts_with('_'))
        .then(|| parse_quote!(#[allow(clippy::used_underscore_binding)]));
    deprecated.into_iter().chain(underscored)
}

/// Attributes about the function's signature, which its key companions have too.
pub(super) fn attributes_of_keys(function: &Function) -> impl Iterator<Item = Attribute> {
    let kept = |attribute: &&Attribute| is_lint_level(attribute) || is_deprecated(attribute);
    let allowed = |attribute: &Attribute| match expected(&mut attribute.clone()) {
        Some(_) => expecting(attribute, |lint| lint != DEAD_CODE).as_ref().map(allowing),
        None => Some(as_outer(attribute)),
    };
    function.attrs.iter().filter(kept).filter_map(allowed).chain(allowed_here(function))
}

pub(super) fn is_lint_level(attribute: &Attribute) -> bool {
    ["allow", "warn", "deny", "forbid", "expect"].iter().any(|level| attribute.path().is_ident(level))
}

/// Attributes that every generated item has: `#[cfg(…)]`.
pub(super) fn attributes_of_every_item(function: &Function) -> impl Iterator<Item = Attribute> {
    function.attrs.iter().filter(|attribute| attribute.path().is_ident("cfg")).map(as_outer)
}

/// An attribute in front of its function, also if it was written inside.
pub(super) fn as_outer(attribute: &Attribute) -> Attribute {
    Attribute { style: AttrStyle::Outer, ..attribute.clone() }
}
