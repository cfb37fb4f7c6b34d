//! `crate = ::path`: where this library is found.

use syn::{LitStr, Path, parse::ParseStream};

/// The path to this library.
pub(super) fn library(input: ParseStream) -> syn::Result<Path> {
    if input.peek(LitStr) {
        let text: LitStr = input.parse()?;
        let path = text.value();
        let why = format!("a path is written without quotes: `crate = ::{}`", path.trim_start_matches(':'));
        return Err(syn::Error::new(text.span(), why));
    }
    input.call(Path::parse_mod_style)
}
