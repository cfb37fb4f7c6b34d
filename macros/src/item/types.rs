//! What a type is, as far as its tokens tell.

use proc_macro2::Span;
use syn::{
    GenericArgument, Ident, Path, PathArguments, Type, TypeParamBound, spanned::Spanned, visit::Visit,
};

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

/// The types that are database transactions, by their last names: those of sqlx, tokio-postgres, deadpool, rusqlite, and sea-orm.
const TRANSACTIONS: [&str; 2] = ["Transaction", "DatabaseTransaction"];
/// How the names of connections end. One that is lent mutably may be inside of a transaction: those of diesel and sqlx are.
const CONNECTION: &str = "Connection";

/// What a transaction that is shared, or that may not be there, lies in.
const HOLDERS: [&str; 9] =
    ["Option", "Arc", "Box", "Rc", "Mutex", "MutexGuard", "OwnedMutexGuard", "RwLock", "RefCell"];

/// What the type of a parameter says about a transaction.
pub(crate) enum Transaction<'a> {
    /// It is one.
    Certain(&'a Ident),
    /// It may have one open.
    Possible(&'a Ident),
}

impl Transaction<'_> {
    pub(crate) fn of(ty: &Type) -> Option<Transaction<'_>> {
        Transaction::behind(ty, false)
    }

    fn behind(ty: &Type, mutable: bool) -> Option<Transaction<'_>> {
        match ty {
            Type::Reference(reference) => {
                Transaction::behind(&reference.elem, mutable || reference.mutability.is_some())
            }
            Type::Group(group) => Transaction::behind(&group.elem, mutable),
            Type::Paren(paren) => Transaction::behind(&paren.elem, mutable),
            Type::Path(path) => {
                let last = &path.path.segments.last()?.ident;
                let name = last.to_string();
                if TRANSACTIONS.contains(&name.as_str()) {
                    return Some(Transaction::Certain(last));
                }
                if mutable && name.ends_with(CONNECTION) {
                    return Some(Transaction::Possible(last));
                }
                let held = HOLDERS.iter().find_map(|holder| inside(ty, holder));
                held.and_then(|ty| Transaction::behind(ty, mutable))
            }
            _ => None,
        }
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

/// The type behind its references.
pub(crate) fn without_references(ty: &Type) -> &Type {
    match ty {
        Type::Reference(reference) => without_references(&reference.elem),
        Type::Group(group) => without_references(&group.elem),
        Type::Paren(paren) => without_references(&paren.elem),
        _ => ty,
    }
}

/// The traits of `dyn Users + Send`, `impl Users`, or a reference or pointer of the standard library to one of them.
pub(crate) fn traits(ty: &Type) -> Option<Vec<&Path>> {
    match ty {
        Type::Group(group) => traits(&group.elem),
        Type::Paren(paren) => traits(&paren.elem),
        Type::Reference(reference) => traits(&reference.elem),
        Type::TraitObject(object) => Some(traits_of(&object.bounds)),
        Type::ImplTrait(of) => Some(traits_of(&of.bounds)),
        _ => traits(pointed_to(ty)?),
    }
}

/// `T` of `Arc<T>`, `Box<T>`, `Pin<T>` or `Rc<T>`.
pub(crate) fn pointed_to(ty: &Type) -> Option<&Type> {
    ["Arc", "Box", "Pin", "Rc"].iter().find_map(|pointer| inside(ty, pointer))
}

/// The traits among these bounds that a program writes itself, as far as their names tell.
pub(crate) fn traits_of<'a>(bounds: impl IntoIterator<Item = &'a TypeParamBound>) -> Vec<&'a Path> {
    const OF_STD: [&str; 20] = [
        "Any",
        "AsMut",
        "AsRef",
        "Borrow",
        "BorrowMut",
        "Clone",
        "Copy",
        "Debug",
        "Default",
        "Deref",
        "DerefMut",
        "Display",
        "Error",
        "From",
        "Into",
        "Send",
        "Sized",
        "Sync",
        "ToOwned",
        "Unpin",
    ];
    let traits = bounds.into_iter().filter_map(|bound| match bound {
        TypeParamBound::Trait(bound) => Some(&bound.path),
        _ => None,
    });
    traits
        .filter(|path| path.segments.last().is_some_and(|last| !OF_STD.iter().any(|name| last.ident == name)))
        .collect()
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

#[cfg(test)]
mod tests {
    use quote::ToTokens;

    use super::*;

    #[test]
    fn the_traits_of_an_object_are_found_behind_its_pointer() {
        for (written, expected) in [
            ("&dyn Users", Some("Users")),
            ("Arc<dyn Users + Send + Sync>", Some("Users")),
            ("&'a mut (dyn shop::Users<u8> + 'a)", Some("shop::Users<u8>")),
            ("impl Users + Teams", Some("Users Teams")),
            ("Box<dyn Error>", Some("")),
            ("Arc<Repo>", None),
            ("web::Data<dyn Users>", None),
        ] {
            let ty: Type = syn::parse_str(written).unwrap();
            let found = traits(&ty).map(|traits| {
                let names = traits.iter().map(|path| path.to_token_stream().to_string().replace(' ', ""));
                names.collect::<Vec<_>>().join(" ")
            });
            assert_eq!(found.as_deref(), expected, "{written}");
        }
    }

    #[test]
    fn a_transaction_is_recognised_by_its_name() {
        let is = |ty: &str| match Transaction::of(&syn::parse_str(ty).unwrap()) {
            Some(Transaction::Certain(_)) => "certain",
            Some(Transaction::Possible(_)) => "possible",
            None => "no",
        };
        for ty in [
            "&mut Transaction<'_, Postgres>",
            "sqlx::Transaction<'static, sqlx::Postgres>",
            "&tokio_postgres::Transaction<'_>",
            "&'a rusqlite::Transaction<'_>",
            "&DatabaseTransaction",
            "(&mut Transaction)",
            "Option<&mut Transaction<'_>>",
            "&mut &mut Transaction",
            "Arc<tokio::sync::Mutex<Transaction<'static, Postgres>>>",
            "&Mutex<Option<sqlx::Transaction<'_, Postgres>>>",
            "MutexGuard<'_, DatabaseTransaction>",
            "Box<Transaction<'_>>",
        ] {
            assert_eq!(is(ty), "certain", "{ty}");
        }
        for ty in [
            "&mut PgConnection",
            "&mut diesel_async::AsyncPgConnection",
            "&mut Connection",
            "Option<&mut SqliteConnection>",
        ] {
            assert_eq!(is(ty), "possible", "{ty}");
        }
        for ty in [
            "&DatabaseConnection",
            "&Pool<Postgres>",
            "&PgConnection",
            "PgConnection",
            "Arc<Mutex<PgConnection>>",
            "&mut impl Executor",
            "impl Executor<'_>",
            "&mut C",
            "Transactions",
            "&TransactionLog",
            "Vec<Transaction>",
            "fn(&Transaction)",
        ] {
            assert_eq!(is(ty), "no", "{ty}");
        }
    }
}
