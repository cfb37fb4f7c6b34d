//! The clock by which local copies end.

use std::{sync::OnceLock, time::Duration};

use tokio::time::Instant;

use crate::thread::Clock;

/// A point in time: nanoseconds since one that stays the same for this process.
pub(crate) type Nanos = u64;

/// What a copy ends earlier than was granted: clocks tick in milliseconds on the other side.
const ROUNDED: Duration = Duration::from_millis(1);
/// The same as a part of what was granted: two clocks do not go at the same rate.
const DRIFT: u32 = 1_000;

/// What time it is, by the system's own clock where there is a server: one that goes on while the machine is suspended, as the server's
/// does. Where the system has none (anything but Linux), a suspended machine's copies are used for longer by as much.
///
/// A coarse clock takes a fifth of the time. It shows the last tick, and that is as old as whoever runs the virtual processor that ticks
/// has kept it waiting: a copy could be given past its end.
pub(crate) fn now(clock: Clock) -> Nanos {
    match clock {
        Clock::Real => of_the_system(),
        Clock::Callers => since_the_first(),
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn of_the_system() -> Nanos {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let (seconds, rest) = (now.tv_sec.unsigned_abs(), now.tv_nsec.unsigned_abs());
    seconds.saturating_mul(1_000_000_000).saturating_add(rest)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn of_the_system() -> Nanos {
    since_the_first()
}

fn since_the_first() -> Nanos {
    // Where time is paused, each runtime has its own: what comes first here may be late elsewhere.
    const MIDDLE: Nanos = 1 << 62;
    static FIRST: OnceLock<Instant> = OnceLock::new();
    let now = Instant::now();
    let first = *FIRST.get_or_init(|| now);
    match now.checked_duration_since(first) {
        Some(later) => MIDDLE.saturating_add(nanos(later)),
        None => MIDDLE.saturating_sub(nanos(first.duration_since(now))),
    }
}

pub(super) fn nanos(time: Duration) -> Nanos {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// When what was granted for so long ends at the latest, counted from when it was asked for.
pub(crate) fn end(sent: Nanos, granted: Duration) -> Nanos {
    sent.saturating_add(nanos(granted.saturating_sub(granted / DRIFT).saturating_sub(ROUNDED)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_ends_before_what_was_granted() {
        let second = nanos(Duration::from_secs(1));
        assert_eq!(end(5, Duration::from_secs(1)), 5 + second - second / 1_000 - 1_000_000);
        assert_eq!(end(5, Duration::from_millis(1)), 5);
        assert_eq!(end(5, Duration::ZERO), 5);
    }

    /// Two runtimes whose time is paused, one of which is far ahead.
    #[test]
    fn a_clock_that_is_behind_another_goes_on() {
        let paused =
            || tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        let (behind, ahead) = (paused().unwrap(), paused().unwrap());
        let before = behind.block_on(async { now(Clock::Callers) });
        ahead.block_on(async {
            tokio::time::advance(Duration::from_secs(3600)).await;
            now(Clock::Callers);
        });
        behind.block_on(async {
            tokio::time::advance(Duration::from_secs(1)).await;
            assert_eq!(now(Clock::Callers) - before, nanos(Duration::from_secs(1)));
        });
    }

    #[test]
    fn the_clock_goes_on() {
        for clock in [Clock::Real, Clock::Callers] {
            let before = now(clock);
            std::thread::sleep(Duration::from_millis(3));
            assert!(now(clock) >= before + 2_000_000);
        }
    }
}
