//! Plans into tokens: `quote!` and little else.

mod call;
pub(crate) mod cfg_parameters;
mod companion;
mod read;
pub(crate) mod root;
mod write;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::{AttrStyle, Attribute, Expr, Type, spanned::Spanned};

pub(crate) use write::write;

use crate::{
    item::{
        function::{Body, Function},
        shape::without_parameters,
        types::is_nameable,
    },
    parse::template::Format,
    plan::key::{Key, Piece, Value, ValueFormat},
    plan::{Form, ReadPlan},
};

pub(crate) fn read(plan: &ReadPlan, function: &Function) -> TokenStream {
    match plan.form {
        Form::Free => companion::free(plan, function),
        Form::Method => companion::method(plan, function),
        Form::Alone => {
            let shape = shape_constant(function);
            let settings = read::settings(plan, function, &quote!(__SHAPE));
            let load = read::load(plan, function, &quote!(__SHAPE), &quote!(&__READ), &body(function));
            around(function, &quote!(#shape #settings #load))
        }
    }
}

/// The name of a variable, which the user's code can't see. No `static` has it either: a variable could not be called so.
fn ours(name: &str) -> Ident {
    Ident::new(&format!("__{name}"), Span::mixed_site())
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
    let traits = traits.iter().map(|name| Ident::new(name, Span::mixed_site()));
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
            let at_argument = argument.span();
            let argument = quote_spanned!(at_argument=> &#argument);
            quote_spanned!(value.span=> .value(#argument))
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
    shape_of(&without_parameters(&function.output, function), function)
}

fn shape_of(output: &Type, function: &Function) -> TokenStream {
    let at_output = Span::mixed_site().located_at(function.output.span());
    let of = quote_spanned!(at_output=> __Shape::<#output>);
    quote!({
        use ::cached_aside::__private::{NoShape as _, Shape as __Shape};
        #of::OPTION + #of::RESULT + #of::RESULT_OPTION
    })
}

/// The constant of an expression inside the function: the shape under a name.
fn shape_constant(function: &Function) -> TokenStream {
    let shape = shape(function);
    quote!(const __SHAPE: u8 = #shape;)
}

/// `Some(argument)` or `None`, as an expression.
fn optional(argument: Option<&impl ToTokens>) -> TokenStream {
    match argument {
        None => quote!(::core::option::Option::None),
        Some(argument) => quote!(::core::option::Option::Some(#argument)),
    }
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
    // This never runs. It tells the compiler the type of the block, so that a wrong body is reported where it is wrong. Only the
    // body itself knows what an `impl …` is.
    let edge = is_nameable(output).then(|| {
        quote_spanned! {at_output=>
            if let ::core::option::Option::Some(#never) = ::core::option::Option::None::<#output> {
                return #never;
            }
        }
    });
    quote!(async move { #edge #(#statements)* })
}

/// A future in the place in which it stays: a call carries it no second time.
fn pinned(future: &TokenStream) -> TokenStream {
    let name = ours("body");
    quote!(let #name = ::core::pin::pin!(#future);)
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
fn cache(written: Option<&Expr>, function: &Function) -> (Option<TokenStream>, Option<TokenStream>) {
    let Some(expr) = written else { return (None, None) };
    if is_taken(expr, function) {
        let (kept, cache) = kept_cache(expr);
        return (Some(kept), Some(cache));
    }
    let cache = ours("cache");
    let reference = reference(expr);
    (Some(quote!(let #cache: &::cached_aside::Cache = #reference;)), Some(cache.to_token_stream()))
}

/// `&expr`
fn reference(expr: &Expr) -> syn::ExprReference {
    syn::ExprReference {
        attrs: vec![],
        and_token: syn::Token![&](expr.span()),
        mutability: None,
        expr: Box::new(expr.clone()),
    }
}

/// The same for a body that takes what holds the cache, or goes on without its caller.
fn kept_cache(expr: &Expr) -> (TokenStream, TokenStream) {
    let cache = ours("cache");
    let lent = quote_spanned!(expr.span()=> &#expr);
    (quote!(let #cache: ::cached_aside::Cache = ::core::clone::Clone::clone(#lent);), quote!(&#cache))
}

/// Whether the expression begins with a parameter that the body takes, or borrows for itself alone.
fn is_taken(expr: &Expr, function: &Function) -> bool {
    match expr {
        Expr::Field(field) => is_taken(&field.base, function),
        Expr::MethodCall(call) => is_taken(&call.receiver, function),
        Expr::Index(index) => is_taken(&index.expr, function),
        Expr::Paren(paren) => is_taken(&paren.expr, function),
        Expr::Group(group) => is_taken(&group.expr, function),
        Expr::Reference(reference) => is_taken(&reference.expr, function),
        Expr::Unary(unary) => is_taken(&unary.expr, function),
        Expr::Path(path) => path.path.get_ident().is_some_and(|name| {
            let parameter = function.parameters.iter().find(|parameter| parameter.binds(&name.to_string()));
            parameter.is_some_and(|parameter| !parameter.is_lent())
        }),
        _ => false,
    }
}

/// An attribute in front of its function, also if it was written inside.
fn outer(attribute: &Attribute) -> Attribute {
    Attribute { style: AttrStyle::Outer, ..attribute.clone() }
}
