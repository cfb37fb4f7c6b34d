//! What the source shows of the receiver of a call: its type, or the traits by which alone it is known.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Expr, ExprMethodCall, ExprParen, ExprReference, GenericParam, Ident, Path, Type, WherePredicate};

use crate::{
    item::{
        beside::Site,
        receiver::{is_self, name_of, type_of},
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
