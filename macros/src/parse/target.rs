//! What a write names, one after the other: `load_user(user.id)`, `"user:{id}"`, and the same for each item of a list.

use proc_macro2::TokenStream;
use syn::{Ident, LitStr, Token, ext::IdentExt, parse::ParseStream, token::Paren};

use super::{
    call::Call,
    each::Each,
    list::each,
    tags::{Tag, tags},
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
            vec![Named::Template(Template::read(input)?)]
        } else if input.peek(Ident) && input.peek2(Paren) && input.fork().parse::<Ident>()? == "tags" {
            let name = input.parse()?;
            tags(&name, input)?.into_iter().map(Named::from).collect()
        } else {
            vec![Named::Call(Call::parse(input)?)]
        };
        let each = Each::parse_behind(input)?;
        Ok(named.into_iter().map(|named| Target { named, each: each.clone() }).collect())
    }
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
        targets.extend(Target::parse(input)?);
        Ok(())
    });
    targets
}
