//! The keys and types that are written in the file of an annotated function.

use syn::LitStr;

use super::{
    beside::{Beside, tokens},
    lexer::skip,
};

impl Beside {
    /// The templates behind `key =`.
    pub(crate) fn keys(&self) -> Vec<String> {
        let (mut keys, mut before, mut at) = (Vec::new(), ["", ""], 0);
        while at < self.text.len() {
            let rest = &self.text[at..];
            let token = &rest[..skip(rest)];
            at += token.len();
            if token.trim().is_empty() || token.starts_with("//") || token.starts_with("/*") {
                continue;
            }
            if before == ["key", "="]
                && let Ok(key) = syn::parse_str::<LitStr>(token)
            {
                keys.push(key.value());
            }
            before = [before[1], token];
        }
        keys
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
        assert_eq!(beside.keys(), ["user:{id}", "team:{id}"]);
        assert_eq!(["Vec", "Mine", "Option"].map(|name| beside.names_type(name)), [true, true, false]);
    }
}
