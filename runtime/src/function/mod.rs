//! What is known of an annotated function without a call of it.

mod copies;
pub(crate) mod linked;
pub(crate) mod name;
pub(crate) mod read;
pub(crate) mod registry;
mod reports;
pub(crate) mod sampling;
pub(crate) mod staleness;
pub(crate) mod templates;
pub(crate) mod write;
