//! What an editor is to rename together with the program's names.
//!
//! rust-analyzer renames a token of an expansion only if its span is that of a written one, its hygiene included. The compiler takes such
//! a token for the program's: it would lint the name of a companion, and suggest to write an import that is ours. So what is in this file,
//! and nothing else, depends on which of the two expands the attribute.

use std::{env, sync::LazyLock};

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote};
use syn::{ExprMethodCall, Visibility};

/// Whether rust-analyzer expands the attribute: its process is called `rust-analyzer-proc-macro-srv`.
static EXPANDS: LazyLock<bool> = LazyLock::new(|| {
    let program = env::current_exe().ok();
    let name = program.as_deref().and_then(|program| program.file_stem()?.to_str());
    name.is_some_and(|name| name.starts_with("rust-analyzer"))
});

/// The span of a token of ours that names what `written` names.
pub(super) fn names_the_same(ours: Span, written: Span) -> Span {
    if *EXPANDS { written } else { ours.located_at(written) }
}

/// The enum of a free function's companions, and its name where they use it: a call-site span, so that lints about names and unused items
/// ignore it.
pub(super) fn companion(function: &Ident, vis: &Visibility) -> (TokenStream, Ident) {
    let (mut used, mut defined) = (function.clone(), function.clone());
    used.set_span(Span::call_site());
    defined.set_span(names_the_same(Span::call_site(), function.span()));
    // It looks written there, and an enum that is written has another case. Nowhere else: a program may forbid to allow this.
    let allowed = EXPANDS.then(|| quote!(#[allow(non_camel_case_types)]));
    (quote!(#allowed #vis enum #defined {}), used)
}

/// The function as what stands before its companions, and what stands behind them. rust-analyzer shows for a name what it finds first. The
/// compiler is given the function last: the layouts of bodies that call each other are then looked into less deeply.
pub(super) fn function_first(function: TokenStream) -> (Option<TokenStream>, Option<TokenStream>) {
    if *EXPANDS { (Some(function), None) } else { (None, Some(function)) }
}

/// Mentions the method that a call names, whose companion has another name.
pub(super) fn mention(method: Option<impl ToTokens>) -> Option<TokenStream> {
    EXPANDS.then(|| method.map(|method| quote!(let _ = #method;))).flatten()
}

/// An associated function that only expansions name: an editor would offer it wherever the type's own are.
pub(super) fn unlisted(function: TokenStream) -> Option<TokenStream> {
    (!*EXPANDS).then_some(function)
}

/// What returns the settings of a method: the unlisted function of this path, or its body in the place of that.
pub(super) fn settings_function(path: TokenStream, body: &TokenStream) -> TokenStream {
    if *EXPANDS { quote!((|| -> &'static ::cached_aside::__private::ReadFunction { #body })) } else { path }
}

/// The call of an unlisted method that makes a key.
pub(super) fn key_of_unlisted(call: &ExprMethodCall) -> TokenStream {
    if !*EXPANDS {
        return call.to_token_stream();
    }
    let (receiver, arguments) = (&call.receiver, call.args.iter());
    quote!({ let _ = (&#receiver, #(&#arguments),*); ::cached_aside::__private::batch::no_key() })
}
