//! The keys that a write names: those of calls, of templates, and of the items of lists.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;

use super::{
    call::{self, with_optional_parts},
    items::{dereferenced, rebound},
    key::key_text,
    pieces::hygienic,
};
use crate::{
    item::beside::Site,
    parse::{call::Call, each::Each},
    plan::{KeyOf, TargetKey, has_question},
};

/// Where the keys lie that are made.
pub(super) struct Places<'a> {
    pub(super) site: &'a Site<'a>,
    /// Whether a cache is named for those that don't know theirs.
    pub(super) named: bool,
}

/// The traits that have to be in scope where the keys are made.
pub(super) fn imported<'a>(keys: impl Iterator<Item = &'a TargetKey>) -> Vec<&'static str> {
    let (mut asks, mut lists, mut lends) = (false, false, false);
    for key in keys {
        asks |= key.asks();
        lists |= key.each.is_some();
        lends |= key.each.as_ref().is_some_and(Each::is_lent);
    }
    let of_optional = asks.then_some(["OptionalArgRef", "NotOptional"]);
    let of_item = lists.then_some(["ItemTarget", "ItemCopy", "ItemRef"]);
    let of_list = lends.then_some(["LentTarget", "NotLent"]);
    of_optional
        .into_iter()
        .flatten()
        .chain(of_item.into_iter().flatten())
        .chain(of_list.into_iter().flatten())
        .collect()
}

impl Places<'_> {
    /// An expression of type `Key<_>`, which may be one that does not know its cache where the write names one.
    pub(super) fn key(&self, call: &Call, items: &[Ident]) -> TokenStream {
        let key = call::key(&with_optional_parts(&dereferenced(call, items)), self.site, items);
        let is_whole = matches!(call, Call::Key(_) | Call::Tag(_));
        if self.named && !is_whole {
            quote_spanned!(key.span()=> __aside::in_cache_of_write(#key))
        } else {
            key
        }
    }

    /// The keys, as what gives one `AnyKey` after the other.
    pub(super) fn keys(&self, keys: &[TargetKey]) -> TokenStream {
        let (of_lists, single): (Vec<_>, Vec<_>) = keys.iter().partition(|key| key.each.is_some());
        let mut of_lists: Vec<_> = of_lists.into_iter().filter_map(|key| self.of_list(key)).collect();
        if single.is_empty() && of_lists.len() == 1 {
            return of_lists.remove(0);
        }
        let single = self.single(&single);
        if of_lists.is_empty() {
            return single.unwrap_or_else(|| quote!(::core::iter::empty()));
        }
        let of_lists =
            quote!(::core::iter::Iterator::flatten(::core::iter::IntoIterator::into_iter([#(#of_lists),*])));
        match single {
            Some(single) => {
                quote!(::core::iter::Iterator::chain(::core::iter::IntoIterator::into_iter(#single), #of_lists))
            }
            None => of_lists,
        }
    }

    /// Those that are no list's: an array, also where there may be fewer.
    fn single(&self, keys: &[&TargetKey]) -> Option<TokenStream> {
        let any_optional = keys.iter().any(|key| key.is_optional);
        let keys: Vec<_> = keys
            .iter()
            .map(|TargetKey { of, is_optional, .. }| {
                let key = self.any_key(of, &[]);
                match (any_optional, is_optional) {
                    (false, _) => key,
                    (true, false) => quote!(::core::option::Option::Some(#key)),
                    (true, true) => quote!((|| ::core::option::Option::Some(#key))()),
                }
            })
            .collect();
        let array = quote!([#(#keys),*]);
        match keys.is_empty() {
            true => None,
            false if any_optional => {
                Some(quote!(::core::iter::Iterator::flatten(::core::iter::IntoIterator::into_iter(#array))))
            }
            false => Some(array),
        }
    }

    /// An expression of type `AnyKey`.
    fn any_key(&self, of: &KeyOf, items: &[Ident]) -> TokenStream {
        match of {
            KeyOf::Template(key) => key_text(key),
            KeyOf::Call(call) => {
                let key = self.key(call, items);
                // A callee of ours lies at the arguments: an editor would show it for the name of the function, and where it lay
                // nowhere the compiler would show the whole attribute.
                let into = match call {
                    Call::Key(_) => quote_spanned!(key.span()=> __aside::given_key),
                    Call::Tag(call) => {
                        quote_spanned!(call.paren_token.span.join()=> <__aside::AnyKey as ::core::convert::From<_>>::from)
                    }
                    Call::Path(call, _) => quote_spanned!(call.paren_token.span.join()=> __aside::any_key),
                    Call::Method(call) => quote_spanned!(call.paren_token.span.join()=> __aside::any_key),
                };
                quote_spanned!(key.span()=> #into(#key))
            }
        }
    }

    /// The keys of a list's items, in an expression of type `Vec<AnyKey>`.
    fn of_list(&self, key: &TargetKey) -> Option<TokenStream> {
        let each = key.each.as_ref()?;
        let (names, pat, item) = (each.names(), &each.pat, hygienic("item"));
        let rebound = rebound(each);
        let of_item = self.any_key(&key.of, &names);
        let items = items(each);
        let at_for = Span::mixed_site().located_at(each.for_token.span);
        let keys = quote_spanned! {at_for=>
            __aside::keys_of_list(#items, |#item| {
                let #pat = #item;
                #rebound
                ::core::option::Option::Some(#of_item)
            })
        };
        Some(if has_question(&each.list) {
            quote!(::core::option::Option::unwrap_or_default((|| ::core::option::Option::Some(#keys))()))
        } else {
            keys
        })
    }
}

/// The items of a list, in an expression of type `Vec<_>`.
pub(super) fn list(each: &Each) -> TokenStream {
    let items = items(each);
    quote!(::core::iter::Iterator::collect::<::std::vec::Vec<_>>(#items))
}

/// An iterator over the list: a place is lent, and what is computed is gone through as it is.
fn items(each: &Each) -> TokenStream {
    let mut list = each.list.clone();
    call::ask(&mut list);
    let at = Span::mixed_site().located_at(each.list.span());
    if each.is_lent() {
        quote_spanned!(at=> (&__aside::Lent(&#list)).items())
    } else {
        quote_spanned!(at=> ::core::iter::IntoIterator::into_iter(#list))
    }
}
