//! `load_user(user.id)` → the companion of `load_user` that makes its key.

use proc_macro2::{Delimiter, Group, Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::{
    Expr, ExprCall, ExprMethodCall, ExprPath, FnArg, Ident, Path, PathArguments, ReceiverKind, Type,
    ext::IdentExt,
    spanned::Spanned,
    visit_mut::{self, VisitMut},
};

use super::{
    editor::{self, names_the_same},
    receiver::{method_named, traits_of_parameter, traits_of_receiver},
};
use crate::{
    item::{
        beside::{Beside, Site},
        context::Context,
    },
    parse::call::{Call, is_of_type},
    tokens::same,
};

/// The same call, of the companion that makes the key: a block, in which something stands for the companion that isn't
/// there, so that the compiler says what to do about it. `items` is what a `for` binds around it.
pub(super) fn key(call: &Call, site: &Site, items: &[Ident]) -> TokenStream {
    key_with(call, site, items, false)
}

/// The same for a batch, which mentions the function: it is used where the batch is.
pub(super) fn key_of_batch(call: &Call, site: &Site, items: &[Ident]) -> TokenStream {
    key_with(call, site, items, true)
}

fn key_with(call: &Call, site: &Site, items: &[Ident], uses: bool) -> TokenStream {
    match call {
        Call::Path(call, path) => match companion(path) {
            Companion::OfType(path) => key_of_type(call, path, site, uses),
            Companion::OfFunction { path, arguments, span } => {
                key_of_function(call, (&path, &arguments, span), (site, items), uses)
            }
        },
        Call::Method(call) => key_of_method(call, site, uses),
        Call::Key(call) => call.to_token_stream(),
        Call::Tag(call) => quote_spanned!(call.span()=> __aside::tag(#call)),
    }
}

/// `(id)`
fn arguments(call: &ExprCall) -> TokenStream {
    let mut arguments = TokenStream::new();
    call.paren_token.surround(&mut arguments, |tokens| call.args.to_tokens(tokens));
    arguments
}

/// `Repo::load_user_key(id)`
fn key_of_type(call: &ExprCall, path: ExprPath, site: &Site, uses: bool) -> TokenStream {
    let name = path.path.segments.last().map(|last| &last.ident);
    let of = path.path.segments.first().filter(|_| path.qself.is_none());
    let traits = of.map(|of| traits_of_parameter(&of.ident, site));
    let otherwise = match (traits.as_deref(), name) {
        (Some(traits @ [_, ..]), Some(name)) => of_trait(name, traits, None, call.args.len()),
        _ => otherwise(name, false),
    };
    // What another type's parameters are, its path alone does not always say.
    let of_self = of.is_some_and(|of| of.ident == "Self");
    let mention = (uses && of_self).then(|| {
        let mut path = path.clone();
        let name = path.path.segments.last_mut().map(|last| {
            last.ident = name_in_batch(&last.ident);
            last.arguments = PathArguments::None;
            last.ident.clone()
        });
        let nothing = nothing_in_batch(name.as_ref(), false);
        quote_spanned!(generated(path.span())=> #[cfg(not(miri))] { #nothing let _ = #path; })
    });
    // All of it shown as one: a path of two origins would be shown as the whole attribute.
    let path = if traits.is_some_and(|traits| !traits.is_empty()) { shown_as_generated(&path) } else { path };
    let (attrs, arguments) = (&call.attrs, arguments(call));
    let named = editor::mention(Some(&call.func));
    in_block(path.span(), &quote!(#otherwise #mention #named), &quote!(#(#attrs)* #path #arguments))
}

/// `load_user::key(id)`
fn key_of_function(
    call: &ExprCall,
    (path, generic, span): (&ExprPath, &PathArguments, Span),
    (site, items): (&Site, &[Ident]),
    uses: bool,
) -> TokenStream {
    let (attrs, arguments) = (&call.attrs, arguments(call));
    let (key, in_batch) = (Ident::new("key", span), Ident::new("__in_batch", span));
    let mention = |named: TokenStream| {
        uses.then(|| quote_spanned!(generated(span)=> #[cfg(not(miri))] let _ = <#named>::#in_batch;))
    };
    let Some(import) = import(site, items, path) else {
        // As a type: the compiler then looks for what is missing among the companions, not among crates.
        let key = quote_spanned!(span=> #(#attrs)* <#path>::#key #generic #arguments);
        return match mention(path.to_token_stream()) {
            Some(mention) => in_block(span, &mention, &key),
            None => key,
        };
    };
    let (named, other) = stand_in(call.args.len());
    let (mention, import) = (mention(named.to_token_stream()), renamed(&import, &named, span));
    let import = quote!(#import #mention);
    let companion = quote_spanned!(span=> <#named>::#key #generic);
    let call = in_block(span, &import, &quote!(#(#attrs)* #companion #arguments));
    in_block(span, &other, &call)
}

/// `use …::Of1 as __named;`, and that name: it stands for the function where there is none. Its tokens lie nowhere in what is written:
/// an editor would show each of them for the name of the function.
pub(super) fn stand_in(arguments: usize) -> (Ident, TokenStream) {
    let nowhere = Span::mixed_site();
    let (named, other) = (Ident::new("__named", nowhere), format_ident!("Of{arguments}", span = nowhere));
    let import = quote_spanned!(nowhere=> use ::cached_aside::__private::not_cached::#other as #named;);
    (named, import)
}

/// `use users::load_user as __named;`: the new name lies where the path does, since the compiler shows an import that fails from the first
/// token of its path to that name.
pub(super) fn renamed(import: &TokenStream, named: &Ident, path: Span) -> TokenStream {
    let named = Ident::new(&named.to_string(), generated(path));
    quote_spanned!(Span::mixed_site()=> #import as #named;)
}

/// `self.__load_user_key(id)`
fn key_of_method(call: &ExprMethodCall, site: &Site, uses: bool) -> TokenStream {
    let mut call = call.clone();
    let span = call.method.span();
    let traits = traits_of_receiver(&call.receiver, site);
    let method = editor::mention(method_named(&call, site));
    dereference(site, &mut call.receiver);
    call.method = format_ident!("__{}_key", call.method.unraw(), span = generated(span));
    let otherwise = match traits.as_slice() {
        [] => otherwise(Some(&call.method), true),
        traits => of_trait(&call.method, traits, Some(&quote!(&self,)), call.args.len()),
    };
    let mention = (uses && traits.is_empty()).then(|| {
        let (receiver, name) = (&call.receiver, name_in_batch(&call.method));
        let nothing = nothing_in_batch(Some(&name), true);
        quote_spanned!(generated(span)=> #[cfg(not(miri))] if false { #nothing #receiver.#name(); })
    });
    in_block(span, &quote!(#otherwise #mention #method), &editor::key_of_unlisted(&call))
}

/// The call with each `?` as the value of an `Option` that may be empty.
pub(super) fn with_optional_parts(call: &Call) -> Call {
    let mut call = call.clone();
    call.receiver_mut().into_iter().for_each(ask);
    call.change_arguments(ask);
    call
}

/// Each `?` as the value of an `Option` that may be empty.
pub(super) fn ask(expr: &mut Expr) {
    QuestionMarks.visit_expr_mut(expr);
}

struct QuestionMarks;

impl VisitMut for QuestionMarks {
    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        // There a `?` leaves the closure.
        if matches!(expr, Expr::Closure(_) | Expr::Async(_)) {
            return;
        }
        visit_mut::visit_expr_mut(self, expr);
        if let Expr::Try(question) = expr {
            let optional = &question.expr;
            *expr = Expr::Verbatim(
                quote_spanned!(optional.span()=> (&__aside::OptionalArg(&#optional)).value()?),
            );
        }
    }
}

/// `{ … }`, shown where the call is.
pub(super) fn in_block(span: Span, statements: &TokenStream, value: &TokenStream) -> TokenStream {
    let mut block = Group::new(Delimiter::Brace, quote!(#statements #value));
    block.set_span(generated(span));
    TokenTree::from(block).into()
}

/// `__load_user_in_batch`, of the name of the companion that makes the key.
fn name_in_batch(key: &Ident) -> Ident {
    let name = key.to_string();
    let name = name.strip_suffix("_key").unwrap_or(&name).trim_start_matches("__");
    format_ident!("__{name}_in_batch", span = key.span())
}

/// What has the name of that companion where there is none, about which the key says what is wrong.
fn nothing_in_batch(name: Option<&Ident>, method: bool) -> TokenStream {
    let receiver = method.then(|| quote!(&self));
    let name = name.map(|name| Ident::new(&name.to_string(), Span::mixed_site()));
    quote! {
        trait NothingInBatch { fn #name(#receiver) {} }
        impl<T: ?::core::marker::Sized> NothingInBatch for T {}
    }
}

/// A companion that no type has: reached where the type in question hasn't got it either.
fn otherwise(name: Option<&Ident>, method: bool) -> TokenStream {
    let receiver = method.then(|| quote!(&self));
    let name = name.map(|name| Ident::new(&name.to_string(), Span::mixed_site()));
    quote! {
        trait CachedMethod { fn #name(#receiver) {} }
        impl<T: ::cached_aside::__private::CachedMethod + ?::core::marker::Sized> CachedMethod for T {}
    }
}

/// The same for a type of which only its traits are known: what stands in a trait has no companions.
fn of_trait(name: &Ident, traits: &[Path], receiver: Option<&TokenStream>, arguments: usize) -> TokenStream {
    let name = Ident::new(&name.to_string(), Span::mixed_site());
    let types: Vec<_> = (0..arguments).map(|number| format_ident!("A{number}")).collect();
    quote! {
        trait CachedMethod {
            type Found;
            fn #name<#(#types),*>(#receiver #(_: #types),*)
                -> ::cached_aside::Key<<Self::Found as ::cached_aside::__private::not_cached::OutsideOfTraits>::Value>
            where
                Self::Found: ::cached_aside::__private::not_cached::OutsideOfTraits,
            {
                ::core::unreachable!()
            }
        }
        impl<__Of: #(#traits)+* + ?::core::marker::Sized> CachedMethod for __Of { type Found = (); }
    }
}

/// `use users::load_user`: the function with what else has its name. A parameter can't be imported, what is imported may
/// have no generic arguments, and about a name that is nowhere the compiler says more where it stands for a type.
pub(super) fn import(site: &Site, items: &[Ident], path: &ExprPath) -> Option<TokenStream> {
    let segments = &path.path.segments;
    let with_arguments = segments.iter().any(|segment| !segment.arguments.is_none());
    if path.qself.is_some() || with_arguments {
        return None;
    }
    let at = Span::mixed_site();
    let Some(name) = path.path.get_ident().map(ToString::to_string) else {
        // Where the path leads nowhere the compiler would suggest to write an import there. `$crate` means what it
        // means by its span.
        let path = shown_as_generated(path);
        return Some(quote_spanned!(at=> use #path));
    };
    if site.in_expression {
        return None;
    }
    let of_type = site.function.context.has_self_type();
    if site
        .beside
        .as_ref()
        .is_some_and(|beside| !beside.may_mean(&name, of_type) && !beside.gives_to_macro(&name))
    {
        return None;
    }
    let hidden = site.function.parameters.iter().any(|parameter| parameter.binds(&name))
        || items.iter().any(|item| same(item, &name));
    // What is written in the module comes before what a `*` imports, which has to be said of what a macro writes.
    let written = site.beside.as_ref().is_some_and(|beside| beside.function(&name));
    // The arm of a `match`, which looks like one of a macro.
    let in_block = hidden && site.beside.as_ref().is_some_and(Beside::is_in_block);
    match site.function.context {
        Context::Free if in_block => None,
        Context::Free if written => Some(quote_spanned!(at=> use self::#path)),
        _ if !hidden => Some(quote_spanned!(at=> use #path)),
        Context::Nested | Context::Unknown => None,
        _ => Some(quote_spanned!(at=> use self::#path)),
    }
}

/// The same path, in names that we made.
fn shown_as_generated(path: &ExprPath) -> ExprPath {
    let mut path = path.clone();
    for segment in &mut path.path.segments {
        if !segment.ident.to_string().ends_with("crate") {
            let span = names_the_same(Span::mixed_site(), segment.ident.span());
            segment.ident.set_span(span);
        }
    }
    path
}

/// `self` as `(*self)` where it is a reference: the compiler then says of the type itself that it lacks the companion.
fn dereference(site: &Site, receiver: &mut Expr) {
    let Expr::Path(path) = &*receiver else { return };
    let Some(name) = path.path.get_ident().map(ToString::to_string) else { return };
    let parameter = site.function.parameters.iter().find(|parameter| parameter.binds(&name));
    let is_reference = parameter.is_some_and(|parameter| match &parameter.written {
        FnArg::Receiver(receiver) => matches!(receiver.kind, ReceiverKind::Reference(..)),
        FnArg::Typed(typed) => parameter.name.is_some() && matches!(*typed.ty, Type::Reference(_)),
    });
    if is_reference {
        let at = generated(path.span());
        *receiver = syn::parse_quote_spanned!(at=> (*#path));
    }
}

pub(super) enum Companion {
    /// `Repo::load_user_key`
    OfType(ExprPath),
    /// `load_user`, whose companion `key` has these generic arguments.
    OfFunction { path: ExprPath, arguments: PathArguments, span: Span },
}

/// `users::load_user` → `<users::load_user>::key`; `Repo::load_user` → `Repo::load_user_key`.
pub(super) fn companion(path: &ExprPath) -> Companion {
    let (of_type, mut path) = (is_of_type(path), path.clone());
    let Some(last) = path.path.segments.last_mut() else { return Companion::OfType(path) };
    if of_type {
        last.ident = format_ident!("{}_key", last.ident.unraw(), span = generated(last.ident.span()));
        return Companion::OfType(path);
    }
    let (arguments, span) = (std::mem::replace(&mut last.arguments, PathArguments::None), last.ident.span());
    Companion::OfFunction { path, arguments, span }
}

/// A name that we made: the compiler doesn't suggest to write it.
pub(super) fn generated(at: Span) -> Span {
    Span::mixed_site().located_at(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::item::function::Function;

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
            let function = Function::at(function, Context::Free);
            let key = key(&call, &Site::of(&function), &[]).to_string().replace(' ', "");
            assert!(key.contains(expected), "{key}");
        }
    }
}
