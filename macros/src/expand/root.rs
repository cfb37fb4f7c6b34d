//! Where the library is found: `crate = path`, for one that is renamed or re-exported.

use proc_macro2::{Group, TokenStream, TokenTree};
use quote::ToTokens;
use syn::Path;

/// The tokens with this path instead of `::cached_aside`.
pub(crate) fn found_at(root: Option<&Path>, tokens: TokenStream) -> TokenStream {
    match root {
        Some(root) => replaced(tokens, &root.to_token_stream()),
        None => tokens,
    }
}

/// The same.
pub(crate) fn replaced(tokens: TokenStream, root: &TokenStream) -> TokenStream {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut out = TokenStream::new();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        if is_root(&tokens[at..]) && !continues(&tokens[..at]) {
            out.extend(root.clone());
            at += 3;
            continue;
        }
        match token {
            TokenTree::Group(group) => {
                let mut inside = Group::new(group.delimiter(), replaced(group.stream(), root));
                inside.set_span(group.span());
                out.extend([TokenTree::Group(inside)]);
            }
            token => out.extend([token.clone()]),
        }
        at += 1;
    }
    out
}

/// `::cached_aside`
fn is_root(tokens: &[TokenTree]) -> bool {
    let is_colon = |token: &TokenTree| matches!(token, TokenTree::Punct(punct) if punct.as_char() == ':');
    match tokens {
        [one, two, TokenTree::Ident(name), ..] => is_colon(one) && is_colon(two) && name == "cached_aside",
        _ => false,
    }
}

/// Whether a path goes on behind these tokens.
fn continues(before: &[TokenTree]) -> bool {
    const KEYWORDS: [&str; 9] = ["as", "dyn", "for", "impl", "in", "move", "mut", "return", "use"];
    match before {
        [.., TokenTree::Punct(arrow), TokenTree::Punct(_)] if matches!(arrow.as_char(), '-' | '=') => false,
        // A lifetime.
        [.., TokenTree::Punct(quote), TokenTree::Ident(_)] if quote.as_char() == '\'' => false,
        [.., TokenTree::Ident(name)] => !KEYWORDS.iter().any(|keyword| name == keyword),
        [.., TokenTree::Punct(punct)] => punct.as_char() == '>',
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use quote::quote;
    use syn::{ItemFn, parse_quote};

    use super::*;
    use crate::{
        cached, invalidating,
        item::{context::Context, function::Function},
        updating,
    };

    #[test]
    fn only_the_root_of_a_path_is_replaced() {
        let tokens = quote!(
            use ::cached_aside::a;
            fn f() -> ::cached_aside::Key<::cached_aside::A> {
                x::cached_aside::y;
            }
        );
        let expected = quote!(
            use facade::b::a;
            fn f() -> facade::b::Key<facade::b::A> {
                x::cached_aside::y;
            }
        );
        assert_eq!(replaced(tokens, &quote!(facade::b)).to_string(), expected.to_string());
    }

    #[test]
    fn nothing_that_is_generated_names_the_library_by_itself() {
        let function: ItemFn = parse_quote! {
            async fn load(cache: &Cache, id: u64) -> Result<Option<User>, Failed> {
                Ok(None)
            }
        };
        let at = |context| Function::at(function.clone(), context);
        let read = quote!(
            crate = ::caching,
            ttl = "5m",
            key = "a:{id:?}",
            skip(cache),
            cache = cache,
            codec = Json,
            stale_while_revalidate = "1m",
            stale_if_error = "1m",
            refresh = "background",
            none_ttl = "1s"
        );
        for context in [
            Context::Free,
            Context::Inherent(Some(Box::new(parse_quote!(
                impl Repo {}
            )))),
        ] {
            for tokens in [
                cached(read.clone(), &at(context.clone())),
                invalidating(quote!("a:{id}", guard = "required", crate = ::caching), &at(context.clone())),
                updating(quote!(load(id), crate = ::caching, cache = cache), &at(context)),
            ] {
                let text = tokens.unwrap_or_else(|error| panic!("{error}")).to_string();
                assert!(text.contains(":: caching") && !text.contains("cached_aside"), "{text}");
            }
        }
    }
}
