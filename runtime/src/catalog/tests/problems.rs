//! What is probably a mistake, and what is none.

use std::thread;

use super::*;
use crate::{Cache, Cached, catalog};

/// What the catalog of a module finds, as text. Nothing invalidates its functions, which is said by `ttl_only`.
fn of_module(module: &str) -> Vec<String> {
    of_modules(module, "nowhere").problems().iter().map(ToString::to_string).collect()
}

mod coinciding {
    use super::*;

    #[cached_aside(ttl = "1m", key = "coin:named:{name}", ttl_only)]
    async fn named(name: &str) -> usize {
        name.len()
    }

    #[cached_aside(ttl = "1m", key = "coin:named:recent", ttl_only)]
    async fn recent() -> u64 {
        1
    }

    // An integer is no word.
    #[cached_aside(ttl = "1m", key = "coin:numbered:{id}", ttl_only)]
    async fn numbered(id: u64) -> u64 {
        id
    }

    #[cached_aside(ttl = "1m", key = "coin:numbered:recent", ttl_only)]
    async fn recently_numbered() -> u64 {
        1
    }

    // What separates is in no value.
    #[cached_aside(ttl = "1m", key = "coin:named:{name}:posts", ttl_only)]
    async fn posts(name: &str) -> usize {
        name.len()
    }

    #[cached_aside(ttl = "1m", key = "coin:meant:{name}", ttl_only, shares_key)]
    async fn meant(name: &str) -> usize {
        name.len()
    }

    #[cached_aside(ttl = "1m", key = "coin:meant:all", ttl_only, shares_key)]
    async fn meant_too() -> usize {
        1
    }

    // Their keys are made of their own paths.
    #[cached_aside(ttl = "1m", ttl_only)]
    async fn derived(name: &str) -> usize {
        name.len()
    }
}

#[test]
fn functions_can_have_one_key_by_the_structure_of_their_templates() {
    let problems = of_module("problems::coinciding");
    let [problem] = &problems[..] else { panic!("{problems:#?}") };
    for part in ["coinciding::named`", "`coin:named:{name}`", "coinciding::recent`", "`coin:named:recent`"] {
        assert!(problem.contains(part), "{part} in {problem}");
    }
}

#[tokio::test]
async fn a_function_can_have_a_key_of_a_family() {
    mod of_family {
        use super::*;

        #[cached_aside(ttl = "1m", key = "coin:kin:{id}:{name}", ttl_only)]
        async fn within(id: u64, name: &str) -> usize {
            name.len() + usize::from(id > 0)
        }

        #[cached_aside(ttl = "1m", key = "coin:kindred:{id}", ttl_only)]
        async fn beside(id: u64) -> u64 {
            id
        }
    }
    static FAMILY: Cached<u64> = Cached::new("coin:kin", Duration::from_secs(60));
    static WITHIN: Cached<u64> = Cached::new("coin:kin:of", Duration::from_secs(60));
    Cache::in_process()
        .scope(async {
            let _ =
                (FAMILY.get_or_load(1, async || 1_u64).await, WITHIN.get_or_load(1, async || 1_u64).await);
        })
        .await;
    let problems = catalog().problems();
    let of_these = problems.iter().filter_map(|problem| match problem {
        Problem::KeysCoincide((_, one), (_, other)) if one.starts_with("coin:kin") => Some([*one, *other]),
        _ => None,
    });
    let mut pairs: Vec<_> = of_these.collect();
    for pair in &mut pairs {
        pair.sort_unstable();
    }
    pairs.sort_unstable();
    // An integer is not `of`.
    let expected = [["coin:kin", "coin:kin:of"], ["coin:kin", "coin:kin:{id}:{name}"]];
    assert_eq!(pairs, expected);
}

#[tokio::test]
async fn a_template_can_be_a_key_of_a_family() {
    #[invalidates("coin:rate:{currency}", "coin:rate", "{kind}:rate:{currency}")]
    async fn fix_rate(kind: &str, currency: &str) {
        let _ = (kind, currency);
    }
    #[invalidates("coin:rates:{currency}", "coin:{currency}")]
    async fn fix_other(currency: &str) {
        let _ = currency;
    }

    static RATE: Cached<u64> = Cached::new("coin:rate", Duration::from_secs(60));
    let _ = RATE.key("eur");
    let catalog = catalog();
    let rate = number(&catalog, "coin:rate");
    let of_it =
        |name| write(&catalog, name).targets.iter().map(|target| target.is_of(rate)).collect::<Vec<_>>();
    assert_eq!(of_it("fix_rate"), [true, true, true]);
    // The second can be the name alone.
    assert_eq!(of_it("fix_other"), [false, true]);
}

mod measured {
    use super::*;

    #[cached_aside(ttl = "1ms", key = "measured:slow:{id}", ttl_only)]
    pub(super) async fn slow(id: u64) -> u64 {
        thread::sleep(Duration::from_millis(3));
        id
    }

    #[cached_aside(ttl = "1m", key = "measured:quick:{id}", ttl_only)]
    pub(super) async fn quick(id: u64) -> u64 {
        thread::sleep(Duration::from_millis(3));
        id
    }

    #[cached_aside(ttl = "1ms", key = "measured:never:{id}", ttl_only)]
    async fn never_called(id: u64) -> u64 {
        id
    }
}

#[tokio::test]
async fn entries_that_are_over_before_they_could_be_loaded_are_found_with_figures() {
    let cache = Cache::in_process();
    cache
        .scope(async {
            for id in 0..2 {
                assert_eq!((measured::slow(id).await, measured::quick(id).await), (id, id));
            }
        })
        .await;
    let of_module = of_modules("problems::measured", "nowhere");
    assert_eq!(of_module.problems(), []);
    let measured = of_module.measured(&cache.stats());
    let problems = measured.problems();
    let [Problem::OutlivedByLoads { place, ttl, loads, load_time }] = problems[..] else {
        panic!("{problems:#?}")
    };
    assert_eq!((place.name, ttl, loads), ("slow", Duration::from_millis(1), 2));
    assert!(load_time >= Duration::from_millis(3), "{load_time:?}");
    let text = problems[0].to_string();
    assert!(text.contains("`ttl` of 1ms") && text.contains("(2 measured)"), "{text}");
}

#[derive(serde::Serialize, serde::Deserialize)]
#[serde(untagged)]
enum Untagged {
    Number(u64),
    Text(String),
}

mod unreadable {
    use super::*;

    #[cached_aside(ttl = "1m", key = "unreadable:{id}", ttl_only)]
    async fn untagged(id: u64) -> Untagged {
        if id > 0 { Untagged::Number(id) } else { Untagged::Text(String::new()) }
    }

    #[cached_aside(ttl = "1m", key = "readable:{id}", ttl_only)]
    async fn readable(id: u64) -> Vec<u64> {
        vec![id]
    }

    #[cached_aside(ttl = "1m", key = "unreadable:of:{T}", ttl_only)]
    pub(super) async fn generic<T: Default + serde::Serialize + serde::de::DeserializeOwned>() -> Vec<T> {
        Vec::new()
    }
}

impl Default for Untagged {
    fn default() -> Untagged {
        Untagged::Number(0)
    }
}

#[tokio::test]
async fn values_that_are_known_not_to_be_cacheable_are_found() {
    let problems = of_module("problems::unreadable");
    let [problem] = &problems[..] else { panic!("{problems:#?}") };
    assert!(problem.contains("unreadable::untagged`") && problem.contains("would run uncached"), "{problem}");
    Cache::in_process().scope(unreadable::generic::<Untagged>()).await;
    let problems = of_module("problems::unreadable");
    assert_eq!(problems.len(), 2, "{problems:#?}");
    assert!(problems[0].contains("unreadable::generic`") && problems[0].contains("would run uncached"));
}
