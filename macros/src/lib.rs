//! The attributes of [`cached-aside`](https://docs.rs/cached-aside), which re-exports and documents them. Use that crate:
//! what is generated here calls private functions of exactly its own version of it.

mod args;
mod beside;
mod boxed;
mod call;
mod check;
mod configured;
mod duration;
mod expand;
mod generics;
mod key;
mod mentions;
mod names;
mod optional;
mod part;
mod place;
mod problem;
mod root;
mod shape;
mod signature;
mod template;

#[cfg(test)]
mod snapshots;

use args::Attribute;
use problem::{Problems, report};
use proc_macro2::TokenStream;
use signature::Function;

#[expect(missing_docs, reason = "documented where it is re-exported: rustdoc joins the two")]
#[proc_macro_attribute]
pub fn cached_aside(args: proc_macro::TokenStream, item: proc_macro::TokenStream) -> proc_macro::TokenStream {
    expand_with(args.into(), &item.into(), cached).into()
}

#[expect(missing_docs, reason = "documented where it is re-exported: rustdoc joins the two")]
#[proc_macro_attribute]
pub fn invalidates(args: proc_macro::TokenStream, item: proc_macro::TokenStream) -> proc_macro::TokenStream {
    expand_with(args.into(), &item.into(), invalidating).into()
}

#[expect(missing_docs, reason = "documented where it is re-exported: rustdoc joins the two")]
#[proc_macro_attribute]
pub fn updates(args: proc_macro::TokenStream, item: proc_macro::TokenStream) -> proc_macro::TokenStream {
    expand_with(args.into(), &item.into(), updating).into()
}

fn expand_with(
    args: TokenStream,
    item: &TokenStream,
    attribute: fn(TokenStream, &Function) -> syn::Result<TokenStream>,
) -> TokenStream {
    names::apart(args, item, |args, item| {
        syn::parse2(item.clone())
            .and_then(|function| attribute(args, &function))
            .unwrap_or_else(|error| report(&error, item))
    })
}

fn cached(args: TokenStream, function: &Function) -> syn::Result<TokenStream> {
    let mut problems = Problems::default();
    if let Some(either) = configured::either(&args, function) {
        return Ok(either);
    }
    let mut args = args::ReadArgs::parse(args, &mut problems);
    let root = args.root.take();
    let plan = check::read(args, function, problems)?;
    Ok(root::found_at(root, expand::read(&plan, function)))
}

fn invalidating(args: TokenStream, function: &Function) -> syn::Result<TokenStream> {
    writing(Attribute::Invalidates, args, function)
}

fn updating(args: TokenStream, function: &Function) -> syn::Result<TokenStream> {
    writing(Attribute::Updates, args, function)
}

fn writing(attribute: Attribute, args: TokenStream, function: &Function) -> syn::Result<TokenStream> {
    let mut problems = Problems::default();
    let mut args = args::WriteArgs::parse(args, &mut problems);
    let root = args.root.take();
    let plan = check::write(attribute, args, function, problems)?;
    Ok(root::found_at(root, expand::write(&plan)))
}
