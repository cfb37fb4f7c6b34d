//! Which of the function's attributes and visibility the generated items have.

use proc_macro2::Span;
use syn::{AttrStyle, Attribute, VisRestricted, Visibility, parse_quote};

use crate::item::function::Function;

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

pub(super) fn on_outer_function(attribute: &Attribute) -> Attribute {
    let mut attribute = as_outer(attribute);
    if attribute.path().is_ident("expect")
        && let syn::Meta::List(list) = &mut attribute.meta
    {
        list.path = parse_quote!(allow);
    }
    attribute
}

pub(super) fn is_deprecated(attribute: &Attribute) -> bool {
    attribute.path().is_ident("deprecated")
}

/// A deprecated function's companions call each other.
pub(super) fn allowed_here(function: &Function) -> Option<Attribute> {
    function.attrs.iter().any(is_deprecated).then(|| parse_quote!(#[allow(deprecated)]))
}

/// Attributes about the function's signature, which its key companions have too.
pub(super) fn attributes_of_keys(function: &Function) -> impl Iterator<Item = Attribute> {
    let kept = |attribute: &&Attribute| is_lint_level(attribute) || is_deprecated(attribute);
    function.attrs.iter().filter(kept).map(on_outer_function).chain(allowed_here(function))
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
