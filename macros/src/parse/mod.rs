//! What the attribute says, as it is written.

pub(crate) mod args;
pub(crate) mod batch;
mod behind;
pub(crate) mod call;
pub(crate) mod duration;
pub(crate) mod each;
mod library;
mod list;
mod options;
mod other_names;
mod slots;
pub(crate) mod tags;
pub(crate) mod target;
pub(crate) mod template;
mod values;

pub(crate) use values::{codec_of_ours, in_another_case};
