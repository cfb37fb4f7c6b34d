//! What an attribute fixes, as a static.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::{GenericParam, LitInt, spanned::Spanned};

use super::{
    catalog,
    coding::{codec, coding_of, error_coding, version},
    pieces::setting,
};
use crate::{
    item::{
        context::Context,
        function::Function,
        shape::{with_self, without_lifetimes},
    },
    parse::{
        args::{OptionValue, Policy, Refresh},
        duration::DurationArg,
    },
    plan::{
        ReadPlan, Shown, WritePlan, WriteSettings,
        key::{ValueFormat, ValueOf},
    },
    tokens::{OF_MACRO, mentions},
};

/// What a `#[cached_aside]` fixes, which the program finds without a call.
pub(super) fn of_read(plan: &ReadPlan, function: &Function, shape: &TokenStream) -> TokenStream {
    let name = &plan.name;
    let template = match &plan.template {
        Shown::Written(literal) => literal.to_token_stream(),
        Shown::Derived(template) => quote!(::core::concat!(::core::module_path!(), #template)),
    };
    let ttl = duration(&plan.ttl.value);
    // Where a TTL that isn't one is reported.
    let at_ttl = plan.ttl.value.span().unwrap_or(plan.ttl.name.span());
    let (settings, integers, tags) = (read_settings(plan), integers(plan), catalog::tags(plan));
    let types = types(plan, function, shape);
    let new = quote_spanned! {at_ttl=>
        __aside::ReadFunction::declare(::core::module_path!(), #name, #template, #ttl)
    };
    quote! {
        static __READ: __aside::ReadFunction = #new #integers #settings #tags #types;
        ::cached_aside::__private::inventory::submit! { ::cached_aside::__private::Linked(&__READ) }
    }
}

/// Which placeholders of the template are integers, a bit each, from the first on: they give no other text. `{Self}` may write more than
/// itself, so that those behind it can't be counted.
fn integers(plan: &ReadPlan) -> Option<TokenStream> {
    let Shown::Written(literal) = &plan.template else { return None };
    let values = plan.key.values().take_while(|value| !matches!(value.of, ValueOf::TypeName(_))).take(64);
    let integers = values.enumerate().map(|(number, value)| {
        if matches!(value.format, ValueFormat::Integer) { 1_u64 << number } else { 0 }
    });
    let integers = LitInt::new(&integers.sum::<u64>().to_string(), literal.span());
    (integers.base10_digits() != "0").then(|| quote!(.integers(#integers)))
}

fn read_settings(plan: &ReadPlan) -> TokenStream {
    let options = &plan.options;
    let length = |name, option: &Option<OptionValue<DurationArg>>| setting(name, option.as_ref(), duration);
    let in_background = options.refresh.as_ref().filter(|option| option.value == Refresh::Background);
    let (soft, hard) = options.limits();
    let calls = [
        length("none_ttl", &options.none_ttl),
        length("error_ttl", &options.error_ttl),
        setting("jitter", options.jitter.as_ref(), ToTokens::to_token_stream),
        length("lease", &options.lease),
        length("wait", &options.wait),
        setting("shares_key", options.shares_key.as_ref(), |()| TokenStream::new()),
        setting("verify", options.verify.as_ref(), ToTokens::to_token_stream),
        setting("ttl_only", options.ttl_only.as_ref(), |()| TokenStream::new()),
        setting("cached_in_transaction", options.in_transaction.as_ref(), |()| TokenStream::new()),
        length("local", &options.local),
        setting("local_bounded", options.bounded(), |_| TokenStream::new()),
        length("stale_while_revalidate", &options.stale_while_revalidate),
        length("stale_if_error", &options.stale_if_error),
        setting("refresh_in_background", in_background, |_| TokenStream::new()),
        // The hard limit first: the soft one is compared with it.
        setting("hard_limit", hard, duration),
        setting("soft_limit", soft, duration),
        setting("early_refresh", options.early_refresh.as_ref(), ToTokens::to_token_stream),
    ];
    calls.into_iter().flatten().collect()
}

/// How the types are encoded that the function stores, where they are known without a call.
fn types(plan: &ReadPlan, function: &Function, shape: &TokenStream) -> Option<TokenStream> {
    let (codec, version) = (codec(plan), version(plan));
    let output = without_lifetimes(&with_self(&function.output, function));
    let used = quote!(#output #codec #version);
    let generic = |parameter: &GenericParam| match parameter {
        GenericParam::Type(parameter) => mentions(&used, &parameter.ident.to_string()),
        GenericParam::Const(parameter) => mentions(&used, &parameter.ident.to_string()),
        GenericParam::Lifetime(_) => false,
    };
    // A static is an item of its own: generic parameters and `Self` mean nothing in it.
    if mentions(&used, "Self")
        || function.generic_parameters().any(generic)
        || is_of_unknown_generics(function)
    {
        return None;
    }
    let stores = coding_of(plan, function, &output, Some(shape));
    let errors = plan.options.error_if.as_ref().map(|_| {
        let coding = error_coding(plan, &output, shape);
        quote!(.errors(&#coding))
    });
    Some(quote!(.stores(&#stores) #errors))
}

/// An `impl` around the function that can't be read may have parameters of any name.
fn is_of_unknown_generics(function: &Function) -> bool {
    match &function.context {
        Context::Inherent(None) | Context::TraitImpl(None) => true,
        Context::Inherent(Some(item)) | Context::TraitImpl(Some(item)) => {
            item.to_token_stream().to_string().contains(OF_MACRO)
        }
        // What is generic around a nested function means nothing in it either.
        Context::Free | Context::Nested | Context::Trait(_) | Context::Unknown => false,
    }
}

/// What an `#[invalidates]` or `#[updates]` fixes.
pub(super) fn of_write(plan: &WritePlan) -> TokenStream {
    let WriteSettings { guard, guard_for, settle, wait_replicas, inside, own, around } = &plan.settings;
    let policy = |policy: &Policy| {
        let policy = match policy {
            Policy::BestEffort => "BestEffort",
            Policy::Required(_) => "Required",
            Policy::Off => "Off",
        };
        let policy = Ident::new(policy, Span::call_site());
        quote!(__aside::Guard::#policy)
    };
    let calls = [
        setting("guard", guard.as_ref(), policy),
        setting("guard_for", guard_for.as_ref(), duration),
        setting("settle", settle.as_ref(), duration),
        setting("wait_replicas", wait_replicas.as_ref(), ToTokens::to_token_stream),
        setting("in_transaction_only", inside.as_ref(), |_| TokenStream::new()),
        setting("own_transaction", own.as_ref(), |_| TokenStream::new()),
    ];
    let around = around.map(|around| quote!(.attributes_around(#around)));
    let targets = catalog::targets(&plan.mentions, &plan.site);
    let settings: TokenStream = calls.into_iter().flatten().chain(around).chain([targets]).collect();
    let name = &plan.name;
    // A setting that makes no sense is reported from here to there.
    let at_settings = settings.span();
    let new = quote_spanned! {at_settings=>
        __aside::WriteFunction::declare(::core::module_path!(), #name)
    };
    quote! {
        static __WRITE: __aside::WriteFunction = #new #settings;
        ::cached_aside::__private::inventory::submit! { ::cached_aside::__private::LinkedWrite(&__WRITE) }
    }
}

/// An expression of type `Duration`.
pub(super) fn duration(argument: &DurationArg) -> TokenStream {
    match argument {
        DurationArg::Known(duration) if duration.subsec_nanos() == 0 => {
            let seconds = duration.as_secs();
            quote!(__aside::Duration::from_secs(#seconds))
        }
        DurationArg::Known(duration) => {
            let (seconds, nanos) = (duration.as_secs(), duration.subsec_nanos());
            quote!(__aside::Duration::new(#seconds, #nanos))
        }
        DurationArg::Constant(expr) => {
            // All tokens have one span, so that an error is reported once.
            let at = Span::mixed_site().located_at(expr.span());
            quote_spanned!(at=> { let duration = #expr; __aside::duration(&duration).of(duration) })
        }
    }
}
