//! What the program is given.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

/// Looks into a cache of cached-aside: what is wrong with its server, what stands under a key and why, and ends entries.
///
/// Exit status: 0 if all is well, 1 if something was found to be wrong or not found, 2 if the program could not do its work.
#[derive(Debug, Parser)]
#[command(name = "cached-aside", version, max_term_width = 120)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) server: Server,
    /// Writes JSON: one document, or a line for each entry where there can be many.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// The catalog of the application, as `cached_aside::catalog().to_json()` writes it.
    #[arg(long, global = true, value_name = "FILE", env = "CACHED_ASIDE_CATALOG")]
    pub(crate) catalog: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Where the cache is.
#[derive(Debug, Clone, Args)]
pub(crate) struct Server {
    /// `redis://host:port/database`, `rediss://…`, `redis+unix:///socket`, `redis-cluster://host,host`, `redis-sentinel://host,host/service`;
    /// else `REDIS_URL`.
    #[arg(long, global = true, env = "CACHED_ASIDE_URL", hide_env_values = true)]
    pub(crate) url: Option<String>,
    /// What the application gave to `Cache::builder().namespace(…)`.
    #[arg(long, global = true, default_value = "cached-aside", env = "CACHED_ASIDE_NAMESPACE")]
    pub(crate) namespace: String,
    /// A certificate authority, instead of the system's, in PEM.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) tls_ca: Option<PathBuf>,
    /// A client certificate, in PEM.
    #[arg(long, global = true, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The key of the client certificate, in PEM.
    #[arg(long, global = true, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// How long a server may take to answer.
    #[arg(long, global = true, value_name = "TIME", default_value = "2s", value_parser = humantime::parse_duration)]
    pub(crate) timeout: std::time::Duration,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Examines the servers: reachable, version, rights, memory, policy, clock, latency, replicas. Each problem comes with its fix.
    #[command(
        after_help = "Examples:\n  cached-aside doctor redis://127.0.0.1:6379\n  cached-aside doctor --json --namespace shop rediss://cache.internal"
    )]
    Doctor {
        /// The same as `--url`.
        url: Option<String>,
    },
    /// Lists entries: state, age, what is left of their TTL, size.
    #[command(after_help = "Examples:\n  cached-aside keys 'user:*'\n  cached-aside keys --limit 20 --json")]
    Keys {
        /// A pattern of Redis (`*`, `?`, `[a-c]`), without the namespace.
        #[arg(default_value = "*")]
        pattern: String,
        /// Maximum number of entries.
        #[arg(long, value_name = "NUMBER")]
        limit: Option<usize>,
    },
    /// Shows one entry, and its value where that can be read.
    #[command(
        after_help = "Examples:\n  cached-aside get user:42\n  cached-aside get user:42 --catalog catalog.json"
    )]
    Get {
        /// The key, as the log and `keys` show it.
        key: String,
    },
    /// Says which function owns a key, who invalidates it, and how old its entry may be and is.
    #[command(after_help = "Example:\n  cached-aside explain user:42 --catalog catalog.json")]
    Explain {
        /// The key, as the log and `keys` show it.
        key: String,
    },
    /// Serves a page that shows the cache: functions, entries, who invalidates them, servers. On 127.0.0.1 alone, until it is interrupted.
    #[command(
        after_help = "Examples:\n  cached-aside inspect redis://127.0.0.1:6379\n  cached-aside inspect --catalog catalog.json --allow-invalidation"
    )]
    Inspect {
        /// The same as `--url`.
        url: Option<String>,
        /// The port; one that is free by default.
        #[arg(long, default_value_t = 0, hide_default_value = true)]
        port: u16,
        /// Lets the page invalidate entries.
        #[arg(long)]
        allow_invalidation: bool,
    },
    /// Shows the cached functions over all processes: hits, hit rate, loads, stale values, refused fills, errors. The processes build their
    /// cache with `.publish_stats(true)`. A table that moves on a terminal, else text.
    #[command(
        after_help = "Examples:\n  cached-aside top redis://127.0.0.1:6379\n  cached-aside top --once --json"
    )]
    Top {
        /// The same as `--url`.
        url: Option<String>,
        /// Shows them once.
        #[arg(long)]
        once: bool,
        /// How often they are read. Processes publish every two seconds.
        #[arg(long, value_name = "TIME", default_value = "2s", value_parser = humantime::parse_duration)]
        interval: std::time::Duration,
    },
    /// Shows entries as they change, until it is interrupted.
    #[command(after_help = "Example:\n  cached-aside watch 'user:*'")]
    Watch {
        /// A pattern with `*` and `?`, without the namespace.
        #[arg(default_value = "*")]
        pattern: String,
    },
    /// Ends entries, as a write of the application does: by key, by tag, or all of a function. What is not the library's is left alone.
    #[command(
        after_help = "Examples:\n  cached-aside invalidate user:42 user:43\n  cached-aside invalidate --tag tenant:7\n  cached-aside invalidate --function load_user --catalog catalog.json --dry-run"
    )]
    Invalidate {
        /// Keys, as the log and `keys` show them.
        keys: Vec<String>,
        /// A tag, without the `#` of its key: every entry that carries it. May be given again.
        #[arg(long, value_name = "TAG")]
        tag: Vec<String>,
        /// All entries of a cached function of the catalog: `load_user`, or with its module. May be given again.
        #[arg(long, value_name = "NAME")]
        function: Vec<String>,
        /// Says what would be ended, and ends nothing.
        #[arg(long)]
        dry_run: bool,
    },
    /// Lists the functions and writes of the catalog, and its problems.
    #[command(after_help = "Example:\n  cached-aside catalog --catalog catalog.json")]
    Catalog,
    /// Writes the completions of a shell.
    #[command(after_help = "Example:\n  cached-aside completions bash > /etc/bash_completion.d/cached-aside")]
    Completions {
        /// The shell.
        shell: Shell,
    },
}
