//! What the source shows of the receiver of a call: its type, or the traits by which alone it is known.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{
    Expr, ExprField, ExprMethodCall, ExprParen, ExprReference, FnArg, GenericParam, Ident, Member, Path,
    Type, WherePredicate,
};

use crate::{
    item::{
        beside::Site,
        types::{pointed_to, traits, traits_of},
    },
    tokens::mentions,
};

/// The traits by which alone the receiver of a call is known: that of a parameter or of a field of `self`, which the source may
/// show.
pub(super) fn traits_of_receiver(receiver: &Expr, site: &Site) -> Vec<Path> {
    let of = |ty: &Type| match traits(ty) {
        Some(traits) => writable(&traits, site),
        None => name_of(ty).map(|name| traits_of_parameter(name, site)).unwrap_or_default(),
    };
    type_of(receiver, site).as_ref().map(of).unwrap_or_default()
}

/// The type of a parameter or of a field of `self`.
fn type_of(receiver: &Expr, site: &Site) -> Option<Type> {
    match receiver {
        Expr::Paren(paren) => type_of(&paren.expr, site),
        Expr::Reference(reference) => type_of(&reference.expr, site),
        Expr::Path(path) => {
            let parameter = site.function.parameters.iter().find(|parameter| {
                parameter.name.as_ref().is_some_and(|name| path.path.is_ident(&name.to_string()))
            })?;
            match &parameter.written {
                FnArg::Typed(typed) => Some(Type::clone(&typed.ty)),
                FnArg::Receiver(_) => None,
            }
        }
        Expr::Field(ExprField { base, member: Member::Named(field), .. }) if is_self(base) => {
            let of = site.function.implementation().and_then(|item| name_of(&item.self_ty))?;
            site.beside.as_ref()?.field(&of.to_string(), &field.to_string())
        }
        _ => None,
    }
}

fn is_self(expr: &Expr) -> bool {
    matches!(expr, Expr::Path(path) if path.path.is_ident("self"))
}

/// `Repo::load_user`, of `repo.load_user(id)`: for an editor, which renames the method with the function.
pub(super) fn method_named(call: &ExprMethodCall, site: &Site) -> Option<TokenStream> {
    let name = &call.method;
    let mut receiver = &*call.receiver;
    while let Expr::Paren(ExprParen { expr, .. }) | Expr::Reference(ExprReference { expr, .. }) = receiver {
        receiver = expr;
    }
    if is_self(receiver) {
        return Some(quote!(Self::#name));
    }
    let mut ty = &type_of(receiver, site)?;
    while let Some(inner) = pointed_to(ty).or(match ty {
        Type::Reference(reference) => Some(&*reference.elem),
        _ => None,
    }) {
        ty = inner;
    }
    Some(quote!(<#ty>::#name))
}

/// The last name of a type's path, also behind references and pointers.
fn name_of(ty: &Type) -> Option<&Ident> {
    match ty {
        Type::Reference(reference) => name_of(&reference.elem),
        Type::Path(path) => match pointed_to(ty) {
            Some(inner) => name_of(inner),
            None => path.path.segments.last().map(|last| &last.ident),
        },
        _ => None,
    }
}

/// The traits that bound a generic parameter of this name.
pub(super) fn traits_of_parameter(name: &Ident, site: &Site) -> Vec<Path> {
    let function = site.function;
    let generics = || std::iter::once(&function.sig.generics).chain(function.context.generics());
    let parameter =
        generics().flat_map(|generics| generics.type_params()).find(|parameter| parameter.ident == *name);
    let Some(parameter) = parameter else { return Vec::new() };
    let clauses = generics().filter_map(|generics| generics.where_clause.as_ref());
    let bounds = clauses.flat_map(|clause| &clause.predicates).filter_map(|predicate| match predicate {
        WherePredicate::Type(predicate) if name_of(&predicate.bounded_ty) == Some(name) => {
            Some(&predicate.bounds)
        }
        _ => None,
    });
    writable(&traits_of(parameter.bounds.iter().chain(bounds.flatten())), site)
}

/// The traits that an item inside of the function can name: it knows neither `Self` nor the parameters around it.
fn writable(traits: &[&Path], site: &Site) -> Vec<Path> {
    let means_something_here = |path: &&&Path| {
        let tokens = path.to_token_stream();
        let names = site.function.generic_parameters().filter_map(|parameter| match parameter {
            GenericParam::Type(parameter) => Some(parameter.ident.to_string()),
            GenericParam::Const(parameter) => Some(parameter.ident.to_string()),
            GenericParam::Lifetime(_) => None,
        });
        !tokens.to_string().contains('\'')
            && !names.chain(["Self".to_owned()]).any(|name| mentions(&tokens, &name))
    };
    traits.iter().filter(means_something_here).map(|path| (*path).clone()).collect()
}
