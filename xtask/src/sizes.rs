//! Sizes of files and functions: past these, two things live in one room.

use std::{fs, path::Path};

/// Maximum length of a file (lines).
const FILE: usize = 450;
/// Maximum length of the body of a function of the product (lines): a screen.
const FUNCTION: usize = 60;

/// Maximum length of the README (lines).
const README: usize = 250;

/// Source of the product, and of what tests it.
const PRODUCT: [&str; 5] = ["cli/src", "inspector/src", "macros/src", "protocol/src", "runtime/src"];
const TESTS: [&str; 5] = ["benches/src", "cli/tests", "inspector/tests", "tests", "xtask/src"];
/// Files and folders of the product that only tests have.
const ONLY_TESTS: [&str; 4] = ["tests", "suite", "interleavings", "faulty"];

/// What may be longer: a file, or a function as `file fn name`, with its maximum length and the reason.
const LONGER: [(&str, usize, &str); 1] = [(
    "macros/src/plan/key.rs fn resolve_in_function",
    66,
    "what a placeholder may name, in the order in which it is looked up",
)];

/// What is too long below `root`: one line each.
fn problems(root: &Path) -> Vec<String> {
    let readme = fs::read_to_string(root.join("README.md")).expect("there is one");
    let mut problems: Vec<String> =
        too_long("README.md", readme.lines().count(), README).into_iter().collect();
    for (folders, is_product) in [(PRODUCT, true), (TESTS, false)] {
        for folder in folders {
            let mut files = Vec::new();
            add_files(&root.join(folder), &mut files);
            for path in files {
                let name = path.strip_prefix(root).expect("it lies below").display().to_string();
                let text = fs::read_to_string(&path).expect("the source can be read");
                let of_tests = name.split(['/', '.']).any(|part| ONLY_TESTS.contains(&part));
                problems.extend(too_long(&name, text.lines().count(), FILE));
                if is_product && !of_tests {
                    let functions = functions(&text).into_iter();
                    problems.extend(functions.filter_map(|(function, lines)| {
                        too_long(&format!("{name} fn {function}"), lines, FUNCTION)
                    }));
                }
            }
        }
    }
    problems
}

fn too_long(what: &str, lines: usize, limit: usize) -> Option<String> {
    let longer = LONGER.iter().find(|(name, ..)| *name == what);
    let limit = longer.map_or(limit, |(_, limit, _)| *limit);
    (lines > limit).then(|| format!("{what}: {lines} lines, more than {limit}"))
}

fn add_files(folder: &Path, files: &mut Vec<std::path::PathBuf>) {
    let entries = fs::read_dir(folder).expect("the source can be read").flatten();
    for path in entries.map(|entry| entry.path()) {
        if path.is_dir() {
            add_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// The functions of a formatted file, and the lengths of their bodies: from the line that ends in `{` to the `}` of the same
/// indentation. Inline tests, which come last, are left out.
fn functions(text: &str) -> Vec<(String, usize)> {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let mut functions = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let Some(name) = function(line) else { continue };
        let indentation = &line[..line.len() - line.trim_start().len()];
        let Some(opens) = lines[at..].iter().position(|line| line.ends_with(['{', ';', '}'])) else {
            continue;
        };
        if !lines[at + opens].ends_with('{') {
            continue;
        }
        let end = format!("{indentation}}}");
        let body = lines[at + opens + 1..].iter().position(|line| *line == end);
        functions.push((name.to_owned(), body.unwrap_or(usize::MAX)));
    }
    functions
}

/// The name of the function that begins in this line.
fn function(line: &str) -> Option<&str> {
    let (before, after) = line.trim_start().split_once("fn ")?;
    let is_modifier = |word: &str| {
        matches!(word, "pub" | "const" | "async" | "in") || word.starts_with("pub(") || word.ends_with(')')
    };
    let name = after.split(['(', '<']).next()?;
    before.split_whitespace().all(is_modifier).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_functions_stay_short() {
        let problems = problems(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/..")));
        assert!(problems.is_empty(), "{}", problems.join("\n"));
    }

    #[test]
    fn bodies_are_counted() {
        let text = "\
pub(in super::super) async fn long<T>(
    one: T,
) -> T {
    if true {
        one
    }
}

impl Thing {
    fn short(&self) {}

    const fn other(&self) -> u8 {
        0
    }
}

trait Told {
    fn only(&self);
}

// A comment about fn pointers {
#[cfg(test)]
mod tests {
    fn left_out() {
    }
}
";
        assert_eq!(functions(text), [("long".to_owned(), 3), ("other".to_owned(), 1)]);
        assert_eq!(too_long("a.rs", FILE, FILE), None);
        assert_eq!(too_long("a.rs", FILE + 1, FILE).unwrap(), "a.rs: 451 lines, more than 450");
        let [(name, limit, _), ..] = LONGER;
        assert_eq!((too_long(name, limit, 1), too_long(name, limit + 1, 1).is_some()), (None, true));
    }
}
