//! The cache under test.

use super::{
    class::{Class, FIRST_TAGGED, ROWS},
    naive::Naive,
    origin::{Failure, Origin, Row, Step, Written},
    ours,
    record::OpId,
};
use cached_aside::{Cache, bypass};
use std::{
    collections::{BTreeMap, HashMap},
    fmt, io,
    ops::Range,
    str::FromStr,
    time::Duration,
};

/// The cache under test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// The usual cache-aside.
    Naive,
    /// The annotated functions.
    Ours,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Naive => "naive",
            Self::Ours => "ours",
        })
    }
}

impl FromStr for Subject {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "naive" => Ok(Self::Naive),
            "ours" => Ok(Self::Ours),
            _ => Err(format!("unknown subject `{text}`")),
        }
    }
}

/// What a write does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Write {
    /// One row.
    One(u64),
    /// One row, and it takes longer than a guard lasts unless it is renewed.
    Long(u64),
    /// Two rows at once.
    Two(u64, u64),
    /// Two rows in a transaction, whose commit comes after the writes of both have returned.
    Transfer(u64, u64),
    /// A row whose entry carries a tag, which is what the write names.
    Tagged(u64),
    /// All rows whose entries carry the tag, at once.
    AllTagged,
    /// A row and a slot.
    RowAndSlot(u64),
    /// A slot.
    Slot,
}

/// What a subject has counted and owes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counts {
    /// Deletions that have not been delivered.
    pub recovering: u64,
    /// Keys that could not be guarded.
    pub unguarded: u64,
    /// Fills that were refused.
    pub refused_fills: u64,
    /// Bodies that were run.
    pub loads: u64,
    /// Entries that could not be read, and values that could not be written.
    pub unreadable: u64,
}

/// The cache under test, in one process.
#[derive(Debug)]
pub enum Cached {
    /// The usual cache-aside.
    Naive(Box<Naive>),
    /// The annotated functions.
    Ours(Cache),
}

impl Cached {
    /// The subject's cache at this address.
    ///
    /// # Errors
    /// This can be no address.
    pub async fn connect(
        subject: Subject,
        url: &str,
        namespace: &str,
        timeout: Duration,
    ) -> io::Result<Self> {
        Ok(match subject {
            Subject::Naive => Self::Naive(Box::new(Naive::new(url, namespace).map_err(io::Error::other)?)),
            Subject::Ours => {
                let builder = Cache::builder().url(url).namespace(namespace).timeout(timeout);
                let cache = builder.connect_timeout(Duration::from_millis(300)).build().await;
                Self::Ours(cache.map_err(io::Error::other)?)
            }
        })
    }

    /// Reads a key through the cache, or past it.
    ///
    /// # Errors
    /// As the step says.
    pub async fn read(
        &self,
        origin: &Origin,
        step: &Step,
        key: u64,
        class: Class,
    ) -> Result<Option<Row>, Failure> {
        match self {
            Self::Ours(cache) if step.direct => bypass(cache.scope(row(origin, step, key, class))).await,
            Self::Ours(cache) => cache.scope(row(origin, step, key, class)).await,
            Self::Naive(_) if step.direct => origin.load(step, key).await,
            Self::Naive(naive) => {
                if let Ok(Some(row)) = naive.get(key).await {
                    return Ok(row);
                }
                let row = origin.load(step, key).await?;
                // What cannot be stored is not stored.
                let _ = naive.set(key, row).await;
                Ok(row)
            }
        }
    }

    /// Reads several keys, all with a tag or all without, through the cache or past it.
    ///
    /// # Errors
    /// As the step says.
    pub async fn read_all(
        &self,
        origin: &Origin,
        step: &Step,
        ops: &BTreeMap<u64, OpId>,
        class: Class,
    ) -> Result<HashMap<u64, Row>, Failure> {
        let keys: Vec<u64> = ops.keys().copied().collect();
        match self {
            Self::Ours(cache) if step.direct => {
                bypass(cache.scope(rows(origin, step, ops, &keys, class))).await
            }
            Self::Ours(cache) => cache.scope(rows(origin, step, ops, &keys, class)).await,
            Self::Naive(naive) => {
                let (mut rows, mut missing) = (HashMap::new(), Vec::new());
                for key in keys {
                    match naive.get(key).await {
                        Ok(Some(row)) if !step.direct => rows.extend(row.map(|row| (key, row))),
                        _ => missing.push(key),
                    }
                }
                if missing.is_empty() {
                    return Ok(rows);
                }
                let loaded = origin.load_all(step, ops, &missing).await?;
                for key in missing {
                    // What cannot be stored is not stored.
                    let _ = naive.set(key, loaded.get(&key).copied()).await;
                }
                rows.extend(loaded);
                Ok(rows)
            }
        }
    }

    /// Writes.
    ///
    /// # Errors
    /// As the step says, or refused.
    pub async fn write(
        &self,
        origin: &Origin,
        step: &Step,
        write: Write,
        class: Class,
    ) -> Result<Written, Failure> {
        match self {
            Self::Ours(cache) => cache.scope(annotated(origin, step, write, class)).await,
            Self::Naive(naive) => {
                let (keys, pick) = match write {
                    Write::One(id) | Write::Long(id) | Write::Tagged(id) => (vec![id], false),
                    Write::AllTagged => (tagged().collect(), false),
                    Write::Two(one, other) | Write::Transfer(one, other) => (vec![one, other], false),
                    Write::RowAndSlot(id) => (vec![id], true),
                    Write::Slot => (Vec::new(), true),
                };
                let written = origin.store(step, &keys, pick).await;
                let picked = written.as_ref().ok().map(|written| written.id);
                for key in keys.into_iter().chain(picked.filter(|_| pick)) {
                    // What cannot be deleted stays until its TTL ends.
                    let _ = naive.del(key).await;
                }
                written
            }
        }
    }

    /// What stands in the cache under a key: nothing that can be used, or a version.
    ///
    /// # Errors
    /// The cache did not answer.
    pub async fn peek(&self, key: u64) -> io::Result<Option<u64>> {
        match self {
            // A stored `None` cannot be told from nothing here.
            Self::Ours(cache) => {
                let key = if is_tagged(key) { ours::tagged::key(key) } else { ours::row::key(key) };
                let row = key.in_cache(cache).peek().await.map_err(io::Error::other)?;
                Ok(row.map(|row| row.version))
            }
            Self::Naive(naive) => {
                let row = naive.get(key).await.map_err(io::Error::other)?;
                Ok(row.map(|row| row.map_or(0, |row| row.version)))
            }
        }
    }

    /// What has been counted so far.
    pub fn counts(&self) -> Counts {
        match self {
            Self::Ours(cache) => {
                let stats = cache.stats();
                Counts {
                    recovering: stats.recovering,
                    unguarded: stats.guards_failed,
                    refused_fills: stats.total.fills_refused,
                    loads: stats.total.loads,
                    unreadable: stats.total.foreign + stats.total.unusable + stats.total.unencodable,
                }
            }
            Self::Naive(_) => Counts::default(),
        }
    }
}

/// Whether the entry of a key carries a tag.
pub(super) fn is_tagged(key: u64) -> bool {
    tagged().contains(&key)
}

fn tagged() -> Range<u64> {
    FIRST_TAGGED..ROWS
}

async fn row(origin: &Origin, step: &Step, key: u64, class: Class) -> Result<Option<Row>, Failure> {
    match (is_tagged(key), class.has_copies()) {
        (true, true) => ours::copied_tagged(origin, step, key).await,
        (true, false) => ours::tagged(origin, step, key).await,
        (false, true) => ours::copied(origin, step, key).await,
        (false, false) => ours::row(origin, step, key).await,
    }
}

async fn rows(
    origin: &Origin,
    step: &Step,
    ops: &BTreeMap<u64, OpId>,
    keys: &[u64],
    class: Class,
) -> Result<HashMap<u64, Row>, Failure> {
    if keys.iter().any(|key| is_tagged(*key)) {
        ours::tagged_rows(origin, step, ops, keys).await
    } else if class.has_copies() {
        ours::copied_rows(origin, step, ops, keys).await
    } else {
        ours::rows(origin, step, ops, keys).await
    }
}

async fn annotated(origin: &Origin, step: &Step, write: Write, class: Class) -> Result<Written, Failure> {
    use ours::{best_effort as b, confirmed as c, required as r};
    let all: Vec<u64> = tagged().collect();
    match (write, class.required()) {
        (Write::One(id), _) if class.fails_over() => c::one(origin, step, id).await,
        (Write::Two(one, other), _) if class.fails_over() => c::two(origin, step, one, other).await,
        (Write::Transfer(one, other), _) if class.fails_over() => c::transfer(origin, step, one, other).await,
        (Write::Tagged(id), _) if class.fails_over() => c::tagged(origin, step, &[id]).await,
        (Write::Tagged(id), true) => r::tagged(origin, step, &[id]).await,
        (Write::Tagged(id), false) => b::tagged(origin, step, &[id]).await,
        (Write::AllTagged, _) if class.fails_over() => c::tagged(origin, step, &all).await,
        (Write::AllTagged, true) => r::tagged(origin, step, &all).await,
        (Write::AllTagged, false) => b::tagged(origin, step, &all).await,
        (Write::Transfer(one, other), true) => r::transfer(origin, step, one, other).await,
        (Write::Transfer(one, other), false) => b::transfer(origin, step, one, other).await,
        (Write::Long(id), _) => ours::patient::one(origin, step, id).await,
        (Write::One(id), true) => r::one(origin, step, id).await,
        (Write::One(id), false) => b::one(origin, step, id).await,
        (Write::Two(one, other), true) => r::two(origin, step, one, other).await,
        (Write::Two(one, other), false) => b::two(origin, step, one, other).await,
        (Write::RowAndSlot(id), true) => r::row_and_slot(origin, step, id).await,
        (Write::RowAndSlot(id), false) => b::row_and_slot(origin, step, id).await,
        (Write::Slot, _) => ours::slot(origin, step).await,
    }
}
