//! Table formats whose files alone do not say which rows count.
//!
//! A folder with a log of versions holds files that were replaced or deleted from: to read them all would count rows twice.

use super::delta::is_version;
use crate::base::error::{Error, Result};
use crate::base::object::Object;

/// Which format a path below a table's folder is a sign of.
fn format_of(path: &str) -> Option<&'static str> {
    let mut names = path.rsplit('/');
    let (name, folder) = (names.next()?, names.next().unwrap_or_default());
    if folder == "_delta_log" && is_version(name) {
        Some("Delta Lake")
    } else if name == ".hoodie_partition_metadata" || path.split('/').any(|part| part == ".hoodie") {
        Some("Apache Hudi")
    } else if folder == "metadata" && (name.ends_with(".metadata.json") || name == "version-hint.text") {
        Some("Apache Iceberg")
    } else {
        None
    }
}

/// The folder of the table of such a format that a path is a sign of.
pub(super) fn root_of_format(path: &str) -> Option<String> {
    format_of(path)?;
    let names: Vec<&str> = path.split('/').collect();
    let own = names.iter().rposition(|name| [".hoodie", "metadata", "_delta_log"].contains(name));
    let own = own.or_else(|| names.iter().position(|name| name.contains('='))).unwrap_or(names.len() - 1);
    Some(names[..own].join("/"))
}

/// Refuses a folder that is a table of such a format, or holds one.
pub(super) fn refuse_formats(folder: &str, objects: &[Object]) -> Result<()> {
    let sign = |object: &Object| Some((format_of(&object.path[folder.len()..])?, object.path.clone()));
    let Some((format, path)) = objects.iter().find_map(sign) else { return Ok(()) };
    if let Some((table, _)) = path.split_once("/_delta_log/") {
        return Err(Error::usage(format!("a Delta table lies within {folder}/, and is not read as a part of it"))
            .with("found", &path)
            .mend(format!("write path = {table:?} for this table in the pipeline file, or move the table away")));
    }
    Err(Error::usage(format!("{folder}/ is a table of {format}: its files alone do not say which rows count"))
        .with("found", path)
        .mend("write the current rows of the table as plain Parquet into a folder of their own, and name that as `path`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_is_known_by_its_log() {
        for (format, path) in [
            (Some("Delta Lake"), "_delta_log/00000000000000000000.json"),
            (Some("Delta Lake"), "_delta_log/00000000000000000010.checkpoint.parquet"),
            (None, "_delta_log/_last_checkpoint"),
            (Some("Apache Hudi"), ".hoodie/hoodie.properties"),
            (Some("Apache Hudi"), "date=2026-10-20/.hoodie_partition_metadata"),
            (Some("Apache Iceberg"), "metadata/v1.metadata.json"),
            (Some("Apache Iceberg"), "metadata/00000-5f.metadata.json"),
            (None, "metadata/readme.md"),
            (None, "date=2026-10-20/metadata.parquet"),
        ] {
            assert_eq!(format_of(path), format, "{path}");
        }
    }
}
