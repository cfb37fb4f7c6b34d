//! Questions about tokens: which names are in them, and how a person would write them.

use proc_macro2::{Delimiter, Group, Ident, Literal, Span, TokenStream, TokenTree};
use syn::{Expr, Type, ext::IdentExt};

/// Stands for the `$` of what a macro fills in.
pub(crate) const OF_MACRO: &str = "__of_macro_";

/// Whether it stands for a name that a macro fills in, which isn't known.
pub(crate) fn is_of_macro(name: &Ident) -> bool {
    name.to_string().starts_with(OF_MACRO)
}

/// A token, as it is looked at.
pub(crate) struct Seen<'a> {
    pub(crate) token: &'a TokenTree,
    around: Around<'a>,
    /// Whether it is among what a macro is given.
    in_macro: bool,
}

/// What `look` finds in the first token that it finds something in. It is shown names of their own: neither fields and methods, nor
/// what follows in a path.
pub(crate) fn find<T>(tokens: &TokenStream, look: &mut dyn FnMut(Seen) -> Option<T>) -> Option<T> {
    find_in(tokens, false, look)
}

fn find_in<T>(tokens: &TokenStream, in_macro: bool, look: &mut dyn FnMut(Seen) -> Option<T>) -> Option<T> {
    let tokens: Vec<TokenTree> = tokens.clone().into_iter().collect();
    tokens.iter().enumerate().find_map(|(at, token)| {
        let around = Around { tokens: &tokens, at };
        match token {
            TokenTree::Group(group) => find_in(&group.stream(), in_macro || around.is_given_to_macro(), look),
            TokenTree::Ident(_) if around.is_field() || around.follows_in_path() || around.names_field() => {
                None
            }
            _ => look(Seen { token, around, in_macro }),
        }
    })
}

/// A token among its neighbours.
struct Around<'a> {
    tokens: &'a [TokenTree],
    at: usize,
}

impl Around<'_> {
    /// Whether this character is so many tokens away.
    fn is(&self, away: isize, character: char) -> bool {
        let token = self.at.checked_add_signed(away).and_then(|at| self.tokens.get(at));
        matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == character)
    }

    /// `x` of `a.x`; what stands behind `..` is no field.
    fn is_field(&self) -> bool {
        self.is(-1, '.') && !self.is(-2, '.')
    }

    /// `x` of `a::x`
    fn follows_in_path(&self) -> bool {
        self.is(-1, ':') && self.is(-2, ':')
    }

    /// `x` of `x::a`
    fn begins_path(&self) -> bool {
        self.is(1, ':') && self.is(2, ':')
    }

    /// `x` of `A { x: a }`, and of `|x: A| a`
    fn names_field(&self) -> bool {
        self.is(1, ':') && !self.is(2, ':')
    }

    /// `x` of `x = a`, by which a macro is given something.
    fn is_given(&self) -> bool {
        self.is(1, '=') && !self.is(2, '=') && !self.is(2, '>')
    }

    /// `a` of `x.a`, and nothing of `x.a()`.
    fn field_behind(&self) -> Option<String> {
        let behind = |away| self.tokens.get(self.at + away);
        let is_called =
            matches!(behind(3), Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Parenthesis);
        let field = behind(2).filter(|_| self.is(1, '.') && !self.is(2, '.') && !is_called)?;
        // `x.0.1` is one number.
        field.to_string().split('.').next().map(str::to_owned)
    }

    /// Whether it is the group of `a!(…)`.
    fn is_given_to_macro(&self) -> bool {
        let before = self.at.checked_sub(2).and_then(|at| self.tokens.get(at));
        self.is(-1, '!') && matches!(before, Some(TokenTree::Ident(_)))
    }
}

/// All names of their own.
pub(crate) fn names(tokens: &TokenStream) -> Vec<String> {
    let mut names = Vec::new();
    find(tokens, &mut |seen| {
        if let TokenTree::Ident(ident) = seen.token {
            names.push(ident.to_string());
        }
        None::<()>
    });
    names
}

/// `result`, also where a format string names it.
pub(crate) fn mention_of_result(tokens: &TokenStream) -> Option<Ident> {
    mention_of(tokens, &Ident::new("result", Span::call_site()))
}

/// A name of its own, also where a format string names it.
pub(crate) fn mention_of(tokens: &TokenStream, name: &Ident) -> Option<Ident> {
    let in_text = |literal: &Literal, around: &Around| {
        in_format_of(literal, around.tokens).iter().any(|named| same(name, named))
    };
    find(tokens, &mut |Seen { token, around, in_macro }| match token {
        TokenTree::Ident(_) if around.begins_path() || in_macro && around.is_given() => None,
        TokenTree::Ident(ident) if ident == name => Some(ident.clone()),
        TokenTree::Literal(literal) if in_macro && in_text(literal, &around) => {
            let mut found = name.clone();
            found.set_span(literal.span());
            Some(found)
        }
        _ => None,
    })
}

/// What the tokens name of a variable: a field where one stands behind it that is no method, else the whole.
pub(crate) fn parts_of(tokens: &TokenStream, variable: &Ident) -> Vec<Option<String>> {
    let mut parts = Vec::new();
    find(tokens, &mut |Seen { token, around, in_macro }| {
        match token {
            TokenTree::Ident(ident) if ident == variable => parts.push(around.field_behind()),
            TokenTree::Literal(literal) if in_macro => {
                let named = in_format_of(literal, around.tokens);
                parts.extend(named.iter().any(|name| same(variable, name)).then_some(None));
            }
            _ => {}
        }
        None::<()>
    });
    parts
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
    for (at, token) in tokens.iter().enumerate() {
        let around = Around { tokens: &tokens, at };
        match token {
            TokenTree::Group(group) => {
                collect_variables(&group.stream(), in_macro || around.is_given_to_macro(), names);
            }
            TokenTree::Ident(ident) => {
                let is_called = around.is(1, '!') && !around.is(2, '=');
                let is_other = around.is_field()
                    || around.names_field()
                    || around.begins_path()
                    || around.follows_in_path();
                if !(is_other || in_macro && around.is_given() || is_called) {
                    names.push(ident.to_string());
                }
            }
            TokenTree::Literal(literal) if in_macro => {
                names.extend(in_format_of(literal, &tokens));
            }
            _ => {}
        }
    }
}

/// What a format string names that its macro, which is given these tokens, is not given by that name.
fn in_format_of(literal: &Literal, tokens: &[TokenTree]) -> Vec<String> {
    let mut names = in_format(&literal.to_string());
    names.retain(|name| {
        let mut all = tokens.iter().enumerate();
        !all.any(|(at, token)| {
            matches!(token, TokenTree::Ident(ident) if same(ident, name)) && Around { tokens, at }.is_given()
        })
    });
    names
}

/// `tenant` and `width` of `"{tenant}:{id:>width$}"`.
fn in_format(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    let text = text.replace("{{", "");
    for placeholder in text.split('{').skip(1).filter_map(|rest| rest.split_once('}')) {
        let (name, spec) = placeholder.0.split_once(':').unwrap_or((placeholder.0, ""));
        let is_other = |character: char| !character.is_alphanumeric() && character != '_';
        let name = name.trim();
        // Some macros take `{user.id}`.
        let name = name.strip_prefix("r#").unwrap_or(name).split(is_other).next();
        names.extend(name.map(str::to_owned));
        names.extend(
            spec.match_indices('$')
                .filter_map(|(end, _)| spec[..end].rsplit(is_other).next().map(str::to_owned)),
        );
    }
    names
}

/// The expression without the invisible groups that the argument of a `macro_rules!` macro is in.
pub(crate) fn ungrouped(mut expr: Expr) -> Expr {
    while let Expr::Group(group) = expr {
        expr = *group.expr;
    }
    expr
}

/// The same of a type.
pub(crate) fn ungrouped_type(mut ty: Type) -> Type {
    while let Type::Group(group) = ty {
        ty = *group.elem;
    }
    ty
}

/// Whether an identifier has this name, `r#` or not.
pub(crate) fn same(ident: &Ident, name: &str) -> bool {
    ident.unraw() == name.strip_prefix("r#").unwrap_or(name)
}

/// The same tokens as if they had been written elsewhere.
pub(crate) fn located(tokens: &TokenStream, at: Span) -> TokenStream {
    let shown = |mut token: TokenTree| {
        if let TokenTree::Group(group) = &token {
            token = Group::new(group.delimiter(), located(&group.stream(), at)).into();
        }
        // Which crate that is, only its own span says.
        if !matches!(&token, TokenTree::Ident(name) if name == "$crate") {
            token.set_span(at);
        }
        token
    };
    tokens.clone().into_iter().map(shown).collect()
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
            ("\"{result}\"", false),
            ("format!(\"{results}:{result_id:>resulting$}\")", false),
            ("format!(\"{{result}}\")", false),
            ("format!(\"{id:>result$}\")", true),
            ("of(format!(\"{result:?}\"))", true),
            ("Key { result: id }", false),
            ("Key { id: result }", true),
            ("result::Kind::Exam", false),
            ("format!(\"{result}\", result = id)", false),
            ("format!(\"{}\", result == id)", true),
            ("ifmt!(\"{result.id}\")", true),
        ] {
            assert_eq!(mention_of_result(&text.parse().unwrap()).is_some(), expected, "{text}");
        }
    }

    #[test]
    fn parts_are_fields_and_no_methods() {
        let variable = Ident::new("user", Span::call_site());
        for (text, expected) in [
            ("insert(user.id, user.at.0)", &[Some("id"), Some("at")][..]),
            ("user.save(user.0.1)", &[None, Some("0")]),
            ("f(&user); x.user.id; users", &[None]),
            ("format!(\"{user:?}\")", &[None]),
            ("&user[..1]", &[None]),
        ] {
            let parts = parts_of(&text.parse().unwrap(), &variable);
            assert_eq!(parts.iter().map(Option::as_deref).collect::<Vec<_>>(), expected, "{text}");
        }
    }

    #[test]
    fn names_are_neither_fields_nor_ends_of_paths() {
        for (text, expected) in [
            ("caches[0..n].get(id)", &["caches", "n", "id"][..]),
            ("self.caches.of(&tenant)", &["self", "tenant"]),
            ("caches::of(Site { id: tenant })", &["caches", "Site", "tenant"]),
            ("::caches::CACHE", &[]),
        ] {
            assert_eq!(names(&text.parse().unwrap()), expected, "{text}");
        }
    }
}
