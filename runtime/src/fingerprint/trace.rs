//! Runs a type's `Deserialize` against samples.

use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::de::DeserializeOwned;

use super::{
    structure::{Effort, Incomplete, Structure},
    tracer::{Tracer, probe::Probe},
};
use crate::codec::Codec;

/// Runs `T`'s `Deserialize` against samples until every variant has been seen, or no sample is left.
pub(crate) fn trace<T: DeserializeOwned, C: Codec>(effort: Effort) -> Structure {
    let mut tracer = Tracer::new(C::HUMAN_READABLE, effort);
    loop {
        tracer.begin_run();
        let run = catch_unwind(AssertUnwindSafe(|| T::deserialize(Probe(&mut tracer)).map(drop)));
        if tracer.gave_up {
            break;
        }
        let goes_on = match run {
            Ok(Ok(())) => tracer.advance(),
            Ok(Err(_)) if tracer.try_next_sample() => true,
            Ok(Err(_)) => {
                tracer.miss_out(Incomplete::Refuses);
                tracer.advance()
            }
            Err(_) => {
                tracer.miss_out(Incomplete::Panics);
                false
            }
        };
        if !goes_on {
            break;
        }
    }
    tracer.structure()
}
