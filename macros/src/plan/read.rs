//! `#[cached_aside]`: what will be generated.

use std::iter;

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{
    Expr, GenericArgument, Ident, LitStr, PathArguments, Type, TypePath, TypeReference, spanned::Spanned,
};

use super::{
    constants, coverage, derived_key, fixed,
    form::{Form, display_name},
    pattern,
    staleness::staleness,
    tags::{self, TagKey},
    transfer::ArgTransfer,
};
use crate::{
    item::{
        beside::Beside, context::Context, function::Function, shape::is_unknown, types::Transaction, value,
    },
    parse::{
        args::{Attribute, OptionValue, ReadArgs},
        duration::DurationArg,
        in_another_case,
    },
    plan::key::{Key, Scope},
    problem::Problems,
    tokens::names,
};

/// Everything about a cached function that its expansion needs.
pub(crate) struct ReadPlan {
    pub(crate) form: Form,
    pub(crate) key: Key,
    /// The function's name for people.
    pub(crate) name: String,
    pub(crate) template: Shown,
    /// What its entries carry.
    pub(crate) tags: Vec<TagKey>,
    pub(crate) ttl: OptionValue<DurationArg>,
    pub(crate) cache: Option<Cache>,
    /// How each argument becomes owned, for loads that may outlive their caller; `None` where no load may.
    pub(crate) transfers: Option<Vec<ArgTransfer>>,
    /// The other options, which fit the function and each other.
    pub(crate) options: ReadArgs,
}

/// The template that shows a key.
pub(crate) enum Shown {
    Written(LitStr),
    /// Behind the path of the module.
    Derived(String),
}

/// The cache that the attribute names.
pub(crate) struct Cache {
    pub(crate) expr: Expr,
    pub(crate) known: CacheKnown,
}

/// Which companions can evaluate `cache = …`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CacheKnown {
    /// All: it needs no more than the key does.
    Everywhere,
    /// Those that are called on `self`.
    OnSelf,
    /// None: it needs a parameter that is not in the key.
    InCalls,
}

impl Cache {
    fn of(expr: Expr, key: &Key, function: &Function) -> Cache {
        let named = names(&expr.to_token_stream());
        let beside_the_key: Vec<_> = function
            .parameters
            .iter()
            .enumerate()
            .filter(|(number, parameter)| {
                !key.uses(*number) && named.iter().any(|name| parameter.binds(name))
            })
            .map(|(_, parameter)| parameter)
            .collect();
        let known = if only_in_async(&expr.to_token_stream()) {
            CacheKnown::InCalls
        } else if beside_the_key.is_empty() {
            CacheKnown::Everywhere
        } else if beside_the_key.iter().all(|parameter| parameter.is_self()) {
            CacheKnown::OnSelf
        } else {
            CacheKnown::InCalls
        };
        Cache { expr, known }
    }
}

/// Whether the expression awaits something or returns: no companion can do that.
fn only_in_async(tokens: &TokenStream) -> bool {
    tokens.clone().into_iter().any(|token| match token {
        TokenTree::Ident(ident) => ident == "await" || ident == "return",
        TokenTree::Punct(punct) => punct.as_char() == '?',
        TokenTree::Group(group) => only_in_async(&group.stream()),
        TokenTree::Literal(_) => false,
    })
}

pub(crate) fn read(mut args: ReadArgs, function: &Function, mut problems: Problems) -> syn::Result<ReadPlan> {
    let form = Form::of(function);
    let attribute = Attribute::CachedAside.name();
    function.check(attribute, &mut problems);
    function.check_output(attribute, &mut problems);
    constants::in_static(args.durations_mut(), function, &mut problems);
    if let Some(beta) = &mut args.early_refresh {
        constants::constant(&mut beta.value, function, &mut problems);
    }
    unchanged_self(function, &mut problems);
    storable(function, &mut problems);
    errors(&args, &mut problems);
    shared(&args, &mut problems);
    codec_of_ours(&args, function, &mut problems);
    copied(&args, &mut problems);
    uncommitted(&args, function, &mut problems);
    fixed::of_read(&args, function, &mut problems);
    name_of_companions(function, form, &mut problems);
    let key = key(&args, function, form, &mut problems);
    if !args.names("ttl") {
        problems.push(syn::Error::new(
            Span::call_site(),
            "every entry needs a TTL, which is what corrects whatever else goes wrong; write one, such as `ttl = \"5m\"`",
        ));
    }
    let tags = args.tags.take().map(|tags| tags.value).unwrap_or_default();
    let tags =
        key.as_ref().map(|(key, _)| tags::of_read(tags, key, function, &mut problems)).unwrap_or_default();
    let transfers = staleness(&args, function, form, &mut problems);
    if let Some(cache) = &args.cache {
        pattern::whole_only(&cache.value, function, &mut problems);
    }
    problems.finish()?;
    // Without a problem, neither of the two is missing.
    let (Some((key, template)), Some(ttl)) = (key, args.ttl.take()) else {
        return Err(syn::Error::new(Span::call_site(), "this attribute can't be understood"));
    };
    let cache = args.cache.take().map(|cache| Cache::of(cache.value, &key, function));
    let name = display_name(function);
    Ok(ReadPlan { form, key, name, template, tags, ttl, cache, transfers, options: args })
}

/// The types whose names everything else may use.
const OF_THE_LANGUAGE: [&str; 17] = [
    "bool", "char", "f32", "f64", "i8", "i16", "i32", "i64", "i128", "isize", "str", "u8", "u16", "u32",
    "u64", "u128", "usize",
];

/// The companions are an enum of the function's name: nothing else among the types can have it.
pub(super) fn name_of_companions(function: &Function, form: Form, problems: &mut Problems) {
    let name = function.sig.ident.to_string();
    if form == Form::Free && OF_THE_LANGUAGE.contains(&name.as_str()) {
        problems.push(syn::Error::new(
            function.sig.ident.span(),
            format!(
                "the companions of this function (`{name}::key(…)`) would hide the type `{name}`; call it differently, \
                 such as `load_{name}`"
            ),
        ));
    }
    let Some(beside) = Beside::of(function) else { return };
    let span = function.sig.ident.span();
    let mut clash = |other: &str, companion: &str| {
        problems.push(syn::Error::new(
            span,
            format!(
                "`{other}` stands beside this function, whose companions need that name (`{companion}(…)`); call one of \
                 the two differently, such as `load_{name}`"
            ),
        ));
    };
    match form {
        Form::Free => {
            let item = beside.item(&name).map(|kind| format!("{kind} {name}"));
            let other = item.or_else(|| beside.imported_module(&name).map(|path| format!("use {path}")));
            if let Some(other) = other {
                clash(&other, &format!("{name}::key"));
            } else if matches!(function.context, Context::Free)
                && let Some(path) = beside.path_of_crate(&name)
            {
                problems.push(syn::Error::new(
                    span,
                    format!(
                        "the companions of this function (`{name}::key(…)`) would hide the crate `{name}`, which `{path}` names; call \
                         the function differently, such as `load_{name}`, or write `::{path}`"
                    ),
                ));
            }
        }
        Form::Method => {
            let companion = ["key", "uncached"].map(|of| format!("{name}_{of}"));
            if let Some(companion) = companion.iter().find(|companion| beside.has_method(companion)) {
                clash(&format!("fn {companion}"), companion);
            }
        }
        Form::Alone => {}
    }
}

pub(super) fn unchanged_self(function: &Function, problems: &mut Problems) {
    if let Some(span) = function.mutable_self() {
        problems.push(syn::Error::new(
            span,
            "a hit doesn't run the body, so that nothing would change `self`; take `&self`",
        ));
    }
}

/// Which errors are stored, and for how long: neither is of use without the other.
fn errors(args: &ReadArgs, problems: &mut Problems) {
    let mut problem = |name: &Ident, why: &str| problems.push(syn::Error::new(name.span(), why));
    match (&args.error_ttl, &args.error_if) {
        (Some(OptionValue { name, .. }), None) if !args.names("error_if") => problem(
            name,
            "most errors are no answer and must not be stored; say which are, such as `error_if = |error: &DbError| \
             matches!(error, DbError::NotFound)`",
        ),
        (None, Some(OptionValue { name, .. })) if !args.names("error_ttl") => problem(
            name,
            "`error_if` says which errors are stored, and none are; write `error_ttl = \"5s\"` too, or leave it out",
        ),
        _ => {}
    }
}

/// A derived key is the function's own.
fn shared(args: &ReadArgs, problems: &mut Problems) {
    if let Some(OptionValue { name, .. }) = &args.shares_key
        && !args.names("key")
    {
        problems.push(syn::Error::new(
            name.span(),
            "no other function has the key that is derived for this one; write the shared one, such as `key = \"user:{id}\"`",
        ));
    }
}

/// `JSON`, where nothing in the file can be called so.
fn codec_of_ours(args: &ReadArgs, function: &Function, problems: &mut Problems) {
    let Some((name, codec)) = args.codec.as_ref().and_then(|codec| in_another_case(&codec.value)) else {
        return;
    };
    let is_nothing = |beside: Beside| {
        let text = name.to_string();
        !beside.names_type(&text) && !beside.may_mean(&text, false) && !beside.makes_items()
    };
    if Beside::of(function).is_some_and(is_nothing) {
        problems.push(syn::Error::new(
            name.span(),
            format!("there is no codec `{name}`; did you mean `codec = {codec}`?"),
        ));
    }
}

/// How copies are kept where there are none.
fn copied(args: &ReadArgs, problems: &mut Problems) {
    if let Some(OptionValue { name, .. }) = &args.local_mode
        && !args.names("local")
    {
        problems.push(syn::Error::new(
            name.span(),
            "`local_mode` says how the copies of `local` are kept; write for how long they may be used too, such as `local = \"1s\"`",
        ));
    }
}

/// What is read through a transaction may never be committed, and a cached value is everybody's.
pub(super) fn uncommitted(args: &ReadArgs, function: &Function, problems: &mut Problems) {
    if args.names("in_transaction") {
        return;
    }
    for ty in function.parameter_types() {
        let Some(Transaction::Certain(name)) = Transaction::of(ty) else { continue };
        problems.push(syn::Error::new(
            name.span(),
            "this is a database transaction: what is read through it may never be committed, and would be stored for everybody. \
             Take the pool, or an executor, through which a transaction can be read as well: inside of \
             `cached_aside::transaction(…)` the body runs, and nothing is stored. If the origin is another one, write \
             `in_transaction = \"cached\"`",
        ));
    }
}

/// What can be said of the return type by looking at it.
fn storable(function: &Function, problems: &mut Problems) {
    if let Some(reference) = borrowed_value(&function.output) {
        problems.push(syn::Error::new(
            reference.span(),
            "a value that borrows can't be read back from the cache; return an owned one, such as a `String` instead of a `&str`",
        ));
    }
    if let Some((of, field)) = borrowing_struct(function) {
        problems.push(syn::Error::new_spanned(
            of,
            format!(
                "`{}` borrows in `{field}`, and a value that borrows can't be read back from the cache; return one that owns what it holds, \
                 such as a `String` instead of a `&str`",
                of.path.segments.last().map(|last| last.ident.to_string()).unwrap_or_default()
            ),
        ));
    }
    if is_unknown(&function.output, function) {
        problems.push(syn::Error::new(
            function.output.span(),
            "it is not known here whether this is a `Result`, whose errors must not be stored; write the type out",
        ));
    }
}

/// The key with the template that shows it: the one that was written, or the derived one.
pub(super) fn key(
    args: &ReadArgs,
    function: &Function,
    form: Form,
    problems: &mut Problems,
) -> Option<(Key, Shown)> {
    let is_broken = args.names("key") && args.key.is_none() || args.names("skip") && args.skip.is_none();
    let template = args.key.as_ref().map(|key| &key.value);
    let skip = args.skip.as_ref().map_or(&[][..], |skip| &skip.value);
    let key = match template {
        Some(template) => Key::of(template, function, Scope::Arguments, problems)
            .map(|key| (key, Shown::Written(template.literal.clone()))),
        None => {
            let (key, template) = derived_key::key(function, form, skip);
            Some((key, Shown::Derived(template)))
        }
    };
    let written = key.as_ref().map(|(key, _)| key).filter(|_| template.is_some());
    coverage::skips(skip, written, function, problems);
    if !is_broken {
        let mentioned = coverage::Mentioned::new(template, skip, function);
        coverage::parameters(&mentioned, function, problems);
        if let Some((key, _)) = &key {
            coverage::generics((skip, args.names("error_ttl")), key, &mentioned, function, problems);
        }
    }
    key
}

/// A struct beside the function, with a lifetime in the return type, and the field by which it borrows from the cache's answer.
fn borrowing_struct(function: &Function) -> Option<(&TypePath, String)> {
    let value = value::value(&function.output);
    let with_lifetime = |ty: &&'_ Type| match ty {
        Type::Path(path) => path.path.segments.last().is_some_and(|last| match &last.arguments {
            PathArguments::AngleBracketed(arguments) => {
                arguments.args.iter().any(|argument| matches!(argument, GenericArgument::Lifetime(_)))
            }
            _ => false,
        }),
        _ => false,
    };
    let found = iter::once(value).chain(value::parts(&function.output)).find(with_lifetime)?;
    let Type::Path(path) = found else { return None };
    let [of] = path.path.segments.iter().collect::<Vec<_>>()[..] else { return None };
    Some((path, Beside::of(function)?.borrowing_field(&of.ident.to_string())?))
}

/// A reference where the value is, as far as it can be seen.
fn borrowed_value(output: &Type) -> Option<&TypeReference> {
    match output {
        Type::Reference(reference) => Some(reference),
        Type::Group(group) => borrowed_value(&group.elem),
        Type::Paren(paren) => borrowed_value(&paren.elem),
        Type::Tuple(tuple) => tuple.elems.iter().find_map(borrowed_value),
        Type::Array(array) => borrowed_value(&array.elem),
        Type::Path(path) => {
            let last = path.path.segments.last()?;
            let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
            // An error is not stored, and what a type of the user's does with its parameters isn't known.
            let stored = match last.ident.to_string().as_str() {
                "Result" | "Option" | "Vec" | "VecDeque" | "Box" | "Arc" | "Rc" | "HashSet" | "BTreeSet" => 1,
                "HashMap" | "BTreeMap" | "IndexMap" => 2,
                _ => 0,
            };
            let types = arguments.args.iter().filter_map(|argument| match argument {
                GenericArgument::Type(ty) => Some(ty),
                _ => None,
            });
            types.take(stored).find_map(borrowed_value)
        }
        _ => None,
    }
}
