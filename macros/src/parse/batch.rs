//! `#[cached_aside(load_user(id) for id in ids, …)]`: what a batch loads, and the few options that it takes.

use proc_macro2::{TokenStream, TokenTree};
use syn::{Ident, LitStr, Token, parse::ParseStream, spanned::Spanned};

use super::{
    args::ReadArgs,
    call::Call,
    each::Each,
    list,
    other_names::{self, Meant, meant},
    slots,
};
use crate::problem::{Problems, nearest, one_of};

/// The options of a batch. All others are about entries, and those are the single function's.
const OPTIONS: [&str; 4] = ["skip", "cache", "wait", "crate"];

/// What the attribute of a batch says.
#[derive(Default)]
pub(crate) struct BatchArgs {
    pub(crate) target: Option<(Call, Each)>,
    pub(crate) options: ReadArgs,
}

/// Whether the attribute is that of a batch: it has a `for`.
pub(crate) fn is_batch(args: &TokenStream) -> bool {
    let tokens: Vec<TokenTree> = args.clone().into_iter().collect();
    let is_for = |token: &TokenTree| matches!(token, TokenTree::Ident(word) if word == "for");
    // `for<'a>` is of a type.
    let is_binder =
        |at: usize| matches!(tokens.get(at + 1), Some(TokenTree::Punct(next)) if next.as_char() == '<');
    tokens.iter().enumerate().any(|(at, token)| is_for(token) && !is_binder(at))
}

impl BatchArgs {
    pub(crate) fn parse(tokens: TokenStream, problems: &mut Problems) -> BatchArgs {
        let mut args = BatchArgs::default();
        list::each(tokens, problems, |input| args.argument(input));
        args
    }

    fn argument(&mut self, input: ParseStream) -> syn::Result<()> {
        if !has_for(input) {
            return self.option(input);
        }
        if input.peek(Token![for]) {
            return Err(input
                .error("write what is loaded first, and the list behind it: `load_user(id) for id in ids`"));
        }
        if input.peek(LitStr) {
            return Err(input.error(
                "name the call of the cached function whose entries these are, such as `load_user(id) for id in ids`",
            ));
        }
        let call = Call::parse(input)?;
        let Some(each) = Each::parse_behind(input)? else {
            return Err(input.error("expected the list, such as `load_user(id) for id in ids`"));
        };
        if let Call::Key(key) = &call {
            return Err(syn::Error::new(
                key.span(),
                "the body of a batch is that of a cached function; name its call, such as `load_user(id) for id in ids`",
            ));
        }
        if self.target.is_some() {
            return Err(syn::Error::new(
                call.span(),
                "a batch loads the entries of one function; write a batch of its own for those of another",
            ));
        }
        self.target = Some((call, each));
        Ok(())
    }

    fn option(&mut self, input: ParseStream) -> syn::Result<()> {
        let name = slots::name(&input.fork(), &OPTIONS)?;
        let written = name.to_string();
        if OPTIONS.contains(&written.as_str()) {
            return self.options.option(input);
        }
        let is_set = input.peek2(Token![=]);
        let why = if ReadArgs::knows(&written) {
            format!(
                "the entries of a batch are those of the function that it names, which says how they are stored: write `{written}` \
                 there; a batch takes {}",
                one_of(&OPTIONS)
            )
        } else if let Some(near) = known(&written).or_else(|| nearest(&written, OPTIONS)) {
            self.options.seen.push(Ident::new(near, name.span()));
            format!("unknown option `{written}`; did you mean `{near}`?")
        } else if is_set {
            format!("unknown option `{written}`; a batch takes {}", one_of(&OPTIONS))
        } else {
            format!(
                "a batch loads the entries of one function, named with its list: `{written}(id) for id in ids`"
            )
        };
        Err(syn::Error::new(name.span(), why))
    }
}

/// The option of a batch that another cache calls so.
fn known(written: &str) -> Option<&'static str> {
    match meant(written, other_names::READ)? {
        Meant::Option(name) | Meant::Near(name, _) => OPTIONS.into_iter().find(|option| *option == name),
        Meant::Elsewhere(_) => None,
    }
}

/// Whether there is a `for` in the argument that begins here.
fn has_for(input: ParseStream) -> bool {
    let rest = input.fork();
    while !rest.is_empty() && !rest.peek(Token![,]) {
        if rest.peek(Token![for]) && !rest.peek2(Token![<]) {
            return true;
        }
        if rest.parse::<TokenTree>().is_err() {
            return false;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(written: &str) -> Vec<String> {
        let mut problems = Problems::default();
        BatchArgs::parse(written.parse().unwrap(), &mut problems);
        problems.finish().err().into_iter().flatten().map(|error| error.to_string()).collect()
    }

    #[test]
    fn a_batch_is_a_call_its_list_and_few_options() {
        for written in [
            "load_user(id) for id in ids, skip(db)",
            "skip(self, db), cache = self.cache, self.load(id) for id in ids,",
            "price(product, currency) for (product, currency) in pairs, wait = \"1s\", crate = ::caching",
        ] {
            assert!(is_batch(&written.parse().unwrap()));
            assert_eq!(problems(written), Vec::<String>::new(), "{written}");
        }
        for written in ["ttl = \"5m\", skip(db)", "store_if = |user: &User| { for x in y {} true }"] {
            assert!(!is_batch(&written.parse().unwrap()), "{written}");
        }
    }

    #[test]
    fn everything_else_says_what_to_write() {
        for (more, why) in [
            ("ttl = \"5m\"", "write `ttl` there; a batch takes `skip`, `cache`, `wait` or `crate`"),
            ("load_timeout(hard = \"1s\")", "write `load_timeout` there"),
            ("shares_key", "write `shares_key` there"),
            ("skp(db)", "did you mean `skip`?"),
            ("load_team(team)", "named with its list: `load_team(id) for id in ids`"),
            ("load_team(team) for team in teams", "a batch of its own"),
            ("\"user:{id}\" for id in ids", "name the call of the cached function"),
            ("USER.key(id) for id in ids", "the body of a batch is that of a cached function"),
        ] {
            let problems = problems(&format!("load_user(id) for id in ids, {more}"));
            assert!(matches!(&problems[..], [one] if one.contains(why)), "{more}: {problems:?}");
        }
    }
}
