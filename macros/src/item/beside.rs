//! The items beside an annotated function in its file. They make messages better; no generated code depends on them.

use std::{cell::OnceCell, collections::BTreeMap, ops::Range};

use proc_macro2::Span;
use syn::{Attribute, ImplItem, ImplItemFn, ItemImpl, ItemStruct, Type};

use crate::item::{
    context::{offset, source},
    function::Function,
    lexer::skip,
};

/// An annotated function with the items beside it, among which the calls in its attribute are looked up.
pub(crate) struct Site<'a> {
    pub(crate) function: &'a Function,
    pub(crate) beside: Option<Beside>,
    /// The calls stand in an expression, around which there are variables of any name; the function is none of the program.
    pub(crate) in_expression: bool,
}

impl Site<'_> {
    pub(crate) fn of(function: &Function) -> Site<'_> {
        Site { function, beside: Beside::of(function), in_expression: false }
    }

    pub(crate) fn in_expression(nowhere: &Function) -> Site<'_> {
        Site { function: nowhere, beside: None, in_expression: true }
    }
}

/// The file of an annotated function, and the function's position in it.
pub(crate) struct Beside {
    pub(super) text: String,
    pub(super) at: usize,
    block: OnceCell<Range<usize>>,
    module: OnceCell<Range<usize>>,
}

/// A word or a character of the source, with the number of brackets around it.
pub(super) struct Token<'a> {
    pub(super) at: usize,
    pub(super) text: &'a str,
    pub(super) depth: usize,
}

impl Beside {
    pub(crate) fn of(function: &Function) -> Option<Beside> {
        Beside::here(function.sig.fn_token.span)
    }

    /// The file in which something is written, as if it were the function.
    pub(crate) fn here(span: Span) -> Option<Beside> {
        let (text, line, column) = source(span)?;
        let text = text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
        let at = offset(&text, line, column)?;
        Some(Beside::at(text, at))
    }

    pub(super) fn at(text: String, at: usize) -> Beside {
        Beside { text, at, block: OnceCell::new(), module: OnceCell::new() }
    }

    /// The inside of the innermost braces around the function, or the whole file.
    pub(super) fn block(&self) -> &Range<usize> {
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

    /// Whether it is inside of braces that are no module's.
    pub(crate) fn is_in_block(&self) -> bool {
        self.block().start != self.module().start
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
        method_in(block, name)
    }

    /// The type of a field of the struct of this name in the module.
    pub(crate) fn field(&self, of: &str, field: &str) -> Option<Type> {
        let item = only_struct(&self.text[self.module().clone()], of)?;
        let found =
            item.fields.into_iter().find(|found| found.ident.as_ref().is_some_and(|name| name == field));
        found.map(|field| field.ty)
    }

    /// The names of the fields of the struct of this name in the module: all that a value of it has, where nothing in the file
    /// speaks of `Deref`.
    pub(crate) fn fields(&self, of: &str) -> Option<Vec<String>> {
        let module = &self.text[self.module().clone()];
        if !module.contains(&format!("struct {of}")) || contains_word(&self.text, "Deref") {
            return None;
        }
        let names =
            only_struct(module, of)?.fields.into_iter().map(|field| field.ident.map(|name| name.to_string()));
        names.collect()
    }

    /// Whether a function of this name is written or imported in the module, or may be imported by a `*`; with `outside` only
    /// items outside of the same `impl` count.
    pub(crate) fn may_mean(&self, name: &str, outside: bool) -> bool {
        let means = |scope: &Range<usize>| {
            let (mut before, mut importing) = ("", false);
            self.at_depth_of(scope).any(|token| {
                importing = token.text == "use" || importing && token.text != ";";
                let is_function = before == "fn" && token.depth == 0;
                let found =
                    token.text == name && (importing || is_function) || importing && token.text == "*";
                before = token.text;
                found
            })
        };
        means(self.module()) || !outside && means(self.block())
    }

    /// Whether a function of this name may be in scope at the annotated one, by whatever way.
    pub(crate) fn may_be_in_scope(&self, name: &str) -> bool {
        let mentioned = tokens(&self.text).filter(|token| token.text == name).count();
        mentioned > 1 || self.may_mean(name, false) || self.makes_items()
    }

    /// Whether a macro makes items in the module.
    pub(crate) fn makes_items(&self) -> bool {
        let tokens: Vec<Token> = self.at_depth_of(self.module()).collect();
        let is_made = |three: &[Token]| {
            three[0].depth == 0
                && three[0].text.starts_with(|character: char| character.is_alphabetic() || character == '_')
                && three[1].text == "!"
                && matches!(three[2].text, "{" | "(" | "[")
        };
        tokens.windows(3).any(is_made)
    }

    /// The functions of the same module.
    pub(crate) fn functions(&self) -> Vec<String> {
        let tokens: Vec<Token> = self.at_depth_of(self.module()).collect();
        let functions = tokens.windows(2).filter(|pair| pair[0].text == "fn" && pair[1].depth == 0);
        functions.map(|pair| pair[1].text.to_owned()).collect()
    }

    /// Whether the same `impl` has a function of this name, that is there for certain.
    pub(crate) fn has_method(&self, name: &str) -> bool {
        let is_configured =
            |attribute: &Attribute| attribute.path().is_ident("cfg") || attribute.path().is_ident("cfg_attr");
        self.method(name).is_some_and(|method| !method.attrs.iter().any(is_configured))
    }

    /// Whether the same block has a `type` of this name.
    pub(crate) fn has_type(&self, name: &str) -> bool {
        let tokens = tokens(&self.text[self.block().clone()]);
        are_beside(tokens.filter(|token| token.depth == 0), &["type"], name)
    }

    /// The functions of the same `impl`, and whether they have a receiver.
    pub(crate) fn methods(&self) -> BTreeMap<String, bool> {
        let block = &self.text[self.block().clone()];
        let Ok(item) = syn::parse_str::<ItemImpl>(&format!("impl Any {{{block}}}")) else {
            return BTreeMap::new();
        };
        let methods = item.items.into_iter().filter_map(|item| match item {
            ImplItem::Fn(function) => {
                Some((function.sig.ident.to_string(), function.sig.receiver().is_some()))
            }
            _ => None,
        });
        methods.collect()
    }

    /// The tokens of a scope, their depth counted from there.
    fn at_depth_of<'a>(&'a self, scope: &Range<usize>) -> impl Iterator<Item = Token<'a>> {
        // A nested `use` is in one more pair of brackets, and one of another module or function in others.
        let mut importing = false;
        tokens(&self.text[scope.clone()]).filter(move |token| {
            importing = token.depth == 0 && token.text == "use" || importing && token.text != ";";
            token.depth == 0 || importing
        })
    }

    /// The inside of the innermost `mod` around the function, or the whole file.
    pub(super) fn module(&self) -> &Range<usize> {
        self.module.get_or_init(|| {
            // What is open: where it begins, and whether it is a `mod`.
            let mut open: Vec<(usize, bool)> = Vec::new();
            let (mut before, mut last) = ("", "");
            let mut module = 0..self.text.len();
            let mut inside = None;
            for token in tokens(&self.text) {
                if token.at >= self.at && inside.is_none() {
                    let around = open.iter().rposition(|(_, is_module)| *is_module);
                    inside = Some(around);
                    module.start = around.map_or(0, |around| open[around].0);
                }
                match token.text {
                    "{" | "(" | "[" => open.push((token.at + 1, token.text == "{" && before == "mod")),
                    "}" | ")" | "]" => {
                        open.pop();
                        if inside.is_some_and(|around| around == Some(open.len())) {
                            module.end = token.at;
                            break;
                        }
                    }
                    _ => {}
                }
                (before, last) = (last, token.text);
            }
            module
        })
    }

    /// Whether a function of this name is in the same module or block.
    pub(crate) fn function(&self, name: &str) -> bool {
        let tokens = tokens(&self.text[self.block().clone()]);
        are_beside(tokens.filter(|token| token.depth == 0), &["fn"], name)
    }

    /// Whether a `static` or a `const` of this name is in the same module or block.
    pub(crate) fn is_static(&self, name: &str) -> bool {
        let is_in = |scope| are_beside(self.at_depth_of(scope), &["static", "const"], name);
        is_in(self.module()) || is_in(self.block())
    }

    /// Whether an item of one of these kinds and of this name is written in the same module or block.
    pub(crate) fn writes_one_of(&self, keywords: &[&str], name: &str) -> bool {
        let is_in = |scope| are_beside(self.at_depth_of(scope), keywords, name);
        is_in(self.module()) || is_in(self.block())
    }

    /// Whether the file has a `fn` or a `mod` of this name.
    pub(crate) fn has(&self, keyword: &str, name: &str) -> bool {
        are_beside(tokens(&self.text), &[keyword], name)
    }
}

/// The function of this name in what an `impl` has between its braces.
pub(super) fn method_in(block: &str, name: &str) -> Option<ImplItemFn> {
    let item: ItemImpl = syn::parse_str(&format!("impl Any {{{block}}}")).ok()?;
    item.items.into_iter().find_map(|item| match item {
        ImplItem::Fn(function) if function.sig.ident == name => Some(function),
        _ => None,
    })
}

/// Whether one of the keywords stands before the name.
fn are_beside<'a>(tokens: impl Iterator<Item = Token<'a>>, keywords: &[&str], name: &str) -> bool {
    let mut before = "";
    tokens.into_iter().any(|token| {
        let found = keywords.contains(&before) && token.text == name;
        before = token.text;
        found
    })
}

/// Words and characters; comments, literals and white space are left out.
pub(super) fn tokens(text: &str) -> impl Iterator<Item = Token<'_>> {
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

/// The struct of this name among the items of the text, if there is one such.
fn only_struct(text: &str, name: &str) -> Option<ItemStruct> {
    let tokens: Vec<Token> = tokens(text).collect();
    let mut structs = tokens
        .windows(2)
        .filter(|pair| pair[0].text == "struct" && pair[0].depth == 0 && pair[1].text == name)
        .map(|pair| pair[0].at);
    let (start, None) = (structs.next()?, structs.next()) else { return None };
    let open = tokens.iter().find(|token| token.at > start && matches!(token.text, "{" | "(" | ";"))?;
    let close =
        tokens.iter().find(|token| token.at > open.at && token.depth == open.depth && token.text == "}")?;
    syn::parse_str(&text[start..=close.at]).ok()
}

fn contains_word(text: &str, word: &str) -> bool {
    tokens(text).any(|token| token.text == word)
}

#[cfg(test)]
mod tests {
    use quote::ToTokens;

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
    }

    #[test]
    fn what_is_in_scope_is_that_of_the_same_module() {
        const OTHERS: &str = "
mod first { use super::*; pub fn there() {} }
fn here() {}
mod second {
    use users::imported;
    impl Repo { fn method(&self) {} fn made() {} fn HERE() {} }
    fn beside() { fn nested() {} }
}
";
        let beside = Beside::at(OTHERS.to_owned(), OTHERS.find("fn HERE").unwrap());
        for name in ["imported", "beside"] {
            assert!(beside.may_mean(name, true), "{name}");
        }
        for name in ["there", "here", "nested", "method"] {
            assert!(!beside.may_mean(name, true), "{name}");
        }
        assert!(beside.may_be_in_scope("imported") && !beside.may_be_in_scope("importde"));
        assert_eq!(beside.functions(), ["beside"]);
        let methods: Vec<_> = beside.methods().into_iter().collect();
        assert_eq!(
            methods,
            [("HERE".to_owned(), false), ("made".to_owned(), false), ("method".to_owned(), true)]
        );
        let made = OTHERS.replace("use users::imported;", "loaders! { of users }");
        let at = made.find("fn HERE").unwrap();
        assert!(Beside::at(made, at).may_be_in_scope("importde"));
    }

    #[test]
    fn the_type_of_a_field_is_found() {
        let source = format!("pub struct Service<'a> {{ db: Db, users: Arc<dyn Users> }} {SOURCE}");
        let at = source.find("fn HERE").unwrap();
        let beside = Beside::at(source.clone(), at);
        let field = |of, field| beside.field(of, field).map(|ty| ty.to_token_stream().to_string());
        assert_eq!(field("Service", "users").as_deref(), Some("Arc < dyn Users >"));
        assert_eq!((field("Service", "teams"), field("Repo", "users")), (None, None));
        assert_eq!(beside.fields("Service").unwrap(), ["db", "users"]);
        assert_eq!(beside.fields("Repo"), None);
        let leads_elsewhere = format!("{source} impl Deref for Service {{}}");
        assert_eq!(Beside::at(leads_elsewhere, at).fields("Service"), None);
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
}
