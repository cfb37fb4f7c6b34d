//! Functions and types that the file of an annotated function writes or imports.

use syn::ItemFn;

use super::beside::{Beside, Token, tokens};

impl Beside {
    /// The only function of this name in the same module, outside of every `impl`.
    pub(crate) fn free_function(&self, name: &str) -> Option<ItemFn> {
        let text = &self.text[self.module().clone()];
        let tokens: Vec<Token> = tokens(text).filter(|token| token.depth == 0).collect();
        let mut named =
            tokens.windows(2).enumerate().filter(|(_, pair)| pair[0].text == "fn" && pair[1].text == name);
        let ((at, _), None) = (named.next()?, named.next()) else { return None };
        let begins = tokens[..at]
            .iter()
            .rev()
            .find(|token| matches!(token.text, ";" | "}"))
            .map_or(0, |end| end.at + 1);
        let ends = tokens[at..].iter().find(|token| token.text == "}")?.at;
        syn::parse_str(&text[begins..=ends]).ok()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_and_types_are_found() {
        const SOURCE: &str = "
use shop::{Vec, other}; struct Mine; // struct Comment
#[cached_aside(ttl = \"5m\")] pub async fn one(id: u64) -> u64 { id }
mod inner { fn one() {} fn nested() {} }
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
    }
}
