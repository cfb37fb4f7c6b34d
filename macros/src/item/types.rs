//! What a type is, as far as its tokens tell.

use proc_macro2::Span;
use syn::{GenericArgument, PathArguments, Type, TypeParamBound, spanned::Spanned, visit::Visit};

/// Whether the type can be written elsewhere: there is no `impl …` in it.
pub(crate) fn is_nameable(ty: &Type) -> bool {
    impl_trait(ty).is_none()
}

/// Where an `impl …` is in the type.
pub(crate) fn impl_trait(ty: &Type) -> Option<Span> {
    let mut found = ImplTrait::default();
    found.visit_type(ty);
    found.0
}

#[derive(Default)]
struct ImplTrait(Option<Span>);

impl<'ast> Visit<'ast> for ImplTrait {
    fn visit_type_impl_trait(&mut self, ty: &'ast syn::TypeImplTrait) {
        self.0.get_or_insert(ty.span());
    }
}

/// The type parameter of the last segment of a path, if the segment has this name.
pub(crate) fn inside<'a>(ty: &'a Type, name: &str) -> Option<&'a Type> {
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last().filter(|last| last.ident == name)?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    })
}

/// The `Output` of a `Future` among these bounds.
pub(crate) fn future_output<'a>(bounds: impl IntoIterator<Item = &'a TypeParamBound>) -> Option<&'a Type> {
    bounds.into_iter().find_map(|bound| {
        let TypeParamBound::Trait(bound) = bound else { return None };
        let last = bound.path.segments.last().filter(|last| last.ident == "Future")?;
        let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
        arguments.args.iter().find_map(|argument| match argument {
            GenericArgument::AssocType(output) if output.ident == "Output" => Some(&output.ty),
            _ => None,
        })
    })
}
