//! Sending commands: permits, answers, and what an answer or a timeout says about the server.

use std::{
    mem,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Instant,
};

use redis::{Cmd, FromRedisValue, Pipeline, RedisError, RedisResult, Value};

use super::{
    super::{
        capabilities,
        failure::{Failure, is_cluster_down, is_read_only},
    },
    ABANDONED_IN_A_ROW, Inner, Live, NodeConnection, Purpose, REFUSALS_IN_A_ROW, STILL_CLOSED, State,
    TIMEOUTS_IN_A_ROW,
};

impl NodeConnection {
    /// Sends one command.
    pub(in super::super) async fn call<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, Failure> {
        // What `query_async` does, without its boxed future.
        self.call_with(command, |value| Ok(redis::from_redis_value(value.extract_error()?)?)).await
    }

    /// Sends one command. `take` parses the answer, including an error of the server.
    pub(in super::super) async fn call_with<T>(
        &self,
        command: &Cmd,
        take: impl FnOnce(Value) -> RedisResult<T>,
    ) -> Result<T, Failure> {
        let mut call = self.begin(Purpose::Reads)?;
        let sent = call.live.connection.send_packed_command(command).await;
        call.finish(sent.and_then(take))
    }

    /// Sends several commands at once; each has its own answer.
    pub(in super::super) async fn call_all<T: FromRedisValue>(
        &self,
        pipeline: &mut Pipeline,
    ) -> Result<T, Failure> {
        self.call_all_with(pipeline, |_, _| None).await
    }

    /// The same where the answer of one of them, by its index, may have an error in it.
    pub(in super::super) async fn call_all_with<T: FromRedisValue>(
        &self,
        pipeline: &mut Pipeline,
        error_in: impl Fn(usize, &Value) -> Option<RedisError>,
    ) -> Result<T, Failure> {
        let mut call = self.begin(Purpose::Reads)?;
        let result = pipeline.ignore_errors().query_async(&mut call.live.connection).await;
        call.finish_all(result, error_in)
    }

    /// Sends one command of a step of a write.
    pub(in super::super) async fn call_write<T>(&self, command: &Cmd) -> Result<T, Failure>
    where
        T: FromRedisValue + Send + 'static,
    {
        let mut pipeline = Pipeline::with_capacity(1);
        pipeline.add_command(command.clone());
        let (answer,): (RedisResult<T>,) = self.call_all_write(pipeline).await?;
        answer.map_err(Failure::Redis)
    }

    /// Sends several commands of a step of a write. At the limit it waits for a permit instead of being rejected.
    pub(in super::super) async fn call_all_write<T>(&self, mut pipeline: Pipeline) -> Result<T, Failure>
    where
        T: FromRedisValue + Send + 'static,
    {
        let node = self.clone();
        let step = async move {
            // The semaphore is never closed.
            let _room = node.0.writes.acquire().await;
            let mut call = node.begin(Purpose::Writes)?;
            let result = pipeline.ignore_errors().query_async(&mut call.live.connection).await;
            call.finish_all(result, |_, _| None)
        };
        self.0.outbox.run(step).await
    }

    /// Pings the server.
    pub(in super::super) async fn ping(&self) -> Result<(), Failure> {
        let mut call = self.begin(Purpose::Writes)?;
        let answer = redis::cmd("PING").exec_async(&mut call.live.connection).await;
        call.finish(answer)
    }

    /// Fails if a read would be rejected now.
    pub(super) fn check_open_for_reads(&self) -> Result<(), Failure> {
        self.begin(Purpose::Reads).map(|call| drop(call.uncounted()))
    }

    /// Begins a command.
    fn begin(&self, purpose: Purpose) -> Result<InFlight<'_>, Failure> {
        let live = match &*self.0.state() {
            State::Up(live) => live.clone(),
            State::Down { reason, .. } => {
                self.0.keep_connecting();
                return Err(Failure::Down(reason.clone()));
            }
        };
        let began = Instant::now();
        if purpose == Purpose::Reads && live.closed_since(began).is_some() {
            return Err(Failure::Down(STILL_CLOSED.to_owned()));
        }
        // Counted first, so that the count is taken back even if the call is rejected.
        let call = InFlight { node: &self.0, live, began, ended: false };
        let too_many = self.0.in_flight.fetch_add(1, Relaxed) >= self.0.limits.in_flight;
        if too_many && purpose == Purpose::Reads {
            drop(call.uncounted());
            return Err(Failure::Full);
        }
        Ok(call)
    }
}

/// A command in flight. Dropped without an answer, it counts as unanswered.
struct InFlight<'a> {
    node: &'a Arc<Inner>,
    live: Live,
    began: Instant,
    ended: bool,
}

impl InFlight<'_> {
    /// Takes the answer of one command.
    fn finish<T>(mut self, result: Result<T, RedisError>) -> Result<T, Failure> {
        self.answered();
        match result {
            Ok(answer) => {
                self.node.note_success();
                Ok(answer)
            }
            Err(error) => {
                self.node.note_error(self.live.number, &error);
                Err(Failure::Redis(error))
            }
        }
    }

    /// Takes the answers of several commands, each of which may be a refusal. All of them together count as one refusal: they were sent
    /// and answered together.
    fn finish_all<T: FromRedisValue>(
        mut self,
        result: RedisResult<Value>,
        error_in: impl Fn(usize, &Value) -> Option<RedisError>,
    ) -> Result<T, Failure> {
        let Ok(Value::Array(answers)) = result else {
            return self.finish(result.and_then(|value| Ok(redis::from_redis_value(value)?)));
        };
        self.answered();
        let mut of_the_server = false;
        for (index, answer) in answers.iter().enumerate() {
            let error = match answer {
                Value::ServerError(error) => Some(error.clone().into()),
                answer => error_in(index, answer),
            };
            let Some(error) = error else { continue };
            let again = concerns_the_server(&error) && mem::replace(&mut of_the_server, true);
            if !again {
                self.node.note_error(self.live.number, &error);
            }
        }
        if !of_the_server {
            self.node.note_success();
        }
        redis::from_redis_value(Value::Array(answers)).map_err(|error| Failure::Redis(error.into()))
    }

    /// There was an answer, whatever it says.
    fn answered(&mut self) {
        self.ended = true;
        for silences in [&self.node.timeouts, &self.node.abandoned] {
            if silences.load(Relaxed) != 0 {
                silences.store(0, Relaxed);
            }
        }
    }

    /// The same call, which does not count as unanswered.
    fn uncounted(mut self) -> Self {
        self.ended = true;
        self
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.node.in_flight.fetch_sub(1, Relaxed);
        if self.ended {
            return;
        }
        // The last steps of a call only have the rest of its time. And after a pause of this process a caller that went away may have
        // waited for less than it seems, so one such call proves nothing.
        let (silences, many) = if self.began.elapsed() >= self.node.limits.call / 2 {
            (&self.node.timeouts, TIMEOUTS_IN_A_ROW)
        } else {
            (&self.node.abandoned, ABANDONED_IN_A_ROW)
        };
        let silent = silences.fetch_add(1, Relaxed) + 1;
        if silent >= many {
            self.node.probe(&self.live);
        }
        // One earlier, since calls that find a runtime's own connection down use the main one.
        if silent + 1 >= many {
            self.node.probe_main();
        }
    }
}

impl Inner {
    /// The server has executed a command.
    fn note_success(&self) {
        if self.refusals.load(Relaxed) != 0 {
            self.refusals.store(0, Relaxed);
        }
    }

    /// Decides what an error on the connection with this number says about the connection and the server.
    fn note_error(self: &Arc<Self>, number: u64, error: &RedisError) {
        if error.is_unrecoverable_error() || error.is_io_error() {
            self.closed(number, &error.to_string());
        } else if is_read_only(error) {
            // A replica may hold values older than what was written: it must not even be read.
            self.demoted(number, &error.to_string());
        } else if concerns_the_server(error) && self.refusals.fetch_add(1, Relaxed) + 1 >= REFUSALS_IN_A_ROW {
            self.lost(number, &error.to_string());
        } else if capabilities::may_be_permanent(error) {
            self.recheck(number);
        }
    }
}

/// Whether the server would refuse any other command as well.
fn concerns_the_server(error: &RedisError) -> bool {
    matches!(error.code(), Some("LOADING" | "MASTERDOWN" | "BUSY" | "NOAUTH" | "WRONGPASS"))
        || is_cluster_down(error)
}
