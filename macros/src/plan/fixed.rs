//! Options that are fixed when compiling: what of them can only be known when the function is called.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Expr, Ident};

use crate::{
    item::{beside::Beside, function::Function},
    parse::{
        args::{OptionValue, ReadArgs, WriteArgs},
        duration::DurationArg,
    },
    problem::Problems,
    tokens,
};

/// The durations of a `#[cached_aside]`.
pub(super) fn of_read(args: &ReadArgs, function: &Function, problems: &mut Problems) {
    let limits = args.load_timeout.as_ref().map(|option| &option.value);
    let lengths = [
        &args.ttl,
        &args.none_ttl,
        &args.error_ttl,
        &args.lease,
        &args.wait,
        &args.stale_while_revalidate,
        &args.stale_if_error,
        &args.local,
    ];
    let limits = limits.into_iter().flat_map(|limits| [&limits.soft, &limits.hard]);
    for length in lengths.into_iter().chain(limits).flatten() {
        check(length, function, problems);
    }
}

/// The durations of an `#[invalidates]` or `#[updates]`.
pub(super) fn of_write(args: &WriteArgs, function: &Function, problems: &mut Problems) {
    for length in [&args.guard_for, &args.settle].into_iter().flatten() {
        check(length, function, problems);
    }
}

/// What a constant of type `Duration` may be asked when compiling, whatever else has such a method.
const OF_DURATION: [&str; 3] = ["saturating_add", "saturating_mul", "saturating_sub"];

fn check(
    OptionValue { name, value }: &OptionValue<DurationArg>,
    function: &Function,
    problems: &mut Problems,
) {
    let Some(constant) = value.constant() else { return };
    if let Some((span, why)) = not_fixed(name, constant, function) {
        problems.push(syn::Error::new(span, why));
    }
}

fn not_fixed(option: &Ident, constant: &Expr, function: &Function) -> Option<(Span, String)> {
    let by_value = if option == "ttl" { ", or decide by the value with `ttl_for = |value| …`" } else { "" };
    let tokens = constant.to_token_stream();
    if let Some(name) = parameter(&tokens, function) {
        return Some((
            name.span(),
            format!(
                "`{option}` is fixed when compiling, and `{name}` is known when the function is called; write a string, such as \
                 `\"5m\"`, or a constant of type `Duration`{by_value}"
            ),
        ));
    }
    if let Some(name) = Beside::of(function).and_then(|beside| not_const(constant, &beside)) {
        return Some((
            name.span(),
            format!(
                "`{option}` is fixed when compiling, and `{name}` is not a `const fn`; make it one{by_value}"
            ),
        ));
    }
    let is_number =
        !tokens.clone().into_iter().any(|token| matches!(token, TokenTree::Ident(_) | TokenTree::Group(_)));
    is_number.then(|| {
        let span = syn::spanned::Spanned::span(constant);
        (
            span,
            format!(
                "`{tokens}` has no unit; write a string such as `\"5m\"`, or `Duration::from_secs({tokens})`"
            ),
        )
    })
}

/// The function that is called first, if it can't be called when compiling.
fn not_const<'a>(constant: &'a Expr, beside: &Beside) -> Option<&'a Ident> {
    let is_not_const = |name: &Ident| beside.is_not_const(&name.to_string());
    match constant {
        Expr::Call(call) => match &*call.func {
            Expr::Path(path) => path.path.get_ident().filter(|name| is_not_const(name)),
            _ => None,
        },
        Expr::Field(field) => not_const(&field.base, beside),
        Expr::Paren(paren) => not_const(&paren.expr, beside),
        Expr::Reference(reference) => not_const(&reference.expr, beside),
        Expr::MethodCall(call) => not_const(&call.receiver, beside).or_else(|| {
            let of_static = matches!(&*call.receiver, Expr::Path(path)
                if path.path.get_ident().is_some_and(|name| beside.is_static(&name.to_string())));
            let is_own = !OF_DURATION.iter().any(|method| call.method == method);
            Some(&call.method)
                .filter(|name| of_static && is_own && beside.is_no_const_method(&name.to_string()))
        }),
        _ => None,
    }
}

/// A parameter where it is a name of its own.
fn parameter(tokens: &TokenStream, function: &Function) -> Option<Ident> {
    tokens::find(tokens, &mut |seen| match seen.token {
        TokenTree::Ident(ident)
            if function.parameters.iter().any(|parameter| parameter.binds(&ident.to_string())) =>
        {
            Some(ident.clone())
        }
        _ => None,
    })
}
