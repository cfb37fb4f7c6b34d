//! A mistyped field in a template, where the source shows the struct that hasn't got it.

use syn::{Expr, ExprField, GenericParam, Ident, Member, Pat, Type, TypePath};

use crate::{
    item::{
        beside::Beside,
        context::Context,
        function::Function,
        types::{inside, pointed_to, without_references},
    },
    parse::{each::Each, template::Placeholder},
    problem::nearest,
    tokens::same,
};

/// Which of the placeholder's fields there is not, and what was probably meant.
pub(super) fn field(
    placeholder: &Placeholder,
    function: &Function,
    each: Option<&Each>,
) -> Option<(usize, String)> {
    if placeholder.fields.is_empty() {
        return None;
    }
    if matches!(function.context, Context::Nested | Context::Unknown) {
        return None;
    }
    let source = Source { function, beside: Beside::of(function)? };
    let mut ty = source.root(&placeholder.name, each)?;
    for (number, field) in placeholder.fields.iter().enumerate() {
        let name = source.name(&ty)?.to_string();
        let fields = source.beside.fields(&name)?;
        if !fields.iter().any(|known| plain(known) == plain(field)) {
            let near = nearest(plain(field), fields.iter().map(|known| plain(known)))?;
            return Some((number, format!("`{name}` has no field `{field}`; did you mean `{near}`?")));
        }
        ty = source.beside.field(&name, field)?;
    }
    None
}

fn plain(field: &str) -> &str {
    field.strip_prefix("r#").unwrap_or(field)
}

/// What the source shows of types.
struct Source<'a> {
    function: &'a Function,
    beside: Beside,
}

impl Source<'_> {
    /// The type of what a placeholder begins with.
    fn root(&self, name: &str, each: Option<&Each>) -> Option<Type> {
        if let Some(each) = each
            && each.names().iter().any(|item| same(item, name))
        {
            let whole = match &each.pat {
                Pat::Reference(reference) => &reference.pat,
                pat => pat,
            };
            return matches!(whole, Pat::Ident(_)).then(|| item(&self.type_of(&each.list)?)).flatten();
        }
        self.variable(name)
    }

    /// The type of a parameter that has a name, or of the result.
    fn variable(&self, name: &str) -> Option<Type> {
        let named = |of: &Option<Ident>| of.as_ref().is_some_and(|of| same(of, name));
        match self.function.parameters.iter().find(|parameter| named(&parameter.name)) {
            Some(parameter) if parameter.is_self() => {
                Some((*self.function.implementation()?.self_ty).clone())
            }
            Some(parameter) => match &parameter.written {
                syn::FnArg::Typed(typed) => Some((*typed.ty).clone()),
                syn::FnArg::Receiver(_) => None,
            },
            None if name == "result" => {
                let output = &self.function.output;
                Some(inside(output, "Result").unwrap_or(output).clone())
            }
            None => None,
        }
    }

    fn type_of(&self, expr: &Expr) -> Option<Type> {
        match expr {
            Expr::Path(path) => self.variable(&path.path.get_ident()?.to_string()),
            Expr::Reference(reference) => self.type_of(&reference.expr),
            Expr::Paren(paren) => self.type_of(&paren.expr),
            Expr::Field(ExprField { base, member: Member::Named(field), .. }) => {
                self.beside.field(&self.name(&self.type_of(base)?)?.to_string(), &field.to_string())
            }
            _ => None,
        }
    }

    /// The name of the struct that the type is, also behind references and pointers.
    fn name(&self, ty: &Type) -> Option<Ident> {
        let ty = without_references(ty);
        if let Some(inner) = pointed_to(ty) {
            return self.name(inner);
        }
        let Type::Path(TypePath { qself: None, path, .. }) = ty else { return None };
        let mut segments = path.segments.iter();
        let (Some(only), None) = (segments.next(), segments.next()) else { return None };
        let mut generics = self.function.generic_parameters();
        let is_generic = generics
            .any(|generic| matches!(generic, GenericParam::Type(generic) if generic.ident == only.ident));
        (!is_generic).then(|| only.ident.clone())
    }
}

/// The type of a list's items.
fn item(ty: &Type) -> Option<Type> {
    match without_references(ty) {
        Type::Slice(slice) => Some((*slice.elem).clone()),
        Type::Array(array) => Some((*array.elem).clone()),
        ty => ["Vec", "VecDeque", "HashSet", "BTreeSet", "Option"]
            .iter()
            .find_map(|list| inside(ty, list))
            .cloned(),
    }
}
