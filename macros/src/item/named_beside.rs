//! Functions and types that the file of an annotated function writes or imports.

use syn::{Attribute, Field, File, ImplItemFn, Item, ItemFn, ItemImpl, Type, Visibility};

use super::beside::{Beside, Token, method_in, tokens};
use crate::tokens::{compact, names};

/// An `impl` in the file.
pub(super) struct Impl<'a> {
    /// What it has between its braces.
    pub(super) inside: &'a str,
    pub(super) of_trait: bool,
    /// An attribute stands above it.
    pub(super) attributed: bool,
}

impl Beside {
    /// The field by which the struct of this name in the module borrows what it is deserialized from, if its `Deserialize` is serde's,
    /// derived, and certainly gives it such a field.
    pub(crate) fn borrowing_field(&self, of: &str) -> Option<String> {
        if self.is_in_block() {
            return None;
        }
        let file: File = syn::parse_str(&self.text[self.module().clone()]).ok()?;
        let mut structs = file.items.iter().filter_map(|item| match item {
            Item::Struct(item) if item.ident == of => Some(item),
            _ => None,
        });
        let (item, None) = (structs.next()?, structs.next()) else { return None };
        let conditional = |attrs: &[Attribute]| {
            attrs.iter().any(|attr| attr.path().is_ident("cfg") || attr.path().is_ident("cfg_attr"))
        };
        let given_otherwise = ["from", "try_from", "remote"];
        if !is_deserialize_derived(&item.attrs)
            || conditional(&item.attrs)
            || names_for_serde(&item.attrs).iter().any(|name| given_otherwise.contains(&&**name))
        {
            return None;
        }
        let borrows = |field: &Field| {
            let asked = names_for_serde(&field.attrs);
            let left_out = ["skip", "skip_deserializing", "with", "deserialize_with"];
            let by_type = match &field.ty {
                Type::Reference(reference) => match &*reference.elem {
                    Type::Path(path) => path.path.is_ident("str"),
                    Type::Slice(slice) => {
                        matches!(&*slice.elem, Type::Path(path) if path.path.is_ident("u8"))
                    }
                    _ => false,
                },
                _ => false,
            };
            !conditional(&field.attrs)
                && !asked.iter().any(|name| left_out.contains(&&**name))
                && (by_type || asked.iter().any(|name| name == "borrow"))
        };
        let (number, field) = item.fields.iter().enumerate().find(|(_, field)| borrows(field))?;
        Some(field.ident.as_ref().map_or_else(|| number.to_string(), ToString::to_string))
    }

    /// Whether the function of this name is in the same module, and none of the file is a `const fn`.
    pub(crate) fn is_not_const(&self, name: &str) -> bool {
        let of_module = tokens(&self.text[self.module().clone()]);
        are_not_const(&of_module.filter(|token| token.depth == 0).collect::<Vec<_>>(), name)
            && self.is_no_const_method(name)
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
        let is_private = |function: &ItemFn| matches!(function.vis, Visibility::Inherited);
        let is_configured =
            |attr: &Attribute| attr.path().is_ident("cfg") || attr.path().is_ident("cfg_attr");
        only_function(self.inside_of(module)?.0, name)
            .filter(|function| is_private(function) && !function.attrs.iter().any(is_configured))
    }

    /// Whether the module of that name, which is written in the same module and is the only one, has nothing of this name.
    pub(crate) fn lacks(&self, module: &str, name: &str) -> bool {
        let Some((text, false)) = self.inside_of(module) else { return false };
        let (name, mut importing) = (name.trim_start_matches("r#"), false);
        // A `*` may import it, and a macro or an attribute make it.
        let may_have = tokens(text).any(|token| {
            importing = token.text == "use" || importing && token.text != ";";
            token.text == name || matches!(token.text, "!" | "#") || importing && token.text == "*"
        });
        !may_have && !self.imports(module)
    }

    /// What the only module of this name in the same module has between its braces, and whether it has attributes.
    fn inside_of(&self, module: &str) -> Option<(&str, bool)> {
        let text = &self.text[self.module().clone()];
        let tokens: Vec<Token> = tokens(text).collect();
        let mut modules = tokens
            .windows(3)
            .enumerate()
            .filter(|(_, three)| three[0].text == "mod" && three[1].text == module);
        let ((at, [keyword, _, open]), None) = (modules.next()?, modules.next()) else { return None };
        let is_end = |token: &&Token| token.text == "}" && token.depth == 0;
        let close = tokens[at..].iter().find(is_end).filter(|_| keyword.depth == 0 && open.text == "{")?;
        let mut header = tokens[..at].iter().rev().take_while(|token| !matches!(token.text, ";" | "}"));
        Some((&text[open.at + 1..close.at], header.any(|token| token.text == "#")))
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
            if is_outside && (is_meant || token.text == "*" && (importing || last == ":")) {
                return false;
            }
            (before, last) = (last, token.text);
        }
        true
    }

    /// The only function of this name in the `impl`s of this type in the same module, if any key there has fields of `self`.
    pub(crate) fn method_of(&self, of: &str, name: &str) -> Option<ImplItemFn> {
        if !self.text[self.module().clone()].contains("{self.") {
            return None;
        }
        let own = self.impls_of(of).into_iter().filter(|item| !item.of_trait);
        let mut found = own.filter_map(|item| method_in(item.inside, name));
        // Another one may be of a type with other parameters.
        let (method, None) = (found.next()?, found.next()) else { return None };
        Some(method)
    }

    /// A function of this name in an `impl` of this type's own in the same module.
    pub(crate) fn inherent_method(&self, of: &str, name: &str) -> Option<ImplItemFn> {
        let own =
            self.impls_of(of).into_iter().filter(|item| !item.of_trait && has_function(item.inside, name));
        own.into_iter().find_map(|item| method_in(item.inside, name))
    }

    /// The only function of this name in the `impl`s of this type in the same module, where that is one of a trait.
    pub(crate) fn method_of_trait(&self, of: &str, name: &str) -> Option<ImplItemFn> {
        let mut found = self.impls_of(of).into_iter().filter(|item| has_function(item.inside, name));
        let (item, None) = (found.next()?, found.next()) else { return None };
        method_in(item.inside, name).filter(|_| item.of_trait)
    }

    /// Whether the file has modules in other files, which may have more of a type.
    pub(crate) fn has_files(&self) -> bool {
        let tokens: Vec<Token> = tokens(&self.text).collect();
        tokens.windows(3).any(|three| three[0].text == "mod" && three[2].text == ";")
    }

    /// Whether the file has one body of a function of this name.
    pub(crate) fn is_written_once(&self, name: &str) -> bool {
        let tokens: Vec<Token> = tokens(&self.text).collect();
        let has_body = |at: usize| {
            let depth = tokens[at].depth;
            let mut rest = tokens[at..].iter().filter(|token| token.depth == depth);
            rest.find(|token| matches!(token.text, "{" | ";")).is_some_and(|end| end.text == "{")
        };
        let named =
            tokens.windows(2).enumerate().filter(|(_, pair)| pair[0].text == "fn" && pair[1].text == name);
        named.filter(|(at, _)| has_body(*at)).count() == 1
    }

    /// Whether a struct, an enum or a union of this name, without parameters, is in the same module, and nothing else in the file has that
    /// name.
    pub(crate) fn is_only_type(&self, name: &str) -> bool {
        let module = self.module();
        let tokens: Vec<Token> = tokens(&self.text).collect();
        let is_item = |word: &str| matches!(word, "struct" | "enum" | "union" | "type" | "trait" | "mod");
        let mut items = tokens.windows(3).filter(|three| is_item(three[0].text) && three[1].text == name);
        let (Some([keyword, _, behind]), None) = (items.next(), items.next()) else { return false };
        let mut here = tokens.iter().filter(|token| module.contains(&token.at));
        let depth = here.next().map_or(0, |first| first.depth);
        matches!(keyword.text, "struct" | "enum" | "union")
            && keyword.depth == depth
            && module.contains(&keyword.at)
            && behind.text != "<"
            && !self.imports(name)
    }

    /// The `impl`s of the type of this name in the same module.
    pub(super) fn impls_of(&self, of: &str) -> Vec<Impl<'_>> {
        let text = &self.text[self.module().clone()];
        let tokens: Vec<Token> = tokens(text).filter(|token| token.depth == 0).collect();
        let begins = tokens.iter().enumerate().filter(|(_, token)| token.text == "impl").map(|(at, _)| at);
        let found = begins.filter_map(|begin| {
            let open = begin + tokens[begin..].iter().position(|token| token.text == "{")?;
            let header = &tokens[begin..open];
            let close = tokens[open..].iter().find(|token| token.text == "}")?;
            if !header.iter().any(|token| token.text == of) {
                return None;
            }
            let item = &text[tokens[begin].at..tokens[open].at];
            let item: ItemImpl = syn::parse_str(&format!("{item} {{}}")).ok()?;
            let is_of = matches!(&*item.self_ty, Type::Path(path) if path.path.segments.last().is_some_and(|last| last.ident == of));
            is_of.then(|| Impl {
                inside: &text[tokens[open].at + 1..close.at],
                of_trait: item.trait_.is_some(),
                attributed: is_attributed(&tokens[..begin]),
            })
        });
        found.collect()
    }

    /// Whether a type of this name is written or imported in the file.
    pub(crate) fn names_type(&self, name: &str) -> bool {
        self.imports(name)
            || ["struct", "enum", "union", "type"].iter().any(|keyword| self.has(keyword, name))
    }

    /// Whether a `use` in the file that begins with another crate or module than those of the standard library has this name.
    pub(crate) fn imports_from_elsewhere(&self, name: &str) -> bool {
        let (mut first, mut before) = ("", "");
        tokens(&self.text).any(|token| {
            match (before, token.text) {
                // `use ::std::…`
                ("use", ":") => return false,
                ("use", of) => first = of,
                (_, ";") => first = "",
                _ => {}
            }
            before = token.text;
            !matches!(first, "" | "std" | "core" | "alloc") && token.text == name
        })
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

/// Whether one of these is `#[derive(…)]` of serde's `Deserialize`.
fn is_deserialize_derived(attrs: &[Attribute]) -> bool {
    let derives = attrs.iter().filter(|attr| attr.path().is_ident("derive"));
    derives.filter_map(|attr| attr.meta.require_list().ok()).any(|list| {
        let written = compact(&list.tokens);
        written
            .split(',')
            .any(|path| ["Deserialize", "serde::Deserialize", "::serde::Deserialize"].contains(&path.trim()))
    })
}

/// The names in `#[serde(…)]`.
fn names_for_serde(attrs: &[Attribute]) -> Vec<String> {
    let asked = attrs.iter().filter(|attr| attr.path().is_ident("serde"));
    asked.filter_map(|attr| attr.meta.require_list().ok()).flat_map(|list| names(&list.tokens)).collect()
}

/// Whether an attribute stands before an `impl`.
pub(super) fn is_attributed(before: &[Token]) -> bool {
    before.iter().rev().find(|token| token.text != "unsafe").is_some_and(|token| token.text == "]")
}

/// Whether the text has a function of this name outside of all brackets.
fn has_function(text: &str, name: &str) -> bool {
    let tokens: Vec<Token> = tokens(text).filter(|token| token.depth == 0).collect();
    tokens.windows(2).any(|pair| pair[0].text == "fn" && pair[1].text == name)
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
mod raw { pub fn r#type() {} }
fn twice() {} fn twice() {}
mod importing { pub use super::{all::{self, *}}; } mod making { loaders! { users } } #[made] pub(crate) mod made {}
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
        assert!(
            beside.lacks("inner", "none") && !beside.lacks("inner", "open") && !beside.lacks("other", "none")
        );
        assert!(
            !beside.lacks("importing", "none")
                && !beside.lacks("making", "none")
                && !beside.lacks("made", "none")
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
