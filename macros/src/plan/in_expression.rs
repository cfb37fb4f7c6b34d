//! `keys![…]`: the keys that an expression names.

use super::{
    key::{Key, Scope},
    optional_keys::has_question,
    targets::{KeyOf, TargetKey},
};
use crate::{
    item::beside::Site,
    parse::{
        each::Each,
        target::{Named, Target},
    },
    problem::Problems,
};

/// The keys, all known where they stand.
pub(crate) fn keys(targets: Vec<Target>, site: &Site, mut problems: Problems) -> syn::Result<Vec<TargetKey>> {
    let key = |Target { named, each }| {
        let items = each.as_ref().map(Each::names).unwrap_or_default();
        let (of, is_optional) = match named {
            Named::Call(call) => {
                let is_optional = call.arguments().any(has_question);
                (KeyOf::Call(call), is_optional)
            }
            Named::Template(template) => {
                let scope = Scope::Expression { items: &items };
                (KeyOf::Template(Key::of(&template, site.function, scope, &mut problems)?), false)
            }
        };
        Some(TargetKey { of, is_optional, each })
    };
    let keys = targets.into_iter().filter_map(key).collect();
    problems.finish().map(|()| keys)
}
