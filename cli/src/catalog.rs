//! The catalog of an application, from the file that it wrote.

use std::{fs, path::Path};

pub(crate) use cached_aside_inspector::catalog::{Catalog, Function};

use crate::{
    failure::Failure,
    output::{self, shown},
};

/// The catalog in this file.
pub(crate) fn read(path: Option<&Path>) -> Result<Catalog, Failure> {
    read_if_named(path)?.ok_or(Failure::CatalogNeeded)
}

/// The same, where a command can do without.
pub(crate) fn read_if_named(path: Option<&Path>) -> Result<Option<Catalog>, Failure> {
    let Some(path) = path else { return Ok(None) };
    let text = fs::read_to_string(path).map_err(|error| Failure::File { path: path.to_owned(), error })?;
    let catalog =
        Catalog::parse(&text).map_err(|reason| Failure::NoCatalog { path: path.to_owned(), reason })?;
    Ok(Some(catalog))
}

/// Writes the whole of it. Whether it has no problems.
pub(crate) fn print(catalog: &Catalog, as_json: bool) -> Result<bool, Failure> {
    if as_json {
        output::document(catalog.as_json())?;
        return Ok(catalog.problems.is_empty());
    }
    for (number, function) in catalog.functions.iter().enumerate() {
        output::line(function.place.to_string())?;
        for fact in function.facts() {
            output::line(format!("    {fact}"))?;
        }
        for write in catalog.writes_of(number) {
            output::line(format!("    invalidated by {} ({})", write.place, write.through(number)))?;
        }
    }
    catalog.unresolved().try_for_each(output::line)?;
    for problem in &catalog.problems {
        output::line(format!("problem: {}", shown(problem)))?;
    }
    Ok(catalog.problems.is_empty())
}
