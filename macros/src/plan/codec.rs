//! `codec = Cbor`, where nothing in the file can be called so: the compiler would say of each use that it isn't there.

use syn::{GenericParam, Ident, Type, TypePath};

use crate::{
    item::{beside::Beside, context::Context, function::Function},
    parse::{args::ReadArgs, codec_of_ours, codecs, in_another_case},
    problem::{Problems, nearest, one_of},
};

pub(super) fn known(args: &ReadArgs, function: &Function, problems: &mut Problems) {
    let Some(codec) = args.codec.as_ref().map(|codec| &codec.value) else { return };
    let Some(name) = name(codec).filter(|_| codec_of_ours(codec).is_none()) else {
        return;
    };
    let text = name.to_string();
    let is_nothing =
        |beside: Beside| !beside.names_type(&text) && !beside.may_mean(&text, false) && !beside.makes_items();
    if !Beside::of(function).is_some_and(is_nothing) {
        return;
    }
    let in_another_case = in_another_case(codec).map(|(_, ours)| ours);
    if in_another_case.is_none() && is_of(function, name) {
        return;
    }
    let why = match in_another_case.or_else(|| nearest(&text, codecs())) {
        Some(ours) => format!("there is no codec `{name}`; did you mean `codec = {ours}`?"),
        None => format!(
            "there is no codec `{name}` here; write {}, or the name of a type of your own that implements `cached_aside::Codec`",
            one_of(&codecs())
        ),
    };
    problems.push(syn::Error::new(name.span(), why));
}

fn name(codec: &Type) -> Option<&Ident> {
    match codec {
        Type::Path(TypePath { qself: None, path, .. }) => path.get_ident(),
        _ => None,
    }
}

/// Whether the name may be one of the function's own, or of what is around it.
fn is_of(function: &Function, name: &Ident) -> bool {
    let is_named =
        |of: &GenericParam| matches!(of, GenericParam::Type(parameter) if parameter.ident == *name);
    *name == "Self"
        || matches!(function.context, Context::Nested | Context::Unknown)
        || function.generic_parameters().any(is_named)
}
