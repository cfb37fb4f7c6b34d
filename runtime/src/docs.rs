//! What needs more than a line: the pages of `docs/`, whose examples are tested here.

/// A page. Its links are others inside this documentation: of two definitions the first counts.
macro_rules! page {
    ($name:ident, $file:literal) => {
        #[doc = include_str!("docs/links.md")]
        #[doc = include_str!(concat!("../docs/", $file))]
        pub mod $name {}
    };
}

page!(batches, "batches.md");
page!(codecs, "codecs.md");
page!(command_line, "command-line.md");
page!(companions, "companions.md");
page!(comparison, "comparison.md");
page!(expansion, "expansion.md");
page!(failures, "failures.md");
page!(faults, "faults.md");
page!(how_old_can_a_value_be, "how-old-can-a-value-be.md");
page!(inspector, "inspector.md");
page!(keys, "keys.md");
page!(local_copies, "local-copies.md");
page!(observability, "observability.md");
page!(performance, "performance.md");
page!(production, "production.md");
page!(promise, "promise.md");
page!(protocol, "protocol.md");
page!(recipes, "recipes.md");
page!(tags, "tags.md");
#[cfg(feature = "testing")]
page!(testing, "testing.md");
page!(transactions, "transactions.md");
page!(types, "types.md");
page!(verification, "verification.md");
page!(without_attributes, "without-attributes.md");
