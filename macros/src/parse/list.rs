//! Arguments one by one.

use proc_macro2::{TokenStream, TokenTree};
use syn::{
    Token,
    parse::{ParseStream, Parser},
};

use crate::problem::Problems;

/// Reads arguments separated by commas, each for itself: what is wrong with one doesn't hide another.
pub(super) fn each(
    tokens: TokenStream,
    problems: &mut Problems,
    mut one: impl FnMut(ParseStream) -> syn::Result<()>,
) {
    let parser = |input: ParseStream| {
        while !input.is_empty() {
            let result = one(input);
            if result.is_err() {
                problems.take(result);
            } else if !input.is_empty() && !input.peek(Token![,]) {
                problems.push(input.error("expected `,`"));
            }
            while !input.is_empty() && !input.peek(Token![,]) {
                input.parse::<TokenTree>()?;
            }
            input.parse::<Option<Token![,]>>()?;
        }
        Ok(())
    };
    let result = Parser::parse2(parser, tokens);
    problems.take(result);
}
