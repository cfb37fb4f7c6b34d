//! A name that a pattern takes out of its parameter: how it is written when the parameter has a name.

use std::fmt::Display;

use quote::ToTokens;
use syn::{Expr, FnArg, Ident, Member, Pat, Type};

use super::form::Form;
use crate::{
    item::function::{Function, Parameter},
    problem::Problems,
    tokens::{compact, same, variables},
};

/// `path: Path<u64>` and `path.0`, for `id` in `Path(id): Path<u64>`.
pub(crate) fn instead(parameter: &Parameter, name: &str) -> Option<(String, String)> {
    let FnArg::Typed(typed) = &parameter.written else { return None };
    let fields = fields(&typed.pat, name)?;
    let ty = compact(&typed.ty.to_token_stream());
    if fields.is_empty() {
        return Some((format!("{name}: {ty}"), name.to_owned()));
    }
    let whole = match &*typed.pat {
        Pat::Ident(pat) => pat.ident.to_string(),
        _ => whole(&typed.ty),
    };
    Some((format!("{whole}: {ty}"), format!("{whole}.{}", fields.join("."))))
}

/// Why a template can't name a part of a parameter, and what it can. `fields` are those behind the name.
pub(super) fn in_template(parameter: &Parameter, name: &str, fields: &[impl Display]) -> String {
    let instead = match instead(parameter, name) {
        Some((whole, part)) => {
            let part = fields.iter().fold(part, |part, field| format!("{part}.{field}"));
            format!("take the whole, `{whole}`, and write `{{{part}}}`")
        }
        None => format!("a template can't name that part; give `{name}` a parameter of its own"),
    };
    format!("`{name}` is only a part of its parameter; {instead}")
}

/// An expression of the attribute names parameters, and no parts of them. In an `impl` of a trait those may be in scope.
pub(super) fn whole_only(expr: &Expr, function: &Function, problems: &mut Problems) {
    if Form::of(function) == Form::Alone {
        return;
    }
    for name in variables(&expr.to_token_stream()) {
        let is_whole =
            |parameter: &Parameter| parameter.name.as_ref().is_some_and(|whole| same(whole, &name));
        let binds = |parameter: &&Parameter| !is_whole(parameter) && parameter.binds(&name);
        let Some(parameter) = function.parameters.iter().find(binds) else { continue };
        let instead = match instead(parameter, &name) {
            Some((whole, part)) if part == name => format!("take the whole, `{whole}`"),
            Some((whole, part)) => format!("take the whole, `{whole}`, and write `{part}` instead"),
            None => format!("give `{name}` a parameter of its own"),
        };
        let why = format!("`{name}` is only a part of its parameter; {instead}");
        problems.push(syn::Error::new_spanned(expr, why));
    }
}

/// The fields that lead to the name.
fn fields(pat: &Pat, name: &str) -> Option<Vec<String>> {
    let at = |field: String, pat: &Pat| {
        let mut fields = fields(pat, name)?;
        fields.insert(0, field);
        Some(fields)
    };
    let elements = |elements: &mut dyn Iterator<Item = &Pat>| {
        let before_rest = elements.take_while(|pat| !matches!(pat, Pat::Rest(_)));
        before_rest.enumerate().find_map(|(index, pat)| at(index.to_string(), pat))
    };
    match pat {
        Pat::Ident(pat) if same(&pat.ident, name) => Some(Vec::new()),
        Pat::Ident(pat) => fields(&pat.subpat.as_ref()?.1, name),
        Pat::Reference(reference) => fields(&reference.pat, name),
        Pat::Paren(paren) => fields(&paren.pat, name),
        // A variant's fields have no names in a template.
        Pat::TupleStruct(tuple) if tuple.path.segments.last().is_some_and(|last| is_variant(&last.ident)) => {
            None
        }
        Pat::Tuple(tuple) => elements(&mut tuple.elems.iter()),
        Pat::TupleStruct(tuple) => elements(&mut tuple.elems.iter()),
        Pat::Struct(item) => item.fields.iter().find_map(|field| {
            let member = match &field.member {
                Member::Named(name) => name.to_string(),
                Member::Unnamed(index) => index.index.to_string(),
            };
            at(member, &field.pat)
        }),
        _ => None,
    }
}

fn is_variant(name: &Ident) -> bool {
    ["Some", "Ok", "Err"].iter().any(|variant| name == variant)
}

/// A name for the whole.
fn whole(ty: &Type) -> String {
    match ty {
        Type::Path(path) => {
            path.path.segments.last().map_or_else(String::new, |last| last.ident.to_string().to_lowercase())
        }
        Type::Tuple(_) => "pair".to_owned(),
        _ => "argument".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::item::{context::Context, function::Function};

    #[test]
    fn a_part_is_a_field_of_its_parameter() {
        for (written, name, expected) in [
            ("Path(id): Path<u64>", "id", Some(("path: Path<u64>", "path.0"))),
            ("Path((tenant, id)): Path<(u64, u64)>", "id", Some(("path: Path<(u64, u64)>", "path.0.1"))),
            (
                "Query(Filter { text, .. }): Query<Filter>",
                "text",
                Some(("query: Query<Filter>", "query.0.text")),
            ),
            ("Filter { text: words }: Filter", "words", Some(("filter: Filter", "filter.text"))),
            ("(a, b): (u8, u8)", "b", Some(("pair: (u8, u8)", "pair.1"))),
            ("(.., b): (u8, u8)", "b", None),
            ("[a, b]: [u8; 2]", "b", None),
            ("post @ Post { author, .. }: Post", "author", Some(("post: Post", "post.author"))),
            ("&id: &u64", "id", Some(("id: &u64", "id"))),
            ("&(tenant, id): &(u64, u64)", "id", Some(("argument: &(u64, u64)", "argument.1"))),
            ("Some(id): Option<u64>", "id", None),
        ] {
            let function: syn::ItemFn = syn::parse_str(&format!("async fn f({written}) {{}}")).unwrap();
            let function = Function::at(function, Context::Free);
            let found = instead(&function.parameters[0], name);
            let expected = expected.map(|(whole, part)| (whole.to_owned(), part.to_owned()));
            assert_eq!(found, expected, "{written}");
        }
    }
}
