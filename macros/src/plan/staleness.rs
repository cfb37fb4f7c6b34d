//! How old a value may be: the options about it against each other and against the function.

use syn::Ident;

use super::{
    form::Form,
    transfer::{ArgTransfer, transfers},
};
use crate::{
    item::function::Function,
    parse::{
        args::{OptionValue, ReadArgs, Refresh},
        duration::DurationArg,
    },
    problem::Problems,
};

/// Checks the options, and says how each argument becomes owned if loads may outlive their callers.
pub(super) fn staleness(
    args: &ReadArgs,
    function: &Function,
    form: Form,
    problems: &mut Problems,
) -> Option<Vec<ArgTransfer>> {
    sensible(args, problems);
    outlives(args).map(|option| {
        let what = if option == "soft" { "a load with a soft limit" } else { "a load in the background" };
        transfers(what, option, function, form, problems)
    })
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
