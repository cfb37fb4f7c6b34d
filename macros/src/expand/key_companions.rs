//! The companions of a cached function that make its keys.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::{
    FnArg, GenericArgument, GenericParam, PathArguments, Signature, Type, parse_quote, spanned::Spanned,
};

use super::{
    attributes::{attributes_of_every_item, attributes_of_keys, generated_vis},
    coding,
    function::{ends, lent, reference},
    key::tagged_key,
    pieces::{generated, hygienic, imports},
};
use crate::{
    item::{
        beside::Beside,
        function::Function,
        generics::{needed_by, turbofish},
        shape::without_lifetimes,
        types::inside,
    },
    plan::{CacheKnown, Form, ReadPlan, TagKey, key::Source},
    tokens::{mentions, names},
};

/// The function that makes the key, of the parameters that the key uses.
pub(super) fn key(
    plan: &ReadPlan,
    function: &Function,
    shape: &TokenStream,
    (name, read): (&Ident, &TokenStream),
) -> TokenStream {
    let parameters: Vec<_> = key_parameters(plan, function).collect();
    let listed: Vec<_> = parameters.iter().filter_map(|(name, _)| name.clone()).collect();
    let listed = quote!(#(#listed),*).to_string().replace(" ,", ",");
    let doc = format!(" The key of `{}({listed})`.", function.sig.ident);
    let text = tagged_key(plan);
    let known = plan.cache.as_ref().map(|cache| cache.known);
    let knows_cache = matches!(known, None | Some(CacheKnown::Everywhere));
    let KeySignature { sig, value } = KeySignature::new(plan, function, shape, name, parameters, knows_cache);
    let coding = coding::coding(plan, function, &value, shape);
    let at_output = Span::mixed_site().located_at(function.output.span());
    let key = match &plan.cache {
        None => quote_spanned!(at_output=> __aside::key(#read(), #text, #coding)),
        Some(cache) if knows_cache => {
            // As in the function, so that what is wrong with it is said once.
            let name = hygienic("cache");
            let cache = lent(&name, &cache.expr);
            let key = quote_spanned!(at_output=> __aside::key_in(#name, #read(), #text, #coding));
            quote!(#cache #key)
        }
        Some(_) => quote_spanned!(at_output=> __aside::key_without_cache(#read(), #text, #coding)),
    };
    let imports = imports(&[]);
    let vis = generated_vis(function);
    let attributes: Vec<_> = attributes_of_every_item(function).chain(attributes_of_keys(function)).collect();
    let documented = documented(&sig, &value, knows_cache);
    // The compiler warns of the unused methods of one `impl` that have one lint level together, and of none of them where one comes
    // from a macro. So this one has another level than the others; of itself nothing is ever said.
    let is_said = attributes.iter().any(|attribute| {
        let tokens = attribute.to_token_stream();
        ["dead_code", "unused", "warnings"].iter().any(|lint| mentions(&tokens, lint))
    });
    let apart = (plan.form == Form::Method && !is_said).then(|| quote!(#[forbid(dead_code)]));
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
        #apart
        #[doc = #doc]
        #vis #sig {
            #imports
            #key
        }
    }
}

/// The signature as people read it: with the value's type as it is written, where the compiler has to look it up. Rustdoc compares
/// no body with it.
fn documented(sig: &Signature, output: &Type, knows_cache: bool) -> Signature {
    let mut value = output;
    while let Some(inner) = inside(value, "Result").or_else(|| inside(value, "Option")) {
        value = inner;
    }
    let unplaced = (!knows_cache).then(|| quote!(, ::cached_aside::Unplaced));
    Signature { output: parse_quote!(-> ::cached_aside::Key<#value #unplaced>), ..sig.clone() }
}

/// The same, of a method, whether its key uses `self` or not: `#[invalidates(self.load_user(id))]` calls it.
pub(super) fn key_of_self(
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
    let knows_cache = known != Some(CacheKnown::InCalls);
    let KeySignature { sig, .. } = KeySignature::new(plan, function, shape, &name, parameters, knows_cache);
    let arguments = turbofish(&sig.generics);
    let placed = plan.cache.as_ref().filter(|cache| cache.known == CacheKnown::OnSelf);
    let name = hygienic("cache");
    let cache = placed.filter(|cache| ends(&cache.expr).is_some()).map(|cache| lent(&name, &cache.expr));
    let in_cache = placed.map(|placed| match &cache {
        Some(_) => quote!(.in_cache(#name)),
        None => {
            let cache = reference(&placed.expr);
            quote!(.in_cache(#cache))
        }
    });
    let vis = generated_vis(function);
    let attributes = attributes_of_every_item(function).chain(attributes_of_keys(function));
    Some(quote! {
        #(#attributes)*
        #[doc(hidden)]
        #[allow(clippy::unused_self)]
        #vis #sig {
            #cache
            Self::#key #arguments(#(#used),*) #in_cache
        }
    })
}

struct KeySignature {
    sig: Signature,
    /// The return type that the key's value is of.
    value: Type,
}

impl KeySignature {
    fn new(
        plan: &ReadPlan,
        function: &Function,
        shape: &TokenStream,
        name: &Ident,
        parameters: Vec<(Option<Ident>, FnArg)>,
        knows_cache: bool,
    ) -> KeySignature {
        let output = without_error(without_lifetimes(&function.output), function);
        let value = coding::value(&output, shape);
        let mut used = output.to_token_stream();
        for value in plan.key.values().filter(|value| value.source == Source::Generic) {
            value.of.root().to_tokens(&mut used);
        }
        for (_, parameter) in &parameters {
            parameter.to_tokens(&mut used);
        }
        if let Some(cache) = plan.cache.as_ref().filter(|_| knows_cache) {
            cache.expr.to_tokens(&mut used);
        }
        let named = names(&options(plan));
        for parameter in &function.sig.generics.params {
            let name = match parameter {
                GenericParam::Type(parameter) => &parameter.ident,
                GenericParam::Const(parameter) => &parameter.ident,
                GenericParam::Lifetime(_) => continue,
            };
            if named.iter().any(|other| name == other) {
                name.to_tokens(&mut used);
            }
        }
        let generics = needed_by(&used, &function.sig.generics);
        let (params, clause) = (&generics, &generics.where_clause);
        let parameters = parameters.into_iter().map(|(_, parameter)| parameter);
        let unplaced = (!knows_cache).then(|| quote!(, ::cached_aside::Unplaced));
        let sig =
            parse_quote!(fn #name #params(#(#parameters),*) -> ::cached_aside::Key<#value #unplaced> #clause);
        KeySignature { sig, value: output }
    }
}

/// What the companion has of the options, which may name parameters of the function.
fn options(plan: &ReadPlan) -> TokenStream {
    let mut used = TokenStream::new();
    let options = &plan.options;
    options.codec.iter().for_each(|codec| codec.value.to_tokens(&mut used));
    options.store_if.iter().for_each(|condition| condition.value.to_tokens(&mut used));
    options.ttl_for.iter().for_each(|time| time.value.to_tokens(&mut used));
    for tag in &plan.tags {
        if let TagKey::Call(call) = tag {
            call.to_tokens(&mut used);
        }
    }
    used
}

/// The type without an error that only a parameter of the function's own names: a key has none of it, from which that parameter could be
/// inferred.
fn without_error(mut output: Type, function: &Function) -> Type {
    let is_own = |ty: &Type| {
        let tokens = ty.to_token_stream();
        function.sig.generics.type_params().any(|own| mentions(&tokens, &own.ident.to_string()))
    };
    if let Type::Path(path) = &mut output
        && let Some(last) = path.path.segments.last_mut().filter(|last| last.ident == "Result")
        && let PathArguments::AngleBracketed(arguments) = &mut last.arguments
        && let Some(GenericArgument::Type(error)) = arguments.args.iter_mut().nth(1)
        && is_own(error)
        && !Beside::of(function).is_some_and(|beside| beside.writes_one_of(&["enum", "struct"], "Result"))
    {
        *error = parse_quote!(());
    }
    output
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
