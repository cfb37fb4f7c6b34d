//! Plans into tokens: `quote!` and little else.

mod attributes;
mod batch;
mod body;
mod call;
mod catalog;
pub(crate) mod cfg_parameters;
mod coding;
mod companions;
mod detached;
mod editor;
mod function;
mod items;
mod key;
mod key_companions;
mod keys;
mod pieces;
mod receiver;
pub(crate) mod root;
mod settings;
mod shape;
mod tags;
mod unfinished;
mod write;

use proc_macro2::TokenStream;
use quote::quote;

pub(crate) use batch::batch;
pub(crate) use tags::declared as declared_tag;
pub(crate) use unfinished::unfinished;
pub(crate) use write::write;

use crate::{
    item::{beside::Site, function::Function},
    plan::{Form, Mention, ReadPlan, TargetKey, display_name},
};

/// A list of keys, in an expression of type `Vec<AnyKey>`. The linker puts what it names among the writes; `around` is the function
/// in which it stands, if that is known.
pub(crate) fn key_list(
    keys: &[TargetKey],
    mentions: &[Mention],
    site: &Site,
    around: Option<&Function>,
) -> TokenStream {
    let imports = pieces::imports(&keys::imported(keys.iter()));
    let name = around.map_or_else(|| "keys!".to_owned(), display_name);
    let targets = catalog::targets(mentions, &Site::in_expression(around.unwrap_or(site.function)));
    let keys = keys::Places { site, named: false }.keys(keys);
    quote!({
        #imports
        static __WRITE: __aside::WriteFunction =
            __aside::WriteFunction::declare(::core::module_path!(), #name) #targets .by_hand();
        ::cached_aside::__private::inventory::submit! { ::cached_aside::__private::LinkedWrite(&__WRITE) }
        __aside::all_keys(#keys)
    })
}

pub(crate) fn read(plan: &ReadPlan, function: &Function) -> TokenStream {
    match plan.form {
        Form::Free => companions::free(plan, function),
        Form::Method => companions::method(plan, function),
        Form::Alone => {
            let shape = shape::shape_constant(function);
            let settings = settings::of_read(plan, function, &quote!(__SHAPE));
            let body = function::body(function, &key::tagged_key(plan));
            let load = function::load(plan, function, &quote!(__SHAPE), &quote!(&__READ), &body);
            function::around(function, &quote!(#shape #settings #load))
        }
    }
}
