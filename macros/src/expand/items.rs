//! The names of a list's items, as the key of each item uses them.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{
    Expr, ExprClosure, UnOp,
    visit_mut::{self, VisitMut},
};

use crate::{
    parse::{
        call::Call,
        each::{Each, bound},
    },
    tokens::same,
};

/// What a pattern binds as it is used: copies, or references.
pub(super) fn rebound(each: &Each) -> TokenStream {
    let names = each.names();
    let rebound = names.iter().map(|name| {
        let at = Span::mixed_site().located_at(name.span());
        quote_spanned!(at=> let #name = (&&__aside::Item(&#name)).item();)
    });
    // Another key of the same `for` is made of these.
    let of_others = &each.of_others;
    quote!(#(#rebound)* #(let _ = &#of_others;)*)
}

/// The call with `*id` as what it stands for, which is the item itself where that is a copy.
pub(super) fn dereferenced(call: &Call, items: &[Ident]) -> Call {
    let mut call = call.clone();
    call.change_arguments(|argument| Dereferences(items).visit_expr_mut(argument));
    call
}

struct Dereferences<'a>(&'a [Ident]);

impl VisitMut for Dereferences<'_> {
    // A parameter of the same name is something else.
    fn visit_expr_closure_mut(&mut self, closure: &mut ExprClosure) {
        let own: Vec<Ident> = closure.inputs.iter().flat_map(bound).collect();
        let is_item = |item: &&Ident| !own.iter().any(|own| same(own, &item.to_string()));
        let items: Vec<Ident> = self.0.iter().filter(is_item).cloned().collect();
        visit_mut::visit_expr_closure_mut(&mut Dereferences(&items), closure);
    }

    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        visit_mut::visit_expr_mut(self, expr);
        if let Expr::Unary(unary) = expr
            && matches!(unary.op, UnOp::Deref(_))
            && let Expr::Path(path) = &*unary.expr
            && let Some(name) = path.path.get_ident()
            && self.0.iter().any(|item| same(item, &name.to_string()))
        {
            let at = Span::mixed_site().located_at(name.span());
            *unary.expr = Expr::Verbatim(
                quote_spanned!(at=> { use ::cached_aside::__private::{ItemBehind as _, ItemItself as _}; __aside::Item(&#name).behind() }),
            );
        }
    }
}
