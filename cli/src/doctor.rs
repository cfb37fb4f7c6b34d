//! `doctor`: what is wrong with the servers, and what to do about it.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use cached_aside::redis::{InfoDict, cmd};
use indicatif::HumanBytes;
use serde_json::{Value, json};
use tokio::sync::mpsc::unbounded_channel;

use crate::{
    args::Server,
    failure::Failure,
    output::{self, time},
    servers::Connected,
    watch,
};

/// Number of round trips that are timed.
const ROUND_TRIPS: usize = 50;
/// A hit takes a round trip: from here on that is said to be long.
const LONG: Duration = Duration::from_millis(5);
/// The oldest server that is supported.
const OLDEST: (u64, u64) = (6, 2);
/// Share of a limit from which on it is said to be near (percent).
const NEAR: u64 = 90;

/// How a finding is to be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Good,
    Warning,
    Problem,
}

/// One thing that was examined.
#[derive(Debug)]
struct Finding {
    level: Level,
    name: &'static str,
    says: String,
    /// What to do, if anything.
    fix: String,
}

impl Finding {
    fn good(name: &'static str, says: impl Into<String>) -> Finding {
        Finding { level: Level::Good, name, says: says.into(), fix: String::new() }
    }

    fn warning(name: &'static str, says: impl Into<String>, fix: impl Into<String>) -> Finding {
        Finding { level: Level::Warning, name, says: says.into(), fix: fix.into() }
    }

    fn problem(name: &'static str, says: impl Into<String>, fix: impl Into<String>) -> Finding {
        Finding { level: Level::Problem, name, says: says.into(), fix: fix.into() }
    }

    fn word(&self) -> &'static str {
        match self.level {
            Level::Good => "ok",
            Level::Warning => "warning",
            Level::Problem => "problem",
        }
    }

    fn to_json(&self, server: &str) -> Value {
        json!({ "server": server, "check": self.name, "level": self.word(), "says": self.says, "fix": self.fix })
    }

    fn print(&self) -> Result<(), Failure> {
        output::line(format!("{:<8} {:<10} {}", self.word(), self.name, self.says))?;
        if !self.fix.is_empty() {
            output::line(format!("{:<19} {}", "", self.fix))?;
        }
        Ok(())
    }
}

/// Examines every server. Whether there is no problem.
pub(crate) async fn doctor(server: &Server, url: Option<&str>, as_json: bool) -> Result<bool, Failure> {
    let at = Connected::to(server, url).await?;
    let mut findings = Vec::new();
    match at.cache.ping().await {
        Ok(()) => {
            let infos = at.servers.infos().await;
            for (number, info) in infos.iter().enumerate() {
                let name = info.addr().to_string();
                let found = examine(&at, number).await;
                findings.extend(found.into_iter().map(|finding| (name.clone(), finding)));
                let changes = changes(info.clone(), &at.servers.prefix()).await;
                findings.push((name, changes));
            }
        }
        Err(error) => {
            let fix =
                "see that the server runs, that this machine reaches it, and what the URL's user may do";
            findings.push((String::new(), Finding::problem("reachable", error.to_string(), fix)));
        }
    }
    if as_json {
        let all = findings.iter().map(|(server, finding)| finding.to_json(server));
        output::document(&all.collect())?;
    } else {
        print(&findings)?;
    }
    Ok(findings.iter().all(|(_, finding)| finding.level < Level::Problem))
}

fn print(findings: &[(String, Finding)]) -> Result<(), Failure> {
    let mut last = "";
    for (server, finding) in findings {
        if server != last {
            output::line(server)?;
            last = server;
        }
        finding.print()?;
    }
    Ok(())
}

/// Whether the server tells of changes.
async fn changes(info: cached_aside::redis::ConnectionInfo, prefix: &str) -> Finding {
    let (changes, _changed) = unbounded_channel();
    match watch::listen(info, prefix, changes).await {
        Ok(_) => Finding::good("changes", "the server tells of changes: callers that wait are woken"),
        Err(error) => Finding::warning(
            "changes",
            format!(
                "the server does not tell of changes ({error}): callers that wait for another's load ask again and again"
            ),
            "use Redis 6 or later without a proxy that knows RESP2 only, and grant `+client|tracking`",
        ),
    }
}

/// Everything that one server answers.
async fn examine(at: &Connected, number: usize) -> Vec<Finding> {
    let mut findings =
        vec![Finding::good("reachable", "it answers, and the user has the rights that the library needs")];
    match at.servers.ask::<InfoDict>(number, &cmd("INFO")).await {
        Ok(info) => findings.extend(from_info(&Info(info), at.servers.is_cluster())),
        Err(error) => findings.push(Finding::warning(
            "info",
            error.to_string(),
            "grant `+info`, so that memory, policy and role can be examined",
        )),
    }
    findings.push(clock(at, number).await);
    findings.push(latency(at, number).await);
    findings
}

/// What `INFO` says.
struct Info(InfoDict);

impl Info {
    fn number(&self, name: &str) -> u64 {
        self.0.get(name).unwrap_or_default()
    }

    fn text(&self, name: &str) -> String {
        self.0.get(name).unwrap_or_default()
    }
}

fn from_info(info: &Info, is_cluster: bool) -> Vec<Finding> {
    let mut findings = vec![version(info), role(info, is_cluster)];
    findings.extend(memory(info));
    findings.push(clients(info));
    findings.push(replicas(info));
    findings
}

fn version(info: &Info) -> Finding {
    let (name, version) = match info.text("valkey_version") {
        version if version.is_empty() => ("Redis", info.text("redis_version")),
        version => ("Valkey", version),
    };
    let mut parts = version.split('.').map(|part| part.parse().unwrap_or(0));
    let short = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    if name == "Redis" && short < OLDEST {
        let (major, minor) = OLDEST;
        let fix = format!("use Redis {major}.{minor} or later, or Valkey");
        return Finding::problem("version", format!("{name} {version} is older than what is supported"), fix);
    }
    Finding::good("version", format!("{name} {version}"))
}

fn role(info: &Info, is_cluster: bool) -> Finding {
    if info.text("role") == "slave" {
        let primary = format!("{}:{}", info.text("master_host"), info.text("master_port"));
        return Finding::problem(
            "role",
            format!("it is a replica of {primary}, which refuses writes"),
            "write the primary's address, or `redis-sentinel://…` or `redis-cluster://…`, which find it",
        );
    }
    if info.number("cluster_enabled") == 1 && !is_cluster {
        return Finding::problem(
            "role",
            "it is one node of a cluster, and most keys are on the others",
            "write `redis-cluster://…` with some of its nodes",
        );
    }
    if info.number("loading") == 1 {
        return Finding::problem("role", "it is still loading its data", "wait until it has");
    }
    Finding::good("role", "primary")
}

fn memory(info: &Info) -> Vec<Finding> {
    let (used, limit) = (info.number("used_memory"), info.number("maxmemory"));
    let policy = info.text("maxmemory_policy");
    let evicted = info.number("evicted_keys");
    if limit == 0 {
        return vec![Finding::warning(
            "memory",
            format!("{} used, without a limit", HumanBytes(used)),
            "set `maxmemory`, and `maxmemory-policy allkeys-lru` where Redis holds nothing but caches",
        )];
    }
    let share = used.saturating_mul(100) / limit;
    let says = format!("{} of {} used ({share} %)", HumanBytes(used), HumanBytes(limit));
    let no_eviction = policy == "noeviction";
    let room = match (no_eviction, share >= NEAR) {
        (true, true) => Finding::problem(
            "memory",
            format!(
                "{says}, and nothing is evicted: a full server stores nothing, and every miss runs uncached"
            ),
            "raise `maxmemory`, or set `maxmemory-policy allkeys-lru`",
        ),
        _ => Finding::good("memory", says),
    };
    let evicts = if no_eviction {
        let fix = "set `maxmemory-policy` to `allkeys-lru` or `allkeys-lfu` where Redis holds nothing but caches, else to `volatile-lru`";
        Finding::warning("policy", "`noeviction`: a full server refuses to store", fix)
    } else {
        Finding::good("policy", format!("`{policy}`, {evicted} keys evicted since it was started"))
    };
    vec![room, evicts]
}

fn clients(info: &Info) -> Finding {
    let (connected, limit) = (info.number("connected_clients"), info.number("maxclients"));
    let says = format!("{connected} connections of at most {limit}");
    if limit > 0 && connected.saturating_mul(100) / limit >= NEAR {
        return Finding::warning(
            "clients",
            says,
            "raise `maxclients`; each process of an application has two to four connections to each server",
        );
    }
    Finding::good("clients", says)
}

fn replicas(info: &Info) -> Finding {
    match info.number("connected_slaves") {
        0 => Finding::good(
            "replicas",
            "none: `wait_replicas` has nobody to wait for, and a lost server is a cold cache",
        ),
        number => Finding::good(
            "replicas",
            format!("{number}; a failover can lose a guard unless a write says `wait_replicas = 1`"),
        ),
    }
}

async fn clock(at: &Connected, number: usize) -> Finding {
    let asked = SystemTime::now();
    let answer: Result<(u64, u64), _> = at.servers.ask(number, &cmd("TIME")).await;
    let (seconds, micros) = match answer {
        Ok(answer) => answer,
        Err(error) => return Finding::problem("clock", error.to_string(), "grant `+time`"),
    };
    let here = asked.duration_since(UNIX_EPOCH).unwrap_or_default();
    let there = Duration::from_secs(seconds) + Duration::from_micros(micros);
    let way = if there > here { "ahead of" } else { "behind" };
    let difference = there.abs_diff(here);
    Finding::good(
        "clock",
        format!(
            "{} {way} this machine's; the ages of entries are taken by the server's alone",
            time(difference)
        ),
    )
}

async fn latency(at: &Connected, number: usize) -> Finding {
    let mut times = Vec::with_capacity(ROUND_TRIPS);
    for _ in 0..ROUND_TRIPS {
        let begun = Instant::now();
        if let Err(error) = at.servers.ask::<cached_aside::redis::Value>(number, &cmd("PING")).await {
            return Finding::problem("latency", error.to_string(), "see why the server stopped answering");
        }
        times.push(begun.elapsed());
    }
    times.sort_unstable();
    let (median, longest) = (times[ROUND_TRIPS / 2], times[ROUND_TRIPS - 1]);
    let says = format!(
        "{} µs is the median of {ROUND_TRIPS} round trips, {} µs the longest",
        median.as_micros(),
        longest.as_micros()
    );
    if median >= LONG {
        return Finding::warning(
            "latency",
            says,
            "a hit takes one round trip: place the server nearer to the application",
        );
    }
    Finding::good("latency", says)
}
