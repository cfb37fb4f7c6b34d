//! Nothing that a program names gets in the way, and nothing that is generated warns.

#![no_implicit_prelude]
#![deny(warnings, missing_docs, unused, nonstandard_style)]

/// Not the real ones.
pub mod std {}
/// Not the real ones.
pub mod core {}
/// Not the real one.
pub mod cached_aside {}
/// Not the real one.
pub mod tokio {}

/// Functions.
pub mod functions {
    use ::cached_aside::{Cache, cached_aside, invalidates, updates};
    use ::std::{option::Option, result::Result, string::String};

    /// Names that an expansion might use itself.
    #[cached_aside(ttl = "1m", key = "{key}:{cache}:{result}", skip(function, body, when, keys, never))]
    pub async fn read(
        key: u64,
        cache: &str,
        result: String,
        function: u8,
        body: u8,
        when: bool,
        keys: u8,
        never: u8,
    ) -> Result<Option<u64>, ()> {
        let _ = (cache, result, function, body, when, keys, never);
        if key == 0 {
            return Result::Err(());
        }
        Result::Ok(Option::Some(key))
    }

    /// The derived key.
    #[cached_aside(ttl = "1m")]
    pub async fn derived(key: u64, cache: Option<u8>) -> u64 {
        let _ = cache;
        key
    }

    /// Names that an expansion might use itself.
    #[invalidates(derived(*key, cache), "a:{key}:{function}:{result}", when = *when, cache = own)]
    pub async fn write(key: &u64, cache: Option<u8>, function: u8, when: &bool, own: &Cache) -> u64 {
        let keys = *key;
        let _ = (cache, function, when, own);
        keys
    }

    /// Names that an expansion might use itself.
    #[updates(derived(*key, cache), when = *when, cache = own)]
    #[invalidates("a:{key}")]
    pub async fn update(
        key: &u64,
        cache: Option<u8>,
        body: u8,
        when: &bool,
        own: &Cache,
    ) -> Result<Option<u64>, ()> {
        let keys = *key;
        let _ = (cache, body, when, own);
        Result::Ok(Option::Some(keys))
    }

    /// Something with a macro inside.
    #[invalidates("b:{body}")]
    pub async fn write_nothing(body: u8) {
        let _ = body;
    }
}

/// A method.
#[derive(Debug)]
pub struct Repo {
    /// Public.
    pub tenant: u64,
}

/// A trait.
pub trait Load {
    /// Loads.
    fn load(&self, key: u64) -> impl ::core::future::Future<Output = u64> + ::core::marker::Send;
}

impl Load for Repo {
    #[::cached_aside::cached_aside(ttl = "1m", key = "load:{key}:{self.tenant}")]
    async fn load(&self, key: u64) -> u64 {
        key
    }
}

impl Repo {
    /// A method.
    #[::cached_aside::cached_aside(ttl = "1m", key = "{self.tenant}:{key}")]
    pub async fn read(&self, key: u64) -> u64 {
        key
    }

    /// Lint levels go to where the body is.
    #[::cached_aside::cached_aside(ttl = "1m", key = "lints", skip(self, unused))]
    #[expect(unused_variables)]
    pub async fn lints(&self, unused: u64) -> u64 {
        let nothing = 5;
        7
    }

    /// Old.
    #[deprecated]
    #[doc(alias = "ancient")]
    #[must_use]
    #[::cached_aside::cached_aside(ttl = "1m", key = "old", skip(self))]
    pub async fn old(&self) -> u64 {
        7
    }

    #[cfg(any())]
    #[::cached_aside::cached_aside(ttl = "1m", key = "absent", skip(self))]
    #[cfg(any())]
    pub async fn absent(&self) -> u64 {
        7
    }
}

/// Types and traits called like those of the language.
#[allow(dead_code, missing_docs, non_camel_case_types)]
pub mod language {
    use ::cached_aside::{cached_aside, invalidates, tags, updates};

    /// What is called so otherwise.
    pub type Number = ::core::primitive::u64;

    pub struct bool;
    pub struct char;
    pub struct f64;
    pub struct str;
    pub struct u8;
    pub struct u32;
    pub struct u64;
    pub struct usize;
    pub trait Clone {}
    pub trait Send {}
    pub trait Sized {}

    tags! {
        /// A tag.
        pub fn tag(id: Number) = "tag:{id}";
    }

    #[cached_aside(ttl = "1m", key = "one:{id}", none_ttl = "1s", local = "1s", tags(tag(id)))]
    pub async fn one(id: Number) -> ::std::option::Option<Number> {
        ::std::option::Option::Some(id)
    }

    #[cached_aside(one(id) for id in ids)]
    pub async fn batch(ids: &[Number]) -> ::std::vec::Vec<::std::option::Option<Number>> {
        ::std::iter::Iterator::collect(::std::iter::Iterator::map(ids.iter(), |id| {
            ::std::option::Option::Some(*id)
        }))
    }

    #[invalidates(one(id), one(id) for id in [id], tags(tag(id)), when = id == 1)]
    pub async fn write(id: Number) {}

    #[updates(one(id))]
    pub async fn update(id: Number) -> ::std::option::Option<Number> {
        ::std::option::Option::Some(id)
    }

    pub struct Repo;

    impl Repo {
        #[cached_aside(ttl = "1m", key = "method:{id}", skip(self))]
        pub async fn method(&self, id: Number) -> Number {
            id
        }

        #[cached_aside(ttl = "1m", key = "made:{id}")]
        pub async fn made(id: Number) -> Number {
            id
        }

        #[cached_aside(self.method(id) for id in ids)]
        pub async fn methods(&self, ids: &[Number]) -> ::std::collections::HashMap<Number, Number> {
            ::std::iter::Iterator::collect(::std::iter::Iterator::map(ids.iter(), |id| (*id, *id)))
        }

        #[cached_aside(Self::made(id) for id in ids)]
        pub async fn all_made(ids: &[Number]) -> ::std::collections::HashMap<Number, Number> {
            ::std::iter::Iterator::collect(::std::iter::Iterator::map(ids.iter(), |id| (*id, *id)))
        }

        #[invalidates(self.method(id), Self::made(id))]
        pub async fn write(&self, id: Number) {}
    }
}

fn main() {
    let _ = functions::read(1, "", ::std::string::String::new(), 1, 1, true, 1, 1);
    let _ = functions::derived::key(1, ::std::option::Option::None);
    let _ = functions::write_nothing(1);
}
