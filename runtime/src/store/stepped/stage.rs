//! Where all that is under way meets: whatever a call asks of the store or of the database is a command, which first takes
//! effect and then is answered, each at a moment of the scheduler's choice.

use std::{
    collections::BTreeMap,
    fmt,
    future::Future,
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
};

use tokio::sync::{Notify, oneshot};

use crate::{
    lock::Mutex,
    store::answer::{Answer, StoreError},
};

/// Commands under way, and who is acting.
#[derive(Debug, Default)]
pub(crate) struct Stage {
    waiting: Mutex<Waiting>,
    /// Something can go on.
    pub(crate) stirred: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    commands: BTreeMap<usize, Command>,
    sent: usize,
    /// The call that acts now, or acted last: what is sent is its.
    acting: Option<usize>,
    /// Whether it is the call itself, and not a task that it left behind.
    itself: bool,
    /// Calls whose bodies have begun.
    bodies: Vec<usize>,
    /// Calls that the store does not answer.
    cut_off: Vec<usize>,
    /// Processes that have died.
    dead: [bool; 2],
}

/// Something that was asked for.
#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) process: usize,
    pub(crate) verb: &'static str,
    /// The keys that it is about.
    pub(crate) keys: Vec<String>,
    /// The call on whose behalf it was sent, if it is known.
    pub(crate) of: Option<usize>,
    /// Whether that call itself waits for the answer.
    pub(crate) awaited: bool,
    /// Whether it has taken effect.
    pub(crate) taken: bool,
    request: Box<dyn Request>,
}

impl Command {
    /// Whether it is answered when it takes effect. Its caller waits for another command besides, whose answer may come at any time.
    pub(crate) fn is_answered_at_once(&self) -> bool {
        AT_ONCE.contains(&self.verb)
    }

    /// Whether anybody waits for the answer.
    pub(crate) fn is_awaited(&self) -> bool {
        self.request.is_awaited()
    }
}

/// A command without its types.
trait Request: Send + fmt::Debug {
    fn take_effect(&mut self);
    fn answer(&mut self);
    fn fail(&mut self);
    /// Whether anybody waits for the answer.
    fn is_awaited(&self) -> bool;
}

struct Typed<T, F> {
    effect: Option<F>,
    outcome: Option<Answer<T>>,
    reply: Option<oneshot::Sender<Answer<T>>>,
}

impl<T, F> fmt::Debug for Typed<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Typed")
    }
}

impl<T, F> Request for Typed<T, F>
where
    T: Send,
    F: Future<Output = Answer<T>> + Send,
{
    fn take_effect(&mut self) {
        let effect = pin!(self.effect.take().expect("a command takes effect once"));
        match effect.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(outcome) => self.outcome = Some(outcome),
            Poll::Pending => panic!("the in-process store never waits"),
        }
    }

    fn answer(&mut self) {
        if let (Some(reply), Some(outcome)) = (self.reply.take(), self.outcome.take()) {
            // Whoever has gone away needs no answer.
            drop(reply.send(outcome));
        }
    }

    fn fail(&mut self) {
        if let Some(reply) = self.reply.take() {
            drop(reply.send(Err(cut())));
        }
    }

    fn is_awaited(&self) -> bool {
        self.reply.as_ref().is_some_and(|reply| !reply.is_closed())
    }
}

fn cut() -> StoreError {
    StoreError::Unreachable("the connection is cut".to_owned())
}

impl Stage {
    pub(crate) fn new(cut_off: Vec<usize>) -> Stage {
        let waiting = Waiting { cut_off, ..Waiting::default() };
        Stage { waiting: Mutex::new(waiting), stirred: Notify::new() }
    }

    /// Sends a command and waits for its answer. It goes on by itself when the sender goes away.
    pub(crate) async fn send<T: Send + 'static>(
        &self,
        process: usize,
        (verb, keys): (&'static str, Vec<String>),
        effect: impl Future<Output = Answer<T>> + Send + 'static,
    ) -> Answer<T> {
        let (reply, answer) = oneshot::channel();
        let request = Box::new(Typed { effect: Some(effect), outcome: None, reply: Some(reply) });
        let refused = {
            let mut waiting = self.waiting.lock();
            let of = waiting.acting;
            let is_body = verb == READ_ORIGIN || verb == WRITE_ORIGIN;
            let refused = !is_body && of.is_some_and(|call| waiting.cut_off.contains(&call));
            waiting.bodies.extend(of.filter(|_| is_body));
            if !refused && !waiting.dead[process] {
                let number = waiting.sent;
                waiting.sent += 1;
                let awaited = waiting.itself;
                waiting
                    .commands
                    .insert(number, Command { process, verb, keys, of, awaited, taken: false, request });
            }
            refused
        };
        if refused {
            return Err(cut());
        }
        self.stirred.notify_one();
        answer.await.unwrap_or_else(|_| Err(cut()))
    }

    /// Says on whose behalf commands are sent from now on.
    pub(crate) fn act(&self, call: Option<usize>, itself: bool) {
        let mut waiting = self.waiting.lock();
        waiting.acting = call;
        waiting.itself = itself;
    }

    /// A process dies: its commands still take effect or, if they are lost too, do not.
    pub(crate) fn die(&self, process: usize, with_commands: bool) {
        let mut waiting = self.waiting.lock();
        waiting.dead[process] = true;
        if with_commands {
            waiting.commands.retain(|_, command| command.process != process);
        }
    }

    /// Looks at the commands under way, in the order in which they were sent.
    pub(crate) fn commands<T>(&self, look: impl FnMut((&usize, &Command)) -> T) -> Vec<T> {
        self.waiting.lock().commands.iter().map(look).collect()
    }

    /// Calls whose bodies have begun.
    pub(crate) fn bodies(&self) -> Vec<usize> {
        self.waiting.lock().bodies.clone()
    }

    /// How many commands have been sent so far.
    pub(crate) fn sent(&self) -> usize {
        self.waiting.lock().sent
    }

    pub(crate) fn command<T>(&self, number: usize, look: impl FnOnce(&Command) -> T) -> T {
        look(&self.waiting.lock().commands[&number])
    }

    /// A command takes effect. It is over then if nobody waits for its answer.
    pub(crate) fn take_effect(&self, number: usize) {
        self.change(number, |command| {
            command.request.take_effect();
            command.taken = true;
            command.request.is_awaited()
        });
    }

    /// A command takes effect and is answered at once, if anybody waits for that.
    pub(crate) fn carry_out(&self, number: usize) {
        self.take_effect(number);
        if self.waiting.lock().commands.contains_key(&number) {
            self.answer(number);
        }
    }

    /// Answers a command.
    pub(crate) fn answer(&self, number: usize) {
        self.change(number, |command| {
            command.request.answer();
            false
        });
    }

    /// Tells the sender that the connection is cut. If the command is `late`, it takes effect all the same one day.
    pub(crate) fn fail(&self, number: usize, late: bool) {
        self.change(number, |command| {
            command.request.fail();
            command.awaited = false;
            late
        });
    }

    /// Lets go of what nobody waits for and what has no effect any more.
    pub(crate) fn tidy(&self) {
        let over: Vec<Command> = {
            let mut waiting = self.waiting.lock();
            let over = |command: &Command| {
                !command.request.is_awaited() && (command.taken || READS.contains(&command.verb))
            };
            let numbers: Vec<usize> = waiting
                .commands
                .iter()
                .filter(|(_, command)| over(command))
                .map(|(number, _)| *number)
                .collect();
            numbers.iter().filter_map(|number| waiting.commands.remove(number)).collect()
        };
        drop(over);
    }

    /// Changes a command outside the lock, since it may wake somebody; keeps it if that says so.
    fn change(&self, number: usize, change: impl FnOnce(&mut Command) -> bool) {
        let mut command = self.waiting.lock().commands.remove(&number).expect("the command is under way");
        if change(&mut command) {
            self.waiting.lock().commands.insert(number, command);
        }
    }
}

/// A body reads the database.
pub(crate) const READ_ORIGIN: &str = "read the database";
/// A body writes the database.
pub(crate) const WRITE_ORIGIN: &str = "write the database";
/// What changes nothing, so that it does not matter whether it happens when nobody waits for it.
const READS: [&str; 5] = [READ, READ_FIRST, "read_timed", "watch", READ_ORIGIN];
/// A read, or the last one of several by one call.
pub(crate) const READ: &str = "read";
/// The first read of several by one call: the next is sent when it is answered.
pub(crate) const READ_FIRST: &str = "read first";
/// What is answered when it takes effect.
const AT_ONCE: [&str; 2] = [READ_FIRST, "carry"];

/// A future that is kept beside others.
pub(crate) type Boxed<T> = Pin<Box<dyn Future<Output = T>>>;
