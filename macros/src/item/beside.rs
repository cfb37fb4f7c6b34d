//! What stands beside an annotated function in its file. It makes messages better; nothing that is generated depends on it.

use std::{cell::OnceCell, ops::Range};

use syn::{ImplItem, ImplItemFn, ItemImpl};

use crate::item::{
    function::Function,
    lexer::skip,
    place::{offset, source},
};

/// An annotated function and what stands beside it: what the calls that its attribute names are looked up in.
pub(crate) struct Site<'a> {
    pub(crate) function: &'a Function,
    pub(crate) beside: Option<Beside>,
}

impl Site<'_> {
    pub(crate) fn of(function: &Function) -> Site<'_> {
        Site { function, beside: Beside::of(function) }
    }
}

/// The file of an annotated function, and where the function stands in it.
pub(crate) struct Beside {
    text: String,
    at: usize,
    block: OnceCell<Range<usize>>,
}

/// A word or a character of the source, with the number of brackets around it.
struct Token<'a> {
    at: usize,
    text: &'a str,
    depth: usize,
}

impl Beside {
    pub(crate) fn of(function: &Function) -> Option<Beside> {
        let (text, line, column) = source(function.sig.fn_token.span)?;
        let text = text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
        let at = offset(&text, line, column)?;
        Some(Beside::at(text, at))
    }

    fn at(text: String, at: usize) -> Beside {
        Beside { text, at, block: OnceCell::new() }
    }

    /// The inside of the innermost braces around the function, or the whole file.
    fn block(&self) -> &Range<usize> {
        self.block.get_or_init(|| {
            let mut open = Vec::new();
            let mut block = 0..self.text.len();
            let mut inside = None;
            for token in tokens(&self.text) {
                if token.at >= self.at && inside.is_none() {
                    inside = Some(open.len());
                    block.start = open.last().copied().unwrap_or(0);
                }
                match token.text {
                    "{" | "(" | "[" => open.push(token.at + 1),
                    "}" | ")" | "]" if inside == Some(open.len()) && !open.is_empty() => {
                        block.end = token.at;
                        break;
                    }
                    "}" | ")" | "]" => {
                        open.pop();
                    }
                    _ => {}
                }
            }
            block
        })
    }

    /// What kind of item has this name among the types of the same module or block: `mod`, `struct`, …
    pub(crate) fn item(&self, name: &str) -> Option<&'static str> {
        const KINDS: [&str; 6] = ["mod", "struct", "enum", "union", "type", "trait"];
        if !KINDS.iter().any(|kind| self.text.contains(&format!("{kind} {name}"))) {
            return None;
        }
        let tokens: Vec<Token> = tokens(&self.text[self.block().clone()]).collect();
        let named = |pair: &[Token]| match pair {
            [kind, item] if kind.depth == 0 && item.text == name => {
                KINDS.into_iter().find(|word| *word == kind.text)
            }
            _ => None,
        };
        // One that may be configured out is left to the compiler.
        let configured = |at: usize| {
            let attributes = tokens[..at]
                .iter()
                .rev()
                .take_while(|token| token.depth > 0 || !matches!(token.text, ";" | "}"));
            attributes.into_iter().any(|token| matches!(token.text, "cfg" | "cfg_attr"))
        };
        let found = tokens.windows(2).enumerate().find_map(|(at, pair)| Some((at, named(pair)?)));
        found.filter(|(at, _)| !configured(*at)).map(|(_, kind)| kind)
    }

    /// The function of this name in the same `impl`.
    pub(crate) fn method(&self, name: &str) -> Option<ImplItemFn> {
        let block = &self.text[self.block().clone()];
        if !contains_word(block, name) {
            return None;
        }
        let item: ItemImpl = syn::parse_str(&format!("impl Any {{{block}}}")).ok()?;
        item.items.into_iter().find_map(|item| match item {
            ImplItem::Fn(function) if function.sig.ident == name => Some(function),
            _ => None,
        })
    }

    /// Whether a function of this name is written or imported in the file, or may be imported by a `*`; with `outside` only
    /// what stands outside of the same `impl` counts.
    pub(crate) fn may_mean(&self, name: &str, outside: bool) -> bool {
        let (mut before, mut importing) = ("", false);
        for token in tokens(&self.text).filter(|token| !(outside && self.block().contains(&token.at))) {
            importing = token.text == "use" || importing && token.text != ";";
            if token.text == name && (importing || before == "fn") || importing && token.text == "*" {
                return true;
            }
            before = token.text;
        }
        false
    }

    /// Whether a function of this name stands in the same module, as this one does.
    pub(crate) fn function(&self, name: &str) -> bool {
        let mut before = "";
        tokens(&self.text[self.block().clone()]).any(|token| {
            let found = before == "fn" && token.text == name && token.depth == 0;
            before = token.text;
            found
        })
    }

    /// Whether the file has a `fn` or a `mod` of this name.
    pub(crate) fn has(&self, keyword: &str, name: &str) -> bool {
        let mut before = "";
        tokens(&self.text).any(|token| {
            let found = before == keyword && token.text == name;
            before = token.text;
            found
        })
    }

    /// Whether nothing outside of the same `impl` can be meant by this name: it isn't there, and nothing is imported by `*`.
    pub(crate) fn is_only_inside(&self, name: &str) -> bool {
        let outside = tokens(&self.text).filter(|token| !self.block().contains(&token.at));
        let mut before = "";
        for token in outside {
            if token.text == name || token.text == "*" && before == ":" {
                return false;
            }
            before = token.text;
        }
        true
    }

    /// Whether the function of this name is in the file, and no `const fn`.
    pub(crate) fn is_not_const(&self, name: &str) -> bool {
        let tokens: Vec<Token> = tokens(&self.text).collect();
        let mut functions = tokens.windows(2).enumerate().filter_map(|(at, pair)| match pair {
            [keyword, item] if keyword.text == "fn" && item.text == name => Some(at),
            _ => None,
        });
        let is_const = |at: usize| {
            let qualifiers = tokens[..at].iter().rev().map(|token| token.text);
            qualifiers
                .take_while(|text| !matches!(*text, ";" | "}" | "{" | "]" | ")"))
                .any(|text| text == "const")
        };
        functions.next().is_some_and(|first| !is_const(first)) && functions.all(|other| !is_const(other))
    }
}

/// Words and characters; comments, literals and white space are left out.
fn tokens(text: &str) -> impl Iterator<Item = Token<'_>> {
    let mut at = 0;
    let mut depth = 0_usize;
    std::iter::from_fn(move || {
        while let Some(character) = text[at..].chars().next() {
            let begin = at;
            at += skip(&text[at..]);
            let token = &text[begin..at];
            match token {
                "(" | "[" | "{" => {
                    depth += 1;
                    return Some(Token { at: begin, text: token, depth: depth - 1 });
                }
                ")" | "]" | "}" => {
                    depth = depth.saturating_sub(1);
                    return Some(Token { at: begin, text: token, depth });
                }
                _ if character.is_whitespace()
                    || character == '/' && token.len() > 1
                    || token.contains(['"', '\'']) => {}
                _ => return Some(Token { at: begin, text: token, depth }),
            }
        }
        None
    })
}

fn contains_word(text: &str, word: &str) -> bool {
    tokens(text).any(|token| token.text == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = r#"
use shop::{User, load_shop};
mod user { fn ttl() {} }
#[cfg(test)]
mod account {}
const fn constant() {}
pub fn plain() {} // struct comment
impl Repo {
    #[cached_aside(ttl = "5m", key = "mod text {self.tenant}")]
    async fn get(&self, id: u64) -> u64 { id }
    async fn HERE() { struct inner; }
}
"#;

    fn beside() -> Beside {
        Beside::at(SOURCE.to_owned(), SOURCE.find("fn HERE").unwrap())
    }

    #[test]
    fn a_method_of_the_same_impl_is_found() {
        let get = beside().method("get").unwrap();
        assert!(get.sig.receiver().is_some() && get.attrs[0].path().is_ident("cached_aside"));
        assert!(beside().method("plain").is_none() && beside().method("ttl").is_none());
        assert!(beside().is_only_inside("get") && !beside().is_only_inside("load_shop"));
        let glob = SOURCE.replace("User, load_shop}", "*}").replace("{*}", "*");
        let at = glob.find("fn HERE").unwrap();
        assert!(!Beside::at(glob, at).is_only_inside("get"));
    }

    #[test]
    fn a_function_of_the_same_module_is_found() {
        let at = Beside::at(SOURCE.to_owned(), SOURCE.find("fn plain").unwrap());
        assert!(at.function("plain") && at.function("constant"));
        assert!(!at.function("ttl") && !at.function("get") && !at.function("load_shop"));
    }

    #[test]
    fn an_item_with_the_same_name_is_found() {
        let at = |here: &str| Beside::at(SOURCE.to_owned(), SOURCE.find(here).unwrap());
        assert_eq!(at("fn plain").item("user"), Some("mod"));
        for other in ["account", "comment", "text", "inner", "ttl", "plain"] {
            assert_eq!(at("fn plain").item(other), None, "{other}");
        }
        assert_eq!(beside().item("user"), None);
    }

    #[test]
    fn a_function_that_is_not_constant_is_found() {
        for (name, expected) in [("plain", true), ("ttl", true), ("constant", false), ("elsewhere", false)] {
            assert_eq!(beside().is_not_const(name), expected, "{name}");
        }
    }
}
