//! The annotated function, and where it is.

pub(crate) mod around;
pub(crate) mod async_trait;
pub(crate) mod beside;
pub(crate) mod context;
pub(crate) mod function;
pub(crate) mod generics;
mod imports;
mod lexer;
mod made;
mod named_beside;
pub(crate) mod receiver;
pub(crate) mod shape;
pub(crate) mod types;
pub(crate) mod uncached;
pub(crate) mod value;
