//! Values that a template writes as they are.

use std::fmt::Display;

/// A value that a template writes.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be written into a key as it is",
    label = "it has no `Display`, which a placeholder without a format asks for",
    note = "write the placeholder with `:?`, such as `{{filter:?}}`, for what its `Debug` gives",
    note = "or name the fields that tell its values apart, such as `{{filter.0}}` or `{{filter.text}}:{{filter.page}}`"
)]
pub trait Displayed: Display {}

#[diagnostic::do_not_recommend]
impl<T: Display + ?Sized> Displayed for T {}

/// A value that a template of a write writes: the same, and what is said of the others is another thing. With `:?` a write would name a
/// key that no entry has.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be written into a key as it is",
    label = "it has no `Display`, which a placeholder without a format asks for",
    note = "of an `Option` name the call of the cached function, such as `load_user(id?)`; of a list name each, such as \
            `\"user:{{id}}\" for id in ids`",
    note = "of anything else write what the cached function's key has, such as `{{filter.0}}` or `{{filter.text}}:{{filter.page}}`"
)]
pub trait DisplayedInWrite: Display {}

#[diagnostic::do_not_recommend]
impl<T: Display + ?Sized> DisplayedInWrite for T {}

/// A value of a write as text.
pub fn text_of_write<V: DisplayedInWrite + ?Sized>(value: &V) -> String {
    value.to_string()
}
