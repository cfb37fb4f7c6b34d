//! What a write names, one after the other: `load_user(user.id)`, `"user:{id}"`, and the same for each item of a list.

use proc_macro2::TokenStream;
use syn::{Ident, LitStr, Token, ext::IdentExt, parse::ParseStream};

use super::{call::Call, each::Each, slots::each, template::Template, values::template};
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

impl Target {
    pub(crate) fn parse(input: ParseStream) -> syn::Result<Target> {
        let named = if input.peek(LitStr) {
            Named::Template(template(input)?)
        } else {
            Named::Call(Call::parse(input)?)
        };
        Ok(Target { named, each: Each::parse_behind(input)? })
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
        targets.push(Target::parse(input)?);
        Ok(())
    });
    targets
}
