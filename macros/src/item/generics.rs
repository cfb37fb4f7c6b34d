//! The generic parameters of a companion: those of the function that it can't do without.

use proc_macro2::{TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::{GenericParam, Generics, Ident, Lifetime, WherePredicate};

use crate::tokens::mentions;

/// The parameters (with their bounds) that these tokens mention, and what their bounds mention. The others are left out,
/// because nothing would tell the compiler what they are.
pub(crate) fn needed_by(used: &TokenStream, generics: &Generics) -> Generics {
    let mut needed: Vec<&GenericParam> = Vec::new();
    let mut mentioned = used.clone();
    loop {
        let before = needed.len();
        for parameter in &generics.params {
            if !needed.iter().any(|known| name(known) == name(parameter))
                && is_mentioned(&mentioned, parameter)
            {
                needed.push(parameter);
                parameter.to_tokens(&mut mentioned);
            }
        }
        for predicate in predicates(generics) {
            if bounds_only(predicate, &needed, generics) {
                predicate.to_tokens(&mut mentioned);
            }
        }
        if needed.len() == before {
            break;
        }
    }
    let mut left = generics.clone();
    left.params = generics
        .params
        .iter()
        .filter(|parameter| needed.iter().any(|known| name(known) == name(parameter)))
        .cloned()
        .collect();
    left.where_clause = generics.where_clause.clone().and_then(|mut clause| {
        clause.predicates = clause
            .predicates
            .into_iter()
            .filter(|predicate| bounds_only(predicate, &needed, generics))
            .collect();
        (!clause.predicates.is_empty()).then_some(clause)
    });
    left
}

/// `::<T, N>`: the type and const parameters, handed on.
pub(crate) fn turbofish(generics: &Generics) -> TokenStream {
    let names: Vec<&Ident> = generics
        .params
        .iter()
        .filter_map(|parameter| match parameter {
            GenericParam::Type(parameter) => Some(&parameter.ident),
            GenericParam::Const(parameter) => Some(&parameter.ident),
            GenericParam::Lifetime(_) => None,
        })
        .collect();
    if names.is_empty() { TokenStream::new() } else { quote!(::<#(#names),*>) }
}

fn predicates(generics: &Generics) -> impl Iterator<Item = &WherePredicate> {
    generics.where_clause.iter().flat_map(|clause| &clause.predicates)
}

/// Whether the predicate is about nothing but needed parameters (or about none of the function's).
fn bounds_only(predicate: &WherePredicate, needed: &[&GenericParam], generics: &Generics) -> bool {
    let bounded = match predicate {
        WherePredicate::Type(predicate) => predicate.bounded_ty.to_token_stream(),
        WherePredicate::Lifetime(predicate) => predicate.lifetime.to_token_stream(),
        _ => return false,
    };
    let own = |tokens: &TokenStream| -> Vec<String> {
        generics.params.iter().filter(|parameter| is_mentioned(tokens, parameter)).map(name).collect()
    };
    let are_needed = |names: Vec<String>| {
        names.iter().all(|parameter| needed.iter().any(|known| name(known) == *parameter))
    };
    // What is asked of another type may name one that is left out.
    match own(&bounded) {
        none if none.is_empty() => are_needed(own(&predicate.to_token_stream())),
        parameters => are_needed(parameters),
    }
}

fn is_mentioned(tokens: &TokenStream, parameter: &GenericParam) -> bool {
    match parameter {
        GenericParam::Lifetime(parameter) => has_lifetime(tokens, &parameter.lifetime),
        _ => mentions(tokens, &name(parameter)),
    }
}

fn has_lifetime(tokens: &TokenStream, lifetime: &Lifetime) -> bool {
    let mut before = None;
    tokens.clone().into_iter().any(|token| {
        let found = match &token {
            TokenTree::Ident(ident) => before == Some('\'') && *ident == lifetime.ident,
            TokenTree::Group(group) => has_lifetime(&group.stream(), lifetime),
            _ => false,
        };
        before = match token {
            TokenTree::Punct(punct) => Some(punct.as_char()),
            _ => None,
        };
        found
    })
}

fn name(parameter: &GenericParam) -> String {
    match parameter {
        GenericParam::Type(parameter) => parameter.ident.to_string(),
        GenericParam::Const(parameter) => parameter.ident.to_string(),
        // In tokens, the name of a lifetime is an identifier behind its quote.
        GenericParam::Lifetime(parameter) => parameter.lifetime.ident.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_companion_has_only_the_parameters_it_needs() {
        for (generics, used, expected) in [
            ("<D: Db>", "u64", ""),
            ("<D: Db, T: Load>", "Result<T, E>", "<T:Load>"),
            ("<D, T> where D: Db<T>, T: Load", "T", "<T>whereT:Load"),
            ("<T: Into<U>, U, V>", "&T", "<T:Into<U>,U>"),
            ("<T, U> where T: Into<U>, U: Load, String: Load", "T", "<T,U>whereT:Into<U>,U:Load,String:Load"),
            ("<T, E> where ParseIntError: Into<E>, String: Into<T>", "T", "<T>whereString:Into<T>"),
            ("<'id>", "id: u64", ""),
            ("<'a, 'b, const N: usize>", "[&'a str; N]", "<'a,constN:usize>"),
        ] {
            let item: syn::ItemFn = syn::parse_str(&match generics.split_once(" where ") {
                Some((params, clause)) => format!("fn f{params}() where {clause} {{}}"),
                None => format!("fn f{generics}() {{}}"),
            })
            .unwrap();
            let left = needed_by(&used.parse().unwrap(), &item.sig.generics);
            let clause = &left.where_clause;
            assert_eq!(quote!(#left #clause).to_string().replace(' ', ""), expected, "{generics} for {used}");
        }
    }
}
