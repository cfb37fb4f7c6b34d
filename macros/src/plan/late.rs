//! What a key of the result can be made of besides the result, which is there when the body is done with everything else.

use quote::ToTokens;
use syn::{Expr, ExprReference, Ident};

use super::optional_keys::bound_inside;
use crate::{
    item::function::{Function, Parameter},
    tokens::{mention_of, parts_of},
};

/// Whether the argument is a reference, as far as the source shows it.
pub(super) fn is_reference(argument: &Expr, function: &Function) -> bool {
    match argument {
        Expr::Reference(_) => true,
        Expr::Path(path) => path.path.get_ident().is_some_and(|name| {
            let parameter = function.parameters.iter().find(|parameter| parameter.binds(&name.to_string()));
            parameter.is_some_and(Parameter::is_borrowed)
        }),
        _ => false,
    }
}

/// `&tenant` of a `tenant` that the body takes: it is gone when the key is made.
pub(super) fn is_lent_of_taken(argument: &Expr, function: &Function) -> bool {
    let Expr::Reference(ExprReference { mutability: None, expr, .. }) = argument else { return false };
    let Some((root, field)) = root(expr) else { return false };
    let mut parameters = function.parameters.iter();
    let takes = |part: &Option<String>| part.is_none() || field.is_none() || *part == field;
    parameters.any(|parameter| parameter.binds(&root.to_string()) && !parameter.is_borrowed())
        && parts_of(&function.body_tokens(), root).iter().any(takes)
}

/// `user` and `name` of `user.name[0]`.
fn root(place: &Expr) -> Option<(&Ident, Option<String>)> {
    match place {
        Expr::Path(path) => Some((path.path.get_ident()?, None)),
        Expr::Field(field) => {
            let (of, inner) = root(&field.base)?;
            Some((of, inner.or_else(|| Some(field.member.to_token_stream().to_string()))))
        }
        Expr::Index(index) => root(&index.expr),
        Expr::Paren(paren) => root(&paren.expr),
        Expr::Group(group) => root(&group.expr),
        _ => None,
    }
}

/// What the body has for itself alone, in one of these expressions, which are evaluated when it is done.
pub(super) fn taken<'a>(
    late: impl Iterator<Item = &'a Expr>,
    items: &[Ident],
    function: &Function,
) -> Option<syn::Error> {
    let name = mentioned(late, items, function, Parameter::is_mutable_reference)?;
    if parts_of(&function.body_tokens(), &name).is_empty() {
        return None;
    }
    let instead = if name == "self" {
        "Where the key has no `{self.…}` write `Self::load_user(result.id)`; else take `&self`"
    } else {
        "Name a function or a type instead, such as `Repo::load_user(result.id)`, or take a shared reference"
    };
    Some(syn::Error::new(
        name.span(),
        format!(
            "the body has `{name}` for itself alone, and nothing can be made of it and of `result`. {instead}, or name the key by the \
             arguments alone"
        ),
    ))
}

/// What is the caller's in one of these expressions, which are evaluated when it may have gone.
pub(super) fn lent<'a>(
    late: impl Iterator<Item = &'a Expr>,
    items: &[Ident],
    function: &Function,
) -> Option<syn::Error> {
    let name = mentioned(late, items, function, Parameter::is_borrowed)?;
    let instead = if name == "self" {
        "Where the key has no `{self.…}` write `Self::load_user(result.id)`".to_owned()
    } else {
        format!("An argument of its own is copied before the body, such as `load_user({name}, result.id)`")
    };
    Some(syn::Error::new(
        name.span(),
        format!(
            "a detached write goes on when its caller has gone, and `{name}` is the caller's: nothing can be made of it and of \
             `result`. {instead}; else name the key by the arguments alone, or leave `detach` out"
        ),
    ))
}

/// The first name in the expressions that is of such a parameter.
fn mentioned<'a>(
    mut exprs: impl Iterator<Item = &'a Expr>,
    items: &[Ident],
    function: &Function,
    is: impl Fn(&Parameter) -> bool,
) -> Option<Ident> {
    let names: Vec<&Ident> =
        function.parameters.iter().filter(|parameter| is(parameter)).flat_map(|of| &of.bindings).collect();
    exprs.find_map(|expr| {
        let (tokens, own) = (expr.to_token_stream(), bound_inside(expr));
        // An item of a list, and what a closure binds, hides a parameter of its name.
        let is_hidden = |name: &Ident| items.contains(name) || own.contains(name);
        names.iter().filter(|name| !is_hidden(name)).find_map(|name| mention_of(&tokens, name))
    })
}
