//! `load_user(id) for id in ids`: what is said of each item of a list.

use quote::ToTokens;
use syn::{
    Expr, Ident, Pat, Token,
    parse::ParseStream,
    spanned::Spanned,
    visit::{self, Visit},
};

use crate::tokens::compact;

/// A `for` behind what a list is named by.
#[derive(Clone)]
pub(crate) struct Each {
    pub(crate) for_token: Token![for],
    /// What an item is called.
    pub(crate) pat: Pat,
    pub(crate) list: Expr,
    /// What it binds that only others of `tags(…) for … in …` use.
    pub(crate) of_others: Vec<Ident>,
}

impl Each {
    /// The `for` that follows, if one does.
    pub(crate) fn parse_behind(input: ParseStream) -> syn::Result<Option<Each>> {
        if input.peek(Token![for]) { Each::parse(input).map(Some) } else { Ok(None) }
    }

    fn parse(input: ParseStream) -> syn::Result<Each> {
        let for_token: Token![for] = input.parse()?;
        let ends = |input: ParseStream| input.is_empty() || input.peek(Token![,]);
        if ends(input) {
            let why = "`for` needs a name and a list, such as `for id in ids`";
            return Err(syn::Error::new(for_token.span, why));
        }
        let pat = Pat::parse_multi_with_leading_vert(input)?;
        if let Some(name) = may_not_fit(&pat) {
            return Err(syn::Error::new(
                pat.span(),
                format!(
                    "`{name}` doesn't fit every item; of a list of `Option`s write `load_user(id?) for id in ids`, and filter \
                     others before"
                ),
            ));
        }
        if !input.peek(Token![in]) {
            let written = compact(&pat.to_token_stream());
            return Err(syn::Error::new(
                pat.span(),
                format!("expected `in` and a list behind it, such as `for {written} in ids`"),
            ));
        }
        let in_token: Token![in] = input.parse()?;
        if ends(input) {
            return Err(syn::Error::new(in_token.span, "expected a list behind `in`, such as `ids`"));
        }
        let list = Expr::parse_without_eager_brace(input)?;
        let why = if input.peek(Token![if]) {
            "a condition can't stand here; filter the list, such as `for id in ids.iter().filter(…)`"
        } else if input.peek(Token![for]) {
            "a call takes one `for`; make one list of the two before, such as `for (a, b) in &pairs`"
        } else if input.peek(syn::token::Brace) {
            "what is said of each stands before the `for`, such as `load_user(id) for id in ids`"
        } else {
            return Ok(Each { for_token, pat, list, of_others: Vec::new() });
        };
        Err(input.error(why))
    }

    /// Everything that the pattern binds.
    pub(crate) fn names(&self) -> Vec<Ident> {
        bound(&self.pat)
    }

    /// Whether the list is a place, which is lent; anything else is gone through as an iterator.
    pub(crate) fn is_lent(&self) -> bool {
        is_place(&self.list)
    }
}

/// The variant of an `Option` or a `Result` that the pattern is.
fn may_not_fit(pat: &Pat) -> Option<&Ident> {
    match pat {
        Pat::TupleStruct(tuple) => tuple.path.segments.last().map(|last| &last.ident),
        Pat::Reference(reference) => return may_not_fit(&reference.pat),
        _ => None,
    }
    .filter(|name| ["Some", "Ok", "Err"].iter().any(|variant| name == variant))
}

fn is_place(expr: &Expr) -> bool {
    match expr {
        Expr::Path(_) => true,
        Expr::Field(field) => is_place(&field.base),
        Expr::Index(index) => is_place(&index.expr),
        Expr::Reference(reference) => is_place(&reference.expr),
        Expr::Paren(paren) => is_place(&paren.expr),
        Expr::Group(group) => is_place(&group.expr),
        Expr::Try(question) => is_place(&question.expr),
        Expr::Unary(unary) => matches!(unary.op, syn::UnOp::Deref(_)) && is_place(&unary.expr),
        _ => false,
    }
}

/// Everything that a pattern binds.
pub(crate) fn bound(pat: &Pat) -> Vec<Ident> {
    let mut names = Names(Vec::new());
    names.visit_pat(pat);
    names.0
}

struct Names(Vec<Ident>);

impl<'ast> Visit<'ast> for Names {
    fn visit_pat_ident(&mut self, pat: &'ast syn::PatIdent) {
        self.0.push(pat.ident.clone());
        visit::visit_pat_ident(self, pat);
    }
}

#[cfg(test)]
mod tests {
    use syn::parse::Parser;

    use super::*;

    fn parsed(written: &str) -> syn::Result<Each> {
        Each::parse.parse_str(written)
    }

    #[test]
    fn names_and_lists() {
        for (written, names, is_lent) in [
            ("for id in ids", &["id"][..], true),
            ("for (id, _) in order.lines", &["id"], true),
            ("for Line { product, at: (x, y) } in &order.lines[0].parts", &["product", "x", "y"], true),
            ("for &id in *ids", &["id"], true),
            ("for user in result?", &["user"], true),
            ("for id in 1..3", &["id"], false),
            ("for id in ids.iter().filter(|id| **id > 1)", &["id"], false),
            ("for id in [1, 2]", &["id"], false),
        ] {
            let each = parsed(written).unwrap();
            assert_eq!(each.names(), names, "{written}");
            assert_eq!(each.is_lent(), is_lent, "{written}");
        }
    }

    #[test]
    fn what_is_no_list_says_what_to_write() {
        for (written, why) in [
            ("for", "a name and a list"),
            ("for id", "such as `for id in ids`"),
            ("for (a, b)", "such as `for (a, b) in ids`"),
            ("for Some(id) in ids", "`load_user(id?) for id in ids`"),
            ("for id in", "expected a list behind `in`"),
            ("for id in ids if id > 3", "filter the list"),
            ("for id in ids for x in xs", "one `for`"),
            ("for id in ids { load(id) }", "stands before the `for`"),
        ] {
            let error = parsed(written).err().unwrap().to_string();
            assert!(error.contains(why), "{error}");
        }
    }
}
