use super::{values::per_mille, *};

fn read(text: &str) -> (ReadArgs, Vec<String>) {
    let mut problems = Problems::default();
    let args = ReadArgs::parse(text.parse().unwrap(), &mut problems);
    (args, messages(problems))
}

fn write(text: &str) -> (WriteArgs, Vec<String>) {
    let mut problems = Problems::default();
    let args = WriteArgs::parse(text.parse().unwrap(), &mut problems);
    (args, messages(problems))
}

fn messages(problems: Problems) -> Vec<String> {
    problems.finish().err().into_iter().flatten().map(|error| error.to_string()).collect()
}

#[test]
fn every_option_is_read() {
    let (args, problems) = read(
        r#"ttl = "5m", key = "user:{id}", skip(self, db,), none_ttl = SHORT, jitter = "2.5%", lease = "5s",
           wait = "0s", codec = Json, version = 2, cache = self.cache, shares_key,"#,
    );
    assert_eq!(problems, [""; 0]);
    assert_eq!(args.skip.unwrap().value.len(), 2);
    assert!(args.shares_key.is_some());
    assert_eq!(args.jitter.unwrap().value, 25);
    assert!(matches!(args.none_ttl.unwrap().value, Length::Constant(_)));
    assert!(!args.version.unwrap().value.only);
    for version in ["only(2)", "only(VERSION)"] {
        let (args, problems) = read(&format!(r#"ttl = "5m", version = {version}"#));
        assert_eq!(problems, [""; 0]);
        assert!(args.version.unwrap().value.only);
    }
    let (_, problems) = read("version = only(2, 3)");
    assert_eq!(problems, ["a version is a whole number, such as `version = 2`, or a constant of type `u32`"]);
    let (args, problems) = read(
        r#"stale_while_revalidate = "1m", stale_if_error = HOUR, refresh = "background", early_refresh = 1,
           load_timeout(hard = "2s", soft = SOFT)"#,
    );
    assert_eq!(problems, [""; 0]);
    assert_eq!(args.refresh.unwrap().value, Refresh::Background);
    let limits = args.load_timeout.unwrap().value;
    assert!(matches!(limits.soft.unwrap().value, Length::Constant(_)));
    assert!(matches!(limits.hard.unwrap().value, Length::Known(_)));
    assert_eq!(quote::ToTokens::to_token_stream(&args.early_refresh.unwrap().value).to_string(), "1.0");
    let (args, problems) = write(
        r#"load(id), self.load(id), "a:{id}", guard = "required", guard_for = "1s", settle = "0s", wait_replicas = 1, when = a == b, cache = c"#,
    );
    assert_eq!(problems, [""; 0]);
    assert_eq!(args.targets.len(), 3);
    assert!(args.when.is_some());
}

#[test]
fn one_mistake_does_not_hide_another() {
    let (args, problems) = read(
        r#"tll = "5m", key = "a:{", skip = db, ttl = 5, wait = "2s" lease, 7, shares_key = true, shared_key"#,
    );
    assert!(args.wait.is_some());
    assert!(args.names("ttl") && args.names("key"));
    assert_eq!(
        problems,
        [
            "unknown option `tll`; did you mean `ttl`?",
            "this `{` is never closed; write `{{` if the key is to contain one\n\na:{\n  ^",
            "`skip` takes a list of parameters: write `skip(db)` or `skip(self, db)`",
            "`5` has no unit; write a string such as `\"5s\"`",
            "expected `,`",
            "expected an option: `ttl`, `key`, `skip`, `none_ttl`, `jitter`, `lease`, `wait`, `stale_while_revalidate`, \
             `stale_if_error`, `refresh`, `load_timeout`, `early_refresh`, `codec`, `version`, `cache`, `store_if`, `ttl_for`, \
             `error_ttl`, `error_if`, `crate` or `shares_key`",
            "`shares_key` takes no value: write `shares_key` alone",
            "unknown option `shared_key`; did you mean `shares_key`?",
        ]
    );
}

#[test]
fn percentages() {
    for (text, expected) in [
        ("0%", Some(0)),
        ("10%", Some(100)),
        (" 2.5 % ", Some(25)),
        ("100%", Some(1000)),
        ("100.1%", None),
        ("1.25%", None),
        ("10", None),
        ("%", None),
        (".5%", None),
        ("-1%", None),
        ("99999%", None),
    ] {
        assert_eq!(per_mille(text), expected, "{text}");
    }
}
