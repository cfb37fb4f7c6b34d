use super::*;
use crate::parse::{
    args::{Attribute, Refresh},
    values::{per_mille, share_of},
};

fn read(text: &str) -> (ReadArgs, Vec<String>) {
    let mut problems = Problems::default();
    let args = ReadArgs::parse(text.parse().unwrap(), &mut problems);
    (args, messages(problems))
}

fn write(text: &str) -> (WriteArgs, Vec<String>) {
    let mut problems = Problems::default();
    let args = WriteArgs::parse(text.parse().unwrap(), &[], &mut problems);
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
    assert!(matches!(args.none_ttl.unwrap().value, DurationArg::Constant(_)));
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
    assert!(matches!(limits.soft.unwrap().value, DurationArg::Constant(_)));
    assert!(matches!(limits.hard.unwrap().value, DurationArg::Known(_)));
    assert_eq!(quote::ToTokens::to_token_stream(&args.early_refresh.unwrap().value).to_string(), "1.0");
    let (args, problems) = write(
        r#"load(id), self.load(id), "a:{id}", guard = "required", guard_for = "1s", settle = "0s", wait_replicas = 1, when = a == b, cache = c,
           transaction = "own""#,
    );
    assert_eq!(problems, [""; 0]);
    assert_eq!(args.transaction.unwrap().value, crate::parse::args::Transaction::Own);
    assert_eq!(args.targets.len(), 3);
    assert!(args.when.is_some());
}

#[test]
fn what_a_transaction_can_be() {
    for (given, says) in [
        (r#""requird""#, "unknown transaction `requird`; did you mean `required`?"),
        (
            r#""nested""#,
            "unknown transaction `nested`; expected `\"required\"` (somebody else commits it) or `\"own\"` (it commits inside of \
             itself)",
        ),
        (
            "own",
            "expected `\"required\"` (somebody else commits it) or `\"own\"` (it commits inside of itself)",
        ),
    ] {
        assert_eq!(write(&format!(r#""a", transaction = {given}"#)).1, [says]);
    }
    let only = "the one thing that a read can say of transactions is `in_transaction = \"cached\"`: its origin is another one";
    for given in [r#""own""#, "cached"] {
        assert_eq!(read(&format!(r#"ttl = "5m", in_transaction = {given}"#)).1, [only]);
    }
}

#[test]
fn a_batch_without_its_list_is_no_option() {
    for (written, call) in [
        ("load_user(ids)", "load_user"),
        ("users::load(&ids), skip(db)", "users::load"),
        ("self.load(ids)", "self.load"),
    ] {
        let (args, problems) = read(written);
        assert_eq!(problems, [format!("a batch names its list: write `{call}(id) for id in ids`")]);
        assert!(args.names("ttl"));
    }
    for (written, says) in [
        ("ttl(TTL)", "`ttl` needs a value"),
        ("skpi(db)", "did you mean `skip`?"),
        ("namespace(shop)", "unknown option"),
    ] {
        assert!(read(written).1[0].contains(says), "{written}");
    }
}

#[test]
fn a_field_is_skipped_with_its_parameter() {
    let (_, problems) = read("ttl = \"5m\", skip(self, request.db)");
    assert_eq!(problems, ["`skip` names parameters: write `skip(request)`"]);
    assert_eq!(read("ttl = \"5m\", skip(one other)").1, ["expected `,`"]);
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
            "`5` has no unit; write a string such as `\"5s\"` or `\"5ms\"`",
            "expected `,`",
            "expected an option: `ttl`, `key`, `skip`, `tags`, `none_ttl`, `jitter`, `lease`, `wait`, `stale_while_revalidate`, \
             `stale_if_error`, `refresh`, `load_timeout`, `early_refresh`, `codec`, `version`, `cache`, `store_if`, `ttl_for`, \
             `error_ttl`, `error_if`, `crate`, `shares_key`, `ttl_only`, `in_transaction`, `verify`, `local` or `local_mode`",
            "`shares_key` takes no value: write `shares_key` alone",
            "unknown option `shared_key`; did you mean `shares_key`?",
        ]
    );
}

#[test]
fn the_name_that_another_cache_has_for_an_option_is_understood() {
    for (written, meant) in [
        ("negative_ttl = \"1s\"", "`none_ttl`"),
        ("expires = \"1s\"", "`ttl`"),
        ("deadline = \"1s\"", "`load_timeout`"),
        ("swr = \"1s\"", "`stale_while_revalidate`"),
        ("ignore(db)", "`skip`"),
        ("serializer = Json", "`codec`"),
        ("predicate = x", "`store_if`"),
    ] {
        let (args, problems) = read(written);
        let name = written.split([' ', '(']).next().unwrap();
        assert_eq!(problems, [format!("unknown option `{name}`; did you mean {meant}?")]);
        assert!(args.names(meant.trim_matches('`')));
    }
    for (written, stands_for, instead) in [
        ("timeout = 300", "ttl", "`load_timeout(hard = \"2s\")`"),
        ("unless = x", "store_if", "the opposite condition"),
        ("when = id > 3", "store_if", "by the arguments the caller decides"),
    ] {
        let (args, problems) = read(written);
        assert!(problems.len() == 1 && problems[0].contains(instead), "{problems:?}");
        assert!(args.names(stands_for), "{written}");
    }
    let (_, problems) = write("load(id), condition = new");
    assert_eq!(problems, ["unknown option `condition`; did you mean `when`?"]);
    let (_, problems) = read("namespace = \"shop\"");
    assert!(problems[0].contains("`Cache::builder().namespace("), "{problems:?}");
}

#[test]
fn a_name_of_another_cache_is_none_of_ours_and_means_an_option() {
    let check = |names: &[(Meant, &[&str])], ours: &[&str]| {
        let mut seen = Vec::new();
        for (meant, others) in names {
            assert!(!matches!(meant, Meant::Option(option) if !ours.contains(option)));
            for other in *others {
                assert!(!ours.contains(other) && !seen.contains(other), "{other}");
                seen.push(*other);
            }
        }
    };
    check(other_names::READ, &names(&READ));
    check(other_names::WRITE, &names(&WRITE));
}

#[test]
fn a_string_without_a_name_is_shown_with_one() {
    let (args, problems) = read(r#""5m", "user:{id}""#);
    assert!(args.names("ttl") && args.names("key"));
    assert_eq!(
        problems,
        [
            "every option has a name; write `ttl = \"5m\"`",
            "every option has a name; write `key = \"user:{id}\"`"
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

#[test]
fn shares() {
    for (text, expected) in [
        ("0%", Some(0.0)),
        ("0.1%", Some(0.001)),
        (" 2.5 % ", Some(0.025)),
        ("0.0001%", Some(0.000_001)),
        ("33.3%", Some(0.333)),
        ("100%", Some(1.0)),
        ("100.1%", None),
        ("0.1", None),
        ("%", None),
        (".5%", None),
        ("5.%", None),
        ("-1%", None),
        ("1e1%", None),
        ("NaN%", None),
    ] {
        assert_eq!(share_of(text), expected, "{text}");
    }
}

const HEAD: &str = "| option | default | meaning |\n| --- | --- | --- |\n";

/// The rows of a table that begins behind `head`, and what is behind them.
fn table<'a>(page: &'a str, head: &str) -> (&'a str, &'a str, &'a str) {
    let start = page.find(head).unwrap_or_else(|| panic!("there is no {head}")) + head.len();
    let length: usize =
        page[start..].split_inclusive('\n').take_while(|line| line.starts_with('|')).map(str::len).sum();
    (&page[..start], &page[start..start + length], &page[start + length..])
}

/// A row of an attribute's page, if the option means something to the attribute.
fn row<Args>(row: &Row<Args>, attribute: Attribute) -> Option<String> {
    let Row { form, default, meaning, .. } = row;
    let space = if default.is_empty() { "" } else { " " };
    let shown = format!("| `{}` |{space}{default} | {meaning} |\n", form.replace('|', "\\|"));
    row.of.contains(&attribute).then_some(shown)
}

#[test]
fn the_pages_of_the_attributes_show_the_table() {
    let page = |attribute, expected: expect_test::ExpectFile, page: &str| {
        let rows: String = READ
            .iter()
            .filter_map(|option| row(option, attribute))
            .chain(WRITE.iter().filter_map(|option| row(option, attribute)))
            .collect();
        let (before, _, after) = table(page, HEAD);
        expected.assert_eq(&format!("{before}{rows}{after}"));
    };
    page(
        Attribute::CachedAside,
        expect_test::expect_file!["../../../../docs/attributes/cached_aside.md"],
        include_str!("../../../../docs/attributes/cached_aside.md"),
    );
    page(
        Attribute::Invalidates,
        expect_test::expect_file!["../../../../docs/attributes/invalidates.md"],
        include_str!("../../../../docs/attributes/invalidates.md"),
    );
    page(
        Attribute::Updates,
        expect_test::expect_file!["../../../../docs/attributes/updates.md"],
        include_str!("../../../../docs/attributes/updates.md"),
    );
}

#[test]
fn the_readme_has_a_row_for_every_option_and_for_nothing_else() {
    const README: &str = include_str!("../../../../README.md");
    /// The names that the first cell of each row begins its examples with; what names a key is no option.
    fn shown(attribute: Attribute) -> Vec<String> {
        let head = format!("| `#[{}(…)]` | default | meaning |\n| --- | --- | --- |\n", attribute.name());
        let cells = table(README, &head).1.lines().map(|row| row[1..].split(" | ").next().unwrap());
        let mut names: Vec<String> = cells
            .flat_map(|cell| cell.split('`').skip(1).step_by(2))
            .filter(|form| attribute == Attribute::CachedAside || form.contains(" = ") || *form == "detach")
            .map(|form| form.split([' ', '(']).next().unwrap().to_owned())
            .collect();
        names.sort();
        names
    }
    let sorted = |mut names: Vec<&'static str>| {
        names.sort_unstable();
        names
    };
    assert_eq!(shown(Attribute::CachedAside), sorted(names(&READ)));
    assert_eq!(shown(Attribute::Invalidates), sorted(names(&WRITE)));
}

#[test]
fn the_example_of_an_option_is_read() {
    for Row { name, form, .. } in &READ {
        let (args, problems) = read(&form.replace('…', "true"));
        assert!(args.names(name) && problems.is_empty(), "{form}: {problems:?}");
    }
    for Row { name, form, .. } in &WRITE {
        let (_, problems) = write(form);
        assert!(form.starts_with(name) && problems.is_empty(), "{form}: {problems:?}");
    }
}
