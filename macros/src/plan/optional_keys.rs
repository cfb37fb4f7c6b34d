//! `load_user(id?)`: a key that there is only if there is an argument.

use quote::{ToTokens, quote_spanned};
use syn::{
    Expr,
    spanned::Spanned,
    visit_mut::{self, VisitMut},
};

use crate::{parse::call::Call, tokens::mention_of_result};

/// The call with each `?` as a question for what there is, and whether there was one.
pub(crate) fn asked(call: &Call) -> (Call, bool) {
    let (mut call, mut questions) = (call.clone(), Questions(false));
    call.arguments_mut().for_each(|argument| questions.visit_expr_mut(argument));
    (call, questions.0)
}

/// Whether there is a `?` in the expression.
pub(crate) fn has_question(expr: &Expr) -> bool {
    let mut questions = Questions(false);
    questions.visit_expr_mut(&mut expr.clone());
    questions.0
}

struct Questions(bool);

impl VisitMut for Questions {
    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        // There a `?` leaves the closure.
        if matches!(expr, Expr::Closure(_) | Expr::Async(_)) {
            return;
        }
        visit_mut::visit_expr_mut(self, expr);
        if let Expr::Try(question) = expr {
            self.0 = true;
            let asked = &question.expr;
            *expr = Expr::Verbatim(quote_spanned!(asked.span()=> (&__aside::Given(&#asked)).given()?));
        }
    }
}

/// Where an argument would panic for a result that has no such part. The write is done by then.
pub(crate) fn panics(call: &Call) -> Option<syn::Error> {
    let mut found = Panics(None);
    call.clone().arguments_mut().for_each(|argument| found.visit_expr_mut(argument));
    found.0
}

struct Panics(Option<syn::Error>);

impl VisitMut for Panics {
    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        let (of, instead) = match expr {
            Expr::Index(index) => (&index.expr, ".first()?` or `.get(i)?"),
            Expr::MethodCall(call) if call.method == "unwrap" || call.method == "expect" => {
                (&call.receiver, "?")
            }
            _ => return visit_mut::visit_expr_mut(self, expr),
        };
        if mention_of_result(&of.to_token_stream()).is_some() {
            let error = syn::Error::new(
                expr.span(),
                format!(
                    "this panics where the result has no such part, and the write is done by then; write `{instead}` instead: \
                     the key is left out where there is none"
                ),
            );
            self.0.get_or_insert(error);
        }
    }
}
