//! What a write is about: the keys that are known before its body, and those that only its result names.

use proc_macro2::Span;
use quote::{ToTokens, format_ident};
use syn::{Expr, Ident, spanned::Spanned};

use super::misnamed::misnamed;
use crate::{
    item::{beside::Site, function::Function, types::inside},
    parse::{args::Target, call::Call},
    plan::{
        key::{Key, Piece, Scope, Source, Value, ValueOf},
        optional_keys::{fields_of_result, has_question, panics},
    },
    problem::Problems,
    tokens::mention_of_result,
};

/// A key that a write is about.
pub(crate) struct TargetKey {
    pub(crate) of: KeyOf,
    /// There may be none: it has a `?`.
    pub(crate) is_optional: bool,
}

/// How a key is named.
pub(crate) enum KeyOf {
    Call(Call),
    Template(Key),
}

/// The keys that only the result names.
pub(crate) struct After {
    /// `result`, as the user's tokens mean it.
    pub(crate) result: Ident,
    /// What is computed before the body, under the names by which the keys have it.
    pub(crate) arguments: Vec<(Ident, Argument)>,
    pub(crate) keys: Vec<TargetKey>,
}

/// What a key of the result needs from before the body.
pub(crate) enum Argument {
    /// As it is written.
    Expr(Expr),
    /// As text.
    Text(Value),
}

/// The keys to delete, sorted by when they are known.
pub(super) fn to_delete(
    targets: Vec<Target>,
    site: &Site,
    problems: &mut Problems,
) -> (Vec<TargetKey>, Option<After>) {
    let mut keys = Keys::default();
    for target in targets {
        match target {
            Target::Call(call) => keys.call(&call, site, problems),
            Target::Template(template) => {
                if is_parameter(site.function)
                    && template.placeholders().any(|placeholder| placeholder.name == "result")
                {
                    problems.push(ambiguous(template.literal.span()));
                }
                if let Some(key) = Key::of(&template, site.function, Scope::ArgumentsAndResult, problems) {
                    if returns_option(site.function)
                        && key.values().any(|value| value.source == Source::Result)
                    {
                        problems.push(template_of_option(template.literal.span()));
                    }
                    keys.template(key, template.literal.span());
                }
            }
        }
    }
    let Keys { before, arguments, after, result } = keys;
    (before, result.map(|result| After { result, arguments, keys: after }))
}

#[derive(Default)]
struct Keys {
    before: Vec<TargetKey>,
    arguments: Vec<(Ident, Argument)>,
    after: Vec<TargetKey>,
    result: Option<Ident>,
}

impl Keys {
    fn call(&mut self, call: &Call, site: &Site, problems: &mut Problems) {
        if let Some(problem) = misnamed(call, site) {
            problems.push(problem);
            return;
        }
        let (mut key, is_optional) = (call.clone(), call.arguments().any(has_question));
        match mention(call) {
            Some(result) if is_parameter(site.function) => problems.push(ambiguous(result.span())),
            Some(result) => {
                for error in [panics(call), field_of_option(call, site.function)].into_iter().flatten() {
                    problems.push(error);
                }
                let lacks_result =
                    |argument: &&Expr| mention_of_result(&argument.to_token_stream()).is_none();
                if let Some(argument) =
                    call.arguments().filter(lacks_result).find(|argument| has_question(argument))
                {
                    problems.push(syn::Error::new(
                        argument.span(),
                        "beside `result` only the result can be asked for what there is; take this argument out of its `Option` \
                         before, or name the key by the arguments alone",
                    ));
                }
                for argument in key.arguments_mut() {
                    self.precompute(argument);
                }
                self.after.push(TargetKey { of: KeyOf::Call(key), is_optional });
                self.result.get_or_insert(result);
            }
            None => self.before.push(TargetKey { of: KeyOf::Call(key), is_optional }),
        }
    }

    fn template(&mut self, mut key: Key, span: Span) {
        if !key.values().any(|value| value.source == Source::Result) {
            self.before.push(TargetKey { of: KeyOf::Template(key), is_optional: false });
            return;
        }
        for piece in &mut key.pieces {
            if let Piece::Value(value) = piece
                && value.source != Source::Result
            {
                let name = self.argument(Argument::Text(value.clone()));
                *value = Value { of: ValueOf::name(&name), format: Value::plain(), ..value.clone() };
            }
        }
        self.after.push(TargetKey { of: KeyOf::Template(key), is_optional: false });
        self.result.get_or_insert(Ident::new("result", span));
    }

    /// An argument that doesn't need the result is evaluated before the body, which may move what it is made of.
    fn precompute(&mut self, argument: &mut Expr) {
        if matches!(argument, Expr::Lit(_)) || mention_of_result(&argument.to_token_stream()).is_some() {
            return;
        }
        let name = self.argument(Argument::Expr(argument.clone()));
        *argument = syn::parse_quote!(#name);
    }

    fn argument(&mut self, value: Argument) -> Ident {
        let name = format_ident!("__argument{}", self.arguments.len(), span = Span::mixed_site());
        self.arguments.push((name.clone(), value));
        name
    }
}

/// The keys to store under.
pub(super) fn to_store(targets: Vec<Target>, site: &Site, problems: &mut Problems) -> Vec<Call> {
    let mut keys = Vec::new();
    for target in targets {
        match target {
            Target::Call(call) => match not_storable(&call, site) {
                Some(problem) => problems.push(problem),
                None => keys.push(call),
            },
            Target::Template(template) => problems.push(syn::Error::new(
                template.literal.span(),
                "a template doesn't say which type and codec its entry has; name the call of the cached function, such as `load_user(user.id)`, or delete the entry with `#[invalidates(…)]`",
            )),
        }
    }
    keys
}

/// Why nothing can be stored under the key of a call.
fn not_storable(call: &Call, site: &Site) -> Option<syn::Error> {
    if let Some(result) = mention(call) {
        return Some(syn::Error::new(
            result.span(),
            "the key must be known before the body, to be guarded while it runs; name it by the arguments, or delete the entry with `#[invalidates(…)]`",
        ));
    }
    if call.arguments().any(has_question) {
        return Some(syn::Error::new(
            call.span(),
            "one entry is updated, and `?` names one that there may not be; take the argument out of its `Option` before, or \
             delete the entry with `#[invalidates(…)]`",
        ));
    }
    misnamed(call, site)
}

/// Whether the success value of the function is an `Option`, as far as its type shows.
fn returns_option(function: &Function) -> bool {
    let output = inside(&function.output, "Result").unwrap_or(&function.output);
    inside(output, "Option").is_some()
}

fn template_of_option(span: Span) -> syn::Error {
    syn::Error::new(
        span,
        "`result` is an `Option` here, and a template can't ask for what there is; name the call of the cached function, such as \
         `load_user(result?.id)`",
    )
}

/// A field of a result that is an `Option`.
fn field_of_option(call: &Call, function: &Function) -> Option<syn::Error> {
    if !returns_option(function) {
        return None;
    }
    let field = fields_of_result(call).into_iter().next()?;
    let member = field.member.to_token_stream();
    Some(syn::Error::new(
        field.span(),
        format!(
            "`result` is an `Option` here; write `result?.{member}`: the key is left out where there is none"
        ),
    ))
}

/// Where the call names the result.
fn mention(call: &Call) -> Option<Ident> {
    call.arguments().find_map(|argument| mention_of_result(&argument.to_token_stream()))
}

/// A parameter with the name of the result.
pub(super) fn is_parameter(function: &Function) -> bool {
    function.parameters.iter().any(|parameter| parameter.binds("result"))
}

fn ambiguous(span: Span) -> syn::Error {
    syn::Error::new(
        span,
        "`result` is what the function returns, and here also a parameter; rename the parameter",
    )
}
