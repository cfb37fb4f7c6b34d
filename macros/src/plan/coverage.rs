//! The rule that keeps one user's data from another: every parameter is in the key or deliberately left out.

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;
use syn::{FnArg, GenericParam, Ident, Type};

use crate::{
    item::{
        context::Context,
        function::{Function, Parameter},
        types::inside,
    },
    parse::template::Template,
    plan::{
        key::{Key, Source, Value, not_a_parameter},
        of_macro, pattern,
    },
    problem::{Problems, nearest},
    tokens::{OF_MACRO, compact, mentions, same},
};

/// The names by which an attribute speaks of parameters.
pub(super) struct Mentioned {
    names: Vec<String>,
    /// Names of nothing. Each has been reported; the parameter that it was meant to be isn't reported as well.
    misspelt: Vec<String>,
    derived: bool,
}

impl Mentioned {
    /// The names in a template and in a `skip`; no template means that the key is derived.
    pub(super) fn new(template: Option<&Template>, skip: &[Ident], function: &Function) -> Mentioned {
        let in_key =
            template.into_iter().flat_map(Template::placeholders).map(|placeholder| placeholder.name.clone());
        let skipped = skip.iter().map(ToString::to_string);
        let (misspelt, names) = in_key.chain(skipped).partition(|name| {
            !is_generic(name, function) && !function.parameters.iter().any(|parameter| parameter.binds(name))
        });
        Mentioned { names, misspelt, derived: template.is_none() }
    }

    /// Whether the parameter is in the key or skipped.
    fn covers(&self, parameter: &Parameter) -> bool {
        self.derived && !parameter.is_self() && parameter.name.is_some()
            || self.names.iter().any(|name| parameter.binds(name))
    }

    /// The same, where a name of nothing may have been meant to be the parameter.
    fn may_cover(&self, parameter: &Parameter) -> bool {
        self.covers(parameter) || self.misspelt.iter().any(|name| is_near(name, parameter))
    }
}

/// Names in `skip(…)` that are no parameter, are written twice, or are in the key as well.
pub(super) fn skips(skip: &[Ident], key: Option<&Key>, function: &Function, problems: &mut Problems) {
    for (index, name) in skip.iter().enumerate() {
        let text = name.to_string();
        if skip[..index].iter().any(|earlier| earlier == name) {
            problems.push(syn::Error::new(name.span(), format!("`{text}` is skipped twice")));
        } else if let Some(number) = function.parameters.iter().position(|parameter| parameter.binds(&text)) {
            if key.is_some_and(|key| key.uses(number)) {
                problems.push(syn::Error::new(
                    name.span(),
                    format!("`{text}` is skipped, but the key uses it; take it out of one of the two"),
                ));
            }
        } else if !is_generic(&text, function) {
            let names = function.parameters.iter().flat_map(|parameter| &parameter.bindings);
            let why = of_macro::may_be_meant(&text, function);
            problems.push(syn::Error::new(name.span(), why.unwrap_or_else(|| not_a_parameter(&text, names))));
        }
    }
}

/// Parameters that are neither in the key nor skipped. Each name of nothing was meant to be one of them: the one that it is
/// nearest to, else the first.
pub(super) fn parameters(mentioned: &Mentioned, function: &Function, problems: &mut Problems) {
    let mut uncovered: Vec<_> = function
        .parameters
        .iter()
        .filter(|parameter| !parameter.unused && !mentioned.covers(parameter))
        .collect();
    let mut unclear = 0;
    for name in &mentioned.misspelt {
        match uncovered.iter().position(|parameter| is_near(name, parameter)) {
            Some(meant) => drop(uncovered.remove(meant)),
            None if function.parameters.iter().any(|parameter| is_near(name, parameter)) => {}
            None => unclear += 1,
        }
    }
    for parameter in uncovered.into_iter().skip(unclear) {
        problems.push(syn::Error::new(parameter.span(), neither(parameter, mentioned.derived)));
    }
}

/// Whether the parameter is one that this name may have been meant to be.
fn is_near(name: &str, parameter: &Parameter) -> bool {
    parameter.bindings.iter().any(|binding| nearest(name, [binding.to_string().as_str()]).is_some())
}

/// Type and const parameters that nothing in the key tells apart: two instantiations would share their entries, or evict
/// each other's where the value is of another type.
pub(super) fn generics(
    (skip, stores_errors): (&[Ident], bool),
    key: &Key,
    mentioned: &Mentioned,
    function: &Function,
    problems: &mut Problems,
) {
    let (mut kept, mut skipped) = (TokenStream::new(), TokenStream::new());
    for parameter in &function.parameters {
        let is_kept = !is_skipped(parameter, skip) && !parameter.unused && mentioned.may_cover(parameter);
        parameter.written.to_tokens(if is_kept { &mut kept } else { &mut skipped });
    }
    let output = value(&function.output).to_token_stream();
    let self_ty = function.implementation().map(|item| &*item.self_ty);
    let is_named = |name: &Ident| {
        let name = name.to_string();
        let is_it = |value: &Value| value.source == Source::Generic && value.of.root() == &name;
        // Of what a macro fills in no name is known, and so none can be written.
        key.values().any(is_it) && !name.starts_with(OF_MACRO) || skip.iter().any(|skipped| *skipped == name)
    };
    let self_is_named = mentioned.derived || is_named(&Ident::new("Self", Span::call_site()));
    // A receiver that is skipped, or in the key by a field, speaks for the parameters of its type; not where that type is
    // itself one of them.
    let of_self = function.receiver().is_some() || mentions(&kept, "Self") || mentions(&skipped, "Self");
    let in_self = |name: &str| {
        let ty = self_ty.filter(|ty| mentions(&ty.to_token_stream(), name));
        ty.is_some_and(|ty| self_is_named || of_self && !is_bare(ty, function) && !mentions(&output, name))
    };
    let mut missing = |name: &Ident, span| {
        let instead = of_macro::instead(name, function).unwrap_or_else(|| {
            format!("write `{{{name}}}` into the key, or `skip({name})` if the result never depends on it")
        });
        let name = compact(&name.to_token_stream());
        let why = format!(
            "`{name}` is not in the key, so that two instantiations would share their entries; {instead}"
        );
        problems.push(syn::Error::new(span, why));
    };
    for (name, is_around) in named_generics(function) {
        let text = name.to_string();
        let by_value = mentions(&kept, &text);
        // An error is made of what the function came upon: it is not stored.
        let by_error = mentions(&function.output.to_token_stream(), &text) && !stores_errors;
        let by_skipped = (mentions(&skipped, &text) || by_error) && !mentions(&output, &text);
        let told_apart = by_value || by_skipped || is_around && in_self(&text);
        if !told_apart && !is_named(name) {
            missing(name, if is_around { function.sig.ident.span() } else { name.span() });
        }
    }
    if matches!(function.context, Context::Trait(_)) && !self_is_named {
        let name = Ident::new("Self", function.sig.ident.span());
        missing(&name, name.span());
    }
}

/// Type and const parameters: the function's own, and those around it (`true`).
pub(super) fn named_generics(function: &Function) -> impl Iterator<Item = (&Ident, bool)> {
    let own = function.sig.generics.params.iter().map(|parameter| (parameter, false));
    let all = own.chain(function.parameters_around().map(|parameter| (parameter, true)));
    all.filter_map(|(parameter, is_around)| match parameter {
        GenericParam::Type(parameter) => Some((&parameter.ident, is_around)),
        GenericParam::Const(parameter) => Some((&parameter.ident, is_around)),
        GenericParam::Lifetime(_) => None,
    })
}

/// The part of a return type that is stored, as far as it can be seen.
fn value(output: &Type) -> &Type {
    inside(output, "Result").unwrap_or(output)
}

/// Whether the type is a generic parameter, or only points to one: then it says nothing of its own.
pub(super) fn is_bare(ty: &Type, function: &Function) -> bool {
    match ty {
        Type::Reference(reference) => is_bare(&reference.elem, function),
        Type::Group(group) => is_bare(&group.elem, function),
        Type::Paren(paren) => is_bare(&paren.elem, function),
        Type::Path(path) => match path.path.segments.last() {
            Some(last) if ["Arc", "Box", "Pin", "Rc"].iter().any(|pointer| last.ident == pointer) => {
                inside(ty, &last.ident.to_string()).is_some_and(|ty| is_bare(ty, function))
            }
            _ => path.path.get_ident().is_some_and(|name| is_generic(&name.to_string(), function)),
        },
        _ => false,
    }
}

pub(super) fn is_skipped(parameter: &Parameter, skip: &[Ident]) -> bool {
    skip.iter().any(|name| parameter.binds(&name.to_string()))
}

fn is_generic(name: &str, function: &Function) -> bool {
    name == "Self" && function.context.has_self_type()
        || function.generic_parameters().any(|parameter| match parameter {
            GenericParam::Type(parameter) => same(&parameter.ident, name),
            GenericParam::Const(parameter) => same(&parameter.ident, name),
            GenericParam::Lifetime(_) => false,
        })
}

/// Whether it is what a web framework hands to every request alike: the database, the settings.
fn is_of_the_program(parameter: &Parameter) -> bool {
    let FnArg::Typed(typed) = &parameter.written else { return false };
    let Type::Path(path) = &*typed.ty else { return false };
    path.path.segments.last().is_some_and(|last| last.ident == "State" || last.ident == "Extension")
}

fn neither(parameter: &Parameter, derived: bool) -> String {
    match &parameter.name {
        Some(_) if parameter.is_self() && derived => "a derived key can't contain `self`; write `skip(self)` if the result never \
             depends on it, else a `key` that uses a field, such as `{self.tenant}`"
            .into(),
        Some(_) if parameter.is_self() => "`self` is neither in the key nor skipped, so that callers with different values would share one entry; \
             write a field, such as `{self.tenant}`, into the key, or `skip(self)` if the result never depends on it"
            .into(),
        Some(name) => format!(
            "`{name}` is neither in the key nor skipped, so that callers with different values would share one entry; \
             write `{{{name}}}` into the key, or `skip({name})` if the result never depends on it"
        ),
        None => match parameter.bindings.first() {
            Some(binding) if is_of_the_program(parameter) => format!(
                "this parameter is neither in the key nor skipped, so that callers with different values would share one entry; \
                 write `skip({binding})` if the result never depends on which `{binding}` it is"
            ),
            Some(binding) => {
                let instead = match pattern::instead(parameter, &binding.to_string()) {
                    Some((whole, part)) => {
                        format!("take the whole, `{whole}`, and write `{{{part}}}` into the key")
                    }
                    None => format!("give `{binding}` a parameter of its own, and write `{{{binding}}}` into the key"),
                };
                format!(
                    "this parameter is neither in the key nor skipped, so that callers with different values would share one \
                     entry; {instead}, or `skip({binding})` if the result never depends on it"
                )
            }
            None => "this parameter is neither in the key nor skipped; give it a name".into(),
        },
    }
}
