//! What is cached, and where it comes from.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    thread,
    time::Duration,
};

use serde::{Deserialize, Serialize};

/// A value: a few strings, and a note that makes it as large as it is to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, hitbox_fn::prelude::CacheableResponse)]
pub struct Record {
    pub id: u64,
    pub name: String,
    pub email: String,
    pub city: String,
    pub roles: Vec<String>,
    pub note: String,
}

/// How large an encoded value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Size {
    Small,
    Medium,
    Large,
}

impl Size {
    pub const ALL: [Size; 3] = [Size::Small, Size::Medium, Size::Large];

    pub fn name(self) -> &'static str {
        match self {
            Size::Small => "200 B",
            Size::Medium => "4 KiB",
            Size::Large => "64 KiB",
        }
    }

    /// Number of keys that are read: enough that they are not one hot key, few enough that they are loaded quickly.
    pub fn keys(self) -> u64 {
        match self {
            Size::Small => 10_000,
            Size::Medium => 1_000,
            Size::Large => 100,
        }
    }

    /// bincode writes 59 bytes besides, or 61 where the note is longer than a byte can count.
    fn note(self) -> usize {
        match self {
            Size::Small => 141,
            Size::Medium => 4_035,
            Size::Large => 65_475,
        }
    }

    /// The id of the key with this number. The size is part of the id, so that one function serves all sizes.
    pub fn id(self, number: u64) -> u64 {
        SPAN * (1 + self as u64) + number
    }

    fn of(id: u64) -> Size {
        match id / SPAN {
            2 => Size::Medium,
            3 => Size::Large,
            _ => Size::Small,
        }
    }
}

const SPAN: u64 = 1_000_000_000;

static LOADS: AtomicU64 = AtomicU64::new(0);
static DELAY: AtomicU64 = AtomicU64::new(0);
static UNUSED: AtomicU64 = AtomicU64::new(0);

/// How often the origin was asked.
pub fn loads() -> u64 {
    LOADS.load(Relaxed)
}

/// How long the origin takes.
pub fn set_delay(delay: Duration) {
    DELAY.store(delay.as_micros() as u64, Relaxed);
}

/// Begins the ids that [`unused_id`] gives at a place of its own.
pub fn begin_unused_at(part: u64) {
    UNUSED.store(Size::Small.id(SPAN / 100 * (1 + part % 98)), Relaxed);
}

/// An id of a small value that nobody has read yet.
pub fn unused_id() -> u64 {
    UNUSED.fetch_add(1, Relaxed)
}

/// Asks the origin.
pub async fn load(id: u64) -> Record {
    LOADS.fetch_add(1, Relaxed);
    wait().await;
    record(id)
}

/// Asks the origin for several at once.
pub async fn load_all(ids: &[u64]) -> HashMap<u64, Record> {
    LOADS.fetch_add(ids.len() as u64, Relaxed);
    wait().await;
    ids.iter().map(|id| (*id, record(*id))).collect()
}

/// Writes to the origin.
pub async fn save(_id: u64) {
    wait().await;
}

/// Not tokio's timer: its milliseconds are ticks, and whatever else a call costs would vanish between two of them.
async fn wait() {
    let delay = DELAY.load(Relaxed);
    if delay > 0 {
        let slept = tokio::task::spawn_blocking(move || thread::sleep(Duration::from_micros(delay)));
        slept.await.expect("sleeping does not fail");
    }
}

/// The value of an id.
pub fn record(id: u64) -> Record {
    Record {
        id,
        name: "Ada Lovelace".to_owned(),
        email: "ada@example.org".to_owned(),
        city: "London".to_owned(),
        roles: vec!["author".to_owned(), "reviewer".to_owned()],
        note: "n".repeat(Size::of(id).note()),
    }
}
