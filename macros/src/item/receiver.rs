//! The type of what a method is called on, as far as the source shows it.

use syn::{Expr, ExprField, FnArg, Ident, Member, Type};

use super::{beside::Site, types::pointed_to};

/// The type of a parameter or of a field of `self`.
pub(crate) fn type_of(receiver: &Expr, site: &Site) -> Option<Type> {
    match receiver {
        Expr::Paren(paren) => type_of(&paren.expr, site),
        Expr::Reference(reference) => type_of(&reference.expr, site),
        Expr::Path(path) => {
            let parameter = site.function.parameters.iter().find(|parameter| {
                parameter.name.as_ref().is_some_and(|name| path.path.is_ident(&name.to_string()))
            })?;
            match &parameter.written {
                FnArg::Typed(typed) => Some(Type::clone(&typed.ty)),
                FnArg::Receiver(_) => None,
            }
        }
        Expr::Field(ExprField { base, member: Member::Named(field), .. }) if is_self(base) => {
            let of = site.function.implementation().and_then(|item| name_of(&item.self_ty))?;
            site.beside.as_ref()?.field(&of.to_string(), &field.to_string())
        }
        _ => None,
    }
}

pub(crate) fn is_self(expr: &Expr) -> bool {
    matches!(expr, Expr::Path(path) if path.path.is_ident("self"))
}

/// The last name of a type's path, also behind references and pointers.
pub(crate) fn name_of(ty: &Type) -> Option<&Ident> {
    match ty {
        Type::Reference(reference) => name_of(&reference.elem),
        Type::Path(path) => match pointed_to(ty) {
            Some(inner) => name_of(inner),
            None => path.path.segments.last().map(|last| &last.ident),
        },
        _ => None,
    }
}
