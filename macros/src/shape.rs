//! A return type without its generic parameters: only its shape (`Option`, `Result`) is asked for where it is used, and
//! that place may not depend on generic parameters.

use proc_macro2::Span;
use quote::ToTokens;
use syn::{
    Expr, GenericArgument, GenericParam, Ident, Lifetime, Type, TypeReference, parse_quote,
    visit_mut::{self, VisitMut},
};

use crate::{place::OF_MACRO, signature::Function};

/// The type with `()` for type parameters and what is projected from them, a value for const parameters, and `'static` for
/// lifetimes.
pub(crate) fn without_parameters(ty: &Type, function: &Function) -> Type {
    let mut types = vec![Ident::new("Self", Span::call_site())];
    let mut constants = Vec::new();
    for parameter in function.generic_parameters() {
        match parameter {
            GenericParam::Type(parameter) => types.push(parameter.ident.clone()),
            GenericParam::Const(parameter) => {
                constants.push((parameter.ident.clone(), value_of(&parameter.ty)));
            }
            GenericParam::Lifetime(_) => {}
        }
    }
    let mut ty = concrete(ty, function).unwrap_or_else(|| ty.clone());
    Replace { types, constants }.visit_type_mut(&mut ty);
    ty
}

/// Whether the type is `Self::Answer` of a type that isn't known here: it may be a `Result`, and it may not.
pub(crate) fn is_unknown(ty: &Type, function: &Function) -> bool {
    projected_from_self(ty).is_some() && concrete(ty, function).is_none()
}

/// `Self::Answer` as `<Repo as Load>::Answer`, in the `impl` of a trait for a type without parameters.
fn concrete(ty: &Type, function: &Function) -> Option<Type> {
    let name = projected_from_self(ty)?;
    let item = function.implementation()?;
    let (of, _) = item.trait_.as_ref()?;
    let parameters =
        item.generics.params.iter().any(|parameter| !matches!(parameter, GenericParam::Lifetime(_)));
    if parameters || item.to_token_stream().to_string().contains(OF_MACRO) {
        return None;
    }
    let self_ty = &item.self_ty;
    Some(parse_quote!(<#self_ty as #of>::#name))
}

/// `Answer` of `Self::Answer`.
fn projected_from_self(ty: &Type) -> Option<&Ident> {
    match ty {
        Type::Group(group) => projected_from_self(&group.elem),
        Type::Paren(paren) => projected_from_self(&paren.elem),
        Type::Path(path) if path.qself.is_none() && path.path.segments.len() == 2 => {
            (path.path.segments[0].ident == "Self").then(|| &path.path.segments[1].ident)
        }
        _ => None,
    }
}

/// The type with `'static` for every lifetime.
pub(crate) fn without_lifetimes(ty: &Type) -> Type {
    let mut ty = ty.clone();
    Replace { types: vec![], constants: vec![] }.visit_type_mut(&mut ty);
    ty
}

/// Whether the type has a lifetime that can be seen, `'static` aside.
pub(crate) fn has_lifetimes(ty: &Type) -> bool {
    let text = |ty: &Type| ty.to_token_stream().to_string();
    text(&without_lifetimes(ty)) != text(ty)
}

/// A value of a const parameter's type.
fn value_of(ty: &Type) -> Expr {
    match ty {
        Type::Path(path) if path.path.is_ident("bool") => parse_quote!(false),
        Type::Path(path) if path.path.is_ident("char") => parse_quote!('a'),
        _ => parse_quote!(0),
    }
}

struct Replace {
    types: Vec<Ident>,
    constants: Vec<(Ident, Expr)>,
}

impl Replace {
    /// `T`, `T::Item`, `<T as Trait>::Item`
    fn is_type_parameter(&self, ty: &Type) -> bool {
        let Type::Path(path) = ty else { return false };
        match &path.qself {
            Some(qself) => self.is_type_parameter(&qself.ty),
            None => {
                path.path.leading_colon.is_none()
                    && path.path.segments.first().is_some_and(|first| self.types.contains(&first.ident))
            }
        }
    }

    fn constant(&self, path: &syn::Path) -> Option<&Expr> {
        let name = path.get_ident()?;
        self.constants.iter().find(|(constant, _)| constant == name).map(|(_, value)| value)
    }
}

impl VisitMut for Replace {
    fn visit_type_mut(&mut self, ty: &mut Type) {
        if self.is_type_parameter(ty) {
            *ty = parse_quote!(());
        } else {
            visit_mut::visit_type_mut(self, ty);
        }
    }

    fn visit_generic_argument_mut(&mut self, argument: &mut GenericArgument) {
        if let GenericArgument::Type(Type::Path(path)) = argument
            && path.qself.is_none()
            && let Some(value) = self.constant(&path.path)
        {
            *argument = GenericArgument::Const(value.clone());
        } else {
            visit_mut::visit_generic_argument_mut(self, argument);
        }
    }

    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        if let Expr::Path(path) = expr
            && let Some(value) = self.constant(&path.path)
        {
            *expr = value.clone();
        } else {
            visit_mut::visit_expr_mut(self, expr);
        }
    }

    fn visit_lifetime_mut(&mut self, lifetime: &mut Lifetime) {
        *lifetime = Lifetime::new("'static", lifetime.span());
    }

    fn visit_type_reference_mut(&mut self, ty: &mut TypeReference) {
        ty.lifetime.get_or_insert_with(|| Lifetime::new("'static", ty.and_token.span));
        visit_mut::visit_type_reference_mut(self, ty);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::place::Place;

    #[test]
    fn nothing_generic_is_left() {
        let item = parse_quote! {
            async fn f<'a, T: Iterator, const N: usize, const B: bool>() {}
        };
        let around = parse_quote!(
            impl<U> Repo<U> {}
        );
        let function = Function::at(item, Place::Inherent(Some(Box::new(around))));
        for (written, expected) in [
            ("Result<User, Error>", "Result<User,Error>"),
            ("Result<Option<T>, T::Error>", "Result<Option<()>,()>"),
            ("Option<<T as Iterator>::Item>", "Option<()>"),
            ("my::Result<Page<U>>", "my::Result<Page<()>>"),
            ("Result<Self, Self::Error>", "Result<(),()>"),
            ("Result<[u8; N], Flag<B, N>>", "Result<[u8;0],Flag<false,0>>"),
            ("Result<&'a str, &str>", "Result<&'staticstr,&'staticstr>"),
            ("Cow<'_, str>", "Cow<'static,str>"),
            ("Box<dyn Fn(T) -> U>", "Box<dynFn(())->()>"),
            ("()", "()"),
        ] {
            let ty = syn::parse_str(written).unwrap();
            let shape = without_parameters(&ty, &function).to_token_stream().to_string().replace(' ', "");
            assert_eq!(shape, expected, "{written}");
        }
    }

    #[test]
    fn what_self_projects_to_is_looked_up_where_it_can_be() {
        let answer: Type = parse_quote!(Self::Answer);
        for (around, shape) in [
            ("impl<'a> Load<'a> for Repo<'a> {}", Some("<Repo<'static>asLoad<'static>>::Answer")),
            ("impl<T> Load for Repo<T> {}", None),
            ("impl __of_macro_t for Repo {}", None),
            ("impl Repo {}", None),
        ] {
            let around = syn::parse_str(around).unwrap();
            let function = Function::at(
                parse_quote!(
                    async fn f() {}
                ),
                Place::TraitImpl(Some(Box::new(around))),
            );
            assert_eq!(is_unknown(&answer, &function), shape.is_none());
            if let Some(shape) = shape {
                let found =
                    without_parameters(&answer, &function).to_token_stream().to_string().replace(' ', "");
                assert_eq!(found, shape);
            }
        }
    }

    #[test]
    fn lifetimes_are_seen() {
        for (written, expected) in
            [("Result<User, E>", false), ("&str", true), ("Cow<'_, str>", true), ("Vec<&'static str>", false)]
        {
            assert_eq!(has_lifetimes(&syn::parse_str(written).unwrap()), expected, "{written}");
        }
    }
}
