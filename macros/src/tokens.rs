//! Questions about tokens: which names are in them, and how a person would write them.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use syn::{Expr, ext::IdentExt};

/// Stands for the `$` of what a macro fills in.
pub(crate) const OF_MACRO: &str = "__of_macro_";

/// Whether it stands for a name that a macro fills in, which isn't known.
pub(crate) fn is_of_macro(name: &Ident) -> bool {
    name.to_string().starts_with(OF_MACRO)
}

/// What `look` finds in the first token that it finds something in. It is shown names of their own: neither fields and methods, nor
/// what follows in a path.
pub(crate) fn find<T>(tokens: &TokenStream, look: &mut dyn FnMut(&TokenTree) -> Option<T>) -> Option<T> {
    // Dots and colons right before the token: `0..x` and `a: x` are no field and no path.
    let (mut dots, mut colons) = (0, 0);
    for token in tokens.clone() {
        let follows = dots == 1 || colons >= 2;
        let found = match &token {
            TokenTree::Group(group) => find(&group.stream(), look),
            _ if follows => None,
            _ => look(&token),
        };
        if found.is_some() {
            return found;
        }
        let run = |of: char, length: usize| match &token {
            TokenTree::Punct(punct) if punct.as_char() == of => length + 1,
            _ => 0,
        };
        (dots, colons) = (run('.', dots), run(':', colons));
    }
    None
}

/// All names of their own.
pub(crate) fn names(tokens: &TokenStream) -> Vec<String> {
    let mut names = Vec::new();
    find(tokens, &mut |token| {
        if let TokenTree::Ident(ident) = token {
            names.push(ident.to_string());
        }
        None::<()>
    });
    names
}

/// `result`, also inside of a format string.
pub(crate) fn mention_of_result(tokens: &TokenStream) -> Option<Ident> {
    mention_of(tokens, &Ident::new("result", Span::call_site()))
}

/// A name of its own, also inside of a format string.
pub(crate) fn mention_of(tokens: &TokenStream, name: &Ident) -> Option<Ident> {
    let in_text = format!("{{{}", name.unraw());
    find(tokens, &mut |token| match token {
        TokenTree::Ident(ident) if ident == name => Some(ident.clone()),
        TokenTree::Literal(literal) if literal.to_string().contains(&in_text) => {
            let mut found = name.clone();
            found.set_span(literal.span());
            Some(found)
        }
        _ => None,
    })
}

/// Whether a name occurs in the tokens.
pub(crate) fn mentions(tokens: &TokenStream, name: &str) -> bool {
    tokens.clone().into_iter().any(|token| match token {
        TokenTree::Ident(ident) => ident == name,
        TokenTree::Group(group) => mentions(&group.stream(), name),
        _ => false,
    })
}

/// The names that an expression may use as those of variables: neither fields, nor paths, nor the names in front of values. What the
/// format strings of macros name is among them.
pub(crate) fn variables(tokens: &TokenStream) -> Vec<String> {
    let mut names = Vec::new();
    collect_variables(tokens, false, &mut names);
    names
}

fn collect_variables(tokens: &TokenStream, in_macro: bool, names: &mut Vec<String>) {
    let tokens: Vec<TokenTree> = tokens.clone().into_iter().collect();
    let is = |at: Option<usize>, of: char| matches!(at.and_then(|at| tokens.get(at)), Some(TokenTree::Punct(punct)) if punct.as_char() == of);
    // `tenant = 0` in a macro gives a value to a name.
    let is_given =
        |at: usize| in_macro && is(Some(at + 1), '=') && !is(Some(at + 2), '=') && !is(Some(at + 2), '>');
    for (at, token) in tokens.iter().enumerate() {
        let (before, after) = (at.checked_sub(1), Some(at + 1));
        match token {
            TokenTree::Group(group) => {
                let of_macro = is(before, '!')
                    && matches!(at.checked_sub(2).map(|at| &tokens[at]), Some(TokenTree::Ident(_)));
                collect_variables(&group.stream(), in_macro || of_macro, names);
            }
            TokenTree::Ident(ident) => {
                let is_field = is(before, '.') && !is(at.checked_sub(2), '.');
                let is_in_path = is(before, ':') || is(after, ':');
                let is_called = is(after, '!') && !is(Some(at + 2), '=');
                if !(is_field || is_in_path || is_given(at) || is_called) {
                    names.push(ident.to_string());
                }
            }
            TokenTree::Literal(literal) if in_macro => {
                let mut of_text = Vec::new();
                in_format(&literal.to_string(), &mut of_text);
                // What the macro is given by that name is something else.
                of_text.retain(|name| {
                    let mut all = tokens.iter().enumerate();
                    !all.any(|(at, token)| {
                        matches!(token, TokenTree::Ident(ident) if same(ident, name)) && is_given(at)
                    })
                });
                names.extend(of_text);
            }
            _ => {}
        }
    }
}

/// `tenant` and `width` of `"{tenant}:{id:>width$}"`.
fn in_format(text: &str, names: &mut Vec<String>) {
    let text = text.replace("{{", "");
    for placeholder in text.split('{').skip(1).filter_map(|rest| rest.split_once('}')) {
        let (name, spec) = placeholder.0.split_once(':').unwrap_or((placeholder.0, ""));
        let name = name.trim();
        names.push(name.strip_prefix("r#").unwrap_or(name).to_owned());
        let is_other = |character: char| !character.is_alphanumeric() && character != '_';
        names.extend(
            spec.match_indices('$')
                .filter_map(|(end, _)| spec[..end].rsplit(is_other).next().map(str::to_owned)),
        );
    }
}

/// The expression without the invisible groups that the argument of a `macro_rules!` macro is in.
pub(crate) fn ungrouped(mut expr: Expr) -> Expr {
    while let Expr::Group(group) = expr {
        expr = *group.expr;
    }
    expr
}

/// Whether an identifier has this name, `r#` or not.
pub(crate) fn same(ident: &Ident, name: &str) -> bool {
    ident.unraw() == name.strip_prefix("r#").unwrap_or(name)
}

/// Tokens as one would write them: `Repo<T>`.
pub(crate) fn compact(tokens: &TokenStream) -> String {
    let mut text = tokens.to_string().replace(OF_MACRO, "$");
    for (spaced, tight) in
        [(" :: ", "::"), (":: ", "::"), (" < ", "<"), ("< ", "<"), (" >", ">"), (" ,", ","), ("& ", "&")]
    {
        text = text.replace(spaced, tight);
    }
    text
}

#[cfg(test)]
mod tests {
    use quote::quote;

    use super::*;

    #[test]
    fn variables_are_what_an_expression_names_itself() {
        for (tokens, expected) in [
            (quote!(tenant), &["tenant"][..]),
            (quote!(line.tenant + self.a.b), &["line", "self"]),
            (quote!(tenant::DEFAULT + id), &["id"]),
            (quote!(Q { tenant: 0, id }), &["Q", "id"]),
            (quote!(&text[..end]), &["text", "end"]),
            (quote!("{tenant}"), &[]),
            (quote!(format!("{tenant}:{id:>width$}{{no}}{r#type}")), &["tenant", "id", "width", "type"]),
            (quote!(format!("{tenant}:{id}", id, tenant = other)), &["id", "id", "other"]),
            (quote!(a == b && a != c), &["a", "b", "a", "c"]),
        ] {
            assert_eq!(variables(&tokens), expected, "{tokens}");
        }
    }

    #[test]
    fn the_result_is_found_where_it_is_meant() {
        for (text, expected) in [
            ("result", true),
            ("result.id", true),
            ("f(&result.id)", true),
            ("0..result", true),
            ("format!(\"{result}\")", true),
            ("x.result", false),
            ("f(x.result)", false),
            ("results", false),
            ("\"result\"", false),
        ] {
            assert_eq!(mention_of_result(&text.parse().unwrap()).is_some(), expected, "{text}");
        }
    }

    #[test]
    fn names_are_neither_fields_nor_ends_of_paths() {
        for (text, expected) in [
            ("caches[0..n].get(id)", &["caches", "n", "id"][..]),
            ("self.caches.of(&tenant)", &["self", "tenant"]),
            ("caches::of(Site { id: tenant })", &["caches", "Site", "id", "tenant"]),
            ("::caches::CACHE", &[]),
        ] {
            assert_eq!(names(&text.parse().unwrap()), expected, "{text}");
        }
    }
}
