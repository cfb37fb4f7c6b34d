//! `invalidate`.

use std::time::{Duration, Instant};

use cached_aside::{Cached, Source, cached_aside};
use cached_aside_tests::RedisServer;
use redis::cmd;
use tokio::sync::Notify;

use crate::support::{catalog, filled, load_user, on, patient, price, stored};

/// How many entries there are.
fn count(server: &RedisServer, pattern: &str) -> usize {
    on(server, &["keys", pattern, "--json"]).json_lines().len()
}

#[tokio::test]
async fn an_entry_is_ended_by_its_key() {
    let server = RedisServer::start();
    let cache = filled(&server.url()).await;
    let dry = on(&server, &["invalidate", "user:1", "user:3", "--dry-run"]);
    assert_eq!((dry.code, dry.out.as_str()), (Some(0), "would end 2 entries\n"));
    assert_eq!(count(&server, "user:*"), 3);
    let ended = on(&server, &["invalidate", "user:1", "user:99"]);
    assert_eq!((ended.code, ended.out.as_str()), (Some(0), "ended 1 entry\n"));
    assert_eq!(count(&server, "user:*"), 2);
    let (_, calls) = cached_aside::observe(cache.scope(load_user(1))).await;
    assert_eq!(calls.calls().iter().map(|call| call.source).collect::<Vec<_>>(), [Source::Loaded]);
}

#[tokio::test]
async fn a_load_that_is_under_way_is_not_stored() {
    #[cached_aside(ttl = "1m", key = "slow", skip(go, begun))]
    async fn slow(go: &Notify, begun: &Notify) -> u64 {
        begun.notify_one();
        go.notified().await;
        7
    }

    let server = RedisServer::start();
    let cache = patient(server.url()).build().await.unwrap();
    let (go, begun) = (Notify::new(), Notify::new());
    let end = async {
        begun.notified().await;
        assert_eq!(on(&server, &["get", "slow", "--json"]).json()["state"], "loading");
        assert_eq!(on(&server, &["invalidate", "slow"]).out, "ended 1 entry\n");
        go.notify_one();
    };
    tokio::join!(cache.scope(slow(&go, &begun)), end);
    let waited = Instant::now();
    while cache.stats().total.fills_refused == 0 {
        assert!(waited.elapsed() < Duration::from_secs(20), "{:?}", cache.stats().total);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(on(&server, &["get", "slow"]).code, Some(1));
}

#[tokio::test]
async fn a_tag_ends_every_entry_that_carries_it() {
    let server = RedisServer::start();
    let cache = filled(&server.url()).await;
    let dry = on(&server, &["invalidate", "--tag", "tenant:7", "--dry-run"]);
    assert_eq!(dry.out, "would end every entry that carries the tag tenant:7\n");
    let hits = async || {
        let before = cache.stats().total.hits;
        cache.scope(async { (price(7, 1).await, price(7, 2).await, price(8, 1).await) }).await;
        cache.stats().total.hits - before
    };
    assert_eq!(hits().await, 3);
    assert_eq!(on(&server, &["invalidate", "--tag", "tenant:7"]).code, Some(0));
    assert_eq!(hits().await, 1, "the other tenant's");
}

#[tokio::test]
async fn all_entries_of_a_function_are_ended_and_no_others() {
    let server = RedisServer::start();
    filled(&server.url()).await;
    let dir = tempfile::tempdir().unwrap();
    let path = catalog(&dir);
    let path = path.to_str().unwrap();
    // Matches the function's pattern of Redis, and is none of its keys.
    let () = server.run(cmd("COPY").arg("cached-aside:user:1").arg("cached-aside:user:1:orders"));
    let by_name = |more: &[&str]| {
        on(&server, &[&["invalidate", "--function", "load_user", "--catalog", path], more].concat())
    };
    assert_eq!(by_name(&["--dry-run"]).out, "would end 3 entries\n");
    assert_eq!(by_name(&["--json"]).json()["entries"], 3);
    assert_eq!((count(&server, "user:*"), count(&server, "price:*")), (1, 4));
    let missing = on(&server, &["invalidate", "--function", "no_such", "--catalog", path]);
    assert_eq!(missing.code, Some(2));
    assert!(
        missing.err.contains("no cached function `no_such`; it has ") && missing.err.contains("::load_user")
    );
}

#[tokio::test]
async fn all_entries_of_a_function_are_ended_however_long_their_keys_are() {
    #[cached_aside(ttl = "1m", key = "search:{query}:{page}")]
    async fn search(query: &str, page: u64) -> usize {
        query.len() + usize::try_from(page).unwrap()
    }
    // A name is no template: its braces stand in the keys as they are.
    static BRACES: Cached<u64> = Cached::new("{{eu}}:braces", Duration::from_secs(60));

    let server = RedisServer::start();
    let cache = patient(server.url()).build().await.unwrap();
    let long = "q".repeat(300);
    cache
        .scope(async {
            search("short", 1).await;
            search(&long, 1).await;
            search(&long, 2).await;
            BRACES.get_or_load(7, async || 7).await;
            BRACES.get_or_load(&long, async || 8).await;
        })
        .await;
    stored(&cache, 5).await;
    let dir = tempfile::tempdir().unwrap();
    let path = catalog(&dir);
    let path = path.to_str().unwrap();
    for (name, entries) in [("search", 3), ("{{eu}}:braces", 2)] {
        let by_name = ["invalidate", "--function", name, "--catalog", path, "--json"];
        assert_eq!(
            on(&server, &[&by_name[..], &["--dry-run"]].concat()).json()["entries"],
            entries,
            "{name}"
        );
        assert_eq!(on(&server, &by_name).json()["entries"], entries, "{name}");
        assert_eq!(on(&server, &by_name).json()["entries"], 0, "{name}");
    }
    assert_eq!(count(&server, "*"), 0);
}

/// The catalog shows the name of the type as it is written, and keys begin with what the compiler calls it.
#[tokio::test]
async fn where_no_key_of_a_function_is_known_that_is_said() {
    struct Repo<T>(T);

    impl<T: Sync> Repo<T> {
        #[cached_aside(ttl = "1m", skip(self))]
        async fn row(&self, id: u64) -> u64 {
            let _ = &self.0;
            id
        }
    }

    let server = RedisServer::start();
    let cache = patient(server.url()).build().await.unwrap();
    cache.scope(Repo("").row(7)).await;
    stored(&cache, 1).await;
    let dir = tempfile::tempdir().unwrap();
    let path = catalog(&dir);
    let by_name = ["invalidate", "--function", "Repo<T>::row", "--catalog", path.to_str().unwrap()];
    let said = on(&server, &by_name);
    assert_eq!((said.code, count(&server, "*")), (Some(1), 1), "{said:?}");
    assert!(said.out.starts_with("ended 0 entries\n") && said.out.contains("no entry was found"), "{said:?}");
    let pattern = said.out.split('\'').nth(1).unwrap();
    let found = on(&server, &["keys", pattern, "--json"]).json_lines();
    let key = found[0]["key"].as_str().unwrap().to_owned();
    assert_eq!(on(&server, &["invalidate", &key]).out, "ended 1 entry\n");
    assert_eq!(
        on(&server, &[&by_name[..], &["--json"]].concat()).json()["missed"].as_array().unwrap().len(),
        1
    );
}

#[tokio::test]
async fn what_is_not_the_librarys_is_left_alone() {
    let server = RedisServer::start();
    filled(&server.url()).await;
    let () = server.run(cmd("SET").arg("cached-aside:user:5").arg("somebody else's"));
    let _: u64 = server.run(cmd("RPUSH").arg("cached-aside:user:7").arg("a list"));
    let dir = tempfile::tempdir().unwrap();
    let path = catalog(&dir);
    let said = on(&server, &["invalidate", "user:1", "user:5", "user:7"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.out.contains("ended 1 entry\n") && said.out.contains("user:5: data of another program"));
    let all = on(&server, &["invalidate", "--function", "load_user", "--catalog", path.to_str().unwrap()]);
    assert_eq!(all.out, "ended 2 entries\n");
    assert_eq!(server.run::<String>(cmd("GET").arg("cached-aside:user:5")), "somebody else's");
    assert_eq!(server.run::<u64>(cmd("LLEN").arg("cached-aside:user:7")), 1);
}

#[test]
fn nothing_named_ends_nothing() {
    let server = RedisServer::start();
    let said = on(&server, &["invalidate"]);
    assert_eq!(said.code, Some(2));
    assert!(said.err.contains("write a key, `--tag TAG` or `--function NAME`"), "{said:?}");
    let tag = on(&server, &["invalidate", "#tenant:7"]);
    assert_eq!(tag.code, Some(2));
    assert!(tag.err.contains("write `--tag 'tenant:7'`"), "{tag:?}");
    let key_of_tag = on(&server, &["invalidate", "--tag", "shop:1", "--tag", "#tenant:7", "--dry-run"]);
    assert_eq!((key_of_tag.code, key_of_tag.out.as_str()), (Some(2), ""));
    assert!(
        key_of_tag.err.contains("without the `#`") && key_of_tag.err.contains("write `--tag 'tenant:7'`")
    );
}
