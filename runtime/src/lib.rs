// The links of the README, as they are inside this documentation. Of two definitions the first counts.
//! [attr-cached-aside]: macro@crate::cached_aside
//! [attr-invalidates]: macro@crate::invalidates
//! [bypass]: crate::bypass()
//! [cache]: crate::Cache
//! [cache-guard]: crate::Cache::guard
//! [cache-scope]: crate::Cache::scope
//! [codec]: crate::Codec
//! [counts]: crate::Counts
//! [error]: crate::Error::NotGuarded
//! [faults]: crate::docs::faults
//! [how-old]: crate::docs::how_old_can_a_value_be
//! [key]: crate::Key
//! [observe]: crate::observe()
//! [only-cached]: crate::only_cached()
//! [production]: crate::docs::production
//! [protocol]: crate::docs::protocol
//! [recipes]: crate::docs::recipes
//! [refresh]: crate::refresh()
//! [shutdown]: crate::Cache::shutdown
//! [attr-updates]: macro@crate::updates
//! [stats]: crate::Cache::stats
#![doc = ""]
#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

// So that expansions work inside this crate too: in its tests and documentation.
extern crate self as cached_aside;

#[doc(hidden)]
pub mod __private;
mod background;
mod backoff;
mod cache;
mod codec;
mod course;
mod engine;
mod error;
mod fingerprint;
mod flight;
mod given;
mod health;
#[cfg(test)]
mod interleavings;
mod key;
mod lease;
mod linked;
mod outcome;
mod overrides;
mod owned;
mod patience;
mod read;
mod settings;
mod staleness;
mod store;
mod storing;
mod telemetry;
mod templates;
mod write;

/// What needs more than a line.
pub mod docs {
    #[doc = include_str!("../docs/codecs.md")]
    pub mod codecs {}
    #[doc = include_str!("../docs/faults.md")]
    pub mod faults {}
    #[doc = include_str!("../docs/how-old-can-a-value-be.md")]
    pub mod how_old_can_a_value_be {}
    // The link of a file is another one inside this documentation. Of two definitions the first counts.
    /// [faults]: crate::docs::faults
    #[doc = ""]
    #[doc = include_str!("../docs/production.md")]
    pub mod production {}
    /// [production.md]: crate::docs::production
    #[doc = ""]
    #[doc = include_str!("../docs/protocol.md")]
    pub mod protocol {}
    /// [cache-guard]: crate::Cache::guard
    /// [cache-scope]: crate::Cache::scope
    /// [key]: crate::Key::peek
    #[doc = ""]
    #[doc = include_str!("../docs/recipes.md")]
    pub mod recipes {}
}

/// Reads through the cache: on an `async fn`, whose body runs when the cache has no entry.
///
/// ```
/// # use cached_aside::{Cache, cached_aside};
/// # use serde::{Deserialize, Serialize};
/// # use std::{collections::HashMap, io};
/// # struct Db(HashMap<u64, User>);
/// #[derive(Clone, Serialize, Deserialize)]
/// struct User {
///     id: u64,
///     name: String,
/// }
///
/// #[cached_aside(ttl = "5m", key = "user:{id}", skip(db))]
/// async fn load_user(db: &Db, id: u64) -> io::Result<Option<User>> {
///     Ok(db.0.get(&id).cloned())
/// }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let user = User { id: 1, name: "Ada".to_owned() };
/// # let db = Db(HashMap::from([(1, user)]));
/// # let cache = Cache::in_process();
/// # cache.clone().install()?;
///
/// load_user(&db, 1).await?; // a miss: the body runs
/// load_user(&db, 1).await?; // a hit
/// # assert_eq!((cache.stats().total.loads, cache.stats().total.hits), (1, 1));
/// # Ok(())
/// # }
/// ```
///
/// # Where it can stand
///
/// On an `async fn` with a body: a free function, an associated function, a method with `&self`, `self` or `self: Arc<Self>`,
/// a function in a trait or in an `impl` of a trait, a method inside `#[async_trait]`, a function inside another function,
/// each of them generic or not. The signature stays as it is. The future is `Send` whenever the body's is and what it gives is
/// `Send` (it need not be `Sync`), and takes at most 1 KiB more than the body's. Doc comments and other attributes are kept;
/// lint levels and `#[deprecated]` hold for the companions too.
///
/// Annotated functions can call each other as deeply as plain ones, with one difference: the compiler follows a chain of different
/// functions through two futures for each of them when it asks whether the whole is `Send`. A long chain may ask for
/// `#![recursion_limit = "256"]`.
///
/// `&mut self` is refused: a hit does not run the body, so nothing would change. So are `fn` without `async`, `const`,
/// `unsafe` and `extern` functions, and return types that borrow or are `impl Trait`.
///
/// # Options
///
/// Only `ttl` is required.
///
/// | option | default | meaning |
/// | --- | --- | --- |
/// | `ttl = "5m"` | | how long an entry lives, at the most |
/// | `key = "user:{id}"` | derived | the entry's key |
/// | `skip(self, db)` | nothing | parameters that are deliberately not part of the key |
/// | `none_ttl = "30s"` | `None` is not stored | store `None` too, this long |
/// | `jitter = "10%"` | `"10%"` | shorten each TTL by a random part, up to this |
/// | `lease = "1s"` | `"1s"` | how long a load may go unrenewed before another process may begin one |
/// | `wait = "5s"` | `"5s"` | how long others wait for a load that goes on before they run the body themselves |
/// | `stale_while_revalidate = "1m"` | no window | so long past its TTL a value is given while one caller reloads it |
/// | `stale_if_error = "1h"` | no window | so long past its TTL a value is given when its reload fails |
/// | `refresh = "background"` | `"inline"` | the caller that reloads does not wait either |
/// | `load_timeout(soft = "100ms", hard = "2s")` | no limits | with an old value at hand no caller waits longer than `soft`; no load takes longer than `hard` |
/// | `early_refresh = 1.0` | not at all | one caller reloads a value before it is stale, by chance |
/// | `codec = Json` | `Bincode` | how values become bytes |
/// | `version = 2` | `0` | raise it when the meaning of the value changes but its type does not; `version = only(2)`: the type's structure is not compared |
/// | `cache = self.cache` | the one in scope, else the installed one | the [`Cache`] to use, an expression |
/// | `error_ttl = "5s"`, `error_if = \|error: &DbError\| …` | `Err` is not stored | store those errors too, this long |
/// | `store_if = \|user: &User\| user.active` | always | whether a value is stored |
/// | `ttl_for = \|user: &User\| …` | `ttl` | how long this value is stored, `ttl` at the most |
/// | `shares_key` | the key is this function's alone | another function has the same key on purpose; on both |
/// | `crate = ::path` | `::cached_aside` | where this library is found, if it is renamed or re-exported |
///
/// A length of time is a string with units (`"500ms"`, `"1h 30m"`, `"7days"`), or a constant expression of type
/// `Duration`. Both are checked when compiling.
///
/// ## `ttl`
///
/// From one millisecond to 100 years. There is no way to store an entry without one.
///
/// ```
/// # use cached_aside::cached_aside;
/// # use std::time::Duration;
/// const QUARTER: Duration = Duration::from_secs(15 * 60);
///
/// #[cached_aside(ttl = QUARTER, jitter = "0%")]
/// async fn exchange_rate(currency: String) -> f64 {
/// #   let _ = currency;
///     // …
/// #   1.0
/// }
/// ```
///
/// ```compile_fail
/// # use cached_aside::cached_aside;
/// #[cached_aside] // every entry needs a TTL
/// async fn exchange_rate(currency: String) -> f64 {
/// #   let _ = currency;
///     // …
/// #   1.0
/// }
/// ```
///
/// ```compile_fail
/// # use cached_aside::cached_aside;
/// #[cached_aside(ttl = "0s")] // `0s` is no time at all
/// async fn exchange_rate(currency: String) -> f64 {
/// #   let _ = currency;
///     // …
/// #   1.0
/// }
/// ```
///
/// ## `key` and `skip`
///
/// A template in a string. A placeholder names a parameter or a field of one:
///
/// | placeholder | writes |
/// | --- | --- |
/// | `{id}` | the parameter, by `Display` |
/// | `{user.id}`, `{self.tenant}`, `{pair.0}` | a field, at any depth |
/// | `{kind:?}` | by `Debug` |
/// | `{id:x}`, `{id:o}`, `{id:b}`, `{value:e}` | hexadecimal, octal, binary, exponential |
/// | `{id:08}` | padded to a width: numbers only |
/// | `{T}`, `{N}`, `{Self}` | the name of a type parameter or of `Self`, the value of a const parameter |
/// | `{{`, `}}` | one brace |
///
/// **Every parameter, `self` included, is either in the key or skipped.** Otherwise it does not compile: two callers with
/// different values would share one entry. The same holds for type and const parameters, those of an `impl` and of a `trait`
/// included, unless a parameter that is in the key or skipped is about them: name them by `{T}` or `skip(T)`. Where several
/// types share a function, in a `trait` or in an `impl<T> Load for T`, a written key needs `{Self}` or `skip(Self)`. A parameter
/// whose pattern is `_` needs neither.
///
/// Values that print alike are one value to a written key: `{price}` of a type whose `Display` rounds gives one entry to two
/// prices. A call in which a `Display` fails runs uncached, and the log says so once.
///
/// ```compile_fail
/// # use cached_aside::cached_aside;
/// #[cached_aside(ttl = "5m", key = "user:{id}")] // `tenant` is neither in the key nor skipped
/// async fn user_name(tenant: u64, id: u64) -> String {
///     format!("user {id} of tenant {tenant}")
/// }
/// ```
///
/// ```
/// # use cached_aside::cached_aside;
/// #[cached_aside(ttl = "5m", key = "user:{tenant}:{id}")]
/// async fn user_name(tenant: u64, id: u64) -> String {
///     format!("user {id} of tenant {tenant}")
/// }
/// ```
///
/// The same for `self`:
///
/// ```compile_fail
/// # use cached_aside::cached_aside;
/// # struct Repo { tenant: String }
/// impl Repo {
///     #[cached_aside(ttl = "5m", key = "user:{id}")] // whose user?
///     async fn user_name(&self, id: u64) -> String {
///         format!("user {id} of tenant {}", self.tenant)
///     }
/// }
/// ```
///
/// ```
/// # use cached_aside::cached_aside;
/// # struct Repo { tenant: String }
/// impl Repo {
///     #[cached_aside(ttl = "5m", key = "user:{self.tenant}:{id}")]
///     async fn user_name(&self, id: u64) -> String {
///         format!("user {id} of tenant {}", self.tenant)
///     }
/// }
/// ```
///
/// Two values need a separator between them (`:` `/` `|` `#` `,` `;` `=`, a brace, or white space), because a value never
/// contains one: the key writes those characters percent-encoded.
///
/// ```compile_fail
/// # use cached_aside::cached_aside;
/// #[cached_aside(ttl = "5m", key = "name:{first}-{last}")] // `a-b`, `c` and `a`, `b-c` would be one key
/// async fn by_name(first: &str, last: &str) -> u64 {
/// #   let _ = (first, last);
///     // …
/// #   1
/// }
/// ```
///
/// ```
/// # use cached_aside::cached_aside;
/// #[cached_aside(ttl = "5m", key = "name:{first}/{last}")]
/// async fn by_name(first: &str, last: &str) -> u64 {
/// #   let _ = (first, last);
///     // …
/// #   1
/// }
///
/// assert_eq!(by_name::key("Ada", "Byron/King").as_str(), "name:Ada/Byron%2FKing");
/// ```
///
/// A key can't start with `#`: in Redis such names are kept for tags. Where the first placeholder is followed by `#`, its value
/// might be empty, so that does not compile either.
///
/// Two functions of one program whose templates are alike (the names of placeholders do not matter) have the same keys. Each
/// waits for its own loads only and is never given a value of another type, but it is given what the other stored where the
/// types of their values are one, and else the two replace each other's entries. So the second one's first call logs an
/// `error` with both places, unless both say `shares_key`:
///
/// ```
/// # use cached_aside::{Cache, cached_aside};
/// #[cached_aside(ttl = "5m", key = "user_name:{id}", shares_key)]
/// async fn user_name(id: u64) -> String {
///     format!("user {id}")
/// }
///
/// #[cached_aside(ttl = "5m", key = "user_name:{user_id}", skip(replica), shares_key)]
/// async fn user_name_from(replica: &str, user_id: u64) -> String {
/// #   let _ = replica;
///     format!("user {user_id}")
/// }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// # let cache = Cache::in_process();
/// # cache.scope(async { user_name(1).await; user_name_from("eu", 1).await; }).await;
/// # assert_eq!(cache.stats().total.loads, 1);
/// # }
/// ```
///
/// Without `key` the key is derived: the module path, the function's name, and every parameter that is not skipped. It takes
/// only types of which it is known that their text tells their values apart: numbers, `bool`, `char`, strings, and `Option`s,
/// tuples and ordered collections of these; other types implement [`KeyPart`], are named in a `key`, or are skipped. For a
/// method it begins with the type's path. A derived key cannot contain `self`. Of several functions of one name in one function
/// body each has a key of its own, by their order.
///
/// ```
/// mod users {
/// #   use cached_aside::cached_aside;
/// #   pub struct Db;
///     #[cached_aside(ttl = "5m", skip(db))]
///     pub async fn search(db: &Db, text: &str, page: Option<u32>) -> Vec<u64> {
/// #       let _ = (db, text, page);
///         // …
/// #       vec![]
///     }
/// }
///
/// let key = users::search::key("a: b", Some(2));
/// assert!(key.as_str().ends_with("users::search:a%3A%20b:Some(2)"));
/// ```
///
/// ## `cache`
///
/// An expression that gives the [`Cache`], as it is or behind a reference. Whoever names the function in a write, or makes a key
/// of it, reaches that cache, if it can be known there:
///
/// | the expression needs | its keys | in [`invalidates`](macro@invalidates) and [`updates`](macro@updates) |
/// | --- | --- | --- |
/// | no parameter, or such as are in the key (`cache = CACHE`) | know the cache | `load_user(id)` |
/// | `self` too (`cache = self.cache`) | need [`in_cache`](Key::in_cache) | `self.load_user(id)`, `repo.load_user(id)` |
/// | a skipped parameter (`cache = state.cache`), or `.await` | need [`in_cache`](Key::in_cache) | `load_user(id)`, and the write's own `cache = …` |
///
/// Anything else does not compile: the deletion would go to the cache in scope, and the stale value would stay. A write that
/// names a cache too names it for the keys that don't know theirs, templates among them; a key that does goes where it lies.
///
/// ```
/// # use cached_aside::{Cache, cached_aside, invalidates};
/// # use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
/// struct Counter {
///     cache: Cache,
///     value: AtomicU64,
/// }
///
/// impl Counter {
///     #[cached_aside(ttl = "5m", key = "counter", skip(self), cache = self.cache)]
///     async fn value(&self) -> u64 {
///         self.value.load(SeqCst)
///     }
///
///     #[invalidates(self.value())]
///     async fn add(&self, number: u64) {
///         self.value.fetch_add(number, SeqCst);
///     }
/// }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let counter = Counter { cache: Cache::in_process(), value: AtomicU64::new(1) };
/// assert_eq!(counter.value().await, 1);
/// counter.add(2).await;
/// assert_eq!(counter.value().await, 3);
/// # }
/// ```
///
/// ```compile_fail
/// # use cached_aside::{Cache, cached_aside, invalidates};
/// # struct Counter { cache: Cache }
/// # impl Counter {
/// #[cached_aside(ttl = "5m", key = "counter", skip(self), cache = self.cache)]
/// async fn value(&self) -> u64 {
/// #   1
///     // …
/// }
///
/// #[invalidates(Counter::value())] // of which counter?
/// async fn add(&self, number: u64) {
/// #   let _ = number;
///     // …
/// }
/// # }
/// ```
///
/// ## What is stored, `none_ttl`
///
/// | return type | stored |
/// | --- | --- |
/// | `T` | every value |
/// | `Option<T>` | `Some`; `None` only with `none_ttl` |
/// | `Result<T, E>` | `Ok`; `Err` only with `error_ttl` |
/// | `Result<Option<T>, E>` | `Ok(Some)`; `Ok(None)` only with `none_ttl`; `Err` only with `error_ttl` |
///
/// Aliases are seen through (`io::Result`, one's own). `T` implements `serde::Serialize` and
/// `serde::de::DeserializeOwned`. `E` has no bounds; where it is `Clone + Send + Sync + 'static`, callers of one process
/// that wait for a load are given a clone of its error, else they run the body themselves.
///
/// A return type that is a type parameter (`T`, `T::Answer`) is a plain value. A call in which it turns out to be a `Result`
/// or an `Option` runs uncached, and the log says so once: write the `Result` or `Option` in the signature.
///
/// ```
/// # use cached_aside::{Cache, cached_aside};
/// #[cached_aside(ttl = "5m", none_ttl = "30s", key = "nick:{id}")]
/// async fn nickname(id: u64) -> Option<String> {
///     None
/// }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), cached_aside::Error> {
/// # let cache = Cache::in_process();
/// # cache.clone().install()?;
///
/// nickname(1).await;
/// nickname(1).await;
/// assert_eq!(cache.stats().function("nickname").hits, 1);
/// # Ok(())
/// # }
/// ```
///
/// ```compile_fail
/// # use cached_aside::cached_aside;
/// #[cached_aside(ttl = "5m", none_ttl = "30s", key = "nick:{id}")] // there is no `None`
/// async fn nickname(id: u64) -> String {
///     id.to_string()
/// }
/// ```
///
/// ```compile_fail
/// # use cached_aside::cached_aside;
/// struct User; // neither `Serialize` nor `DeserializeOwned`
///
/// #[cached_aside(ttl = "5m", key = "user:{id}")]
/// async fn load_user(id: u64) -> User {
/// #   let _ = id;
///     User
/// }
/// ```
///
/// ## `store_if` and `ttl_for`
///
/// Closures over a reference to the value, or names of functions. They see what is inside of an `Option` or a `Result`, can't
/// capture anything, and decide about every way to store: a load, a refresh, and a write with [`updates`](macro@updates).
///
/// A value that `store_if` refuses is given to the caller, and to those of this process who waited for it, and is not stored.
///
/// `ttl_for` gives the TTL of this value. More than `ttl` counts as `ttl`, which stays the bound; zero says not to store the
/// value at all. Both are counted ([`Counts::ttls_clamped`]). The jitter is taken from the result, and an entry always has a
/// TTL.
///
/// ```
/// # use cached_aside::{Cache, cached_aside};
/// # use serde::{Deserialize, Serialize};
/// # use std::time::Duration;
/// #[derive(Serialize, Deserialize)]
/// struct AccessToken {
///     text: String,
///     expires_in: Duration,
/// }
///
/// #[cached_aside(ttl = "1h", key = "token:{client}",
///     store_if = |token: &AccessToken| !token.text.is_empty(),
///     ttl_for = |token: &AccessToken| token.expires_in / 2)]
/// async fn access_token(client: &str) -> Result<AccessToken, std::io::Error> {
/// #   let _ = client;
///     // …
/// #   Ok(AccessToken { text: "a".into(), expires_in: Duration::ZERO })
/// }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// # let cache = Cache::in_process();
/// # cache.scope(async { access_token("a").await.unwrap(); access_token("a").await.unwrap(); }).await;
/// # assert_eq!((cache.stats().total.loads, cache.stats().total.ttls_clamped), (2, 2));
/// # }
/// ```
///
/// ```compile_fail
/// # use cached_aside::cached_aside;
/// #[cached_aside(ttl = "1h", key = "square:{n}", store_if = |square| *square > limit, skip(limit))] // `limit` is no part of it
/// async fn square(n: u64, limit: u64) -> u64 {
///     n * n
/// }
/// ```
///
/// ## `error_ttl` and `error_if`
///
/// Some errors are answers: there is no such row, the account is closed. `error_if` says which, and those are stored, for
/// `error_ttl`, with the codec and the version of the values. The two come together, and the error implements
/// `serde::Serialize` and `serde::de::DeserializeOwned`. A write ends a stored error as it ends a value.
///
/// An error is never given past its `error_ttl`: the stale windows are for values. While an old value is at hand, a load that
/// fails stores nothing, whatever `error_if` says of its error.
///
/// ```
/// # use cached_aside::{Cache, cached_aside};
/// # use serde::{Deserialize, Serialize};
/// #[derive(Debug, Serialize, Deserialize)]
/// enum DbError {
///     NotFound,
///     ConnectionLost,
/// }
///
/// #[cached_aside(ttl = "5m", error_ttl = "5s", key = "user:{id}",
///     error_if = |error: &DbError| matches!(error, DbError::NotFound))]
/// async fn user_name(id: u64) -> Result<String, DbError> {
/// #   let _ = id;
///     // …
///     Err(DbError::NotFound)
/// }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), cached_aside::Error> {
/// # let cache = Cache::in_process();
/// # cache.clone().install()?;
///
/// user_name(1).await.unwrap_err();
/// user_name(1).await.unwrap_err();
/// assert_eq!(cache.stats().total.loads, 1);
/// # Ok(())
/// # }
/// ```
///
/// ```compile_fail
/// # use cached_aside::cached_aside;
/// #[cached_aside(ttl = "5m", error_ttl = "5s", key = "user:{id}")] // which errors?
/// async fn user_name(id: u64) -> Result<String, String> {
///     Ok(id.to_string())
/// }
/// ```
///
/// ## `lease` and `wait`
///
/// Of all processes that miss a key, one acquires a lease and runs the body; the others wait for its result. The lease is
/// renewed each third of its length while the body runs, so it may be shorter than the body, and a load that takes less than a
/// third of it costs no renewal. A call that fails, is cancelled, or whose value Redis refuses gives its lease up at once. If the
/// process dies, others go on when the lease ends: after a second by default. Who has waited for `wait` runs the body without
/// storing. A lease is 10 ms to one hour.
///
/// A body that calls its own function with the same key, directly or through another, would wait for itself: the inner call runs
/// the body without storing, and one line at `warn` says so, once for each function. The same holds for loads of one process that
/// wait for each other. What a body spawns is not seen to be part of it, and neither are loads of other processes: such a wait
/// ends after `wait`.
///
/// ## `stale_while_revalidate`, `stale_if_error`
///
/// Values that stay for a while past their TTL. In the first window one caller of all processes reloads the value, and the
/// others are given the old one meanwhile. In the second all wait for the reload, and are given the old value if that fails
/// (`Err`, or `load_timeout(hard = …)`). In both the old value is given when the reload fails, and the next attempt waits for a
/// pause that grows with each failure. A write ends old values like fresh ones. [How old can a value
/// be?](crate::docs::how_old_can_a_value_be) has it all in one table.
///
/// ```
/// # use cached_aside::{Cache, cached_aside};
/// # use std::{io, time::Duration};
/// #[cached_aside(ttl = "1m", stale_if_error = "1h", key = "rate:{currency}")]
/// async fn rate(currency: &str) -> io::Result<f64> {
/// #   use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
/// #   static DOWN: AtomicBool = AtomicBool::new(false);
/// #   if DOWN.swap(true, Relaxed) { return Err(io::Error::other("down")) }
///     // …
/// #   Ok(1.0)
/// }
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> io::Result<()> {
/// # let cache = Cache::in_process();
/// # cache.clone().install().unwrap();
///
/// rate("EUR").await?;
/// tokio::time::sleep(Duration::from_secs(120)).await;
/// rate("EUR").await?; // the body fails, and the old value is given
/// assert_eq!(cache.stats().total.stale, 1);
/// # Ok(())
/// # }
/// ```
///
/// `stale_if_error` needs a function that returns a `Result`.
///
/// ```compile_fail
/// # use cached_aside::cached_aside;
/// #[cached_aside(ttl = "1m", stale_if_error = "1h")] // this function can't fail
/// async fn rate(currency: String) -> f64 {
/// #   let _ = currency;
///     // …
/// #   1.0
/// }
/// ```
///
/// ## `refresh`, `load_timeout`
///
/// With `refresh = "inline"`, the default, the caller that reloads waits for that, and is given the new value. With
/// `"background"` it is given the old one too, and the load goes on without it. With a `soft` limit it waits so long and is
/// then given the old value, as are those who wait for its load; the load goes on. A `hard` limit ends a load: the body is
/// dropped where it waits. The function then returns [`Error::LoadTimeout`], made into its own error type by `From`.
///
/// A load that goes on without its caller keeps the arguments: owned ones as they are, references by a clone of what they
/// refer to, `&self` too. They are `Send + 'static`. Copies are made only when the body runs.
///
/// ```
/// # use cached_aside::cached_aside;
/// #[derive(Clone)]
/// struct Pool; // cheap to clone, as most pools are
///
/// #[cached_aside(
///     ttl = "1m",
///     stale_while_revalidate = "10m",
///     refresh = "background",
///     key = "report:{name}",
///     skip(pool)
/// )]
/// async fn report(pool: &Pool, name: &str) -> String {
/// #   let _ = pool;
///     // …
/// #   name.to_owned()
/// }
/// ```
///
/// ```compile_fail
/// # use cached_aside::cached_aside;
/// struct Connection; // can't be cloned
///
/// #[cached_aside(ttl = "1m", stale_while_revalidate = "10m", refresh = "background", key = "report:{name}", skip(connection))]
/// async fn report(connection: &Connection, name: &str) -> String {
/// #   let _ = connection;
///     // …
/// #   name.to_owned()
/// }
/// ```
///
/// Neither is for functions in traits and `impl`s of traits, nor for a `&mut` argument or one that borrows otherwise. `refresh`
/// and `soft` without a window, or `early_refresh`, do not compile: there would be no value to give.
///
/// ## `early_refresh`
///
/// A number above 0 and up to 100, `1.0` as a rule. A hit becomes a reload by chance, the sooner the longer the last load took
/// and the larger the number is, so that a value that is read often is never stale. One caller of all processes reloads,
/// and waits for that unless `refresh` says otherwise; the others have their hit.
///
/// ## `codec`
///
/// A type that implements [`Codec`]. The four that come with the crate are meant by their names alone.
///
/// | codec | feature | `flatten`, `untagged`, `serde_json::Value` |
/// | --- | --- | --- |
/// | `Bincode` | `bincode` (default) | no |
/// | `Postcard` | `postcard` | no |
/// | `MessagePack` | `messagepack` | yes |
/// | `Json` | `json` | yes |
///
/// Without the feature `bincode`, `Postcard` is the default. A function whose type its codec could write but never read
/// back runs uncached and says so once in the log, naming a codec that can. It is found before anybody calls
/// it: by [`check()`] in a test, and by a log line when the cache is installed; only of a function whose value type depends on a
/// type parameter is it found at its first call. A value that the codec would not give back as it was
/// is not stored: each one is read back before it is stored and compared, which a hit pays nothing for. The table of
/// what that means for `skip`, `Some(None)`, NaN, deep values and panics is in `docs/codecs.md`.
///
/// ```
/// # #[cfg(feature = "json")]
/// # {
/// # use cached_aside::cached_aside;
/// #[cached_aside(ttl = "1h", key = "settings:{id}", codec = Json, version = 2)]
/// async fn settings(id: u64) -> serde_json::Value {
/// #   let _ = id;
///     // …
/// #   serde_json::Value::Null
/// }
/// # }
/// ```
///
/// ## `version`
///
/// An entry is read only by programs in which the value's type has the same structure: fields, variants, leaves, at every depth.
/// What that can't see, a changed meaning, is what the version is for. Where the structure can't be compared (`flatten`, `tag`, `untagged`;
/// any type in a program with `panic = "abort"`), entries are shared only by processes that run the same build, and one line in the
/// log says so. `version = only(2)` compares nothing but the version, and shares entries with all builds: raise it with
/// *every* change of the type, or a release reads what another meant differently.
///
/// ```
/// # use cached_aside::cached_aside;
/// #[cached_aside(ttl = "1h", key = "rate:{currency}", version = only(2))]
/// async fn rate(currency: &str) -> f64 {
/// #   let _ = currency;
///     // …
/// #   1.0
/// }
/// ```
///
/// ## `cache`
///
/// ```
/// # use cached_aside::{Cache, cached_aside};
/// struct Repo {
///     cache: Cache,
/// }
///
/// impl Repo {
///     #[cached_aside(ttl = "5m", key = "user:{id}", skip(self), cache = self.cache)]
///     pub async fn user_name(&self, id: u64) -> String {
///         format!("user {id}")
///     }
/// }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), cached_aside::Error> {
///
/// let repo = Repo { cache: Cache::in_process() };
/// repo.user_name(1).await;
/// let key = Repo::user_name_key(1).in_cache(&repo.cache);
/// assert_eq!(key.peek().await?.as_deref(), Some("user 1"));
/// # Ok(())
/// # }
/// ```
///
/// # Companions
///
/// They have the function's visibility. Importing a function imports its companions.
///
/// | for | the [`Key`] | the body without the cache |
/// | --- | --- | --- |
/// | `load_user` | `load_user::key(id)` | `load_user::uncached(db, id)` |
/// | `Repo::load_user` | `Repo::load_user_key(id)` | `Repo::load_user_uncached(db, id)` |
/// | the same with `{self.…}` in its key | `repo.load_user_key(id)` | `repo.load_user_uncached(id)` |
/// | in a trait, in an `impl` of a trait, in `#[async_trait]` | none: write the template | none |
///
/// A key takes the parameters that the key uses, in the function's order.
///
/// ```
/// # use cached_aside::{Cache, cached_aside};
/// #[cached_aside(ttl = "5m", key = "square:{n}")]
/// async fn square(n: u64) -> u64 {
///     n * n
/// }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), cached_aside::Error> {
/// # Cache::in_process().install()?;
///
/// assert_eq!(square::uncached(12).await, 144);
/// assert_eq!(square::key(12).peek().await?, None); // nothing was stored
/// # Ok(())
/// # }
/// ```
///
/// A function named like a type or module beside it can't be annotated: the companions live in an `enum` with the
/// function's name.
///
/// A constant that an attribute names (`ttl = Self::TTL`) is one for all instantiations: it may not depend on generic
/// parameters, nor on the `Self` of a trait; take the longest as `ttl`, and `ttl_for` for each.
///
/// An attribute reads in the source file where its function stands. Where it can't, such as in some documentation tests and
/// generated code, it goes by the signature: a method that is not `pub` (nor `pub(crate)` …) is then taken for one of a trait
/// and has no companions.
pub use cached_aside_macros::cached_aside;
/// Invalidates what it names: on an `async fn` that writes. Once the function has returned, no cached read gives the old value.
///
/// ```
/// # use cached_aside::{Cache, cached_aside, invalidates};
/// # use std::{collections::HashMap, sync::Mutex};
/// # type Db = Mutex<HashMap<u64, String>>;
/// #[cached_aside(ttl = "5m", key = "user:{id}", skip(db))]
/// async fn user_name(db: &Db, id: u64) -> Option<String> {
///     db.lock().unwrap().get(&id).cloned()
/// }
///
/// #[invalidates(user_name(id), "users:recent")]
/// async fn rename_user(db: &Db, id: u64, name: &str) {
///     db.lock().unwrap().insert(id, name.to_owned());
/// }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), cached_aside::Error> {
/// # Cache::in_process().install()?;
/// # let db = Db::default();
///
/// rename_user(&db, 1, "Ada").await;
/// assert_eq!(user_name(&db, 1).await.as_deref(), Some("Ada"));
/// rename_user(&db, 1, "Grace").await;
/// assert_eq!(user_name(&db, 1).await.as_deref(), Some("Grace"));
/// # Ok(())
/// # }
/// ```
///
/// It can stand where [`cached_aside`](macro@cached_aside) can, and on methods with `&mut self`.
///
/// # What happens
///
/// 1. Before the body every key that the arguments give is **guarded**, all in one round trip. A guarded key has no value,
///    and none can be stored; readers run their bodies.
/// 2. The body runs. The guards are renewed meanwhile.
/// 3. After the body the guards are released, all in one round trip. The last writer out deletes the key. `Err` releases
///    too: the database may have been written.
/// 4. Keys that only the result gives are deleted.
///
/// If the function is cancelled or panics inside the body, the database may still be carrying out what it was told. So the
/// guards stay for another `guard_for`, and nothing is stored until then. If the process dies, they end by themselves after
/// `guard_for`.
///
/// # What it names
///
/// Any number of these, and at least one:
///
/// | argument | meaning |
/// | --- | --- |
/// | `load_user(user.id)` | the entry of that call. The arguments are those of `load_user::key`, checked by the compiler |
/// | `users::load_user(id)`, `Repo::load_user(id)`, `Self::load_user(id)`, `self.load_user(id)` | the same, by path or on a receiver |
/// | `"user:{user.id}"` | a key as a template: for functions in traits, and keys of other programs |
/// | `load_user(id?)`, `load_user(result?.id)` | if there is one: `id` is an `Option` or a reference to one, and without a value this key is left out |
/// | the same with `result` in it | `result` is the success value. Deleted after the body only; nothing on `Err` |
///
/// A name that begins with a capital is taken for a type: `Repo::load_user` is a method, `users::load_user` a function.
///
/// ```
/// # use cached_aside::{cached_aside, invalidates};
/// # struct User { id: u64, email: String }
/// # struct Failed;
/// # #[cached_aside(ttl = "5m", key = "user:{id}")]
/// # async fn user_name(id: u64) -> String { id.to_string() }
/// #[invalidates(user_name(result.id), "email:{result.email}")]
/// async fn create_user(email: String) -> Result<User, Failed> {
///     Ok(User { id: 7, email })
/// }
/// ```
///
/// Keys of the result can't be guarded before the body. Until they are deleted after it, readers may be given the old value,
/// and if the process dies before that, until its TTL. A load that is running at the deletion does not store what it read.
/// Where the arguments give the key, name it by the arguments.
///
/// Wrong names, counts and types do not compile:
///
/// ```compile_fail
/// # use cached_aside::{cached_aside, invalidates};
/// # #[cached_aside(ttl = "5m", key = "user:{id}")]
/// # async fn user_name(id: u64) -> String { id.to_string() }
/// #[invalidates(user_name("seven"))] // the key of `user_name` takes a `u64`
/// async fn rename_user() {}
/// ```
///
/// ```compile_fail
/// # use cached_aside::{cached_aside, invalidates};
/// # async fn user_name(id: u64) -> String { id.to_string() }
/// #[invalidates(user_name(7))] // `user_name` is not cached
/// async fn rename_user() {}
/// ```
///
/// ```compile_fail
/// # use cached_aside::invalidates;
/// #[invalidates] // nothing is invalidated
/// async fn rename_user() {}
/// ```
///
/// # Options
///
/// | option | default | meaning |
/// | --- | --- | --- |
/// | `guard = "best_effort"` | `"best_effort"` | what happens when a key can't be guarded; see below |
/// | `guard_for = "10s"` | `"10s"` | how long a guard holds unrenewed: 10 ms to one hour |
/// | `settle = "500ms"` | not at all | keep the guards this long after the body: for an origin that answers with old data for a while, such as a read replica. At most one hour |
/// | `wait_replicas = 1` | none | a guard counts as placed only once so many replicas have confirmed it (Redis' `WAIT`), so that it survives a failover; without confirmation within the cache's timeout the key counts as unguarded. 1 to 255; nothing to wait for in process |
/// | `when = expr` | always | an expression of type `bool` over the arguments; if it is `false`, only the body runs |
/// | `cache = self.cache` | the one in scope, else the installed one | the [`Cache`] to use, an expression |
/// | `crate = ::path` | `::cached_aside` | where this library is found, if it is renamed or re-exported |
///
/// | `guard` | Redis can't be reached before the body | cost |
/// | --- | --- | --- |
/// | `"best_effort"` | the body runs. This process leaves the entries alone until Redis has acknowledged their deletion; other processes that still reach Redis may read the old value until then | two round trips |
/// | `"required"` | the body does not run: the function returns [`Error::NotGuarded`], so its return type is a `Result` whose error implements `From<cached_aside::Error>` | two round trips |
/// | `"off"` | there is no guard, only the deletion after the body. A reader may see the new value and then the old one, and if the process dies in between, the old value stays until its TTL | one round trip |
///
/// ```
/// # use cached_aside::{cached_aside, invalidates};
/// # #[cached_aside(ttl = "5m", key = "balance:{account}")]
/// # async fn balance(account: u64) -> u64 { account }
/// #[derive(Debug)]
/// enum BankError {
///     Cache(cached_aside::Error),
/// }
///
/// impl From<cached_aside::Error> for BankError {
///     fn from(error: cached_aside::Error) -> Self {
///         BankError::Cache(error)
///     }
/// }
///
/// #[invalidates(balance(from), balance(to), guard = "required", when = amount > 0)]
/// async fn transfer(from: u64, to: u64, amount: u64) -> Result<(), BankError> {
///     // …
///     Ok(())
/// }
/// ```
///
/// ```compile_fail
/// # use cached_aside::{cached_aside, invalidates};
/// # #[cached_aside(ttl = "5m", key = "balance:{account}")]
/// # async fn balance(account: u64) -> u64 { account }
/// #[derive(Debug)]
/// enum BankError {} // can't say that the write was refused
///
/// #[invalidates(balance(from), balance(to), guard = "required", when = amount > 0)]
/// async fn transfer(from: u64, to: u64, amount: u64) -> Result<(), BankError> {
///     // …
///     Ok(())
/// }
/// ```
///
/// ```compile_fail
/// # use cached_aside::invalidates;
/// #[invalidates("user:{id}", guard = "off", settle = "1s")] // there is no guard that could settle
/// async fn rename_user(id: u64) {}
/// ```
///
/// # Transactions
///
/// The function has to *commit* before it returns. If it writes inside a transaction that somebody else commits, use
/// [`Cache::guard`] around the whole transaction instead.
pub use cached_aside_macros::invalidates;
/// Stores what it writes: on an `async fn` that returns the value as the cached function would now load it. Once it has
/// returned, cached reads give that value, and the database need not be asked for it.
///
/// ```
/// # use cached_aside::{Cache, cached_aside, updates};
/// # use std::{collections::HashMap, sync::Mutex};
/// # type Db = Mutex<HashMap<u64, String>>;
/// # struct Failed;
/// #[cached_aside(ttl = "5m", key = "user:{id}", skip(db))]
/// async fn user_name(db: &Db, id: u64) -> Option<String> {
///     db.lock().unwrap().get(&id).cloned()
/// }
///
/// #[updates(user_name(id))]
/// async fn rename_user(db: &Db, id: u64, name: &str) -> Result<String, Failed> {
///     let name = name.trim().to_owned();
///     db.lock().unwrap().insert(id, name.clone());
///     Ok(name)
/// }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), cached_aside::Error> {
/// # let cache = Cache::in_process();
/// # cache.clone().install()?;
/// # let db = Db::default();
///
/// rename_user(&db, 1, " Ada ").await;
/// assert_eq!(user_name(&db, 1).await.as_deref(), Some("Ada"));
/// assert_eq!(cache.stats().total.loads, 0);
/// # Ok(())
/// # }
/// ```
///
/// It is [`invalidates`](macro@invalidates) with another end: before the body the keys are guarded, and after it the value
/// takes the guard's place, **if this was the only write**. Otherwise the entry is deleted, as `#[invalidates]` does it, and
/// the next read loads it:
///
/// - another write of the same key, by whichever attribute or by [`Key::invalidate`], was in progress at any time while this
///   one was: which of the two the database carried out last, only the database knows;
/// - the guard could not be placed, or was lost while the body ran;
/// - the function failed, or was cancelled, or panicked;
/// - it returned `None`, and the cached function has no `none_ttl`; with one the `None` is stored;
/// - `store_if` or `ttl_for` of the cached function would not have it stored, or the codec can't write it.
///
/// The entry is the cached function's: its TTL and jitter, codec and version.
///
/// # What it names
///
/// Calls of cached functions, one or more: `user_name(id)`, `users::user_name(id)`, `Repo::load(id)`, `self.load(id)`. All get
/// the same value, so they cache one type. It is the type that this function returns, each with or without an `Option`, a
/// `Result`, or both around it; the errors need not be the same.
///
/// ```compile_fail
/// # use cached_aside::{cached_aside, updates};
/// # #[cached_aside(ttl = "5m", key = "user:{id}")]
/// # async fn user_name(id: u64) -> Option<String> { None }
/// #[updates(user_name(id))] // it caches a `String`
/// async fn rename_user(id: u64) {}
/// ```
///
/// Keys of the result can't be guarded before the body, and a template has no type: delete those with `#[invalidates]`, which
/// can stand beside it:
///
/// ```
/// # use cached_aside::{cached_aside, invalidates, updates};
/// # #[cached_aside(ttl = "5m", key = "user:{id}")]
/// # async fn user_name(id: u64) -> Option<String> { None }
/// # #[cached_aside(ttl = "5m", key = "names:{page}")]
/// # async fn names(page: u32) -> Vec<String> { vec![] }
/// #[updates(user_name(id))]
/// #[invalidates(names(1), "name:{result}")]
/// async fn rename_user(id: u64, name: String) -> String {
///     // …
///     name
/// }
/// ```
///
/// ```compile_fail
/// # use cached_aside::updates;
/// #[updates("user:{id}")] // which type, which codec?
/// async fn rename_user(id: u64) -> String {
///     id.to_string()
/// }
/// ```
///
/// # Options
///
/// `guard` (`"best_effort"` or `"required"`), `guard_for`, `when` and `cache`, as those of
/// [`invalidates`](macro@invalidates#options). Without a guard (`"off"`) nothing could be stored, and `settle` would keep the
/// guard where the value is to stand: both are for `#[invalidates]`.
///
/// ```compile_fail
/// # use cached_aside::{cached_aside, updates};
/// # #[cached_aside(ttl = "5m", key = "user:{id}")]
/// # async fn user_name(id: u64) -> String { id.to_string() }
/// #[updates(user_name(id), guard = "off")] // nobody would know of another write
/// async fn rename_user(id: u64) -> String {
///     id.to_string()
/// }
/// ```
pub use cached_aside_macros::updates;
#[cfg(feature = "bincode")]
pub use codec::Bincode;
#[cfg(feature = "json")]
pub use codec::Json;
#[cfg(feature = "messagepack")]
pub use codec::MessagePack;
#[cfg(feature = "postcard")]
pub use codec::Postcard;
pub use {
    cache::{Cache, CacheBuilder},
    codec::{Codec, CodecError},
    error::Error,
    key::{AnyKey, Key, KeyPart, Placed, Unplaced},
    linked::{Uncached, check},
    overrides::{Observed, ObservedCall, Source, bypass, observe, only_cached, refresh},
    telemetry::{Counts, Node, NodeState, Stats},
    write::WriteGuard,
};
