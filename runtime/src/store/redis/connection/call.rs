//! One command, or several at once, on a connection: room for it, its answer, and what that says about the server.

use std::{
    mem,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Instant,
};

use redis::{Cmd, ErrorKind, FromRedisValue, Pipeline, RedisError, RedisResult, ServerErrorKind, Value};

use super::{
    super::{failure::Failure, trial},
    ABANDONED_IN_A_ROW, BACK, For, Link, REFUSALS_IN_A_ROW, Shared, State, TIMEOUTS_IN_A_ROW, Up,
};

impl Link {
    /// Sends one command.
    pub(in super::super) async fn call<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, Failure> {
        // What `query_async` does, without its boxed future.
        self.call_with(command, |value| Ok(redis::from_redis_value(value.extract_error()?)?)).await
    }

    /// Sends one command. What is answered is taken apart here, an error of the server's among it.
    pub(in super::super) async fn call_with<T>(
        &self,
        command: &Cmd,
        take: impl FnOnce(Value) -> RedisResult<T>,
    ) -> Result<T, Failure> {
        let mut call = self.begin(For::Reads)?;
        let sent = call.up.connection.send_packed_command(command).await;
        call.end(sent.and_then(take))
    }

    /// Sends several commands at once; each has its own answer.
    pub(in super::super) async fn call_all<T: FromRedisValue>(
        &self,
        pipeline: &mut Pipeline,
    ) -> Result<T, Failure> {
        let mut call = self.begin(For::Reads)?;
        let result = pipeline.ignore_errors().query_async(&mut call.up.connection).await;
        call.end_all(result)
    }

    /// Sends one command of a step of a write.
    pub(in super::super) async fn call_of_write<T>(&self, command: &Cmd) -> Result<T, Failure>
    where
        T: FromRedisValue + Send + 'static,
    {
        let mut pipeline = Pipeline::with_capacity(1);
        pipeline.add_command(command.clone());
        let (answer,): (RedisResult<T>,) = self.call_all_of_write(pipeline).await?;
        answer.map_err(Failure::Redis)
    }

    /// Sends several commands of a step of a write. Where there are too many it waits for room instead of being turned away.
    pub(in super::super) async fn call_all_of_write<T>(&self, mut pipeline: Pipeline) -> Result<T, Failure>
    where
        T: FromRedisValue + Send + 'static,
    {
        let link = self.clone();
        let step = async move {
            // Nobody closes it.
            let _room = link.0.writes.acquire().await;
            let mut call = link.begin(For::Writes)?;
            let result = pipeline.ignore_errors().query_async(&mut call.up.connection).await;
            call.end_all(result)
        };
        self.0.outbox.take(step).await
    }

    /// Asks whether the server is there.
    pub(in super::super) async fn ping(&self) -> Result<(), Failure> {
        let mut call = self.begin(For::Writes)?;
        let answer = redis::cmd("PING").exec_async(&mut call.up.connection).await;
        call.end(answer)
    }

    /// Whether a command that reads would be sent now.
    pub(super) fn takes_reads(&self) -> Result<(), Failure> {
        self.begin(For::Reads).map(|call| drop(call.silent()))
    }

    /// Begins a command.
    fn begin(&self, purpose: For) -> Result<Call<'_>, Failure> {
        let up = match &*self.0.state() {
            State::Up(up) => up.clone(),
            State::Down { reason, .. } => {
                self.0.keep_connecting();
                return Err(Failure::Down(reason.clone()));
            }
        };
        let began = Instant::now();
        if purpose == For::Reads && up.closed_since(began).is_some() {
            return Err(Failure::Down(BACK.to_owned()));
        }
        // Counted first, so that the call gives back what it took even where it is turned away.
        let call = Call { link: &self.0, up, began, ended: false };
        let too_many = self.0.in_flight.fetch_add(1, Relaxed) >= self.0.limits.in_flight;
        if too_many && purpose == For::Reads {
            drop(call.silent());
            return Err(Failure::Full);
        }
        Ok(call)
    }
}

/// A command on its way. Dropped without an answer, it was one of those that the server left unanswered.
struct Call<'a> {
    link: &'a Arc<Shared>,
    up: Up,
    began: Instant,
    ended: bool,
}

impl Call<'_> {
    /// The answer of one command.
    fn end<T>(mut self, result: Result<T, RedisError>) -> Result<T, Failure> {
        self.answered();
        match result {
            Ok(answer) => {
                self.link.not_refused();
                Ok(answer)
            }
            Err(error) => {
                self.link.refused(self.up.number, &error);
                Err(Failure::Redis(error))
            }
        }
    }

    /// The answers of several commands, each of which may be a refusal. However many are, they count as one: they were sent, and
    /// answered, together.
    fn end_all<T: FromRedisValue>(mut self, result: RedisResult<Value>) -> Result<T, Failure> {
        let Ok(Value::Array(answers)) = result else {
            return self.end(result.and_then(|value| Ok(redis::from_redis_value(value)?)));
        };
        self.answered();
        let mut of_the_server = false;
        for answer in &answers {
            let Value::ServerError(error) = answer else { continue };
            let error = RedisError::from(error.clone());
            let again = concerns_the_server(&error) && mem::replace(&mut of_the_server, true);
            if !again {
                self.link.refused(self.up.number, &error);
            }
        }
        if !of_the_server {
            self.link.not_refused();
        }
        redis::from_redis_value(Value::Array(answers)).map_err(|error| Failure::Redis(error.into()))
    }

    /// There was an answer, whatever it says.
    fn answered(&mut self) {
        self.ended = true;
        for silences in [&self.link.timeouts, &self.link.abandoned] {
            if silences.load(Relaxed) != 0 {
                silences.store(0, Relaxed);
            }
        }
    }

    /// The same call, of which nothing is to be concluded.
    fn silent(mut self) -> Self {
        self.ended = true;
        self
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        self.link.in_flight.fetch_sub(1, Relaxed);
        if self.ended {
            return;
        }
        // The last steps of a call have only what the first ones have left of its time. And a caller that went away after a pause
        // of this process may have waited for less than it seems: nothing is concluded from that alone.
        let (silences, many) = if self.began.elapsed() >= self.link.limits.call / 2 {
            (&self.link.timeouts, TIMEOUTS_IN_A_ROW)
        } else {
            (&self.link.abandoned, ABANDONED_IN_A_ROW)
        };
        let silent = silences.fetch_add(1, Relaxed) + 1;
        if silent >= many {
            self.link.probe(&self.up);
        }
        // One earlier, since calls that find a runtime's own connection gone go on to the lasting one.
        if silent + 1 >= many {
            self.link.ask_lasting();
        }
    }
}

impl Shared {
    /// The server has carried something out.
    fn not_refused(&self) {
        if self.refusals.load(Relaxed) != 0 {
            self.refusals.store(0, Relaxed);
        }
    }

    /// Concludes from an error what it says about the connection with this number, and the server.
    fn refused(self: &Arc<Self>, number: u64, error: &RedisError) {
        if error.is_unrecoverable_error() || error.is_io_error() {
            self.closed(number, &error.to_string());
        } else if error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly) {
            // What it holds may be older than what was written: not even its values are of use.
            self.lost(number, &error.to_string());
        } else if concerns_the_server(error) && self.refusals.fetch_add(1, Relaxed) + 1 >= REFUSALS_IN_A_ROW {
            self.lost(number, &error.to_string());
        } else if trial::may_be_for_good(error) {
            self.try_again(number);
        }
    }
}

/// Whether the server would refuse any other command as well.
fn concerns_the_server(error: &RedisError) -> bool {
    matches!(error.code(), Some("LOADING" | "MASTERDOWN" | "BUSY" | "NOAUTH" | "WRONGPASS"))
}
