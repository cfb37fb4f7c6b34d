//! Parameters with a `#[cfg(…)]`: the compiler hands them to an attribute as they are written, whether they hold or not.

use proc_macro2::{TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::{Attribute, FnArg, Meta, parse::Parser};

use crate::{
    item::function::{Body, Function},
    parse::args::ReadArgs,
    problem::Problems,
};

/// The function with and without the first of its parameters that is configured, each with the attribute on it: the compiler
/// takes one of them.
pub(crate) fn either(args: &TokenStream, function: &Function) -> Option<TokenStream> {
    let configured =
        function.parameters.iter().position(|parameter| condition(&parameter.written).is_some())?;
    let condition = condition(&function.parameters[configured].written)?.clone();
    let root = ReadArgs::parse(args.clone(), &mut Problems::default()).root;
    let root = root.map_or_else(|| quote!(::cached_aside), |root| root.value.into_token_stream());
    let one = |kept: bool, cfg: &TokenStream, args: TokenStream| {
        let Function { attrs, vis, sig, body, .. } = function;
        let mut sig = sig.clone();
        sig.inputs = sig
            .inputs
            .into_iter()
            .enumerate()
            .filter_map(|(number, argument)| {
                if number == configured { kept.then(|| without_condition(argument)) } else { Some(argument) }
            })
            .collect();
        let block = match body {
            Body::Async(block) => block,
            Body::Boxed(boxed) => &boxed.block,
        };
        quote!(#cfg #[#root::cached_aside(#args)] #(#attrs)* #vis #sig #block)
    };
    let names = &function.parameters[configured].bindings;
    let without = without_skipped(args.clone(), &|name| names.iter().any(|binding| binding == name));
    let with = one(true, &quote!(#[cfg(#condition)]), args.clone());
    let without = one(false, &quote!(#[cfg(not(#condition))]), without);
    Some(quote!(#with #without))
}

fn condition(argument: &FnArg) -> Option<&TokenStream> {
    let FnArg::Typed(typed) = argument else { return None };
    typed.attrs.iter().find_map(|attribute| match &attribute.meta {
        Meta::List(list) if list.path.is_ident("cfg") => Some(&list.tokens),
        _ => None,
    })
}

/// Without the first of its conditions.
fn without_condition(mut argument: FnArg) -> FnArg {
    if let FnArg::Typed(typed) = &mut argument
        && let Some(first) =
            typed.attrs.iter().position(|attribute: &Attribute| attribute.path().is_ident("cfg"))
    {
        typed.attrs.remove(first);
    }
    argument
}

/// The arguments of the attribute without these names in `skip(…)`.
fn without_skipped(args: TokenStream, is_absent: &dyn Fn(&syn::Ident) -> bool) -> TokenStream {
    let mut after_skip = false;
    args.into_iter()
        .map(|token| {
            let is_list = std::mem::replace(
                &mut after_skip,
                matches!(&token, TokenTree::Ident(name) if name == "skip"),
            );
            match &token {
                TokenTree::Group(group) if is_list => {
                    let parser = syn::punctuated::Punctuated::<TokenTree, syn::Token![,]>::parse_terminated;
                    let Ok(names) = parser.parse2(group.stream()) else { return token };
                    let kept = names
                        .iter()
                        .filter(|name| !matches!(name, TokenTree::Ident(name) if is_absent(name)));
                    proc_macro2::Group::new(group.delimiter(), quote!(#(#kept),*)).into()
                }
                _ => token,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use syn::parse_quote;

    use super::*;
    use crate::item::context::Context;

    #[test]
    fn a_configured_parameter_is_there_or_not() {
        let function = Function::at(
            parse_quote! {
                async fn load(id: u64, #[cfg(feature = "trace")] #[allow(unused)] trace: u8) -> u64 { id }
            },
            Context::Free,
        );
        let args = quote!(ttl = "1m", key = "a:{id}", skip(db, trace));
        let expected = quote! {
            #[cfg(feature = "trace")]
            #[::cached_aside::cached_aside(ttl = "1m", key = "a:{id}", skip(db, trace))]
            async fn load(id: u64, #[allow(unused)] trace: u8) -> u64 { id }
            #[cfg(not(feature = "trace"))]
            #[::cached_aside::cached_aside(ttl = "1m", key = "a:{id}", skip(db))]
            async fn load(id: u64) -> u64 { id }
        };
        assert_eq!(either(&args, &function).unwrap().to_string(), expected.to_string());
    }
}
