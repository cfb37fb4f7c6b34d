//! Everything that is annotated in a program: which functions are cached, and who invalidates what.

mod contents;
mod drawing;
#[cfg(feature = "json")]
mod json;
mod problems;
mod shared_keys;
#[cfg(test)]
mod tests;

pub use self::{
    contents::{CachedFunction, Catalog, Invalidated, Place, Write, catalog},
    problems::Problem,
};
