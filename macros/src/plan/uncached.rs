//! Calls of functions that the source shows to be plain ones.

use syn::{GenericParam, Ident, PathArguments, Type};

use crate::{
    item::{
        beside::{Beside, Site},
        context::Context,
        receiver::{is_self, type_of},
        types::pointed_to,
        uncached::{is_uncached, is_uncached_here, is_uncached_of},
    },
    parse::call::Call,
};

/// What to write instead of the call of a function that is not cached.
pub(super) fn uncached(call: &Call, site: &Site) -> Option<syn::Error> {
    let beside = site.beside.as_ref().filter(|beside| !beside.is_in_macro())?;
    let (name, plain) = match call {
        Call::Path(_, path) if path.qself.is_some() || path.path.leading_colon.is_some() => return None,
        Call::Path(_, path) => {
            let segments = &path.path.segments;
            match (segments.first()?, segments.last()?) {
                (name, _) if segments.len() == 1 => {
                    (&name.ident, is_uncached(&name.ident.to_string(), beside))
                }
                (of, name) if segments.len() == 2 && of.ident == "Self" => {
                    (&name.ident, of_self(&name.ident, site))
                }
                (of, name) if segments.len() == 2 && of.arguments.is_none() => {
                    (&name.ident, of_type(&of.ident, &name.ident, site))
                }
                _ => return None,
            }
        }
        Call::Method(call) if is_self(&call.receiver) => (&call.method, of_self(&call.method, site)),
        Call::Method(call) => {
            let ty = type_of(&call.receiver, site)?;
            (&call.method, of_type(plain_name(&ty)?, &call.method, site))
        }
        Call::Key(_) | Call::Tag(_) => return None,
    };
    plain.then(|| not_cached(name, "give `#[invalidates]` the key as text"))
}

/// The same for the name of a function in an expression.
pub(super) fn uncached_function(name: &Ident, beside: &Beside) -> Option<syn::Error> {
    let plain = !beside.is_in_macro() && is_uncached(&name.to_string(), beside);
    plain.then(|| not_cached(name, "name the key as text"))
}

fn not_cached(name: &Ident, or: &str) -> syn::Error {
    let why = format!(
        "`{name}` is not a cached function, and only the call of one names a key; put `#[cached_aside(ttl = …, key = …)]` above it, or \
         {or}, such as `\"user:{{id}}\"`"
    );
    syn::Error::new(name.span(), why)
}

/// Whether the function of this name in the same `impl` is a plain one.
fn of_self(name: &Ident, site: &Site) -> bool {
    let Context::Inherent(Some(item)) = &site.function.context else { return false };
    let (Some(beside), Some(of)) = (&site.beside, plain_name(&item.self_ty)) else { return false };
    // What leads elsewhere would be written beside the type.
    beside.is_only_type(&of.to_string()) && is_uncached_here(&name.to_string(), beside)
}

/// The same of a type.
fn of_type(of: &Ident, name: &Ident, site: &Site) -> bool {
    let is_parameter =
        |parameter: &GenericParam| matches!(parameter, GenericParam::Type(ty) if ty.ident == *of);
    !site.function.generic_parameters().any(is_parameter)
        && site
            .beside
            .as_ref()
            .is_some_and(|beside| is_uncached_of(&of.to_string(), &name.to_string(), beside))
}

/// `Repo` of `&Repo` and `Arc<Repo>`: the name of a type without parameters that needs no path.
pub(super) fn plain_name(ty: &Type) -> Option<&Ident> {
    if let Some(inner) = pointed_to(ty) {
        return plain_name(inner);
    }
    match ty {
        Type::Reference(reference) => plain_name(&reference.elem),
        Type::Path(path) if path.qself.is_none() => {
            let name = path.path.segments.first().filter(|_| path.path.segments.len() == 1)?;
            matches!(name.arguments, PathArguments::None).then_some(&name.ident)
        }
        _ => None,
    }
}
