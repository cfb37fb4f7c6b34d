//! A return type without its generic parameters: only its shape (`Option`, `Result`) is needed, and in a
//! position that may not depend on generic parameters.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{
    BoundLifetimes, Expr, GenericArgument, GenericParam, Ident, ItemImpl, Lifetime,
    ParenthesizedGenericArguments, PathArguments, TraitBound, Type, TypeFnPtr, TypeParamBound, TypeReference,
    WherePredicate, parse_quote,
    spanned::Spanned,
    visit_mut::{self, VisitMut},
};

use crate::{
    item::{beside::Beside, context::Context, function::Function},
    tokens::{OF_MACRO, located, mentions},
};

/// The type as far as its shape needs it: with `()` for type parameters and what is projected from them, a value for const
/// parameters, and `'static` for lifetimes. What might not accept a `()` is replaced as a whole.
pub(crate) fn without_parameters(ty: &Type, function: &Function) -> Type {
    let replace = Replace::of(function);
    let mut ty = with_self(ty, function);
    replace.reduce(&mut ty, function);
    replace.clone().visit_type_mut(&mut ty);
    ty
}

/// Whether a part of the type was replaced as a whole that may be an alias of an `Option` or a `Result`.
pub(crate) fn is_opaque(ty: &Type, function: &Function) -> bool {
    Replace::of(function).reduce(&mut with_self(ty, function), function)
}

/// Traits of which `()` has an implementation.
const OF_UNIT: [&str; 15] = [
    "Clone",
    "Copy",
    "Debug",
    "Default",
    "Deserialize",
    "DeserializeOwned",
    "Eq",
    "Hash",
    "Ord",
    "PartialEq",
    "PartialOrd",
    "Send",
    "Serialize",
    "Sized",
    "Sync",
];

/// Whether these bounds hold for `()` too.
fn hold_for_unit<'a>(bounds: impl IntoIterator<Item = &'a TypeParamBound>) -> bool {
    bounds.into_iter().all(|bound| match bound {
        TypeParamBound::Lifetime(_) => true,
        TypeParamBound::Trait(bound) => {
            bound.path.segments.last().is_some_and(|last| OF_UNIT.iter().any(|name| last.ident == name))
        }
        _ => false,
    })
}

/// Whether `()` satisfies the bounds of all type parameters in these tokens.
fn accepts_unit(tokens: &TokenStream, function: &Function) -> bool {
    let own = Some(&function.sig.generics);
    let generics = || own.into_iter().chain(function.context.generics());
    let plain = generics()
        .flat_map(|generics| generics.type_params())
        .all(|parameter| !mentions(tokens, &parameter.ident.to_string()) || hold_for_unit(&parameter.bounds));
    let clauses = generics().filter_map(|generics| generics.where_clause.as_ref());
    let predicates = clauses.flat_map(|clause| &clause.predicates);
    let named = |bounded: &Type| {
        let bounded = bounded.to_token_stream();
        function.generic_parameters().any(|parameter| match parameter {
            GenericParam::Type(parameter) => {
                let name = parameter.ident.to_string();
                mentions(&bounded, &name) && mentions(tokens, &name)
            }
            _ => false,
        })
    };
    let mut about = predicates.filter_map(|predicate| match predicate {
        WherePredicate::Type(predicate) if named(&predicate.bounded_ty) => Some(predicate),
        _ => None,
    });
    let is_name = |ty: &Type| matches!(ty, Type::Path(path) if path.path.get_ident().is_some());
    plain && about.all(|predicate| is_name(&predicate.bounded_ty) && hold_for_unit(&predicate.bounds))
}

impl Replace {
    fn of(function: &Function) -> Replace {
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
        // What a macro puts together can't be read: such names are parameters more often than types.
        let is_unread = matches!(function.context, Context::Inherent(None) | Context::TraitImpl(None));
        Replace { types, constants, is_unread, ..Replace::default() }
    }

    /// Replaces what may not accept a `()` by one as a whole; whether that was so for something that may be an alias.
    fn reduce(&self, ty: &mut Type, function: &Function) -> bool {
        let path = match ty {
            Type::Group(group) => return self.reduce(&mut group.elem, function),
            Type::Paren(paren) => return self.reduce(&mut paren.elem, function),
            _ if !self.mentions_parameter(ty) || self.is_type_parameter(ty) => return false,
            Type::Path(path) if path.qself.is_none() => path,
            // It can't be an alias.
            Type::Tuple(_) | Type::Array(_) | Type::Slice(_) | Type::Reference(_) | Type::Ptr(_) => {
                *ty = parse_quote!(());
                return false;
            }
            _ => {
                *ty = parse_quote!(());
                return true;
            }
        };
        let Some(last) = path.path.segments.last_mut() else { return false };
        let is_result = last.ident == "Result";
        if let PathArguments::AngleBracketed(arguments) = &mut last.arguments
            && (is_result || last.ident == "Option")
        {
            let mut is_opaque = false;
            let types = arguments.args.iter_mut().filter_map(|argument| match argument {
                GenericArgument::Type(ty) => Some(ty),
                _ => None,
            });
            for (number, ty) in types.enumerate() {
                if number == 0 && is_result {
                    is_opaque = self.reduce(ty, function);
                } else if self.mentions_parameter(ty) {
                    *ty = parse_quote!(());
                }
            }
            return is_opaque;
        }
        let accepts = !self.is_unread && accepts_unit(&ty.to_token_stream(), function);
        if !accepts {
            *ty = parse_quote!(());
        }
        !accepts
    }

    fn mentions_parameter(&self, ty: &Type) -> bool {
        let tokens = ty.to_token_stream();
        self.types.iter().any(|name| mentions(&tokens, &name.to_string()))
            || self.is_unread && mentions_letter(&tokens)
    }
}

/// Whether there is a name of one capital letter, as parameters have them.
fn mentions_letter(tokens: &TokenStream) -> bool {
    tokens.clone().into_iter().any(|token| match token {
        TokenTree::Ident(name) => is_letter(&name),
        TokenTree::Group(group) => mentions_letter(&group.stream()),
        _ => false,
    })
}

fn is_letter(name: &Ident) -> bool {
    let name = name.to_string();
    name.len() == 1 && name.starts_with(|character: char| character.is_ascii_uppercase())
}

/// Whether the type is `Self::Answer` of a type that isn't known here: it may be a `Result`, and it may not.
pub(crate) fn is_unknown(ty: &Type, function: &Function) -> bool {
    projected_from_self(ty).is_some() && projected_from_self(&with_self(ty, function)).is_some()
}

/// The type with what `Self` stands for, in the `impl` of a type without parameters: `Page<Self>` as `Page<User>`, and `Self::Answer`
/// as `<Repo as Load>::Answer`.
pub(crate) fn with_self(ty: &Type, function: &Function) -> Type {
    let mut ty = ty.clone();
    let Some(item) = function.implementation() else { return ty };
    let parameters =
        item.generics.params.iter().any(|parameter| !matches!(parameter, GenericParam::Lifetime(_)));
    if !parameters
        && mentions(&ty.to_token_stream(), "Self")
        && !item.to_token_stream().to_string().contains(OF_MACRO)
    {
        InPlaceOfSelf { item, beside: Beside::of(function) }.visit_type_mut(&mut ty);
    }
    ty
}

struct InPlaceOfSelf<'a> {
    item: &'a ItemImpl,
    beside: Option<Beside>,
}

impl InPlaceOfSelf<'_> {
    /// Whether the associated type is one of the trait itself, whose `impl` says what it is, and not of a trait above it.
    fn declares(&self, name: &Ident) -> bool {
        self.beside.as_ref().is_none_or(|beside| beside.has_type(&name.to_string()))
    }
}

impl VisitMut for InPlaceOfSelf<'_> {
    fn visit_type_mut(&mut self, ty: &mut Type) {
        let Type::Path(path) = ty else { return visit_mut::visit_type_mut(self, ty) };
        let segments = &path.path.segments;
        if path.qself.is_some() || segments.first().is_none_or(|first| first.ident != "Self") {
            return visit_mut::visit_type_mut(self, ty);
        }
        // Shown where it is written.
        let at = Span::call_site().located_at(segments.span());
        let self_ty = located(&self.item.self_ty.to_token_stream(), at);
        match (segments.len(), &self.item.trait_) {
            (1, _) => *ty = parse_quote!(#self_ty),
            (2, Some((of, _))) if self.declares(&segments[1].ident) => {
                let (of, name) = (located(&of.to_token_stream(), at), &segments[1]);
                *ty = parse_quote!(<#self_ty as #of>::#name);
            }
            _ => {}
        }
    }
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
    Replace::default().visit_type_mut(&mut ty);
    ty
}

/// Whether the type has a lifetime that can be seen, `'static` aside.
pub(crate) fn has_lifetimes(ty: &Type) -> bool {
    let text = |ty: &Type| ty.to_token_stream().to_string();
    text(&without_lifetimes(ty)) != text(ty)
}

/// A value of a const parameter's type.
fn value_of(ty: &Type) -> Expr {
    let name = match ty {
        Type::Path(path) => path.path.segments.last().map(|last| last.ident.to_string()),
        _ => None,
    };
    match name.as_deref() {
        Some("bool") => parse_quote!(false),
        Some("char") => parse_quote!('a'),
        _ => parse_quote!(0),
    }
}

#[derive(Clone, Default)]
struct Replace {
    types: Vec<Ident>,
    constants: Vec<(Ident, Expr)>,
    /// The parameters of the `impl` are not known.
    is_unread: bool,
    /// The lifetimes that a `for<'a>` around declares.
    declared: Vec<Lifetime>,
    /// Inside of `fn(&str)` or `Fn(&str)`, which borrows nothing.
    in_function: bool,
}

impl Replace {
    /// Goes through what these lifetimes are declared for.
    fn with(&mut self, lifetimes: Option<&BoundLifetimes>, visit: impl FnOnce(&mut Self)) {
        let before = self.declared.len();
        let names = lifetimes.into_iter().flat_map(|lifetimes| &lifetimes.lifetimes);
        self.declared.extend(names.filter_map(|parameter| match parameter {
            GenericParam::Lifetime(parameter) => Some(parameter.lifetime.clone()),
            _ => None,
        }));
        visit(self);
        self.declared.truncate(before);
    }

    /// Goes through the arguments of a function type.
    fn in_function(&mut self, visit: impl FnOnce(&mut Self)) {
        let before = std::mem::replace(&mut self.in_function, true);
        visit(self);
        self.in_function = before;
    }

    /// `T`, `T::Item`, `<T as Trait>::Item`
    fn is_type_parameter(&self, ty: &Type) -> bool {
        let Type::Path(path) = ty else { return false };
        match &path.qself {
            Some(qself) => self.is_type_parameter(&qself.ty),
            None => {
                path.path.leading_colon.is_none()
                    && path.path.segments.first().is_some_and(|first| {
                        self.types.contains(&first.ident)
                            || self.is_unread && path.path.segments.len() == 1 && is_letter(&first.ident)
                    })
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
        let is_elided = self.in_function && lifetime.ident == "_";
        if !is_elided && !self.declared.contains(lifetime) {
            *lifetime = Lifetime::new("'static", lifetime.span());
        }
    }

    fn visit_type_reference_mut(&mut self, ty: &mut TypeReference) {
        if !self.in_function {
            ty.lifetime.get_or_insert_with(|| Lifetime::new("'static", ty.and_token.span));
        }
        visit_mut::visit_type_reference_mut(self, ty);
    }

    fn visit_type_fn_ptr_mut(&mut self, ty: &mut TypeFnPtr) {
        let lifetimes = ty.lifetimes.clone();
        self.with(lifetimes.as_ref(), |replace| {
            replace.in_function(|replace| visit_mut::visit_type_fn_ptr_mut(replace, ty));
        });
    }

    fn visit_trait_bound_mut(&mut self, bound: &mut TraitBound) {
        let lifetimes = bound.lifetimes.clone();
        self.with(lifetimes.as_ref(), |replace| visit_mut::visit_trait_bound_mut(replace, bound));
    }

    fn visit_parenthesized_generic_arguments_mut(&mut self, arguments: &mut ParenthesizedGenericArguments) {
        self.in_function(|replace| visit_mut::visit_parenthesized_generic_arguments_mut(replace, arguments));
    }
}

#[cfg(test)]
mod tests;
