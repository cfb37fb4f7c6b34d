//! A step of a write on many keys, in pieces: neither a packet nor the time it takes grows with the number of keys.

use std::{future::Future, ops::Range};

use tokio::task::yield_now;

use crate::store::{Answer, StoreError};

/// Maximum number of keys that one packet guards, renews or deletes.
pub(super) const PIECE: usize = 1_000;
/// Maximum number of items that one turn of a thread goes through.
pub(super) const PART: usize = 100;
/// Maximum number of pieces in a row that may fail before the rest is not tried: enough for a server that does not answer to be
/// found to be down, after which the other servers of a cluster are no longer waited for in vain.
const FAILURES_IN_A_ROW: usize = 4;

/// Takes a step for each range of so many keys, one after the other: one answer a key. Keys that were not tried have the error of
/// those before. With `all_or_nothing` none is tried behind one that failed.
pub(super) async fn in_pieces<T, F>(
    keys: usize,
    all_or_nothing: bool,
    step: impl Fn(Range<usize>) -> F,
) -> Vec<Answer<T>>
where
    T: Clone,
    F: Future<Output = Vec<Answer<T>>>,
{
    let (mut answers, mut in_a_row) = (Vec::with_capacity(keys), 0);
    while answers.len() < keys {
        let piece = answers.len()..keys.min(answers.len() + PIECE);
        let of_piece = step(piece).await;
        let errors = of_piece.iter().filter_map(|answer| answer.as_ref().err());
        let failures: Vec<&StoreError> = errors.filter(|error| **error != StoreError::Foreign).collect();
        in_a_row = if failures.len() == of_piece.len() { in_a_row + 1 } else { 0 };
        let given_up = failures.last().filter(|_| all_or_nothing || in_a_row >= FAILURES_IN_A_ROW);
        let given_up = given_up.map(|error| (*error).clone());
        answers.extend(of_piece);
        let Some(error) = given_up else { continue };
        while answers.len() < keys {
            answers.resize(keys.min(answers.len() + PIECE), Err(error.clone()));
            yield_now().await;
        }
    }
    answers
}

/// Goes through many items that need no answer of a store. Between parts the other tasks of this thread run: on the library's they
/// are those of all caches.
pub(super) async fn for_parts<T>(items: &[T], mut each: impl FnMut(&[T])) {
    for (number, part) in items.chunks(PART).enumerate() {
        if number > 0 {
            yield_now().await;
        }
        each(part);
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, time::Duration};

    use super::*;

    const KEYS: usize = 10 * PIECE + 1;
    const SILENT: StoreError = StoreError::Timeout(Duration::from_millis(250));

    /// The pieces that are tried, and the answers, where the numbers of these keys fail.
    async fn tried(
        all_or_nothing: bool,
        error: StoreError,
        fails: fn(usize) -> bool,
    ) -> (Vec<usize>, Vec<Answer<usize>>) {
        let tried = RefCell::new(Vec::new());
        let answers = in_pieces(KEYS, all_or_nothing, async |piece: Range<usize>| {
            tried.borrow_mut().push(piece.len());
            piece.map(|key| if fails(key) { Err(error.clone()) } else { Ok(key) }).collect()
        });
        let answers = answers.await;
        assert_eq!(answers.len(), KEYS);
        for (key, answer) in answers.iter().enumerate() {
            assert!(answer.is_err() || *answer == Ok(key), "{key} has its own answer");
        }
        (tried.into_inner(), answers)
    }

    #[tokio::test]
    async fn no_piece_is_larger_than_a_packet() {
        let (pieces, answers) = tried(false, SILENT, |key| key % PIECE == 5).await;
        assert_eq!(pieces, [[PIECE; 10].as_slice(), &[1]].concat());
        assert_eq!(answers.iter().filter(|answer| answer.is_err()).count(), 10);
    }

    #[tokio::test]
    async fn a_store_that_does_not_answer_is_not_asked_for_each_piece() {
        let (pieces, answers) = tried(false, SILENT, |key| key >= PIECE).await;
        assert_eq!(pieces, [PIECE; 1 + FAILURES_IN_A_ROW]);
        assert_eq!((&answers[PIECE - 1], &answers[KEYS - 1]), (&Ok(PIECE - 1), &Err(SILENT)));
        let (pieces, _) = tried(false, SILENT, |key| (key / PIECE).is_multiple_of(2)).await;
        assert_eq!(pieces.len(), 11, "it answers now and then");
        let (pieces, _) = tried(false, StoreError::Foreign, |_| true).await;
        assert_eq!(pieces.len(), 11, "data of somebody else is no failure");
    }

    #[tokio::test]
    async fn what_is_done_whole_or_not_at_all_ends_at_the_first_failure() {
        let (pieces, answers) = tried(true, SILENT, |key| key == PIECE + 7).await;
        assert_eq!((pieces.len(), &answers[PIECE], &answers[KEYS - 1]), (2, &Ok(PIECE), &Err(SILENT)));
    }
}
