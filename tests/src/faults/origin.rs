//! A few rows with a version each, behind annotated functions.

use cached_aside::{cached_aside, invalidates};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};
use tokio::sync::Semaphore;

/// The rows, from 1.
pub const ROWS: [u64; 3] = [1, 2, 3];
/// The longest that a read waits for another process's load.
pub const WAIT: Duration = Duration::from_secs(1);

/// The database.
#[derive(Debug, Default)]
pub struct Origin {
    versions: [AtomicU64; ROWS.len()],
    loads: AtomicU64,
    writes: AtomicU64,
}

impl Origin {
    /// The version of a row.
    pub fn version(&self, row: u64) -> u64 {
        self.row(row).load(SeqCst)
    }

    /// How many bodies of reads ran.
    pub fn loads(&self) -> u64 {
        self.loads.load(SeqCst)
    }

    /// How many bodies of writes ran.
    pub fn writes(&self) -> u64 {
        self.writes.load(SeqCst)
    }

    fn row(&self, row: u64) -> &AtomicU64 {
        let place = ROWS.iter().position(|known| *known == row).expect("there is such a row");
        &self.versions[place]
    }
}

/// An application that uses it.
#[derive(Debug, Clone)]
pub struct App {
    origin: Arc<Origin>,
    /// A body that has begun adds one here, and then needs a permit of the other.
    gate: Option<Arc<(Semaphore, Semaphore)>>,
}

impl App {
    /// One whose bodies run without pausing.
    pub fn new(origin: &Arc<Origin>) -> Self {
        Self { origin: Arc::clone(origin), gate: None }
    }

    /// One whose bodies of reads pause until they are let go.
    pub fn pausing(origin: &Arc<Origin>) -> Self {
        let gate = Arc::new((Semaphore::new(0), Semaphore::new(0)));
        Self { origin: Arc::clone(origin), gate: Some(gate) }
    }

    /// Waits until a body pauses.
    pub async fn pauses(&self) {
        if let Some(gate) = &self.gate {
            gate.0.acquire().await.expect("it is never closed").forget();
        }
    }

    /// Lets one body go.
    pub fn go(&self) {
        if let Some(gate) = &self.gate {
            gate.1.add_permits(1);
        }
    }
}

/// A row's version.
#[cached_aside(ttl = "1m", key = "row:{row}", skip(app), wait = "1s", lease = "1s")]
pub async fn load(app: &App, row: u64) -> u64 {
    app.origin.loads.fetch_add(1, SeqCst);
    let version = app.origin.version(row);
    if let Some(gate) = &app.gate {
        gate.0.add_permits(1);
        gate.1.acquire().await.expect("it is never closed").forget();
    }
    version
}

/// Gives a row its next version.
#[invalidates(load(row), guard_for = "2s")]
pub async fn save(app: &App, row: u64) -> u64 {
    app.origin.writes.fetch_add(1, SeqCst);
    app.origin.row(row).fetch_add(1, SeqCst) + 1
}

/// Gives all rows their next versions.
#[invalidates(load(1), load(2), load(3), guard_for = "2s")]
pub async fn save_all(app: &App) {
    app.origin.writes.fetch_add(1, SeqCst);
    for row in ROWS {
        app.origin.row(row).fetch_add(1, SeqCst);
    }
}
