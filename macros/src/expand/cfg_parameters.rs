//! Parameters with a `#[cfg(…)]`: the compiler hands them to an attribute as they are written, whether they hold or not.

use proc_macro2::{TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::{FnArg, Ident, Meta, MetaList, Path, parse::Parser};

use crate::{
    item::function::{Body, Function},
    parse::args::Attribute,
};

/// The function with and without the first of its parameters that is configured, each with the attribute on it: the compiler
/// takes one of them.
pub(crate) fn either(
    attribute: Attribute,
    root: impl FnOnce() -> Option<Path>,
    args: &TokenStream,
    function: &Function,
) -> Option<TokenStream> {
    let mut parameters = function.parameters.iter().enumerate();
    let (configured, condition) =
        parameters.find_map(|(number, parameter)| Some((number, condition(&parameter.written)?)))?;
    let root = root().map_or_else(|| quote!(::cached_aside), ToTokens::into_token_stream);
    let attribute = Ident::new(attribute.name(), proc_macro2::Span::call_site());
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
        quote!(#cfg #[#root::#attribute(#args)] #(#attrs)* #vis #sig #block)
    };
    let names = &function.parameters[configured].bindings;
    let without = without_skipped(args.clone(), &|name| names.iter().any(|binding| binding == name));
    let with = one(true, &quote!(#[cfg(#condition)]), args.clone());
    let without = one(false, &quote!(#[cfg(not(#condition))]), without);
    Some(quote!(#with #without))
}

/// The first condition of a parameter.
fn condition(argument: &FnArg) -> Option<TokenStream> {
    let FnArg::Typed(typed) = argument else { return None };
    typed.attrs.iter().find_map(|attribute| condition_of(&attribute.meta))
}

/// What a `cfg` says, also one that stands there only where a `cfg_attr` says so.
fn condition_of(attribute: &Meta) -> Option<TokenStream> {
    let Meta::List(list) = attribute else { return None };
    if list.path.is_ident("cfg") {
        return Some(list.tokens.clone());
    }
    let (of, attributes) = conditional(list)?;
    let condition = attributes.iter().find_map(condition_of)?;
    Some(quote!(any(not(#of), #condition)))
}

/// The condition of `cfg_attr(…)`, and its attributes.
fn conditional(list: &MetaList) -> Option<(TokenStream, Vec<Meta>)> {
    if !list.path.is_ident("cfg_attr") {
        return None;
    }
    let is_comma = |token: &TokenTree| matches!(token, TokenTree::Punct(punct) if punct.as_char() == ',');
    let mut tokens = list.tokens.clone().into_iter();
    let of = tokens.by_ref().take_while(|token| !is_comma(token)).collect();
    let attributes = syn::punctuated::Punctuated::<Meta, syn::Token![,]>::parse_terminated;
    Some((of, attributes.parse2(tokens.collect()).ok()?.into_iter().collect()))
}

/// Without the first of its conditions.
fn without_condition(mut argument: FnArg) -> FnArg {
    if let FnArg::Typed(typed) = &mut argument
        && let Some(first) = typed.attrs.iter().position(|attribute| condition_of(&attribute.meta).is_some())
    {
        match without_first(&typed.attrs[first].meta) {
            Some(rest) => typed.attrs[first].meta = rest,
            None => drop(typed.attrs.remove(first)),
        }
    }
    argument
}

/// The attribute without the first condition in it, if there is more.
fn without_first(attribute: &Meta) -> Option<Meta> {
    let Meta::List(list) = attribute else { return None };
    let (of, mut attributes) = conditional(list)?;
    let first = attributes.iter().position(|attribute| condition_of(attribute).is_some())?;
    match without_first(&attributes[first]) {
        Some(rest) => attributes[first] = rest,
        None => drop(attributes.remove(first)),
    }
    (!attributes.is_empty()).then(|| syn::parse_quote!(cfg_attr(#of, #(#attributes),*)))
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
        let either = either(Attribute::CachedAside, || None, &args, &function).unwrap();
        assert_eq!(either.to_string(), expected.to_string());
    }

    #[test]
    fn a_condition_may_be_conditional_itself() {
        let function = Function::at(
            parse_quote! {
                async fn save(#[cfg_attr(unix, cfg(feature = "trace"), allow(unused))] trace: u8) {}
            },
            Context::Free,
        );
        let expected = quote! {
            #[cfg(any(not(unix), feature = "trace"))]
            #[caching::invalidates("a", detach)]
            async fn save(#[cfg_attr(unix, allow(unused))] trace: u8) {}
            #[cfg(not(any(not(unix), feature = "trace")))]
            #[caching::invalidates("a", detach)]
            async fn save() {}
        };
        let (root, args) = (parse_quote!(caching), quote!("a", detach));
        let either = either(Attribute::Invalidates, || Some(root), &args, &function).unwrap();
        assert_eq!(either.to_string(), expected.to_string());
    }
}
