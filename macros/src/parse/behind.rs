//! What stands in a write's attribute where a call does, and is none: a value alone, and a condition behind.

use quote::ToTokens;
use syn::{Expr, Ident, Token, parse::ParseStream};

/// What to write instead of a parameter, the result or a constant alone.
pub(super) fn value_alone(parameters: &[Ident], input: ParseStream) -> Option<syn::Error> {
    let ahead = input.fork();
    let name: Ident = ahead.parse().ok()?;
    if !(ahead.is_empty() || ahead.peek(Token![,])) {
        return None;
    }
    let text = name.to_string();
    let (what, value) = match text.as_str() {
        _ if parameters.contains(&name) => ("is a parameter", text.as_str()),
        "result" => ("is what the function returns", "result.id"),
        constant if constant.len() > 1 && !constant.contains(char::is_lowercase) => ("is a constant", "id"),
        _ => return None,
    };
    let why = format!(
        "`{name}` {what}, and no key; name the call of a cached function, such as `load_user({value})`, or give `#[invalidates]` its key as \
         text, such as `\"user:{{{value}}}\"`"
    );
    Some(syn::Error::new(name.span(), why))
}

/// `load_user(id) if id > 3`
pub(super) fn condition_behind(input: ParseStream) -> Option<syn::Error> {
    if !input.peek(Token![if]) {
        return None;
    }
    let ahead = input.fork();
    let condition = ahead
        .parse::<Token![if]>()
        .and_then(|_| ahead.call(Expr::parse_without_eager_brace))
        .map_or_else(|_| "…".to_owned(), |condition| condition.to_token_stream().to_string());
    let why = format!(
        "a condition can't stand here; for the write as a whole write it as an option: `when = {condition}`"
    );
    Some(input.error(why))
}
