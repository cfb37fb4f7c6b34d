//! Checks that a server can do what the protocol needs. They run on every new connection: a server that accepts leases and refuses
//! scripts would keep every reader waiting, and one that refuses deletions would leave stale values.

use std::{
    fmt::Write,
    sync::{Arc, LazyLock},
};

use cached_aside_protocol::steps::Script;
use redis::{Pipeline, RedisError, RedisResult, Value, aio::MultiplexedConnection};

use super::{
    failure::{error_in_script, explained, is_cluster_down, is_read_only},
    script::{eval, evalsha},
    wire::FullKey,
};

/// Calls every command that the scripts of the steps call.
static SCRIPT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("capabilities.lua").to_owned()));

/// No program has this key: values in keys are written without white space.
const KEY: &str = "is anybody there";

/// Why a server that takes no writes is not used.
const REPLICA: &str = "it is a replica, which takes no writes; name its primary";

/// What a new connection is checked for.
#[derive(Debug, Clone)]
pub(super) struct Capabilities {
    namespace: Arc<str>,
    /// The key may be on another node.
    clustered: bool,
}

impl Capabilities {
    pub(super) fn new(namespace: &str) -> Capabilities {
        Capabilities { namespace: namespace.into(), clustered: false }
    }

    /// Whether it is for the nodes of a cluster.
    pub(super) fn is_clustered(&self) -> bool {
        self.clustered
    }

    /// The same for a node of a cluster.
    pub(super) fn clustered(self) -> Capabilities {
        Capabilities { clustered: true, ..self }
    }

    /// Checks that the server answers `PING` (one that is loading or busy does not), that it allows all commands of the protocol on our
    /// keys, that its cluster is not down, and that it is not a replica, which would refuse writes and may hold stale values. If the user
    /// may not ask for the role, a replica is known by what it says to a script that writes.
    pub(super) async fn check(&self, connection: &mut MultiplexedConnection) -> Result<(), String> {
        let key = FullKey { namespace: &self.namespace, key: KEY }.to_string();
        let (names, questions) = self.questions(&key);
        let answers: RedisResult<Vec<RedisResult<Value>>> = questions.query_async(connection).await;
        let answers = answers.map_err(|error| interrupted(&error, &names))?;
        let mut refusals = Refusals::default();
        for (name, answer) in names.into_iter().zip(answers) {
            match (name, answer) {
                ("ping", Err(error)) if error.code() != Some("NOPERM") => return Err(explained(&error)),
                ("get", Err(error)) if is_cluster_down(&error) => return Err(explained(&error)),
                ("role", answer) => is_primary(answer)?,
                ("eval", Ok(Value::Array(refused))) => refusals.of_script(&refused)?,
                (name, Err(error)) => refusals.of_command(name, &error),
                _ => {}
            }
        }
        refusals.verdict(&self.namespace)
    }

    fn questions(&self, key: &str) -> (Vec<&'static str>, Pipeline) {
        let mut pipeline = redis::pipe();
        pipeline.cmd("PING").cmd("ROLE").cmd("TIME").cmd("GET").arg(key).cmd("PTTL").arg(key);
        for mut command in [eval(&SCRIPT), evalsha(&SCRIPT)] {
            // A node refuses a script with keys of other nodes before it looks at the script.
            command.arg(u8::from(!self.clustered)).arg(key);
            pipeline.add_command(command);
        }
        pipeline.ignore_errors();
        (vec!["ping", "role", "time", "get", "pttl", "eval", "evalsha"], pipeline)
    }
}

/// Proxies close a connection on which they receive a command that they don't know.
fn interrupted(error: &RedisError, names: &[&str]) -> String {
    if error.is_connection_dropped() {
        format!("{error}, on being asked {}; is it a proxy that does not know one of them?", names.join(", "))
    } else {
        explained(error)
    }
}

fn is_primary(role: RedisResult<Value>) -> Result<(), String> {
    if role.is_ok_and(|role| is_replica(&role)) {
        return Err(REPLICA.to_owned());
    }
    Ok(())
}

/// Whether an answer to `ROLE` says that the server is a replica.
pub(super) fn is_replica(role: &Value) -> bool {
    matches!(role, Value::Array(role) if matches!(role.first(), Some(Value::BulkString(role)) if role != b"master"))
}

/// What a server refused permanently.
#[derive(Debug, Default)]
struct Refusals {
    commands: Vec<String>,
    /// The user may not use our keys.
    keys: bool,
    /// The user lacks a permission, rather than the server a command.
    rights: bool,
    /// The text of the first refusal.
    said: Option<String>,
}

impl Refusals {
    fn of_command(&mut self, name: &str, error: &RedisError) {
        // `MOVED`, `NOSCRIPT`, `OOM` and so on say that the command as such is allowed.
        if matches!(error.code(), Some("ERR" | "NOPERM")) {
            self.note(
                name,
                &format!("{} {}", error.code().unwrap_or_default(), error.detail().unwrap_or_default()),
            );
        }
    }

    /// Fails if the server is a replica.
    fn of_script(&mut self, refused: &[Value]) -> Result<(), String> {
        for pair in refused.chunks_exact(2) {
            if let [Value::BulkString(name), Value::BulkString(said)] = pair {
                let (name, said) = (String::from_utf8_lossy(name), String::from_utf8_lossy(said));
                if is_read_only(&error_in_script(&said)) {
                    return Err(REPLICA.to_owned());
                }
                if refuses(&said) {
                    self.note(&name, &said);
                }
            }
        }
        Ok(())
    }

    fn note(&mut self, name: &str, said: &str) {
        if concerns_keys(said) {
            (self.keys, self.rights) = (true, true);
        } else {
            self.rights |= lacks_a_right(said);
            if !self.commands.iter().any(|known| known == name) {
                self.commands.push(name.to_owned());
            }
        }
        self.said.get_or_insert_with(|| said.to_owned());
    }

    fn verdict(self, namespace: &str) -> Result<(), String> {
        let Refusals { commands, keys, rights, said: Some(said) } = self else { return Ok(()) };
        let mut reason = "the server refuses what the cache needs".to_owned();
        let (mut what, mut grant) = (commands.clone(), Vec::new());
        if keys {
            what.push(format!("keys that begin with `{namespace}:`"));
            grant.push(format!("~{namespace}:*"));
        }
        grant.extend(commands.iter().map(|name| format!("+{name}")));
        // Writing into a string can't fail.
        let _ = write!(reason, ": {} ({said}); ", what.join(", "));
        if rights {
            let _ = write!(reason, "grant the user `{}`", grant.join(" "));
        } else {
            reason.push_str("take out its `rename-command`, or name a server instead of a proxy");
        }
        Err(reason)
    }
}

/// Whether a command may have been refused because the user or the server does not have it.
pub(super) fn may_be_permanent(error: &RedisError) -> bool {
    error.code() == Some("NOPERM") || error.code() == Some("ERR") && error.detail().is_some_and(refuses)
}

/// Whether an error of a script's command is permanent.
fn refuses(said: &str) -> bool {
    // `OOM command not allowed when used memory > 'maxmemory'` is temporary.
    !said.contains("OOM command") && (concerns_keys(said) || lacks_a_right(said) || lacks_a_command(said))
}

fn concerns_keys(said: &str) -> bool {
    said.contains("can't access at least one of the keys") || said.contains("permissions to access")
}

fn lacks_a_right(said: &str) -> bool {
    said.contains("can't run this command") || said.contains("permission")
}

fn lacks_a_command(said: &str) -> bool {
    let said = said.to_lowercase();
    ["unknown command", "unknown redis command", "not allowed", "not support"]
        .iter()
        .any(|words| said.contains(words))
}

#[cfg(test)]
mod tests {
    use cached_aside_protocol::steps::scripts;

    use super::*;

    fn verdict(refused: &[(&str, &str)]) -> Option<String> {
        let mut refusals = Refusals::default();
        let bulk = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let answer: Vec<Value> = refused.iter().flat_map(|(name, said)| [bulk(name), bulk(said)]).collect();
        refusals.of_script(&answer).and_then(|()| refusals.verdict("shop")).err()
    }

    #[test]
    fn what_servers_say_of_a_command_that_they_refuse() {
        for said in [
            "ERR The user executing the script can't run this command or subcommand",
            "@user_script: 6: The user executing the script can't run this command or subcommand",
            "ERR ACL failure in script: User app has no permissions to run the 'setrange' command",
            "NOPERM User app has no permissions to run the 'setrange' command",
        ] {
            let reason = verdict(&[("setrange", said), ("unlink", said)]).unwrap();
            assert!(reason.contains("setrange, unlink"), "{reason}");
            assert!(reason.ends_with("grant the user `+setrange +unlink`"), "{reason}");
        }
        for said in [
            "ERR The user executing the script can't access at least one of the keys mentioned in the command arguments",
            "ERR ACL failure in script: User app has no permissions to access the 'shop:x' key",
        ] {
            let reason = verdict(&[("get", said), ("set", said)]).unwrap();
            assert!(reason.ends_with("grant the user `~shop:*`"), "{reason}");
        }
        for said in [
            "ERR Unknown Redis command called from script",
            "@user_script: 6: Unknown Redis command called from Lua script",
        ] {
            let reason = verdict(&[("unlink", said)]).unwrap();
            assert!(reason.contains("unlink") && reason.contains("rename-command"), "{reason}");
        }
    }

    /// Otherwise the first call that needs the refused command would fail.
    #[test]
    fn every_command_of_every_script_is_tried() {
        let (by_itself, _) = Capabilities::new("shop").questions("k");
        for (name, script) in scripts() {
            for call in script.source().split("redis.call('").skip(1) {
                let command = call.split('\'').next().unwrap().to_lowercase();
                let in_script = SCRIPT.source().contains(&format!("try('{command}'"));
                assert!(in_script || by_itself.contains(&command.as_str()), "{command} of {name}");
            }
        }
    }

    #[test]
    fn a_server_knows_a_script_by_the_hash_that_it_is_called_by() {
        for (name, script) in scripts() {
            assert_eq!(redis::Script::new(script.source()).get_hash(), script.hash(), "{name}");
        }
    }

    /// The user may not ask for its role.
    #[test]
    fn a_replica_is_known_by_what_it_says_to_a_script() {
        for said in ["READONLY You can't write", "@user_script: 6: -READONLY You can't write"] {
            assert_eq!(verdict(&[("set", said)]).as_deref(), Some(REPLICA), "{said}");
        }
    }

    #[test]
    fn what_passes_is_no_refusal() {
        for said in [
            "OOM command not allowed when used memory > 'maxmemory'.",
            "@user_script: 6: -OOM command not allowed when used memory > 'maxmemory'.",
            "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. Commands that may modify the data set are disabled, because this instance is configured to report errors during writes if RDB snapshotting fails (stop-writes-on-bgsave-error option).",
            "NOREPLICAS Not enough good replicas to write.",
            "ERR Script attempted to access a non local key in a cluster node",
            "WRONGTYPE Operation against a key holding the wrong kind of value",
        ] {
            assert_eq!(verdict(&[("set", said)]), None, "{said}");
        }
    }
}
