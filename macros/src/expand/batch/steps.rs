//! The loop that a batch is, whatever its body is made of.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{FnArg, Type, spanned::Spanned};

use super::super::{
    call,
    function::cache,
    items::{dereferenced, rebound},
    pieces::{hygienic, imports},
    settings::duration,
};
use crate::{
    item::{beside::Site, function::Function, shape::has_lifetimes},
    plan::BatchPlan,
};

/// What the function does: it asks for the ids that are missing until there are none.
pub(super) fn steps(
    plan: &BatchPlan,
    function: &Function,
    list: &TokenStream,
    (kept, twice): (&[TokenStream], &[TokenStream]),
    before: &TokenStream,
    body: &TokenStream,
) -> TokenStream {
    let output = &function.output;
    let at_output = Span::mixed_site().located_at(output.span());
    let site = Site::of(function);
    let names = plan.each.names();
    let key = call::key_of_batch(&dereferenced(&plan.call, &names), &site, &names);
    let (ids, item, batch, missing, future) =
        (hygienic("ids"), hygienic("item"), hygienic("batch"), hygienic("missing"), hygienic("body"));
    let at_list = Span::mixed_site().located_at(plan.each.list.span());
    let list_of = hygienic("list_of");
    let (of_list, listed) = match list_kind(plan, function) {
        ListKind::Slice => (quote_spanned!(at_list=> __aside::batch::ids_of_slice), quote!(#ids)),
        ListKind::Generic => (quote_spanned!(at_list=> __aside::batch::ids), quote!(#ids)),
        ListKind::Reference(_) => {
            (quote_spanned!(at_list=> __aside::batch::ids_lent), quote!((#ids, #list_of)))
        }
        ListKind::Owned(_) => (quote_spanned!(at_list=> __aside::batch::ids_of), quote!((#ids, #list_of))),
    };
    let pat = &plan.each.pat;
    let rebound = rebound(&plan.each);
    let (cache, in_cache) = cache(plan.cache.as_ref(), function);
    let keys_of = match in_cache {
        Some(_) => quote_spanned!(key.span()=> __aside::batch::keys_in_cache),
        None => quote_spanned!(key.span()=> __aside::batch::keys_of),
    };
    let in_cache = in_cache.map(|cache| quote!(.in_cache(#cache)));
    let wait = plan.wait.as_ref().map(|wait| {
        let wait = duration(&wait.value);
        quote!(.wait(#wait))
    });
    let twice = (!twice.is_empty()).then(|| quote!(.twice(#(#twice)&&*)));
    let shared = (!has_lifetimes(output)).then(|| quote_spanned!(at_output=> .shared()));
    let errors = quote_spanned!(at_output=> __aside::batch::ErrorOf::<#output>::ERRORS);
    let answered = quote_spanned!(at_output=> answered_by::<#output, _>(#errors #shared.or_given_up()));
    let imports = imports(&["ItemTarget", "ItemCopy", "ItemRef"]);
    let of_errors = (!has_lifetimes(output)).then(|| quote!(NotSharedByBatch as _,));
    let of_arguments = (!kept.is_empty()).then(|| quote!(NotAgain as _,));
    quote! {
        #imports
        use ::cached_aside::__private::batch::{#of_arguments #of_errors NoError as _, NotGivenUp as _};
        #cache
        let #listed = #of_list(#list);
        let #ids = #keys_of(#ids, |#item| {
            let #pat = #item;
            #rebound
            #key
        });
        #(#kept)*
        let mut #batch = #ids.#answered #in_cache #wait #twice;
        while let ::core::option::Option::Some(#missing) = #batch.missing().await {
            #before
            let #future = ::core::pin::pin!(#body);
            #batch.load(&#missing, #future).await;
        }
        #batch.finish()
    }
}

/// How an argument reaches a body that may run twice.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// As it is.
    Shared,
    /// Borrowed again.
    Mutable,
    /// Cloned, or once.
    Taken,
}

impl Kind {
    pub(super) fn of(ty: &Type) -> Kind {
        match ty {
            Type::Reference(reference) if reference.mutability.is_some() => Kind::Mutable,
            Type::Reference(_) => Kind::Shared,
            Type::Group(group) => Kind::of(&group.elem),
            Type::Paren(paren) => Kind::of(&paren.elem),
            _ => Kind::Taken,
        }
    }
}

pub(super) struct Argument {
    pub(super) name: TokenStream,
    pub(super) kind: Kind,
    pub(super) number: usize,
}

impl Argument {
    pub(super) fn kept(&self) -> Ident {
        hygienic(&format!("kept{}", self.number))
    }

    /// What keeps it from one body to the next.
    pub(super) fn keep(&self) -> Option<TokenStream> {
        let (kept, name) = (self.kept(), &self.name);
        (self.kind == Kind::Taken).then(|| quote!(let mut #kept = ::core::option::Option::Some(#name);))
    }

    /// Whether it can be given twice.
    pub(super) fn twice(&self) -> Option<TokenStream> {
        let kept = self.kept();
        (self.kind == Kind::Taken).then(|| quote!(__aside::batch::Again(&mut #kept).is_cloned()))
    }

    pub(super) fn again(&self) -> TokenStream {
        let (kept, name) = (self.kept(), &self.name);
        match self.kind {
            Kind::Shared => name.clone(),
            Kind::Mutable => quote!(&mut *#name),
            Kind::Taken => quote!(__aside::batch::Again(&mut #kept).again()),
        }
    }
}

/// What the list is.
pub(super) enum ListKind<'a> {
    /// `&[K]`, `&Vec<K>`
    Slice,
    /// A reference to a collection of this type.
    Reference(&'a Type),
    /// A collection of this type.
    Owned(&'a Type),
    /// `impl IntoIterator`, or a generic parameter.
    Generic,
}

pub(super) fn list_kind<'a>(plan: &BatchPlan, function: &'a Function) -> ListKind<'a> {
    let FnArg::Typed(typed) = &function.parameters[plan.list].written else { return ListKind::Generic };
    let is_generic = |ty: &Type| match ty {
        Type::Path(path) => path.path.get_ident().is_some_and(|name| {
            function.sig.generics.type_params().any(|parameter| parameter.ident == *name)
        }),
        _ => false,
    };
    match &*typed.ty {
        Type::Reference(reference) => match &*reference.elem {
            Type::Slice(_) => ListKind::Slice,
            Type::Path(path) if path.path.segments.last().is_some_and(|last| last.ident == "Vec") => {
                ListKind::Slice
            }
            ty => ListKind::Reference(ty),
        },
        Type::ImplTrait(_) => ListKind::Generic,
        ty if is_generic(ty) => ListKind::Generic,
        ty => ListKind::Owned(ty),
    }
}

/// What comes before the body, and the list as its argument.
pub(super) fn list_for_body(plan: &BatchPlan, function: &Function) -> (Option<TokenStream>, TokenStream) {
    let missing = hygienic("missing");
    let list_of = hygienic("list_of");
    let collected = quote!(#list_of(&#missing));
    match list_kind(plan, function) {
        ListKind::Slice => (None, quote!(&#missing)),
        ListKind::Reference(_) => {
            let list = hygienic("list");
            (Some(quote!(let #list = #collected;)), quote!(&#list))
        }
        ListKind::Generic => (None, quote!(::core::clone::Clone::clone(&#missing))),
        ListKind::Owned(_) => (None, collected),
    }
}
