//! `keys![…]`: the keys that an expression names.

use syn::{ExprPath, spanned::Spanned};

use super::{
    key::{Key, Scope},
    misnamed::no_function,
    optional_keys::has_question,
    targets::{KeyOf, TargetKey},
    uncached::uncached_function,
};
use crate::{
    item::beside::{Beside, Site},
    parse::{
        call::Call,
        target::{Named, Target},
    },
    problem::Problems,
};

/// The keys, all known where they stand.
pub(crate) fn keys(targets: Vec<Target>, site: &Site, mut problems: Problems) -> syn::Result<Vec<TargetKey>> {
    let key = |Target { named, each }| {
        let (of, is_optional) = match named {
            Named::Call(call) => {
                if let Call::Path(_, path) = &call
                    && let Some(problem) = no_cached_function(path)
                {
                    problems.push(problem);
                    return None;
                }
                let is_optional = call.parts().any(has_question);
                (KeyOf::Call(call), is_optional)
            }
            Named::Template(template) => {
                let scope = Scope::Expression(each.as_ref());
                (KeyOf::Template(Key::of(&template, site.function, scope, &mut problems)?), false)
            }
        };
        Some(TargetKey { of, is_optional, each })
    };
    let keys = targets.into_iter().filter_map(key).collect();
    problems.finish().map(|()| keys)
}

/// What to write instead of a call that the source shows to be of no cached function.
fn no_cached_function(path: &ExprPath) -> Option<syn::Error> {
    let beside = Beside::here(path.span())?;
    no_function(path, &beside).or_else(|| uncached_function(path.path.get_ident()?, &beside))
}
