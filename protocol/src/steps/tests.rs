use std::collections::HashSet;

use super::{script::constants, *};

/// The Lua files, by name.
const FILES: [(&str, &str); 15] = [
    ("shared", include_str!("shared.lua")),
    ("together", include_str!("together.lua")),
    ("held", include_str!("held.lua")),
    ("writers", include_str!("writers.lua")),
    ("acquire", include_str!("acquire.lua")),
    ("register", include_str!("register.lua")),
    ("carry", include_str!("carry.lua")),
    ("elect", include_str!("elect.lua")),
    ("renew", include_str!("renew.lua")),
    ("fill", include_str!("fill.lua")),
    ("abandon", include_str!("abandon.lua")),
    ("guard", include_str!("guard.lua")),
    ("renew_guard", include_str!("renew_guard.lua")),
    ("release", include_str!("release.lua")),
    ("remove", include_str!("remove.lua")),
];

/// Scripts that were sent by an earlier version meet those of this one on the same keys: a change here is a change of the format.
#[test]
fn the_scripts_have_the_constants_of_the_format() {
    let expected = r"local MAGIC = '\202\093\225'
local LEASE = '\202\093\225\001'
local GUARD = '\202\093\225\002'
local TAG = '\202\093\225\003'
local VALUE = '\202\093\225\016'
local OVERLAPPED = '\001'
local TIME = '>I6'
local FRESH_FOR = '>I5'
local KIND_AT = 3
local FLAGS_AT = 39
local FLAG_LOCAL = 16
local VALUES = 16
local TOKEN_LEN = 8
local TIME_LEN = 6
local MARKS_AT = 4
local SLOTS_AT = 5
local SLOT_LEN = 14
local TAG_LEN = 12
local TAG_END = 18
local HEADER_LEN = 52
local REFRESH_AT = 12
local REFRESH_UNTIL_AT = 20
local STORED_AT = 26
local FRESH_FOR_AT = 32
local LOCAL_UNTIL_AT = 52
local LOCAL_END = 58
local MARKS_ARG = '4'
local TAG_END_ARG = '18'
local HEADER_LAST_ARG = '51'
local LOCAL_LAST_ARG = '57'
local REFRESH_ARG = '12'
local REFRESH_UNTIL_ARG = '20'
local STORED_ARG = '26'
local LONGEST = 3600000
local LONGEST_LOCAL = 60000
";
    assert_eq!(constants(), expected);
    for (name, script) in scripts() {
        assert!(script.source().starts_with(expected), "{name}");
    }
}

/// The words of Lua code that are not in a comment.
fn words(file: &str) -> impl Iterator<Item = &str> {
    let code = file.lines().map(|line| line.split("--").next().unwrap_or_default());
    code.flat_map(|line| line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_'))
        .filter(|word| !word.is_empty())
}

/// Offsets, lengths and kinds come from Rust: what is left counts commands, bytes and milliseconds.
#[test]
fn no_script_has_a_constant_of_the_format_of_its_own() {
    let harmless: HashSet<&str> = ["0", "1", "2", "1000"].into();
    let constants = constants();
    let named: HashSet<&str> = words(&constants).collect();
    for (name, file) in FILES {
        let arguments = ["ARGV[1]", "ARGV[2]", "ARGV[3]", "ARGV[4]"];
        let file = arguments.iter().fold(file.to_owned(), |file, argument| file.replace(argument, "ARGV"));
        for word in words(&file) {
            if word.starts_with(|c: char| c.is_ascii_digit()) {
                assert!(harmless.contains(word), "`{word}` in {name}.lua");
            }
        }
        // What is written in capitals is a constant, or what is quoted: a command.
        let code = file.lines().map(|line| line.split("--").next().unwrap_or_default()).collect::<String>();
        let unquoted: String = code.split('\'').step_by(2).collect::<Vec<_>>().join(" ");
        for word in words(&unquoted).filter(|word| *word == word.to_uppercase() && word.len() > 2) {
            let known = named.contains(word) || ["KEYS", "ARGV", "1000"].contains(&word);
            assert!(known, "`{word}` in {name}.lua is no constant");
        }
    }
}

/// As a number it would be written with 17 digits, for each key.
#[test]
fn what_is_always_the_same_in_a_command_is_text() {
    let mut commands = 0;
    for (name, file) in FILES {
        for command in file.split("call('").skip(1).filter(|command| command.contains("RANGE',")) {
            // The value of the one may be computed.
            let many = if command.starts_with("GETRANGE") { 4 } else { 3 };
            let arguments: Vec<&str> = command.split(',').take(many).skip(2).collect();
            for argument in
                arguments.iter().map(|argument| argument.split(')').next().unwrap_or_default().trim())
            {
                let is_text =
                    argument.starts_with('\'') || argument.ends_with("_ARG") || argument.contains('(');
                assert!(is_text, "{name}.lua: {argument} in {command}");
            }
            commands += 1;
        }
    }
    assert!(commands > 10, "{commands} commands were found");
}

#[test]
fn each_step_has_a_script_and_a_name_of_its_own() {
    let names: HashSet<&str> = scripts().iter().map(|(name, _)| *name).collect();
    let hashes: HashSet<&str> = scripts().iter().map(|(_, script)| script.hash()).collect();
    assert_eq!((names.len(), hashes.len()), (scripts().len(), scripts().len()));
    for (name, script) in scripts() {
        let own = FILES.iter().find(|(file, _)| *file == name).expect("a file of its name");
        assert!(script.source().ends_with(own.1), "{name}");
    }
}
