//! `load_user(id?)`: a key that exists only if its argument does.

use quote::ToTokens;
use syn::{
    Expr, ExprField,
    spanned::Spanned,
    visit::{self, Visit},
};

use crate::tokens::mention_of_result;

/// Whether there is a `?` in the expression.
pub(crate) fn has_question(expr: &Expr) -> bool {
    let mut questions = QuestionMarks(false);
    questions.visit_expr(expr);
    questions.0
}

struct QuestionMarks(bool);

impl<'ast> Visit<'ast> for QuestionMarks {
    fn visit_expr(&mut self, expr: &'ast Expr) {
        // There a `?` leaves the closure.
        if !matches!(expr, Expr::Closure(_) | Expr::Async(_)) {
            self.0 |= matches!(expr, Expr::Try(_));
            visit::visit_expr(self, expr);
        }
    }
}

/// The fields of the result itself that the expressions name.
pub(crate) fn fields_of_result<'a>(exprs: impl Iterator<Item = &'a Expr>) -> Vec<&'a ExprField> {
    let mut found = Fields(Vec::new());
    exprs.for_each(|expr| found.visit_expr(expr));
    found.0
}

struct Fields<'a>(Vec<&'a ExprField>);

impl<'ast> Visit<'ast> for Fields<'ast> {
    fn visit_expr_field(&mut self, field: &'ast ExprField) {
        match &*field.base {
            Expr::Path(path) if path.path.is_ident("result") => self.0.push(field),
            _ => visit::visit_expr_field(self, field),
        }
    }
}

/// Where an expression would panic for a result that has no such part. The write is done by then.
pub(crate) fn panics<'a>(exprs: impl Iterator<Item = &'a Expr>) -> Option<syn::Error> {
    let mut found = Panics(None);
    exprs.for_each(|expr| found.visit_expr(expr));
    found.0
}

struct Panics(Option<syn::Error>);

impl<'ast> Visit<'ast> for Panics {
    fn visit_expr(&mut self, expr: &'ast Expr) {
        let (of, instead) = match expr {
            Expr::Index(index) => (&index.expr, ".first()?` or `.get(i)?"),
            Expr::MethodCall(call) if call.method == "unwrap" || call.method == "expect" => {
                (&call.receiver, "?")
            }
            _ => return visit::visit_expr(self, expr),
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
