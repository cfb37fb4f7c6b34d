//! What a return type stores: what it is, and what it is made of.

use syn::{GenericArgument, PathArguments, Type};

use crate::item::types::inside;

/// What a value is, as far as its type's name says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `Arc<User>`
    Pointer,
    /// `Instant`
    Time,
    Other,
}

/// The containers of the standard library that need of what they are made of what they need themselves. The first two have keys and
/// values.
pub(crate) const CONTAINERS: [&str; 7] =
    ["HashMap", "BTreeMap", "Option", "Vec", "VecDeque", "HashSet", "BTreeSet"];

/// What is stored of this return type.
pub(crate) fn value(output: &Type) -> &Type {
    let value = inside(output, "Result").unwrap_or(output);
    inside(value, "Option").unwrap_or(value)
}

/// What this value is.
pub(crate) fn kind(value: &Type) -> Kind {
    if ["Arc", "Rc"].iter().any(|pointer| inside(value, pointer).is_some()) {
        return Kind::Pointer;
    }
    let last = match value {
        Type::Path(path) => path.path.segments.last(),
        _ => None,
    };
    if last.is_some_and(|last| last.ident == "Instant") { Kind::Time } else { Kind::Other }
}

/// The types that a tuple or a container of the standard library is made of, where the value is one: what can't be cached is
/// one of them then. Those that certainly can are left out, if there are others.
pub(crate) fn parts(output: &Type) -> Vec<&Type> {
    let mut parts = Vec::new();
    collect_parts(value(output), false, &mut parts);
    let known: Vec<&Type> = parts.iter().copied().filter(|part| is_cacheable(part)).collect();
    if known.len() < parts.len() {
        parts.retain(|part| !is_cacheable(part));
    }
    parts
}

/// Whether a type of this name certainly is: a number, text, …
pub(crate) fn is_cacheable(part: &Type) -> bool {
    const KNOWN: [&str; 17] = [
        "u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16", "i32", "i64", "i128", "isize", "f32", "f64",
        "bool", "char", "String",
    ];
    matches!(part, Type::Path(path) if KNOWN.iter().any(|known| path.path.is_ident(known)))
}

fn collect_parts<'a>(ty: &'a Type, is_part: bool, parts: &mut Vec<&'a Type>) {
    match ty {
        Type::Group(group) => collect_parts(&group.elem, is_part, parts),
        Type::Paren(paren) => collect_parts(&paren.elem, is_part, parts),
        Type::Tuple(tuple) => tuple.elems.iter().for_each(|part| collect_parts(part, true, parts)),
        Type::Array(array) => collect_parts(&array.elem, true, parts),
        Type::Path(path) => {
            let Some(last) = path.path.segments.last() else { return };
            let of_std = path.path.segments.len() == 1
                || ["std", "core", "alloc", "collections"].iter().any(|of| path.path.segments[0].ident == of);
            let contained = match CONTAINERS.iter().position(|name| of_std && last.ident == name) {
                None => 0,
                Some(0..2) => 2,
                Some(_) => 1,
            };
            match &last.arguments {
                PathArguments::AngleBracketed(arguments) if contained > 0 => {
                    let types = arguments.args.iter().filter_map(|argument| match argument {
                        GenericArgument::Type(ty) => Some(ty),
                        _ => None,
                    });
                    types.take(contained).for_each(|part| collect_parts(part, true, parts));
                }
                _ if is_part => parts.push(ty),
                _ => {}
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use quote::ToTokens;

    use super::*;

    #[test]
    fn a_container_has_parts() {
        for (written, expected) in [
            ("User", ""),
            ("Result<Option<User>, E>", ""),
            ("Page<User>", ""),
            ("Vec<User>", "User"),
            ("Result<Option<(u64, Vec<User>)>, E>", "User"),
            ("(u64, String)", "u64,String"),
            ("std::collections::HashMap<Id, [Page<User>; 2], Hasher>", "Id,Page<User>"),
            ("Vec<Box<dyn Event>>", "Box<dynEvent>"),
        ] {
            let ty = syn::parse_str(written).unwrap();
            let found: Vec<_> =
                parts(&ty).iter().map(|part| part.to_token_stream().to_string().replace(' ', "")).collect();
            assert_eq!(found.join(","), expected, "{written}");
        }
    }

    #[test]
    fn pointers_and_times_are_known_by_their_names() {
        for (written, expected) in [
            ("Arc<User>", Kind::Pointer),
            ("Result<Option<std::sync::Arc<str>>, E>", Kind::Pointer),
            ("Option<Instant>", Kind::Time),
            ("io::Result<std::time::Instant>", Kind::Time),
            ("Vec<Arc<User>>", Kind::Other),
            ("Arc", Kind::Other),
            ("User", Kind::Other),
        ] {
            assert_eq!(kind(value(&syn::parse_str(written).unwrap())), expected, "{written}");
        }
    }
}
