//! `load_user(user.id)` → the companion of `load_user` that makes its key.

use proc_macro2::{Delimiter, Group, Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::{
    Expr, ExprCall, ExprMethodCall, ExprPath, FnArg, Ident, PathArguments, ReceiverKind, Type, ext::IdentExt,
    parse::ParseStream, spanned::Spanned,
};

use crate::{beside::Beside, place::Place, signature::Function};

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

const LIST: &str = "an attribute names single keys, and no list of them in this version; guard a list around the write: \
     `let guard = cache.guard(ids.iter().map(|id| load_user::key(*id))).await?;`, and `guard.release().await` behind it";

/// `ids.iter().map(…)`: no cached method takes a closure, or the name of a function.
fn is_of_iterator(call: &ExprMethodCall) -> bool {
    const ADAPTORS: [&str; 9] =
        ["map", "flat_map", "filter_map", "filter", "collect", "iter", "into_iter", "chain", "for_each"];
    let adaptor = |call: &ExprMethodCall| {
        ADAPTORS.iter().any(|adaptor| call.method == adaptor)
            && (call.args.is_empty() || call.args.iter().any(|argument| matches!(argument, Expr::Closure(_))))
    };
    adaptor(call) || matches!(&*call.receiver, Expr::MethodCall(inner) if adaptor(inner))
}

impl Call {
    pub(crate) fn parse(input: ParseStream) -> syn::Result<Call> {
        let expr: Expr = input.parse()?;
        if input.peek(syn::Token![for]) {
            return Err(syn::Error::new(input.span(), LIST));
        }
        let why = match &expr {
            Expr::Call(call) => match &*call.func {
                Expr::Path(path) if path.path.is_ident("tags") => {
                    format!("`tags` are not available in this version; {HOW}")
                }
                Expr::Path(path) => {
                    let path = path.clone();
                    return Ok(Call::Path(call.clone(), path));
                }
                other => return Err(syn::Error::new(other.span(), HOW)),
            },
            Expr::MethodCall(call) if is_of_iterator(call) => LIST.to_owned(),
            Expr::MethodCall(call) => return Ok(Call::Method(call.clone())),
            Expr::Path(path) => {
                let written = path.to_token_stream().to_string().replace(' ', "");
                format!("`{written}` needs its arguments, such as `{written}(id)`")
            }
            Expr::ForLoop(_) | Expr::While(_) | Expr::Loop(_) => LIST.to_owned(),
            Expr::Array(_) | Expr::Tuple(_) => {
                "write the calls side by side, without brackets, such as `load_user(id), load_team(team)`"
                    .to_owned()
            }
            Expr::Macro(call) if call.mac.path.is_ident("vec") => {
                "write the calls side by side, such as `load_user(id), load_team(team)`".to_owned()
            }
            Expr::Macro(call) if call.mac.path.is_ident("format") => {
                "a template is written without `format!`, such as `\"user:{id}\"`".to_owned()
            }
            Expr::If(_) | Expr::Match(_) => {
                format!("whether a write is about cached keys is said by `when = …`; {HOW}")
            }
            Expr::Await(_) | Expr::Reference(_) | Expr::Block(_) | Expr::Try(_) => {
                "write the call alone, such as `load_user(id)`; it is never made, only its key is".to_owned()
            }
            _ => HOW.to_owned(),
        };
        Err(syn::Error::new(expr.span(), why))
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

    /// The same call, of the companion that makes the key: a block, in which something stands for the companion that isn't
    /// there, so that the compiler says what to do about it.
    pub(crate) fn key(&self, context: &Context) -> TokenStream {
        match self {
            Call::Path(call, path) => {
                let (attrs, mut arguments) = (&call.attrs, TokenStream::new());
                call.paren_token.surround(&mut arguments, |tokens| call.args.to_tokens(tokens));
                match companion(path) {
                    Companion::OfType(path) => {
                        let name = path.path.segments.last().map(|last| &last.ident);
                        in_block(path.span(), &otherwise(name, false), &quote!(#(#attrs)* #path #arguments))
                    }
                    Companion::OfFunction { path, arguments: generic, span } => {
                        let key = Ident::new("key", span);
                        let Some(import) = context.import(&path) else {
                            // As a type: the compiler then looks for what is missing among the companions, not among crates.
                            return quote_spanned!(span=> #(#attrs)* <#path>::#key #generic #arguments);
                        };
                        let named = Ident::new("__named", generated(span));
                        let other = format_ident!("Of{}", call.args.len(), span = Span::mixed_site());
                        let other = quote_spanned! {generated(span)=>
                            use ::cached_aside::__private::not_cached::#other as #named;
                        };
                        let import = quote_spanned!(generated(span)=> #import as #named;);
                        let companion = quote_spanned!(span=> <#named>::#key #generic);
                        let call = in_block(span, &import, &quote!(#(#attrs)* #companion #arguments));
                        in_block(span, &other, &call)
                    }
                }
            }
            Call::Method(call) => {
                let mut call = call.clone();
                let span = call.method.span();
                context.dereference(&mut call.receiver);
                call.method = format_ident!("__{}_key", call.method.unraw(), span = generated(span));
                in_block(span, &otherwise(Some(&call.method), true), &call.to_token_stream())
            }
        }
    }
}

/// `{ … }`, shown where the call is.
fn in_block(span: Span, statements: &TokenStream, value: &TokenStream) -> TokenStream {
    let mut block = Group::new(Delimiter::Brace, quote!(#statements #value));
    block.set_span(generated(span));
    TokenTree::from(block).into()
}

/// A companion that no type has: reached where the type in question hasn't got it either.
fn otherwise(name: Option<&Ident>, method: bool) -> TokenStream {
    let receiver = method.then(|| quote!(&self));
    let name = name.map(|name| Ident::new(&name.to_string(), Span::mixed_site()));
    quote! {
        trait CachedMethod { fn #name(#receiver) {} }
        impl<T: ::cached_aside::__private::CachedMethod + ?Sized> CachedMethod for T {}
    }
}

/// Where a call is named.
pub(crate) struct Context<'a> {
    pub(crate) function: &'a Function,
    pub(crate) beside: Option<Beside>,
}

impl Context<'_> {
    pub(crate) fn of(function: &Function) -> Context<'_> {
        Context { function, beside: Beside::of(function) }
    }

    /// `use users::load_user`: the function with what else has its name. A parameter can't be imported, what is imported may
    /// have no generic arguments, and about a name that is nowhere the compiler says more where it stands for a type.
    fn import(&self, path: &ExprPath) -> Option<TokenStream> {
        let segments = &path.path.segments;
        let with_arguments = segments.iter().any(|segment| !segment.arguments.is_none());
        if path.qself.is_some() || with_arguments {
            return None;
        }
        let at = generated(path.span());
        let Some(name) = path.path.get_ident().map(ToString::to_string) else {
            // Where the path leads nowhere the compiler would suggest to write an import there. `$crate` means what it
            // means by its span.
            let mut path = path.clone();
            for segment in &mut path.path.segments {
                if !segment.ident.to_string().ends_with("crate") {
                    segment.ident.set_span(generated(segment.ident.span()));
                }
            }
            return Some(quote_spanned!(at=> use #path));
        };
        let of_type = self.function.place.has_self_type();
        if self.beside.as_ref().is_some_and(|beside| !beside.may_mean(&name, of_type)) {
            return None;
        }
        let hidden = self.function.parameters.iter().any(|parameter| parameter.binds(&name));
        // What is written in the module comes before what a `*` imports, which has to be said of what a macro writes.
        let written = self.beside.as_ref().is_some_and(|beside| beside.function(&name));
        match self.function.place {
            Place::Free if written => Some(quote_spanned!(at=> use self::#path)),
            _ if !hidden => Some(quote_spanned!(at=> use #path)),
            Place::Nested | Place::Unknown => None,
            _ => Some(quote_spanned!(at=> use self::#path)),
        }
    }

    /// `self` as `(*self)` where it is a reference: the compiler then says of the type itself that it lacks the companion.
    fn dereference(&self, receiver: &mut Expr) {
        let Expr::Path(path) = &*receiver else { return };
        let Some(name) = path.path.get_ident().map(ToString::to_string) else { return };
        let parameter = self.function.parameters.iter().find(|parameter| parameter.binds(&name));
        let is_reference = parameter.is_some_and(|parameter| match &parameter.written {
            FnArg::Receiver(receiver) => matches!(receiver.kind, ReceiverKind::Reference(..)),
            FnArg::Typed(typed) => parameter.name.is_some() && matches!(*typed.ty, Type::Reference(_)),
        });
        if is_reference {
            let at = generated(path.span());
            *receiver = syn::parse_quote_spanned!(at=> (*#path));
        }
    }
}

enum Companion {
    /// `Repo::load_user_key`
    OfType(ExprPath),
    /// `load_user`, whose companion `key` has these generic arguments.
    OfFunction { path: ExprPath, arguments: PathArguments, span: Span },
}

/// `users::load_user` → `<users::load_user>::key`; `Repo::load_user` → `Repo::load_user_key`.
fn companion(path: &ExprPath) -> Companion {
    let mut path = path.clone();
    let of_type = path.qself.is_some()
        || path.path.segments.len() >= 2
            && path.path.segments.iter().nth_back(1).is_some_and(|segment| is_type(&segment.ident));
    let Some(last) = path.path.segments.last_mut() else { return Companion::OfType(path) };
    if of_type {
        last.ident = format_ident!("{}_key", last.ident.unraw(), span = generated(last.ident.span()));
        return Companion::OfType(path);
    }
    let (arguments, span) = (std::mem::replace(&mut last.arguments, PathArguments::None), last.ident.span());
    Companion::OfFunction { path, arguments, span }
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
            ("load(id)", "useloadas__named;<__named>::key(id)}}"),
            ("load::<User>(id, &name)", "useloadas__named;<__named>::key::<User>(id,&name)}}"),
            ("users::load(id)", "useusers::loadas__named;<__named>::key(id)}}"),
            ("user(user.id)", "useself::useras__named;<__named>::key(user.id)}}"),
            ("module::<u8>::load(id)", "<module::<u8>::load>::key(id)"),
            ("crate::users::load(id)", "{usecrate::users::loadas__named;<__named>::key(id)}}"),
            ("Repo::load(id)", "Repo::load_key(id)"),
            ("Self::load(id)", "Self::load_key(id)"),
            ("a::Repo::<u8>::load::<u8>(id)", "a::Repo::<u8>::load_key::<u8>(id)"),
            ("<Repo as Load>::load(id)", "<RepoasLoad>::load_key(id)"),
            ("self.load(id)", "(*self).__load_key(id)}"),
            ("self.repo.load::<u8>(id)", "self.repo.__load_key::<u8>(id)"),
            ("r#type(id)", "user#typeas__named;<__named>::key(id)}}"),
            ("self.r#type(id)", "(*self).__type_key(id)}"),
        ] {
            let call = syn::parse::Parser::parse_str(Call::parse, written).unwrap();
            let function = syn::parse_quote!(
                async fn save(&self, user: u8) {}
            );
            let function = Function::at(function, Place::Free);
            let key = call.key(&Context::of(&function)).to_string().replace(' ', "");
            assert!(key.contains(expected), "{key}");
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
            ("ids.iter().map(|id| load(*id))", "`let guard = cache.guard("),
            ("ids.iter().map(load)", "`let guard = cache.guard("),
            ("load(id) for id in ids", "`let guard = cache.guard("),
            ("for id in ids { load(id) }", "`let guard = cache.guard("),
            ("[load(1), load(2)]", "side by side"),
            ("vec![load(1), load(2)]", "side by side"),
            ("format!(\"user:{id}\")", "without `format!`"),
            ("if new { load(1) }", "`when = …`"),
            ("load(1).await", "the call alone"),
            ("&load(1)", "the call alone"),
        ] {
            let error = syn::parse::Parser::parse_str(Call::parse, written).err().unwrap().to_string();
            assert!(error.contains(why), "{error}");
        }
    }
}
