//! What a write names, one after the other: `load_user(user.id)`, `"user:{id}"`, and the same for each item of a list.

use proc_macro2::TokenStream;
use syn::{Ident, LitStr, Token, ext::IdentExt, parse::ParseStream, token::Paren};

use super::{
    call::Call,
    each::Each,
    list::each,
    tags::{Tag, tags_of_write},
    template::Template,
};
use crate::problem::Problems;

/// What a write names: one key, or that of each item of a list.
pub(crate) struct Target {
    pub(crate) named: Named,
    pub(crate) each: Option<Each>,
}

/// How a key is named.
pub(crate) enum Named {
    Call(Call),
    Template(Template),
}

impl From<Tag> for Named {
    fn from(tag: Tag) -> Named {
        match tag {
            Tag::Template(template) => Named::Template(template),
            Tag::Call(call) => Named::Call(Call::Tag(call)),
        }
    }
}

impl Target {
    /// One target, or each of `tags(…)`.
    pub(crate) fn parse(input: ParseStream) -> syn::Result<Vec<Target>> {
        let named = if input.peek(LitStr) {
            Named::Template(Template::of_write(&input.parse()?)?)
        } else if input.peek(Ident) && input.peek2(Paren) {
            match input.fork().parse::<Ident>()?.to_string().as_str() {
                "tags" => return Target::tags(input),
                _ => Named::Call(Call::parse(input)?),
            }
        } else {
            Named::Call(Call::parse(input)?)
        };
        Ok(vec![Target { named, each: Each::parse_behind(input)? }])
    }

    /// `tags(…)`: a `for` behind one of them is of that one, and a `for` behind all is of each.
    fn tags(input: ParseStream) -> syn::Result<Vec<Target>> {
        let name = input.parse()?;
        let tags = tags_of_write(&name, input)?;
        let behind = Each::parse_behind(input)?;
        if let (Some(behind), true) = (&behind, tags.iter().any(|(_, each)| each.is_some())) {
            let why = "a tag takes one `for`; write it inside of `tags(…)`, behind the tag that it is about, or behind all of them";
            return Err(syn::Error::new(behind.for_token.span, why));
        }
        let names = behind.as_ref().map(Each::names).unwrap_or_default();
        let used: Vec<Ident> =
            names.into_iter().filter(|name| tags.iter().any(|(tag, _)| tag.uses(name))).collect();
        let target = |(tag, each): (Tag, Option<Each>)| {
            let of_others = used.iter().filter(|name| !tag.uses(name)).cloned().collect();
            let behind = || behind.clone().map(|behind| Each { of_others, ..behind });
            Target { each: each.or_else(behind), named: Named::from(tag) }
        };
        Ok(tags.into_iter().map(target).collect())
    }
}

/// `keys![key]`
fn variable(input: ParseStream) -> Option<syn::Error> {
    let ahead = input.fork();
    let name: Ident = ahead.parse().ok()?;
    let is_alone = ahead.is_empty() || ahead.peek(Token![,]);
    is_alone.then(|| {
        let why = format!(
            "`{name}` is no call; of a cached function write `{name}(id)`, and keys that are there need no `keys!`, such as \
             `invalidate([key])`"
        );
        syn::Error::new(name.span(), why)
    })
}

/// Those of `keys![…]`, which takes no options.
pub(crate) fn list(tokens: TokenStream, problems: &mut Problems) -> Vec<Target> {
    let mut targets = Vec::new();
    each(tokens, problems, |input| {
        if input.peek(Ident::peek_any) && input.peek2(Token![=]) && !input.peek2(Token![==]) {
            let option = input.call(Ident::parse_any)?;
            let why = format!("`keys!` takes no options, and `{option}` is one of `#[invalidates(…)]`");
            return Err(syn::Error::new(option.span(), why));
        }
        if let Some(error) = variable(input) {
            return Err(error);
        }
        targets.extend(Target::parse(input)?);
        if input.peek(Token![if]) {
            return Err(input.error("a condition can't stand here; write it around `keys![…]`"));
        }
        Ok(())
    });
    targets
}
