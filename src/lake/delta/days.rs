//! The live files of a table by their days, by the value of its partition column.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields};

use super::reading::{NUMBER, PHYSICAL_NAME};
use super::table::{LOG, LiveFile, Version};
use crate::base::day::Day;
use crate::base::digest::Digest;
use crate::base::error::{Error, Result};
use crate::base::folders::decoded;
use crate::base::logged::{ColumnNames, LoggedFile, LoggedTable};
use crate::base::object::{Logged, Object};
use crate::lake::disk::Odd;
use crate::lake::location::Location;
use crate::lake::open::Lake;
use crate::lake::pattern::Pattern;

/// So many files that a listing lacks are asked for one by one: they may have come while it was made.
const MOST_ASKED: usize = 100;

/// Whether the folder is a table: its log has a version.
pub(crate) fn is_table(folder: &str, objects: &[Object]) -> bool {
    objects.iter().any(|object| {
        let below = object.path[folder.len()..].trim_start_matches('/');
        let name = below.strip_prefix(LOG).and_then(|name| name.strip_prefix('/'));
        name.is_some_and(is_version)
    })
}

/// Whether a file of a log is a version, or a checkpoint.
pub(crate) fn is_version(name: &str) -> bool {
    let is_numbered = name.len() > 20 && name.as_bytes()[..20].iter().all(u8::is_ascii_digit);
    is_numbered && (name.ends_with(".json") || name.ends_with(".parquet"))
}

const TWICE: (&str, &str) = (
    "the log of the table names a file twice",
    "write the file's rows again: whoever replaced the file in the log did not take its older entry out",
);

/// The live files of a table, in the order of their paths.
pub(crate) struct Live {
    partitioned_by: Vec<String>,
    files: Vec<(Object, Option<Odd>)>,
}

/// The live files by their days.
#[derive(Default)]
pub(crate) struct Days {
    pub days: BTreeMap<Day, Vec<(Object, Option<Odd>)>>,
    /// The files that are of no day.
    pub others: Vec<String>,
}

const ELSEWHERE: (&str, &str) =
    ("the log of the table names a file outside of the table's folder", "copy the table with its files (a deep clone)");
const GONE: (&str, &str) = (
    "the log of the table names a file that is not there",
    "restore the file, or take it out of the table's log (FSCK REPAIR TABLE)",
);

impl Live {
    /// The files of the newest version of a table, whose folder holds these objects.
    pub(crate) fn take(lake: &Lake, folder: &str, objects: Vec<Object>) -> Result<Live> {
        let folder = folder.trim_matches('/');
        let log_folder = format!("{folder}/{LOG}/");
        let (log, data): (Vec<Object>, Vec<Object>) =
            objects.into_iter().partition(|object| object.path.starts_with(log_folder.trim_start_matches('/')));
        let Version { table, partitioned_by, files } = Version::current(lake, folder, log)?;
        let mut there: HashMap<String, Object> = data.into_iter().map(|object| (object.path.clone(), object)).collect();
        let paths: Vec<Option<String>> = files.iter().map(|file| path_in(lake, folder, &file.path)).collect();
        // What is listed late may have come since the listing began.
        let unlisted: Vec<&String> = paths.iter().flatten().filter(|path| !there.contains_key(*path)).take(MOST_ASKED).collect();
        for found in lake.on_each(&unlisted, |path| lake.look_at(path)) {
            there.extend(found?.map(|object| (object.path.clone(), object)));
        }
        let columns = columns_digest(&table);
        let file = |(file, path): (LiveFile, Option<String>)| {
            let (mut object, odd) = match path {
                None => (Object::plain(&file.path, 0, ""), Some(odd(&file.path, ELSEWHERE))),
                Some(path) => match there.get(&path) {
                    None => (Object::plain(&path, 0, ""), Some(odd(&path, GONE))),
                    Some(object) => (object.clone(), None),
                },
            };
            let stored_version = object.version.clone();
            object.version = version(&object.version, &file, columns);
            let LiveFile { values, deleted, .. } = file;
            object.logged = Logged(Some(Arc::new(LoggedFile { table: table.clone(), stored_version, values, deleted })));
            (object, odd)
        };
        let mut live: Vec<(Object, Option<Odd>)> = files.into_iter().zip(paths).map(file).collect();
        live.sort_by(|(a, _), (b, _)| a.path.cmp(&b.path));
        for place in 1..live.len() {
            let (before, after) = live.split_at_mut(place);
            if let ([.., (one, _)], [(other, fault), ..]) = (before, after)
                && one.path == other.path
            {
                fault.get_or_insert(odd(&other.path, TWICE));
            }
        }
        Ok(Live { partitioned_by, files: live })
    }

    /// The files of a table that is read as one.
    pub(crate) fn whole(self) -> Vec<(Object, Option<Odd>)> {
        self.files
    }

    /// The files by their days, by the first of these patterns whose columns the table is partitioned by.
    pub(crate) fn by_days(self, folder: &str, patterns: &[Pattern]) -> Result<Days> {
        let Some(pattern) = patterns.iter().find(|pattern| pattern.fits_columns(&self.partitioned_by)) else {
            return Err(self.not_by_day(folder, patterns));
        };
        let (mut days, mut others) = (BTreeMap::<Day, Vec<_>>::new(), Vec::new());
        for (object, odd) in &self.files {
            match values(object).and_then(|values| pattern.day_of_values(values)) {
                Some(day) => days.entry(day).or_default().push((object.clone(), odd.clone())),
                None => others.push(object.path.clone()),
            }
        }
        if days.is_empty() && !others.is_empty() {
            return Err(self.not_by_day(folder, patterns));
        }
        Ok(Days { days, others })
    }

    fn not_by_day(&self, folder: &str, patterns: &[Pattern]) -> Error {
        let written = patterns.iter().map(|pattern| format!("{:?}", pattern.to_string())).collect::<Vec<_>>().join(", ");
        let columns: Vec<String> = self.partitioned_by.iter().map(|name| format!("{name:?}")).collect();
        let columns = if columns.is_empty() { "none".to_string() } else { columns.join(", ") };
        let error =
            Error::usage(format!("the Delta table {folder}/ is not partitioned by the day that partition = {written} names"))
                .with("partition columns", columns);
        let example = self.files.iter().find_map(|(object, _)| values(object)).map(|values| {
            let of_column = |(name, value): (&String, &Option<String>)| match value {
                Some(value) => format!("{name} = {value:?}"),
                None => format!("{name} is NULL"),
            };
            values.iter().map(of_column).collect::<Vec<_>>().join(", ")
        });
        let error = match example.filter(|example| !example.is_empty()) {
            Some(example) => error.with("a file's", example),
            None => error,
        };
        match self.proposal() {
            Some(pattern) => error.mend(format!("write partition = {:?} for this table in the pipeline file", pattern.to_string())),
            None => error.mend(
                "write the table partitioned by the day of arrival, a date or a text such as 2026-10-20 in a column of its own, and \
                 name that column: partition = \"date={date}\"",
            ),
        }
    }

    /// The pattern that all files fit.
    pub(crate) fn proposal(&self) -> Option<Pattern> {
        let of_column = |name: &String| ["{date}", "{yyyymmdd}"].map(|day| format!("{name}={day}"));
        let named = |letter: char| {
            let starts = |name: &&String| name.to_lowercase().starts_with(letter);
            self.partitioned_by.iter().find(starts)
        };
        let parts = || Some(format!("{}={{yyyy}}/{}={{mm}}/{}={{dd}}", named('y')?, named('m')?, named('d')?));
        let tried = self.partitioned_by.iter().flat_map(of_column).chain(parts());
        let mut patterns = tried.filter_map(|text| Pattern::parse(&text).ok());
        let is_of = |pattern: &Pattern, object| values(object).is_some_and(|values| pattern.day_of_values(values).is_some());
        patterns.find(|pattern| !self.files.is_empty() && self.files.iter().all(|(object, _)| is_of(pattern, object)))
    }
}

fn odd(path: &str, (message, mend): (&'static str, &'static str)) -> Odd {
    Odd { path: path.to_string(), message, mend }
}

fn values(object: &Object) -> Option<&BTreeMap<String, Option<String>>> {
    object.logged.0.as_ref().map(|file| &file.values)
}

/// The path of a file in the lake; none where it lies outside of the table's folder.
fn path_in(lake: &Lake, folder: &str, logged: &str) -> Option<String> {
    let path = decoded(logged);
    let is_whole = path.contains("://") || path.starts_with("file:/") || path.starts_with('/');
    if !is_whole {
        let relative = format!("{folder}/{path}").trim_start_matches('/').to_string();
        // No part of it leads upwards, and the store can address it.
        return lake.object_path(&relative).is_ok().then_some(relative);
    }
    let text = path.replacen("s3a://", "s3://", 1);
    let text = text.strip_prefix("file:").map_or(text.as_str(), |bare| bare.strip_prefix("//").unwrap_or(bare));
    let found = Location::resolve(text, std::path::Path::new("/")).ok()?;
    let below =
        found.is_within(&lake.location().join(folder)).then(|| found.prefix()[lake.location().prefix().len()..].to_string());
    below.map(|relative| relative.trim_start_matches('/').to_string())
}

/// What changes when the file does, or what of it is the table's.
fn version(stored: &str, file: &LiveFile, columns: Option<Digest>) -> String {
    let of_deleted = file.deleted.as_ref().map(|deleted| {
        let numbers = format!("{:?} {} {}", deleted.offset, deleted.bytes, deleted.rows);
        Digest::of_texts([&deleted.storage, &deleted.place, &numbers])
    });
    let parts = [of_deleted.map(|digest| format!("deleted {digest}")), columns.map(|digest| format!("columns {digest}"))];
    [Some(stored.to_string())].into_iter().chain(parts).flatten().collect::<Vec<_>>().join(" ")
}

/// What tells that columns are found otherwise in the same files; nothing where they have their own names.
fn columns_digest(table: &LoggedTable) -> Option<Digest> {
    fn add(fields: &Fields, texts: &mut Vec<String>) {
        fields.iter().for_each(|field| add_field(field, texts));
        texts.push("end".to_string());
    }
    fn add_field(field: &Field, texts: &mut Vec<String>) {
        let kept = |key: &str| field.metadata().get(key).cloned().unwrap_or_default();
        texts.extend([field.name().clone(), kept(PHYSICAL_NAME), kept(NUMBER)]);
        match field.data_type() {
            DataType::Struct(fields) => add(fields, texts),
            DataType::List(item) | DataType::Map(item, _) => add_field(item, texts),
            _ => {}
        }
    }
    let mut texts = Vec::new();
    add(table.schema.fields(), &mut texts);
    (table.names != ColumnNames::Own).then(|| Digest::of_texts(texts))
}
