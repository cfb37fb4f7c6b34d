//! The text of a key.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::{LitStr, Member, Token, spanned::Spanned};

use super::call::generated;
use crate::{
    parse::template::Format,
    plan::{
        ReadPlan, TagKey,
        key::{Bound, Key, Piece, Text, Value, ValueFormat, ValueOf},
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
            let span = value.span;
            match &value.format {
                ValueFormat::Integer => {
                    let argument = expr(value);
                    quote_spanned!(span=> .integer(#argument))
                }
                ValueFormat::Derived => {
                    let argument = expr(value);
                    quote_spanned!(span=> .part(&#argument))
                }
                ValueFormat::Template(format) => {
                    let method = match value.bound {
                        Bound::OfWrite if *format == Format::Plain => "value_of_write",
                        Bound::Generic if *format == Format::Plain => "displayed",
                        _ => "value",
                    };
                    let span = if value.of.has_fields() { generated(span) } else { span };
                    let (method, argument) = (Ident::new(method, span), argument(value, format));
                    quote_spanned!(span=> .#method(#argument))
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
        ValueOf::Field { root, fields } if !fields.is_empty() => field(root, fields, value.span),
        ValueOf::Field { root, .. } => root.to_token_stream(),
    }
}

/// A reference to the value.
fn reference(value: &Value) -> TokenStream {
    let expr = expr(value);
    let at = expr.span();
    quote_spanned!(at=> &#expr)
}

/// A field, all of it shown where the template is: the compiler would show what begins at the parameter and ends there as the whole
/// attribute.
fn field(root: &Ident, fields: &[Member], template: Span) -> TokenStream {
    let span = root.span().located_at(template);
    let (mut root, dot) = (root.clone(), Token![.](span));
    root.set_span(span);
    let fields = fields.iter().cloned().map(|mut field| {
        match &mut field {
            Member::Named(name) => name.set_span(span),
            Member::Unnamed(index) => index.span = span,
        }
        field
    });
    quote!(#root #(#dot #fields)*)
}

/// A reference to what implements `Display` for a value.
fn argument(value: &Value, format: &Format) -> TokenStream {
    let span = value.span;
    match format {
        Format::Plain => reference(value),
        Format::As(spec) | Format::Padded(spec) => {
            let format = LitStr::new(&format!("{{:{spec}}}"), span);
            let value = checked(value);
            quote_spanned!(span=> &::core::format_args!(#format, #value))
        }
    }
}

/// The value as text, in an expression of type `String`.
pub(super) fn value_text(value: &Value) -> TokenStream {
    let span = value.span;
    let format = match &value.format {
        ValueFormat::Template(Format::As(spec) | Format::Padded(spec)) => {
            LitStr::new(&format!("{{:{spec}}}"), span)
        }
        _ if value.bound == Bound::OfWrite => {
            let value = reference(value);
            return quote_spanned!(generated(span)=> __aside::text_of_write(#value));
        }
        _ => LitStr::new("{}", span),
    };
    let value = checked(value);
    quote_spanned!(span=> ::std::format!(#format, #value))
}

/// The value, which must be a number where the format needs one.
fn checked(value: &Value) -> TokenStream {
    match &value.format {
        ValueFormat::Template(Format::Padded(_)) => {
            let (at, value) = (generated(value.span), reference(value));
            quote_spanned!(at=> __aside::number(#value))
        }
        _ => expr(value),
    }
}
