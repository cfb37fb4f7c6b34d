//! The function that an attribute stands on, and where it stands.

pub(crate) mod async_trait;
pub(crate) mod beside;
pub(crate) mod function;
pub(crate) mod generics;
mod lexer;
pub(crate) mod place;
pub(crate) mod shape;
pub(crate) mod types;
