//! What stands beside a cached function whose attribute has mistakes. It never runs: the mistakes are errors.

use proc_macro2::{Ident, TokenStream};
use quote::quote;
use syn::ext::IdentExt;

use super::{
    attributes::{attributes_of_every_item, generated_vis},
    coding, editor,
    pieces::{generated, hygienic},
    shape::shape,
};
use crate::{
    item::{function::Function, shape::without_lifetimes},
    plan::{Form, Unfinished},
};

/// The companions that other attributes name.
pub(crate) fn unfinished(plan: &Unfinished, function: &Function) -> TokenStream {
    match plan.form {
        Form::Free => free(plan, function),
        Form::Method => method(plan, function),
        Form::Alone => TokenStream::new(),
    }
}

fn free(plan: &Unfinished, function: &Function) -> TokenStream {
    let (vis, span) = (generated_vis(function), function.sig.ident.span());
    let (companion, name) = editor::companion(&function.sig.ident, &vis);
    let cfgs: Vec<_> = attributes_of_every_item(function).collect();
    let shape = shape(function);
    let of_function = quote!(::cached_aside::__private::Companion);
    let key = key(plan, function, &generated("key", span), &quote!({ <Self as #of_function>::SHAPE }), None);
    let in_batch = in_batch(function, &generated("__in_batch", span), None);
    quote! {
        #(#cfgs)*
        #[doc(hidden)]
        #[allow(dead_code)]
        #companion
        #(#cfgs)*
        #[doc(hidden)]
        impl #of_function for #name {
            const SHAPE: ::core::primitive::u8 = #shape;
            fn function() -> &'static ::cached_aside::__private::ReadFunction {
                ::core::unreachable!()
            }
        }
        #(#cfgs)*
        impl #name {
            #key
            #in_batch
        }
    }
}

fn method(plan: &Unfinished, function: &Function) -> TokenStream {
    let (name, span) = (function.sig.ident.unraw(), function.sig.ident.span());
    let shape = shape(function);
    let of_self = plan.of_self.then(|| quote!(&self,));
    let of_type = key(plan, function, &generated(&format!("{name}_key"), span), &shape, of_self.as_ref());
    let receiver = function.receiver().map(|_| quote!(&self,));
    let of_receiver = receiver.as_ref().and_then(|receiver| {
        let name = generated(&format!("__{name}_key"), span);
        editor::unlisted(key(plan, function, &name, &shape, Some(receiver)))
    });
    let in_batch = in_batch(function, &generated(&format!("__{name}_in_batch"), span), receiver.as_ref());
    quote!(#of_type #of_receiver #in_batch)
}

/// `fn key<A>(_: A) -> Key<User>`
fn key(
    plan: &Unfinished,
    function: &Function,
    name: &Ident,
    shape: &TokenStream,
    receiver: Option<&TokenStream>,
) -> TokenStream {
    let (vis, cfgs) = (generated_vis(function), attributes_of_every_item(function));
    let value = coding::value(&without_lifetimes(&function.output), shape);
    let types: Vec<_> = (0..plan.arguments).map(|number| hygienic(&format!("Arg{number}"))).collect();
    quote! {
        #(#cfgs)*
        #[doc(hidden)]
        #[allow(dead_code, clippy::unused_self)]
        #vis fn #name<#(#types),*>(#receiver #(_: #types),*) -> ::cached_aside::Key<#value> {
            ::core::unreachable!()
        }
    }
}

fn in_batch(function: &Function, name: &Ident, receiver: Option<&TokenStream>) -> TokenStream {
    let (vis, cfgs) = (generated_vis(function), attributes_of_every_item(function));
    quote! {
        #(#cfgs)*
        #[doc(hidden)]
        #[allow(dead_code, clippy::unused_self)]
        #vis fn #name(#receiver) {}
    }
}
