//! What an attribute says, as written: nothing is decided yet, every value keeps its tokens.

use proc_macro2::{TokenStream, TokenTree};
use syn::{
    Expr, Ident, LitInt, LitStr, Path, Token, Type,
    ext::IdentExt,
    parenthesized,
    parse::{Parse, ParseStream, Parser},
};

use crate::{
    call::Call,
    duration::{Length, Zero},
    problem::{Problems, nearest, one_of},
    template::Template,
};

mod values;

use self::values::{
    beta, closure, codec, jitter, load_timeout, policy, refresh, replicas, template, version,
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
    pub(crate) version: Option<Given<Version>>,
    pub(crate) cache: Option<Given<Expr>>,
    pub(crate) store_if: Option<Given<Expr>>,
    pub(crate) ttl_for: Option<Given<Expr>>,
    pub(crate) error_ttl: Option<Given<Length>>,
    pub(crate) error_if: Option<Given<Expr>>,
    /// Where the library is found.
    pub(crate) root: Option<Given<Path>>,
    pub(crate) shares_key: Option<Given<()>>,
    /// Every option that was named, also those whose value can't be read.
    seen: Vec<Ident>,
}

/// `refresh = "…"`: who pays for the reload of a value that is still given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refresh {
    Inline,
    Background,
}

/// `version = 2` or `version = only(2)`.
pub(crate) struct Version {
    pub(crate) number: Expr,
    /// It stands for the type's structure, which is not looked at.
    pub(crate) only: bool,
}

/// `load_timeout(soft = "…", hard = "…")`, either or both.
#[derive(Default)]
pub(crate) struct LoadTimeout {
    pub(crate) soft: Option<Given<Length>>,
    pub(crate) hard: Option<Given<Length>>,
}

const READ_OPTIONS: [&str; 21] = [
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
    "crate",
    "shares_key",
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

    /// The lengths of time that were written.
    pub(crate) fn lengths_mut(&mut self) -> impl Iterator<Item = &mut Length> {
        let limits = self.load_timeout.as_mut().map(|given| &mut given.value);
        let (soft, hard) = limits.map_or((None, None), |limits| (limits.soft.as_mut(), limits.hard.as_mut()));
        let lengths = [
            &mut self.ttl,
            &mut self.none_ttl,
            &mut self.lease,
            &mut self.wait,
            &mut self.stale_while_revalidate,
            &mut self.stale_if_error,
            &mut self.error_ttl,
        ];
        let lengths = lengths.into_iter().filter_map(Option::as_mut).chain(soft).chain(hard);
        lengths.map(|given| &mut given.value)
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
            "crate" => set(&mut self.root, name, input, Path::parse_mod_style),
            "error_if" => set(&mut self.error_if, name, input, closure("|error: &DbError| error.is_final()")),
            "shares_key" => set_flag(&mut self.shares_key, name, input),
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

/// One of the attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attribute {
    CachedAside,
    Invalidates,
    Updates,
}

impl Attribute {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Attribute::CachedAside => "cached_aside",
            Attribute::Invalidates => "invalidates",
            Attribute::Updates => "updates",
        }
    }
}

/// The arguments of `#[invalidates(…)]` and `#[updates(…)]`.
#[derive(Default)]
pub(crate) struct WriteArgs {
    pub(crate) targets: Vec<Target>,
    pub(crate) guard: Option<Given<Policy>>,
    pub(crate) guard_for: Option<Given<Length>>,
    pub(crate) settle: Option<Given<Length>>,
    pub(crate) wait_replicas: Option<Given<LitInt>>,
    pub(crate) when: Option<Given<Expr>>,
    pub(crate) cache: Option<Given<Expr>>,
    /// Where the library is found.
    pub(crate) root: Option<Given<Path>>,
    /// Whether anything but an option was written, even if it can't be read.
    pub(crate) names_a_key: bool,
}

/// What a write names.
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

const WRITE_OPTIONS: [&str; 7] = ["guard", "guard_for", "settle", "wait_replicas", "when", "cache", "crate"];

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

    /// The lengths of time that were written.
    pub(crate) fn lengths_mut(&mut self) -> impl Iterator<Item = &mut Length> {
        let lengths = [&mut self.guard_for, &mut self.settle];
        lengths.into_iter().filter_map(Option::as_mut).map(|given| &mut given.value)
    }

    fn option(&mut self, input: ParseStream) -> syn::Result<()> {
        let name = name(input, &WRITE_OPTIONS)?;
        match name.to_string().as_str() {
            "guard" => set(&mut self.guard, name, input, policy),
            "guard_for" => set(&mut self.guard_for, name, input, |input| Length::parse(input, Zero::Refused)),
            "settle" => set(&mut self.settle, name, input, |input| Length::parse(input, Zero::Allowed)),
            "wait_replicas" => set(&mut self.wait_replicas, name, input, replicas),
            "crate" => set(&mut self.root, name, input, Path::parse_mod_style),
            "when" => set(&mut self.when, name, input, Expr::parse),
            "cache" => set(&mut self.cache, name, input, Expr::parse),
            "key" => {
                self.names_a_key = true;
                Err(syn::Error::new(name.span(), "a key is written without a name, such as `\"user:{id}\"`"))
            }
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

/// Reads an option that has no value into its slot, which must be empty.
fn set_flag(slot: &mut Option<Given<()>>, name: Ident, input: ParseStream) -> syn::Result<()> {
    if !input.is_empty() && !input.peek(Token![,]) {
        return Err(syn::Error::new(name.span(), format!("`{name}` takes no value: write `{name}` alone")));
    }
    fill(slot, name, ())
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

#[cfg(test)]
mod tests;
