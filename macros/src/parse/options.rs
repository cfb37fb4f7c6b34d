//! The options of the attributes: one table, which is what parsing goes by, what a mistyped name is compared with, and what the
//! attributes' pages show.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Expr, Ident, Lit, LitStr, Token, ext::IdentExt, parse::ParseStream};

use self::{
    of_writes::WRITE,
    row::{READS, Row, cache, root},
};
use super::{
    args::{ReadArgs, WriteArgs},
    behind::{condition_behind, value_alone},
    duration::{DurationArg, duration, duration_or_zero},
    library::library,
    list::each,
    other_names::{self, Meant, meant},
    slots::{fill, name, set, set_flag, set_list},
    tags::tags,
    target::Target,
    template::Template,
    values::{
        beta, closure, codec, in_transaction, jitter, load_timeout, local_mode, one_cache, refresh, share,
        version,
    },
};
use crate::problem::{Problems, nearest, one_of};

mod of_writes;
mod row;

/// The options of `#[cached_aside]`.
const READ: [Row<ReadArgs>; 27] = [
    Row {
        name: "ttl",
        of: READS,
        form: r#"ttl = "5m""#,
        default: "",
        meaning: "how long a value lives, at the most; a `None` and an error have times of their own",
        parse: |args, name, input| set(&mut args.ttl, name, input, duration),
    },
    Row {
        name: "key",
        of: READS,
        form: r#"key = "user:{id}""#,
        default: "derived",
        meaning: "the entry's key",
        parse: |args, name, input| set(&mut args.key, name, input, Template::read),
    },
    Row {
        name: "skip",
        of: READS,
        form: "skip(self, db)",
        default: "nothing",
        meaning: "parameters that are deliberately not part of the key",
        parse: |args, name, input| set_list(&mut args.skip, name, input),
    },
    Row {
        name: "tags",
        of: READS,
        form: r#"tags("tenant:{tenant}", catalog(tenant))"#,
        default: "none",
        meaning: "groups of entries that are invalidated together: templates, or calls of tags that [`tags!`](crate::tags!) declares; see [tags](crate::docs::tags)",
        parse: |args, name, input| tags(&name, input).and_then(|tags| fill(&mut args.tags, name, tags)),
    },
    Row {
        name: "none_ttl",
        of: READS,
        form: r#"none_ttl = "30s""#,
        default: "`None` is not stored",
        meaning: "store `None` too, this long",
        parse: |args, name, input| set(&mut args.none_ttl, name, input, duration),
    },
    Row {
        name: "jitter",
        of: READS,
        form: r#"jitter = "10%""#,
        default: r#"`"10%"`"#,
        meaning: "shorten each TTL by a random part, up to this",
        parse: |args, name, input| set(&mut args.jitter, name, input, jitter),
    },
    Row {
        name: "lease",
        of: READS,
        form: r#"lease = "1s""#,
        default: r#"`"1s"`"#,
        meaning: "how long a load may go unrenewed before another process may begin one",
        parse: |args, name, input| set(&mut args.lease, name, input, duration),
    },
    Row {
        name: "wait",
        of: READS,
        form: r#"wait = "5s""#,
        default: r#"`"5s"`"#,
        meaning: "how long others wait for a load that goes on before they run the body themselves",
        parse: |args, name, input| set(&mut args.wait, name, input, duration_or_zero),
    },
    Row {
        name: "stale_while_revalidate",
        of: READS,
        form: r#"stale_while_revalidate = "1m""#,
        default: "no window",
        meaning: "how long past its TTL a value may be returned while one caller reloads it",
        parse: |args, name, input| set(&mut args.stale_while_revalidate, name, input, duration),
    },
    Row {
        name: "stale_if_error",
        of: READS,
        form: r#"stale_if_error = "1h""#,
        default: "no window",
        meaning: "how long past its TTL a value may be returned when its reload fails",
        parse: |args, name, input| set(&mut args.stale_if_error, name, input, duration),
    },
    Row {
        name: "refresh",
        of: READS,
        form: r#"refresh = "background""#,
        default: r#"`"inline"`"#,
        meaning: "the caller that reloads does not wait either",
        parse: |args, name, input| set(&mut args.refresh, name, input, refresh),
    },
    Row {
        name: "load_timeout",
        of: READS,
        form: r#"load_timeout(soft = "100ms", hard = "2s")"#,
        default: "no limits",
        meaning: "with an old value at hand no caller waits longer than `soft`; no load takes longer than `hard`",
        parse: |args, name, input| {
            let limits = load_timeout(&name, input)?;
            fill(&mut args.load_timeout, name, limits)
        },
    },
    Row {
        name: "early_refresh",
        of: READS,
        form: "early_refresh = 1.0",
        default: "not at all",
        meaning: "one caller reloads a value before it is stale, by chance",
        parse: |args, name, input| set(&mut args.early_refresh, name, input, beta),
    },
    Row {
        name: "codec",
        of: READS,
        form: "codec = Json",
        default: "`Bincode`",
        meaning: "how values become bytes",
        parse: |args, name, input| set(&mut args.codec, name, input, codec),
    },
    Row {
        name: "version",
        of: READS,
        form: "version = 2",
        default: "`0`",
        meaning: "raise it when the meaning of the value changes but its type does not; `version = only(2)`: the type's structure is not compared",
        parse: |args, name, input| set(&mut args.version, name, input, version),
    },
    cache(READS, |args, name, input| set(&mut args.cache, name, input, one_cache)),
    Row {
        name: "store_if",
        of: READS,
        form: "store_if = |user: &User| user.active",
        default: "always",
        meaning: "whether a value is stored",
        parse: |args, name, input| set(&mut args.store_if, name, input, closure("|user: &User| user.active")),
    },
    Row {
        name: "ttl_for",
        of: READS,
        form: "ttl_for = |user: &User| …",
        default: "`ttl`",
        meaning: "how long this value is stored, `ttl` at the most",
        parse: |args, name, input| {
            set(&mut args.ttl_for, name, input, closure("|token: &Token| token.expires_in"))
        },
    },
    Row {
        name: "error_ttl",
        of: READS,
        form: r#"error_ttl = "5s""#,
        default: "`Err` is not stored",
        meaning: "store the errors that `error_if` names too, this long",
        parse: |args, name, input| set(&mut args.error_ttl, name, input, duration),
    },
    Row {
        name: "error_if",
        of: READS,
        form: "error_if = |error: &DbError| …",
        default: "",
        meaning: "which errors `error_ttl` is about",
        parse: |args, name, input| {
            set(&mut args.error_if, name, input, closure("|error: &DbError| error.is_final()"))
        },
    },
    root(READS, |args, name, input| set(&mut args.root, name, input, library)),
    Row {
        name: "shares_key",
        of: READS,
        form: "shares_key",
        default: "the key is this function's alone",
        meaning: "another function has the same key on purpose; on both",
        parse: |args, name, input| set_flag(&mut args.shares_key, name, input),
    },
    Row {
        name: "ttl_only",
        of: READS,
        form: "ttl_only",
        default: "something invalidates it",
        meaning: "nothing invalidates it on purpose: [`catalog().problems()`](crate::catalog()) says nothing of it",
        parse: |args, name, input| set_flag(&mut args.ttl_only, name, input),
    },
    Row {
        name: "in_transaction",
        of: READS,
        form: r#"in_transaction = "cached""#,
        default: "the body runs",
        meaning: "inside of [`transaction(…)`](crate::transaction()) hits are used all the same, and nothing is stored: its origin is not that transaction's database",
        parse: |args, name, input| set(&mut args.in_transaction, name, input, in_transaction),
    },
    Row {
        name: "verify",
        of: READS,
        form: r#"verify = "0.1%""#,
        default: "what [`CacheBuilder::verify`] says: none",
        meaning: "that share of the hits also runs the body, to find entries that are not what it gives; see [verification](crate::docs::verification)",
        parse: |args, name, input| set(&mut args.verify, name, input, share),
    },
    Row {
        name: "local",
        of: READS,
        form: r#"local = "1s""#,
        default: "no copies",
        meaning: "hits without the network: this process keeps copies of what is asked for again within this time, and writes wait for them that long at most; see [local copies](crate::docs::local_copies)",
        parse: |args, name, input| set(&mut args.local, name, input, duration),
    },
    Row {
        name: "local_mode",
        of: READS,
        form: r#"local_mode = "bounded""#,
        default: r#"`"exact"`"#,
        meaning: "writes do not wait for the copies of `local`: a copy may be older than a write that has returned, by `local` at most",
        parse: |args, name, input| set(&mut args.local_mode, name, input, local_mode),
    },
];

/// Whether `detach` stands there alone.
fn is_flag(input: ParseStream) -> bool {
    let ahead = input.fork();
    let name: syn::Result<Ident> = ahead.parse();
    name.is_ok_and(|name| name == "detach") && (ahead.is_empty() || ahead.peek(Token![,]))
}

/// The row of the option, or what is wrong with its name.
fn find<'a, Args>(
    rows: &'a [Row<Args>],
    others: &'a [(Meant, &'static [&'static str])],
    (of_others, others_have): (&str, &[&str]),
    option: &Ident,
) -> Result<&'a Row<Args>, Unknown<'a>> {
    let written = option.to_string();
    rows.iter().find(|row| row.name == written).ok_or_else(|| {
        let near = match meant(&written, others) {
            Some(Meant::Elsewhere(instead)) => {
                let why = format!("unknown option `{written}`: {instead}");
                return Unknown { error: syn::Error::new(option.span(), why), near: None };
            }
            Some(Meant::Near(name, instead)) => {
                let why = format!("unknown option `{written}`: {instead}");
                return Unknown { error: syn::Error::new(option.span(), why), near: Some(name) };
            }
            Some(Meant::Option(name)) => Some(name),
            None if others_have.contains(&&*written) => {
                let why = format!("`{written}` is an option of {of_others}; leave it out here");
                return Unknown { error: syn::Error::new(option.span(), why), near: None };
            }
            None => nearest(&written, rows.iter().map(|row| row.name)),
        };
        let why = match near {
            Some(near) => format!("unknown option `{written}`; did you mean `{near}`?"),
            None => format!("unknown option `{written}`; expected {}", one_of(&names(rows))),
        };
        Unknown { error: syn::Error::new(option.span(), why), near }
    })
}

/// `load_user(ids)`, where no option is called so or nearly so.
fn batch_without_list(input: ParseStream) -> Option<syn::Error> {
    let (named, arguments) = match input.fork().parse::<Expr>().ok()? {
        Expr::Call(call) => (call.func.to_token_stream(), call.args),
        Expr::MethodCall(call) => {
            let (receiver, method) = (&call.receiver, &call.method);
            (quote!(#receiver.#method), call.args)
        }
        _ => return None,
    };
    let named = named.to_string().replace(' ', "");
    let is_option = meant(&named, other_names::READ).is_some()
        || nearest(&named, READ.iter().map(|row| row.name)).is_some();
    if is_option
        || arguments.is_empty()
        || !arguments.iter().all(|argument| matches!(argument, Expr::Path(_) | Expr::Reference(_)))
    {
        return None;
    }
    Some(input.error(format!("a batch names its list: write `{named}(id) for id in ids`")))
}

/// A name that no option has.
struct Unknown<'a> {
    error: syn::Error,
    /// The option that was meant, probably.
    near: Option<&'a str>,
}

fn names<Args>(rows: &[Row<Args>]) -> Vec<&'static str> {
    rows.iter().map(|row| row.name).collect()
}

impl ReadArgs {
    pub(crate) fn parse(tokens: TokenStream, problems: &mut Problems) -> ReadArgs {
        let mut args = ReadArgs::default();
        each(tokens, problems, |input| args.option(input));
        args
    }

    /// Whether there is an option of this name.
    pub(super) fn knows(name: &str) -> bool {
        READ.iter().any(|row| row.name == name)
    }

    pub(super) fn option(&mut self, input: ParseStream) -> syn::Result<()> {
        if input.peek(LitStr) {
            return Err(self.without_a_name(&input.parse()?));
        }
        if input.peek(Lit) && !self.names("ttl") {
            return Err(self.number_alone(&input.parse()?));
        }
        if let Some(error) = batch_without_list(input) {
            // It takes its TTL from the function that it names.
            self.seen.push(Ident::new("ttl", error.span()));
            return Err(error);
        }
        let name = name(input, &names(&READ))?;
        self.seen.push(name.clone());
        let writes = ("`#[invalidates]` and `#[updates]`", &*names(&WRITE));
        match find(&READ, other_names::READ, writes, &name) {
            Ok(row) => (row.parse)(self, name, input),
            Err(Unknown { error, near }) => {
                // Whoever wrote `tll` doesn't read that a `ttl` is missing.
                self.seen.extend(near.map(|near| Ident::new(near, name.span())));
                Err(error)
            }
        }
    }

    /// What to write instead of a string alone: the option that it is the value of.
    fn without_a_name(&mut self, value: &LitStr) -> syn::Error {
        let option = if DurationArg::is_written(value) { "ttl" } else { "key" };
        self.seen.push(Ident::new(option, value.span()));
        let text = value.token();
        syn::Error::new(value.span(), format!("every option has a name; write `{option} = {text}`"))
    }

    /// The same of a number, which is a TTL.
    fn number_alone(&mut self, value: &Lit) -> syn::Error {
        self.seen.push(Ident::new("ttl", value.span()));
        let written = value.to_token_stream().to_string();
        let ttl = match value {
            _ if DurationArg::is_written(&LitStr::new(&written, value.span())) => written,
            Lit::Int(number) if number.suffix().is_empty() => format!("{}s", number.base10_digits()),
            _ => "5m".to_owned(),
        };
        syn::Error::new(value.span(), format!("every option has a name; write `ttl = \"{ttl}\"`"))
    }
}

impl WriteArgs {
    /// Those of a function with these parameters.
    pub(crate) fn parse(tokens: TokenStream, parameters: &[Ident], problems: &mut Problems) -> WriteArgs {
        let mut args = WriteArgs::default();
        each(tokens, problems, |input| args.argument(parameters, input));
        args
    }

    fn argument(&mut self, parameters: &[Ident], input: ParseStream) -> syn::Result<()> {
        if input.peek(Ident::peek_any) && input.peek2(Token![=]) && !input.peek2(Token![==]) {
            return self.option(input);
        }
        if input.peek(Ident) && is_flag(input) {
            return self.option(input);
        }
        self.names_a_key = true;
        if let Some(error) = value_alone(parameters, input) {
            return Err(error);
        }
        self.targets.extend(Target::parse(input)?);
        condition_behind(input).map_or(Ok(()), Err)
    }

    fn option(&mut self, input: ParseStream) -> syn::Result<()> {
        let name = name(input, &names(&WRITE))?;
        if name == "key" || name == "keys" {
            self.names_a_key = true;
            let why = if name == "key" {
                "what a write is about is written without a name, such as `load_user(id)`"
            } else {
                "what a write is about is written side by side and without a name, such as `load_user(id), load_team(team)`"
            };
            return Err(syn::Error::new(name.span(), why));
        }
        let reads = ("`#[cached_aside]`", &*names(&READ));
        match find(&WRITE, other_names::WRITE, reads, &name) {
            Ok(row) => (row.parse)(self, name, input),
            Err(Unknown { error, near }) => {
                // Whoever wrote `prefix` has named something.
                self.names_a_key |= near.is_none();
                Err(error)
            }
        }
    }
}

#[cfg(test)]
mod tests;
