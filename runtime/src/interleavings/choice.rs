//! What can happen next.

/// Something that can happen next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Choice {
    Begin(usize),
    /// A call that was woken goes on.
    GoOn(usize),
    /// A command takes effect.
    Effect(usize),
    /// A command is answered.
    Answer(usize),
    /// Nothing else can happen: time passes until something can.
    Wait,
    /// A call is dropped.
    Cancel(usize),
    /// The answer of a command is lost, and its effect too if it had not been taken yet.
    Lose(usize),
    /// The connection is cut, and the command takes effect later.
    Delay(usize),
    /// The first process dies; with it, or not, what it has sent.
    Die {
        with_commands: bool,
    },
    /// Everything stands still for a while.
    Pause,
}

/// What kind of step a choice is, without the number of its command, which depends on the order.
pub(super) fn kind(choice: Choice) -> (u8, usize) {
    match choice {
        Choice::Begin(call) => (0, call),
        Choice::GoOn(call) => (1, call),
        Choice::Effect(_) => (2, 0),
        Choice::Answer(_) => (3, 0),
        Choice::Wait => (4, 0),
        Choice::Cancel(call) => (5, call),
        Choice::Lose(_) => (6, 0),
        Choice::Delay(_) => (7, 0),
        Choice::Die { with_commands } => (8, usize::from(with_commands)),
        Choice::Pause => (9, 0),
    }
}
