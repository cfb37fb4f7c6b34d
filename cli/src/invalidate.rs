//! `invalidate`: ends entries as a write of the application does.

use cached_aside::{AnyKey, Tag};
use cached_aside_protocol::outline::Outline;
use serde_json::json;

use crate::{
    catalog::Function,
    entry::Entry,
    failure::Failure,
    output::{self, shown},
    servers::{Connected, Go},
};

/// What is to be ended.
#[derive(Debug)]
pub(crate) struct Named<'a> {
    pub(crate) keys: &'a [String],
    pub(crate) tags: &'a [String],
    pub(crate) functions: Vec<&'a Function>,
    pub(crate) dry_run: bool,
}

/// What was ended.
#[derive(Debug, Default)]
struct Ended {
    entries: usize,
    /// Data of other programs.
    foreign: Vec<String>,
    /// Functions of which there is no entry, unless it has another name than the catalog says; with a pattern of such names.
    missed: Vec<(String, String)>,
}

/// Ends them. Whether all that was named could be ended.
pub(crate) async fn invalidate(at: &Connected, named: &Named<'_>, as_json: bool) -> Result<bool, Failure> {
    if named.keys.is_empty() && named.tags.is_empty() && named.functions.is_empty() {
        return Err(Failure::NothingNamed);
    }
    if let Some(tag) = named.keys.iter().find(|key| key.starts_with('#')) {
        return Err(Failure::IsTag(shown(tag)));
    }
    if let Some(key) = named.tags.iter().find(|tag| tag.starts_with('#')) {
        return Err(Failure::IsKeyOfTag(shown(key)));
    }
    let mut ended = Ended::default();
    keys(at, named, &mut ended).await?;
    for tag in named.tags {
        if !named.dry_run {
            at.cache.invalidate_tag(Tag::from(tag.as_str())).await?;
        }
    }
    for function in &named.functions {
        all_of(at, function, named.dry_run, &mut ended).await?;
    }
    say(named, &ended, as_json)?;
    Ok(ended.foreign.is_empty() && ended.missed.is_empty())
}

async fn keys(at: &Connected, named: &Named<'_>, ended: &mut Ended) -> Result<(), Failure> {
    let keys: Vec<AnyKey> = named.keys.iter().map(|key| AnyKey::new(key)).collect();
    let texts: Vec<String> = keys.iter().map(AnyKey::to_string).collect();
    let entries = at.entries(&texts).await?;
    let (foreign, ours): (Vec<_>, Vec<_>) =
        entries.into_iter().partition(|entry| entry.outline == Outline::Foreign);
    ended.foreign = foreign.into_iter().map(|entry| entry.key).collect();
    ended.entries += ours.len();
    // Where nothing stands, a load may be under way all the same.
    let keys = keys.into_iter().filter(|key| !ended.foreign.iter().any(|foreign| foreign == key.as_str()));
    if !named.dry_run {
        at.cache.invalidate_keys(keys).await?;
    }
    Ok(())
}

/// Ends all entries of a function that are there.
async fn all_of(
    at: &Connected,
    function: &Function,
    dry_run: bool,
    ended: &mut Ended,
) -> Result<(), Failure> {
    let before = ended.entries;
    at.search(&function.pattern(), true, async |keys| {
        let keys: Vec<String> = keys.into_iter().filter(|key| function.can_have(key)).collect();
        let entries = at.entries(&keys).await?;
        let ours: Vec<Entry> = entries
            .into_iter()
            .filter(|entry| !matches!(entry.outline, Outline::Foreign | Outline::Tag))
            .collect();
        if !dry_run {
            at.cache.invalidate_keys(ours.iter().map(|entry| AnyKey::new(&entry.key))).await?;
        }
        ended.entries += ours.len();
        Ok(Go::On)
    })
    .await?;
    if let Some(pattern) = function.pattern_of_any_type().filter(|_| ended.entries == before) {
        ended.missed.push((function.place.path(), pattern));
    }
    Ok(())
}

fn say(named: &Named<'_>, ended: &Ended, as_json: bool) -> Result<(), Failure> {
    if as_json {
        output::document(&json!({
            "dry_run": named.dry_run,
            "entries": ended.entries,
            "tags": named.tags,
            "foreign": ended.foreign,
            "missed": ended.missed.iter().map(|(function, _)| function).collect::<Vec<_>>(),
        }))?;
        return Ok(());
    }
    let would = if named.dry_run { "would end" } else { "ended" };
    if !named.keys.is_empty() || !named.functions.is_empty() {
        let entries = if ended.entries == 1 { "entry" } else { "entries" };
        output::line(format!("{would} {} {entries}", ended.entries))?;
    }
    for tag in named.tags {
        output::line(format!("{would} every entry that carries the tag {}", shown(tag)))?;
    }
    for key in &ended.foreign {
        output::line(format!("{}: data of another program, left alone", shown(key)))?;
    }
    for (function, pattern) in &ended.missed {
        output::line(format!(
            "{}: no entry was found; without a `key` the keys of methods and nested functions begin with types and modules that the \
             catalog does not know: look for them with `cached-aside keys '{}'`, and end them by key or by tag",
            shown(function),
            shown(pattern)
        ))?;
    }
    Ok(())
}
