//! Modules of well-known crates that are imported beside an annotated function.

use syn::{ItemUse, UseTree};

use super::beside::{Beside, Token, tokens};

/// What is a module for certain. A name in lower case of another crate may also be a macro, which is in nobody's way.
const OF_STD: [&str; 43] = [
    "alloc",
    "any",
    "array",
    "ascii",
    "backtrace",
    "borrow",
    "boxed",
    "cell",
    "char",
    "clone",
    "cmp",
    "collections",
    "convert",
    "env",
    "error",
    "ffi",
    "fmt",
    "fs",
    "future",
    "hash",
    "hint",
    "io",
    "iter",
    "marker",
    "mem",
    "net",
    "num",
    "ops",
    "option",
    "os",
    "panic",
    "path",
    "pin",
    "process",
    "ptr",
    "rc",
    "result",
    "slice",
    "str",
    "string",
    "sync",
    "thread",
    "time",
];
const OF_TOKIO: [&str; 8] = ["fs", "io", "net", "process", "runtime", "sync", "task", "time"];

impl Beside {
    /// The `use` by which a module has this name in the same module or block, such as `std::time`.
    pub(crate) fn imported_module(&self, name: &str) -> Option<String> {
        let text = &self.text[self.block().clone()];
        let tokens: Vec<Token> = tokens(text).filter(|token| token.depth == 0).collect();
        let imports =
            tokens.iter().enumerate().filter(|(_, token)| token.text == "use").filter_map(|(at, token)| {
                // One that may be configured out is left to the compiler.
                let before = tokens[..at].iter().rev().take_while(|token| !matches!(token.text, ";" | "}"));
                let end = tokens[at..].iter().find(|token| token.text == ";")?;
                let has_attributes = before.into_iter().any(|token| token.text == "#");
                if has_attributes { None } else { syn::parse_str::<ItemUse>(&text[token.at..=end.at]).ok() }
            });
        imports.into_iter().find_map(|import| module(&import.tree, None, name))
    }
}

impl Beside {
    /// The path in the same module that begins with this name where it can't be that of the function's companions, such as `url::Url`.
    pub(crate) fn path_of_crate(&self, name: &str) -> Option<String> {
        const COMPANIONS: [&str; 2] = ["key", "uncached"];
        // What lints and attributes are named by is no crate.
        const TOOLS: [&str; 5] = ["clippy", "diagnostic", "miri", "rust_analyzer", "rustfmt"];
        if TOOLS.contains(&name) {
            return None;
        }
        let all: Vec<Token> = tokens(&self.text[self.module().clone()]).collect();
        if has_another_inside(&all, name) {
            return None;
        }
        let (mut in_use, mut inner_module) = (false, None);
        for (at, token) in all.iter().enumerate() {
            let text = |away: isize| {
                at.checked_add_signed(away).and_then(|at| all.get(at)).map_or("", |token| token.text)
            };
            match token.text {
                "{" if inner_module.is_none() && text(-2) == "mod" => inner_module = Some(token.depth),
                "}" if inner_module == Some(token.depth) => inner_module = None,
                "use" => in_use = true,
                ";" => in_use = false,
                _ => {}
            }
            // In a `use` only what comes first is no part of a path.
            let begins =
                !matches!(text(-1), ":" | "." | "$" | "fn" | "mod") && (!in_use || text(-1) == "use");
            let is_path = token.text == name && text(1) == ":" && text(2) == ":" && begins;
            if inner_module.is_none()
                && is_path
                && !COMPANIONS.contains(&text(3))
                && !matches!(text(3), "<" | ":")
            {
                let of = Some(text(3)).filter(|next| next.chars().all(|c| c.is_alphanumeric() || c == '_'));
                return Some(format!("{name}::{}", of.unwrap_or("…")));
            }
        }
        None
    }
}

/// Whether a block or a module inside imports or has something of this name, which paths there may mean.
fn has_another_inside(tokens: &[Token], name: &str) -> bool {
    let (mut importing, mut before) = (false, "");
    tokens.iter().any(|token| {
        importing = token.text == "use" && token.depth > 0 || importing && token.text != ";";
        let found = token.text == name && (importing || before == "mod" && token.depth > 0);
        before = token.text;
        found
    })
}

fn module(tree: &UseTree, of: Option<&str>, name: &str) -> Option<String> {
    let is_module = |what: &str| match of {
        Some("std") => OF_STD.contains(&what),
        Some("tokio") => OF_TOKIO.contains(&what),
        _ => false,
    };
    match tree {
        UseTree::Path(path) if of.is_none() => module(&path.tree, Some(&path.ident.to_string()), name),
        UseTree::Group(group) => group.items.iter().find_map(|tree| module(tree, of, name)),
        UseTree::Name(leaf) if leaf.ident == name && is_module(name) => Some(format!("{}::{name}", of?)),
        UseTree::Rename(leaf) if leaf.rename == name && is_module(&leaf.ident.to_string()) => {
            Some(format!("{}::{} as {name}", of?, leaf.ident))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_a_crate_is_none_of_the_companions() {
        let found = |beside: &str| {
            let source = format!("{beside}\nasync fn HERE() {{}}\nmod inner {{ fn f(of: url::Inner) {{}} }}");
            let at = source.find("fn HERE").unwrap();
            Beside::at(source, at).path_of_crate("url")
        };
        for (beside, path) in [
            ("use url::Url;", "url::Url"),
            ("use url::{Host, Url};", "url::…"),
            ("fn f(of: &url::Url) {}", "url::Url"),
            ("fn f() { url::Url::parse(of) }", "url::Url"),
        ] {
            assert_eq!(found(beside).as_deref(), Some(path), "{beside}");
        }
        for beside in [
            "fn f() { url::key(1); url::uncached(1); url::<u8>(1); Self::url::of(1); self.url::<u8>() }",
            "use crate::url::Url; use shop::{url::Url, other};",
            "fn f(of: ::url::Url) {} // url::Url",
            "fn f() -> &'static str { \"url::Url\" }",
            "fn f() { use shop::url; url::find(1) }",
            "fn f() { use shop::{a, b as url}; url::find(1) }",
            "macro_rules! of { ($url:ident) => { $url::find() } }",
            "mod inner { pub mod url {} fn f() { url::find() } }",
            "use url; fn f(url: u8) { Of { url: ::std::env::args() } }",
        ] {
            assert_eq!(found(beside), None, "{beside}");
        }
    }

    #[test]
    fn an_imported_module_is_found_by_its_name() {
        let found = |imports: &str, name: &str| {
            let source =
                format!("{imports}\nasync fn HERE() {{ use std::path; }}\nmod inner {{ use std::path; }}");
            let at = source.find("fn HERE").unwrap();
            Beside::at(source, at).imported_module(name)
        };
        assert_eq!(found("use std::time;", "time").unwrap(), "std::time");
        assert_eq!(
            found("pub(crate) use std::{fs, collections::{self, HashMap}, thread as load};", "fs").unwrap(),
            "std::fs"
        );
        assert_eq!(found("use std::{fs, thread as load};", "load").unwrap(), "std::thread as load");
        assert_eq!(found("use {std::fmt, tokio::time};", "time").unwrap(), "tokio::time");
        for (imports, name) in [
            ("use std::time::Duration;", "time"),
            ("use std::{time as clock};", "time"),
            ("use tracing::{info, time};", "info"),
            ("use std::println;", "println"),
            ("#[cfg(windows)] use std::time;", "time"),
            ("fn f() { use std::time; }", "time"),
            ("", "path"),
        ] {
            assert_eq!(found(imports, name), None, "{imports}");
        }
    }
}
