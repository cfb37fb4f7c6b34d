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
        args::{Given, ReadArgs, Refresh},
        duration::Length,
    },
    problem::Problems,
    tokens::compact,
};

/// How an argument is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kept {
    /// As it is.
    Moved,
    /// A reference, by a copy of what it refers to.
    Copied,
}

/// The rules about it, and how each argument is kept by a load that goes on without its caller, if one may.
pub(super) fn staleness(
    args: &ReadArgs,
    function: &Function,
    form: Form,
    problems: &mut Problems,
) -> Option<Vec<Kept>> {
    sensible(args, problems);
    outlives(args).map(|option| kept(option, function, form, problems))
}

/// Options that would be without effect.
fn sensible(args: &ReadArgs, problems: &mut Problems) {
    let while_reloading = args.names("stale_while_revalidate") || args.names("early_refresh");
    let (soft, hard) = args.limits();
    let mut problem = |name: &Ident, why: &str| problems.push(syn::Error::new(name.span(), why));
    match &args.refresh {
        Some(Given { name, value: Refresh::Background }) if !while_reloading => problem(
            name,
            "a refresh in the background needs a value that is given meanwhile; write `stale_while_revalidate = \"1m\"` or \
             `early_refresh = 1.0` too, or leave `refresh` out",
        ),
        Some(Given { name, .. }) if !while_reloading && !args.names("stale_if_error") => problem(
            name,
            "`refresh` says who reloads a value that is still given, and this function gives none; write \
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
            "past the soft limit a caller is given the old value, and this function gives none; write \
             `stale_if_error = \"1h\"` or `stale_while_revalidate = \"1m\"` too, or take a `hard` limit",
        );
    }
    if let (Some(Given { name, value: Length::Known(soft) }), Some(Given { value: Length::Known(hard), .. })) =
        (soft, hard)
        && soft >= hard
    {
        problem(name, "`soft` must be shorter than `hard`: a load that was dropped does not go on");
    }
}

/// The option for which loads go on without their callers.
fn outlives(args: &ReadArgs) -> Option<&Ident> {
    let background = args.refresh.as_ref().filter(|given| given.value == Refresh::Background);
    background.map(|given| &given.name).or_else(|| args.limits().0.map(|soft| &soft.name))
}

/// How a load that goes on without its caller keeps the arguments.
fn kept(option: &Ident, function: &Function, form: Form, problems: &mut Problems) -> Vec<Kept> {
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
            format!("a load {what} goes on when its caller has gone, and so can't give what borrows; return an owned type"),
        ));
    }
    let kept = function.parameters.iter().map(|parameter| {
        keep(parameter).unwrap_or_else(|borrows| {
            let (name, ty) = (name(parameter), compact(&borrows.to_token_stream()));
            problems.push(syn::Error::new(
                parameter.span(),
                format!(
                    "a load {what} goes on when its caller has gone, and can't keep {name}, a `{ty}`; take an owned value, or a \
                     plain reference to something that is `Clone`, or leave `{option}` out"
                ),
            ));
            Kept::Moved
        })
    });
    kept.collect()
}

fn name(parameter: &Parameter) -> String {
    parameter.name.as_ref().map_or_else(|| "this argument".to_owned(), |name| format!("`{name}`"))
}

/// How an argument is kept, or its type if it can't be.
fn keep(parameter: &Parameter) -> Result<Kept, &Type> {
    match &parameter.written {
        FnArg::Receiver(receiver) => match &receiver.kind {
            ReceiverKind::Reference(..) => Ok(Kept::Copied),
            ReceiverKind::Typed(_, ty) => keep_type(ty),
            _ => Ok(Kept::Moved),
        },
        FnArg::Typed(typed) => keep_type(&typed.ty),
    }
}

fn keep_type(ty: &Type) -> Result<Kept, &Type> {
    match ty {
        Type::Group(group) => keep_type(&group.elem),
        Type::Paren(paren) => keep_type(&paren.elem),
        // Its bounds may speak of references that it does not hold; the compiler knows.
        Type::ImplTrait(_) => Ok(Kept::Moved),
        _ if !has_lifetimes(ty) => Ok(Kept::Moved),
        Type::Reference(TypeReference { mutability: None, elem, .. }) if !has_lifetimes(elem) => {
            Ok(Kept::Copied)
        }
        _ => Err(ty),
    }
}
