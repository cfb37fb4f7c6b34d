//! `#[cached_aside(load_user(id) for id in ids)]`: what will be generated.

use proc_macro2::{Ident, Span, TokenStream};
use quote::ToTokens;
use syn::{Expr, FnArg, GenericParam, ReceiverKind, Type, spanned::Spanned};

use super::{
    coverage,
    form::Form,
    key::not_a_parameter,
    optional_keys::has_question,
    read::{name_of_companions, unchanged_self, uncommitted},
};
use crate::{
    item::function::{Function, Parameter},
    parse::{
        args::{Attribute, OptionValue},
        batch::BatchArgs,
        call::Call,
        duration::DurationArg,
        each::Each,
    },
    problem::Problems,
    tokens::{compact, mentions},
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
    let skip = options.skip.take().map(|skip| skip.value).unwrap_or_default();
    coverage::skips(&skip, None, function, &mut problems);
    let planned = target.and_then(|(call, each)| {
        if let Some(argument) = call.arguments().find(|argument| has_question(argument)) {
            problems.push(syn::Error::new(
                argument.span(),
                "the ids of a batch are all there; take them out of their `Option`s in a list of their own",
            ));
        }
        let list = list(&each, function, &mut problems)?;
        let used = used(&call, function);
        covered(&call, (&each, list), &skip, function, &mut problems);
        if form == Form::Alone {
            taken_self(function, &mut problems);
        }
        Some((call, each, list, used))
    });
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

/// The parameters that are arguments of the call.
fn used(call: &Call, function: &Function) -> Vec<usize> {
    let call = call.to_token_stream();
    let is_used = |parameter: &Parameter| {
        parameter.bindings.iter().any(|binding| mentions(&call, &binding.to_string()))
    };
    (0..function.parameters.len()).filter(|number| is_used(&function.parameters[*number])).collect()
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
    let tokens = call.to_token_stream();
    let called = call.name();
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
        let in_call = parameter.bindings.iter().any(|name| mentions(&tokens, &name.to_string()));
        if is_skipped || in_call || parameter.unused {
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
    if !of_items.iter().any(|name| mentions(&tokens, &name.to_string())) {
        problems.push(syn::Error::new(
            each.pat.span(),
            format!("the call of `{called}` doesn't name this, so that all items would have one key; write `{called}({})`", compact(&each.pat.to_token_stream())),
        ));
    }
    nowhere(&tokens, skip, function, problems);
}

/// Generic parameters that only the body knows.
fn nowhere(call: &TokenStream, skip: &[Ident], function: &Function, problems: &mut Problems) {
    let mut known = call.clone();
    function.output.to_tokens(&mut known);
    function.parameters.iter().for_each(|parameter| parameter.written.to_tokens(&mut known));
    for parameter in &function.sig.generics.params {
        let name = match parameter {
            GenericParam::Type(parameter) => &parameter.ident,
            GenericParam::Const(parameter) => &parameter.ident,
            GenericParam::Lifetime(_) => continue,
        };
        if !mentions(&known, &name.to_string()) && !skip.contains(name) {
            problems.push(syn::Error::new(
                name.span(),
                format!(
                    "`{name}` is neither in the call nor in a type, so that two instantiations would share their entries; name it \
                     in the call, or write `skip({name})` if the values never depend on it"
                ),
            ));
        }
    }
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
