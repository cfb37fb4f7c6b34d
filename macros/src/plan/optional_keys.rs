//! `load_user(id?)`: a key that exists only if its argument does.

use syn::{
    Expr, ExprField,
    spanned::Spanned,
    visit::{self, Visit},
};

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

/// Where an expression that is evaluated when the write is done would panic.
pub(crate) fn panics<'a>(late: impl Iterator<Item = &'a Expr>) -> Option<syn::Error> {
    let mut found = Panics(None);
    late.for_each(|expr| found.visit_expr(expr));
    found.0
}

struct Panics(Option<syn::Error>);

impl<'ast> Visit<'ast> for Panics {
    fn visit_expr(&mut self, expr: &'ast Expr) {
        let instead = match expr {
            Expr::Index(_) => ".first()?` or `.get(i)?",
            Expr::MethodCall(call) if call.method == "unwrap" || call.method == "expect" => "?",
            Expr::Call(call) if unwraps(&call.func) => "?",
            _ => return visit::visit_expr(self, expr),
        };
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

/// `Option::unwrap`
fn unwraps(function: &Expr) -> bool {
    let Expr::Path(path) = function else { return false };
    let mut segments = path.path.segments.iter().rev();
    segments.next().is_some_and(|last| last.ident == "unwrap" || last.ident == "expect")
        && segments.next().is_some_and(|of| of.ident == "Option" || of.ident == "Result")
}
