//! Functions that the source shows to be plain ones, where the compiler would speak of types and traits.

use syn::{Attribute, ItemFn};

use super::{
    beside::{Beside, Token, tokens},
    named_beside::is_attributed,
};

/// Attributes that make nothing beside a function.
const HARMLESS: [&str; 9] =
    ["allow", "cold", "deny", "deprecated", "doc", "expect", "inline", "must_use", "warn"];

/// Macros that make no items.
const MAKE_NOTHING: [&str; 15] = [
    "assert",
    "assert_eq",
    "assert_ne",
    "dbg",
    "format",
    "join",
    "keys",
    "matches",
    "panic",
    "println",
    "select",
    "try_join",
    "vec",
    "write",
    "writeln",
];

/// Whether this name can't but mean a function without an attribute that would cache it, where it is written.
pub(crate) fn is_uncached(name: &str, beside: &Beside) -> bool {
    let text = &beside.text[beside.module().clone()];
    let tokens = outside_of_modules(text);
    let is_import = |importing: &mut bool, token: &Token| {
        *importing = token.text == "use" || *importing && token.text != ";";
        Some(*importing && (token.text == name || token.text == "*"))
    };
    // Macros between the functions may make anything, and most of those inside of them what they are given.
    let is_made = |at: usize, three: &[Token]| {
        let opens = three[1].text == "!" && matches!(three[2].text, "{" | "(" | "[") && three[0].text != "#";
        let mut given = tokens[at + 3..].iter().take_while(|token| token.depth > three[2].depth);
        let makes = !MAKE_NOTHING.contains(&three[0].text) && given.any(|token| token.text == name);
        opens && (three[0].depth == 0 || makes)
    };
    if tokens.iter().scan(false, is_import).any(|import| import)
        || tokens.windows(3).enumerate().any(|(at, three)| is_made(at, three))
        || has_companion(name, beside)
    {
        return false;
    }
    let is_item = |pair: &&[Token]| {
        pair[1].text == name
            && matches!(pair[0].text, "fn" | "enum" | "struct" | "type" | "mod" | "trait" | "union")
    };
    let mut items = tokens.windows(2).filter(is_item);
    let here = beside.at - beside.module().start;
    match (items.next(), items.next()) {
        (Some([keyword, _]), None) if keyword.text == "fn" && is_seen(keyword, here, &tokens) => {
            let ends_item = |token: &&Token| {
                let is_end = token.depth == keyword.depth && matches!(token.text, ";" | "}");
                token.at < keyword.at && (is_end || token.depth < keyword.depth)
            };
            let begins = tokens.iter().rev().find(ends_item).map_or(0, |end| end.at + 1);
            is_plain(&text[begins..keyword.at])
        }
        _ => false,
    }
}

/// Whether the type of the function here has a function of this name of its own, without an attribute that would cache it.
pub(crate) fn is_uncached_here(name: &str, beside: &Beside) -> bool {
    let (module, block) = (beside.module().clone(), beside.block().clone());
    let tokens: Vec<Token> = tokens(&beside.text[module.clone()]).filter(|token| token.depth == 0).collect();
    let open = tokens.iter().position(|token| module.start + token.at + 1 == block.start);
    let Some(begin) = open.and_then(|open| tokens[..open].iter().rposition(|token| token.text == "impl"))
    else {
        return false;
    };
    !leads_elsewhere(beside)
        && !has_companion(name, beside)
        && !is_attributed(&tokens[..begin])
        && functions_in(&beside.text[block], name) == [true]
}

/// The same of the type of this name in the module.
pub(crate) fn is_uncached_of(of: &str, name: &str, beside: &Beside) -> bool {
    if leads_elsewhere(beside) || has_companion(name, beside) || !beside.is_only_type(of) {
        return false;
    }
    let own = beside.impls_of(of).into_iter().filter(|item| !item.of_trait);
    let functions = own.flat_map(|item| {
        functions_in(item.inside, name).into_iter().map(move |plain| plain && !item.attributed)
    });
    functions.collect::<Vec<_>>() == [true]
}

/// Whether the file has a companion of the function that somebody wrote by hand.
fn has_companion(name: &str, beside: &Beside) -> bool {
    let of_type = [format!("{name}_key"), format!("__{name}_key")];
    tokens(&beside.text).any(|token| of_type.iter().any(|companion| token.text == companion))
}

/// What is called on a type may be a function of the one that it leads to.
fn leads_elsewhere(beside: &Beside) -> bool {
    tokens(&beside.text).any(|token| token.text == "Deref")
}

/// For each function of this name in what an `impl` has between its braces: whether it has no attribute that would cache it.
fn functions_in(block: &str, name: &str) -> Vec<bool> {
    let tokens: Vec<Token> = tokens(block).filter(|token| token.depth == 0).collect();
    let named =
        tokens.windows(2).enumerate().filter(|(_, pair)| pair[0].text == "fn" && pair[1].text == name);
    let plain = |at: usize| {
        let ends_item = |token: &&Token| matches!(token.text, ";" | "}");
        let begins = tokens[..at].iter().rev().find(ends_item).map_or(0, |end| end.at + 1);
        is_plain(&block[begins..tokens[at].at])
    };
    named.map(|(at, _)| plain(at)).collect()
}

/// Whether what stands before a `fn` makes nothing of it.
fn is_plain(header: &str) -> bool {
    let function = syn::parse_str::<ItemFn>(&format!("{header} fn plain() {{}}"));
    let is_harmless = |attr: &Attribute| HARMLESS.iter().any(|name| attr.path().is_ident(name));
    function.is_ok_and(|function| function.attrs.iter().all(is_harmless))
}

/// Whether the function that begins there can be called by its name from here: it is one of the module, or of a block around this place.
fn is_seen(keyword: &Token, here: usize, tokens: &[Token]) -> bool {
    let Some(depth) = keyword.depth.checked_sub(1) else { return true };
    let Some(open) = tokens.iter().rposition(|token| token.at < keyword.at && token.depth == depth) else {
        return false;
    };
    let close = tokens.iter().find(|token| token.at > keyword.at && token.depth == depth);
    if tokens[open].text != "{" || here < tokens[open].at || close.is_none_or(|close| close.at < here) {
        return false;
    }
    // What an `impl` or a trait has is called as a method, or by the name of its type.
    let ends =
        |token: &&Token| token.depth < depth || matches!(token.text, ";" | "}") && token.depth == depth;
    let mut header = tokens[..open].iter().rev().take_while(|token| !ends(token));
    let of_type = header.clone().any(|token| matches!(token.text, "impl" | "trait"));
    !of_type || header.any(|token| token.text == "fn")
}

/// The tokens that are in no module inside of this one.
fn outside_of_modules(text: &str) -> Vec<Token<'_>> {
    let (mut kept, mut inside): (Vec<Token>, Option<usize>) = (Vec::new(), None);
    for token in tokens(text) {
        match inside {
            Some(depth) if token.depth == depth && token.text == "}" => inside = None,
            Some(_) => continue,
            None => {
                let is_module =
                    token.text == "{" && kept.iter().nth_back(1).is_some_and(|word| word.text == "mod");
                inside = is_module.then_some(token.depth);
            }
        }
        kept.push(token);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = r#"
//! About `use all::*;`
use shop::{User, imported};
mod inner { use super::*; fn plain() {} fn elsewhere() {} }
/// Loads `cached` things.
#[must_use]
pub(crate) async fn plain(id: u64) -> u64 { id }
#[cached_aside(ttl = "5m", key = "user:{id}")]
async fn cached(id: u64) -> u64 { id }
#[cfg(feature = "x")]
async fn configured() {}
async fn twice() {}
struct Repo;
impl Repo { async fn method(&self) {} }
fn outer() -> impl Any { async fn twice() {} let x = 5; async fn around() {} { async fn nested() {} } HERE; }
impl Repo { async fn beside_method(&self) { #[cached_aside(key = "x")] async fn cached_around() {} async fn around_method() {} THERE; } }
"#;

    fn shown(source: &str, name: &str) -> bool {
        shown_at(source, name, " HERE")
    }

    fn shown_at(source: &str, name: &str, at: &str) -> bool {
        is_uncached(name, &Beside::at(source.to_owned(), source.find(at).unwrap()))
    }

    #[test]
    fn only_what_is_certainly_a_plain_function_is_called_so() {
        assert!(shown(SOURCE, "plain"));
        for name in
            ["cached", "configured", "twice", "nested", "method", "imported", "elsewhere", "Repo", "nothing"]
        {
            assert!(!shown(SOURCE, name), "{name}");
        }
    }

    #[test]
    fn a_function_of_a_block_is_meant_inside_of_it_alone() {
        assert!(shown(SOURCE, "around") && !shown_at(SOURCE, "around", " THERE"));
        assert!(shown_at(SOURCE, "around_method", " THERE") && !shown(SOURCE, "around_method"));
        for name in ["nested", "beside_method", "cached_around"] {
            assert!(!shown_at(SOURCE, name, " THERE"), "{name}");
        }
    }

    #[test]
    fn a_plain_function_of_a_type_is_found() {
        const SOURCE: &str = r#"
struct Repo;
struct Other;
struct Of<T>(T);
mod elsewhere { pub struct Twice; }
struct Twice;
impl Of<u8> { fn once() {} }
impl Twice { fn once() {} }
impl Repo {
    fn by_hand(&self) {}
    fn by_hand_key(&self) {}
    #[cached_aside(ttl = "5m", key = "user:{id}")]
    async fn cached(&self, id: u64) {}
    /// Loads.
    pub async fn plain(&self) {}
    #[instrument]
    async fn attributed(&self) {}
    async fn HERE(&self) {}
}
impl Store for Repo { async fn stored(&self) {} }
impl Other { fn twice() {} }
#[automock]
impl Other { fn mocked() {} }
impl Other { fn twice() {} fn once() {} }
"#;
        let here = |source: &str| Beside::at(source.to_owned(), source.find("fn HERE").unwrap());
        for (of, name, expected) in [
            ("Repo", "plain", true),
            ("Repo", "cached", false),
            ("Repo", "attributed", false),
            ("Repo", "stored", false),
            ("Other", "once", true),
            ("Other", "twice", false),
            ("Other", "mocked", false),
            ("Nothing", "plain", false),
            ("Repo", "by_hand", false),
            ("Of", "once", false),
            ("Twice", "once", false),
        ] {
            assert_eq!(is_uncached_of(of, name, &here(SOURCE)), expected, "{of}::{name}");
            let of_self = of == "Repo" && is_uncached_here(name, &here(SOURCE));
            assert_eq!(of_self, expected && of == "Repo", "self.{name}");
        }
        let mocked = SOURCE.replace("impl Repo {", "#[automock] impl Repo {");
        assert!(
            !is_uncached_of("Repo", "plain", &here(&mocked)) && !is_uncached_here("plain", &here(&mocked))
        );
        let leading = format!("{SOURCE} impl Deref for Repo {{}}");
        assert!(
            !is_uncached_of("Repo", "plain", &here(&leading)) && !is_uncached_here("plain", &here(&leading))
        );
    }

    #[test]
    fn where_something_else_may_be_meant_nothing_is_said() {
        for more in [
            "use all::*;",
            "use more::plain;",
            "enum plain {}",
            "loaders! { of plain }",
            "use a::{b, c as plain};",
        ] {
            assert!(
                !shown(&SOURCE.replace("struct Repo;", &format!("struct Repo; {more}")), "plain"),
                "{more}"
            );
            let nested = SOURCE.replace("HERE;", &format!("{more} HERE;"));
            assert!(!shown(&nested, "plain"), "{more}");
        }
    }
}
