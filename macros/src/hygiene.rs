//! The names of the items in an expansion. Items have no hygiene: where the program uses one of these names in the function or in
//! the attribute, the generated item gets another one.

use proc_macro2::{Group, Ident, Literal, TokenStream, TokenTree};

const GENERATED: [&str; 7] =
    ["__aside", "__named", "__READ", "__SHAPE", "__Shape", "__WRITE", "CachedMethod"];
/// What the program's names end in while the expansion is made.
const OF_PROGRAM: &str = "__of_the_program";

/// Makes an expansion in which generated names differ from the program's.
pub(crate) fn separate(
    args: TokenStream,
    item: &TokenStream,
    expand: impl FnOnce(TokenStream, &TokenStream) -> TokenStream,
) -> TokenStream {
    let written = format!("{args} {item}");
    if !GENERATED.iter().any(|name| written.contains(name)) {
        return expand(args, item);
    }
    let of_program = |name: &str, _: bool| GENERATED.contains(&name).then(|| format!("{name}{OF_PROGRAM}"));
    // A template names parameters. In the body the compiler finds what a text names.
    let in_text = |text: &str| {
        GENERATED
            .iter()
            .fold(text.to_owned(), |text, name| text.replace(name, &format!("{name}{OF_PROGRAM}")))
    };
    let args = renamed(args, &of_program, &in_text);
    let item = renamed(item.clone(), &of_program, &str::to_owned);
    let back = |name: &str, in_path: bool| match name.strip_suffix(OF_PROGRAM) {
        None => (!in_path && GENERATED.contains(&name)).then(|| unused(name, &written)),
        of_program => of_program.map(str::to_owned),
    };
    renamed(expand(args, &item), &back, &|text| text.replace(OF_PROGRAM, ""))
}

/// A name that the program does not use.
fn unused(name: &str, written: &str) -> String {
    let mut name = format!("{name}_");
    while written.contains(&name) {
        name.push('_');
    }
    name
}

/// The tokens with other names, and other texts in their literals. `name` is called with whether the name follows a `::`.
fn renamed(
    tokens: TokenStream,
    name: &dyn Fn(&str, bool) -> Option<String>,
    text: &dyn Fn(&str) -> String,
) -> TokenStream {
    let mut colons = 0;
    let rename = |token: TokenTree| {
        let in_path = colons == 2;
        colons = match &token {
            TokenTree::Punct(punct) if punct.as_char() == ':' => colons + 1,
            _ => 0,
        };
        match token {
            TokenTree::Ident(ident) => {
                let renamed = name(&ident.to_string(), in_path).map(|name| Ident::new(&name, ident.span()));
                renamed.unwrap_or(ident).into()
            }
            TokenTree::Group(group) => {
                let mut inside = Group::new(group.delimiter(), renamed(group.stream(), name, text));
                inside.set_span(group.span());
                inside.into()
            }
            TokenTree::Literal(literal) => {
                let written = literal.to_string();
                let other = Some(text(&written)).filter(|other| *other != written);
                let mut other = other.and_then(|other| other.parse().ok()).unwrap_or_else(|| literal.clone());
                Literal::set_span(&mut other, literal.span());
                other.into()
            }
            TokenTree::Punct(_) => token,
        }
    };
    tokens.into_iter().map(rename).collect()
}

#[cfg(test)]
mod tests {
    use quote::quote;

    use super::*;
    use crate::{
        cached, invalidating,
        item::{context::Context, function::Function},
    };

    fn expanded(
        args: TokenStream,
        item: &TokenStream,
        attribute: fn(TokenStream, &Function) -> syn::Result<TokenStream>,
    ) -> String {
        let expand = |args, item: &TokenStream| {
            attribute(args, &Function::at(syn::parse2(item.clone()).unwrap(), Context::Free)).unwrap()
        };
        separate(args, item, expand).to_string()
    }

    #[test]
    fn a_name_of_the_program_is_not_ours() {
        let item = quote!(
            async fn __aside(__named: u8) -> CachedMethod {
                "__aside";
                __WRITE::b::__READ()
            }
        );
        let read = expanded(quote!(ttl = "1m", key = "k:{__named}"), &item, cached);
        assert!(
            read.contains("__private as __aside_ ;") && read.contains("__aside :: uncached (__named)"),
            "{read}"
        );
        assert!(
            read.contains(r#""k:{__named}""#)
                && read.contains("static __READ_ :")
                && read.contains("__WRITE :: b :: __READ ()"),
            "{read}"
        );
        let write = expanded(quote!(__named(a), Repo::load(CachedMethod)), &item, invalidating);
        assert!(
            write.contains("use self :: __named as __named_ ;") && write.contains("static __WRITE_ :"),
            "{write}"
        );
        assert!(
            write.contains("__private :: CachedMethod + ? :: core :: marker :: Sized > CachedMethod_ for T"),
            "{write}"
        );
        assert!(write.contains("load_key (CachedMethod)"), "{write}");
        for text in [read, write] {
            assert!(!text.contains(OF_PROGRAM), "{text}");
        }
    }

    #[test]
    fn every_name_of_an_item_is_known() {
        let item = quote!(
            async fn f(a: u8) -> u8 {
                a
            }
        );
        let texts = [
            expanded(quote!(ttl = "1m", key = "k:{a}"), &item, cached),
            expanded(quote!(load(a), Repo::load(a), a.load(result)), &item, invalidating),
            expanded(quote!(load(a)), &item, crate::updating),
        ];
        for text in texts {
            let words: Vec<&str> = text.split_whitespace().collect();
            for pair in words.windows(2).filter(|pair| ["as", "static", "const", "trait"].contains(&pair[0]))
            {
                let known = ["_", "::", "SHAPE"].contains(&pair[1]) || GENERATED.contains(&pair[1]);
                assert!(known, "{pair:?} in {text}");
            }
        }
    }
}
