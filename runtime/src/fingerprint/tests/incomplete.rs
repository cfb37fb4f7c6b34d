//! Types that can't be seen whole, and programs in which nothing is run.

use super::*;

/// Asks the format, and takes text or numbers only: there is no more to it.
struct Number;

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visits;
        impl de::Visitor<'_> for Visits {
            type Value = Number;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a number")
            }

            fn visit_str<E>(self, _: &str) -> Result<Number, E> {
                Ok(Number)
            }
        }
        deserializer.deserialize_any(Visits)
    }
}

#[test]
fn what_can_be_compared_is_told_from_what_cannot() {
    for (incomplete, structure) in [
        (Some(Incomplete::AsksTheFormat), structure::<Untagged>()),
        (Some(Incomplete::AsksTheFormat), structure::<Tagged>()),
        (Some(Incomplete::AsksTheFormat), structure::<Flat>()),
        (Some(Incomplete::AsksTheFormat), structure::<Vec<Flat>>()),
        (Some(Incomplete::TooLarge), trace::<Employee, Bincode>(effort(10))),
        (None, structure::<Holder>()),
        (None, structure::<Vec<Number>>()),
        (None, structure::<Plain>()),
        (None, structure::<one::Page<Validated>>()),
    ] {
        assert_eq!(structure.incomplete, incomplete, "{}", structure.text);
    }
}

/// A field that is new in a release and has a default is nowhere in what can be seen of a tagged type.
#[cfg(feature = "json")]
#[test]
fn what_cannot_be_compared_is_told_apart_by_the_build() {
    let in_build = |kind: &CodingKind, build| {
        judge(kind, (kind.structure)(effort(5_000)), || Some(build)).unwrap().unwrap()
    };
    let tagged = coding::<Tagged, crate::Json>(0).kind;
    assert_eq!(in_build(&tagged, 1).one_build, Some(Incomplete::AsksTheFormat));
    assert_eq!(in_build(&tagged, 1).fingerprint, in_build(&tagged, 1).fingerprint);
    assert_ne!(in_build(&tagged, 1).fingerprint, in_build(&tagged, 2).fingerprint);
    let plain = coding::<one::User, crate::Json>(0).kind;
    assert_eq!(in_build(&plain, 1).one_build, None);
    assert_eq!(in_build(&plain, 1).fingerprint, in_build(&plain, 2).fingerprint);
    assert_eq!(of(&tagged).unwrap().fingerprint, in_build(&tagged, build::id()).fingerprint);
}

/// Not to be run.
fn never(_: Effort) -> Structure {
    panic!("a `Deserialize` was run with samples");
}

#[test]
fn nothing_is_run_where_a_panic_aborts_or_the_version_stands_for_the_structure() {
    let kind = CodingKind { structure: never, ..coding::<one::User, Bincode>(1).kind };
    let seen = structure_of(&kind, true);
    assert_eq!(seen.incomplete, Some(Incomplete::Aborts));
    let by_version = |version| coding::<one::User, Bincode>(version).by_version().kind;
    let kind = CodingKind { structure: never, ..by_version(1) };
    assert_eq!(structure_of(&kind, false), Structure::default());
    let type_info = of(&kind).unwrap();
    assert_eq!(type_info.one_build, None);
    assert_ne!(type_info.fingerprint, of(&by_version(2)).unwrap().fingerprint);
    assert_ne!(type_info.fingerprint, of(&coding::<one::User, Bincode>(1).kind).unwrap().fingerprint);
}

fn structure_of(kind: &CodingKind, panics_abort: bool) -> Structure {
    crate::fingerprint::structure(kind, AT_ONCE, panics_abort)
}

thread_local! {
    static SLOW_READS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// Takes its time.
#[derive(Debug, Serialize)]
struct Slow;

impl<'de> Deserialize<'de> for Slow {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        SLOW_READS.set(SLOW_READS.get() + 1);
        thread::sleep(Duration::from_millis(1));
        u8::deserialize(deserializer).map(|_| Slow)
    }
}

/// The caller goes on without, and a thread finds out.
#[test]
fn a_type_that_takes_long_is_left_to_a_thread() {
    let kind = coding::<[[Slow; 16]; 16], Bincode>(0).kind;
    let error = of(&kind).unwrap_err();
    assert!(error.is_passing() && error.to_string().contains("Slow"), "{error}");
    assert!(SLOW_READS.get() < 200, "{} of 256 samples were given here", SLOW_READS.get());
    let begun = Instant::now();
    let type_info = loop {
        match of(&kind) {
            Ok(type_info) => break type_info,
            Err(error) => assert!(error.is_passing() && begun.elapsed() < Duration::from_secs(20), "{error}"),
        }
        thread::sleep(Duration::from_millis(5));
    };
    assert_eq!(type_info.one_build, None);
    assert!(SLOW_READS.get() < 200);
}
