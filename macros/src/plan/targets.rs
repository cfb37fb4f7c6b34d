//! What a write is about: the keys that are known before its body, and those that only its result names.

use proc_macro2::Span;
use quote::{ToTokens, format_ident};
use syn::{Expr, Ident, Type, spanned::Spanned};

use super::{
    late::{is_lent_of_taken, is_reference, lent, taken},
    misnamed::misnamed,
    mistaken,
    uncached::uncached,
};
use crate::{
    item::{beside::Site, function::Function, types::inside},
    parse::{
        call::Call,
        each::Each,
        target::{Named, Target},
        template::Template,
    },
    plan::{
        key::{Key, Piece, Scope, Source, Value, ValueOf},
        optional_keys::{bound_inside, fields_of_result, has_question, leaves_for_good, panics},
        unwritable::list_in_result,
    },
    problem::Problems,
    tokens::{mention_of, mention_of_result},
};

/// A key that a write is about.
pub(crate) struct TargetKey {
    pub(crate) of: KeyOf,
    /// There may be none: it has a `?`.
    pub(crate) is_optional: bool,
    /// The list that it is one of.
    pub(crate) each: Option<Each>,
}

impl TargetKey {
    /// Whether something in it is asked for what there is.
    pub(crate) fn asks(&self) -> bool {
        self.is_optional || list(self.each.as_ref()).any(has_question)
    }
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
    /// A reference, of which a copy is made.
    Copied(Expr),
    /// As text.
    Text(Value),
    /// The items of its list.
    List(Box<Each>),
}

/// The keys to delete, sorted by when they are known.
pub(super) fn to_delete(
    targets: Vec<Target>,
    site: &Site,
    detached: bool,
    problems: &mut Problems,
) -> (Vec<TargetKey>, Option<After>) {
    let mut keys = Keys { detached, ..Keys::default() };
    for Target { named, each } in targets {
        if let Some(hidden) = each.iter().flat_map(Each::names).find(|name| name == "result") {
            problems.push(syn::Error::new(
                hidden.span(),
                "`result` is what the function returns; give the items of the list another name",
            ));
            continue;
        }
        let call = match &named {
            Named::Call(call) => Some(call),
            Named::Template(_) => None,
        };
        let exprs = || call.into_iter().flat_map(Call::parts).chain(list(each.as_ref()));
        if let Some(hidden) = exprs().flat_map(bound_inside).find(|name| name == "result") {
            problems.push(syn::Error::new(
                hidden.span(),
                "`result` is what the function returns; give this another name",
            ));
            continue;
        }
        if let Some(span) = exprs().find_map(leaves_for_good) {
            problems.push(left(span));
            continue;
        }
        match named {
            Named::Call(call) => keys.call(&call, each, site, problems),
            Named::Template(template) => keys.template(&template, each, site.function, problems),
        }
    }
    let Keys { before, arguments, after, result, .. } = keys;
    (before, result.map(|result| After { result, arguments, keys: after }))
}

#[derive(Default)]
struct Keys {
    before: Vec<TargetKey>,
    arguments: Vec<(Ident, Argument)>,
    after: Vec<TargetKey>,
    result: Option<Ident>,
    /// What is borrowed from the arguments has to be copied.
    detached: bool,
}

impl Keys {
    fn call(&mut self, call: &Call, mut each: Option<Each>, site: &Site, problems: &mut Problems) {
        // What an item is called hides a parameter of that name.
        let is_item = |on: &Expr| !is_known_before(on, &names(each.as_ref()));
        let of_item = call.receiver().is_some_and(is_item);
        let named = || misnamed(call, site).or_else(|| uncached(call, site));
        let problem = if of_item { None } else { named() };
        let problem = problem.or_else(|| mistaken::argument(call, each.as_ref(), site));
        if let Some(problem) = problem {
            problems.push(problem);
            return;
        }
        let (mut key, is_optional) = (call.clone(), call.parts().any(has_question));
        let exprs = || call.parts().chain(list(each.as_ref()));
        match mention(exprs()) {
            Some(result) if is_parameter(site.function) => problems.push(ambiguous(result.span())),
            Some(result) if returns_nothing(site.function) => problems.push(nothing(result.span())),
            Some(result) => {
                let items = names(each.as_ref());
                check_use_of_result(exprs, &items, site.function, problems);
                let asks = |expr: &&Expr| is_known_before(expr, &items) && has_question(expr);
                if let Some(argument) = call.arguments().chain(list(each.as_ref())).find(asks) {
                    problems.push(syn::Error::new(
                        argument.span(),
                        "beside `result` only the result can be asked for what there is; take this argument out of its `Option` \
                         before, or name the key by the arguments alone",
                    ));
                }
                if self.detached {
                    let late = exprs().filter(|expr| !is_known_before(expr, &items)).chain(call.receiver());
                    if let Some(problem) = lent(late, &items, site.function) {
                        problems.push(problem);
                    }
                } else if let Some(problem) = taken(
                    call.parts().filter(|part| !is_known_before(part, &items)).chain(call.receiver()),
                    &items,
                    site.function,
                ) {
                    problems.push(problem);
                }
                key.change_arguments(|argument| {
                    self.precompute(argument, each.is_some(), &items, site.function);
                });
                self.precompute_list(&mut each);
                self.after.push(TargetKey { of: KeyOf::Call(key), is_optional, each });
                self.result.get_or_insert(result);
            }
            None => self.before.push(TargetKey { of: KeyOf::Call(key), is_optional, each }),
        }
    }

    fn template(
        &mut self,
        template: &Template,
        mut each: Option<Each>,
        function: &Function,
        problems: &mut Problems,
    ) {
        let span = template.literal.span();
        let of_list = mention(list(each.as_ref()));
        if is_parameter(function) {
            let in_text = template.placeholders().any(|placeholder| placeholder.name == "result");
            if let Some(at) = of_list.as_ref().map(Ident::span).or(in_text.then_some(span)) {
                problems.push(ambiguous(at));
            }
        }
        check_use_of_result(|| list(each.as_ref()), &[], function, problems);
        let Some(mut key) = Key::of(template, function, Scope::OfWrite(each.as_ref()), problems) else {
            return;
        };
        let of_result = key.values().any(|value| value.source == Source::Result);
        if of_result && returns_nothing(function) {
            problems.push(nothing(span));
            return;
        }
        if of_result && returns_option(function) {
            problems.push(template_of_option(span));
        } else if let Some(why) = list_in_result(&function.output, template, function).filter(|_| of_result) {
            problems.push(syn::Error::new(span, why));
        }
        if !of_result && of_list.is_none() {
            self.before.push(TargetKey { of: KeyOf::Template(key), is_optional: false, each });
            return;
        }
        for piece in &mut key.pieces {
            if let Piece::Value(value) = piece
                && !matches!(value.source, Source::Result | Source::Item)
            {
                let name = self.argument(Argument::Text(value.clone()));
                *value = Value { of: ValueOf::name(&name), format: Value::plain(), ..value.clone() };
            }
        }
        self.precompute_list(&mut each);
        self.after.push(TargetKey { of: KeyOf::Template(key), is_optional: false, each });
        self.result.get_or_insert_with(|| of_list.unwrap_or_else(|| Ident::new("result", span)));
    }

    /// An argument that needs neither the result nor an item is evaluated before the body, which may move what it is made of.
    fn precompute(&mut self, argument: &mut Expr, for_each: bool, items: &[Ident], function: &Function) {
        if matches!(argument, Expr::Lit(_)) || !is_known_before(argument, items) {
            return;
        }
        if self.detached && is_reference(argument, function) {
            let name = self.argument(Argument::Copied(argument.clone()));
            *argument = syn::parse_quote!(#name.as_arg());
            return;
        }
        if is_lent_of_taken(argument, function) {
            let copy = syn::parse_quote!(::std::borrow::ToOwned::to_owned(#argument));
            let name = self.argument(Argument::Expr(copy));
            *argument = syn::parse_quote!(&#name);
            return;
        }
        let name = self.argument(Argument::Expr(argument.clone()));
        *argument = if for_each {
            // For each item anew.
            syn::parse_quote!(::core::clone::Clone::clone(&#name))
        } else {
            syn::parse_quote!(#name)
        };
    }

    /// So is a list that does not need the result.
    fn precompute_list(&mut self, each: &mut Option<Each>) {
        if let Some(each) = each
            && mention_of_result(&each.list.to_token_stream()).is_none()
        {
            let name = self.argument(Argument::List(Box::new(each.clone())));
            each.list = syn::parse_quote!(#name);
        }
    }

    fn argument(&mut self, value: Argument) -> Ident {
        let name = format_ident!("__argument{}", self.arguments.len(), span = Span::mixed_site());
        self.arguments.push((name.clone(), value));
        name
    }
}

fn list(each: Option<&Each>) -> impl Iterator<Item = &Expr> {
    each.into_iter().map(|each| &each.list)
}

fn names(each: Option<&Each>) -> Vec<Ident> {
    each.map(Each::names).unwrap_or_default()
}

/// Whether the expression needs neither the result nor an item of a list.
fn is_known_before(expr: &Expr, items: &[Ident]) -> bool {
    let tokens = expr.to_token_stream();
    mention_of_result(&tokens).is_none() && items.iter().all(|item| mention_of(&tokens, item).is_none())
}

/// Expressions that would panic, or that mean a part of a result that may not be there.
fn check_use_of_result<'a, I: Iterator<Item = &'a Expr>>(
    exprs: impl Fn() -> I,
    items: &[Ident],
    function: &Function,
    problems: &mut Problems,
) {
    let late = exprs().filter(|expr| !is_known_before(expr, items));
    for error in
        [panics(late, items, &function.output), field_of_option(exprs(), function)].into_iter().flatten()
    {
        problems.push(error);
    }
}

/// The keys to store under.
pub(super) fn to_store(targets: Vec<Target>, site: &Site, problems: &mut Problems) -> Vec<Call> {
    let mut keys = Vec::new();
    for Target { named, each } in targets {
        if let Some(each) = each {
            problems.push(syn::Error::new(
                each.for_token.span,
                "one result is stored under the keys of calls, and `for` names those of a list; delete them with \
                 `#[invalidates(… for … in …)]`",
            ));
            continue;
        }
        match named {
            Named::Call(call) => match not_storable(&call, site) {
                Some(problem) => problems.push(problem),
                None => keys.push(call),
            },
            Named::Template(Template { literal, is_tag: true, .. }) => problems.push(no_tags(literal.span())),
            Named::Template(template) => problems.push(syn::Error::new(
                template.literal.span(),
                "a template doesn't say which type and codec its entry has; name the call of the cached function, such as `load_user(user.id)`, or delete the entry with `#[invalidates(…)]`",
            )),
        }
    }
    keys
}

/// Why what names a key can't leave the function.
fn left(span: Span) -> syn::Error {
    syn::Error::new(
        span,
        "this would leave the function before its body; where there may be no key, ask for what it is made of outside of macros, such as \
         `load_user(id?)`: the key is left out where there is none",
    )
}

/// Why nothing can be stored under the key of a call.
fn not_storable(call: &Call, site: &Site) -> Option<syn::Error> {
    if let Call::Tag(call) = call {
        return Some(no_tags(call.span()));
    }
    if let Some(span) = call.parts().find_map(leaves_for_good) {
        return Some(left(span));
    }
    if let Some(result) = mention(call.parts()) {
        return Some(syn::Error::new(
            result.span(),
            "the key must be known before the body, to be guarded while it runs; name it by the arguments, or delete the entry with `#[invalidates(…)]`",
        ));
    }
    if call.parts().any(has_question) {
        return Some(syn::Error::new(
            call.span(),
            "one entry is updated, and `?` names one that there may not be; take the argument out of its `Option` before, or \
             delete the entry with `#[invalidates(…)]`",
        ));
    }
    misnamed(call, site).or_else(|| uncached(call, site))
}

fn no_tags(span: Span) -> syn::Error {
    let why = "one result is stored under the keys of calls, and a tag names many entries; delete them with `#[invalidates(tags(…))]`";
    syn::Error::new(span, why)
}

/// Whether the success value of the function is an `Option`, as far as its type shows.
fn returns_option(function: &Function) -> bool {
    let output = inside(&function.output, "Result").unwrap_or(&function.output);
    inside(output, "Option").is_some()
}

/// Whether the success value of the function is `()`, as far as its type shows.
fn returns_nothing(function: &Function) -> bool {
    let output = inside(&function.output, "Result").unwrap_or(&function.output);
    matches!(output, Type::Tuple(tuple) if tuple.elems.is_empty())
}

fn nothing(span: Span) -> syn::Error {
    let why = "`result` is what the function returns, and it returns nothing; name the key by the arguments, or return what names it";
    syn::Error::new(span, why)
}

fn template_of_option(span: Span) -> syn::Error {
    syn::Error::new(
        span,
        "`result` is an `Option` here, and a template can't ask for what there is; name the call of the cached function, such as \
         `load_user(result?.id)`",
    )
}

/// A field of a result that is an `Option`.
fn field_of_option<'a>(exprs: impl Iterator<Item = &'a Expr>, function: &Function) -> Option<syn::Error> {
    if !returns_option(function) {
        return None;
    }
    let field = fields_of_result(exprs).into_iter().next()?;
    let member = field.member.to_token_stream();
    Some(syn::Error::new(
        field.span(),
        format!(
            "`result` is an `Option` here; write `result?.{member}`: the key is left out where there is none"
        ),
    ))
}

/// Where the expressions name the result.
fn mention<'a>(mut exprs: impl Iterator<Item = &'a Expr>) -> Option<Ident> {
    exprs.find_map(|expr| mention_of_result(&expr.to_token_stream()))
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
