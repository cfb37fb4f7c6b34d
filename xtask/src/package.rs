//! What would be published: nothing missing, nothing stray.

use std::{
    env, fs,
    path::Path,
    process::{Command, Stdio},
};

/// The crates that are published, and their folders.
const PUBLISHED: [(&str, &str); 5] = [
    ("cached-aside-macros", "macros"),
    ("cached-aside-protocol", "protocol"),
    ("cached-aside", "runtime"),
    ("cached-aside-inspector", "inspector"),
    ("cached-aside-cli", "cli"),
];
/// Where the pages have their links while they are modules of the documentation.
const LINKS: &str = "runtime/src/docs/links.md";
/// Links of pages that only lead somewhere in the repository: pictures and the report of the benchmark.
const ONLY_IN_THE_REPOSITORY: [&str; 2] = ["../benches/report/", "../inspector/pictures/"];
/// Files that every package holds.
const NEEDED: [&str; 4] = ["Cargo.toml", "LICENSE-APACHE", "LICENSE-MIT", "README.md"];
/// Files that cargo adds by itself.
const ADDED: [&str; 3] = [".cargo_vcs_info.json", "Cargo.lock", "Cargo.toml.orig"];
/// Folders whose files belong into a package.
const FOLDERS: [&str; 3] = ["docs/", "snapshots/", "src/"];
/// How the names of those files end: code, pages, dashboards, the drawings that tests compare with, and the inspector's page.
const ENDINGS: [&str; 10] = [".rs", ".lua", ".md", ".dot", ".mmd", ".json", ".yml", ".html", ".css", ".js"];

/// Says what is wrong with the packages.
pub(crate) fn check() -> Result<(), String> {
    let mut wrong = Vec::new();
    for (package, folder) in PUBLISHED {
        let files = files(package)?;
        let dead = dead_links(folder, &files)?;
        wrong.extend(problems(&files).into_iter().chain(dead).map(|problem| format!("{package}: {problem}")));
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}

fn files(package: &str) -> Result<Vec<String>, String> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut list = Command::new(cargo);
    list.args(["package", "--list", "--allow-dirty", "--quiet", "--package", package]).stdin(Stdio::null());
    let output = list.output().map_err(|error| format!("cargo package: {error}"))?;
    if !output.status.success() {
        return Err(format!("cargo package: {}", String::from_utf8_lossy(&output.stderr)));
    }
    Ok(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect())
}

/// The links of the packaged pages that lead nowhere on crates.io and docs.rs, which have neither the repository nor its files.
fn dead_links(folder: &str, files: &[String]) -> Result<Vec<String>, String> {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let read = |path: &Path| fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()));
    let links = read(&root.join(LINKS))?;
    let mut dead = Vec::new();
    for file in files.iter().filter(|file| is_page(file)) {
        let text = read(&root.join(folder).join(file))?;
        for (name, target) in relative_links(&text) {
            // The first of two definitions counts.
            let is_replaced =
                name.is_some_and(|name| file != "README.md" && links.contains(&format!("[{name}]:")));
            if !is_replaced && !ONLY_IN_THE_REPOSITORY.iter().any(|folder| target.starts_with(folder)) {
                dead.push(format!(
                    "the link of `{file}` to `{target}` leads nowhere outside of the repository"
                ));
            }
        }
    }
    Ok(dead)
}

fn is_page(file: &str) -> bool {
    Path::new(file).extension().is_some_and(|extension| extension == "md") && !file.starts_with("src/")
}

/// The links of a page to other files, with their names where they are defined by name. Those to items of the documentation have
/// no dot.
fn relative_links(text: &str) -> Vec<(Option<&str>, &str)> {
    let mut links = Vec::new();
    for line in text.lines() {
        let defined = line.strip_prefix('[').and_then(|rest| rest.split_once("]: "));
        links.extend(defined.map(|(name, target)| (Some(name), target)));
        let inline = line.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        links.extend(inline.map(|target| (None, target)));
    }
    let is_relative = |target: &str| {
        let file = target.split('#').next().unwrap_or_default();
        file.contains('.') && !target.contains("://")
    };
    links.retain(|(_, target)| is_relative(target));
    links
}

fn problems(files: &[String]) -> Vec<String> {
    let has = |needed: &str| files.iter().any(|file| file == needed);
    let missing = NEEDED.into_iter().filter(|needed| !has(needed));
    let belongs = |file: &str| {
        NEEDED.contains(&file)
            || ADDED.contains(&file)
            || FOLDERS.iter().any(|folder| file.starts_with(folder))
                && ENDINGS.iter().any(|ending| file.ends_with(ending))
    };
    let stray = files.iter().filter(|file| !belongs(file));
    let missing = missing.map(|file| format!("`{file}` is missing"));
    missing.chain(stray.map(|file| format!("`{file}` does not belong there"))).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn packages_are_whole_without_dead_links_and_stray_files() {
        assert_eq!(check(), Ok(()));
    }

    /// What `docs/comparison.md` says of this library, counted as it says.
    #[test]
    fn as_many_crates_are_needed_as_the_comparison_says() {
        let mut tree = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        tree.args(["tree", "--package", "cached-aside", "--edges", "normal", "--prefix", "none"]);
        let output =
            tree.args(["--target", "x86_64-unknown-linux-gnu"]).stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let lines = String::from_utf8(output.stdout).unwrap();
        let crates: BTreeSet<&str> = lines.lines().map(|line| line.trim_end_matches(" (*)")).collect();
        let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/comparison.md")).unwrap();
        let row = page.lines().find(|line| line.starts_with("| crates |")).unwrap();
        let said = row.trim_end_matches([' ', '|']).rsplit("| ").next().unwrap();
        assert_eq!(said, crates.len().to_string(), "the page is old");
    }

    #[test]
    fn links_to_other_files_are_found() {
        let text = "See [the map](ARCHITECTURE.md#crates), [x](https://a.b/c.md) and [y][y], `vec![0](1)`.\n\
                    [page](crate::docs::keys) [here](#here)\n\
                    [y]: docs/y.md\n[z]: https://docs.rs/z.html\n";
        assert_eq!(relative_links(text), [(None, "ARCHITECTURE.md#crates"), (Some("y"), "docs/y.md")]);
    }

    #[test]
    fn what_is_missing_and_what_is_stray_is_named() {
        let files = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let whole = ["Cargo.toml", "Cargo.lock", "LICENSE-APACHE", "LICENSE-MIT", "README.md", "src/lib.rs"];
        assert_eq!(problems(&files(&whole)), [""; 0]);
        assert_eq!(problems(&files(&whole[..3])), ["`LICENSE-MIT` is missing", "`README.md` is missing"]);
        let stray = [&whole[..], &["notes.txt", "src/old.rs.orig"]].concat();
        assert_eq!(
            problems(&files(&stray)),
            ["`notes.txt` does not belong there", "`src/old.rs.orig` does not belong there"]
        );
    }
}
