//! `#[invalidates]` and `#[updates]`: what will be generated.

use proc_macro2::Span;
use quote::ToTokens;
use syn::{Expr, LitInt, LitStr};

use super::{
    constants,
    detach::detach,
    fixed,
    form::display_name,
    optional_keys::leaves,
    targets::{self, After, TargetKey, is_parameter},
    transfer::ArgTransfer,
};
use crate::{
    item::{beside::Site, function::Function, types},
    parse::{
        args::{Attribute, OptionValue, Policy, Transaction, WriteArgs},
        call::Call,
        duration::DurationArg,
        target::{Named, Target},
    },
    problem::Problems,
    tokens::mention_of_result,
};

/// Everything about a writing function that its expansion needs.
pub(crate) struct WritePlan<'a> {
    pub(crate) name: String,
    /// Where its calls are named.
    pub(crate) site: Site<'a>,
    pub(crate) settings: WriteSettings,
    pub(crate) when: Option<Expr>,
    pub(crate) cache: Option<Expr>,
    pub(crate) end: End,
    /// How the arguments become owned by a write that is detached.
    pub(crate) transfers: Option<Vec<ArgTransfer>>,
    /// What it names, in the order in which it is written.
    pub(crate) mentions: Vec<Mention>,
}

/// What a write names, as it is written.
pub(crate) enum Mention {
    Call(Call),
    Template(LitStr),
    /// The template of a tag.
    Tag(LitStr),
}

impl Mention {
    pub(crate) fn of(target: &Target) -> Mention {
        match &target.named {
            Named::Call(call) => Mention::Call(call.clone()),
            Named::Template(template) if template.is_tag => Mention::Tag(template.literal.clone()),
            Named::Template(template) => Mention::Template(template.literal.clone()),
        }
    }
}

/// What becomes of the entries after the body.
pub(crate) enum End {
    /// They are deleted: those that the arguments name, and those that only the result names.
    Delete { before: Vec<TargetKey>, after: Option<After> },
    /// They are replaced by the result of the body.
    Store(Vec<Call>),
}

/// What the attribute fixes.
pub(crate) struct WriteSettings {
    pub(crate) guard: Option<OptionValue<Policy>>,
    pub(crate) guard_for: Option<OptionValue<DurationArg>>,
    pub(crate) settle: Option<OptionValue<DurationArg>>,
    pub(crate) wait_replicas: Option<OptionValue<LitInt>>,
    /// Whether somebody else commits what it writes, and where that was written.
    pub(crate) inside: Option<OptionValue<Transaction>>,
    /// Whether it commits inside of itself.
    pub(crate) own: Option<OptionValue<Transaction>>,
    /// How many attributes that write stand below this one, and so around it.
    pub(crate) around: Option<u8>,
}

impl WriteSettings {
    /// Where `guard = "required"` was written.
    pub(crate) fn required(&self) -> Option<Span> {
        match &self.guard {
            Some(OptionValue { value: Policy::Required(literal), .. }) => Some(literal.span()),
            _ => None,
        }
    }
}

pub(crate) fn write(
    attribute: Attribute,
    mut args: WriteArgs,
    function: &Function,
    mut problems: Problems,
) -> syn::Result<WritePlan<'_>> {
    let stores = attribute == Attribute::Updates;
    function.check(attribute.name(), &mut problems);
    constants::in_static(args.durations_mut(), function, &mut problems);
    if stores {
        function.check_output(attribute.name(), &mut problems);
    }
    if !args.names_a_key {
        let nothing = if stores {
            "nothing is updated; name the call of a cached function, such as `load_user(user.id)`"
        } else {
            "nothing is invalidated; name the call of a cached function, such as `load_user(id)`, or a key, such as `\"user:{id}\"`"
        };
        problems.push(syn::Error::new(Span::call_site(), nothing));
    }
    if stores {
        guarded(&args, &mut problems);
    } else {
        without_guard(&args, &mut problems);
    }
    undecided_when(&args, function, &mut problems);
    left_before_the_body(&args, &mut problems);
    committed_later(&args, function, &mut problems);
    fixed::of_write(&args, function, &mut problems);
    let around = around(function);
    let transfers = detach(&args, function, around, &mut problems);
    let site = Site::of(function);
    let WriteArgs { targets, guard, guard_for, settle, wait_replicas, transaction, when, cache, .. } = args;
    let (inside, own) = match transaction {
        Some(given) if given.value == Transaction::Required => (Some(given), None),
        own => (None, own),
    };
    let settings = WriteSettings { guard, guard_for, settle, wait_replicas, inside, own, around };
    let mentions = targets.iter().map(Mention::of).collect();
    let end = if stores {
        End::Store(targets::to_store(targets, &site, &mut problems))
    } else {
        let (before, after) = targets::to_delete(targets, &site, transfers.is_some(), &mut problems);
        let because = match &settings {
            _ if transfers.is_some() => Some("with `detach`, "),
            settings if settings.required().is_some() => Some("with `guard = \"required\"`, "),
            settings if settings.inside.is_some() => Some("with `transaction = \"required\"`, "),
            _ => after.as_ref().map(|_| "for a key of `result`, "),
        };
        if let Some(because) = because {
            function.check_output_for(because, attribute.name(), &mut problems);
        }
        End::Delete { before, after }
    };
    problems.finish()?;
    Ok(WritePlan {
        name: display_name(function),
        site,
        settings,
        when: when.map(|when| when.value),
        cache: cache.map(|cache| cache.value),
        end,
        mentions,
        transfers,
    })
}

/// How many attributes of this library that write are still to be expanded: each will stand around what this one becomes.
fn around(function: &Function) -> Option<u8> {
    let writes = |attribute: &&syn::Attribute| {
        let name = attribute.path().segments.last().map(|last| last.ident.to_string());
        name.is_some_and(|name| name == Attribute::Invalidates.name() || name == Attribute::Updates.name())
    };
    u8::try_from(function.attrs.iter().filter(writes).count()).ok().filter(|around| *around > 0)
}

/// `when` can't name the result.
fn undecided_when(args: &WriteArgs, function: &Function, problems: &mut Problems) {
    if let Some(when) = &args.when
        && let Some(result) = mention_of_result(&when.value.to_token_stream())
        && !is_parameter(function)
    {
        problems.push(syn::Error::new(
            result.span(),
            "`when` is decided before the body, which has no result yet; decide by the arguments",
        ));
    }
}

/// What is evaluated before the body and leaves the function: the body would not run.
fn left_before_the_body(args: &WriteArgs, problems: &mut Problems) {
    if let Some(span) = args.when.as_ref().and_then(|when| leaves(&when.value)) {
        problems.push(syn::Error::new(
            span,
            "this would leave the function before its body; say what it means where there is none, such as \
             `when = user.is_some_and(|user| user.active)`",
        ));
    }
    if let Some(span) = args.cache.as_ref().and_then(|cache| leaves(&cache.value)) {
        problems.push(syn::Error::new(
            span,
            "this would leave the function before its body, and a write does not fail for want of a cache; give one that is there, or \
             find it before and call a function that takes it",
        ));
    }
}

/// A transaction that is a parameter is committed after the function has returned, as a rule.
fn committed_later(args: &WriteArgs, function: &Function, problems: &mut Problems) {
    if args.says_who_commits {
        return;
    }
    for ty in function.parameter_types() {
        let (name, is) = match types::Transaction::of(ty) {
            Some(types::Transaction::Certain(name)) => (name, "is a database transaction"),
            Some(types::Transaction::Possible(name)) => (name, "may be inside of a database transaction"),
            None => continue,
        };
        problems.push(syn::Error::new(
            name.span(),
            format!(
                "this {is}: where it is committed after the function has returned, the guards end too early, and a reader \
                 stores the old value again. Write `transaction = \"required\"`, and put `cached_aside::transaction(async {{ … }})` \
                 around all of it; or `transaction = \"own\"`, if the function commits before it returns"
            ),
        ));
    }
}

/// Options that mean nothing without a guard.
fn without_guard(args: &WriteArgs, problems: &mut Problems) {
    if !matches!(args.guard, Some(OptionValue { value: Policy::Off, .. })) {
        return;
    }
    for option in [&args.guard_for, &args.settle].into_iter().flatten() {
        let name = &option.name;
        problems.push(syn::Error::new(
            name.span(),
            format!(
                "`{name}` says how long a guard stays, and `guard = \"off\"` sets none; remove one of the two"
            ),
        ));
    }
    if let Some(OptionValue { name, .. }) = &args.wait_replicas {
        problems.push(syn::Error::new(
            name.span(),
            "`wait_replicas` says who has to confirm a guard, and `guard = \"off\"` sets none; remove one of the two",
        ));
    }
}

/// Nothing can be stored without a guard, nor while one settles.
fn guarded(args: &WriteArgs, problems: &mut Problems) {
    if let Some(OptionValue { name, value: Policy::Off }) = &args.guard {
        problems.push(syn::Error::new(
            name.span(),
            "only a guard tells whether this was the only write, whose value may be stored; leave `guard` out, or delete the entry with `#[invalidates(…, guard = \"off\")]`",
        ));
    }
    if let Some(OptionValue { name, .. }) = &args.settle {
        problems.push(syn::Error::new(
            name.span(),
            "`settle` keeps the guard after the write, and here the value takes its place; remove it, or delete the entry with `#[invalidates(…, settle = …)]`",
        ));
    }
}
