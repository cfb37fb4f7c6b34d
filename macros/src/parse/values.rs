//! The values of options, as written.

use syn::{
    Expr, ExprCall, ExprLit, Ident, Lit, LitInt, LitStr, Type, TypePath, parenthesized, parse::ParseStream,
    spanned::Spanned,
};

use super::{
    args::{LoadTimeout, LocalMode, Policy, Refresh, Transaction, Version},
    duration::{AllowZero, DurationArg},
    list::each,
    slots::{name, set},
};
use crate::{
    problem::{Problems, nearest, one_of},
    tokens::{ungrouped, ungrouped_type},
};

/// A cache that is there.
pub(super) fn one_cache(input: ParseStream) -> syn::Result<Expr> {
    let expr: Expr = input.parse()?;
    let is_new = |call: &ExprCall| {
        let Expr::Path(path) = &*call.func else { return false };
        let mut names = path.path.segments.iter().rev().map(|segment| segment.ident.to_string());
        names.next().is_some_and(|name| name == "in_process")
            && names.next().is_some_and(|name| name == "Cache")
    };
    match &expr {
        Expr::Call(call) if is_new(call) => Err(syn::Error::new(
            expr.span(),
            "this would be another cache for each call, with nothing in it; keep one in a static or a field, or leave `cache` out and \
             `install()` it",
        )),
        _ => Ok(expr),
    }
}

/// `"10%"`, in thousandths.
pub(super) fn jitter(input: ParseStream) -> syn::Result<u16> {
    const HOW: &str = "a jitter is a percentage from 0 to 100 in a string, such as `\"10%\"` or `\"2.5%\"`";
    if !input.peek(LitStr) {
        return Err(input.error(HOW));
    }
    let literal: LitStr = input.parse()?;
    per_mille(&literal.value()).ok_or_else(|| syn::Error::new(literal.span(), HOW))
}

pub(super) fn per_mille(text: &str) -> Option<u16> {
    let number = text.trim().strip_suffix('%')?.trim_end();
    let (whole, tenths) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(tenths) || tenths.len() > 1 {
        return None;
    }
    let per_mille = whole.parse::<u16>().ok()?.checked_mul(10)?.checked_add(tenths.parse().ok()?)?;
    (per_mille <= 1000).then_some(per_mille)
}

/// `"0.1%"`, as the share that it is.
pub(super) fn share(input: ParseStream) -> syn::Result<f64> {
    const HOW: &str = "`verify` is the percentage of hits that are compared with the body, from 0 to 100 in a string, such as \
                       `\"0.1%\"`, or `\"100%\"` in a test";
    if !input.peek(LitStr) {
        return Err(input.error(HOW));
    }
    let literal: LitStr = input.parse()?;
    share_of(&literal.value()).ok_or_else(|| syn::Error::new(literal.span(), HOW))
}

pub(super) fn share_of(text: &str) -> Option<f64> {
    let number = text.trim().strip_suffix('%')?.trim_end();
    let (whole, parts) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    // Divided by a hundred without a second rounding.
    let share: f64 = format!("{number}e-2").parse().ok().filter(|_| digits(whole) && digits(parts))?;
    (share <= 1.0).then_some(share)
}

/// A closure over one value, or the name of a function; `example` shows one.
pub(super) fn closure(example: &'static str) -> impl Fn(ParseStream) -> syn::Result<Expr> {
    move |input| {
        let expr = ungrouped(input.parse()?);
        match &expr {
            Expr::Closure(closure) if closure.inputs.len() == 1 => Ok(expr),
            Expr::Path(_) => Ok(expr),
            other => {
                let how =
                    format!("write a closure over one value, such as `{example}`, or a function's name");
                Err(syn::Error::new(other.span(), how))
            }
        }
    }
}

pub(super) fn refresh(input: ParseStream) -> syn::Result<Refresh> {
    one_of_two(input, "refresh", [("inline", Refresh::Inline), ("background", Refresh::Background)])
}

pub(super) fn local_mode(input: ParseStream) -> syn::Result<LocalMode> {
    one_of_two(input, "mode", [("exact", LocalMode::Exact), ("bounded", LocalMode::Bounded)])
}

fn one_of_two<T: Copy>(input: ParseStream, what: &str, ways: [(&str, T); 2]) -> syn::Result<T> {
    let names = ways.map(|(name, _)| name);
    if !input.peek(LitStr) {
        return Err(input.error(format!("a {what} is `\"{}\"` or `\"{}\"`", names[0], names[1])));
    }
    let literal: LitStr = input.parse()?;
    let written = literal.value();
    let known = ways.iter().find(|(name, _)| *name == written);
    known.map(|(_, way)| *way).ok_or_else(|| {
        let why = match nearest(&written, names) {
            Some(near) => format!("unknown {what} `{written}`; did you mean `{near}`?"),
            None => format!("unknown {what} `{written}`; expected {}", one_of(&names)),
        };
        syn::Error::new(literal.span(), why)
    })
}

/// `(soft = "100ms", hard = "2s")`
pub(super) fn load_timeout(option: &Ident, input: ParseStream) -> syn::Result<LoadTimeout> {
    const HOW: &str =
        "write `load_timeout(hard = \"2s\")`, `load_timeout(soft = \"100ms\")`, or both with a comma";
    if !input.peek(syn::token::Paren) {
        return Err(syn::Error::new(option.span(), format!("`load_timeout` takes one limit or two: {HOW}")));
    }
    let content;
    parenthesized!(content in input);
    let (mut limits, mut problems) = (LoadTimeout::default(), Problems::default());
    each(content.parse()?, &mut problems, |input| {
        let limit = name(input, &["soft", "hard"])?;
        let slot = match limit.to_string().as_str() {
            "soft" => &mut limits.soft,
            "hard" => &mut limits.hard,
            _ => return Err(syn::Error::new(limit.span(), format!("unknown limit `{limit}`; {HOW}"))),
        };
        set(slot, limit, input, |input| DurationArg::parse(input, AllowZero::No))
    });
    problems.finish()?;
    if limits.soft.is_none() && limits.hard.is_none() {
        return Err(syn::Error::new(
            option.span(),
            format!("`load_timeout` without a limit limits nothing: {HOW}"),
        ));
    }
    Ok(limits)
}

/// A number, or a constant of type `f64`.
pub(super) fn beta(input: ParseStream) -> syn::Result<Expr> {
    const HOW: &str =
        "`early_refresh` is a number above 0 and at most 100, such as `1.0`; larger ones reload earlier";
    let expr = ungrouped(input.parse()?);
    let number = match &expr {
        Expr::Lit(ExprLit { lit: Lit::Float(number), .. }) => number.base10_parse::<f64>()?,
        Expr::Lit(ExprLit { lit: Lit::Int(number), .. }) => number.base10_parse::<f64>()?,
        Expr::Lit(_) | Expr::Unary(_) => return Err(syn::Error::new(expr.span(), HOW)),
        _ => return Ok(expr),
    };
    if number <= 0.0 || number > 100.0 {
        return Err(syn::Error::new(expr.span(), HOW));
    }
    let literal = syn::LitFloat::new(&format!("{number:?}"), expr.span());
    Ok(Expr::Lit(ExprLit { attrs: vec![], lit: Lit::Float(literal) }))
}

pub(super) fn codec(input: ParseStream) -> syn::Result<Type> {
    if input.peek(Lit) {
        return Err(input.error("a codec is a type, such as `codec = Json`"));
    }
    let ty = ungrouped_type(input.parse()?);
    if let Some(codec) = written_small(&ty) {
        return Err(syn::Error::new(
            ty.span(),
            format!("a codec is a type; did you mean `codec = {codec}`?"),
        ));
    }
    match codec_of_ours(&ty).and_then(|name| without_feature(&name.to_string(), &CODECS)) {
        Some(why) => Err(syn::Error::new(ty.span(), why)),
        None => Ok(ty),
    }
}

/// The codecs of `cached-aside`, their features, and whether those are enabled.
const CODECS: [(&str, &str, bool); 4] = [
    ("Bincode", "bincode", cfg!(feature = "bincode")),
    ("Json", "json", cfg!(feature = "json")),
    ("MessagePack", "messagepack", cfg!(feature = "messagepack")),
    ("Postcard", "postcard", cfg!(feature = "postcard")),
];

/// The codec of `cached-aside` that is meant: other crates have a `Json` too, and by the name alone ours is.
pub(crate) fn codec_of_ours(ty: &Type) -> Option<&Ident> {
    let Type::Path(TypePath { qself: None, path, .. }) = ty else { return None };
    path.get_ident().filter(|name| CODECS.iter().any(|(codec, ..)| *name == codec))
}

/// The codec of `cached-aside` that is meant by `json`, which no type is called.
fn written_small(ty: &Type) -> Option<&'static str> {
    let (name, codec) = in_another_case(ty)?;
    name.to_string().chars().all(|character| !character.is_uppercase()).then_some(codec)
}

/// The name that is almost one of a codec of `cached-aside`, and that codec.
pub(crate) fn in_another_case(ty: &Type) -> Option<(&Ident, &'static str)> {
    let Type::Path(TypePath { qself: None, path, .. }) = ty else { return None };
    let name = path.get_ident().filter(|_| codec_of_ours(ty).is_none())?;
    let written = name.to_string().replace('_', "");
    let codec = CODECS.iter().map(|(codec, ..)| *codec).find(|codec| codec.eq_ignore_ascii_case(&written));
    codec.map(|codec| (name, codec))
}

/// What to write into Cargo.toml before this codec can be named.
fn without_feature(name: &str, codecs: &[(&str, &str, bool)]) -> Option<String> {
    let (_, feature, _) = codecs.iter().find(|(codec, _, enabled)| *codec == name && !enabled)?;
    let version = concat!(env!("CARGO_PKG_VERSION_MAJOR"), ".", env!("CARGO_PKG_VERSION_MINOR"));
    Some(format!(
        "the codec `{name}` is behind the feature `{feature}`; in Cargo.toml write \
         `cached-aside = {{ version = \"{version}\", features = [\"{feature}\"] }}`"
    ))
}

/// `2`, `VERSION`, or `only(…)` around either.
pub(super) fn version(input: ParseStream) -> syn::Result<Version> {
    let (number, only) = match ungrouped(input.parse()?) {
        Expr::Call(ExprCall { ref func, ref args, .. }) if args.len() == 1 && is_only(func) => {
            (ungrouped(args[0].clone()), true)
        }
        expr => (expr, false),
    };
    match &number {
        Expr::Lit(ExprLit { lit: Lit::Int(literal), .. }) => {
            is_u32(literal).map(|()| Version { number, only })
        }
        Expr::Path(_) => Ok(Version { number, only }),
        other => Err(syn::Error::new(
            other.span(),
            "a version is a whole number, such as `version = 2`, or a constant of type `u32`",
        )),
    }
}

fn is_only(function: &Expr) -> bool {
    matches!(function, Expr::Path(path) if path.path.is_ident("only"))
}

fn is_u32(number: &LitInt) -> syn::Result<()> {
    number.base10_parse::<u32>().map(drop).map_err(|_| {
        syn::Error::new(number.span(), format!("`{number}` is no version; write a number up to {}", u32::MAX))
    })
}

pub(super) fn replicas(input: ParseStream) -> syn::Result<LitInt> {
    const HOW: &str =
        "write how many replicas have to confirm a guard, from 1 to 255, such as `wait_replicas = 1`";
    if !input.peek(LitInt) {
        return Err(input.error(HOW));
    }
    let number: LitInt = input.parse()?;
    match number.base10_parse::<u8>() {
        Ok(1..) => Ok(number),
        _ => Err(syn::Error::new(number.span(), HOW)),
    }
}

pub(super) fn transaction(input: ParseStream) -> syn::Result<Transaction> {
    const WHO: [&str; 2] = ["required", "own"];
    let expected =
        "expected `\"required\"` (somebody else commits it) or `\"own\"` (it commits inside of itself)";
    if !input.peek(LitStr) {
        return Err(input.error(expected));
    }
    let literal: LitStr = input.parse()?;
    match literal.value().as_str() {
        "required" => Ok(Transaction::Required),
        "own" => Ok(Transaction::Own),
        other => Err(syn::Error::new(
            literal.span(),
            match nearest(other, WHO) {
                Some(near) => format!("unknown transaction `{other}`; did you mean `{near}`?"),
                None => format!("unknown transaction `{other}`; {expected}"),
            },
        )),
    }
}

pub(super) fn in_transaction(input: ParseStream) -> syn::Result<()> {
    let expected = "the one thing that a read can say of transactions is `in_transaction = \"cached\"`: its origin is another one";
    if !input.peek(LitStr) {
        return Err(input.error(expected));
    }
    let literal: LitStr = input.parse()?;
    if literal.value() == "cached" { Ok(()) } else { Err(syn::Error::new(literal.span(), expected)) }
}

pub(super) fn policy(input: ParseStream) -> syn::Result<Policy> {
    const POLICIES: [&str; 3] = ["best_effort", "required", "off"];
    if !input.peek(LitStr) {
        return Err(input.error("a guard is one of `\"best_effort\"`, `\"required\"` and `\"off\"`"));
    }
    let literal: LitStr = input.parse()?;
    match literal.value().as_str() {
        "best_effort" => Ok(Policy::BestEffort),
        "required" => Ok(Policy::Required(literal)),
        "off" => Ok(Policy::Off),
        other => Err(syn::Error::new(
            literal.span(),
            match nearest(other, POLICIES) {
                Some(near) => format!("unknown guard `{other}`; did you mean `{near}`?"),
                None => format!("unknown guard `{other}`; expected {}", one_of(&POLICIES)),
            },
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_codec_whose_feature_is_off_names_it_and_the_line_of_cargo_toml() {
        let codecs = [("Bincode", "bincode", true), ("Json", "json", false)];
        assert_eq!(without_feature("Bincode", &codecs), None);
        assert_eq!(without_feature("Other", &codecs), None);
        assert_eq!(
            without_feature("Json", &codecs).unwrap(),
            "the codec `Json` is behind the feature `json`; in Cargo.toml write \
             `cached-aside = { version = \"0.1\", features = [\"json\"] }`"
        );
    }

    #[test]
    fn a_codec_of_ours_is_one_by_its_name_alone() {
        for (written, ours) in [("Json", true), ("axum::Json", false), ("Json<u8>", false), ("Mine", false)] {
            let ty = syn::parse_str(written).unwrap();
            assert_eq!(codec_of_ours(&ty).is_some(), ours, "{written}");
        }
    }
}
