//! The real calls of a run.

use std::{pin::pin, sync::atomic::Ordering::SeqCst};

use super::{
    batch::batch,
    scenario::{Call, KEY, SAVE},
    world::{Failed, World, coded},
};
use crate::{
    __private::{key, update},
    AnyKey, Error, Tag,
    function::write::Guard,
    options::ReadMode,
    outcome::returns::ReturnAdapter,
    overrides::refresh,
    read::{BoxedBody, load, load_owned},
    store::stepped::stage::{Boxed, READ_ORIGIN, WRITE_ORIGIN},
    transaction,
    write::write,
};

impl World<'_> {
    /// The future of a call.
    pub(super) fn call(&self, number: usize) -> Boxed<Result<u64, Failed>> {
        let Call { writes, process, fails, asked, .. } = self.scenario.calls[number];
        let (updates, changes) =
            (self.scenario.calls[number].updates(), self.scenario.calls[number].changes());
        let (cache, stage, origin) = (self.caches[process].clone(), self.stage.clone(), self.origin.clone());
        let (wrote, transacts) = (self.calls[number].wrote.clone(), self.scenario.calls[number].transacts());
        let seen = origin.clone();
        let ends = move |version: u64| if fails { Err(Failed) } else { Ok(version) };
        let (cached, names) = (self.scenario.function, self.scenario.calls[number].names);
        let entry = AnyKey::new(KEY).tagged(self.scenario.tags.iter().map(|tag| Tag::new(tag)));
        let keys = names.iter().map(|name| AnyKey::finished(name)).collect();
        if self.scenario.calls[number].evicts() {
            let (inside, keys) = (self.inside.clone(), names.iter().map(|&name| name.to_owned()).collect());
            let evicted = async move {
                for name in names {
                    inside.evict(name);
                }
                Ok(0)
            };
            return Box::pin(async move {
                stage.send(process, ("evict", keys), evicted).await.map_err(|_| Failed)
            });
        }
        match writes {
            None if self.scenario.calls[number].batch.is_some() => {
                let keys = self.scenario.calls[number].batch.unwrap_or_default();
                let keyed = (keys, self.scenario.tags);
                in_mode(asked, batch(cached, (cache, process), stage, origin, keyed, fails))
            }
            None => {
                let body = async move {
                    let row = async move { Ok(origin.load(SeqCst)) };
                    ends(stage.send(process, (READ_ORIGIN, Vec::new()), row).await.map_err(|_| Failed)?)
                };
                let (key, returns) = (entry, ReturnAdapter::<Result<u64, Failed>, 2>::SHARED);
                let call = async move {
                    let (cache, coding) = (Some(&cache.inner), coded());
                    if cached.settings.staleness.in_background {
                        let make = || Box::pin(body) as BoxedBody<_>;
                        load_owned::<Result<u64, Failed>, 2, _>(cached, cache, key, coding, returns, make)
                            .await
                    } else {
                        load::<Result<u64, Failed>, 2, _>(cached, cache, key, coding, returns, pin!(body))
                            .await
                    }
                };
                in_mode(asked, Box::pin(call))
            }
            Some(function) => Box::pin(async move {
                let body = async {
                    let row = async move {
                        let version = origin.fetch_add(1, SeqCst) + 1;
                        wrote.store(version, SeqCst);
                        Ok(version)
                    };
                    ends(stage.send(process, (WRITE_ORIGIN, Vec::new()), row).await.map_err(|_| Failed)?)
                };
                if changes {
                    return body.await;
                }
                if let Some(of_result) = transacts {
                    return transaction(async {
                        let (before, after) = if of_result { (vec![], keys) } else { (keys, vec![]) };
                        let statement = pin!(async { Ok::<_, Failed>(()) });
                        write(&SAVE, Some(&cache.inner), before, None, statement, |_| after).await?;
                        // Its own row, which nobody else may see before the commit.
                        let uncommitted = pin!(async { Ok(seen.load(SeqCst) + 1) });
                        let (key, returns) = (entry, ReturnAdapter::<Result<u64, Failed>, 2>::SHARED);
                        load::<Result<u64, Failed>, 2, _>(
                            cached,
                            Some(&cache.inner),
                            key,
                            coded(),
                            returns,
                            uncommitted,
                        )
                        .await?;
                        body.await
                    })
                    .await;
                }
                let refuse: Option<fn(Error) -> _> = (function.settings.guard == Guard::Required)
                    .then_some(crate::outcome::refuse::<Result<u64, Failed>>);
                if updates {
                    let keys = [key(cached, entry, coded())];
                    return update::<_, 2, _>(function, Some(&cache), refuse, keys, pin!(body)).await;
                }
                write::<Result<u64, Failed>, _, _>(
                    function,
                    Some(&cache.inner),
                    keys,
                    refuse,
                    pin!(body),
                    |_| Vec::new(),
                )
                .await
            }),
        }
    }
}

/// A read as it is asked for.
fn in_mode(asked: ReadMode, call: Boxed<Result<u64, Failed>>) -> Boxed<Result<u64, Failed>> {
    if asked == ReadMode::Refresh { Box::pin(refresh(call)) } else { call }
}
