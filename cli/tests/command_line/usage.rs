//! What the program says of itself, and of mistakes.

use crate::support::run;

const COMMANDS: [&str; 10] =
    ["doctor", "keys", "get", "explain", "inspect", "top", "watch", "invalidate", "catalog", "completions"];

#[test]
fn every_command_has_an_example() {
    for command in COMMANDS {
        let said = run(&[command, "--help"]);
        assert_eq!(said.code, Some(0), "{said:?}");
        assert!(
            said.out.contains("Example") && said.out.contains(&format!("  cached-aside {command}")),
            "{said:?}"
        );
        assert!(run(&["--help"]).out.contains(command));
    }
}

/// Every command, option and state is on the page.
#[test]
fn the_page_has_all_of_it() {
    let page = include_str!("../../../runtime/docs/command-line.md");
    for command in COMMANDS {
        assert!(page.contains(&format!("| `{command}")), "{command}");
        let help = run(&[command, "--help"]).out;
        for option in help.split_whitespace().filter_map(|word| word.strip_prefix("--")) {
            let option = format!("--{}", option.trim_end_matches(|c: char| !c.is_ascii_alphabetic()));
            assert!(page.contains(&option), "{command} {option}");
        }
    }
    let help = run(&["--help"]).out;
    let listed =
        help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let listed: Vec<_> = listed.filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(listed[..listed.len() - 1], COMMANDS, "and `help`");
}

#[test]
fn shells_are_told_of_the_commands() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let said = run(&["completions", shell]);
        assert!(said.code == Some(0) && said.out.contains("invalidate"), "{shell}: {said:?}");
    }
}

#[test]
fn mistakes_say_what_to_write() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (newer, other) = (file("newer.json", "{\"schema\": 2}"), file("other.json", "[]"));
    for (args, says) in [
        (&["keys"][..], "write `--url redis://host:6379`"),
        (&["--url", "localhost", "keys"], "write `redis://host:6379`"),
        (&["explain", "user:1"], "write `--catalog FILE`"),
        (&["catalog", "--catalog", "/nowhere"], "`/nowhere` can't be read"),
        (&["catalog", "--catalog", &newer], "its schema is 2, and this program knows 1"),
        (&["catalog", "--catalog", &other], "cached_aside::catalog().to_json()"),
        (&["--url", "redis://localhost", "--tls-cert", "a", "keys"], "--tls-key"),
        (&["--url", "redis://localhost", "--namespace", "", "keys"], "`namespace`"),
        (&["--timeout", "soon", "keys"], "--timeout"),
    ] {
        let said = run(args);
        assert_eq!(said.code, Some(2), "{args:?}: {said:?}");
        assert!(said.err.contains(says) && said.out.is_empty(), "{args:?}: {said:?}");
    }
}

#[test]
fn a_reader_that_has_read_enough_is_no_error() {
    use std::io::Read;
    let mut child = crate::support::program()
        .args(["completions", "zsh"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut err = String::new();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    child.wait().unwrap();
    assert!(!err.contains("panicked"), "{err}");
}
