//! The tags of a cached function's entries, and the tags that `tags!` declares.

use proc_macro2::Span;
use quote::ToTokens;
use syn::{ExprCall, FnArg, LitStr, spanned::Spanned};

use super::{
    key::{Key, Scope, Source},
    misnamed::cached_tag,
    optional_keys::leaves,
    targets::is_parameter,
};
use crate::{
    item::{beside::Beside, context::Context, function::Function},
    parse::tags::{Declaration, Tag},
    problem::Problems,
    tokens::{mention_of_result, names},
};

/// A tag that entries carry.
pub(crate) enum TagKey {
    /// Its key, and how it is written.
    Template(Key, LitStr),
    /// The call of the function that gives it.
    Call(ExprCall),
}

/// The tags of a cached function whose key is known.
pub(super) fn of_read(
    tags: Vec<Tag>,
    key: &Key,
    function: &Function,
    problems: &mut Problems,
) -> Vec<TagKey> {
    let mut keys = Vec::new();
    for tag in tags {
        match tag {
            Tag::Template(template) => {
                let Some(tag) = Key::of(&template, function, Scope::Arguments, problems) else { continue };
                let span = template.literal.span();
                for value in tag.values() {
                    let is_in_key = match value.source {
                        Source::Parameter(number) => key.uses(number),
                        _ => key.values().any(|other| other.of.root() == value.of.root()),
                    };
                    if !is_in_key {
                        problems.push(not_in_key(&value.of.root().to_string(), span));
                    }
                }
                keys.push(TagKey::Template(tag, template.literal.clone()));
            }
            Tag::Call(call) => {
                let beside = Beside::of(function);
                if let Some(problem) = beside.and_then(|beside| cached_tag(&call, &beside)) {
                    problems.push(problem);
                    continue;
                }
                if let Some(span) = call.args.iter().find_map(leaves) {
                    problems.push(syn::Error::new(
                        span,
                        "this would leave the function before its body; an entry carries each of its tags, so say which one \
                         where there is none, such as `catalog(tenant.unwrap_or_default())`",
                    ));
                }
                let result = mention_of_result(&call.args.to_token_stream());
                if let Some(result) = result.filter(|_| !is_parameter(function)) {
                    problems.push(syn::Error::new(
                        result.span(),
                        "the tags of an entry are made of the arguments: `result` is not there yet, and a hit has none",
                    ));
                }
                for (name, span) in beside_the_key(&call, key, function) {
                    problems.push(not_in_key(&name, span));
                }
                keys.push(TagKey::Call(call));
            }
        }
    }
    keys
}

/// The parameters that the call's arguments name and the key does not use.
fn beside_the_key(call: &ExprCall, key: &Key, function: &Function) -> Vec<(String, Span)> {
    let mut beside = Vec::new();
    for argument in &call.args {
        let named = names(&argument.to_token_stream());
        for (number, parameter) in function.parameters.iter().enumerate() {
            if let Some(name) = named.iter().find(|name| parameter.binds(name))
                && !key.uses(number)
            {
                beside.push((name.clone(), argument.span()));
            }
        }
    }
    beside
}

fn not_in_key(name: &str, span: Span) -> syn::Error {
    let why = format!(
        "`{name}` is in a tag and not in the key, so that calls with one key would disagree about the tags of its entry; write \
         `{{{name}}}` into the key too"
    );
    syn::Error::new(span, why)
}

/// A declared tag: the function that gives it.
pub(crate) struct DeclaredTag<'a> {
    pub(crate) declaration: &'a Declaration,
    pub(crate) key: Key,
}

pub(crate) fn declared<'a>(declaration: &'a Declaration, problems: &mut Problems) -> Option<DeclaredTag<'a>> {
    let Declaration { fn_token, name, generics, parameters, template, .. } = declaration;
    let (params, clause) = (&generics.params, &generics.where_clause);
    for parameter in parameters {
        if let FnArg::Receiver(receiver) = parameter {
            problems.push(syn::Error::new(receiver.span(), "a tag is a plain function: it has no `self`"));
            return None;
        }
    }
    let function = syn::parse_quote!(async #fn_token #name<#params>(#parameters) #clause {});
    let function = Function::at(function, Context::Free);
    let key = Key::of(template, &function, Scope::Arguments, problems)?;
    for (number, parameter) in function.parameters.iter().enumerate() {
        if !key.uses(number) {
            let why = match &parameter.name {
                Some(name) => {
                    format!("`{name}` is not in the tag; write `{{{name}}}` into it, or leave the parameter out")
                }
                None => "this parameter has no name, so that it can't be in the tag; name it and write it into the tag, or leave it out"
                    .to_owned(),
            };
            problems.push(syn::Error::new(parameter.span(), why));
        }
    }
    Some(DeclaredTag { declaration, key })
}
