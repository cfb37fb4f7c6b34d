//! What a batch answers with.

use std::fmt;

use super::*;
use crate::{
    __private::batch::{Answer, BatchErrors, NoError as _},
    key::KeyWriter,
};

const NONE_TTL: Duration = Duration::from_secs(5);
static STORES_NONE: ReadFunction = {
    let mut function = ReadFunction::declare(module_path!(), "stores_none", "version:{key}", TTL).jitter(0);
    function.settings.none_ttl = Some(NONE_TTL);
    function
};

/// A batch whose body gives this for the ids that it is given.
async fn answered<R: Answer<K, u64, E>, K: Clone, E>(
    world: &World,
    ids: &[K],
    name: impl Fn(&K) -> AnyKey,
    body: impl Fn(&[K]) -> R,
    errors: BatchErrors<E>,
) -> (R, usize) {
    let keyed = keys_in_cache(of_list(ids.to_vec()), |id| key(&LOAD, name(id), coding::<u64, Bincode>(0)));
    let mut batch = keyed.answered_by::<R, E>(errors).in_cache(&world.cache);
    let mut bodies = 0;
    while let Some(missing) = batch.missing().await {
        bodies += 1;
        batch.load(&missing, pin!(async { body(&missing) })).await;
    }
    (batch.finish(), bodies)
}

fn squares(ids: &[u64]) -> Vec<Option<u64>> {
    ids.iter().map(|id| (*id != 9).then(|| id * id)).collect()
}

#[tokio::test(start_paused = true)]
async fn answers_by_position_keep_every_position() {
    let world = World::new();
    let errors = || ErrorOf::<Vec<Option<u64>>>::ERRORS.shared();
    let ids = [3, 9, 4, 3, 9, 3];
    let expected = vec![Some(9), None, Some(16), Some(9), None, Some(9)];
    let cold = answered(&world, &ids, |id| key_of(*id), squares, errors()).await;
    assert_eq!(cold, (expected.clone(), 1));
    let warm = answered(&world, &ids, |id| key_of(*id), squares, errors()).await;
    assert_eq!(warm, (expected, 1), "9 is not stored, and asked for again");
    let warm = answered(&world, &[4, 3, 4], |id| key_of(*id), squares, errors()).await;
    assert_eq!(warm, (vec![Some(16), Some(9), Some(16)], 0));
}

#[tokio::test(start_paused = true)]
async fn a_vec_of_another_length_is_not_stored() {
    let world = World::new();
    let errors = || ErrorOf::<Vec<Option<u64>>>::ERRORS.shared();
    let short = |_: &[u64]| vec![Some(1)];
    for _ in 0..2 {
        let given = answered(&world, &[1, 2], |id| key_of(*id), short, errors()).await;
        assert_eq!(given, (vec![None, None], 1), "nobody knows whose value it is");
    }
    let given = answered(&world, &[1, 2], |id| key_of(*id), squares, errors()).await;
    assert_eq!(given, (vec![Some(1), Some(4)], 1), "nothing was stored, and nobody is waited for");
}

/// Two ids of a map that differ, and have one key.
#[tokio::test(start_paused = true)]
async fn every_id_of_a_map_has_its_value() {
    type Ask = (u64, &'static str);
    let world = World::new();
    let errors = || ErrorOf::<HashMap<Ask, u64>>::ERRORS.shared();
    let ids: [Ask; 4] = [(3, "a"), (3, "b"), (4, "a"), (3, "a")];
    let body =
        |ids: &[Ask]| ids.iter().map(|id| (*id, id.0 * id.0)).chain([((7, "not asked"), 49)]).collect();
    let expected = HashMap::from([((3, "a"), 9), ((3, "b"), 9), ((4, "a"), 16)]);
    for bodies in [1, 0] {
        let given = answered(&world, &ids, |id| key_of(id.0), body, errors()).await;
        assert_eq!(given, (expected.clone(), bodies));
    }
    assert_eq!(world.store().inside.read(key_of(7).as_str()).await, Ok(None), "nobody asked for it");
}

#[cfg(feature = "indexmap")]
#[tokio::test(start_paused = true)]
async fn an_index_map_is_in_the_order_of_the_ids() {
    use indexmap::IndexMap;

    let world = World::new();
    let errors = || ErrorOf::<IndexMap<u64, u64>>::ERRORS.shared();
    let body = |ids: &[u64]| -> IndexMap<u64, u64> { ids.iter().rev().map(|id| (*id, id * id)).collect() };
    answered(&world, &[5], |id| key_of(*id), body, errors()).await;
    let given = answered(&world, &[8, 5, 2, 9], |id| key_of(*id), body, errors()).await;
    assert_eq!(given.0.keys().copied().collect::<Vec<_>>(), [8, 5, 2, 9]);
}

#[tokio::test(start_paused = true)]
async fn an_id_without_a_row_is_a_none() {
    for (function, stored) in [(&LOAD, false), (&STORES_NONE, true)] {
        let world = World::new();
        let asked = Asked { absent: vec![1], ..world.asked(function) };
        assert_eq!(asked.batch(&[0, 1]).await, all(&[0], 1));
        asked.given();
        assert_eq!(asked.batch(&[0, 1]).await, all(&[0], 1));
        assert_eq!(asked.given().is_empty(), stored, "{}", function.settings.name);
        sleep(NONE_TTL).await;
        assert_eq!(asked.batch(&[0, 1]).await, all(&[0], 1));
        assert_eq!(asked.given(), [[1]]);
    }
}

/// What its settings say of a value, they say of each value.
#[tokio::test(start_paused = true)]
async fn store_if_and_ttl_for_decide_value_by_value() {
    let world = World::new();
    let coding = coding::<u64, Bincode>(0)
        .store_if(|value| *value != 4)
        .ttl_for(|value| if *value == 9 { Duration::from_secs(1) } else { TTL });
    let batch = async |ids: &[u64]| {
        let keyed = keys_in_cache(of_list(ids.to_vec()), |id| key(&LOAD, key_of(*id), coding));
        let errors = ErrorOf::<Vec<Option<u64>>>::ERRORS.shared();
        let mut batch = keyed.answered_by(errors).in_cache(&world.cache);
        let mut given = Vec::new();
        while let Some(missing) = batch.missing().await {
            batch.load(&missing, pin!(async { squares(&missing) })).await;
            given.extend(missing);
        }
        given
    };
    assert_eq!(batch(&[1, 2, 3]).await, [1, 2, 3]);
    assert_eq!(batch(&[1, 2, 3]).await, [2]);
    sleep(Duration::from_secs(2)).await;
    assert_eq!(batch(&[1, 2, 3]).await, [2, 3]);
}

/// Their keys have one text.
#[tokio::test(start_paused = true)]
async fn ids_that_can_not_be_written_are_different_ids() {
    struct Fails;
    impl fmt::Display for Fails {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            Err(fmt::Error)
        }
    }
    let world = World::new();
    let errors = || ErrorOf::<Vec<Option<u64>>>::ERRORS.shared();
    let name = |id: &u64| match id {
        0 => key_of(0),
        _ => KeyWriter::new("x:").value(&Fails).finish(),
    };
    for bodies in [1, 1] {
        let given = answered(&world, &[3, 0, 4, 4, 0], name, squares, errors()).await;
        assert_eq!(given, (vec![Some(9), Some(0), Some(16), Some(16), Some(0)], bodies));
        let given = answered(&world, &[5, 6], name, squares, errors()).await;
        assert_eq!(given, (vec![Some(25), Some(36)], bodies), "nothing is kept of the others");
    }
    assert_eq!(world.cache.stats().total.stored, 1);
}
