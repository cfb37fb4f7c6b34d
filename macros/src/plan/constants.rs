//! Constants of an attribute: they are used in a static, where neither `Self` nor generic parameters are known.

use proc_macro2::Span;
use quote::ToTokens;
use syn::{
    Expr, ExprPath, ExprStruct, GenericParam, Type, parse_quote,
    spanned::Spanned,
    visit_mut::{self, VisitMut},
};

use crate::{
    item::{function::Function, shape::without_lifetimes},
    parse::duration::DurationArg,
    problem::Problems,
    tokens::{OF_MACRO, mentions},
};

/// Writes the type instead of `Self`; a constant that differs by instantiation is a problem.
pub(super) fn in_static<'a>(
    lengths: impl IntoIterator<Item = &'a mut DurationArg>,
    function: &Function,
    problems: &mut Problems,
) {
    for length in lengths {
        if let DurationArg::Constant(expr) = length {
            constant(expr, function, problems);
        }
    }
}

pub(super) fn constant(expr: &mut Expr, function: &Function, problems: &mut Problems) {
    let tokens = expr.to_token_stream();
    let generic = function.generic_parameters().find_map(|parameter| match parameter {
        GenericParam::Type(parameter) => Some(&parameter.ident),
        GenericParam::Const(parameter) => Some(&parameter.ident),
        GenericParam::Lifetime(_) => None,
    });
    let named = function.generic_parameters().any(|parameter| match parameter {
        GenericParam::Type(parameter) => mentions(&tokens, &parameter.ident.to_string()),
        GenericParam::Const(parameter) => mentions(&tokens, &parameter.ident.to_string()),
        GenericParam::Lifetime(_) => false,
    });
    let of_self = mentions(&tokens, "Self");
    let readable = function.implementation().filter(|item| {
        let is_generic =
            item.generics.params.iter().any(|parameter| !matches!(parameter, GenericParam::Lifetime(_)));
        !is_generic && !item.to_token_stream().to_string().contains(OF_MACRO)
    });
    match readable {
        _ if named || of_self && readable.is_none() => problems.push(differs(expr.span(), generic.is_some())),
        Some(item) if of_self => OfType(without_lifetimes(&item.self_ty)).visit_expr_mut(expr),
        _ => {}
    }
}

fn differs(at: Span, is_generic: bool) -> syn::Error {
    let of = if is_generic { "generic parameters" } else { "`Self`" };
    syn::Error::new(
        at,
        format!(
            "what an attribute fixes is one for all instantiations, and this depends on {of}; write a constant that doesn't, \
             which for a TTL can be the longest: `ttl = \"1h\", ttl_for = |_: &User| Self::TTL`"
        ),
    )
}

struct OfType(Type);

impl VisitMut for OfType {
    fn visit_type_mut(&mut self, ty: &mut Type) {
        match ty {
            Type::Path(path) if path.qself.is_none() && path.path.is_ident("Self") => ty.clone_from(&self.0),
            _ => visit_mut::visit_type_mut(self, ty),
        }
    }

    fn visit_expr_struct_mut(&mut self, expr: &mut ExprStruct) {
        // Arguments in such a path would have to be written as `Repo::<T> { … }`.
        if let (true, Type::Path(ty)) = (expr.path.is_ident("Self"), &self.0)
            && ty.path.segments.iter().all(|segment| segment.arguments.is_none())
        {
            expr.path.clone_from(&ty.path);
        }
        visit_mut::visit_expr_struct_mut(self, expr);
    }

    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        let ty = &self.0;
        if let Expr::Path(ExprPath { qself: None, path, .. }) = expr
            && path.segments.len() > 1
            && path.segments[0].ident == "Self"
        {
            let rest = path.segments.iter().skip(1);
            *expr = parse_quote!(<#ty>::#(#rest)::*);
        } else {
            visit_mut::visit_expr_mut(self, expr);
        }
    }
}
