//! Calls that read two keys with one body: the key that all others read, and one whose row never changes.

use std::{
    collections::BTreeMap,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
};

use super::{
    scenario::KEY,
    world::{Failed, coded},
};
use crate::{
    __private::{
        batch::{ErrorOf, ids as of_list, keys_in_cache},
        key,
    },
    AnyKey, Cache, Tag,
    function::read::ReadFunction,
    store::stepped::stage::{Boxed, READ_ORIGIN, Stage},
};

/// The other key.
pub(super) const OTHER: &str = "other";
/// The one version of its row.
pub(super) const OF_OTHER: u64 = 1;

type Answer = Result<BTreeMap<&'static str, u64>, Failed>;

/// A call of such a batch. It gives the version of [`KEY`].
pub(super) fn batch(
    cached: &'static ReadFunction,
    (cache, process): (Cache, usize),
    stage: Arc<Stage>,
    origin: Arc<AtomicU64>,
    (keys, tags): ([&'static str; 2], &'static [&'static str]),
    fails: bool,
) -> Boxed<Result<u64, Failed>> {
    Box::pin(async move {
        let keyed = keys_in_cache(of_list(keys), |name| {
            let entry = AnyKey::new(name).tagged(tags.iter().map(|tag| Tag::new(tag)));
            key(cached, entry, coded())
        });
        let mut batch =
            keyed.answered_by::<Answer, _>(ErrorOf::<Answer>::ERRORS.shared().or_given_up()).in_cache(&cache);
        while let Some(missing) = batch.missing().await {
            let body = async {
                let origin = origin.clone();
                let row = async move { Ok(origin.load(SeqCst)) };
                let version =
                    stage.send(process, (READ_ORIGIN, Vec::new()), row).await.map_err(|_| Failed)?;
                let row = |name: &&'static str| (*name, if *name == KEY { version } else { OF_OTHER });
                if fails { Err(Failed) } else { Ok(missing.iter().map(row).collect()) }
            };
            batch.load(&missing, pin!(body)).await;
        }
        let given = batch.finish()?;
        assert_eq!(given.get(OTHER), Some(&OF_OTHER), "the row of the other key");
        Ok(given[KEY])
    })
}
