//! Spans of a cache for OpenTelemetry, here to an exporter in memory: a miss, a hit and a write.

use cached_aside::{Cache, cached_aside, invalidates};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use tracing::{Instrument, instrument::WithSubscriber};
use tracing_subscriber::{filter::Targets, layer::SubscriberExt};

#[cached_aside(ttl = "5m", key = "user:{id}")]
async fn load_user(id: u64) -> String {
    let query = tracing::info_span!("SELECT users", id);
    async { format!("user {id}") }.instrument(query).await
}

#[invalidates(load_user(id))]
async fn rename_user(id: u64, _name: &str) {
    let query = tracing::info_span!("UPDATE users", id);
    async {}.instrument(query).await;
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    for span in traced().await? {
        let attributes: Vec<String> = span
            .attributes
            .iter()
            // What every span has is where in the source it was begun.
            .filter(|attribute| ["function", "key"].contains(&attribute.key.as_str()))
            .map(|attribute| format!("{}={}", attribute.key, attribute.value))
            .collect();
        println!("{} {}", span.name, attributes.join(" "));
    }
    Ok(())
}

/// The spans of a request that misses, one that hits, and one that writes.
async fn traced() -> Result<Vec<SpanData>, Box<dyn std::error::Error>> {
    // A real program has an exporter of `opentelemetry-otlp` here.
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
    // The spans of the cache are at `debug`.
    let levels =
        Targets::new().with_default(tracing::Level::INFO).with_target("cached_aside", tracing::Level::DEBUG);
    let spans = tracing_opentelemetry::layer().with_tracer(provider.tracer("example"));
    let subscriber = tracing_subscriber::registry().with(levels).with(spans);
    let requests = async {
        for name in ["first", "second"] {
            load_user(7).instrument(tracing::info_span!("request", name)).await;
        }
        rename_user(7, "Ada").instrument(tracing::info_span!("request", name = "write")).await;
    };
    Cache::in_process().scope(requests).with_subscriber(subscriber).await;
    provider.force_flush()?;
    Ok(exporter.get_finished_spans()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_miss_is_a_span_with_the_query_inside_and_a_hit_is_none() {
        let spans = traced().await.expect("the exporter is in memory");
        let find = |name: &str| {
            spans.iter().find(|span| span.name == name).unwrap_or_else(|| panic!("{name}: {spans:#?}"))
        };
        let (miss, query) = (find("cached_aside"), find("SELECT users"));
        assert_eq!(query.parent_span_id, miss.span_context.span_id());
        let attribute = |name: &str| {
            miss.attributes
                .iter()
                .find(|one| one.key.as_str() == name)
                .map(|one| one.value.as_str().into_owned())
        };
        assert_eq!(attribute("key").as_deref(), Some("user:7"));
        assert_eq!(attribute("function").as_deref(), Some("load_user"));
        let (write, update) = (find("invalidates"), find("UPDATE users"));
        assert_eq!(update.parent_span_id, write.span_context.span_id());
        let named = |name: &str| spans.iter().filter(|span| span.name == name).count();
        assert_eq!(
            (named("request"), named("cached_aside"), named("SELECT users")),
            (3, 1, 1),
            "a hit has no span"
        );
        let of_miss: Vec<_> = miss.events.iter().map(|event| event.name.to_string()).collect();
        assert!(of_miss.iter().any(|event| event == "loaded"), "{of_miss:?}");
    }
}
