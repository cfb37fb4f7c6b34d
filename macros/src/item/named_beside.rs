//! Functions and types that the file of an annotated function writes or imports.

use syn::{ImplItemFn, ItemFn, Visibility};

use super::beside::{Beside, Token, method_in, tokens};

impl Beside {
    /// Whether the function of this name is in the same module, and no `const fn`.
    pub(crate) fn is_not_const(&self, name: &str) -> bool {
        let of_module = tokens(&self.text[self.module().clone()]);
        are_not_const(&of_module.filter(|token| token.depth == 0).collect::<Vec<_>>(), name)
    }

    /// Whether the method of this name is in the file, and no `const fn`.
    pub(crate) fn is_no_const_method(&self, name: &str) -> bool {
        are_not_const(&tokens(&self.text).collect::<Vec<_>>(), name)
    }

    /// The only function of this name in the same module, outside of every `impl`.
    pub(crate) fn free_function(&self, name: &str) -> Option<ItemFn> {
        only_function(&self.text[self.module().clone()], name)
    }

    /// The only function of this name in the module of that name, which is written in the same module and is the only one, where nothing
    /// outside of it can name it.
    pub(crate) fn private_in(&self, module: &str, name: &str) -> Option<ItemFn> {
        let text = &self.text[self.module().clone()];
        let tokens: Vec<Token> = tokens(text).filter(|token| token.depth == 0).collect();
        let mut modules = tokens
            .windows(3)
            .enumerate()
            .filter(|(_, three)| three[0].text == "mod" && three[1].text == module);
        let ((at, [_, _, open]), None) = (modules.next()?, modules.next()) else { return None };
        let close = tokens[at..].iter().find(|token| token.text == "}").filter(|_| open.text == "{")?;
        only_function(&text[open.at + 1..close.at], name)
            .filter(|function| matches!(function.vis, Visibility::Inherited))
    }

    /// Whether nothing outside of the same `impl` can be meant by this name in its module: nothing there has it but what is called as a
    /// method or by a path, and nothing is imported by `*`.
    pub(crate) fn is_only_inside(&self, name: &str) -> bool {
        let module = self.module();
        let (mut before, mut last, mut importing) = ("", "", false);
        // The depth of a nested `mod` whose inside is left out: it has names of its own.
        let mut nested: Option<usize> = None;
        for token in tokens(&self.text[module.clone()]) {
            if nested.is_some_and(|depth| token.depth > depth) {
                continue;
            }
            nested = (token.text == "{" && before == "mod").then_some(token.depth);
            importing = token.text == "use" || importing && token.text != ";";
            let is_outside = !self.block().contains(&(module.start + token.at));
            let is_meant = token.text == name && (importing || !matches!(last, "." | ":"));
            if is_outside && (is_meant || token.text == "*" && last == ":") {
                return false;
            }
            (before, last) = (last, token.text);
        }
        true
    }

    /// The only function of this name in the `impl`s of this type in the same module, if any key there has fields of `self`.
    pub(crate) fn method_of(&self, of: &str, name: &str) -> Option<ImplItemFn> {
        let text = &self.text[self.module().clone()];
        if !text.contains("{self.") {
            return None;
        }
        let tokens: Vec<Token> = tokens(text).filter(|token| token.depth == 0).collect();
        let begins = tokens.iter().enumerate().filter(|(_, token)| token.text == "impl").map(|(at, _)| at);
        let mut found = begins
            .filter_map(|begin| {
                let length = tokens[begin..].iter().position(|token| token.text == "{")?;
                let header = &tokens[begin..begin + length];
                let is_of = header.iter().any(|token| token.text == of)
                    && !header.iter().any(|token| token.text == "for");
                let end = tokens[begin + length..].iter().find(|token| token.text == "}")?;
                is_of.then(|| &text[tokens[begin + length].at + 1..end.at])
            })
            .filter_map(|block| method_in(block, name));
        // Another one may be of a type with other parameters.
        let (method, None) = (found.next()?, found.next()) else { return None };
        Some(method)
    }

    /// Whether a type of this name is written or imported in the file.
    pub(crate) fn names_type(&self, name: &str) -> bool {
        self.imports(name)
            || ["struct", "enum", "union", "type"].iter().any(|keyword| self.has(keyword, name))
    }

    /// Whether a `use` in the file has this name.
    pub(crate) fn imports(&self, name: &str) -> bool {
        let mut importing = false;
        tokens(&self.text).any(|token| {
            importing = token.text == "use" || importing && token.text != ";";
            importing && token.text == name
        })
    }
}

/// The only function of this name among the items of the text.
fn only_function(text: &str, name: &str) -> Option<ItemFn> {
    let tokens: Vec<Token> = tokens(text).filter(|token| token.depth == 0).collect();
    let mut named =
        tokens.windows(2).enumerate().filter(|(_, pair)| pair[0].text == "fn" && pair[1].text == name);
    let ((at, _), None) = (named.next()?, named.next()) else { return None };
    let begins =
        tokens[..at].iter().rev().find(|token| matches!(token.text, ";" | "}")).map_or(0, |end| end.at + 1);
    let ends = tokens[at..].iter().find(|token| token.text == "}")?.at;
    syn::parse_str(&text[begins..=ends]).ok()
}

/// Whether there are functions of this name, and none is a `const fn`.
fn are_not_const(tokens: &[Token], name: &str) -> bool {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_and_types_are_found() {
        const SOURCE: &str = "
use shop::{Vec, other}; struct Mine; // struct Comment
#[cached_aside(ttl = \"5m\")] pub async fn one(id: u64) -> u64 { id }
mod inner { use a::b; fn one() {} fn nested() {} pub(crate) fn open() {} }
fn twice() {} fn twice() {}
fn HERE() {}
";
        let beside = Beside::at(SOURCE.to_owned(), SOURCE.find("fn HERE").unwrap());
        assert_eq!(
            ["Vec", "Mine", "Option", "Comment"].map(|name| beside.names_type(name)),
            [true, true, false, false]
        );
        assert!(beside.imports("other") && !beside.imports("Mine"));
        let one = beside.free_function("one").unwrap();
        assert!(one.attrs.len() == 1 && one.sig.inputs.len() == 1, "with its attributes");
        assert!(beside.free_function("nested").is_none() && beside.free_function("twice").is_none());
        assert!(
            beside.private_in("inner", "nested").is_some() && beside.private_in("inner", "open").is_none()
        );
        assert!(
            beside.private_in("inner", "none").is_none() && beside.private_in("other", "nested").is_none()
        );
    }
    #[test]
    fn a_name_may_be_that_of_a_method_alone() {
        const SOURCE: &str = "
use shop::imported;
impl Repo { fn get(&self) {} fn HERE() {} }
impl Repo<u8> { #[cached_aside(key = \"{self.tenant}\")] fn other(&self) { self.get(); Self::get(self); } }
impl From<Repo> for u8 { fn made() {} }
fn caller(repo: &Repo) { repo.get(); imported(); variable; }
#[cfg(test)] mod tests { use super::*; fn get() {} }
";
        let here = |source: &str| Beside::at(source.to_owned(), source.find("fn HERE").unwrap());
        for (name, expected) in [("get", true), ("imported", false), ("variable", false)] {
            assert_eq!(here(SOURCE).is_only_inside(name), expected, "{name}");
        }
        assert!(!here(&SOURCE.replace("shop::imported", "shop::*")).is_only_inside("get"));
        assert!(!here(&SOURCE.replace("fn caller", "fn get() {} fn caller")).is_only_inside("get"));
        let found = |of, name| here(SOURCE).method_of(of, name).is_some();
        assert!(
            found("Repo", "get") && found("Repo", "other") && !found("Repo", "made") && !found("u8", "get")
        );
    }

    #[test]
    fn a_function_that_is_not_constant_is_found() {
        let source = "mod user { fn ttl() {} }\nconst fn constant() {}\npub fn plain() {}\nfn HERE() {}";
        let beside = Beside::at(source.to_owned(), source.find("fn HERE").unwrap());
        for (name, of_module, of_file) in [
            ("plain", true, true),
            ("ttl", false, true),
            ("constant", false, false),
            ("elsewhere", false, false),
        ] {
            assert_eq!(beside.is_not_const(name), of_module, "{name}");
            assert_eq!(beside.is_no_const_method(name), of_file, "{name}");
        }
    }
}
