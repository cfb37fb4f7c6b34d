//! `#[invalidates]`: what will be generated.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::{Expr, Ident, spanned::Spanned};

use super::{constants, display_name, fixed, named::misnamed, setting};
use crate::{
    args::{Given, Policy, Target, WriteArgs},
    call::{Call, Context},
    expand::key_text,
    key::{Key, Piece, Scope, Source, Value},
    optional::{asked, has_question, panics},
    problem::Problems,
    signature::Function,
};

/// Everything about a writing function that its expansion needs.
pub(crate) struct WritePlan {
    pub(crate) name: String,
    /// The calls that follow `WriteSettings::new`.
    pub(crate) settings: TokenStream,
    /// `guard = "required"`: how a write is refused.
    pub(crate) required: Option<Span>,
    pub(crate) when: Option<Expr>,
    pub(crate) cache: Option<Expr>,
    /// The keys that are known from the arguments, each an expression of type `AnyKey`.
    pub(crate) before: Vec<TokenStream>,
    /// They are of type `Option<AnyKey>`: there may be none for an argument.
    pub(crate) optional: bool,
    pub(crate) after: Option<After>,
}

/// The keys that only the result names.
pub(crate) struct After {
    /// `result`, as the user's tokens mean it.
    pub(crate) result: Ident,
    /// What is computed before the body.
    pub(crate) arguments: Vec<(Ident, TokenStream)>,
    /// Each an expression of type `AnyKey`.
    pub(crate) keys: Vec<TokenStream>,
    /// Of type `Option<AnyKey>`, if a key there may not be.
    pub(crate) optional: bool,
}

pub(crate) fn write(
    mut args: WriteArgs,
    function: &Function,
    mut problems: Problems,
) -> syn::Result<WritePlan> {
    function.check("invalidates", &mut problems);
    constants::in_static(args.lengths_mut(), function, &mut problems);
    if !args.names_a_key {
        problems.push(syn::Error::new(
            Span::call_site(),
            "nothing is invalidated; name the call of a cached function, such as `load_user(id)`, or a key, such as `\"user:{id}\"`",
        ));
    }
    without_guard(&args, &mut problems);
    undecided_when(&args, function, &mut problems);
    fixed::of_write(&args, function, &mut problems);
    let mut keys = Keys { in_named_cache: args.cache.is_some(), ..Keys::default() };
    let context = Context::of(function);
    for target in &args.targets {
        match target {
            Target::Call(call) => keys.call(call, &context, &mut problems),
            Target::Template(template) => {
                if is_parameter(function)
                    && template.placeholders().any(|placeholder| placeholder.name == "result")
                {
                    problems.push(ambiguous(template.literal.span()));
                }
                if let Some(key) = Key::of(template, function, Scope::ArgumentsAndResult, &mut problems) {
                    keys.template(&key, template.literal.span());
                }
            }
        }
    }
    if keys.result.is_some() || required(&args).is_some() {
        function.check_output("invalidates", &mut problems);
    }
    problems.finish()?;
    let ((before, optional), (after, after_optional)) = (alike(keys.before), alike(keys.after));
    Ok(WritePlan {
        name: display_name(function),
        settings: settings(&args),
        required: required(&args),
        when: args.when.map(|when| when.value),
        cache: args.cache.map(|cache| cache.value),
        before,
        optional,
        after: keys.result.map(|result| After {
            result,
            arguments: keys.arguments,
            keys: after,
            optional: after_optional,
        }),
    })
}

/// `when` can't ask for what isn't there yet.
pub(super) fn undecided_when(args: &WriteArgs, function: &Function, problems: &mut Problems) {
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

/// Where `guard = "required"` was written.
pub(super) fn required(args: &WriteArgs) -> Option<Span> {
    match &args.guard {
        Some(Given { value: Policy::Required(literal), .. }) => Some(literal.span()),
        _ => None,
    }
}

/// Options that mean nothing without a guard.
fn without_guard(args: &WriteArgs, problems: &mut Problems) {
    if !matches!(args.guard, Some(Given { value: Policy::Off, .. })) {
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
    if let Some(Given { name, .. }) = &args.wait_replicas {
        problems.push(syn::Error::new(
            name.span(),
            "`wait_replicas` says who has to confirm a guard, and `guard = \"off\"` sets none; remove one of the two",
        ));
    }
}

pub(super) fn settings(args: &WriteArgs) -> TokenStream {
    let mut calls = TokenStream::new();
    calls.extend(args.guard.as_ref().map(|given| {
        let policy = Ident::new(
            match given.value {
                Policy::BestEffort => "BestEffort",
                Policy::Required(_) => "Required",
                Policy::Off => "Off",
            },
            Span::call_site(),
        );
        setting("guard", &quote!(__aside::Guard::#policy), given.name.span())
    }));
    for (option, name) in [(&args.guard_for, "guard_for"), (&args.settle, "settle")] {
        calls.extend(option.as_ref().map(|given| setting(name, &given.value.tokens(), given.name.span())));
    }
    calls.extend(
        args.wait_replicas
            .as_ref()
            .map(|given| setting("wait_replicas", &given.value.to_token_stream(), given.name.span())),
    );
    calls
}

/// The keys of all targets, sorted by when they are known.
#[derive(Default)]
struct Keys {
    /// The write names a cache, for keys that don't know theirs.
    in_named_cache: bool,
    before: Vec<Found>,
    arguments: Vec<(Ident, TokenStream)>,
    after: Vec<Found>,
    result: Option<Ident>,
}

/// A key, of type `AnyKey`.
struct Found {
    key: TokenStream,
    /// There may be none: it has a `?`.
    is_optional: bool,
}

/// The keys, all of one type, and whether that is `Option<AnyKey>`.
fn alike(keys: Vec<Found>) -> (Vec<TokenStream>, bool) {
    let optional = keys.iter().any(|found| found.is_optional);
    let written = keys.into_iter().map(|Found { key, is_optional }| match (optional, is_optional) {
        (false, _) => key,
        (true, false) => quote!(::core::option::Option::Some(#key)),
        (true, true) => quote!((|| ::core::option::Option::Some(#key))()),
    });
    (written.collect(), optional)
}

impl Keys {
    fn call(&mut self, call: &Call, context: &Context, problems: &mut Problems) {
        if let Some(problem) = misnamed(call, context) {
            problems.push(problem);
            return;
        }
        let mention = call.arguments().find_map(|argument| mention_of_result(&argument.to_token_stream()));
        match mention {
            Some(result) if is_parameter(context.function) => problems.push(ambiguous(result.span())),
            Some(result) => {
                if let Some(error) = panics(call) {
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
                let (mut call, is_optional) = asked(call);
                for argument in call.arguments_mut() {
                    self.precompute(argument);
                }
                self.after.push(Found { key: self.any_key(&call, context), is_optional });
                self.result.get_or_insert(result);
            }
            None => {
                let (call, is_optional) = asked(call);
                self.before.push(Found { key: self.any_key(&call, context), is_optional });
            }
        }
    }

    fn any_key(&self, call: &Call, context: &Context) -> TokenStream {
        let key = key_of(call, context, self.in_named_cache);
        quote_spanned!(key.span()=> __aside::any_key(#key))
    }

    fn template(&mut self, key: &Key, span: Span) {
        if !key.values().any(|value| value.source == Source::Result) {
            self.before.push(Found { key: key_text(key), is_optional: false });
            return;
        }
        let mut key = key.clone();
        for piece in &mut key.pieces {
            if let Piece::Value(value) = piece
                && value.source != Source::Result
            {
                let name = self.argument(value.text());
                *value = Value { place: quote!(#name), format: Value::plain(), ..value.clone() };
            }
        }
        self.after.push(Found { key: key_text(&key), is_optional: false });
        self.result.get_or_insert(Ident::new("result", span));
    }

    /// An argument that doesn't need the result is evaluated before the body, which may move what it is made of.
    fn precompute(&mut self, argument: &mut Expr) {
        if matches!(argument, Expr::Lit(_)) || mention_of_result(&argument.to_token_stream()).is_some() {
            return;
        }
        let name = self.argument(quote!(#argument));
        *argument = syn::parse_quote!(#name);
    }

    fn argument(&mut self, value: TokenStream) -> Ident {
        let name = format_ident!("__argument{}", self.arguments.len(), span = Span::mixed_site());
        self.arguments.push((name.clone(), value));
        name
    }
}

/// The key of a call, which may be one that does not know its cache where the write names one.
pub(super) fn key_of(call: &Call, context: &Context, in_named_cache: bool) -> TokenStream {
    let key = call.key(context);
    if in_named_cache { quote_spanned!(key.span()=> __aside::in_cache_of_write(#key)) } else { key }
}

/// A parameter with the name of the result.
fn is_parameter(function: &Function) -> bool {
    function.parameters.iter().any(|parameter| parameter.binds("result"))
}

fn ambiguous(span: Span) -> syn::Error {
    syn::Error::new(
        span,
        "`result` is what the function gives, and here also a parameter; give the parameter another name",
    )
}

/// `result` where it is a name of its own: not a field, not in another word. Also inside of a format string.
pub(crate) fn mention_of_result(tokens: &TokenStream) -> Option<Ident> {
    let mut after_dot = false;
    for token in tokens.clone() {
        match &token {
            TokenTree::Ident(ident) if ident == "result" && !after_dot => return Some(ident.clone()),
            TokenTree::Group(group) => {
                if let Some(found) = mention_of_result(&group.stream()) {
                    return Some(found);
                }
            }
            TokenTree::Literal(literal) if literal.to_string().contains("{result") => {
                return Some(Ident::new("result", literal.span()));
            }
            _ => {}
        }
        after_dot = matches!(&token, TokenTree::Punct(punct) if punct.as_char() == '.' && !after_dot);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_result_is_found_where_it_is_meant() {
        for (text, expected) in [
            ("result", true),
            ("result.id", true),
            ("f(&result.id)", true),
            ("0..result", true),
            ("format!(\"{result}\")", true),
            ("x.result", false),
            ("f(x.result)", false),
            ("results", false),
            ("\"result\"", false),
        ] {
            assert_eq!(mention_of_result(&text.parse().unwrap()).is_some(), expected, "{text}");
        }
    }
}
