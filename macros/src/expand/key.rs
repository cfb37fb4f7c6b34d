//! The text of a key.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::{LitStr, Token, spanned::Spanned};

use crate::{
    parse::template::Format,
    plan::{
        ReadPlan, TagKey,
        key::{Key, Piece, Text, Value, ValueFormat, ValueOf},
    },
};

/// The key's text, in an expression of type `AnyKey`.
pub(super) fn key_text(key: &Key) -> TokenStream {
    let start = text(&key.start);
    let pieces = key.pieces.iter().map(piece);
    quote!(__aside::KeyWriter::new(#start) #(#pieces)* .finish())
}

/// The key of an entry with its tags, in an expression of type `AnyKey`.
pub(super) fn tagged_key(plan: &ReadPlan) -> TokenStream {
    let key = key_text(&plan.key);
    if plan.tags.is_empty() {
        return key;
    }
    let tags = plan.tags.iter().map(|tag| match tag {
        TagKey::Template(key, _) => tag_text(key),
        TagKey::Call(call) => quote_spanned!(call.span()=> __aside::tag(#call)),
    });
    quote!(#key.tagged([#(#tags),*]))
}

/// A tag's text, in an expression of type `Tag`.
pub(super) fn tag_text(key: &Key) -> TokenStream {
    let (start, pieces) = (text(&key.start), key.pieces.iter().map(piece));
    quote!(__aside::KeyWriter::new(#start) #(#pieces)* .finish_tag())
}

fn piece(piece: &Piece) -> TokenStream {
    match piece {
        Piece::Literal(text) => quote!(.literal(#text)),
        Piece::Verbatim(known) => {
            let known = text(known);
            quote!(.literal(#known))
        }
        Piece::Value(value) => {
            let argument = argument(value);
            match value.format {
                ValueFormat::Integer => quote_spanned!(value.span=> .integer(#argument)),
                ValueFormat::Derived => quote_spanned!(value.span=> .part(&#argument)),
                ValueFormat::Template(_) => {
                    let at_argument = argument.span();
                    let argument = quote_spanned!(at_argument=> &#argument);
                    quote_spanned!(value.span=> .value(#argument))
                }
            }
        }
    }
}

/// An expression of type `&'static str`.
fn text(known: &Text) -> TokenStream {
    match known {
        Text::Written(literal) => literal.to_token_stream(),
        Text::TypeName(ty) => quote!(__aside::type_name::<#ty>()),
        Text::InModule("", behind) => quote!(::core::concat!(::core::module_path!(), #behind)),
        Text::InModule(before, behind) => {
            quote!(::core::concat!(#before, ::core::module_path!(), #behind))
        }
    }
}

/// The value itself, as an expression.
fn expr(value: &Value) -> TokenStream {
    match &value.of {
        ValueOf::TypeName(ty) => quote_spanned!(value.span=> __aside::type_name::<#ty>()),
        ValueOf::Field { root, fields } => {
            let dot = Token![.](value.span);
            quote!(#root #(#dot #fields)*)
        }
    }
}

/// What implements `Display` for a value.
fn argument(value: &Value) -> TokenStream {
    let span = value.span;
    match &value.format {
        ValueFormat::Template(Format::Plain) | ValueFormat::Integer | ValueFormat::Derived => expr(value),
        ValueFormat::Template(Format::As(spec) | Format::Padded(spec)) => {
            let format = LitStr::new(&format!("{{:{spec}}}"), span);
            let value = checked(value);
            quote_spanned!(span=> ::core::format_args!(#format, #value))
        }
    }
}

/// The value as text, in an expression of type `String`.
pub(super) fn value_text(value: &Value) -> TokenStream {
    let format = match &value.format {
        ValueFormat::Template(Format::As(spec) | Format::Padded(spec)) => &format!("{{:{spec}}}"),
        _ => "{}",
    };
    let (format, span) = (LitStr::new(format, value.span), value.span);
    let value = checked(value);
    quote_spanned!(span=> ::std::format!(#format, #value))
}

/// The value, which must be a number where the format needs one.
fn checked(value: &Value) -> TokenStream {
    let expr = expr(value);
    match &value.format {
        ValueFormat::Template(Format::Padded(_)) => {
            quote_spanned!(value.span=> __aside::number(&#expr))
        }
        _ => expr,
    }
}
