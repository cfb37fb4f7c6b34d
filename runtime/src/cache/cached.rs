//! `Cached`: a family of entries without an annotated function.

use std::{
    fmt::{self, Debug, Display},
    future::Future,
    marker::PhantomData,
    mem::ManuallyDrop,
    pin::pin,
    time::Duration,
};

use super::key::{Key, key};
use crate::{
    AnyKey,
    codec::{
        Cacheable, Codec,
        coding::{Coding, DefaultCodec, coding},
    },
    function::read::ReadFunction,
    key::KeyWriter,
    outcome::gives::Gives,
    read,
};

/// A family of entries without an annotated function: for closures, values that are loaded in one line, and code that is not
/// yours. What is promised of [`cached_aside`](macro@crate::cached_aside) is promised of it.
///
/// ```
/// # use cached_aside::{Cache, Cached, invalidates};
/// # use std::time::Duration;
/// # struct Db;
/// # struct DbError;
/// # impl Db {
/// #     async fn name(&self, tenant: u32, id: u64) -> Result<Option<String>, DbError> { Ok(Some(format!("{tenant} {id}"))) }
/// # }
/// static NAME: Cached<String> = Cached::new("name", Duration::from_secs(300)).none_ttl(Duration::from_secs(30));
///
/// # async fn example(db: &Db, tenant: u32, id: u64) -> Result<(), DbError> {
/// let name = NAME.get_or_load((tenant, id), || db.name(tenant, id)).await?;
/// # let _ = name; Ok(()) }
///
/// #[invalidates(NAME.key((tenant, id)))]
/// async fn rename(db: &Db, tenant: u32, id: u64, name: &str) {
///     // UPDATE …
/// }
/// ```
///
/// It is a `static`: its options are part of the program. They are those of the attribute, under their names; what is missing needs
/// the function's signature (`skip`, `refresh = "background"`, `load_timeout`, `error_ttl`), or is said otherwise (`cache`: the one in
/// [scope](crate::Cache::scope), or the installed one). Errors are not shared with those who wait for the load; each of them runs
/// its own.
pub struct Cached<T, C = DefaultCodec> {
    // It has something to drop, and a `static` is not dropped. Without this no `const fn` could change the codec.
    function: ManuallyDrop<ReadFunction>,
    coding: Coding<T>,
    codec: PhantomData<fn() -> C>,
}

// Without a default codec it has none to begin with.
#[cfg(any(feature = "bincode", feature = "postcard"))]
impl<T: Cacheable> Cached<T> {
    /// A family whose keys begin with this name, and whose entries live so long at the most. Needs the feature `bincode` or
    /// `postcard`, whose codec is the default one.
    ///
    /// Give each family a name of its own: it is what tells its keys from others.
    ///
    /// # Panics
    ///
    /// When compiling, if the name is empty, begins with `#` (names of tags do) or holds white space or control characters, and
    /// if the TTL is shorter than a millisecond or longer than 100 years.
    #[must_use]
    #[track_caller]
    pub const fn new(name: &'static str, ttl: Duration) -> Cached<T> {
        assert!(!name.is_empty(), "the name is empty; write what the values are, such as \"user\"");
        let bytes = name.as_bytes();
        assert!(bytes[0] != b'#', "a name may not begin with `#`: names of tags do");
        let mut at = 0;
        while at < bytes.len() {
            assert!(
                bytes[at] > b' ' && bytes[at] != 127,
                "a name may hold no white space and no control characters"
            );
            at += 1;
        }
        assert!(
            !ttl.is_zero(),
            "the TTL is zero: every entry lives for a while; write such as `Duration::from_secs(300)`"
        );
        let coding = coding::<T, DefaultCodec>(0);
        let function =
            ReadFunction::declare(crate::function::registry::FAMILIES, name, name, ttl).stores(&coding);
        Cached { function: ManuallyDrop::new(function), coding, codec: PhantomData }
    }
}

/// Options that the attribute's settings have as well.
macro_rules! options {
    ($($(#[$doc:meta])* $option:ident($($name:ident: $ty:ty)?);)*) => {$(
        $(#[$doc])*
        #[must_use]
        pub const fn $option(mut self $(, $name: $ty)?) -> Self {
            let function = ManuallyDrop::into_inner(self.function);
            self.function = ManuallyDrop::new(function.$option($($name)?));
            self
        }
    )*};
}

impl<T: Cacheable, C: Codec> Cached<T, C> {
    options! {
        /// Stores `None` too, this long. Without it `None` is not stored.
        ///
        /// # Panics
        ///
        /// When compiling, if it is shorter than a millisecond or longer than 100 years.
        none_ttl(ttl: Duration);
        /// How long a load may go unrenewed before another process may begin one: one second by default.
        ///
        /// # Panics
        ///
        /// When compiling, if it is shorter than 10 ms or longer than an hour.
        lease(lease: Duration);
        /// How long others wait for a load that goes on before they load themselves: five seconds by default.
        ///
        /// # Panics
        ///
        /// When compiling, if it is longer than 100 years.
        wait(wait: Duration);
        /// How long past its TTL a value may be returned while one caller reloads it. That caller waits.
        ///
        /// # Panics
        ///
        /// When compiling, if it is shorter than a millisecond or longer than 100 years.
        stale_while_revalidate(window: Duration);
        /// How long past its TTL a value may be returned when its reload gives `Err`.
        ///
        /// # Panics
        ///
        /// When compiling, if it is shorter than a millisecond or longer than 100 years.
        stale_if_error(window: Duration);
        /// One caller reloads a value before it is stale, by chance: the earlier, the larger this is and the longer loads take. 1.0 is
        /// the usual.
        ///
        /// # Panics
        ///
        /// When compiling, if it is not above 0 and at most 100.
        early_refresh(beta: f64);
        /// The share of hits that also run `load`, to find entries that are not what it gives: from 0.0 to 1.0. By default what the
        /// [builder](crate::CacheBuilder::verify) says. See [verification](crate::docs::verification).
        ///
        /// # Panics
        ///
        /// When compiling, if it is below 0.0 or above 1.0.
        verify(share: f64);
        /// `local_mode = "bounded"`: writes do not wait for the copies of [`local`](Cached::local), which may be older than a write that
        /// has returned by that long at most.
        local_bounded();
        /// Another family, or a function, has the same keys on purpose; on both.
        shares_key();
        /// `in_transaction = "cached"`: inside of a [`transaction`](crate::transaction()) hits are used all the same, since its origin is
        /// another one. Nothing is stored even then.
        cached_in_transaction();
    }

    /// Shortens each TTL by a random part up to this, in percent: 10 by default, 0 turns it off.
    ///
    /// # Panics
    ///
    /// When compiling, if it is more than 100.
    #[must_use]
    pub const fn jitter(mut self, percent: u8) -> Self {
        let function = ManuallyDrop::into_inner(self.function);
        self.function = ManuallyDrop::new(function.jitter(percent as u16 * 10));
        self
    }

    /// The number to raise when the meaning of the values changes but their type does not: 0 by default.
    #[must_use]
    pub const fn version(mut self, version: u32) -> Self {
        self.coding.kind.version = version;
        self.encoded()
    }

    /// How values become bytes: `.codec::<Json>()`, of a `Cached<User, Json>`.
    #[must_use]
    pub const fn codec<D: Codec>(self) -> Cached<T, D> {
        let Coding { store_if, ttl_for, local, kind, .. } = self.coding;
        let coding = Coding { store_if, ttl_for, local, ..coding::<T, D>(kind.version) };
        Cached { function: self.function, coding, codec: PhantomData }.encoded()
    }

    /// Stores a value only if this says so.
    #[must_use]
    pub const fn store_if(mut self, store_if: fn(&T) -> bool) -> Self {
        self.coding = self.coding.store_if(store_if);
        self
    }

    /// How long this value is stored, the TTL at the most.
    #[must_use]
    pub const fn ttl_for(mut self, ttl_for: fn(&T) -> Duration) -> Self {
        self.coding = self.coding.ttl_for(ttl_for);
        self
    }

    /// Hits without the network: this process keeps copies of what is asked for again within this time, and writes wait for them that
    /// long at most. Each call is given a clone. See [local copies](crate::docs::local_copies).
    ///
    /// # Panics
    ///
    /// When compiling, if it is shorter than 10 ms, longer than a minute, or longer than the TTL.
    #[must_use]
    pub const fn local(mut self, local: Duration) -> Self
    where
        T: Clone + Send + Sync + 'static,
    {
        let function = ManuallyDrop::into_inner(self.function);
        self.function = ManuallyDrop::new(function.local(local));
        self.coding = self.coding.local();
        self
    }

    const fn encoded(mut self) -> Self {
        let function = ManuallyDrop::into_inner(self.function);
        self.function = ManuallyDrop::new(function.stores(&self.coding));
        self
    }

    /// The value of these parts: from the cache, or what `load` gives, which is called only if it is needed. One load runs for a key
    /// across all processes, and the others wait for it, as with [`cached_aside`](macro@crate::cached_aside).
    ///
    /// `load` gives `T`, `Option<T>`, `Result<T, E>` or `Result<Option<T>, E>`, and so does this. `Err` is never stored, `None` with
    /// [`none_ttl`](Cached::none_ttl) only.
    ///
    /// The parts are one value or a tuple, each with a `Display`. They are written as in a template, so that no two lists of parts give
    /// one key: `NAME.key((7, "a:b"))` is `name:7:a%3Ab`. Whatever else `load` depends on has to be a part as well: nobody checks it
    /// here.
    ///
    /// # Panics
    ///
    /// Inside of [`only_cached`](crate::only_cached()), unless `load` gives an `Option` (also in a `Result`).
    pub fn get_or_load<M, R, F>(
        &'static self,
        parts: impl KeyParts<M>,
        load: impl FnOnce() -> F,
    ) -> impl Future<Output = R>
    where
        R: Gives<T>,
        F: Future<Output = R>,
    {
        // The parts are not carried.
        let key = self.text(parts);
        async move {
            let body = pin!(async move { load().await });
            read::load_given(&self.function, key, self.coding, body).await
        }
    }

    /// The key of these parts: for `#[invalidates(NAME.key((tenant, id)))]`, [`keys!`](crate::keys!), [`Key::peek`] and
    /// [`Key::invalidate`].
    pub fn key<M>(&'static self, parts: impl KeyParts<M>) -> Key<T> {
        // From here on `check` and the catalog know it.
        self.function.number();
        key(&self.function, self.text(parts), self.coding)
    }

    fn text<M>(&self, parts: impl KeyParts<M>) -> AnyKey {
        parts.write(&mut KeyWriter::new(self.function.settings.template)).finish()
    }
}

impl<T, C> Debug for Cached<T, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cached").field("name", &self.function.settings.name).finish_non_exhaustive()
    }
}

/// What the key of a [`Cached`] is made of: one value that implements `Display`, or a tuple of up to eight. `()` is the key of a family
/// with one entry.
///
/// `M` tells the two apart, and is always inferred.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be written into a key",
    label = "a value that implements `Display`, or a tuple of such values",
    note = "give the fields that tell its values apart, such as `(filter.text, filter.page)`, or a text, such as `format!(\"{{:?}}\", …)`"
)]
pub trait KeyParts<M>: Sized {
    /// Writes them behind the name.
    #[doc(hidden)]
    fn write(self, key: &mut KeyWriter) -> &mut KeyWriter;
}

/// One value.
#[doc(hidden)]
#[derive(Debug)]
pub struct OnePart;

/// A tuple.
#[doc(hidden)]
#[derive(Debug)]
pub struct Parts;

impl<D: Display> KeyParts<OnePart> for D {
    fn write(self, key: &mut KeyWriter) -> &mut KeyWriter {
        key.literal(":").value(&self)
    }
}

macro_rules! tuples {
    ($(($($part:ident)*))*) => {$(
        impl<$($part: Display),*> KeyParts<Parts> for ($($part,)*) {
            #[allow(non_snake_case, reason = "a part is called as its type is")]
            fn write(self, key: &mut KeyWriter) -> &mut KeyWriter {
                let ($($part,)*) = self;
                key $(.literal(":").value(&$part))*
            }
        }
    )*};
}

tuples! { () (A) (A B) (A B C) (A B C D) (A B C D E) (A B C D E F) (A B C D E F G) (A B C D E F G H) }
