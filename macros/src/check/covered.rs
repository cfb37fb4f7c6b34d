//! The rule that keeps one user's data from another: every parameter is in the key or deliberately left out.

use quote::ToTokens;
use syn::{GenericParam, Ident};

use crate::{
    key::{Key, Source},
    place::Place,
    problem::{Problems, nearest, one_of},
    signature::{Function, Parameter, mentions, same},
    template::Template,
};

/// The names by which an attribute speaks of parameters.
pub(super) struct Named {
    names: Vec<String>,
    /// Names of nothing. Each has been reported; the parameter that one most likely means isn't reported as well.
    misspelt: Vec<String>,
    derived: bool,
}

impl Named {
    /// The names in a template and in a `skip`; no template means that the key is derived.
    pub(super) fn new(template: Option<&Template>, skip: &[Ident], function: &Function) -> Named {
        let in_key =
            template.into_iter().flat_map(Template::placeholders).map(|placeholder| placeholder.name.clone());
        let skipped = skip.iter().map(ToString::to_string);
        let (misspelt, names) = in_key.chain(skipped).partition(|name| {
            !is_generic(name, function) && !function.parameters.iter().any(|parameter| parameter.binds(name))
        });
        Named { names, misspelt, derived: template.is_none() }
    }

    fn mean(&self, parameter: &Parameter) -> bool {
        self.derived && !parameter.is_self() && parameter.name.is_some()
            || self.names.iter().any(|name| parameter.binds(name))
            || parameter.bindings.iter().any(|binding| {
                self.misspelt.iter().any(|name| nearest(name, [binding.to_string().as_str()]).is_some())
            })
    }
}

/// Names in `skip(…)` that are no parameter, are given twice, or are in the key as well.
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
            problems.push(syn::Error::new(name.span(), not_a_parameter(&text, function)));
        }
    }
}

/// Parameters that are neither in the key nor skipped.
pub(super) fn parameters(named: &Named, function: &Function, problems: &mut Problems) {
    for parameter in &function.parameters {
        if !parameter.unused && !named.mean(parameter) {
            problems.push(syn::Error::new(parameter.span(), neither(parameter, named.derived)));
        }
    }
}

/// Type and const parameters that nothing tells apart: two instantiations would share their entries.
pub(super) fn generics(skip: &[Ident], key: &Key, function: &Function, problems: &mut Problems) {
    let mut seen = function.output.to_token_stream();
    for parameter in &function.parameters {
        parameter.written.to_tokens(&mut seen);
    }
    let of_self = mentions(&seen, "Self") || function.receiver().is_some();
    let in_key = |name: &Ident| {
        key.values().any(|value| value.source == Source::Generic && mentions(&value.place, &name.to_string()))
    };
    let skipped = |name: &Ident| skip.iter().any(|skipped| skipped == name);
    let mut missing = |name: &Ident, span| {
        problems.push(syn::Error::new(
            span,
            format!(
                "`{name}` is in no parameter and not in the return type, so that two instantiations would share their entries; \
                 write `{{{name}}}` into the key, or `skip({name})` if the result never depends on it"
            ),
        ));
    };
    let own = function.sig.generics.params.iter().map(|parameter| (parameter, false));
    let around = function.implementation().into_iter().flat_map(|item| &item.generics.params);
    for (parameter, of_impl) in own.chain(around.map(|parameter| (parameter, true))) {
        let name = match parameter {
            GenericParam::Type(parameter) => &parameter.ident,
            GenericParam::Const(parameter) => &parameter.ident,
            GenericParam::Lifetime(_) => continue,
        };
        let told_apart = mentions(&seen, &name.to_string()) || of_impl && (of_self || in_key_as_self(key));
        if !told_apart && !in_key(name) && !skipped(name) {
            missing(name, if of_impl { function.sig.ident.span() } else { name.span() });
        }
    }
    if matches!(function.place, Place::Trait(_)) && !of_self {
        let name = Ident::new("Self", function.sig.ident.span());
        if !in_key(&name) && !skipped(&name) {
            missing(&name, name.span());
        }
    }
}

fn in_key_as_self(key: &Key) -> bool {
    mentions(&key.start, "Self")
        || key.values().any(|value| value.source == Source::Generic && mentions(&value.place, "Self"))
}

pub(super) fn is_skipped(parameter: &Parameter, skip: &[Ident]) -> bool {
    skip.iter().any(|name| parameter.binds(&name.to_string()))
}

fn is_generic(name: &str, function: &Function) -> bool {
    name == "Self" && function.place.has_self_type()
        || function.generic_parameters().any(|parameter| match parameter {
            GenericParam::Type(parameter) => same(&parameter.ident, name),
            GenericParam::Const(parameter) => same(&parameter.ident, name),
            GenericParam::Lifetime(_) => false,
        })
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
            Some(binding) => format!(
                "this parameter is neither in the key nor skipped, so that callers with different values would share one entry; \
                 give it a name and write a field, such as `{{query.{binding}}}`, into the key, or `skip({binding})` if the result \
                 never depends on it"
            ),
            None => "this parameter is neither in the key nor skipped; give it a name".into(),
        },
    }
}

fn not_a_parameter(name: &str, function: &Function) -> String {
    let names: Vec<String> = function
        .parameters
        .iter()
        .flat_map(|parameter| &parameter.bindings)
        .map(ToString::to_string)
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    match nearest(name, names.iter().copied()) {
        Some(near) => format!("`{name}` is not a parameter of this function; did you mean `{near}`?"),
        None if names.is_empty() => format!("`{name}` is not a parameter of this function, which has none"),
        None => format!("`{name}` is not a parameter of this function; expected {}", one_of(&names)),
    }
}
