//! The same counts and times, for exporters of the crate `metrics`.

use ::metrics::{counter, gauge, histogram};

use crate::{NodeState, Stats};

impl Stats {
    /// Hands the counts to the recorder that the program has installed for the crate
    /// [`metrics`](https://docs.rs/metrics): call it with [`Cache::stats`](crate::Cache::stats) whenever they are collected,
    /// such as before rendering a page for Prometheus, or every ten seconds. Between those calls nothing is spent on it.
    ///
    /// | name | kind | labels | |
    /// | --- | --- | --- | --- |
    /// | `cached_aside_<count>_total` | counter | `function` | each of [`Counts`](crate::Counts), such as `cached_aside_hits_total` |
    /// | `cached_aside_writes_total`, `…_invalidated_total`, `…_updated_total`, `…_joined_total`, `…_transactions_total`, `…_transactions_failed_total`, `…_abandoned_total`, `…_guards_failed_total`, `…_guards_lost_total`, `…_writes_waited_total`, `…_writes_waited_ms_total`, `…_writes_refused_total`, `…_undelivered_total`, `…_delivered_total`, `…_given_up_total` | counter | | the counts of writes |
    /// | `cached_aside_hit_seconds` | histogram | `function` | how long hits took, from the look at the cache to the decoded value |
    /// | `cached_aside_load_seconds` | histogram | `function` | how long bodies took |
    /// | `cached_aside_guard_seconds` | histogram | | how long writes waited for their guards |
    /// | `cached_aside_recovering` | gauge | | keys on the recovery list |
    /// | `cached_aside_local_entries`, `cached_aside_local_bytes` | gauge | | local copies in this process, and their size |
    /// | `cached_aside_node_up` | gauge | `node` | 1 while the server is in use, 0 while it is not |
    /// | `cached_aside_node_outages_total` | counter | `node` | how many times it went out of use |
    /// | `cached_aside_node_in_flight` | gauge | `node` | commands on their way to it |
    ///
    /// Times are counted in buckets, so that one in a histogram is off by an eighth at the most. Each is handed over once: where
    /// several recorders are published to, they share them. Nothing names the cache: publish the counts of one cache a process, or of each
    /// to a recorder that adds a label.
    pub fn publish(&self) {
        for (function, counts) in &self.functions {
            for (name, count) in counts.rows() {
                counter!(format!("cached_aside_{name}_total"), "function" => function.clone())
                    .absolute(count);
            }
        }
        for (name, count) in self.write_rows() {
            counter!(format!("cached_aside_{name}_total")).absolute(count);
        }
        for (name, function, times) in &self.histograms.0 {
            let name = format!("cached_aside_{name}_seconds");
            let histogram = match function {
                Some(function) => histogram!(name, "function" => function.clone()),
                None => histogram!(name),
            };
            times.publish(|seconds, count| histogram.record_many(seconds, count));
        }
        for (name, value) in [
            ("recovering", self.recovering),
            ("local_entries", self.local_entries),
            ("local_bytes", self.local_bytes),
        ] {
            gauge!(format!("cached_aside_{name}")).set(to_gauge(value));
        }
        for node in &self.nodes {
            let up = if node.state == NodeState::Up { 1.0 } else { 0.0 };
            gauge!("cached_aside_node_up", "node" => node.address.clone()).set(up);
            counter!("cached_aside_node_outages_total", "node" => node.address.clone())
                .absolute(node.outages);
            gauge!("cached_aside_node_in_flight", "node" => node.address.clone())
                .set(to_gauge(node.in_flight as u64));
        }
    }
}

/// Exact up to 2^53.
#[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
fn to_gauge(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use std::{
        collections::{BTreeSet, HashMap},
        time::Instant,
    };

    use metrics_util::debugging::{DebugValue, DebuggingRecorder};

    use super::*;
    use crate::{Counts, Node};

    #[test]
    fn every_count_is_published() {
        let mut stats =
            Stats { writes: 3, updated: 5, recovering: 2, local_bytes: 1 << 33, ..Stats::default() };
        stats.functions.insert("app::load".to_owned(), Counts { hits: 7, ..Counts::default() });
        let down = NodeState::Down { reason: "refused".to_owned(), since: Instant::now() };
        for (address, state) in [("a:1", NodeState::Up), ("b:2", down)] {
            stats.nodes.push(Node { address: address.to_owned(), state, outages: 1, in_flight: 4 });
        }
        let recorder = DebuggingRecorder::new();
        let snapshotter = recorder.snapshotter();
        ::metrics::with_local_recorder(&recorder, || stats.publish());
        let published: HashMap<String, DebugValue> = snapshotter
            .snapshot()
            .into_vec()
            .into_iter()
            .map(|(key, _, _, value)| {
                let labels: Vec<&str> = key.key().labels().map(metrics::Label::value).collect();
                (format!("{} {}", key.key().name(), labels.join(",")), value)
            })
            .collect();
        for (name, value) in [
            ("cached_aside_hits_total app::load", DebugValue::Counter(7)),
            ("cached_aside_writes_total ", DebugValue::Counter(3)),
            ("cached_aside_updated_total ", DebugValue::Counter(5)),
            ("cached_aside_recovering ", DebugValue::Gauge(2.0.into())),
            ("cached_aside_local_entries ", DebugValue::Gauge(0.0.into())),
            ("cached_aside_local_bytes ", DebugValue::Gauge(8_589_934_592.0.into())),
            ("cached_aside_node_up a:1", DebugValue::Gauge(1.0.into())),
            ("cached_aside_node_up b:2", DebugValue::Gauge(0.0.into())),
            ("cached_aside_node_outages_total b:2", DebugValue::Counter(1)),
            ("cached_aside_node_in_flight a:1", DebugValue::Gauge(4.0.into())),
        ] {
            assert_eq!(published.get(name), Some(&value), "{name}");
        }
        assert_eq!(published.len(), Counts::default().rows().len() + stats.write_rows().len() + 3 + 2 * 3);
    }

    const DASHBOARD: &str = include_str!("../../docs/dashboards/grafana.json");
    const ALERTS: &str = include_str!("../../docs/dashboards/alerts.yml");

    /// The names in a text that begin as ours do.
    fn named(text: &str) -> BTreeSet<&str> {
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        words.filter(|word| word.starts_with("cached_aside_")).collect()
    }

    #[crate::cached_aside(ttl = "1m", key = "dashboard")]
    #[expect(clippy::unused_async, reason = "only async functions are cached")]
    async fn load() -> u64 {
        7
    }

    #[crate::invalidates(load())]
    async fn save() {}

    #[tokio::test]
    async fn the_dashboard_and_the_alerts_name_what_is_published() {
        let cache = crate::Cache::in_process();
        cache.scope(async { (load().await, load().await, save().await) }).await;
        let mut stats = cache.stats();
        stats.nodes.push(Node { address: "a:1".to_owned(), state: NodeState::Up, outages: 0, in_flight: 0 });
        let recorder = DebuggingRecorder::new();
        let snapshotter = recorder.snapshotter();
        ::metrics::with_local_recorder(&recorder, || stats.publish());
        let published = snapshotter.snapshot().into_vec();
        let published: BTreeSet<String> =
            published.iter().map(|(key, ..)| key.key().name().to_owned()).collect();
        for file in [DASHBOARD, ALERTS] {
            let unknown: Vec<_> = named(file).into_iter().filter(|name| !published.contains(*name)).collect();
            assert_eq!(unknown, [""; 0], "of {published:?}");
        }
        for name in published.iter().filter(|name| name.ends_with("_seconds")) {
            assert!(named(DASHBOARD).contains(name.as_str()), "{name} has no panel");
        }
    }

    #[test]
    fn what_is_to_be_watched_has_an_alert_and_a_panel() {
        let page = include_str!("../../docs/production.md");
        let table = page.split("| alert on |").nth(1).and_then(|rest| rest.split("\n\n").next()).unwrap();
        let watched = named(table);
        assert!(watched.len() >= 7, "{watched:?}");
        for name in watched {
            assert!(named(ALERTS).contains(name) && named(DASHBOARD).contains(name), "{name}");
        }
    }
}
