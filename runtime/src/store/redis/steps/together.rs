//! A step on several keys of one server as scripts with many keys each: as many scripts would cost the server more than what they do.

use std::{borrow::Cow, sync::atomic::Ordering::Relaxed};

use cached_aside_protocol::Step;
use redis::{Pipeline, RedisError, RedisResult, Value};

use super::{
    super::{
        RedisStore,
        connection::NodeConnection,
        failure::{error_in_script, server_error, store_error},
        script::{together_by_hash, together_by_source},
        wire::ScriptReply,
    },
    SOURCE_FROM, is_not_taken,
    of_loads::Unanswered,
    parse_reply,
};
use crate::store::answer::StoreError;

/// Maximum number of keys of a script: the server does nothing else while it runs.
const KEYS: usize = 64;

impl RedisStore {
    /// Whether so many steps share scripts. In a cluster all keys of a script would have to be in one slot; and the source, which is sent
    /// once, has to be worth it.
    pub(super) fn shares_scripts<S: Step>(&self, keys: usize) -> bool {
        S::SHARES_SCRIPT
            && keys >= SOURCE_FROM
            && self.route.sole().is_some()
            && !self.one_key_scripts.load(Relaxed)
    }

    /// Sends steps as scripts with many keys, in one pipeline; one answer for each.
    pub(super) async fn send_together<S: Step>(
        &self,
        node: &NodeConnection,
        keys: &[&str],
        steps: &[S],
        indices: &[usize],
    ) -> Result<Vec<Result<S::Answer, Unanswered>>, StoreError> {
        let mut pipeline = Pipeline::with_capacity(indices.len().div_ceil(KEYS));
        for (number, part) in indices.chunks(KEYS).enumerate() {
            let full = part.iter().map(|index| self.full(keys[*index]));
            let steps = part.iter().map(|index| &steps[*index]);
            // A server that does not know the script learns it from the first.
            let command =
                if number == 0 { together_by_source(full, steps) } else { together_by_hash(full, steps) };
            pipeline.add_command(command);
        }
        let sent: Vec<RedisResult<Value>> =
            node.call_all_with(&mut pipeline, |_, reply| error_of_a_key(reply)).await?;
        let mut answers = Vec::with_capacity(indices.len());
        for (part, reply) in indices.chunks(KEYS).zip(sent) {
            match reply {
                Ok(Value::Array(each)) if each.len() == part.len() => {
                    answers.extend(each.into_iter().map(step_answer::<S>));
                }
                Ok(_) => answers.extend(part.iter().map(|_| Err(Unanswered::Failed(StoreError::Foreign)))),
                Err(error) => {
                    self.route.note_error(node, &error);
                    answers.extend(part.iter().map(|_| Err(self.unanswered(&error))));
                }
            }
        }
        Ok(answers)
    }

    /// What the error of a whole script means for each of its keys.
    fn unanswered(&self, error: &RedisError) -> Unanswered {
        // A server that is many, and which does not say so: it takes no keys of several slots.
        let is_of_several_slots = error.code() == Some("CROSSSLOT");
        if is_of_several_slots {
            self.one_key_scripts.store(true, Relaxed);
        }
        if is_of_several_slots || is_not_taken(error) {
            Unanswered::NotTaken
        } else {
            Unanswered::Failed(store_error(error))
        }
    }
}

/// The first error of a key in the answer of a script that says anything of the server.
fn error_of_a_key(reply: &Value) -> Option<RedisError> {
    let Value::Array(each) = reply else { return None };
    let mut errors = each.iter().filter_map(error_text);
    errors.find(|text| server_error(text) != StoreError::Foreign).map(|text| error_in_script(&text))
}

/// What was said of one key, if that failed.
fn error_text(answer: &Value) -> Option<Cow<'_, str>> {
    match answer {
        Value::Array(error) => match &error[..] {
            [Value::BulkString(text)] => Some(String::from_utf8_lossy(text)),
            _ => None,
        },
        _ => None,
    }
}

/// The answer of one key.
fn step_answer<S: Step>(value: Value) -> Result<S::Answer, Unanswered> {
    let parsed = match value {
        error @ Value::Array(_) => {
            Err(error_text(&error).map_or(StoreError::Foreign, |text| server_error(&text)))
        }
        value => redis::from_redis_value::<ScriptReply>(value)
            .map_err(|error| store_error(&error.into()))
            .and_then(|reply| parse_reply::<S>(&reply)),
    };
    parsed.map_err(Unanswered::Failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_says_of_a_key_is_an_error_of_the_server_unless_the_key_is_somebody_elses() {
        let said = |text: &str| Value::Array(vec![Value::BulkString(text.into())]);
        let foreign = said("WRONGTYPE Operation against a key holding the wrong kind of value");
        let refused = said("READONLY You can't write against a read only replica.");
        let reply = |answers: &[&Value]| Value::Array(answers.iter().copied().cloned().collect());
        assert!(error_of_a_key(&reply(&[&Value::Int(1), &foreign])).is_none());
        let error = error_of_a_key(&reply(&[&Value::Int(1), &foreign, &refused])).unwrap();
        assert_eq!(error.code(), Some("READONLY"));
    }
}
