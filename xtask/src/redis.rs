//! What the tests run against: Redis, the database of their transactions, the browser of the inspector's page, and rust-analyzer.

use crate::succeeds;
use std::{
    env,
    ffi::{OsStr, OsString},
    fs,
    process::{Command, Stdio},
};

/// What the tests take as their server.
pub(crate) const CHOSEN: &str = "CACHED_ASIDE_TEST_SERVER";
/// Several of them, which take turns.
const SEVERAL: &str = "CACHED_ASIDE_TEST_SERVERS";

/// A server that the tests start.
struct Needed {
    /// The program that has to answer.
    program: &'static str,
    /// The variable that names another one.
    chosen: &'static str,
    /// Where else it may be, in a folder for each version.
    versions: &'static str,
    /// Package managers, by their programs, and what makes each install it.
    packages: [(&'static str, &'static [&'static str]); 5],
}

const REDIS: Needed = Needed {
    program: "redis-server",
    chosen: CHOSEN,
    versions: "",
    packages: [
        ("apt-get", &["update", "install --yes --no-install-recommends redis-server"]),
        ("dnf", &["install --assumeyes redis"]),
        ("apk", &["add redis"]),
        ("pacman", &["--sync --refresh --noconfirm --needed redis"]),
        ("brew", &["install redis"]),
    ],
};

/// The database of the tests of transactions. They start one of their own, as a user that may.
const POSTGRES: Needed = Needed {
    program: "initdb",
    chosen: "CACHED_ASIDE_TEST_POSTGRES",
    versions: "/usr/lib/postgresql",
    packages: [
        ("apt-get", &["update", "install --yes --no-install-recommends postgresql"]),
        ("dnf", &["install --assumeyes postgresql-server"]),
        ("apk", &["add postgresql"]),
        ("pacman", &["--sync --refresh --noconfirm --needed postgresql"]),
        ("brew", &["install postgresql"]),
    ],
};

/// The browser of the tests of the inspector's page.
const BROWSER: Needed = Needed {
    program: "chromium",
    chosen: "CACHED_ASIDE_TEST_BROWSER",
    versions: "",
    packages: [
        ("apt-get", &["update", "install --yes --no-install-recommends chromium"]),
        ("dnf", &["install --assumeyes chromium"]),
        ("apk", &["add chromium"]),
        ("pacman", &["--sync --refresh --noconfirm --needed chromium"]),
        ("brew", &["install chromium"]),
    ],
};

/// The servers to test with, `None` for the one in `PATH`, which is installed if it is missing. The tests start and end
/// their own: a service that the package may bring is never used.
pub(crate) fn servers(sudo: bool) -> Result<Vec<Option<OsString>>, String> {
    let named = match (env::var(SEVERAL), env::var_os(CHOSEN)) {
        (Ok(several), _) => several.split(',').map(|path| path.trim().into()).collect(),
        (_, Some(one)) => vec![one],
        _ => return ensure(&REDIS, sudo).map(|()| vec![None]),
    };
    if let Some(wrong) = named.iter().find(|path| !answers(path, "--version")) {
        return Err(format!("{SEVERAL}, {CHOSEN}: `{}` does not run", wrong.display()));
    }
    Ok(named.into_iter().map(Some).collect())
}

/// Sees to the database of the tests of transactions.
pub(crate) fn database(sudo: bool) -> Result<(), String> {
    if env::var_os(POSTGRES.chosen).is_some() { Ok(()) } else { ensure(&POSTGRES, sudo) }
}

/// Sees to the browser of the tests of the page.
pub(crate) fn browser(sudo: bool) -> Result<(), String> {
    if env::var_os(BROWSER.chosen).is_some() { Ok(()) } else { ensure(&BROWSER, sudo) }
}

/// What the test of editors takes as its rust-analyzer.
const EDITOR: &str = "CACHED_ASIDE_TEST_EDITOR";

/// Sees to rust-analyzer, a component of the toolchain. Gives what its test is to be told: where it can't be installed, that there is none.
pub(crate) fn editor() -> Option<(&'static str, &'static str)> {
    if env::var_os(EDITOR).is_some() || answers("rust-analyzer", "--version") {
        return None;
    }
    println!("xtask: `rust-analyzer` is missing; installing it: rustup component add rust-analyzer");
    let installed = succeeds(Command::new("rustup").args(["component", "add", "rust-analyzer"]));
    if installed && answers("rust-analyzer", "--version") {
        return None;
    }
    println!(
        "xtask: it can't be installed here: what editors show and rename is NOT tested; {EDITOR} names one"
    );
    Some((EDITOR, "none"))
}

fn ensure(needed: &Needed, sudo: bool) -> Result<(), String> {
    if is_there(needed) {
        return Ok(());
    }
    install(needed, sudo)?;
    if is_there(needed) {
        return Ok(());
    }
    let Needed { program, chosen, .. } = needed;
    Err(format!("`{program}` is not in PATH though its package is installed; name it in {chosen}"))
}

fn is_there(Needed { program, versions, .. }: &Needed) -> bool {
    let mut folders = fs::read_dir(versions).into_iter().flatten().flatten();
    answers(program, "--version") || folders.any(|folder| folder.path().join("bin").join(program).is_file())
}

fn install(Needed { program, chosen, packages, .. }: &Needed, sudo: bool) -> Result<(), String> {
    let Some((manager, steps)) = packages.iter().find(|(manager, _)| answers(manager, "--version")) else {
        let names = packages.map(|(manager, _)| manager).join(", ");
        return Err(format!(
            "`{program}` is missing, and so are {names}; install it, or name it in {chosen}"
        ));
    };
    // Homebrew refuses to run as root; the others need it.
    let needs_sudo = *manager != "brew" && !is_root();
    let prefix: &[&str] = if needs_sudo { &["sudo"] } else { &[] };
    let words = |step: &'static str| {
        let words = ["env", "DEBIAN_FRONTEND=noninteractive", manager];
        prefix.iter().copied().chain(words).chain(step.split(' ')).collect::<Vec<_>>()
    };
    let lines: Vec<_> = steps.iter().map(|step| words(step).join(" ")).collect();
    let lines = lines.join(" && ");
    if needs_sudo && !sudo {
        return Err(format!(
            "`{program}` is missing. Install it:\n\n    {lines}\n\nor have that done with `--sudo`, or name one in {chosen}"
        ));
    }
    println!("xtask: `{program}` is missing; installing it: {lines}");
    for step in *steps {
        let mut words = words(step).into_iter();
        let mut command = Command::new(words.next().unwrap_or_default());
        command.args(words).stdin(Stdio::null());
        if !succeeds(&mut command) {
            return Err(format!(
                "`{manager} {step}` failed; install `{program}` by hand, or name it in {chosen}"
            ));
        }
    }
    Ok(())
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

fn answers(program: impl AsRef<OsStr>, question: &str) -> bool {
    let mut command = Command::new(program);
    command.arg(question).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
