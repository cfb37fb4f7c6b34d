//! What an attribute says, as written: nothing is decided yet, every value keeps its tokens.

use proc_macro2::{TokenStream, TokenTree};
use syn::{
    Expr, ExprLit, Ident, Lit, LitInt, LitStr, Token, Type,
    ext::IdentExt,
    parenthesized,
    parse::{Parse, ParseStream, Parser},
    spanned::Spanned,
};

use crate::{
    call::Call,
    duration::{Length, Zero},
    problem::{Problems, nearest, one_of},
    template::Template,
};

/// An option with the name that it was given under.
pub(crate) struct Given<T> {
    pub(crate) name: Ident,
    pub(crate) value: T,
}

/// The options of `#[cached_aside(…)]`.
#[derive(Default)]
pub(crate) struct ReadArgs {
    pub(crate) ttl: Option<Given<Length>>,
    pub(crate) key: Option<Given<Template>>,
    pub(crate) skip: Option<Given<Vec<Ident>>>,
    pub(crate) none_ttl: Option<Given<Length>>,
    pub(crate) jitter: Option<Given<u16>>,
    pub(crate) lease: Option<Given<Length>>,
    pub(crate) wait: Option<Given<Length>>,
    pub(crate) stale_while_revalidate: Option<Given<Length>>,
    pub(crate) stale_if_error: Option<Given<Length>>,
    pub(crate) refresh: Option<Given<Refresh>>,
    pub(crate) load_timeout: Option<Given<LoadTimeout>>,
    pub(crate) early_refresh: Option<Given<Expr>>,
    pub(crate) codec: Option<Given<Type>>,
    pub(crate) version: Option<Given<Expr>>,
    pub(crate) cache: Option<Given<Expr>>,
    pub(crate) store_if: Option<Given<Expr>>,
    pub(crate) ttl_for: Option<Given<Expr>>,
    pub(crate) error_ttl: Option<Given<Length>>,
    pub(crate) error_if: Option<Given<Expr>>,
    /// Every option that was named, also those whose value can't be read.
    seen: Vec<Ident>,
}

/// `refresh = "…"`: who pays for the reload of a value that is still given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refresh {
    Inline,
    Background,
}

/// `load_timeout(soft = "…", hard = "…")`, either or both.
#[derive(Default)]
pub(crate) struct LoadTimeout {
    pub(crate) soft: Option<Given<Length>>,
    pub(crate) hard: Option<Given<Length>>,
}

const READ_OPTIONS: [&str; 19] = [
    "ttl",
    "key",
    "skip",
    "none_ttl",
    "jitter",
    "lease",
    "wait",
    "stale_while_revalidate",
    "stale_if_error",
    "refresh",
    "load_timeout",
    "early_refresh",
    "codec",
    "version",
    "cache",
    "store_if",
    "ttl_for",
    "error_ttl",
    "error_if",
];

impl ReadArgs {
    pub(crate) fn parse(tokens: TokenStream, problems: &mut Problems) -> ReadArgs {
        let mut args = ReadArgs::default();
        each(tokens, problems, |input| args.option(input));
        args
    }

    /// Whether the option was named, even if its value can't be read.
    pub(crate) fn names(&self, option: &str) -> bool {
        self.seen.iter().any(|seen| seen == option)
    }

    fn option(&mut self, input: ParseStream) -> syn::Result<()> {
        let name = name(input, &READ_OPTIONS)?;
        self.seen.push(name.clone());
        match name.to_string().as_str() {
            "ttl" => set(&mut self.ttl, name, input, |input| Length::parse(input, Zero::Refused)),
            "key" => set(&mut self.key, name, input, template),
            "skip" => set_list(&mut self.skip, name, input),
            "none_ttl" => set(&mut self.none_ttl, name, input, |input| Length::parse(input, Zero::Refused)),
            "jitter" => set(&mut self.jitter, name, input, jitter),
            "lease" => set(&mut self.lease, name, input, |input| Length::parse(input, Zero::Refused)),
            "wait" => set(&mut self.wait, name, input, |input| Length::parse(input, Zero::Allowed)),
            "stale_while_revalidate" => set(&mut self.stale_while_revalidate, name, input, |input| {
                Length::parse(input, Zero::Refused)
            }),
            "stale_if_error" => {
                set(&mut self.stale_if_error, name, input, |input| Length::parse(input, Zero::Refused))
            }
            "refresh" => set(&mut self.refresh, name, input, refresh),
            "load_timeout" => {
                let limits = load_timeout(&name, input)?;
                fill(&mut self.load_timeout, name, limits)
            }
            "early_refresh" => set(&mut self.early_refresh, name, input, beta),
            "codec" => set(&mut self.codec, name, input, codec),
            "version" => set(&mut self.version, name, input, version),
            "cache" => set(&mut self.cache, name, input, Expr::parse),
            "store_if" => set(&mut self.store_if, name, input, closure("|user: &User| user.active")),
            "ttl_for" => set(&mut self.ttl_for, name, input, closure("|token: &Token| token.expires_in")),
            "error_ttl" => set(&mut self.error_ttl, name, input, |input| Length::parse(input, Zero::Refused)),
            "error_if" => set(&mut self.error_if, name, input, closure("|error: &DbError| error.is_final()")),
            written => {
                // Whoever wrote `tll` isn't told that a `ttl` is missing.
                if let Some(near) = nearest(written, READ_OPTIONS) {
                    self.seen.push(Ident::new(near, name.span()));
                }
                Err(unknown(&name, &READ_OPTIONS))
            }
        }
    }
}

/// The arguments of `#[invalidates(…)]`.
#[derive(Default)]
pub(crate) struct WriteArgs {
    pub(crate) targets: Vec<Target>,
    pub(crate) guard: Option<Given<Policy>>,
    pub(crate) guard_for: Option<Given<Length>>,
    pub(crate) settle: Option<Given<Length>>,
    pub(crate) wait_replicas: Option<Given<LitInt>>,
    pub(crate) when: Option<Given<Expr>>,
    pub(crate) cache: Option<Given<Expr>>,
    /// Whether anything but an option was written, even if it can't be read.
    pub(crate) names_a_key: bool,
}

/// What `#[invalidates(…)]` names.
pub(crate) enum Target {
    Call(Call),
    Template(Template),
}

/// `guard = "…"`, with the literal.
pub(crate) enum Policy {
    BestEffort,
    Required(LitStr),
    Off,
}

const WRITE_OPTIONS: [&str; 6] = ["guard", "guard_for", "settle", "wait_replicas", "when", "cache"];

impl WriteArgs {
    pub(crate) fn parse(tokens: TokenStream, problems: &mut Problems) -> WriteArgs {
        let mut args = WriteArgs::default();
        each(tokens, problems, |input| args.argument(input));
        args
    }

    fn argument(&mut self, input: ParseStream) -> syn::Result<()> {
        if input.peek(Ident::peek_any) && input.peek2(Token![=]) && !input.peek2(Token![==]) {
            return self.option(input);
        }
        self.names_a_key = true;
        if input.peek(LitStr) {
            self.targets.push(Target::Template(template(input)?));
        } else {
            self.targets.push(Target::Call(Call::parse(input)?));
        }
        Ok(())
    }

    fn option(&mut self, input: ParseStream) -> syn::Result<()> {
        let name = name(input, &WRITE_OPTIONS)?;
        match name.to_string().as_str() {
            "guard" => set(&mut self.guard, name, input, policy),
            "guard_for" => set(&mut self.guard_for, name, input, |input| Length::parse(input, Zero::Refused)),
            "settle" => set(&mut self.settle, name, input, |input| Length::parse(input, Zero::Allowed)),
            "wait_replicas" => set(&mut self.wait_replicas, name, input, replicas),
            "when" => set(&mut self.when, name, input, Expr::parse),
            "cache" => set(&mut self.cache, name, input, Expr::parse),
            _ => Err(unknown(&name, &WRITE_OPTIONS)),
        }
    }
}

/// Reads arguments separated by commas, each for itself: what is wrong with one doesn't hide another.
fn each(tokens: TokenStream, problems: &mut Problems, mut one: impl FnMut(ParseStream) -> syn::Result<()>) {
    let parser = |input: ParseStream| {
        while !input.is_empty() {
            let result = one(input);
            if result.is_err() {
                problems.take(result);
            } else if !input.is_empty() && !input.peek(Token![,]) {
                problems.push(input.error("expected `,`"));
            }
            while !input.is_empty() && !input.peek(Token![,]) {
                input.parse::<TokenTree>()?;
            }
            input.parse::<Option<Token![,]>>()?;
        }
        Ok(())
    };
    let result = Parser::parse2(parser, tokens);
    problems.take(result);
}

fn name(input: ParseStream, options: &[&str]) -> syn::Result<Ident> {
    if !input.peek(Ident::peek_any) {
        return Err(input.error(format!("expected an option: {}", one_of(options))));
    }
    input.call(Ident::parse_any)
}

fn unknown(name: &Ident, options: &[&str]) -> syn::Error {
    let written = name.to_string();
    syn::Error::new(
        name.span(),
        match nearest(&written, options.iter().copied()) {
            Some(near) => format!("unknown option `{written}`; did you mean `{near}`?"),
            None => format!("unknown option `{written}`; expected {}", one_of(options)),
        },
    )
}

/// Reads `= value` into the slot of the option, which must be empty.
fn set<T>(
    slot: &mut Option<Given<T>>,
    name: Ident,
    input: ParseStream,
    value: impl FnOnce(ParseStream) -> syn::Result<T>,
) -> syn::Result<()> {
    let equals: Option<Token![=]> = input.parse()?;
    if equals.is_none() || input.is_empty() || input.peek(Token![,]) {
        return Err(syn::Error::new(name.span(), format!("`{name}` needs a value: write `{name} = …`")));
    }
    fill(slot, name, value(input)?)
}

/// Reads `(name, name)` into the slot of the option, which must be empty.
fn set_list(slot: &mut Option<Given<Vec<Ident>>>, name: Ident, input: ParseStream) -> syn::Result<()> {
    if !input.peek(syn::token::Paren) {
        return Err(syn::Error::new(
            name.span(),
            format!("`{name}` takes a list of parameters: write `{name}(db)` or `{name}(self, db)`"),
        ));
    }
    let content;
    parenthesized!(content in input);
    let mut names = Vec::new();
    while !content.is_empty() {
        if !content.peek(Ident::peek_any) {
            let error = content.error("expected the name of a parameter, such as `skip(self, db)`");
            content.parse::<TokenStream>()?;
            return Err(error);
        }
        names.push(content.call(Ident::parse_any)?);
        if !content.is_empty() {
            content.parse::<Token![,]>()?;
        }
    }
    fill(slot, name, names)
}

fn fill<T>(slot: &mut Option<Given<T>>, name: Ident, value: T) -> syn::Result<()> {
    if slot.is_some() {
        return Err(syn::Error::new(name.span(), format!("`{name}` is given twice; keep one of them")));
    }
    *slot = Some(Given { name, value });
    Ok(())
}

fn template(input: ParseStream) -> syn::Result<Template> {
    if !input.peek(LitStr) {
        return Err(input.error("a key is a template in a string, such as `\"user:{id}\"`"));
    }
    Template::parse(input.parse()?)
}

/// `"10%"`, in thousandths.
fn jitter(input: ParseStream) -> syn::Result<u16> {
    const HOW: &str = "a jitter is a percentage from 0 to 100 in a string, such as `\"10%\"` or `\"2.5%\"`";
    if !input.peek(LitStr) {
        return Err(input.error(HOW));
    }
    let literal: LitStr = input.parse()?;
    per_mille(&literal.value()).ok_or_else(|| syn::Error::new(literal.span(), HOW))
}

fn per_mille(text: &str) -> Option<u16> {
    let number = text.trim().strip_suffix('%')?.trim_end();
    let (whole, tenths) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(tenths) || tenths.len() > 1 {
        return None;
    }
    let per_mille = whole.parse::<u16>().ok()?.checked_mul(10)?.checked_add(tenths.parse().ok()?)?;
    (per_mille <= 1000).then_some(per_mille)
}

/// A closure over one value, or the name of a function; `example` shows one.
fn closure(example: &'static str) -> impl Fn(ParseStream) -> syn::Result<Expr> {
    move |input| {
        let expr: Expr = input.parse()?;
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

fn refresh(input: ParseStream) -> syn::Result<Refresh> {
    let ways = ["inline", "background"];
    if !input.peek(LitStr) {
        return Err(input.error("a refresh is `\"inline\"` or `\"background\"`"));
    }
    let literal: LitStr = input.parse()?;
    match literal.value().as_str() {
        "inline" => Ok(Refresh::Inline),
        "background" => Ok(Refresh::Background),
        other => Err(syn::Error::new(
            literal.span(),
            match nearest(other, ways) {
                Some(near) => format!("unknown refresh `{other}`; did you mean `{near}`?"),
                None => format!("unknown refresh `{other}`; expected {}", one_of(&ways)),
            },
        )),
    }
}

/// `(soft = "100ms", hard = "2s")`
fn load_timeout(option: &Ident, input: ParseStream) -> syn::Result<LoadTimeout> {
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
        set(slot, limit, input, |input| Length::parse(input, Zero::Refused))
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
fn beta(input: ParseStream) -> syn::Result<Expr> {
    const HOW: &str =
        "`early_refresh` is a number above 0 and at most 100, such as `1.0`; larger ones reload earlier";
    let mut expr: Expr = input.parse()?;
    while let Expr::Group(group) = expr {
        expr = *group.expr;
    }
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

fn codec(input: ParseStream) -> syn::Result<Type> {
    if input.peek(Lit) {
        return Err(input.error("a codec is a type, such as `codec = Json`"));
    }
    input.parse()
}

fn version(input: ParseStream) -> syn::Result<Expr> {
    let expr: Expr = input.parse()?;
    match &expr {
        Expr::Lit(ExprLit { lit: Lit::Int(number), .. }) => is_u32(number).map(|()| expr),
        Expr::Path(_) => Ok(expr),
        other => Err(syn::Error::new(
            other.span(),
            "a version is a whole number, such as `version = 2`, or a constant of type `u32`",
        )),
    }
}

fn is_u32(number: &LitInt) -> syn::Result<()> {
    number.base10_parse::<u32>().map(drop).map_err(|_| {
        syn::Error::new(number.span(), format!("`{number}` is no version; write a number up to {}", u32::MAX))
    })
}

fn replicas(input: ParseStream) -> syn::Result<LitInt> {
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

fn policy(input: ParseStream) -> syn::Result<Policy> {
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

    fn read(text: &str) -> (ReadArgs, Vec<String>) {
        let mut problems = Problems::default();
        let args = ReadArgs::parse(text.parse().unwrap(), &mut problems);
        (args, messages(problems))
    }

    fn write(text: &str) -> (WriteArgs, Vec<String>) {
        let mut problems = Problems::default();
        let args = WriteArgs::parse(text.parse().unwrap(), &mut problems);
        (args, messages(problems))
    }

    fn messages(problems: Problems) -> Vec<String> {
        problems.finish().err().into_iter().flatten().map(|error| error.to_string()).collect()
    }

    #[test]
    fn every_option_is_read() {
        let (args, problems) = read(
            r#"ttl = "5m", key = "user:{id}", skip(self, db,), none_ttl = SHORT, jitter = "2.5%", lease = "5s",
               wait = "0s", codec = Json, version = 2, cache = self.cache,"#,
        );
        assert_eq!(problems, [""; 0]);
        assert_eq!(args.skip.unwrap().value.len(), 2);
        assert_eq!(args.jitter.unwrap().value, 25);
        assert!(matches!(args.none_ttl.unwrap().value, Length::Constant(_)));
        let (args, problems) = read(
            r#"stale_while_revalidate = "1m", stale_if_error = HOUR, refresh = "background", early_refresh = 1,
               load_timeout(hard = "2s", soft = SOFT)"#,
        );
        assert_eq!(problems, [""; 0]);
        assert_eq!(args.refresh.unwrap().value, Refresh::Background);
        let limits = args.load_timeout.unwrap().value;
        assert!(matches!(limits.soft.unwrap().value, Length::Constant(_)));
        assert!(matches!(limits.hard.unwrap().value, Length::Known(_)));
        assert_eq!(quote::ToTokens::to_token_stream(&args.early_refresh.unwrap().value).to_string(), "1.0");
        let (args, problems) = write(
            r#"load(id), self.load(id), "a:{id}", guard = "required", guard_for = "1s", settle = "0s", wait_replicas = 1, when = a == b, cache = c"#,
        );
        assert_eq!(problems, [""; 0]);
        assert_eq!(args.targets.len(), 3);
        assert!(args.when.is_some());
    }

    #[test]
    fn one_mistake_does_not_hide_another() {
        let (args, problems) = read(r#"tll = "5m", key = "a:{", skip = db, ttl = 5, wait = "2s" lease, 7"#);
        assert!(args.wait.is_some());
        assert!(args.names("ttl") && args.names("key"));
        assert_eq!(
            problems,
            [
                "unknown option `tll`; did you mean `ttl`?",
                "this `{` is never closed; write `{{` if the key is to contain one\n\na:{\n  ^",
                "`skip` takes a list of parameters: write `skip(db)` or `skip(self, db)`",
                "`5` has no unit; write a string such as `\"5s\"`",
                "expected `,`",
                "expected an option: `ttl`, `key`, `skip`, `none_ttl`, `jitter`, `lease`, `wait`, `stale_while_revalidate`, \
                 `stale_if_error`, `refresh`, `load_timeout`, `early_refresh`, `codec`, `version`, `cache`, `store_if`, `ttl_for`, \
                 `error_ttl` or `error_if`",
            ]
        );
    }

    #[test]
    fn percentages() {
        for (text, expected) in [
            ("0%", Some(0)),
            ("10%", Some(100)),
            (" 2.5 % ", Some(25)),
            ("100%", Some(1000)),
            ("100.1%", None),
            ("1.25%", None),
            ("10", None),
            ("%", None),
            (".5%", None),
            ("-1%", None),
            ("99999%", None),
        ] {
            assert_eq!(per_mille(text), expected, "{text}");
        }
    }
}
