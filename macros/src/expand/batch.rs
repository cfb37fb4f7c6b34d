//! A batch: the loop that asks which ids are missing, and calls the body with them.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{FnArg, PatType, ReceiverKind};

use self::steps::{Argument, Kind, list_for_body, steps};
use super::{
    attributes::{allowed_here, allowing, attributes_of_every_item, generated_vis, on_outer_function},
    body::{plain_name, without_body},
    companions::uncached,
    editor,
    function::around,
    pieces::{generated, hygienic},
};
use crate::{
    item::function::Function,
    plan::{BatchPlan, Form},
    tokens::mentions,
};

mod in_place;
mod steps;

pub(crate) fn batch(plan: &BatchPlan, function: &Function) -> TokenStream {
    match plan.form {
        Form::Free => free(plan, function),
        Form::Method => method(plan, function),
        Form::Alone => in_place::in_place(plan, function),
    }
}

/// Beside an enum of its name, which has the body without the cache.
fn free(plan: &BatchPlan, function: &Function) -> TokenStream {
    let (vis, sig) = (generated_vis(function), &function.sig);
    let (companion, name) = editor::companion(&sig.ident, &vis);
    let cfgs: Vec<_> = attributes_of_every_item(function).collect();
    let body = generated("uncached", sig.ident.span());
    let uncached = uncached(&of_call(plan, function), function, &body);
    let no_key = no_key(plan, function, "key", None);
    let in_batch = generated("__in_batch", sig.ident.span());
    let load = outer(plan, function, &quote!(#name::#body));
    let doc = format!(" The companion of [`{name}()`]: its body without the cache.");
    let (shown, load) = editor::function_first(load);
    quote! {
        #shown
        #(#cfgs)*
        #[doc = #doc]
        #companion
        #(#cfgs)*
        #[doc(hidden)]
        impl ::cached_aside::__private::Companion for #name {
            const SHAPE: ::core::primitive::u8 = 0;
            fn function() -> &'static ::cached_aside::__private::ReadFunction {
                ::cached_aside::__private::batch::no_function()
            }
        }
        #(#cfgs)*
        impl #name {
            #no_key
            #uncached
            #[doc(hidden)]
            #[cfg(not(miri))]
            #vis fn #in_batch() {}
        }
        #load
    }
}

/// Beside the method.
fn method(plan: &BatchPlan, function: &Function) -> TokenStream {
    let span = function.sig.ident.span();
    let name = syn::ext::IdentExt::unraw(&function.sig.ident);
    let body = generated(&format!("{name}_uncached"), span);
    let uncached = uncached(&of_call(plan, function), function, &body);
    let no_key_of_type = no_key(plan, function, &format!("{name}_key"), None);
    let no_key_of_self =
        function.receiver().map(|_| no_key(plan, function, &format!("__{name}_key"), Some(&quote!(&self,))));
    let load = outer(plan, function, &quote!(Self::#body));
    quote!(#no_key_of_type #no_key_of_self #uncached #load)
}

/// The parameters that the call uses and the body doesn't.
fn of_call(plan: &BatchPlan, function: &Function) -> Vec<usize> {
    plan.used.iter().copied().filter(|number| !function.parameters[*number].is_self()).collect()
}

/// What stands where a single function has its key, so that the compiler says what to write instead.
fn no_key(
    plan: &BatchPlan,
    function: &Function,
    name: &str,
    of_self: Option<&TokenStream>,
) -> Option<TokenStream> {
    let (vis, cfgs) = (generated_vis(function), attributes_of_every_item(function));
    let name = generated(name, function.sig.ident.span());
    let is_argument = |number: &usize| {
        *number == plan.list || plan.used.contains(number) && !function.parameters[*number].is_self()
    };
    let arguments: Vec<_> = (0..function.parameters.len()).filter(is_argument).collect();
    let more = arguments.iter().skip(1).map(|number| hygienic(&format!("Arg{number}")));
    let more: Vec<_> = more.collect();
    // Of whatever value is asked for: that there is none is said once.
    let (first, value) = (hygienic("Ids"), hygienic("Value"));
    editor::unlisted(quote! {
        #(#cfgs)*
        #[doc(hidden)]
        #vis fn #name<#first #(, #more)*, #value>(
            #of_self _: #first #(, _: #more)*
        ) -> ::cached_aside::Key<#value>
        where
            Self: ::cached_aside::__private::batch::OneKey<#first>,
        {
            ::cached_aside::__private::batch::no_key()
        }
    })
}

/// The function that the user wrote, which calls its body.
fn outer(plan: &BatchPlan, function: &Function, uncached: &TokenStream) -> TokenStream {
    let mut sig = function.sig.clone();
    let mut arguments = Vec::new();
    for (number, argument) in sig.inputs.iter_mut().enumerate() {
        let (FnArg::Receiver(syn::Receiver { attrs, .. }) | FnArg::Typed(PatType { attrs, .. })) = argument;
        for attribute in attrs.iter_mut() {
            *attribute = allowing(attribute);
        }
        arguments.push(match argument {
            FnArg::Receiver(receiver) => {
                let kind = match &receiver.kind {
                    ReceiverKind::Reference(..) => Kind::Shared,
                    ReceiverKind::Typed(_, ty) => Kind::of(ty),
                    _ => Kind::Taken,
                };
                receiver.mutability = None;
                Argument { name: receiver.self_token.to_token_stream(), kind, number }
            }
            FnArg::Typed(typed) => {
                let kind = Kind::of(&typed.ty);
                Argument { name: plain_name(typed, number).to_token_stream(), kind, number }
            }
        });
    }
    let turbofish = turbofish(plan, function);
    let list = &arguments[plan.list].name;
    let (before, handed_on) = list_for_body(plan, function);
    let handed: Vec<_> = arguments
        .iter()
        .map(|argument| if argument.number == plan.list { handed_on.clone() } else { argument.again() })
        .collect();
    let others = || arguments.iter().filter(|argument| argument.number != plan.list);
    let kept: Vec<_> = others().filter_map(Argument::keep).collect();
    let twice: Vec<_> = others().filter_map(Argument::twice).collect();
    let statements = steps(
        plan,
        function,
        list,
        (&kept, &twice),
        &quote!(#before),
        &quote!(#uncached #turbofish(#(#handed),*)),
    );
    let attrs = function.attrs.iter().flat_map(on_outer_function).chain(allowed_here(function)).collect();
    around(&without_body(function, attrs, sig), &statements)
}

/// `::<_, T>`: the generic arguments of the body, which has another list.
fn turbofish(plan: &BatchPlan, function: &Function) -> TokenStream {
    let written = function.parameters[plan.list].written.to_token_stream();
    let arguments: Vec<_> = function
        .sig
        .generics
        .params
        .iter()
        .filter_map(|parameter| match parameter {
            syn::GenericParam::Type(parameter) => Some(&parameter.ident),
            syn::GenericParam::Const(parameter) => Some(&parameter.ident),
            syn::GenericParam::Lifetime(_) => None,
        })
        .map(|name| if mentions(&written, &name.to_string()) { quote!(_) } else { quote!(#name) })
        .collect();
    if arguments.is_empty() { TokenStream::new() } else { quote!(::<#(#arguments),*>) }
}
