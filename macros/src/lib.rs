//! The attributes of [`cached-aside`](https://docs.rs/cached-aside), which re-exports and documents them. Use that crate:
//! what is generated here calls private functions of exactly its own version of it.

mod expand;
mod hygiene;
mod item;
mod parse;
mod plan;
mod problem;
mod tokens;

#[cfg(test)]
mod snapshots;

use item::{around::function_around, beside::Site, function::Function};
use parse::{
    args::{Attribute, ReadArgs, WriteArgs},
    batch::{BatchArgs, is_batch},
    tags::Declarations,
};
use problem::{Problems, report};
use proc_macro2::{Span, TokenStream, TokenTree};
use quote::quote;
use syn::Type;

#[expect(missing_docs, reason = "documented where it is re-exported: rustdoc joins the two")]
#[proc_macro_attribute]
pub fn cached_aside(args: proc_macro::TokenStream, item: proc_macro::TokenStream) -> proc_macro::TokenStream {
    expand_with(args.into(), &item.into(), cached, companions).into()
}

#[expect(missing_docs, reason = "documented where it is re-exported: rustdoc joins the two")]
#[proc_macro_attribute]
pub fn invalidates(args: proc_macro::TokenStream, item: proc_macro::TokenStream) -> proc_macro::TokenStream {
    expand_with(args.into(), &item.into(), invalidating, no_companions).into()
}

#[expect(missing_docs, reason = "documented where it is re-exported: rustdoc joins the two")]
#[proc_macro]
pub fn tags(declarations: proc_macro::TokenStream) -> proc_macro::TokenStream {
    declaring(declarations.into()).unwrap_or_else(syn::Error::into_compile_error).into()
}

#[expect(missing_docs, reason = "documented where it is re-exported: rustdoc joins the two")]
#[proc_macro_attribute]
pub fn updates(args: proc_macro::TokenStream, item: proc_macro::TokenStream) -> proc_macro::TokenStream {
    expand_with(args.into(), &item.into(), updating, no_companions).into()
}

/// What `keys![…]` becomes: where the library is found, a `;`, and what is named.
#[doc(hidden)]
#[proc_macro]
pub fn keys_of(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    key_list(input.into()).into()
}

fn expand_with(
    args: TokenStream,
    item: &TokenStream,
    attribute: fn(TokenStream, &Function) -> syn::Result<TokenStream>,
    companions: fn(TokenStream, &Function) -> TokenStream,
) -> TokenStream {
    hygiene::separate(args, item, |args, item| {
        let function = match syn::parse2(item.clone()) {
            Ok(function) => function,
            Err(error) => return report(&error, item),
        };
        attribute(args.clone(), &function).unwrap_or_else(|error| {
            let mut tokens = report(&error, item);
            tokens.extend(companions(args, &function));
            tokens
        })
    })
}

/// What other attributes name of a cached function whose own has mistakes: they are right to name it.
fn companions(args: TokenStream, function: &Function) -> TokenStream {
    // Where the attribute stands twice, the other one makes them.
    let is_twice = function.attribute(Attribute::CachedAside.name()).is_some();
    if is_batch(&args) || is_twice || matches!(function.output, Type::Never(_)) {
        return TokenStream::new();
    }
    let args = ReadArgs::parse(args, &mut Problems::default());
    let plan = plan::unfinished(&args, function);
    let companions = plan.map(|plan| expand::unfinished(&plan, function)).unwrap_or_default();
    expand::root::found_at(args.root.as_ref().map(|root| &root.value), companions)
}

/// A write has none.
fn no_companions(_: TokenStream, _: &Function) -> TokenStream {
    TokenStream::new()
}

fn key_list(input: TokenStream) -> TokenStream {
    let mut tokens = input.into_iter();
    let is_end = |token: &TokenTree| matches!(token, TokenTree::Punct(punct) if punct.as_char() == ';');
    let library: TokenStream = tokens.by_ref().take_while(|token| !is_end(token)).collect();
    let expanded = hygiene::separate(tokens.collect(), &TokenStream::new(), |named, _| {
        let mut problems = Problems::default();
        if named.is_empty() {
            let none = "nothing is named; name the call of a cached function, such as `load_user(id)`, or a key, such as \
                        `\"user:{id}\"`; no keys are `Vec::<AnyKey>::new()`";
            problems.push(syn::Error::new(Span::call_site(), none));
        }
        let around = named.clone().into_iter().next().and_then(|first| function_around(first.span()));
        let targets = parse::target::list(named, &mut problems);
        let mentions: Vec<_> = targets.iter().map(plan::Mention::of).collect();
        let nowhere = Function::nowhere();
        let site = Site::in_expression(&nowhere);
        plan::keys(targets, &site, problems).map_or_else(
            |error| {
                let errors = error.to_compile_error();
                quote!({ #errors ::std::vec::Vec::<::cached_aside::AnyKey>::new() })
            },
            |keys| expand::key_list(&keys, &mentions, &site, around.as_ref()),
        )
    });
    expand::root::replaced(expanded, &library)
}

fn cached(args: TokenStream, function: &Function) -> syn::Result<TokenStream> {
    if let Some(other) = function.attribute(Attribute::CachedAside.name()) {
        return Err(syn::Error::new_spanned(
            other.path(),
            "`#[cached_aside]` stands here twice; keep one of the two",
        ));
    }
    let mut problems = Problems::default();
    let root = || ReadArgs::parse(args.clone(), &mut Problems::default()).root.map(|root| root.value);
    if let Some(either) = expand::cfg_parameters::either(Attribute::CachedAside, root, &args, function) {
        return Ok(either);
    }
    if is_batch(&args) {
        let mut args = BatchArgs::parse(args, &mut problems);
        let root = args.options.root.take().map(|root| root.value);
        let plan = plan::batch(args, function, problems)?;
        return Ok(expand::root::found_at(root.as_ref(), expand::batch(&plan, function)));
    }
    let mut args = ReadArgs::parse(args, &mut problems);
    let root = args.root.take().map(|root| root.value);
    let plan = plan::read(args, function, problems)?;
    Ok(expand::root::found_at(root.as_ref(), expand::read(&plan, function)))
}

fn declaring(declarations: TokenStream) -> syn::Result<TokenStream> {
    let Declarations { root, tags } = syn::parse2(declarations)?;
    let mut problems = Problems::default();
    let tags: Vec<_> = tags.iter().filter_map(|tag| plan::declared(tag, &mut problems)).collect();
    problems.finish()?;
    Ok(expand::root::found_at(root.as_ref(), tags.iter().map(expand::declared_tag).collect()))
}

fn invalidating(args: TokenStream, function: &Function) -> syn::Result<TokenStream> {
    writing(Attribute::Invalidates, args, function)
}

fn updating(args: TokenStream, function: &Function) -> syn::Result<TokenStream> {
    writing(Attribute::Updates, args, function)
}

fn writing(attribute: Attribute, args: TokenStream, function: &Function) -> syn::Result<TokenStream> {
    let mut problems = Problems::default();
    let parameters: Vec<_> =
        function.parameters.iter().flat_map(|parameter| parameter.bindings.iter().cloned()).collect();
    let written = args.clone();
    let mut args = WriteArgs::parse(args, &parameters, &mut problems);
    let root = args.root.take().map(|root| root.value);
    // Its parameters are handed on.
    if args.detach.is_some()
        && let Some(either) = expand::cfg_parameters::either(attribute, || root.clone(), &written, function)
    {
        return Ok(either);
    }
    let plan = plan::write(attribute, args, function, problems)?;
    Ok(expand::root::found_at(root.as_ref(), expand::write(&plan)))
}
