//! The key of a function without `key = …`: its path, and every parameter that isn't skipped.

use quote::ToTokens;
use syn::{FnArg, Ident};

use super::{coverage::is_skipped, form::Form};
use crate::{
    item::{
        context::{Context, namesakes_before},
        function::{Function, Parameter},
    },
    plan::key::{Key, Piece, Text, Value},
    tokens::{compact, mentions},
};

/// The derived key, and the template that shows it.
pub(super) fn key(function: &Function, form: Form, skip: &[Ident]) -> (Key, String) {
    let mut values = Vec::new();
    let mut shown = Vec::new();
    // Parameters in the name of the type are not repeated.
    let self_ty = function.implementation().map(|item| item.self_ty.to_token_stream()).unwrap_or_default();
    let around = function.parameters_around().filter(|parameter| !mentions(&self_ty, &value_name(parameter)));
    for parameter in around.chain(&function.sig.generics.params) {
        let Some(value) = Value::generic(parameter) else { continue };
        let name = value_name(parameter);
        if !is_left_out(&name, function, skip) {
            shown.push(name);
            values.push(value);
        }
    }
    for (number, parameter) in function.parameters.iter().enumerate() {
        if let (Some(name), FnArg::Typed(_)) = (&parameter.name, &parameter.written)
            && !is_skipped(parameter, skip)
        {
            shown.push(name.to_string());
            values.push(Value::derived(number, name, parameter));
        }
    }
    let (start, rest, template) = start(function, form);
    let mut pieces = rest;
    for value in values {
        pieces.push(Piece::Literal(":".into()));
        pieces.push(Piece::Value(value));
    }
    let template = shown.iter().fold(template, |template, name| template + ":{" + name + "}");
    (Key { start, pieces }, template)
}

/// A type or const parameter that is skipped, or that only skipped parameters are about.
fn is_left_out(name: &str, function: &Function, skip: &[Ident]) -> bool {
    let (skipped, kept): (Vec<_>, Vec<_>) =
        function.parameters.iter().partition(|parameter| is_skipped(parameter, skip));
    let about = |parameters: &[&Parameter]| {
        parameters.iter().any(|parameter| mentions(&parameter.written.to_token_stream(), name))
    };
    skip.iter().any(|skipped| skipped == name)
        || about(&skipped) && !about(&kept) && !mentions(&function.output.to_token_stream(), name)
}

/// The start of the key, which is unique to this function. The last is what people see: without the module.
fn start(function: &Function, form: Form) -> (Text, Vec<Piece>, String) {
    let ident = &function.sig.ident;
    let name = match namesakes_before(function.sig.fn_token.span, ident) {
        0 => format!("::{ident}"),
        before => format!("::{ident}#{}", before + 1),
    };
    let shown = |owner: Option<String>| match owner {
        Some(owner) => format!("::{owner}{name}"),
        None => name.clone(),
    };
    let owner = function.implementation().map(|item| compact(&item.self_ty.to_token_stream()));
    match &function.context {
        Context::Nested if form == Form::Free => {
            let namesake = name.split_once('#').map(|(_, number)| Piece::Literal(format!("#{number}")));
            (Text::TypeName(ident.clone()), namesake.into_iter().collect(), name)
        }
        Context::Free | Context::Nested | Context::Unknown => {
            (Text::InModule("", name.clone()), vec![], name)
        }
        Context::Inherent(_) => (Text::name_of_self(), vec![Piece::Literal(name.clone())], shown(owner)),
        Context::TraitImpl(item) => {
            let of = item
                .as_ref()
                .and_then(|item| item.trait_.as_ref())
                .map(|(path, _)| compact(&path.to_token_stream()));
            of_trait(&of.unwrap_or_default(), &name, shown(owner))
        }
        Context::Trait(item) => {
            let of = compact(&item.ident.to_token_stream());
            of_trait(&of, &name, shown(Some(of.clone())))
        }
    }
}

/// `<shop::Repo as shop::users::Load>::load_user`: two traits of one name differ by the module that names them.
fn of_trait(of: &str, name: &str, shown: String) -> (Text, Vec<Piece>, String) {
    let self_type = Piece::Verbatim(Text::name_of_self());
    let tail = if of.is_empty() {
        Piece::Literal(name.to_owned())
    } else {
        Piece::Verbatim(Text::InModule(" as ", format!("::{of}>{name}")))
    };
    let start = if of.is_empty() { "" } else { "<" };
    (Text::written(start), vec![self_type, tail], shown)
}

fn value_name(parameter: &syn::GenericParam) -> String {
    match parameter {
        syn::GenericParam::Type(parameter) => parameter.ident.to_string(),
        syn::GenericParam::Const(parameter) => parameter.ident.to_string(),
        syn::GenericParam::Lifetime(_) => String::new(),
    }
}
