//! One option, as the tables have it.

use syn::{Ident, parse::ParseStream};

use super::super::args::Attribute;

/// An option.
pub(super) struct Row<Args> {
    pub(super) name: &'static str,
    /// The attributes that it means something to.
    #[cfg_attr(not(test), expect(dead_code, reason = "for the pages, which a test compares"))]
    pub(super) of: &'static [Attribute],
    /// How it is written, as an example.
    #[cfg_attr(not(test), expect(dead_code, reason = "for the pages, which a test compares"))]
    pub(super) form: &'static str,
    /// What holds without it, as Markdown.
    #[cfg_attr(not(test), expect(dead_code, reason = "for the pages, which a test compares"))]
    pub(super) default: &'static str,
    /// What it says, as Markdown.
    #[cfg_attr(not(test), expect(dead_code, reason = "for the pages, which a test compares"))]
    pub(super) meaning: &'static str,
    pub(super) parse: Reader<Args>,
}

/// Reads what follows the name.
pub(super) type Reader<Args> = fn(&mut Args, Ident, ParseStream) -> syn::Result<()>;

pub(super) const fn cache<Args>(of: &'static [Attribute], parse: Reader<Args>) -> Row<Args> {
    Row {
        name: "cache",
        of,
        form: "cache = self.cache",
        default: "the one in scope, else the installed one",
        meaning: "the [`Cache`] to use, an expression",
        parse,
    }
}

pub(super) const fn root<Args>(of: &'static [Attribute], parse: Reader<Args>) -> Row<Args> {
    Row {
        name: "crate",
        of,
        form: "crate = ::path",
        default: "`::cached_aside`",
        meaning: "where this library is found, if it is renamed or re-exported",
        parse,
    }
}

pub(super) const READS: &[Attribute] = &[Attribute::CachedAside];
pub(super) const WRITES: &[Attribute] = &[Attribute::Invalidates, Attribute::Updates];
