//! The keys, types and cached functions that are written in the file of an annotated function.

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
        let (mut before, mut importing) = ("", false);
        tokens(&self.text).any(|token| {
            importing = token.text == "use" || importing && token.text != ";";
            let written = matches!(before, "struct" | "enum" | "union" | "type");
            before = token.text;
            token.text == name && (written || importing)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_types_are_found() {
        const SOURCE: &str = r##"
use shop::{Vec, other}; struct Mine; // key = "comment"
#[cached_aside(ttl = "5m", key = "user:{id}")] fn HERE() { let x = "key = \"text\""; }
#[cached_aside(key= /* raw */ r#"team:{id}"#, tags("t"))] fn other() -> Option<u8> {}
"##;
        let beside = Beside::at(SOURCE.to_owned(), SOURCE.find("fn HERE").unwrap());
        assert_eq!(["Vec", "Mine", "Option"].map(|name| beside.names_type(name)), [true, true, false]);
    }
}
