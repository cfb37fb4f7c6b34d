//! What is stored of what a function gave, and for how long: the same whether it was loaded or written.

use std::time::Duration;

use bytes::Bytes;
use cached_aside_protocol::{
    Token,
    entry::{self, Header},
};

use crate::{
    backoff::shorten,
    codec::coding::Coding,
    fingerprint::TypeInfo,
    function::read::ReadFunction,
    outcome::{Loaded, StoredErrors},
    telemetry::Counters,
};

/// An entry that is to be stored.
#[derive(Debug)]
pub(crate) struct EncodedEntry {
    pub(crate) value: Bytes,
    /// How long it stands: as long as it is fresh, and the larger stale window.
    pub(crate) ttl: Duration,
}

/// What decides about the entries of one key.
pub(crate) struct EntryEncoder<'a, V> {
    pub(crate) function: &'static ReadFunction,
    pub(crate) counters: &'a Counters,
    pub(crate) key: &'a str,
    pub(crate) type_info: TypeInfo,
    pub(crate) coding: &'a Coding<V>,
    /// The versions of the tags that the entry will carry.
    pub(crate) versions: &'a [Token],
    /// Maximum length of what the codec writes (bytes).
    pub(crate) max_value: usize,
}

impl<V> EntryEncoder<'_, V> {
    /// The entry of what the function gave, if it is to be stored.
    pub(crate) fn entry<E>(
        &self,
        loaded: Loaded<&V, &E>,
        errors: Option<fn() -> StoredErrors<E>>,
        token: Token,
        load_time: Duration,
    ) -> Option<EncodedEntry> {
        let settings = &self.function.settings;
        let ttl = match loaded {
            Loaded::Value(value) => self.ttl_of(value)?,
            Loaded::None => settings.none_ttl?,
            Loaded::Error(error) => return self.failure(error, &errors?(), token, load_time),
        };
        let fresh_for = shorten(ttl, settings.jitter_per_mille).max(MIN_TTL);
        let window = settings.staleness.window();
        let outlives_freshness = !window.is_zero();
        let header =
            Header { fingerprint: self.type_info.fingerprint, fresh_for, load_time, outlives_freshness };
        let value = match loaded {
            Loaded::Value(value) => self.encode(value, token, header)?,
            Loaded::None | Loaded::Error(_) => entry::none(self.begin(), token, header),
        };
        Some(EncodedEntry { value: value.into(), ttl: fresh_for + window })
    }

    /// The entry of an error, if it is to be stored. It is given for as long as it says, and no longer.
    fn failure<E>(
        &self,
        error: &E,
        errors: &StoredErrors<E>,
        token: Token,
        load_time: Duration,
    ) -> Option<EncodedEntry> {
        let settings = &self.function.settings;
        let ttl = settings.error_ttl.filter(|_| (errors.error_if)(error))?;
        let ttl = shorten(ttl, settings.jitter_per_mille).max(MIN_TTL);
        let type_info = self.function.of_error(&errors.coding, self.type_info, self.key)?;
        let mut bytes = self.payload(error, type_info, &errors.coding)?;
        let header = Header {
            fingerprint: type_info.fingerprint,
            fresh_for: ttl,
            load_time,
            outlives_freshness: false,
        };
        entry::finish_failure(&mut bytes, token, header);
        Some(EncodedEntry { value: bytes.into(), ttl })
    }

    /// The TTL of this value: the attribute's, or what it says of the value, but no more than that. `None` if the value is not
    /// to be stored.
    fn ttl_of(&self, value: &V) -> Option<Duration> {
        let ttl = self.function.settings.ttl;
        if self.coding.store_if.is_some_and(|store_if| !store_if(value)) {
            self.counters.not_stored.increment();
            return None;
        }
        let Some(asked) = self.coding.ttl_for.map(|ttl_for| ttl_for(value)) else { return Some(ttl) };
        if asked > ttl || asked.is_zero() {
            self.counters.ttls_clamped.increment();
            tracing::debug!(key = self.key, ?asked, ?ttl, "`ttl_for` gave a TTL that can't be");
        }
        (!asked.is_zero()).then_some(asked.min(ttl))
    }

    pub(crate) fn encode(&self, value: &V, token: Token, header: Header) -> Option<Vec<u8>> {
        let mut bytes = self.payload(value, self.type_info, self.coding)?;
        entry::finish(&mut bytes, token, header);
        Some(bytes)
    }

    /// Room for a header, and what stands before the payload.
    fn begin(&self) -> Vec<u8> {
        entry::begin_with(self.versions, self.function.settings.registers_copies())
    }

    /// Room for a header, and what the codec writes.
    fn payload<T>(&self, value: &T, type_info: TypeInfo, coding: &Coding<T>) -> Option<Vec<u8>> {
        let mut bytes = self.begin();
        let begun = bytes.len();
        let encoded = (coding.encode)(value, type_info.counts, &mut bytes);
        let length = bytes.len() - begun;
        if encoded.is_err() || length > self.max_value {
            self.counters.unencodable.increment();
            let error = encoded.err().map_or_else(
                || {
                    let most = self.max_value;
                    format!("it has {length} bytes; `Cache::builder().max_value_size(…)` allows {most}")
                },
                |error| error.to_string(),
            );
            self.function.warn_once_unencodable(self.key, &error);
            return None;
        }
        Some(bytes)
    }
}

/// Redis counts in milliseconds.
const MIN_TTL: Duration = Duration::from_millis(1);
