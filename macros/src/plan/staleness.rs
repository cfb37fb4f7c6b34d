//! How old a value may be: the options about it against each other and against the function.

use quote::ToTokens;
use syn::{FnArg, Ident, ReceiverKind, Type, TypeReference, spanned::Spanned};

use super::Form;
use crate::{
    item::{
        function::{Function, Parameter},
        shape::has_lifetimes,
    },
    parse::{
        args::{OptionValue, ReadArgs, Refresh},
        duration::DurationArg,
    },
    problem::Problems,
    tokens::compact,
};

/// How an argument becomes owned by a load that may outlive its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ArgTransfer {
    /// Moved.
    Moved,
    /// A reference: its referent is copied.
    Copied,
}

/// Checks the options, and says how each argument becomes owned if loads may outlive their callers.
pub(super) fn staleness(
    args: &ReadArgs,
    function: &Function,
    form: Form,
    problems: &mut Problems,
) -> Option<Vec<ArgTransfer>> {
    sensible(args, problems);
    outlives(args).map(|option| transfers(option, function, form, problems))
}

/// Options that would be without effect.
fn sensible(args: &ReadArgs, problems: &mut Problems) {
    let while_reloading = args.names("stale_while_revalidate") || args.names("early_refresh");
    let (soft, hard) = args.limits();
    let mut problem = |name: &Ident, why: &str| problems.push(syn::Error::new(name.span(), why));
    match &args.refresh {
        Some(OptionValue { name, value: Refresh::Background }) if !while_reloading => problem(
            name,
            "a refresh in the background needs a value to return meanwhile; write `stale_while_revalidate = \"1m\"` or \
             `early_refresh = 1.0` too, or leave `refresh` out",
        ),
        Some(OptionValue { name, .. }) if !while_reloading && !args.names("stale_if_error") => problem(
            name,
            "`refresh` says who reloads a stale value, and this function returns none; write \
             `stale_while_revalidate = \"1m\"` too, or leave `refresh` out",
        ),
        _ => {}
    }
    if let Some(soft) = soft
        && !while_reloading
        && !args.names("stale_if_error")
    {
        problem(
            &soft.name,
            "past the soft limit a caller gets the stale value, and this function returns none; write \
             `stale_if_error = \"1h\"` or `stale_while_revalidate = \"1m\"` too, or take a `hard` limit",
        );
    }
    if let (
        Some(OptionValue { name, value: DurationArg::Known(soft) }),
        Some(OptionValue { value: DurationArg::Known(hard), .. }),
    ) = (soft, hard)
        && soft >= hard
    {
        problem(name, "`soft` must be shorter than `hard`: a load that was dropped does not go on");
    }
}

/// The option for which loads go on without their callers.
fn outlives(args: &ReadArgs) -> Option<&Ident> {
    let background = args.refresh.as_ref().filter(|option| option.value == Refresh::Background);
    background.map(|option| &option.name).or_else(|| args.limits().0.map(|soft| &soft.name))
}

/// How each argument becomes owned by a load that may outlive its caller.
fn transfers(option: &Ident, function: &Function, form: Form, problems: &mut Problems) -> Vec<ArgTransfer> {
    let what = if option == "soft" { "with a soft limit" } else { "in the background" };
    if form == Form::Alone {
        problems.push(syn::Error::new(
            option.span(),
            format!(
                "a load {what} can't be that of a function in a trait or an `impl` of one; let it call a free function or an \
                 inherent method that carries the attribute"
            ),
        ));
        return Vec::new();
    }
    if has_lifetimes(&function.output) {
        problems.push(syn::Error::new(
            function.output.span(),
            format!("a load {what} goes on when its caller has gone, and so can't return what borrows; return an owned type"),
        ));
    }
    let transfers = function.parameters.iter().map(|parameter| {
        transfer(parameter).unwrap_or_else(|borrows| {
            let (name, ty) = (name(parameter), compact(&borrows.to_token_stream()));
            problems.push(syn::Error::new(
                parameter.span(),
                format!(
                    "a load {what} goes on when its caller has gone, and can't keep {name}, a `{ty}`; take an owned value, or a \
                     plain reference to something that is `Clone`, or leave `{option}` out"
                ),
            ));
            ArgTransfer::Moved
        })
    });
    transfers.collect()
}

fn name(parameter: &Parameter) -> String {
    parameter.name.as_ref().map_or_else(|| "this argument".to_owned(), |name| format!("`{name}`"))
}

/// How the argument becomes owned, or its type if it can't.
fn transfer(parameter: &Parameter) -> Result<ArgTransfer, &Type> {
    match &parameter.written {
        FnArg::Receiver(receiver) => match &receiver.kind {
            ReceiverKind::Reference(..) => Ok(ArgTransfer::Copied),
            ReceiverKind::Typed(_, ty) => transfer_type(ty),
            _ => Ok(ArgTransfer::Moved),
        },
        FnArg::Typed(typed) => transfer_type(&typed.ty),
    }
}

fn transfer_type(ty: &Type) -> Result<ArgTransfer, &Type> {
    match ty {
        Type::Group(group) => transfer_type(&group.elem),
        Type::Paren(paren) => transfer_type(&paren.elem),
        // Its bounds may speak of references that it does not hold; the compiler knows.
        Type::ImplTrait(_) => Ok(ArgTransfer::Moved),
        _ if !has_lifetimes(ty) => Ok(ArgTransfer::Moved),
        Type::Reference(TypeReference { mutability: None, elem, .. }) if !has_lifetimes(elem) => {
            Ok(ArgTransfer::Copied)
        }
        _ => Err(ty),
    }
}
