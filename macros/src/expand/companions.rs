//! The companions of a cached function: its keys, and its body without the cache.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote};
use syn::{Block, FnArg, Visibility, ext::IdentExt};

use super::{
    attributes::{attributes_of_every_item, attributes_of_keys, generated_vis, is_lint_level},
    body, editor,
    function::{around, load},
    key_companions::{key, key_of_self},
    pieces::{generated, imports},
    settings,
    shape::shape,
};
use crate::{
    item::{function::Function, generics::turbofish},
    plan::{Form, ReadPlan},
    tokens::{mentions, same, variables},
};

/// An enum with the function's name: it lives among the types, so that importing the function imports both.
pub(super) fn free(plan: &ReadPlan, function: &Function) -> TokenStream {
    let (vis, sig) = (generated_vis(function), &function.sig);
    let (companions, name) = editor::companion(&sig.ident, &vis);
    let cfgs: Vec<_> = attributes_of_every_item(function).collect();
    let shape_block = shape(function);
    let companion = quote!(::cached_aside::__private::Companion);
    let (inside, outside) =
        (quote!({ <Self as #companion>::SHAPE }), quote!({ <#name as #companion>::SHAPE }));
    let names = Names {
        key: generated("key", sig.ident.span()),
        uncached: generated("uncached", sig.ident.span()),
        owned: generated("__owned", sig.ident.span()),
        in_batch: generated("__in_batch", sig.ident.span()),
        read: quote!(<#name as #companion>::function),
    };
    let (imports, settings) = (imports(&[]), settings::of_read(plan, function, &outside));
    let key = key(plan, function, &inside, (&names.key, &names.read));
    let uncached = uncached(&of_key(plan, function), function, &names.uncached);
    let owned = owned(plan, function, &quote!(Self), &names);
    let in_batch = in_batch(function, &names.in_batch, &sig.ident);
    let load = outer_function(plan, function, &outside, &quote!(#name), &names);
    let doc = format!(" The companions of [`{name}()`]: its keys, and its body without the cache.");
    let (shown, load) = editor::function_first(load);
    quote! {
        #shown
        #(#cfgs)*
        #[doc = #doc]
        #companions
        #(#cfgs)*
        #[doc(hidden)]
        impl #companion for #name {
            const SHAPE: ::core::primitive::u8 = #shape_block;
            fn function() -> &'static ::cached_aside::__private::ReadFunction {
                #imports
                #settings
                &__READ
            }
        }
        #(#cfgs)*
        impl #name {
            #key
            #uncached
            #owned
            #in_batch
        }
        #load
    }
}

/// Beside the method.
pub(super) fn method(plan: &ReadPlan, function: &Function) -> TokenStream {
    let name = function.sig.ident.unraw();
    let span = function.sig.ident.span();
    let read = generated(&format!("__{name}_read"), span);
    // Not a constant of the `impl`: a type with parameters or lifetimes can't be named where the shape is needed.
    let shape = shape(function);
    let (imports, settings) = (imports(&[]), settings::of_read(plan, function, &shape));
    let settings = quote!(#imports #settings &__READ);
    let names = Names {
        key: generated(&format!("{name}_key"), span),
        uncached: generated(&format!("{name}_uncached"), span),
        owned: generated(&format!("__{name}_owned"), span),
        in_batch: generated(&format!("__{name}_in_batch"), span),
        read: editor::settings_function(quote!(Self::#read), &settings),
    };
    let read = editor::unlisted(read_function(function, &settings, &read));
    let key = key(plan, function, &shape, (&names.key, &names.read));
    let of_self = key_of_self(plan, function, &shape, &names.key).and_then(editor::unlisted);
    let uncached = uncached(&of_key(plan, function), function, &names.uncached);
    let owned = owned(plan, function, &quote!(Self), &names);
    let in_batch = in_batch(function, &names.in_batch, &{
        let name = &function.sig.ident;
        quote!(Self::#name)
    });
    let load = outer_function(plan, function, &shape, &quote!(Self), &names);
    quote!(#read #key #of_self #uncached #owned #in_batch #load)
}

struct Names {
    key: Ident,
    uncached: Ident,
    /// The function that makes a body with owned arguments.
    owned: Ident,
    /// What a batch over the function mentions.
    in_batch: Ident,
    /// The function that returns the settings.
    read: TokenStream,
}

/// The settings of the attribute, for the function and for its keys.
fn read_function(function: &Function, settings: &TokenStream, name: &Ident) -> TokenStream {
    // It mentions the types of the function.
    let attributes = attributes_of_every_item(function).chain(attributes_of_keys(function));
    quote! {
        #(#attributes)*
        #[doc(hidden)]
        fn #name() -> &'static ::cached_aside::__private::ReadFunction {
            #settings
        }
    }
}

/// What a batch over the function mentions, so that who writes the function for that batch alone is not told that nobody uses it.
/// Its path alone says nothing of generic parameters: such a function is one that only a call uses.
/// An editor would offer it behind the function's name, so it is left out there: rust-analyzer sets `miri`, which a build does not.
fn in_batch(function: &Function, name: &Ident, path: &impl ToTokens) -> TokenStream {
    let (vis, sig) = (generated_vis(function), &function.sig);
    let is_generic = sig.generics.type_params().next().is_some()
        || sig.generics.const_params().next().is_some()
        || sig.generics.where_clause.is_some()
        || mentions(&sig.inputs.to_token_stream(), "impl");
    let mention = (!is_generic).then(|| quote!(let _ = #path;));
    let receiver = function.receiver().map(|_| quote!(&self));
    let allowed = receiver.as_ref().map(|_| quote!(#[allow(clippy::unused_self)]));
    let attributes = attributes_of_every_item(function).chain(attributes_of_keys(function));
    quote! {
        #(#attributes)*
        #[doc(hidden)]
        #[cfg(not(miri))]
        #allowed
        #vis fn #name(#receiver) {
            #mention
        }
    }
}

/// The parameters that the key uses.
fn of_key(plan: &ReadPlan, function: &Function) -> Vec<usize> {
    (0..function.parameters.len()).filter(|number| plan.key.uses(*number)).collect()
}

/// The body as the user wrote it. Lints about the signature are left to the function itself.
pub(super) fn uncached(by_key: &[usize], function: &Function, name: &Ident) -> TokenStream {
    let used = key_only(by_key, function, body::block(function));
    let doc = format!(" `{}` without the cache.", function.sig.ident);
    let allowed = match function.vis {
        Visibility::Inherited => None,
        _ => Some(quote!(#[allow(clippy::missing_errors_doc, clippy::missing_panics_doc)])),
    };
    let vis = &function.vis;
    body::of_function(function, name, &quote!(#[doc = #doc] #allowed), vis, &used)
}

/// Those of the parameters that the key uses which the body doesn't, unless the user says something about that.
fn key_only(by_key: &[usize], function: &Function, block: &Block) -> Vec<Ident> {
    let named = variables(&block.to_token_stream());
    let used = by_key.iter().map(|number| &function.parameters[*number]);
    used.filter_map(|parameter| match (&parameter.written, &parameter.name) {
        (FnArg::Typed(typed), Some(name)) if !typed.attrs.iter().any(is_lint_level) => Some(name),
        _ => None,
    })
    .filter(|name| !named.iter().any(|used| same(name, used)))
    .cloned()
    .collect()
}

/// The function that the user wrote: it looks into the cache, and passes its arguments to the body on a miss.
fn outer_function(
    plan: &ReadPlan,
    function: &Function,
    shape: &TokenStream,
    owner: &TokenStream,
    Names { uncached, owned, read, .. }: &Names,
) -> TokenStream {
    debug_assert_ne!(plan.form, Form::Alone);
    let (outer, handed_on) = body::outer(function);
    let arguments = turbofish(&outer.sig.generics);
    let body = match &plan.transfers {
        None => quote!(#owner::#uncached #arguments(#(#handed_on),*)),
        Some(_) => quote!(move || #owner::#owned #arguments(#(#handed_on),*)),
    };
    let load = load(plan, function, shape, &quote!(#read()), &body);
    around(&outer, &load)
}

/// The function that makes a body with owned arguments, which may outlive its caller.
fn owned(plan: &ReadPlan, function: &Function, owner: &TokenStream, names: &Names) -> Option<TokenStream> {
    let transfers = plan.transfers.as_ref()?;
    let Names { uncached, owned, .. } = names;
    Some(body::owned(function, transfers, &quote!(#owner::#uncached), owned))
}
