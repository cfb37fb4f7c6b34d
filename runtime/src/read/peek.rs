//! `peek`: what is stored, without a load.

use std::time::Duration;

use bytes::Bytes;
use cached_aside_protocol::entry::{self, Entry};

use super::tagged::keys;
use crate::{
    AnyKey, Error, Tag,
    codec::coding::Coding,
    engine::shared::Shared,
    fingerprint::{self, TypeInfo},
    function::staleness::{Freshness, Staleness},
    store::{StoreError, Together},
};

/// Reads what is stored under a key, without loading.
pub(crate) async fn peek<V>(cache: &Shared, key: &AnyKey, coding: &Coding<V>) -> Result<Option<V>, Error> {
    let (key, tags) = (key.as_str(), key.tags());
    if !tags.is_empty() {
        return peek_with_tags(cache, key, tags, coding).await;
    }
    let Ok(TypeInfo { fingerprint, .. }) = fingerprint::of(&coding.kind) else { return Ok(None) };
    let stored = match cache.read(key, cache.timeout).await {
        Err(StoreError::Listed) => return Ok(None),
        stored => stored.map_err(|error| error.into_error("read", key))?,
    };
    let Some(mut bytes) = stored else { return Ok(None) };
    let mut now = None;
    if matches!(entry::parse(&bytes, fingerprint), Entry::Value(value) if value.outlives_freshness) {
        let (there, time) = match cache.read_timed(key, cache.timeout).await {
            Err(StoreError::Listed) => return Ok(None),
            stored => stored.map_err(|error| error.into_error("read", key))?,
        };
        let Some(there) = there else { return Ok(None) };
        (bytes, now) = (there, Some(time));
    }
    given(key, &bytes, now, &[], fingerprint, coding)
}

/// What [`peek`] gives of this entry, with what stands under its tags' keys.
fn given<V>(
    key: &str,
    bytes: &[u8],
    now: Option<Duration>,
    tags: &[Option<Bytes>],
    fingerprint: u64,
    coding: &Coding<V>,
) -> Result<Option<V>, Error> {
    match entry::parse(bytes, fingerprint) {
        Entry::Value(value) if Staleness::NONE.freshness(&value, now, || 1.0) != Some(Freshness::Fresh) => {
            Ok(None)
        }
        Entry::Value(value) if !value.versions.are_current(tags) => Ok(None),
        Entry::Value(value) => Ok(value.payload.and_then(|payload| (coding.decode)(payload).ok())),
        Entry::Foreign => Err(Error::Foreign { key: key.to_owned() }),
        Entry::Lease | Entry::Guard | Entry::Failure(_) | Entry::Unusable(_) => Ok(None),
    }
}

/// Reads what is stored under a key whose entries carry tags, without loading.
async fn peek_with_tags<V>(
    cache: &Shared,
    key: &str,
    tags: &[Tag],
    coding: &Coding<V>,
) -> Result<Option<V>, Error> {
    let Ok(TypeInfo { fingerprint, .. }) = fingerprint::of(&coding.kind) else { return Ok(None) };
    let keys = keys(key, tags);
    let Together { first, others, now } =
        match Box::pin(cache.read_together(&keys, true, cache.timeout)).await {
            Err(StoreError::Listed) => return Ok(None),
            stored => stored.map_err(|error| error.into_error("read", key))?,
        };
    match first {
        Some(entry) => given(key, &entry, now, &others, fingerprint, coding),
        None => Ok(None),
    }
}
