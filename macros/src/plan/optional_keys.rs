//! `load_user(id?)`: a key that exists only if its argument does.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{
    Expr, ExprField, Local, Macro, PatIdent, Type, TypeArray,
    spanned::Spanned,
    visit::{self, Visit},
};

use crate::{
    item::types::inside,
    tokens::{mention_of, mention_of_result},
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

/// Where an expression leaves the function in which it is evaluated, and has no value: by `?` or `return`, also among what a macro is
/// given, where a `?` before a name says something else.
pub(crate) fn leaves(expr: &Expr) -> Option<Span> {
    let mut leaves = Leaves { questions: true, found: None };
    leaves.visit_expr(expr);
    leaves.found
}

/// The same of a key, in which a `?` asks for what there is; not among what a macro is given.
pub(crate) fn leaves_for_good(expr: &Expr) -> Option<Span> {
    let mut leaves = Leaves { questions: false, found: None };
    leaves.visit_expr(expr);
    leaves.found
}

struct Leaves {
    /// Whether a `?` outside of macros counts.
    questions: bool,
    found: Option<Span>,
}

impl<'ast> Visit<'ast> for Leaves {
    fn visit_expr(&mut self, expr: &'ast Expr) {
        match expr {
            // There it is the closure that is left.
            Expr::Closure(_) | Expr::Async(_) => return,
            Expr::Try(question) if self.questions => {
                self.found.get_or_insert(question.question_token.span);
            }
            Expr::Return(returns) => {
                self.found.get_or_insert(returns.return_token.span);
            }
            _ => {}
        }
        visit::visit_expr(self, expr);
    }

    fn visit_macro(&mut self, given: &'ast Macro) {
        if let Some(span) = leaves_in(&given.tokens) {
            self.found.get_or_insert(span);
        }
    }
}

fn leaves_in(tokens: &TokenStream) -> Option<Span> {
    let mut tokens = tokens.clone().into_iter().peekable();
    while let Some(token) = tokens.next() {
        match &token {
            TokenTree::Group(group) => {
                if let Some(span) = leaves_in(&group.stream()) {
                    return Some(span);
                }
            }
            TokenTree::Punct(question)
                if question.as_char() == '?' && !matches!(tokens.peek(), Some(TokenTree::Ident(_))) =>
            {
                return Some(question.span());
            }
            TokenTree::Ident(word) if word == "return" => return Some(word.span()),
            _ => {}
        }
    }
    None
}

/// What patterns inside of the expression bind.
pub(crate) fn bound_inside(expr: &Expr) -> Vec<Ident> {
    let mut names = Vec::new();
    Bound(&mut names).visit_expr(expr);
    names
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

/// Where an expression that is evaluated when the write is done would panic for a result, or an item of one, that has no such part.
/// Parts of arrays are there.
pub(crate) fn panics<'a>(
    late: impl Iterator<Item = &'a Expr>,
    items: &[Ident],
    output: &Type,
) -> Option<syn::Error> {
    let mut arrays = Arrays(false);
    arrays.visit_type(output);
    let is_array = matches!(inside(output, "Result").unwrap_or(output), Type::Array(_));
    let mut found = Panics { of_result: items.to_vec(), has_arrays: arrays.0, is_array, found: None };
    late.for_each(|expr| found.visit_expr(expr));
    found.found
}

struct Panics {
    /// What the result, or parts of it, are called.
    of_result: Vec<Ident>,
    has_arrays: bool,
    /// The result is an array itself: the compiler looks at its constant indexes.
    is_array: bool,
    found: Option<syn::Error>,
}

impl Panics {
    fn is_of_result(&self, expr: &impl ToTokens) -> bool {
        let tokens = expr.to_token_stream();
        mention_of_result(&tokens).is_some()
            || self.of_result.iter().any(|item| mention_of(&tokens, item).is_some())
    }
}

impl<'ast> Visit<'ast> for Panics {
    fn visit_local(&mut self, local: &'ast Local) {
        visit::visit_local(self, local);
        if local.init.as_ref().is_some_and(|init| self.is_of_result(&init.expr)) {
            Bound(&mut self.of_result).visit_pat(&local.pat);
        }
    }

    fn visit_expr(&mut self, expr: &'ast Expr) {
        let (is_of_result, instead) = match expr {
            Expr::Index(index) if matches!(&*index.index, Expr::Range(range) if range.start.is_none() && range.end.is_none()) =>
            {
                return visit::visit_expr(self, expr);
            }
            Expr::Index(index)
                if self.is_array
                    && matches!(&*index.index, Expr::Lit(_))
                    && matches!(&*index.expr, Expr::Path(path) if path.path.is_ident("result")) =>
            {
                return;
            }
            Expr::Index(index) => {
                let is_of_result = mention_of_result(&index.expr.to_token_stream()).is_some()
                    || self.is_of_result(&index.expr) && !self.has_arrays;
                (is_of_result, ".first()?` or `.get(i)?")
            }
            Expr::MethodCall(call) if call.method == "unwrap" || call.method == "expect" => {
                (self.is_of_result(&call.receiver), "?")
            }
            Expr::Call(call) if unwraps(&call.func) => (self.is_of_result(&call.args), "?"),
            _ => return visit::visit_expr(self, expr),
        };
        if !is_of_result {
            return visit::visit_expr(self, expr);
        }
        let error = syn::Error::new(
            expr.span(),
            format!(
                "this panics where the result has no such part, and the write is done by then; write `{instead}` instead: \
                 the key is left out where there is none"
            ),
        );
        self.found.get_or_insert(error);
    }
}

/// Collects what a pattern binds.
struct Bound<'a>(&'a mut Vec<Ident>);

impl<'ast> Visit<'ast> for Bound<'_> {
    fn visit_pat_ident(&mut self, pat: &'ast PatIdent) {
        self.0.push(pat.ident.clone());
        visit::visit_pat_ident(self, pat);
    }
}

struct Arrays(bool);

impl<'ast> Visit<'ast> for Arrays {
    fn visit_type_array(&mut self, _: &'ast TypeArray) {
        self.0 = true;
    }
}

/// `Option::unwrap`
fn unwraps(function: &Expr) -> bool {
    let Expr::Path(path) = function else { return false };
    let mut segments = path.path.segments.iter().rev();
    segments.next().is_some_and(|last| last.ident == "unwrap" || last.ident == "expect")
        && segments.next().is_some_and(|of| of.ident == "Option" || of.ident == "Result")
}
