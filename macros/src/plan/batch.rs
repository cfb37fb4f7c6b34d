//! `#[cached_aside(load_user(id) for id in ids)]`: what will be generated.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote};
use syn::{Expr, FnArg, ReceiverKind, Type, spanned::Spanned};

use super::{
    coverage,
    form::Form,
    key::not_a_parameter,
    optional_keys::leaves,
    pattern,
    read::{name_of_companions, unchanged_self, uncommitted},
};
use crate::{
    item::{
        context::Context,
        function::{Function, Parameter},
    },
    parse::{
        args::{Attribute, OptionValue},
        batch::BatchArgs,
        call::Call,
        duration::DurationArg,
        each::Each,
    },
    problem::Problems,
    tokens::{compact, mentions, same, variables},
};

/// Everything about a batch that its expansion needs.
pub(crate) struct BatchPlan {
    pub(crate) form: Form,
    /// The call of the single function.
    pub(crate) call: Call,
    pub(crate) each: Each,
    /// The number of the parameter that is the list.
    pub(crate) list: usize,
    pub(crate) cache: Option<Expr>,
    pub(crate) wait: Option<OptionValue<DurationArg>>,
    /// The parameters that the call uses.
    pub(crate) used: Vec<usize>,
}

pub(crate) fn batch(args: BatchArgs, function: &Function, mut problems: Problems) -> syn::Result<BatchPlan> {
    let BatchArgs { target, mut options } = args;
    let form = Form::of(function);
    let attribute = Attribute::CachedAside.name();
    function.check(attribute, &mut problems);
    function.check_output(attribute, &mut problems);
    unchanged_self(function, &mut problems);
    uncommitted(&options, function, &mut problems);
    name_of_companions(function, form, &mut problems);
    // Whoever wrote `ignore(db)` doesn't read that it is not skipped.
    let skips = options.skip.is_some() || !options.names("skip");
    let skip = options.skip.take().map(|skip| skip.value).unwrap_or_default();
    coverage::skips(&skip, None, function, &mut problems);
    let planned = target.and_then(|(call, each)| {
        if let Some(span) = call.parts().find_map(leaves) {
            problems.push(syn::Error::new(
                span,
                "the ids of a batch are all there; take them out of their `Option`s in a list of their own",
            ));
        }
        for argument in call.arguments() {
            pattern::whole_only(argument, function, &mut problems);
        }
        let list = list(&each, function, &mut problems)?;
        let used = used(&call, function);
        if skips {
            covered(&call, (&each, list), &skip, function, &mut problems);
        }
        if form == Form::Alone {
            taken_self(function, &mut problems);
        }
        Some((call, each, list, used))
    });
    if let Some(cache) = &options.cache {
        pattern::whole_only(&cache.value, function, &mut problems);
    }
    problems.finish()?;
    let Some((call, each, list, used)) = planned else {
        return Err(syn::Error::new(Span::call_site(), "this attribute can't be understood"));
    };
    let cache = options.cache.take().map(|cache| cache.value);
    Ok(BatchPlan { form, call, each, list, cache, wait: options.wait.take(), used })
}

/// The number of the parameter that the list is.
fn list(each: &Each, function: &Function, problems: &mut Problems) -> Option<usize> {
    let Some(name) = name_of_list(&each.list) else {
        problems.push(syn::Error::new(
            each.list.span(),
            "the list of a batch is a parameter, since the body is given a part of it; write its name alone, such as \
             `for id in ids`",
        ));
        return None;
    };
    let text = name.to_string();
    let number = function.parameters.iter().position(|parameter| parameter.binds(&text));
    let Some(parameter) = number.map(|number| &function.parameters[number]) else {
        let names = function.parameters.iter().flat_map(|parameter| &parameter.bindings);
        problems.push(syn::Error::new(name.span(), not_a_parameter(&text, names)));
        return None;
    };
    let why = match &parameter.written {
        FnArg::Receiver(_) => {
            "`self` is no list; give the ids as a parameter of their own, such as `ids: &[u64]`"
        }
        FnArg::Typed(_) if parameter.name.is_none() => {
            "the list of a batch is a whole parameter; give the ids as one of their own, such as `ids: &[u64]`"
        }
        FnArg::Typed(typed) if matches!(&*typed.ty, Type::Reference(ty) if ty.mutability.is_some()) => {
            "the body of a batch is given another list, and nothing would change this one; take `&[_]` or a `Vec<_>`"
        }
        FnArg::Typed(_) => return number,
    };
    problems.push(syn::Error::new(parameter.span(), why));
    None
}

/// `ids`
fn name_of_list(list: &Expr) -> Option<&Ident> {
    match list {
        Expr::Path(path) if path.qself.is_none() => path.path.get_ident(),
        Expr::Group(group) => name_of_list(&group.expr),
        Expr::Paren(paren) => name_of_list(&paren.expr),
        _ => None,
    }
}

/// What the call is made of: the name of a function, a field or a path is none of it.
fn mentioned(call: &Call) -> TokenStream {
    let parts: Vec<TokenStream> = call.parts().map(ToTokens::to_token_stream).collect();
    quote!(#(#parts),*)
}

fn is_mentioned(parameter: &Parameter, mentioned: &TokenStream) -> bool {
    let mentioned = variables(mentioned);
    parameter.bindings.iter().any(|binding| mentioned.iter().any(|name| same(binding, name)))
}

/// The parameters that are arguments of the call.
fn used(call: &Call, function: &Function) -> Vec<usize> {
    let mentioned = mentioned(call);
    let is_used = |number: &usize| is_mentioned(&function.parameters[*number], &mentioned);
    (0..function.parameters.len()).filter(is_used).collect()
}

/// Each parameter is in the call, which makes the keys, or skipped.
fn covered(
    call: &Call,
    (each, list): (&Each, usize),
    skip: &[Ident],
    function: &Function,
    problems: &mut Problems,
) {
    let of_items = each.names();
    let (mentioned, called) = (mentioned(call), call.name());
    for (number, parameter) in function.parameters.iter().enumerate() {
        let is_skipped = coverage::is_skipped(parameter, skip);
        if number == list {
            if is_skipped {
                problems.push(syn::Error::new(
                    parameter.span(),
                    "this is the list of the batch, which can't be skipped; take it out of `skip(…)`",
                ));
            }
            continue;
        }
        if let Some(hidden) = parameter.bindings.iter().find(|name| of_items.contains(name)) {
            problems.push(syn::Error::new(
                each.pat.span(),
                format!("`{hidden}` is also a parameter; call what an item is called differently"),
            ));
            continue;
        }
        if is_skipped || is_mentioned(parameter, &mentioned) || parameter.unused {
            continue;
        }
        let name = parameter.name.as_ref().or(parameter.bindings.first());
        let name = name.map_or_else(|| "_".to_owned(), ToString::to_string);
        problems.push(syn::Error::new(
            parameter.span(),
            format!(
                "`{name}` is neither in the call of `{called}` nor skipped, so that callers with different values would share the \
                 entries; name it in the call, or write `skip({name})` if the values never depend on it"
            ),
        ));
    }
    if !of_items.iter().any(|item| variables(&mentioned).iter().any(|name| same(item, name))) {
        problems.push(syn::Error::new(
            each.pat.span(),
            format!("the call of `{called}` doesn't name this, so that all items would have one key; write `{called}({})`", compact(&each.pat.to_token_stream())),
        ));
    }
    nowhere(call, skip, function, problems);
}

/// Generic parameters, also those of the `impl`, that only the body knows; and what `Self` is in a trait.
fn nowhere(call: &Call, skip: &[Ident], function: &Function, problems: &mut Problems) {
    let mut known = call.to_token_stream();
    function.output.to_tokens(&mut known);
    function.parameters.iter().for_each(|parameter| parameter.written.to_tokens(&mut known));
    // The single function of the same type has its parameters in its keys, or says that they don't matter. A receiver speaks for them as
    // it does there.
    let of_self = is_of_self(call) || function.receiver().is_some();
    let self_ty = function.implementation().map(|item| &*item.self_ty).filter(|_| of_self);
    let in_self = |name: &Ident| {
        self_ty.is_some_and(|ty| {
            !coverage::is_bare(ty, function) && mentions(&ty.to_token_stream(), &name.to_string())
        })
    };
    let mut check = |name: &Ident, span: Span, is_known: bool| {
        if !is_known && !skip.iter().any(|skipped| same(skipped, &name.to_string())) {
            let name = compact(&name.to_token_stream());
            problems.push(syn::Error::new(
                span,
                format!(
                    "`{name}` is neither in the call nor in a type, so that two instantiations would share their entries; name it \
                     in the call, or write `skip({name})` if the values never depend on it"
                ),
            ));
        }
    };
    for (name, is_around) in coverage::named_generics(function) {
        let is_known = mentions(&known, &name.to_string()) || is_around && in_self(name);
        check(name, if is_around { function.sig.ident.span() } else { name.span() }, is_known);
    }
    if matches!(function.context, Context::Trait(_)) {
        let name = Ident::new("Self", function.sig.ident.span());
        check(&name, name.span(), is_of_self(call));
    }
}

/// `self.load_user(id)`, `Self::load_user(id)`, `load_user(Self::TENANT, id)`
fn is_of_self(call: &Call) -> bool {
    let tokens = call.to_token_stream();
    mentions(&tokens, "Self") || variables(&mentioned(call)).iter().any(|name| name == "self")
}

/// In the `impl` of a trait the body stands where it is, and may run twice.
fn taken_self(function: &Function, problems: &mut Problems) {
    let Some(receiver) = function.receiver() else { return };
    let is_borrowed = match &receiver.kind {
        ReceiverKind::Reference(..) => true,
        ReceiverKind::Typed(_, ty) => matches!(&**ty, Type::Reference(_)),
        _ => false,
    };
    if !is_borrowed {
        problems.push(syn::Error::new(
            receiver.self_token.span,
            "a batch in the `impl` of a trait may run its body twice; take `&self`, or let it call an inherent method that carries \
             the attribute",
        ));
    }
}
