//! `"5m"` → five minutes, when compiling.

use std::time::Duration;

use proc_macro2::{Span, TokenTree};
use quote::ToTokens;
use syn::{
    BinOp, Expr, ExprBinary, ExprLit, ExprUnary, Lit, LitStr, Token, UnOp, parse::ParseStream,
    spanned::Spanned,
};

use crate::tokens::{compact, names, ungrouped};

const HOW: &str = "write a whole number and a unit, such as `250ms`, `30s`, `5m`, `1h 30m` or `7days`";

/// A duration as the value of an option.
#[derive(Clone)]
pub(crate) enum DurationArg {
    /// Written out.
    Known(Duration),
    /// A constant of type `Duration`; the runtime checks it when the user's crate is compiled.
    Constant(Box<Expr>),
}

impl DurationArg {
    /// A string in the usual human form, or a constant expression. Zero is accepted only where `zero` says so.
    pub(crate) fn parse(input: ParseStream, zero: AllowZero) -> syn::Result<DurationArg> {
        let expr = ungrouped(input.parse()?);
        match &expr {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => known(text, zero).map(DurationArg::Known),
            Expr::Lit(literal) => {
                Err(syn::Error::new(literal.span(), not_a_string(&literal.lit, input, zero)))
            }
            _ => match not_constant(&expr) {
                Some(why) => Err(syn::Error::new(expr.span(), why)),
                None => Ok(DurationArg::Constant(Box::new(expr))),
            },
        }
    }

    /// Whether this text is one.
    pub(crate) fn is_written(text: &LitStr) -> bool {
        parse(&text.value(), AllowZero::Yes).is_ok()
    }

    /// Where the constant is written.
    pub(crate) fn span(&self) -> Option<Span> {
        match self {
            DurationArg::Known(_) => None,
            DurationArg::Constant(expr) => Some(expr.span()),
        }
    }

    /// The constant, unless it is written out.
    pub(crate) fn constant(&self) -> Option<&Expr> {
        match self {
            DurationArg::Known(_) => None,
            DurationArg::Constant(expr) => Some(expr),
        }
    }
}

/// Whether the option accepts a duration of zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AllowZero {
    Yes,
    No,
}

/// What to write instead of a literal that is no string: the same in a string, where it has a unit. What follows it up to the next
/// option belongs to it: `1h 30m`.
fn not_a_string(literal: &Lit, input: ParseStream, zero: AllowZero) -> String {
    let mut written = literal.to_token_stream().to_string();
    while !input.is_empty() && !input.peek(Token![,]) {
        match input.parse::<TokenTree>() {
            Ok(token) => written.extend([" ".to_owned(), token.to_string()]),
            Err(_) => break,
        }
    }
    match parse(&written, zero) {
        Ok(_) => format!("a duration is a string; write `\"{written}\"`"),
        // `5M`: the message is about months.
        Err(why) if months(&written).is_some() => why,
        Err(_) => match literal {
            Lit::Int(number) if number.base10_digits() == "0" && zero == AllowZero::No => {
                format!("`{written}` is no time at all, and does not mean for ever; {HOW}, in a string")
            }
            Lit::Int(number) if number.suffix().is_empty() && written.bytes().all(|byte| byte != b' ') => {
                let digits = number.base10_digits();
                format!("`{number}` has no unit; write a string such as `\"{digits}s\"` or `\"{digits}ms\"`")
            }
            _ => format!("this is not a duration; {HOW}, in a string, or a constant of type `Duration`"),
        },
    }
}

/// What to write instead of an expression that is no constant of type `Duration`, whatever its names mean.
fn not_constant(expr: &Expr) -> Option<String> {
    let text = |expr: &dyn ToTokens| {
        let written = compact(&expr.to_token_stream());
        written.replace(" ()", "()").replace(" . ", ".").replace("- ", "-")
    };
    let method = match expr {
        Expr::Unary(ExprUnary { op: UnOp::Neg(_), .. }) => {
            return Some(format!("`{}` is not a duration; {HOW}, in a string", text(expr)));
        }
        Expr::MethodCall(call) if matches!(&*call.receiver, Expr::Lit(_)) => {
            return Some(format!("`{}` is not a constant; {HOW}, in a string", text(expr)));
        }
        // Numbers alone only lack a unit.
        Expr::Binary(_) if names(&expr.to_token_stream()).is_empty() => return None,
        Expr::Binary(ExprBinary { op: BinOp::Div(_), .. }) => {
            return Some(format!("no operator makes a `Duration` when compiling; {HOW}, in a string"));
        }
        Expr::Binary(ExprBinary { op: BinOp::Mul(_), .. }) => "saturating_mul",
        Expr::Binary(ExprBinary { op: BinOp::Add(_), .. }) => "saturating_add",
        Expr::Binary(ExprBinary { op: BinOp::Sub(_), .. }) => "saturating_sub",
        _ => return None,
    };
    let Expr::Binary(ExprBinary { left, right, .. }) = expr else { return None };
    // `5 * MINUTE`: a method is one of the duration's.
    let (left, right) = if method == "saturating_mul" && matches!(&**left, Expr::Lit(_)) {
        (right, left)
    } else {
        (left, right)
    };
    let (written, left, right) = (compact(&expr.to_token_stream()), text(left), text(right));
    Some(format!(
        "no operator makes a `Duration` when compiling; write `{left}.{method}({right})` of a `Duration`, or \
         `Duration::from_secs({written})` of numbers"
    ))
}

fn known(text: &LitStr, zero: AllowZero) -> syn::Result<Duration> {
    parse(&text.value(), zero).map_err(|why| syn::Error::new(text.span(), why))
}

/// The duration, or what to write instead.
fn parse(text: &str, zero: AllowZero) -> Result<Duration, String> {
    if let Some(written) = iso_8601(text) {
        return Err(format!("a duration is not written as in ISO 8601; write `\"{written}\"`"));
    }
    if let Some(months) = months(text) {
        return Err(format!(
            "`{months}` would be months, which is not a length that a TTL is likely to have; \
             write `m` for minutes, or `months`"
        ));
    }
    let duration =
        humantime::parse_duration(text.trim()).map_err(|_| format!("`{text}` is not a duration; {HOW}"))?;
    if duration.is_zero() && zero == AllowZero::Yes {
        return Ok(duration);
    }
    if duration.is_zero() {
        return Err(format!("`{text}` is no time at all, and does not mean for ever; {HOW}"));
    }
    if duration < Duration::from_millis(1) {
        return Err(format!("`{text}` is shorter than a millisecond, which is what Redis counts in; {HOW}"));
    }
    Ok(duration)
}

/// `PT1H30M` → `1h 30m`
fn iso_8601(text: &str) -> Option<String> {
    let time = text.trim().strip_prefix("PT")?.to_lowercase();
    let parts: Vec<&str> = time.split_inclusive(['h', 'm', 's']).collect();
    let is_part =
        |part: &&str| part.strip_suffix(['h', 'm', 's']).is_some_and(|number| number.parse::<u32>().is_ok());
    (!parts.is_empty() && parts.iter().all(is_part)).then(|| parts.join(" "))
}

/// `5M`: one key away from `5m`.
fn months(text: &str) -> Option<&str> {
    text.split_whitespace().find(|part| {
        part.strip_suffix('M').is_some_and(|number| number.ends_with(|c: char| c.is_ascii_digit()))
    })
}

/// A duration that is not zero.
pub(super) fn duration(input: ParseStream) -> syn::Result<DurationArg> {
    DurationArg::parse(input, AllowZero::No)
}

/// A duration, which may be zero.
pub(super) fn duration_or_zero(input: ParseStream) -> syn::Result<DurationArg> {
    DurationArg::parse(input, AllowZero::Yes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_people_write() {
        for (text, millis) in [
            ("1ms", 1),
            ("500ms", 500),
            ("2s", 2_000),
            ("2sec", 2_000),
            ("5m", 300_000),
            ("5min", 300_000),
            ("1h 30m", 5_400_000),
            ("1h30m", 5_400_000),
            (" 10 minutes ", 600_000),
            ("7days", 604_800_000),
            ("2weeks", 1_209_600_000),
        ] {
            assert_eq!(parse(text, AllowZero::No), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn a_duration_without_quotes_is_shown_with_them() {
        for (written, why) in [
            ("5m", "write `\"5m\"`"),
            ("250ms", "write `\"250ms\"`"),
            ("1h30m", "write `\"1h30m\"`"),
            ("1h 30m", "write `\"1h 30m\"`"),
            ("5 m", "write `\"5 m\"`"),
            ("5minutes, key = 1", "write `\"5minutes\"`"),
            ("5", "`5` has no unit; write a string such as `\"5s\"`"),
            ("5_000", "such as `\"5000s\"`"),
            ("5M", "`5M` would be months"),
            ("5u64", "this is not a duration; write a whole number and a unit"),
            ("1.5h", "write `\"1.5h\"`"),
            ("1e3", "this is not a duration; write a whole number and a unit"),
            ("true", "this is not a duration; write a whole number and a unit"),
        ] {
            let read = |input: ParseStream| {
                let read = DurationArg::parse(input, AllowZero::No);
                input.parse::<proc_macro2::TokenStream>()?;
                read
            };
            let error = syn::parse::Parser::parse_str(read, written).err().unwrap().to_string();
            assert!(error.contains(why), "{written}: {error}");
        }
    }

    #[test]
    fn what_is_not_a_duration_says_what_is() {
        for text in ["", " ", "5", "5 parsecs", "m5", "-5s", "5s!", "five minutes", "999999999999999999999s"]
        {
            let why = parse(text, AllowZero::No).unwrap_err();
            assert!(why.starts_with(&format!("`{text}` is not a duration; write ")), "{why}");
        }
        assert!(parse("0s", AllowZero::No).unwrap_err().contains("no time at all"));
        assert!(parse("1h 5M", AllowZero::No).unwrap_err().contains("`5M` would be months"));
        assert!(parse("5months", AllowZero::No).is_ok());
        assert!(parse("10us", AllowZero::No).unwrap_err().contains("shorter than a millisecond"));
        assert_eq!(parse("0s", AllowZero::Yes), Ok(Duration::ZERO));
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in "\\PC{0,24}") {
            let _ = parse(&text, AllowZero::No);
        }

        #[test]
        fn what_was_formatted_is_understood(millis in 1_u64..100_000_000_000) {
            let duration = Duration::from_millis(millis);
            prop_assert_eq!(parse(&humantime::format_duration(duration).to_string(), AllowZero::No), Ok(duration));
        }
    }
}
