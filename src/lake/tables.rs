//! Tables: the folders of a lake that hold Parquet, each with the pattern of its days, for whoever does not know the lake yet.
//!
//! One listing of the whole lake. What is published by a pipeline is no input of one and is left out, as are names that begin with `_`
//! or `.`. A folder of a format that is not read is told with the error that reading it would give.

use std::collections::{BTreeMap, BTreeSet};

use super::delta::{Live, is_table, is_version};
use super::formats::{refuse_formats, root_of_format};
use super::guess::guess;
use super::listing::{Layout, Listing, Partition};
use super::names::{Named, is_hidden, named};
use super::open::Lake;
use super::pattern::{Pattern, compared};
use crate::base::day::Day;
use crate::base::error::{Error, Result};
use crate::base::object::Object;

/// A folder that may be a table.
#[derive(Clone, Debug)]
pub(crate) struct FoundTable {
    /// Below the lake's location; blank where the lake is itself the table.
    pub folder: String,
    /// The patterns of its days, those of older days first; none where its files are of no day.
    pub patterns: Vec<Pattern>,
    pub is_delta: bool,
    pub bytes: u64,
}

/// What lies in a lake.
#[derive(Default)]
pub(crate) struct FoundTables {
    pub tables: Vec<FoundTable>,
    /// Folders that are not read, with the reason.
    pub refused: Vec<(String, Error)>,
    /// How many files the lake has, of whatever kind.
    pub files: usize,
}

/// What Spark and Hadoop put into a folder that they have written whole.
const MARKER: &str = "_SUCCESS";

/// As many folders are told apart, the largest.
const MOST_TABLES: usize = 200;
/// A file without an ending that is shorter than this holds no Parquet.
const SMALLEST_PARQUET: u64 = 12;

/// The files of a folder.
#[derive(Default)]
struct Folder {
    /// By the pattern in small letters: as it was met first, and its first day.
    patterns: BTreeMap<String, (Pattern, Day)>,
    bytes: u64,
}

impl Lake {
    /// The folders that may be tables, largest first.
    pub(crate) fn tables(&self) -> Result<FoundTables> {
        let (objects, _) = self.list_with_odd("")?;
        let mut found = FoundTables { files: objects.len(), ..FoundTables::default() };
        let outputs = outputs(&objects);
        let is_input = |object: &Object| !outputs.iter().any(|output| is_below(&object.path, output));
        let mut left: Vec<Object> = objects.into_iter().filter(is_input).collect();
        for folder in delta_folders(&left) {
            let (of_table, others) = left.into_iter().partition(|object: &Object| is_below(&object.path, &folder));
            left = others;
            match self.delta_table(&folder, of_table) {
                Ok(table) => found.tables.push(table),
                Err(error) => found.refused.push((folder, error)),
            }
        }
        while let Some(folder) = left.iter().find_map(|object| root_of_format(&object.path)) {
            let (of_table, others): (Vec<Object>, _) = left.into_iter().partition(|object| is_below(&object.path, &folder));
            left = others;
            if let Err(error) = refuse_formats(&folder, &of_table) {
                found.refused.push((folder, error));
            }
        }
        found.tables.extend(plain_tables(&left));
        found.tables.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.folder.cmp(&b.folder)));
        found.tables.truncate(MOST_TABLES);
        Ok(found)
    }

    fn delta_table(&self, folder: &str, objects: Vec<Object>) -> Result<FoundTable> {
        let live = Live::take(self, folder, objects)?;
        let patterns = live.proposal().into_iter().collect();
        let bytes = live.whole().iter().map(|(object, _)| object.size).sum();
        Ok(FoundTable { folder: folder.to_string(), patterns, is_delta: true, bytes })
    }

    /// The days of a table, as a run would find them; of one without days its files under none.
    pub(crate) fn days_of(&self, table: &FoundTable) -> Result<BTreeMap<Option<Day>, Vec<Object>>> {
        if table.patterns.is_empty() {
            let (objects, _) = self.listed_files(&table.folder, &[])?.settled(self, &|_| false)?;
            return Ok([(None, objects)].into());
        }
        let layout = Layout { patterns: table.patterns.clone(), ..Layout::default() };
        let Listing { partitions, .. } = self.listed(&table.folder, &layout)?.settled(self, &|_, _| false)?;
        let readable = partitions.into_values().filter(|partition| partition.fault.is_none());
        Ok(readable.map(|Partition { day, objects, .. }| (Some(day), objects)).collect())
    }
}

impl Lake {
    /// The file that says of each day of a table that it is whole, where all of them but perhaps the newest have it.
    pub(crate) fn marker_of(&self, table: &FoundTable, days: impl Iterator<Item = Day>) -> Result<Option<&'static str>> {
        if table.is_delta || table.patterns.is_empty() || table.patterns.iter().any(Pattern::is_of_files) {
            return Ok(None);
        }
        let layout = Layout { patterns: table.patterns.clone(), marker: Some(MARKER.to_string()), ..Layout::default() };
        let marked = self.listed(&table.folder, &layout)?.settled(self, &|_, _| false)?.partitions;
        let unmarked: Vec<Day> = days.filter(|day| !marked.contains_key(day)).collect();
        let newest = marked.keys().next_back();
        let is_of_all = newest.is_some_and(|newest| unmarked.iter().all(|day| day > newest) && unmarked.len() <= 1);
        Ok(is_of_all.then_some(MARKER))
    }
}

/// Whether a path lies below a folder.
fn is_below(path: &str, folder: &str) -> bool {
    folder.is_empty() || path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

/// The folders in which a pipeline publishes.
fn outputs(objects: &[Object]) -> Vec<String> {
    let folder = |object: &Object| {
        let names: Vec<&str> = object.path.split('/').collect();
        let at = names
            .windows(2)
            .position(|two| two == ["state", "accepted.json"] || two[0] == "bot_days" && two[1].starts_with("dt="))?;
        Some(names[..at].join("/"))
    };
    let roots: BTreeSet<String> = objects.iter().filter_map(folder).collect();
    // A pipeline that publishes into its lake's own folder has folders of its own there.
    let own = ["ads", "ad_days", "ad_conversions", "bot_days", "reach", "work", "runs", "rejected", "state"];
    let of = |root: String| if root.is_empty() { own.map(str::to_string).to_vec() } else { vec![root] };
    roots.into_iter().flat_map(of).collect()
}

/// The folders of Delta tables; not those within another.
fn delta_folders(objects: &[Object]) -> Vec<String> {
    let of_log = |object: &Object| {
        let (before, name) = object.path.rsplit_once('/')?;
        let folder = before.strip_suffix("_delta_log")?;
        is_version(name).then(|| folder.trim_end_matches('/').to_string())
    };
    let folders: BTreeSet<String> = objects.iter().filter_map(of_log).collect();
    let mut outer: Vec<String> = Vec::new();
    for folder in folders {
        if is_table(&folder, objects) && !outer.iter().any(|known| is_below(&folder, known)) {
            outer.push(folder);
        }
    }
    outer
}

fn plain_tables(objects: &[Object]) -> Vec<FoundTable> {
    let mut folders: BTreeMap<String, Folder> = BTreeMap::new();
    for object in objects {
        let names: Vec<String> = object.path.split('/').map(compared).collect();
        let is_rows = names.last().is_some_and(|name| match named(name) {
            Named::Parquet => true,
            Named::Plain => object.size >= SMALLEST_PARQUET,
            _ => false,
        });
        if !is_rows || names.iter().any(|name| is_hidden(name)) {
            continue;
        }
        let (path, pattern) = folder_of(&object.path);
        let folder = folders.entry(path).or_default();
        folder.bytes += object.size;
        if let Some((pattern, day)) = pattern {
            let known = folder.patterns.entry(pattern.to_string().to_lowercase()).or_insert((pattern, day));
            known.1 = known.1.min(day);
        }
    }
    let dated: Vec<String> = folders.iter().filter(|(_, of)| !of.patterns.is_empty()).map(|(path, _)| path.clone()).collect();
    // What lies beside the days of a table is no table.
    folders.retain(|path, of| !of.patterns.is_empty() || !dated.iter().any(|table| is_below(path, table)));
    let table = |(folder, of): (String, Folder)| {
        let mut patterns: Vec<(Pattern, Day)> = of.patterns.into_values().collect();
        patterns.sort_by_key(|(_, day)| *day);
        let patterns = patterns.into_iter().map(|(pattern, _)| pattern).collect();
        FoundTable { folder, patterns, is_delta: false, bytes: of.bytes }
    };
    folders.into_iter().map(table).collect()
}

/// The folder of the table that a file is of, and the pattern of its days.
fn folder_of(path: &str) -> (String, Option<(Pattern, Day)>) {
    let names: Vec<&str> = path.split('/').collect();
    let of_day = guess(path).and_then(|(text, day)| {
        let parts: Vec<&str> = text.split('/').collect();
        let literal = parts.iter().take_while(|part| !part.contains(['{', '*'])).count();
        let pattern = Pattern::parse(&parts[literal..].join("/")).ok()?;
        Some((names[..literal].join("/"), pattern, day))
    });
    match of_day {
        Some((folder, pattern, day)) => (folder, Some((pattern, day))),
        None => {
            let folders = &names[..names.len() - 1];
            let own = folders.iter().rposition(|name| !name.contains('=')).map_or(0, |at| at + 1);
            (folders[..own].join("/"), None)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tables(paths: &[&str]) -> Vec<(String, Vec<String>)> {
        let objects: Vec<Object> = paths.iter().map(|path| Object::plain(*path, 100, "v")).collect();
        let outputs = outputs(&objects);
        let left: Vec<Object> =
            objects.into_iter().filter(|object| !outputs.iter().any(|output| is_below(&object.path, output))).collect();
        let text = |table: FoundTable| (table.folder, table.patterns.iter().map(Pattern::to_string).collect());
        plain_tables(&left).into_iter().map(text).collect()
    }

    #[test]
    fn a_table_is_the_folder_above_its_days() {
        let found = tables(&[
            "raw/messages/date=2026-10-20/a.parquet",
            "raw/messages/date=2026-10-21/hour=03/a.parquet",
            "raw/messages/old.parquet",
            "raw/messages/_tmp/date=2026-10-21/a.parquet",
            "events/year=2026/month=10/day=20/000000_0",
            "insights/insights_20261020.parquet",
            "identities/bot_id=a/x.parquet",
            "mixed/2026-10-20/a.parquet",
            "mixed/dt=2026-10-21/a.parquet",
            "notes.txt",
        ]);
        let expected = [
            ("events", vec!["year={yyyy}/month={mm}/day={dd}"]),
            ("identities", vec![]),
            ("insights", vec!["insights_{yyyymmdd}.parquet"]),
            ("mixed", vec!["{date}", "dt={date}"]),
            ("raw/messages", vec!["date={date}"]),
        ];
        let expected = expected
            .map(|(folder, patterns)| (folder.to_string(), patterns.into_iter().map(str::to_string).collect::<Vec<String>>()));
        assert_eq!(found, expected);
    }

    #[test]
    fn what_a_pipeline_publishes_is_no_table() {
        let found = tables(&[
            "messages/date=2026-10-20/a.parquet",
            "ctwa/bot_days/dt=2026-10-20/bot_days.parquet",
            "ctwa/ad_days/dt=2026-10-20/ad_days.parquet",
            "ctwa/rejected/messages/date=2026-10-20/rejected.parquet",
        ]);
        assert_eq!(found.len(), 1, "{found:?}");
        let found =
            tables(&["state/accepted.json", "rejected/messages/date=2026-10-20/r.parquet", "messages/dt=2026-10-20/a.parquet"]);
        assert_eq!(found.iter().map(|(folder, _)| folder.as_str()).collect::<Vec<_>>(), ["messages"]);
    }
}
