//! The functions that `tags!` declares.

use proc_macro2::TokenStream;
use quote::quote;

use super::{key::tag_text, pieces::imports};
use crate::{parse::tags::Declaration, plan::DeclaredTag};

pub(crate) fn declared(tag: &DeclaredTag<'_>) -> TokenStream {
    let Declaration { attrs, vis, fn_token, name, generics, parameters, .. } = tag.declaration;
    let (params, clause) = (&generics.params, &generics.where_clause);
    let (imports, text) = (imports(&[]), tag_text(&tag.key));
    quote! {
        #(#attrs)*
        #[allow(clippy::needless_pass_by_value)]
        #vis #fn_token #name<#params>(#parameters) -> ::cached_aside::Tag #clause {
            #imports
            #text
        }
    }
}
