//! The companions of a cached function: its keys, and its body without the cache.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::{
    Attribute, Block, FnArg, Pat, PatIdent, PatType, Signature, Visibility, ext::IdentExt, parse_quote,
    spanned::Spanned,
};

use super::{around, imports, key_text, ours, outer, read, shape};
use crate::{
    check::{Form, Kept, ReadPlan},
    generics::{needed_by, turbofish},
    key::Source,
    shape::without_lifetimes,
    signature::{Body, Function},
};

/// An enum with the function's name: it lives among the types, so that importing the function imports both.
pub(super) fn free(plan: &ReadPlan, function: &Function) -> TokenStream {
    let Function { vis, sig, .. } = function;
    let name = &sig.ident;
    let cfgs: Vec<_> = kept_everywhere(function).collect();
    let shape_block = shape(function);
    let (inside, outside) = (quote!({ Self::__SHAPE }), quote!({ #name::__SHAPE }));
    let names = Names {
        key: Ident::new("key", name.span()),
        uncached: Ident::new("uncached", name.span()),
        read: format_ident!("__read"),
    };
    let read = read_function(plan, function, &names.read);
    let key = key(plan, function, &inside, &names);
    let uncached = uncached(function, &names.uncached);
    let load = outer_function(plan, function, &outside, &quote!(#name), &names);
    let doc = format!(" The companions of [`{name}()`]: its keys, and its body without the cache.");
    quote! {
        #(#cfgs)*
        #[doc = #doc]
        #[allow(non_camel_case_types, dead_code)]
        #vis enum #name {}
        #(#cfgs)*
        impl #name {
            const __SHAPE: u8 = #shape_block;
            #read
            #key
            #uncached
        }
        #load
    }
}

/// Beside the method.
pub(super) fn method(plan: &ReadPlan, function: &Function) -> TokenStream {
    let name = function.sig.ident.unraw();
    let span = function.sig.ident.span();
    let names = Names {
        key: format_ident!("{name}_key", span = span),
        uncached: format_ident!("{name}_uncached", span = span),
        read: format_ident!("__{name}_read"),
    };
    let shape_block = shape(function);
    // A constant of a generic type can't be named where the shape is asked for.
    let generic = function.implementation().is_none_or(|item| !item.generics.params.is_empty());
    let (constant, reference) = if generic {
        (None, shape_block)
    } else {
        let constant = format_ident!("__{}_SHAPE", name.to_string().to_uppercase(), span = span);
        let cfgs = kept_everywhere(function);
        (Some(quote!(#(#cfgs)* const #constant: u8 = #shape_block;)), quote!({ Self::#constant }))
    };
    let read = read_function(plan, function, &names.read);
    let key = key(plan, function, &reference, &names);
    let of_self = key_of_self(plan, function, &reference, &names.key);
    let uncached = uncached(function, &names.uncached);
    let load = outer_function(plan, function, &reference, &quote!(Self), &names);
    quote!(#constant #read #key #of_self #uncached #load)
}

struct Names {
    key: Ident,
    uncached: Ident,
    /// What gives the settings.
    read: Ident,
}

/// What the attribute fixed, for the function and for its keys.
fn read_function(plan: &ReadPlan, function: &Function, name: &Ident) -> TokenStream {
    let imports = imports(&[]);
    let settings = read::settings(plan);
    let cfgs = kept_everywhere(function);
    quote! {
        #(#cfgs)*
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
    let KeySignature { sig, value } = KeySignature::new(plan, function, shape, name, parameters);
    let coding = read::coding(plan, &value, shape);
    let imports = imports(&[]);
    let vis = &function.vis;
    let cfgs = kept_everywhere(function);
    quote! {
        #(#cfgs)*
        #[doc = #doc]
        #[allow(dead_code)]
        #vis #sig {
            #imports
            __aside::key(Self::#read(), #text, #coding)
        }
    }
}

/// The same, of a method, whether its key uses `self` or not: `#[invalidates(self.load_user(id))]` calls it.
fn key_of_self(
    plan: &ReadPlan,
    function: &Function,
    shape: &TokenStream,
    key: &Ident,
) -> Option<TokenStream> {
    let receiver = function.receiver()?;
    let name = format_ident!("__{}", key);
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
    let KeySignature { sig, .. } = KeySignature::new(plan, function, shape, &name, parameters);
    let arguments = turbofish(&sig.generics);
    let vis = &function.vis;
    let cfgs = kept_everywhere(function);
    Some(quote! {
        #(#cfgs)*
        #[doc(hidden)]
        #[allow(dead_code, clippy::unused_self)]
        #vis #sig {
            Self::#key #arguments(#(#used),*)
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
        let generics = needed_by(&used, &function.sig.generics);
        let (params, clause) = (&generics, &generics.where_clause);
        let parameters = parameters.into_iter().map(|(_, parameter)| parameter);
        let sig = parse_quote!(fn #name #params(#(#parameters),*) -> ::cached_aside::Key<#value> #clause);
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
fn uncached(function: &Function, name: &Ident) -> TokenStream {
    let Function { vis, sig, .. } = function;
    let Body::Async(block) = &function.body else { return TokenStream::new() };
    let mut sig = sig.clone();
    let doc = format!(" `{}` without the cache.", sig.ident);
    sig.ident = name.clone();
    let allowed = match vis {
        Visibility::Inherited => quote!(dead_code),
        _ => quote!(dead_code, clippy::missing_errors_doc, clippy::missing_panics_doc),
    };
    let lints = function.attrs.iter().filter(|attribute| is_lint_level(attribute)).map(outer);
    let cfgs = kept_everywhere(function);
    quote! {
        #(#cfgs)*
        #[doc = #doc]
        #[allow(#allowed)]
        #(#lints)*
        #vis #sig #block
    }
}

/// The function that the user wrote, which looks into the cache and else hands everything on.
fn outer_function(
    plan: &ReadPlan,
    function: &Function,
    shape: &TokenStream,
    owner: &TokenStream,
    Names { uncached, read, .. }: &Names,
) -> TokenStream {
    debug_assert_ne!(plan.form, Form::Alone);
    let mut sig = function.sig.clone();
    let mut handed_on = Vec::new();
    for (number, argument) in sig.inputs.iter_mut().enumerate() {
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
    let uncached = quote!(#owner::#uncached #arguments);
    let body = match &plan.staleness.kept {
        None => quote!(#uncached(#(#handed_on),*)),
        Some(kept) => kept_body(kept, &sig, &uncached, &handed_on),
    };
    let load = read::load(plan, function, shape, &quote!(#owner::#read()), &body);
    let Body::Async(block) = &function.body else { return TokenStream::new() };
    let function = Function {
        attrs: function.attrs.iter().map(on_outer_function).collect(),
        vis: function.vis.clone(),
        sig,
        body: Body::Async(Block { brace_token: block.brace_token, stmts: vec![] }),
        place: function.place.clone(),
        parameters: vec![],
        output: function.output.clone(),
    };
    around(&function, &load)
}

/// The body with arguments of its own, made when it begins: it may go on without its caller.
fn kept_body(
    kept: &[Kept],
    sig: &Signature,
    uncached: &TokenStream,
    arguments: &[TokenStream],
) -> TokenStream {
    let (mut kept_here, mut lent) = (Vec::new(), Vec::new());
    for (number, ((kept, argument), written)) in kept.iter().zip(arguments).zip(&sig.inputs).enumerate() {
        let name = ours(&format!("kept{number}"));
        let at = Span::mixed_site().located_at(match written {
            FnArg::Receiver(receiver) => receiver.self_token.span,
            FnArg::Typed(typed) => typed.ty.span(),
        });
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
    quote! {
        move || {
            #(#kept_here)*
            async move { #uncached(#(#lent),*).await }
        }
    }
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

fn is_lint_level(attribute: &Attribute) -> bool {
    ["allow", "warn", "deny", "forbid", "expect"].iter().any(|level| attribute.path().is_ident(level))
}

/// Attributes that hold for every item which the function becomes.
fn kept_everywhere(function: &Function) -> impl Iterator<Item = Attribute> {
    function.attrs.iter().filter(|attribute| attribute.path().is_ident("cfg")).map(outer)
}
