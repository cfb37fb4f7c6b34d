//! What would be published: nothing missing, nothing stray.

use std::{
    env,
    process::{Command, Stdio},
};

/// The crates that are published.
const PUBLISHED: [&str; 3] = ["cached-aside-macros", "cached-aside-protocol", "cached-aside"];
/// Files that every package holds.
const NEEDED: [&str; 4] = ["Cargo.toml", "LICENSE-APACHE", "LICENSE-MIT", "README.md"];
/// Files that cargo adds by itself.
const ADDED: [&str; 3] = [".cargo_vcs_info.json", "Cargo.lock", "Cargo.toml.orig"];
/// Folders whose files belong into a package.
const FOLDERS: [&str; 3] = ["docs/", "snapshots/", "src/"];

/// Says what is wrong with the packages.
pub(crate) fn check() -> Result<(), String> {
    let mut wrong = Vec::new();
    for package in PUBLISHED {
        wrong.extend(problems(&files(package)?).into_iter().map(|problem| format!("{package}: {problem}")));
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

fn problems(files: &[String]) -> Vec<String> {
    let has = |needed: &str| files.iter().any(|file| file == needed);
    let missing = NEEDED.into_iter().filter(|needed| !has(needed));
    let belongs = |file: &str| {
        NEEDED.contains(&file)
            || ADDED.contains(&file)
            || FOLDERS.iter().any(|folder| file.starts_with(folder))
                && [".rs", ".lua", ".md"].iter().any(|ending| file.ends_with(ending))
    };
    let stray = files.iter().filter(|file| !belongs(file));
    let missing = missing.map(|file| format!("`{file}` is missing"));
    missing.chain(stray.map(|file| format!("`{file}` does not belong there"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

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
