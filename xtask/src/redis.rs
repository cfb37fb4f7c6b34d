//! The Redis server that the tests run against.

use crate::succeeds;
use std::{
    env,
    ffi::{OsStr, OsString},
    process::{Command, Stdio},
};

/// What the tests take as their server.
pub(crate) const CHOSEN: &str = "CACHED_ASIDE_TEST_SERVER";
/// Several of them, which take turns.
const SEVERAL: &str = "CACHED_ASIDE_TEST_SERVERS";

/// A package manager, by its program, and what makes it install a Redis server.
const PACKAGE_MANAGERS: [(&str, &[&str]); 5] = [
    ("apt-get", &["update", "install --yes --no-install-recommends redis-server"]),
    ("dnf", &["install --assumeyes redis"]),
    ("apk", &["add redis"]),
    ("pacman", &["--sync --refresh --noconfirm --needed redis"]),
    ("brew", &["install redis"]),
];

/// The servers to test with, `None` for the one in `PATH`, which is installed if it is missing. The tests start and end
/// their own: a service that the package may bring is never used.
pub(crate) fn servers(sudo: bool) -> Result<Vec<Option<OsString>>, String> {
    let named = match (env::var(SEVERAL), env::var_os(CHOSEN)) {
        (Ok(several), _) => several.split(',').map(|path| path.trim().into()).collect(),
        (_, Some(one)) => vec![one],
        _ => return ensure(sudo).map(|()| vec![None]),
    };
    if let Some(wrong) = named.iter().find(|path| !answers(path, "--version")) {
        return Err(format!("{SEVERAL}, {CHOSEN}: `{}` does not run", wrong.display()));
    }
    Ok(named.into_iter().map(Some).collect())
}

fn ensure(sudo: bool) -> Result<(), String> {
    if answers("redis-server", "--version") {
        return Ok(());
    }
    install(sudo)?;
    if answers("redis-server", "--version") {
        return Ok(());
    }
    Err(format!("`redis-server` is not in PATH though its package is installed; name it in {CHOSEN}"))
}

fn install(sudo: bool) -> Result<(), String> {
    let Some((manager, steps)) = PACKAGE_MANAGERS.iter().find(|(program, _)| answers(program, "--version"))
    else {
        let names = PACKAGE_MANAGERS.map(|(program, _)| program).join(", ");
        return Err(format!(
            "`redis-server` is missing, and so are {names}; install it, or name it in {CHOSEN}"
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
            "`redis-server` is missing. Install it:\n\n    {lines}\n\nor have that done with `--sudo`, or name a server \
             in {CHOSEN}"
        ));
    }
    println!("xtask: `redis-server` is missing; installing it: {lines}");
    for step in *steps {
        let mut words = words(step).into_iter();
        let mut command = Command::new(words.next().unwrap_or_default());
        command.args(words).stdin(Stdio::null());
        if !succeeds(&mut command) {
            return Err(format!(
                "`{manager} {step}` failed; install `redis-server` by hand, or name it in {CHOSEN}"
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
