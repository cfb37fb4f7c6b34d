//! Plans into tokens: `quote!` and little else.

mod companion;
mod read;
mod update;
mod write;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::{AttrStyle, Attribute, Expr, spanned::Spanned};

pub(crate) use read::read;
pub(crate) use update::update;
pub(crate) use write::write;

use crate::{
    key::{Key, Piece, Value, ValueFormat},
    shape::without_parameters,
    signature::{Body, Function},
    template::Format,
};

/// A name that the user's code can't see.
fn ours(name: &str) -> Ident {
    Ident::new(name, Span::mixed_site())
}

/// The key's text, in an expression of type `AnyKey`.
pub(crate) fn key_text(key: &Key) -> TokenStream {
    let start = &key.start;
    let pieces = key.pieces.iter().map(piece);
    quote!(__aside::KeyWriter::new(#start) #(#pieces)* .finish())
}

/// What the first line of a generated body brings into scope: our module under a short name, and traits whose methods and
/// constants exist for our own types only.
fn imports(traits: &[&str]) -> TokenStream {
    if traits.is_empty() {
        return quote!(
            use ::cached_aside::__private as __aside;
        );
    }
    let traits = traits.iter().map(|name| ours(name));
    quote!(use ::cached_aside::__private::{self as __aside, #(#traits as _),*};)
}

fn piece(piece: &Piece) -> TokenStream {
    match piece {
        Piece::Literal(text) => quote!(.literal(#text)),
        Piece::Verbatim(text) => quote!(.literal(#text)),
        Piece::Value(Value { format: ValueFormat::Integer, place, span, .. }) => {
            quote_spanned!(*span=> .integer(#place))
        }
        Piece::Value(Value { format: ValueFormat::Derived, place, span, .. }) => {
            quote_spanned!(*span=> .part(&#place))
        }
        Piece::Value(value) => {
            let argument = argument(value);
            quote_spanned!(value.span=> .value(&#argument))
        }
    }
}

/// What implements `Display` for a value.
fn argument(value: &Value) -> TokenStream {
    let (place, span) = (&value.place, value.span);
    match &value.format {
        ValueFormat::Template(Format::Plain) | ValueFormat::Integer | ValueFormat::Derived => place.clone(),
        ValueFormat::Template(Format::As(spec) | Format::Padded(spec)) => {
            let format = syn::LitStr::new(&format!("{{:{spec}}}"), span);
            let place = value.checked();
            quote_spanned!(span=> ::core::format_args!(#format, #place))
        }
    }
}

/// The number of a return type's shape, in a block: it must not leave a trait in scope.
fn shape(function: &Function) -> TokenStream {
    let output = without_parameters(&function.output, function);
    let at_output = Span::mixed_site().located_at(function.output.span());
    let of = quote_spanned!(at_output=> Shape::<#output>);
    quote!({
        use ::cached_aside::__private::{NoShape as _, Shape};
        #of::OPTION + #of::RESULT + #of::RESULT_OPTION
    })
}

/// The constant of an expression inside the function: the shape under a name.
fn shape_constant(function: &Function) -> TokenStream {
    let shape = shape(function);
    quote!(const __SHAPE: u8 = #shape;)
}

/// The user's body as a future that hasn't begun.
fn body(function: &Function) -> TokenStream {
    let output = &function.output;
    let statements = match &function.body {
        Body::Async(block) => &block.stmts,
        Body::Boxed(boxed) => &boxed.statements,
    };
    let never = ours("never");
    let at_output = Span::mixed_site().located_at(output.span());
    // This never runs. It tells the compiler the type of the block, so that a wrong body is reported where it is wrong.
    let edge = quote_spanned! {at_output=>
        if let ::core::option::Option::Some(#never) = ::core::option::Option::None::<#output> {
            return #never;
        }
    };
    quote!(async move { #edge #(#statements)* })
}

/// The function with other statements in its body; the signature stays as it is.
fn around(function: &Function, statements: &TokenStream) -> TokenStream {
    let Function { vis, sig, .. } = function;
    let attrs = function.attrs.iter().map(outer);
    let block = match &function.body {
        Body::Async(block) => {
            // With the user's own braces it remains the user's function for the compiler's lints (`dead_code`).
            let mut tokens = TokenStream::new();
            block.brace_token.surround(&mut tokens, |tokens| statements.to_tokens(tokens));
            tokens
        }
        Body::Boxed(boxed) => boxed.with(statements),
    };
    quote!(#(#attrs)* #vis #sig #block)
}

/// The cache that the attribute names, as a statement and as the argument of type `&Cache`.
fn cache(written: Option<&Expr>) -> (Option<TokenStream>, Option<Ident>) {
    let Some(expr) = written else { return (None, None) };
    let cache = ours("cache");
    let reference = syn::ExprReference {
        attrs: vec![],
        and_token: syn::Token![&](expr.span()),
        mutability: None,
        expr: Box::new(expr.clone()),
    };
    (Some(quote!(let #cache: &::cached_aside::Cache = #reference;)), Some(cache))
}

/// The same for a load that may go on without its caller: it borrows nothing.
fn kept_cache(written: Option<&Expr>) -> (Option<TokenStream>, TokenStream) {
    let (Some(_), Some(cache)) = cache(written) else { return (None, quote!(::core::option::Option::None)) };
    let expr = written.map(|expr| quote_spanned!(expr.span()=> &#expr));
    let kept = quote!(let #cache: ::cached_aside::Cache = ::core::clone::Clone::clone(#expr););
    (Some(kept), quote!(::core::option::Option::Some(&#cache)))
}

/// An attribute in front of its function, also if it was written inside.
fn outer(attribute: &Attribute) -> Attribute {
    Attribute { style: AttrStyle::Outer, ..attribute.clone() }
}
