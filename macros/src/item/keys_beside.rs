//! The keys, types and cached functions that are written in the file of an annotated function.

use syn::{ItemFn, LitStr, Type};

use super::{
    beside::{Beside, Token, tokens},
    context::{Context, of_header, without_attributes},
    lexer::{Frame, enclosing, skip},
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

    /// Whether the cached function of this name, in the type or the inline module `of`, is private to a module that the annotated
    /// function is not in.
    pub(crate) fn is_out_of_reach(&self, name: &str, of: &str) -> bool {
        let all: Vec<Token> = tokens(&self.text).collect();
        let count = |keywords: &[&str], name: &str| {
            all.windows(2).filter(|pair| keywords.contains(&pair[0].text) && pair[1].text == name).count()
        };
        if count(&["struct", "enum", "union", "type", "mod"], of) > 1 {
            return false;
        }
        let here = enclosing(&self.text[..self.at]);
        let named = all.windows(2).filter(|pair| pair[0].text == "fn" && pair[1].text == name);
        let mut found = named.filter_map(|pair| {
            // As if its block began here: what is before the function is the header of that.
            let mut frames = enclosing(&format!("{}{{", &self.text[..pair[0].at]));
            let own = frames.pop()?;
            (owner(&frames)? == of).then_some((own, frames))
        });
        let (Some((own, frames)), None) = (found.next(), found.next()) else { return false };
        let module = frames.iter().rev().find(|frame| module_name(frame).is_some());
        let is_inside = |module: &Frame| here.iter().any(|frame| frame.at == module.at);
        let is_private =
            !without_attributes(&own.header).split_whitespace().any(|word| word.starts_with("pub"));
        is_private && own.header.contains("cached_aside") && module.is_some_and(|module| !is_inside(module))
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

/// The type of the `impl` in which something stands, or the name of its module.
fn owner(frames: &[Frame]) -> Option<String> {
    let last = frames.last().filter(|frame| frame.open == '{')?;
    if let Some(module) = module_name(last) {
        return Some(module.to_owned());
    }
    match of_header(&last.header) {
        Context::Inherent(Some(item)) => match &*item.self_ty {
            Type::Path(path) => path.path.segments.last().map(|last| last.ident.to_string()),
            _ => None,
        },
        _ => None,
    }
}

/// `users` of `pub mod users {`
fn module_name(frame: &Frame) -> Option<&str> {
    let mut words = frame.header.split_whitespace().rev();
    let name = words.next()?;
    (frame.open == '{' && words.next() == Some("mod")).then_some(name)
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
    #[test]
    fn private_functions_of_other_modules_are_found() {
        const SOURCE: &str = r#"
mod users {
    #[cached_aside(ttl = "1m")] async fn private(id: u64) {}
    #[cached_aside(ttl = "1m")] pub async fn public(id: u64) {}
    async fn plain(id: u64) {}
    impl Repo { #[cached_aside(ttl = "1m")] async fn load(&self) {} #[cached_aside()] pub(crate) async fn get(&self) {} }
    impl Load for Repo { async fn of_trait(&self) {} }
}
#[cached_aside(ttl = "1m")] async fn beside(id: u64) {}
impl Other { #[cached_aside(ttl = "1m")] async fn load_other(&self) {} }
mod inner { fn HERE() {} }
"#;
        let beside = Beside::at(SOURCE.to_owned(), SOURCE.find("fn HERE").unwrap());
        for (name, of, expected) in [
            ("private", "users", true),
            ("public", "users", false),
            ("plain", "users", false),
            ("load", "Repo", true),
            ("get", "Repo", false),
            ("of_trait", "Repo", false),
            ("load", "Other", false),
            ("load_other", "Other", false),
            ("beside", "users", false),
        ] {
            assert_eq!(beside.is_out_of_reach(name, of), expected, "{name} of {of}");
        }
        let within = Beside::at(SOURCE.to_owned(), SOURCE.find("async fn plain").unwrap());
        assert!(!within.is_out_of_reach("load", "Repo"));
        assert!(within.free_function("public").is_some() && within.free_function("beside").is_none());
    }
}
