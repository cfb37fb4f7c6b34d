//! What must happen at least once in a scene, so that an idle model fails.

use crate::phase::{Phase, usable};
use crate::scene::Scene;
use crate::state::State;
use crate::store::Slot;
use crate::token::{Caller, Token};
use crate::wire::{Command, Reply, Wire};
use crate::write::Writer;
use stateright::Property;

/// Something that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Witness {
    /// The cache is used.
    Hit,
    /// A fill finds that it lost its right.
    Refused,
    /// A follower is served by the leader of its flight.
    Shared,
    /// A caller waits for the lease of another process.
    Waited,
    /// A follower goes on after its leader was dropped or could not serve it.
    GoesOn,
    /// An acquire finds a tagged value that is usable by what the look has seen.
    FoundByAcquire,
    /// A command executes after its caller gave up.
    Late,
    /// Two writers are in the guard at once.
    Overlapped,
    /// A writer stores the value it wrote.
    Put,
    /// The guard outlives its writer.
    OrphanGuard,
    /// A statement outlives its caller.
    OrphanStatement,
    /// A process bypasses the cache.
    Listed,
    /// A value is refreshed.
    Refreshed,
    /// A refresh goes on without its caller.
    Detached,
    /// A value is taken over to be loaded anew.
    TakenOver,
    /// A load anew that was not stored ends what stands there instead.
    Ended,
    /// A load anew is served by another one's.
    SharedAnew,
    /// A value is there that is older than the row.
    LeftBehind,
    /// A value is there whose tag has moved on.
    TagMoved,
    /// A guard settles.
    Settling,
}

impl Witness {
    /// The property that checks for it.
    pub(crate) fn property(self) -> Property<Scene> {
        match self {
            Self::Hit => Property::sometimes("the cache is used", hit),
            Self::Refused => Property::sometimes("a fill is refused", refused),
            Self::Shared => Property::sometimes("a follower is served by its leader", State::shares),
            Self::Waited => Property::sometimes("a caller waits for another process", waited),
            Self::GoesOn => Property::sometimes("a follower goes on by itself", promoted),
            Self::FoundByAcquire => Property::sometimes("an acquire finds a value", found_by_acquire),
            Self::Late => {
                Property::sometimes("a command is late", |_, state: &State| !state.redis.late.is_empty())
            }
            Self::Overlapped => Property::sometimes("writers overlap", overlapped),
            Self::Put => Property::sometimes("a writer stores its value", put),
            Self::OrphanGuard => Property::sometimes("a guard outlives its writer", orphan_guard),
            Self::OrphanStatement => {
                Property::sometimes("a statement outlives its caller", |_, state: &State| {
                    state.writers.contains(&Writer::Orphan)
                })
            }
            Self::Listed => Property::sometimes("a process bypasses the cache", listed),
            Self::Refreshed => Property::sometimes("a value is refreshed", refreshed),
            Self::Detached => {
                Property::sometimes("a refresh goes on without its caller", |_, state: &State| {
                    state.detached.iter().any(|detached| detached.version.is_some())
                })
            }
            Self::TakenOver => Property::sometimes("a value is taken over", taken_over),
            Self::Ended => Property::sometimes("a load anew ends what stands there", ended),
            Self::SharedAnew => Property::sometimes("loads anew are shared", shared_anew),
            Self::LeftBehind => Property::sometimes(
                "a value is older than the row",
                |_, state: &State| matches!(&state.redis.entry, Slot::Value(value) if value.version < state.origin.visible),
            ),
            Self::TagMoved => Property::sometimes("a tag invalidates its entry", tag_moved),
            Self::Settling => Property::sometimes(
                "a guard settles",
                |_, state: &State| matches!(&state.redis.entry, Slot::Guard(guard) if guard.settling),
            ),
        }
    }
}

impl State {
    fn shares(scene: &Scene, state: &State) -> bool {
        state.about_to_share(scene)
    }
}

fn any_reader(state: &State, what: impl Fn(&Phase) -> bool) -> bool {
    state.readers.iter().any(|reader| what(&reader.phase))
}

fn hit(scene: &Scene, state: &State) -> bool {
    any_reader(state, |phase| match phase {
        Phase::Read(Wire::Answered(Reply::Seen { entry: Slot::Value(value), tags })) => {
            usable(scene, value, tags)
        }
        _ => false,
    })
}

fn refused(_: &Scene, state: &State) -> bool {
    any_reader(state, |phase| phase.wire() == Some(&Wire::Answered(Reply::Refused)))
}

fn waited(_: &Scene, state: &State) -> bool {
    any_reader(state, |phase| *phase == Phase::Wait)
}

fn promoted(scene: &Scene, state: &State) -> bool {
    (0..state.readers.len()).any(|reader| {
        let Phase::Read(Wire::Sent(_)) = state.readers[reader].phase else {
            return false;
        };
        state.leads(scene, reader) && state.readers[reader].attempts == 0
    })
}

fn found_by_acquire(_: &Scene, state: &State) -> bool {
    any_reader(state, |phase| match phase {
        Phase::Acquire { right, wire: Wire::Answered(Reply::Taken(Slot::Value(value))), .. } => {
            value.stamps == right.stamps
        }
        _ => false,
    })
}

fn overlapped(_: &Scene, state: &State) -> bool {
    matches!(&state.redis.entry, Slot::Guard(guard) if guard.overlapped)
}

fn put(scene: &Scene, state: &State) -> bool {
    let stored = matches!(state.redis.entry, Slot::Value(_));
    let releases = state.writers.iter().zip(&scene.writes).any(|(writer, write)| {
        write.puts
            && matches!(writer, Writer::Release { wires, .. } if matches!(wires[..], [Wire::Answered(_)]))
    });
    stored && releases && state.readers.iter().all(|reader| reader.calls == 0)
}

fn orphan_guard(_: &Scene, state: &State) -> bool {
    let Slot::Guard(guard) = &state.redis.entry else {
        return false;
    };
    guard.writers.iter().any(|token| match token {
        Token::Fresh(Caller::Writer(writer), ..) => state.writers[*writer] == Writer::Done,
        _ => false,
    })
}

fn listed(scene: &Scene, state: &State) -> bool {
    (0..state.readers.len()).any(|reader| {
        let alone = matches!(state.readers[reader].phase, Phase::Loaded { right: None, .. });
        alone && state.bypasses(scene, scene.readers[reader])
    })
}

fn refreshed(_: &Scene, state: &State) -> bool {
    any_reader(state, |phase| match phase {
        Phase::Fill { right, wire: Wire::Answered(Reply::Accepted), .. } => right.refresh.is_some(),
        _ => false,
    })
}

fn taken_over(_: &Scene, state: &State) -> bool {
    any_reader(state, |phase| matches!(phase, Phase::Loaded { right: Some(right), .. } if right.over))
}

fn ended(_: &Scene, state: &State) -> bool {
    let stands = matches!(state.redis.entry, Slot::Value(_) | Slot::Lease(_));
    stands && any_reader(state, |phase| matches!(phase, Phase::End { wire: Wire::Sent(_), .. }))
}

fn shared_anew(scene: &Scene, state: &State) -> bool {
    let anew = (0..state.readers.len()).filter(|reader| state.readers[*reader].anew);
    state.about_to_share(scene) && anew.count() > 1
}

fn tag_moved(_: &Scene, state: &State) -> bool {
    any_reader(state, |phase| match phase {
        Phase::Acquire { wire: Wire::Sent(Command::Acquire { seen, .. }), .. } => {
            matches!(seen, Slot::Value(_))
        }
        _ => false,
    })
}
