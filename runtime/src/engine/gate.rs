//! The store as reads use it: closed for a key on the recovery list.
//!
//! While a key is on the list, this process neither reads nor stores its entry: each step on it answers with an error, as if the
//! store were away, and nothing is sent. A step that reads asks the list again when its answer is there, since a write whose
//! invalidation could not be delivered may have returned meanwhile.

use std::{future::Future, time::Duration};

use bytes::Bytes;
use cached_aside_protocol::{
    Step, Token,
    steps::{Acquire, Acquired, Carry, Elect, Fill, Filled},
};

use crate::{
    engine::shared::Shared,
    store::{Answer, Read, StoreError, Together, Watched},
};

impl Shared {
    /// Whether this process leaves the entry of a key alone. Only for what is no step: something that was found before and is to be
    /// given now, or is to be stored or deleted together with other keys. Steps of reads ask by themselves.
    pub(crate) fn is_listed(&self, key: &str) -> bool {
        self.recovery.has(key)
    }

    fn pass(&self, key: &str) -> Answer<()> {
        if self.is_listed(key) { Err(StoreError::Listed) } else { Ok(()) }
    }

    /// See [`Store::read`](crate::store::Store::read).
    #[expect(clippy::manual_async_fn, reason = "an async function carries its arguments twice")]
    pub(crate) fn read<'a>(
        &'a self,
        key: &'a str,
        within: Duration,
    ) -> impl Future<Output = Answer<Option<Bytes>>> + Send + 'a {
        async move {
            self.pass(key)?;
            let there = self.store.read(key, within).await;
            self.pass(key)?;
            there
        }
    }

    /// See [`Store::read_timed`](crate::store::Store::read_timed).
    pub(crate) async fn read_timed(&self, key: &str, within: Duration) -> Answer<(Option<Bytes>, Duration)> {
        self.pass(key)?;
        let there = self.store.read_timed(key, within).await;
        self.pass(key)?;
        there
    }

    /// See [`Store::read_together`](crate::store::Store::read_together). Closed if one of the keys is on the list.
    pub(crate) async fn read_together(
        &self,
        keys: &[&str],
        timed: bool,
        within: Duration,
    ) -> Answer<Together> {
        let pass = || keys.iter().try_for_each(|key| self.pass(key));
        pass()?;
        let there = self.store.read_together(keys, timed, within).await;
        pass()?;
        there
    }

    /// See [`Store::watch`](crate::store::Store::watch).
    pub(crate) async fn watch(&self, key: &str, within: Duration) -> Answer<Watched> {
        self.pass(key)?;
        let watched = self.store.watch(key, within).await;
        self.pass(key)?;
        watched
    }

    /// Asks for a lease.
    pub(crate) async fn acquire(&self, key: &str, acquire: Acquire, within: Duration) -> Answer<Acquired> {
        self.pass(key)?;
        let acquired = self.store.run(key, acquire, within).await;
        if let Ok(Acquired::No(_)) = acquired {
            // It is what a read would have found.
            self.pass(key)?;
        }
        acquired
    }

    /// Reads the version of a tag for an entry that will carry it.
    pub(crate) async fn carry(&self, key: &str, carry: Carry, within: Duration) -> Answer<Option<Token>> {
        self.pass(key)?;
        let version = self.store.run(key, carry, within).await;
        self.pass(key)?;
        version
    }

    /// Reads several keys: see [`Store::read_all`](crate::store::Store::read_all).
    pub(crate) async fn read_all(&self, keys: &[&str], timed: bool, within: Duration) -> Vec<Answer<Read>> {
        let open: Vec<&str> = keys.iter().copied().filter(|key| !self.is_listed(key)).collect();
        let answers = self.store.read_all(&open, timed, within).await;
        let mut answers = in_places(keys, &open, answers);
        for (key, answer) in keys.iter().zip(&mut answers) {
            if self.is_listed(key) {
                *answer = Err(StoreError::Listed);
            }
        }
        answers
    }

    /// Runs a step of a load on several keys, as [`acquire`](Shared::acquire), [`elect`](Shared::elect) and [`fill`](Shared::fill) do on
    /// one. `is_look` says which answers tell what a read would have found.
    pub(crate) async fn run_all_of_load<S: Step>(
        &self,
        keys: &[&str],
        steps: Vec<S>,
        is_look: fn(&S::Answer) -> bool,
        within: Duration,
    ) -> Vec<Answer<S::Answer>> {
        let (open, steps): (Vec<&str>, Vec<S>) =
            keys.iter().copied().zip(steps).filter(|(key, _)| !self.is_listed(key)).unzip();
        let answers = self.store.run_all_of_load(&open, steps, within).await;
        let answers = in_places(keys, &open, answers);
        let answer = |(key, answer): (&&str, Answer<S::Answer>)| match answer {
            Ok(answer) if is_look(&answer) => self.pass(key).map(|()| answer),
            answer => answer,
        };
        keys.iter().zip(answers).map(answer).collect()
    }

    /// Asks for the right to refresh a value.
    pub(crate) async fn elect(&self, key: &str, elect: Elect, within: Duration) -> Answer<bool> {
        self.pass(key)?;
        self.store.run(key, elect, within).await
    }

    /// Stores a value where the right to do so is still held.
    pub(crate) async fn fill(&self, key: &str, fill: Fill, within: Duration) -> Answer<Filled> {
        self.pass(key)?;
        self.store.run(key, fill, within).await
    }
}

/// The answers of those keys that are open, in the places of all, which are different from each other.
fn in_places<T>(keys: &[&str], open: &[&str], answers: Vec<Answer<T>>) -> Vec<Answer<T>> {
    if keys.len() == open.len() {
        return answers;
    }
    let mut answered = open.iter().zip(answers).peekable();
    let place = |key: &&str| match answered.next_if(|(open, _)| *open == key) {
        Some((_, answer)) => answer,
        None => Err(StoreError::Listed),
    };
    keys.iter().map(place).collect()
}

#[cfg(test)]
mod tests {
    use cached_aside_protocol::Token;
    use tokio::time::sleep;

    use super::*;
    use crate::store::{
        Store,
        faulty::{FaultyStore, Gate, SLOW},
    };

    const WITHIN: Duration = Duration::from_secs(1);
    const LEASE: Duration = Duration::from_secs(10);
    const WRITE: Token = Token::numbered(1);

    fn shared() -> Shared {
        Shared::new(Store::Faulty(FaultyStore::new()), WITHIN, "test".to_owned())
    }

    fn store(shared: &Shared) -> &FaultyStore {
        match &shared.store {
            Store::Faulty(store) => store,
            _ => unreachable!(),
        }
    }

    fn acquire(token: Token) -> Acquire {
        Acquire { expected: Bytes::new(), token, lease: LEASE }
    }

    /// The step's answer, where the key goes on the list, or leaves it, while the step is on its way.
    async fn meanwhile<T>(
        shared: &Shared,
        step: impl Future<Output = Answer<T>>,
        change: impl FnOnce(),
    ) -> Answer<()> {
        for name in ["read", "read_timed", "watch", "acquire", "carry"] {
            store(shared).set(name, Gate::Slow);
        }
        let change = async {
            sleep(SLOW / 4).await;
            change();
        };
        let (answer, ()) = tokio::join!(step, change);
        answer.map(drop)
    }

    #[tokio::test(start_paused = true)]
    async fn no_step_is_sent_for_a_listed_key() {
        let shared = shared();
        let token = Token::numbered(2);
        assert_eq!(shared.acquire("k", acquire(token), WITHIN).await, Ok(Acquired::Yes));
        let before = store(&shared).inside.read("k").await.unwrap();
        shared.recovery.begin("k", WRITE);
        shared.recovery.begin("vacant", WRITE);
        let value = Bytes::from_static(b"value");
        let fill = Fill { token, value: value.clone(), ttl: LEASE };
        let elect = Elect { expected: Bytes::new(), token, hold: LEASE, force: true };
        assert_eq!(shared.read("k", WITHIN).await, Err(StoreError::Listed));
        assert_eq!(shared.read_timed("k", WITHIN).await, Err(StoreError::Listed));
        assert_eq!(shared.watch("k", WITHIN).await.map(drop), Err(StoreError::Listed));
        assert_eq!(shared.acquire("vacant", acquire(token), WITHIN).await, Err(StoreError::Listed));
        assert_eq!(shared.elect("k", elect, WITHIN).await, Err(StoreError::Listed));
        assert_eq!(shared.fill("k", fill.clone(), WITHIN).await, Err(StoreError::Listed));
        assert_eq!(store(&shared).inside.read("vacant").await, Ok(None));
        assert_eq!(store(&shared).inside.read("k").await.unwrap(), before);
        shared.recovery.end("k", WRITE);
        assert_eq!(shared.fill("k", fill, WITHIN).await, Ok(Filled::Yes), "it is open again");
        assert!(shared.read("k", WITHIN).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_key_held_when_it_was_listed_is_not_an_answer() {
        const KEYS: [&str; 2] = ["k", "#tag"];
        for listed_during_it in [true, false] {
            let shared = shared();
            assert_eq!(shared.acquire("k", acquire(Token::numbered(2)), WITHIN).await, Ok(Acquired::Yes));
            macro_rules! answer {
                ($step:expr) => {{
                    // Listed before the step and delivered during it, or listed during it.
                    let list = || KEYS.map(|key| shared.recovery.begin(key, WRITE));
                    let deliver = || KEYS.map(|key| shared.recovery.end(key, WRITE));
                    let change = || match listed_during_it {
                        true => drop(list()),
                        false => drop(deliver()),
                    };
                    if !listed_during_it {
                        list();
                    }
                    let answer = meanwhile(&shared, $step, change).await;
                    deliver();
                    assert_eq!(answer, Err(StoreError::Listed), "{listed_during_it} {}", stringify!($step));
                }};
            }
            answer!(shared.read("k", WITHIN));
            answer!(shared.read_timed("k", WITHIN));
            answer!(shared.watch("k", WITHIN));
            answer!(shared.acquire("k", acquire(Token::numbered(3)), WITHIN));
            let carry = Carry { fresh: Token::numbered(4), ttl: LEASE };
            answer!(shared.carry("#tag", carry.clone(), WITHIN));
            answer!(async {
                let all = shared.run_all_of_load(&["#tag"], vec![carry], |_| true, WITHIN).await;
                all.into_iter().next().expect("one answer a key")
            });
        }
    }
}
