//! The shape of a return type: which of `Option` and `Result` it is made of, which only the compiler knows.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{Type, spanned::Spanned};

use crate::item::{function::Function, shape::without_parameters};

/// The number of a return type's shape, in a block: it must not leave a trait in scope.
pub(super) fn shape(function: &Function) -> TokenStream {
    shape_of(&without_parameters(&function.output, function), function)
}

pub(super) fn shape_of(output: &Type, function: &Function) -> TokenStream {
    let at_output = Span::mixed_site().located_at(function.output.span());
    let of = quote_spanned!(at_output=> __Shape::<#output>);
    quote!({
        use ::cached_aside::__private::{NoShape as _, Shape as __Shape};
        #of::OPTION + #of::RESULT + #of::RESULT_OPTION
    })
}

/// The constant of an expression inside the function: the shape under a name.
pub(super) fn shape_constant(function: &Function) -> TokenStream {
    let shape = shape(function);
    quote!(const __SHAPE: ::core::primitive::u8 = #shape;)
}
