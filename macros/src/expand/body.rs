//! The body of an annotated function as a function of its own, and with arguments of its own.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::{
    Attribute, Block, FnArg, Pat, PatIdent, PatType, Receiver, Signature, Visibility, parse_quote,
    spanned::Spanned,
};

use super::{
    attributes::{
        allowed_here, allowing, attributes_of_every_item, attributes_of_keys, is_deprecated, is_lint_level,
        on_body, on_outer_function,
    },
    pieces::{hygienic, imports},
};
use crate::{
    item::{
        function::{Body, Function},
        generics::turbofish,
    },
    plan::ArgTransfer,
};

pub(super) fn block(function: &Function) -> &Block {
    match &function.body {
        Body::Async(block) => block,
        Body::Boxed(boxed) => &boxed.block,
    }
}

/// The function under another name, which uses these parameters too.
pub(super) fn of_function(
    function: &Function,
    name: &Ident,
    attributes: &TokenStream,
    vis: &Visibility,
    used: &[Ident],
) -> TokenStream {
    let (mut block, mut sig) = (block(function).clone(), function.sig.clone());
    if !used.is_empty() {
        // The key uses them.
        block.stmts.insert(0, parse_quote!(let _ = (#(&#used),*);));
    }
    sig.ident = name.clone();
    let lints =
        function.attrs.iter().filter(|attribute| is_lint_level(attribute) || is_deprecated(attribute));
    let lints = lints.flat_map(on_body);
    let cfgs = attributes_of_every_item(function);
    quote! {
        #(#cfgs)*
        #attributes
        #(#lints)*
        #vis #sig #block
    }
}

/// The function that makes a body with owned arguments, which may outlive its caller, of the one at this path. Its type is written out:
/// the compiler can't infer it for a function that calls itself.
pub(super) fn owned(
    function: &Function,
    transfers: &[ArgTransfer],
    path: &TokenStream,
    name: &Ident,
) -> TokenStream {
    let mut sig = function.sig.clone();
    (sig.ident, sig.asyncness) = (name.clone(), None);
    let output = &function.output;
    sig.output = parse_quote!(-> ::cached_aside::__private::BoxedBody<#output>);
    let (mut bindings, mut handed_on) = (Vec::new(), Vec::new());
    for (number, (transfer, written)) in transfers.iter().zip(&mut sig.inputs).enumerate() {
        let name = hygienic(&format!("arg{number}"));
        let (argument, at) = match written {
            FnArg::Receiver(receiver) => {
                receiver.mutability = None;
                (receiver.self_token.to_token_stream(), receiver.self_token.span)
            }
            FnArg::Typed(typed) => {
                typed.attrs.clear();
                (plain_name(typed, number).to_token_stream(), typed.ty.span())
            }
        };
        let at = Span::mixed_site().located_at(at);
        match transfer {
            ArgTransfer::Moved => {
                bindings.push(quote_spanned!(at=> let #name = __aside::move_arg(#argument);));
                handed_on.push(quote!(#name));
            }
            ArgTransfer::Copied => {
                bindings.push(quote_spanned!(at=> let #name = __aside::copy_arg(#argument);));
                handed_on.push(quote!(#name.as_arg()));
            }
        }
    }
    let (arguments, imports) = (turbofish(&sig.generics), imports(&[]));
    let attributes = attributes_of_every_item(function).chain(attributes_of_keys(function));
    quote! {
        #(#attributes)*
        #[doc(hidden)]
        #sig {
            #imports
            #(#bindings)*
            ::std::boxed::Box::pin(async move { #path #arguments(#(#handed_on),*).await })
        }
    }
}

/// Binds the parameter as a whole; the body destructures it.
pub(super) fn plain_name(typed: &mut PatType, number: usize) -> Ident {
    if let Pat::Ident(PatIdent { by_ref, mutability, subpat, ident, .. }) = &mut *typed.pat
        && !ident.to_string().starts_with('_')
    {
        (*by_ref, *mutability, *subpat) = (None, None, None);
        return ident.clone();
    }
    let name = match &*typed.pat {
        Pat::Ident(pat) if pat.subpat.is_none() => pat.ident.clone(),
        _ => format_ident!("__arg{}", number, span = Span::mixed_site()),
    };
    *typed.pat = parse_quote!(#name);
    name
}

/// The function that stands in its place, with its arguments by name: that one without its statements, the arguments as they are
/// handed on.
pub(super) fn outer(function: &Function) -> (Function, Vec<TokenStream>) {
    let mut sig = function.sig.clone();
    let mut handed_on = Vec::new();
    for (number, argument) in sig.inputs.iter_mut().enumerate() {
        let (FnArg::Receiver(Receiver { attrs, .. }) | FnArg::Typed(PatType { attrs, .. })) = argument;
        for attribute in attrs.iter_mut() {
            *attribute = allowing(attribute);
        }
        match argument {
            FnArg::Receiver(receiver) => {
                receiver.mutability = None;
                handed_on.push(receiver.self_token.to_token_stream());
            }
            FnArg::Typed(typed) => handed_on.push(plain_name(typed, number).to_token_stream()),
        }
    }
    let attrs = function.attrs.iter().flat_map(on_outer_function).chain(allowed_here(function)).collect();
    (without_body(function, attrs, sig), handed_on)
}

/// The function with other attributes and another signature, for a body that is still to be made.
pub(super) fn without_body(function: &Function, attrs: Vec<Attribute>, sig: Signature) -> Function {
    let body = match &function.body {
        Body::Async(block) => Body::Async(Block { brace_token: block.brace_token, stmts: vec![] }),
        Body::Boxed(boxed) => Body::Boxed(boxed.clone()),
    };
    Function {
        attrs,
        vis: function.vis.clone(),
        sig,
        body,
        context: function.context.clone(),
        parameters: vec![],
        output: function.output.clone(),
    }
}
