//! What a write names, one after the other: `load_user(user.id)`, `"user:{id}"`, and the same for each item of a list.

use syn::{LitStr, parse::ParseStream};

use super::{call::Call, each::Each, template::Template, values::template};

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
