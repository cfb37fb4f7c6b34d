//! The companions of a cached function: its keys, and its body without the cache.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::{
    Attribute, Block, FnArg, Pat, PatIdent, PatType, Receiver, Signature, Type, VisRestricted, Visibility,
    ext::IdentExt, parse_quote, spanned::Spanned,
};

use super::{around, imports, key_text, ours, outer, read, reference, shape};
use crate::{
    item::{
        function::{Body, Function},
        generics::{needed_by, turbofish},
        shape::without_lifetimes,
        types::inside,
    },
    plan::{CacheKnown, Form, Kept, ReadPlan, key::Source},
    tokens::mentions,
};

/// An enum with the function's name: it lives among the types, so that importing the function imports both.
pub(super) fn free(plan: &ReadPlan, function: &Function) -> TokenStream {
    let (vis, sig) = (generated_vis(function), &function.sig);
    // The name of an item that we made: the compiler's lints about names and unused items leave it alone. Where it is defined it
    // stands where the function's name does, so that an editor renames both.
    let (mut name, mut defined) = (sig.ident.clone(), sig.ident.clone());
    name.set_span(Span::call_site());
    defined.set_span(name.span().located_at(defined.span()));
    let cfgs: Vec<_> = kept_everywhere(function).collect();
    let shape_block = shape(function);
    let companion = quote!(::cached_aside::__private::Companion);
    let (inside, outside) =
        (quote!({ <Self as #companion>::SHAPE }), quote!({ <#name as #companion>::SHAPE }));
    let names = Names {
        key: generated("key", sig.ident.span()),
        uncached: generated("uncached", sig.ident.span()),
        owned: generated("__owned", sig.ident.span()),
        read: quote!(<#name as #companion>::function),
    };
    let (imports, settings) = (imports(&[]), read::settings(plan, function, &outside));
    let key = key(plan, function, &inside, &names);
    let uncached = uncached(plan, function, &names.uncached);
    let owned = owned(plan, function, &quote!(Self), &names);
    let load = outer_function(plan, function, &outside, &quote!(#name), &names);
    let doc = format!(" The companions of [`{name}()`]: its keys, and its body without the cache.");
    quote! {
        #(#cfgs)*
        #[doc = #doc]
        #vis enum #defined {}
        #(#cfgs)*
        #[doc(hidden)]
        impl #companion for #name {
            const SHAPE: u8 = #shape_block;
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
        }
        #load
    }
}

/// Beside the method.
pub(super) fn method(plan: &ReadPlan, function: &Function) -> TokenStream {
    let name = function.sig.ident.unraw();
    let span = function.sig.ident.span();
    let read = generated(&format!("__{name}_read"), span);
    let names = Names {
        key: generated(&format!("{name}_key"), span),
        uncached: generated(&format!("{name}_uncached"), span),
        owned: generated(&format!("__{name}_owned"), span),
        read: quote!(Self::#read),
    };
    // Not a constant beside the method: one of a type with parameters or lifetimes can't be named where the shape is asked for.
    let shape = shape(function);
    let read = read_function(plan, function, &shape, &read);
    let key = key(plan, function, &shape, &names);
    let of_self = key_of_self(plan, function, &shape, &names.key);
    let uncached = uncached(plan, function, &names.uncached);
    let owned = owned(plan, function, &quote!(Self), &names);
    let load = outer_function(plan, function, &shape, &quote!(Self), &names);
    quote!(#read #key #of_self #uncached #owned #load)
}

/// A name that we made, shown where the function's is: lints about names and unused items leave it alone.
fn generated(name: &str, at: Span) -> Ident {
    Ident::new(name, Span::mixed_site().located_at(at))
}

/// The function's visibility as that of an item that we made: `pub` is where an item begins, and an item that begins in a
/// `macro_rules!` of the program is the program's for the compiler's lints (`dead_code`).
fn generated_vis(function: &Function) -> Visibility {
    let mut vis = function.vis.clone();
    if let Visibility::Public(keyword) | Visibility::Restricted(VisRestricted { pub_token: keyword, .. }) =
        &mut vis
    {
        keyword.span = Span::mixed_site().located_at(keyword.span);
    }
    vis
}

struct Names {
    key: Ident,
    uncached: Ident,
    /// What makes a body that goes on without its caller.
    owned: Ident,
    /// What gives the settings.
    read: TokenStream,
}

/// What the attribute fixed, for the function and for its keys.
fn read_function(plan: &ReadPlan, function: &Function, shape: &TokenStream, name: &Ident) -> TokenStream {
    let imports = imports(&[]);
    let settings = read::settings(plan, function, shape);
    let cfgs = kept_everywhere(function);
    quote! {
        #(#cfgs)*
        #[doc(hidden)]
        fn #name() -> &'static ::cached_aside::__private::ReadFunction {
            #imports
            #settings
            &__READ
        }
    }
}

/// The function that makes the key, of the parameters that the key uses.
fn key(plan: &ReadPlan, function: &Function, shape: &TokenStream, names: &Names) -> TokenStream {
    let Names { key: name, read, .. } = names;
    let parameters: Vec<_> = key_parameters(plan, function).collect();
    let listed: Vec<_> = parameters.iter().filter_map(|(name, _)| name.clone()).collect();
    let listed = quote!(#(#listed),*).to_string().replace(" ,", ",");
    let doc = format!(" The key of `{}({listed})`.", function.sig.ident);
    let text = key_text(&plan.key);
    let known = plan.cache.as_ref().map(|cache| cache.known);
    let placed = matches!(known, None | Some(CacheKnown::Everywhere));
    let KeySignature { sig, value } = KeySignature::new(plan, function, shape, name, parameters, placed);
    let coding = read::coding(plan, &value, shape);
    let at_output = Span::mixed_site().located_at(function.output.span());
    let key = match &plan.cache {
        None => quote_spanned!(at_output=> __aside::key(#read(), #text, #coding)),
        Some(cache) if placed => {
            // As in the function, so that what is wrong with it is said once.
            let (name, cache) = (ours("cache"), reference(&cache.expr));
            let key = quote_spanned!(at_output=> __aside::key_in(#name, #read(), #text, #coding));
            quote!(let #name: &::cached_aside::Cache = #cache; #key)
        }
        Some(_) => quote_spanned!(at_output=> __aside::key_without_cache(#read(), #text, #coding)),
    };
    let imports = imports(&[]);
    let vis = generated_vis(function);
    let attributes: Vec<_> = kept_everywhere(function).chain(kept_on_keys(function)).collect();
    let documented = documented(&sig, &value, placed);
    quote! {
        #(#attributes)*
        #[cfg(doc)]
        #[doc = #doc]
        #vis #documented {
            #imports
            #key
        }
        #(#attributes)*
        #[cfg(not(doc))]
        #[doc = #doc]
        #vis #sig {
            #imports
            #key
        }
    }
}

/// The signature as people read it: with the value's type as it is written, where the compiler has to look it up. Rustdoc compares
/// no body with it.
fn documented(sig: &Signature, output: &Type, placed: bool) -> Signature {
    let mut value = output;
    while let Some(inner) = inside(value, "Result").or_else(|| inside(value, "Option")) {
        value = inner;
    }
    let place = (!placed).then(|| quote!(, ::cached_aside::Unplaced));
    Signature { output: parse_quote!(-> ::cached_aside::Key<#value #place>), ..sig.clone() }
}

/// The same, of a method, whether its key uses `self` or not: `#[invalidates(self.load_user(id))]` calls it.
fn key_of_self(
    plan: &ReadPlan,
    function: &Function,
    shape: &TokenStream,
    key: &Ident,
) -> Option<TokenStream> {
    let receiver = function.receiver()?;
    let name = generated(&format!("__{key}"), key.span());
    let self_token = receiver.self_token;
    let of_self: FnArg = parse_quote!(&#self_token);
    let mut parameters: Vec<_> = key_parameters(plan, function).collect();
    let used: Vec<_> = parameters
        .iter()
        .map(|(name, _)| {
            name.as_ref().map_or_else(|| self_token.to_token_stream(), ToTokens::to_token_stream)
        })
        .collect();
    if !parameters.iter().any(|(name, _)| name.is_none()) {
        parameters.insert(0, (None, of_self));
    }
    let known = plan.cache.as_ref().map(|cache| cache.known);
    let placed = known != Some(CacheKnown::InCalls);
    let KeySignature { sig, .. } = KeySignature::new(plan, function, shape, &name, parameters, placed);
    let arguments = turbofish(&sig.generics);
    let in_cache = plan.cache.as_ref().filter(|cache| cache.known == CacheKnown::OnSelf).map(|cache| {
        let cache = reference(&cache.expr);
        quote!(.in_cache(#cache))
    });
    let vis = generated_vis(function);
    let attributes = kept_everywhere(function).chain(kept_on_keys(function));
    Some(quote! {
        #(#attributes)*
        #[doc(hidden)]
        #[allow(clippy::unused_self)]
        #vis #sig {
            Self::#key #arguments(#(#used),*) #in_cache
        }
    })
}

struct KeySignature {
    sig: Signature,
    /// The return type that the key's value is of.
    value: syn::Type,
}

impl KeySignature {
    fn new(
        plan: &ReadPlan,
        function: &Function,
        shape: &TokenStream,
        name: &Ident,
        parameters: Vec<(Option<Ident>, FnArg)>,
        placed: bool,
    ) -> KeySignature {
        let output = without_lifetimes(&function.output);
        let value = read::value(&output, shape);
        let mut used = output.to_token_stream();
        for value in plan.key.values().filter(|value| value.source == Source::Generic) {
            value.place.to_tokens(&mut used);
        }
        for (_, parameter) in &parameters {
            parameter.to_tokens(&mut used);
        }
        if let Some(cache) = plan.cache.as_ref().filter(|_| placed) {
            cache.expr.to_tokens(&mut used);
        }
        let generics = needed_by(&used, &function.sig.generics);
        let (params, clause) = (&generics, &generics.where_clause);
        let parameters = parameters.into_iter().map(|(_, parameter)| parameter);
        let place = (!placed).then(|| quote!(, ::cached_aside::Unplaced));
        let sig =
            parse_quote!(fn #name #params(#(#parameters),*) -> ::cached_aside::Key<#value #place> #clause);
        KeySignature { sig, value: output }
    }
}

/// The parameters that the key uses, `self` without a name.
fn key_parameters<'a>(
    plan: &'a ReadPlan,
    function: &'a Function,
) -> impl Iterator<Item = (Option<Ident>, FnArg)> + 'a {
    function.parameters.iter().enumerate().filter(|(number, _)| plan.key.uses(*number)).map(
        |(_, parameter)| match &parameter.written {
            FnArg::Receiver(receiver) => {
                let self_token = receiver.self_token;
                (None, parse_quote!(&#self_token))
            }
            FnArg::Typed(typed) => {
                let (name, ty) = (&parameter.name, &typed.ty);
                (name.clone(), parse_quote!(#name: #ty))
            }
        },
    )
}

/// The body as the user wrote it. Lints about the signature are left to the function itself.
fn uncached(plan: &ReadPlan, function: &Function, name: &Ident) -> TokenStream {
    let Function { vis, sig, .. } = function;
    let mut block = match &function.body {
        Body::Async(block) => block.clone(),
        Body::Boxed(boxed) => boxed.block.clone(),
    };
    let used = key_only(plan, function, &block);
    if !used.is_empty() {
        // The key uses them.
        block.stmts.insert(0, parse_quote!(let _ = (#(&#used),*);));
    }
    let mut sig = sig.clone();
    let doc = format!(" `{}` without the cache.", sig.ident);
    sig.ident = name.clone();
    let allowed = match vis {
        Visibility::Inherited => None,
        _ => Some(quote!(#[allow(clippy::missing_errors_doc, clippy::missing_panics_doc)])),
    };
    let kept = function
        .attrs
        .iter()
        .filter(|attribute| is_lint_level(attribute) || is_deprecated(attribute))
        .map(outer);
    let cfgs = kept_everywhere(function);
    quote! {
        #(#cfgs)*
        #[doc = #doc]
        #allowed
        #(#kept)*
        #vis #sig #block
    }
}

/// The parameters that the key uses and the body doesn't, unless the user says something about that.
fn key_only(plan: &ReadPlan, function: &Function, block: &Block) -> Vec<Ident> {
    let body = block.to_token_stream();
    let text = body.to_string();
    let used = function.parameters.iter().enumerate().filter(|(number, _)| plan.key.uses(*number));
    used.filter_map(|(_, parameter)| match (&parameter.written, &parameter.name) {
        (FnArg::Typed(typed), Some(name)) if !typed.attrs.iter().any(is_lint_level) => Some(name),
        _ => None,
    })
    .filter(|name| !mentions(&body, &name.to_string()) && !text.contains(&format!("{{{name}")))
    .cloned()
    .collect()
}

/// The function that the user wrote, which looks into the cache and else hands everything on.
fn outer_function(
    plan: &ReadPlan,
    function: &Function,
    shape: &TokenStream,
    owner: &TokenStream,
    Names { uncached, owned, read, .. }: &Names,
) -> TokenStream {
    debug_assert_ne!(plan.form, Form::Alone);
    let mut sig = function.sig.clone();
    let mut handed_on = Vec::new();
    for (number, argument) in sig.inputs.iter_mut().enumerate() {
        let (FnArg::Receiver(Receiver { attrs, .. }) | FnArg::Typed(PatType { attrs, .. })) = argument;
        for attribute in attrs.iter_mut() {
            *attribute = on_outer_function(attribute);
        }
        match argument {
            FnArg::Receiver(receiver) => {
                receiver.mutability = None;
                handed_on.push(receiver.self_token.to_token_stream());
            }
            FnArg::Typed(typed) => {
                let name = plain_name(typed, number);
                handed_on.push(name.to_token_stream());
            }
        }
    }
    let arguments = turbofish(&sig.generics);
    let body = match &plan.staleness.kept {
        None => quote!(#owner::#uncached #arguments(#(#handed_on),*)),
        Some(_) => quote!(move || #owner::#owned #arguments(#(#handed_on),*)),
    };
    let load = read::load(plan, function, shape, &quote!(#read()), &body);
    let body = match &function.body {
        Body::Async(block) => Body::Async(Block { brace_token: block.brace_token, stmts: vec![] }),
        Body::Boxed(boxed) => Body::Boxed(boxed.clone()),
    };
    let function = Function {
        attrs: function.attrs.iter().map(on_outer_function).chain(allowed_here(function)).collect(),
        vis: function.vis.clone(),
        sig,
        body,
        place: function.place.clone(),
        parameters: vec![],
        output: function.output.clone(),
    };
    around(&function, &load)
}

/// The function that makes a body with arguments of its own, which may go on without its caller. Its type is written out: a
/// function that calls itself can't be asked for it while it is being compiled.
fn owned(plan: &ReadPlan, function: &Function, owner: &TokenStream, names: &Names) -> Option<TokenStream> {
    let kept = plan.staleness.kept.as_ref()?;
    let Names { uncached, owned, .. } = names;
    let mut sig = function.sig.clone();
    (sig.ident, sig.asyncness) = (owned.clone(), None);
    let output = &function.output;
    sig.output = parse_quote!(-> ::cached_aside::__private::Begun<#output>);
    let (mut kept_here, mut lent) = (Vec::new(), Vec::new());
    for (number, (kept, written)) in kept.iter().zip(&mut sig.inputs).enumerate() {
        let name = ours(&format!("kept{number}"));
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
        match kept {
            Kept::Moved => {
                kept_here.push(quote_spanned!(at=> let #name = __aside::moved(#argument);));
                lent.push(quote!(#name));
            }
            Kept::Copied => {
                kept_here.push(quote_spanned!(at=> let #name = __aside::owned(#argument);));
                lent.push(quote!(#name.lend()));
            }
        }
    }
    let (arguments, imports) = (turbofish(&sig.generics), imports(&[]));
    let attributes = kept_everywhere(function).chain(kept_on_keys(function));
    Some(quote! {
        #(#attributes)*
        #[doc(hidden)]
        #sig {
            #imports
            #(#kept_here)*
            ::std::boxed::Box::pin(async move { #owner::#uncached #arguments(#(#lent),*).await })
        }
    })
}

/// Binds the parameter as a whole; taking it apart is left to the body.
fn plain_name(typed: &mut PatType, number: usize) -> Ident {
    if let Pat::Ident(PatIdent { by_ref, mutability, subpat, ident, .. }) = &mut *typed.pat
        && subpat.is_none()
        && !ident.to_string().starts_with('_')
    {
        *by_ref = None;
        *mutability = None;
        return ident.clone();
    }
    let name = match &*typed.pat {
        Pat::Ident(pat) if pat.subpat.is_none() => pat.ident.clone(),
        _ => format_ident!("__arg{}", number, span = Span::mixed_site()),
    };
    *typed.pat = parse_quote!(#name);
    name
}

fn on_outer_function(attribute: &Attribute) -> Attribute {
    let mut attribute = outer(attribute);
    if attribute.path().is_ident("expect")
        && let syn::Meta::List(list) = &mut attribute.meta
    {
        list.path = parse_quote!(allow);
    }
    attribute
}

fn is_deprecated(attribute: &Attribute) -> bool {
    attribute.path().is_ident("deprecated")
}

/// A deprecated function's companions call each other.
fn allowed_here(function: &Function) -> Option<Attribute> {
    function.attrs.iter().any(is_deprecated).then(|| parse_quote!(#[allow(deprecated)]))
}

/// What is said about the function's signature holds for its keys too.
fn kept_on_keys(function: &Function) -> impl Iterator<Item = Attribute> {
    let kept = |attribute: &&Attribute| is_lint_level(attribute) || is_deprecated(attribute);
    function.attrs.iter().filter(kept).map(on_outer_function).chain(allowed_here(function))
}

fn is_lint_level(attribute: &Attribute) -> bool {
    ["allow", "warn", "deny", "forbid", "expect"].iter().any(|level| attribute.path().is_ident(level))
}

/// Attributes that hold for every item which the function becomes.
fn kept_everywhere(function: &Function) -> impl Iterator<Item = Attribute> {
    function.attrs.iter().filter(|attribute| attribute.path().is_ident("cfg")).map(outer)
}
