//! `load_user(user.id)` → the companion of `load_user` that makes its key.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::{
    Expr, ExprCall, ExprMethodCall, ExprPath, Ident, PathArguments, PathSegment, ext::IdentExt,
    parse::ParseStream, spanned::Spanned,
};

/// The call of a cached function, in `#[invalidates(…)]`.
#[derive(Clone)]
pub(crate) enum Call {
    /// `load_user(id)`, `users::load_user(id)`, `Repo::load_user(id)`
    Path(ExprCall, ExprPath),
    /// `self.load_user(id)`
    Method(ExprMethodCall),
}

const HOW: &str =
    "name the call of a cached function, such as `load_user(id)`, or a key, such as `\"user:{id}\"`";

impl Call {
    pub(crate) fn parse(input: ParseStream) -> syn::Result<Call> {
        let expr: Expr = input.parse()?;
        match expr {
            Expr::Call(call) => match &*call.func {
                Expr::Path(path) if path.path.is_ident("tags") => Err(syn::Error::new(
                    path.span(),
                    format!("`tags` are not available in this version; {HOW}"),
                )),
                Expr::Path(path) => {
                    let path = path.clone();
                    Ok(Call::Path(call, path))
                }
                other => Err(syn::Error::new(other.span(), HOW)),
            },
            Expr::MethodCall(call) => Ok(Call::Method(call)),
            Expr::Path(path) => {
                let written = path.to_token_stream().to_string().replace(' ', "");
                Err(syn::Error::new(
                    path.span(),
                    format!("`{written}` needs its arguments, such as `{written}(id)`"),
                ))
            }
            other => Err(syn::Error::new(other.span(), HOW)),
        }
    }

    pub(crate) fn arguments(&self) -> impl Iterator<Item = &Expr> {
        match self {
            Call::Path(call, _) => call.args.iter(),
            Call::Method(call) => call.args.iter(),
        }
    }

    pub(crate) fn arguments_mut(&mut self) -> impl Iterator<Item = &mut Expr> {
        match self {
            Call::Path(call, _) => call.args.iter_mut(),
            Call::Method(call) => call.args.iter_mut(),
        }
    }

    /// The same call, of the companion that makes the key.
    pub(crate) fn key(&self) -> TokenStream {
        match self {
            Call::Path(call, path) => {
                let companion = companion(path);
                let (attrs, mut arguments) = (&call.attrs, TokenStream::new());
                call.paren_token.surround(&mut arguments, |tokens| call.args.to_tokens(tokens));
                quote!(#(#attrs)* #companion #arguments)
            }
            Call::Method(call) => {
                let mut call = call.clone();
                call.method =
                    format_ident!("__{}_key", call.method.unraw(), span = generated(call.method.span()));
                call.to_token_stream()
            }
        }
    }
}

/// `users::load_user` → `<users::load_user>::key`; `Repo::load_user` → `Repo::load_user_key`.
fn companion(path: &ExprPath) -> TokenStream {
    let mut path = path.clone();
    let of_type = path.qself.is_some()
        || path.path.segments.len() >= 2
            && path.path.segments.iter().nth_back(1).is_some_and(|segment| is_type(&segment.ident));
    let Some(last) = path.path.segments.last_mut() else { return path.to_token_stream() };
    if of_type {
        last.ident = format_ident!("{}_key", last.ident.unraw(), span = generated(last.ident.span()));
        return path.to_token_stream();
    }
    let key = PathSegment {
        ident: Ident::new("key", last.ident.span()),
        arguments: std::mem::replace(&mut last.arguments, PathArguments::None),
    };
    // As a type: the compiler then looks for what is missing among the companions, not among crates.
    quote_spanned!(key.ident.span()=> <#path>::#key)
}

/// A name that we made: the compiler doesn't suggest to write it.
fn generated(at: Span) -> Span {
    Span::mixed_site().located_at(at)
}

/// Types begin with a capital, as the compiler's own lints have it.
fn is_type(name: &Ident) -> bool {
    name.unraw().to_string().trim_start_matches('_').starts_with(char::is_uppercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_become_calls_of_companions() {
        for (written, expected) in [
            ("load(id)", "<load>::key(id)"),
            ("load::<User>(id, &name)", "<load>::key::<User>(id,&name)"),
            ("users::load(id)", "<users::load>::key(id)"),
            ("crate::users::load(id)", "<crate::users::load>::key(id)"),
            ("Repo::load(id)", "Repo::load_key(id)"),
            ("Self::load(id)", "Self::load_key(id)"),
            ("a::Repo::<u8>::load::<u8>(id)", "a::Repo::<u8>::load_key::<u8>(id)"),
            ("<Repo as Load>::load(id)", "<RepoasLoad>::load_key(id)"),
            ("self.load(id)", "self.__load_key(id)"),
            ("self.repo.load::<u8>(id)", "self.repo.__load_key::<u8>(id)"),
            ("r#type(id)", "<r#type>::key(id)"),
            ("self.r#type(id)", "self.__type_key(id)"),
        ] {
            let call = syn::parse::Parser::parse_str(Call::parse, written).unwrap();
            assert_eq!(call.key().to_string().replace(' ', ""), expected);
        }
    }

    #[test]
    fn what_is_no_call_says_so() {
        for (written, why) in [
            ("load_user", "`load_user` needs its arguments, such as `load_user(id)`"),
            ("users::load", "`users::load` needs its arguments, such as `users::load(id)`"),
            ("tags(\"a\")", "`tags` are not available in this version"),
            ("5", "name the call of a cached function"),
            ("(load)(id)", "name the call of a cached function"),
        ] {
            let error = syn::parse::Parser::parse_str(Call::parse, written).err().unwrap().to_string();
            assert!(error.contains(why), "{error}");
        }
    }
}
