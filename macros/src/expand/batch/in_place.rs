//! A batch whose function can have no companions: that of an `impl` of a trait.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote};
use syn::{
    FnArg, PatIdent, Token,
    visit::{self, Visit},
    visit_mut::{self, VisitMut},
};

use super::{
    super::{
        body::without_body,
        function::{around, body},
        pieces::hygienic,
    },
    steps::{Argument, Kind, ListKind, list_for_body, list_kind, steps},
};
use crate::{item::function::Function, plan::BatchPlan};

/// The function, whose statements stand in the loop.
pub(super) fn in_place(plan: &BatchPlan, function: &Function) -> TokenStream {
    let (mut kept, mut twice, mut again) = (Vec::new(), Vec::new(), Vec::new());
    for (number, variables) in variables(function).into_iter().enumerate() {
        for (at, Variable { name, mutability, kind }) in variables.into_iter().enumerate() {
            if number == plan.list {
                continue;
            }
            let argument = Argument { name: name.to_token_stream(), kind, number: number + 100 * at };
            kept.extend(argument.keep());
            twice.extend(argument.twice());
            if kind != Kind::Shared || mutability.is_some() {
                let value = argument.again();
                again.push(quote!(let #mutability #name = #value;));
            }
        }
    }
    let Some(list) = &function.parameters[plan.list].name else { return TokenStream::new() };
    let (before, handed_on) = list_for_body(plan, function);
    let missing = hygienic("missing");
    let mutability = variables(function).swap_remove(plan.list).first().and_then(|list| list.mutability);
    let of_list = match list_kind(plan, function) {
        ListKind::Slice => quote!(let #mutability #list: &[_] = &#missing;),
        ListKind::Generic => quote!(let #mutability #list: ::std::vec::Vec<_> = #handed_on;),
        ListKind::Reference(ty) => {
            let ty = crate::item::shape::without_lifetimes(ty);
            let name = hygienic("list");
            quote!(let #name: #ty = #name; let #mutability #list = &#name;)
        }
        ListKind::Owned(ty) => {
            let ty = crate::item::shape::without_lifetimes(ty);
            quote!(let #mutability #list: #ty = #handed_on;)
        }
    };
    let before = quote!(#(#again)* #before #of_list);
    let statements = steps(
        plan,
        function,
        &list.to_token_stream(),
        (&kept, &twice),
        &before,
        &body(function, &plan.call.to_token_stream()),
    );
    let mut sig = function.sig.clone();
    sig.inputs.iter_mut().for_each(|input| Immutable.visit_fn_arg_mut(input));
    around(&without_body(function, function.attrs.clone(), sig), &statements)
}

/// A variable that a parameter binds.
struct Variable {
    name: Ident,
    mutability: Option<Token![mut]>,
    kind: Kind,
}

/// What each parameter binds where the body is a future of its own, which may take it apart only inside.
fn variables(function: &Function) -> Vec<Vec<Variable>> {
    let variables = |input: &FnArg| {
        let FnArg::Typed(typed) = input else { return Vec::new() };
        let mut bound = Bound(Vec::new());
        bound.visit_pat(&typed.pat);
        let kind = Kind::of(&typed.ty);
        bound.0.into_iter().map(|(name, mutability)| Variable { name, mutability, kind }).collect()
    };
    function.sig.inputs.iter().map(variables).collect()
}

/// Collects the variables of a pattern.
struct Bound(Vec<(Ident, Option<Token![mut]>)>);

impl Visit<'_> for Bound {
    fn visit_pat_ident(&mut self, pat: &PatIdent) {
        self.0.push((pat.ident.clone(), pat.mutability.filter(|_| pat.by_ref.is_none())));
        visit::visit_pat_ident(self, pat);
    }
}

/// Takes the `mut` of what is bound once more for the body.
struct Immutable;

impl VisitMut for Immutable {
    fn visit_pat_ident_mut(&mut self, pat: &mut PatIdent) {
        // `ref mut` is another word.
        if pat.by_ref.is_none() {
            pat.mutability = None;
        }
        visit_mut::visit_pat_ident_mut(self, pat);
    }
}
