//! What an editor does with annotated functions: rust-analyzer renames them, and shows them.
//!
//! It is what `CACHED_ASIDE_TEST_EDITOR` names, else the toolchain's `rust-analyzer`; `cargo xtask test` installs that component. Where it
//! can't be installed the variable is `none`, and nothing of this is tested.

use std::{
    env, fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};
use server::Server;

mod server;

const CHOSEN: &str = "CACHED_ASIDE_TEST_EDITOR";
const PROGRAM: &str = include_str!("program.rs");

/// A package with the program, beside which rust-analyzer builds the macros.
fn package() -> (PathBuf, PathBuf) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("it is a member")
        .canonicalize()
        .expect("it is there");
    let folder = root.join("target/tests/editor");
    fs::create_dir_all(folder.join("src")).expect("a folder");
    let manifest = format!(
        "[package]\nname = \"program\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[dependencies]\ncached-aside = {{ path = \"{}\" }}\n\n[workspace]\n",
        root.join("runtime").display()
    );
    fs::write(folder.join("Cargo.toml"), manifest).expect("a file");
    fs::write(folder.join("src/main.rs"), PROGRAM).expect("a file");
    // The versions that are here.
    fs::copy(root.join("Cargo.lock"), folder.join("Cargo.lock")).expect("a file");
    (folder, root.join("target/tests/target"))
}

fn sysroot() -> PathBuf {
    let compiler = Command::new("rustc").args(["--print", "sysroot"]).output().expect("`rustc` runs");
    PathBuf::from(String::from_utf8(compiler.stdout).expect("a path").trim())
}

/// Where the text stands that begins `behind` characters into `mark`, of which there is one.
fn position(mark: &str, behind: usize) -> Value {
    let [before, _] = PROGRAM.split(mark).collect::<Vec<_>>()[..] else { panic!("`{mark}` is there once") };
    let line = before.matches('\n').count();
    let column = before.len() - before.rfind('\n').map_or(0, |end| end + 1) + behind;
    json!({ "line": line, "character": column })
}

/// The program after an answer to a rename.
fn renamed(answer: &Value) -> String {
    let edits = answer["documentChanges"][0]["edits"]
        .as_array()
        .or_else(|| answer["changes"].as_object()?.values().next()?.as_array())
        .unwrap_or_else(|| panic!("edits: {answer}"));
    let offset = |position: &Value| {
        let line = usize::try_from(position["line"].as_u64().expect("a number")).expect("a line");
        let column = usize::try_from(position["character"].as_u64().expect("a number")).expect("a column");
        PROGRAM.split_inclusive('\n').take(line).map(str::len).sum::<usize>() + column
    };
    let mut edits: Vec<_> = edits
        .iter()
        .map(|edit| {
            (
                offset(&edit["range"]["start"]),
                offset(&edit["range"]["end"]),
                edit["newText"].as_str().expect("text"),
            )
        })
        .collect();
    edits.sort_unstable();
    let mut text = PROGRAM.to_owned();
    for (start, end, new) in edits.into_iter().rev() {
        text.replace_range(start..end, new);
    }
    text
}

/// The program with another name in all of its places.
fn with_name(old: &str, new: &str) -> String {
    let is_of_name = |character: char| character.is_alphanumeric() || character == '_';
    let mut text = String::new();
    let mut rest = PROGRAM;
    while let Some(at) = rest.find(old) {
        let before = rest[..at].chars().next_back().or_else(|| text.chars().next_back());
        let after = rest[at + old.len()..].chars().next();
        let is_whole = !before.is_some_and(is_of_name) && !after.is_some_and(is_of_name);
        // A key's text is not the name.
        let is_name = is_whole && before != Some('"');
        text += &rest[..at];
        text += if is_name { new } else { old };
        rest = &rest[at + old.len()..];
    }
    text + rest
}

#[test]
fn an_editor_renames_and_shows_functions_wherever_they_are_named() {
    let chosen = env::var(CHOSEN).unwrap_or_else(|_| "rust-analyzer".to_owned());
    if chosen == "none" {
        println!("{CHOSEN} is `none`: what an editor does is not tested");
        return;
    }
    let runs = Command::new(&chosen).arg("--version").output().is_ok_and(|output| output.status.success());
    assert!(
        runs,
        "`{chosen}` does not run; `rustup component add rust-analyzer` installs it, and {CHOSEN} names another"
    );
    let (folder, target) = package();
    // Not by `eprintln`, which is shown when the test is over.
    let _ = io::stderr().write_all(
        b"rust-analyzer builds a small program first, which takes a minute or two where it is new\n",
    );
    let macros = sysroot().join("libexec/rust-analyzer-proc-macro-srv");
    let mut server = Server::open(&chosen, &folder, &target, &macros);
    let uri = format!("file://{}", folder.join("src/main.rs").display());
    let document = json!({ "uri": uri, "languageId": "rust", "version": 1, "text": PROGRAM });
    server.tell("textDocument/didOpen", &json!({ "textDocument": document }));
    server.wait();
    let document = json!({ "uri": uri });
    for (mark, behind, name) in [
        ("async fn load_user", 9, "load_user"),
        ("async fn price(", 9, "price"),
        ("pub fn catalog", 7, "catalog"),
        ("async fn order(", 9, "order"),
        ("#[invalidates(load_user(id), price", 14, "load_user"),
    ] {
        let asked =
            json!({ "textDocument": document, "position": position(mark, behind), "newName": "renamed" });
        let mut expected = with_name(name, "renamed");
        if mark.starts_with('#') {
            // What is named there is the companion: it is renamed with the function, and with all but the function's calls.
            expected = expected.replace("(renamed(1).await", "(load_user(1).await");
        }
        assert_eq!(renamed(&server.ask("textDocument/rename", &asked)), expected, "at `{mark}`");
    }
    for (mark, behind, shown) in [
        ("async fn load_user", 9, "pub async fn load_user(id: u64) -> Option<String>"),
        ("async fn prices", 9, "pub async fn prices("),
        ("tags(catalog(tenant))", 5, "pub fn catalog(tenant: u64) -> "),
    ] {
        let asked = json!({ "textDocument": document, "position": position(mark, behind) });
        let answer = server.ask("textDocument/hover", &asked);
        let text = answer["contents"]["value"].as_str().or(answer["contents"].as_str()).unwrap_or_default();
        let first = text.lines().find(|line| line.contains("fn ") || line.contains("enum "));
        assert!(first.is_some_and(|first| first.starts_with(shown)), "`{mark}` shows first: {text}");
    }
    // What stands behind a dot or a path.
    for (mark, behind, offered) in [
        ("repo.inner.order(1).await", 11, &["order", "orders", "save"][..]),
        (
            "Inner::order_key(1)",
            7,
            &["order", "order_key", "order_uncached", "orders", "orders_uncached", "save"],
        ),
        ("load_user::key(2)", 11, &["key", "uncached"]),
        ("prices::uncached(1, &[2])", 8, &["uncached"]),
    ] {
        let asked = json!({ "textDocument": document, "position": position(mark, behind) });
        let answer = server.ask("textDocument/completion", &asked);
        let items = answer["items"].as_array().or(answer.as_array()).unwrap_or_else(|| panic!("{answer}"));
        let is_function = |item: &&Value| item["kind"] == 2 || item["kind"] == 3;
        let name = |item: &Value| {
            let label = item["label"].as_str().unwrap_or_default();
            let end = label.find(|character: char| !character.is_alphanumeric() && character != '_');
            label[..end.unwrap_or(label.len())].to_owned()
        };
        let labels: Vec<_> = items.iter().filter(is_function).map(name).collect();
        println!("at `{mark}`: {labels:?}");
        let hidden: Vec<_> = labels.iter().filter(|label| label.starts_with("__")).collect();
        assert!(hidden.is_empty(), "at `{mark}`: {hidden:?}");
        assert!(
            offered.iter().all(|name| labels.iter().any(|label| label == name)),
            "at `{mark}`: {labels:?}"
        );
    }
    let lints = server.ask("textDocument/diagnostic", &json!({ "textDocument": document }));
    assert!(!lints.to_string().contains("non_camel_case_types"), "companions are not the program's: {lints}");
}

/// The text of the pages below a folder, without their markup.
fn pages(folder: &Path) -> String {
    let mut all = String::new();
    for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            all += &pages(&path);
        } else if path.extension().is_some_and(|ending| ending == "html") {
            let page = fs::read_to_string(&path).expect("a page");
            let text: String = page.split('<').filter_map(|part| Some(part.split_once('>')?.1)).collect();
            all += &text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
        }
    }
    all
}

#[test]
fn the_documentation_shows_types_as_they_are_written() {
    let (folder, target) = package();
    let mut rustdoc = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    rustdoc.args(["doc", "--quiet", "--no-deps", "--document-private-items"]).current_dir(&folder);
    rustdoc.env("CARGO_TARGET_DIR", &target).env("RUSTDOCFLAGS", "-D warnings");
    let output = rustdoc.output().expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = pages(&target.join("doc/program"));
    for shown in [
        "pub fn key(id: u64) -> Key<String>",
        "pub fn key(tenant: u64, id: u64) -> Key<u64>",
        "pub async fn uncached(id: u64) -> Option<String>",
        "pub fn order_key(id: u64) -> Key<u64>",
        "pub async fn load_user(id: u64) -> Option<String>",
        "pub async fn prices(tenant: u64, ids: &[u64]) -> HashMap<u64, u64>",
    ] {
        assert!(text.contains(shown), "`{shown}` is not shown");
    }
    for hidden in ["SHAPE", "__", "OPTION", "ReadFunction"] {
        let line = text.lines().find(|line| line.contains(hidden));
        assert_eq!(line, None, "`{hidden}` is shown");
    }
}
