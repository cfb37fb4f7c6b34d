//! `#[updates]`: what will be generated.

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;
use syn::{Expr, spanned::Spanned};

use super::{
    constants, display_name, fixed,
    named::misnamed,
    write::{key_of, mention_of_result, required, settings, undecided_when},
};
use crate::{
    args::{Given, Policy, Target, WriteArgs},
    call::{Call, Context},
    optional::has_question,
    problem::Problems,
    signature::Function,
};

/// Everything about an updating function that its expansion needs.
pub(crate) struct UpdatePlan {
    pub(crate) name: String,
    /// The calls that follow `WriteSettings::new`.
    pub(crate) settings: TokenStream,
    /// `guard = "required"`: how a write is refused.
    pub(crate) required: Option<Span>,
    pub(crate) when: Option<Expr>,
    pub(crate) cache: Option<Expr>,
    /// The keys to store under, each an expression of type `Key<_>`.
    pub(crate) keys: Vec<TokenStream>,
}

pub(crate) fn update(
    mut args: WriteArgs,
    function: &Function,
    mut problems: Problems,
) -> syn::Result<UpdatePlan> {
    function.check("updates", &mut problems);
    constants::in_static(args.lengths_mut(), function, &mut problems);
    function.check_output("updates", &mut problems);
    if !args.names_a_key {
        problems.push(syn::Error::new(
            Span::call_site(),
            "nothing is updated; name the call of a cached function, such as `load_user(user.id)`",
        ));
    }
    guarded(&args, &mut problems);
    undecided_when(&args, function, &mut problems);
    fixed::of_write(&args, function, &mut problems);
    let context = Context::of(function);
    let in_named_cache = args.cache.is_some();
    let keys = args
        .targets
        .iter()
        .filter_map(|target| key(target, &context, in_named_cache, &mut problems))
        .collect();
    problems.finish()?;
    Ok(UpdatePlan {
        name: display_name(function),
        settings: settings(&args),
        required: required(&args),
        when: args.when.map(|when| when.value),
        cache: args.cache.map(|cache| cache.value),
        keys,
    })
}

/// Nothing can be stored without a guard, nor while one settles.
fn guarded(args: &WriteArgs, problems: &mut Problems) {
    if let Some(Given { name, value: Policy::Off }) = &args.guard {
        problems.push(syn::Error::new(
            name.span(),
            "only a guard tells whether this was the only write, whose value may be stored; leave `guard` out, or delete the entry with `#[invalidates(…, guard = \"off\")]`",
        ));
    }
    if let Some(Given { name, .. }) = &args.settle {
        problems.push(syn::Error::new(
            name.span(),
            "`settle` keeps the guard after the write, and here the value takes its place; remove it, or delete the entry with `#[invalidates(…, settle = …)]`",
        ));
    }
}

fn key(
    target: &Target,
    context: &Context,
    in_named_cache: bool,
    problems: &mut Problems,
) -> Option<TokenStream> {
    match target {
        Target::Template(template) => {
            problems.push(syn::Error::new(
                template.literal.span(),
                "a template doesn't say which type and codec its entry has; name the call of the cached function, such as `load_user(user.id)`, or delete the entry with `#[invalidates(…)]`",
            ));
            None
        }
        Target::Call(call) => match mention(call) {
            Some(span) => {
                problems.push(syn::Error::new(
                    span,
                    "the key must be known before the body, to be guarded while it runs; name it by the arguments, or delete the entry with `#[invalidates(…)]`",
                ));
                None
            }
            None if call.arguments().any(has_question) => {
                problems.push(syn::Error::new(
                    call.key(context).span(),
                    "one entry is updated, and `?` names one that there may not be; take the argument out of its `Option` before, or \
                     delete the entry with `#[invalidates(…)]`",
                ));
                None
            }
            None => match misnamed(call, context) {
                Some(problem) => {
                    problems.push(problem);
                    None
                }
                None => Some(key_of(call, context, in_named_cache)),
            },
        },
    }
}

/// Where the call names the result.
fn mention(call: &Call) -> Option<Span> {
    let mut arguments = call.arguments().map(ToTokens::to_token_stream);
    arguments.find_map(|argument| mention_of_result(&argument)).map(|result| result.span())
}
