//! Samples: the first rows of some files of a table, by the places that hold something.
//!
//! The footers of many files are read, and of each schema that is met some files, oldest and newest among them: what changed its form
//! on some day is seen in both.

use std::collections::{BTreeMap, BTreeSet};

use arrow::datatypes::Schema;

use crate::base::day::Day;
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::met::{self, Kind, MetPlaces, Place};
use crate::base::object::Object;
use crate::lake::{Lake, ReadPlan, readable};

/// As many footers of a table are read, as many files, and as many rows of each.
const MOST_FOOTERS: usize = 400;
const MOST_FILES: usize = 24;
const FILES_OF_SCHEMA: usize = 6;

/// As many values of a place are kept apart.
const MOST_VALUES: usize = 5_000;

#[derive(Default)]
pub(super) struct Sample {
    pub files: Vec<SampledFile>,
    /// Why some file was not read, if any was not.
    pub unread: Option<Error>,
}

pub(super) struct SampledFile {
    pub day: Option<Day>,
    pub path: String,
    pub rows: u32,
    pub met: MetPlaces,
}

/// A cell of a sample: the file and the row.
pub(super) type Cell = (usize, u32);

/// What a sample holds at a place.
#[derive(Default)]
pub(super) struct Seen {
    pub kinds: BTreeSet<Kind>,
    /// The values with their numbers.
    pub values: BTreeMap<String, u64>,
    pub cells: Vec<Cell>,
}

impl Seen {
    /// How many values there are.
    pub(super) fn count(&self) -> u64 {
        self.cells.len() as u64
    }

    /// Whether so many of a hundred values pass a test, and there is one.
    pub(super) fn mostly(&self, percent: u64, test: impl Fn(&str) -> bool) -> bool {
        let all: u64 = self.values.values().sum();
        let passed: u64 = self.values.iter().filter(|(value, _)| test(value)).map(|(_, count)| count).sum();
        all > 0 && passed * 100 >= all * percent
    }
}

impl Sample {
    /// Takes a sample of these files, so many rows of each.
    pub(super) fn take(lake: &Lake, days: &BTreeMap<Option<Day>, Vec<Object>>, rows: u32) -> Result<Sample> {
        let files: Vec<(Option<Day>, &Object)> =
            days.iter().flat_map(|(day, objects)| objects.iter().map(move |object| (*day, object))).collect();
        let looked_at = spread(&files, MOST_FOOTERS);
        let mut sample = Sample::default();
        let mut by_schema: BTreeMap<String, Vec<(Option<Day>, &Object)>> = BTreeMap::new();
        let schemas = lake.on_each(&looked_at, |(_, object)| readable(|| lake.schema(object)));
        for (file, schema) in looked_at.into_iter().zip(schemas) {
            match schema {
                Ok(Some(schema)) => by_schema.entry(fingerprint(&schema)).or_default().push(file),
                Ok(None) => {}
                Err(error) if error.kind() != ErrorKind::Data => return Err(error),
                Err(error) => drop(sample.unread.get_or_insert(error)),
            }
        }
        let of_schema = (MOST_FILES / by_schema.len().max(1)).clamp(1, FILES_OF_SCHEMA);
        let chosen: Vec<_> = by_schema.values().flat_map(|alike| spread(alike, of_schema)).take(MOST_FILES).collect();
        let read = lake.on_each(&chosen, |(day, object)| readable(|| read(lake, *day, object, rows)));
        for file in read {
            match file {
                Ok(file) => sample.files.push(file),
                Err(error) if error.kind() != ErrorKind::Data => return Err(error),
                Err(error) => drop(sample.unread.get_or_insert(error)),
            }
        }
        sample.files.sort_by(|a, b| (a.day, &a.path).cmp(&(b.day, &b.path)));
        Ok(sample)
    }

    /// All that is met, by places.
    pub(super) fn seen(&self) -> BTreeMap<Place, Seen> {
        let mut all: BTreeMap<Place, Seen> = BTreeMap::new();
        for (number, file) in self.files.iter().enumerate() {
            for (place, met) in &file.met {
                let seen = all.entry(place.clone()).or_default();
                if !met.values.is_empty() || seen.kinds.is_empty() {
                    seen.kinds.insert(met.kind);
                }
                for (row, value) in &met.values {
                    seen.cells.push((number, *row));
                    if seen.values.len() < MOST_VALUES || seen.values.contains_key(value) {
                        *seen.values.entry(value.clone()).or_default() += 1;
                    }
                }
            }
        }
        all
    }

    /// The values of a place by their cells.
    pub(super) fn cells<'s>(&'s self, place: &Place) -> BTreeMap<Cell, &'s str> {
        let of_file = |(number, file): (usize, &'s SampledFile)| {
            let values = file.met.get(place).into_iter().flat_map(|met| &met.values);
            values.map(move |(row, value)| ((number, *row), value.as_str())).collect::<Vec<_>>()
        };
        self.files.iter().enumerate().flat_map(of_file).collect()
    }

    pub(super) fn rows(&self) -> u64 {
        self.files.iter().map(|file| u64::from(file.rows)).sum()
    }
}

/// So many items spread evenly, the first and the last among them.
fn spread<T: Clone>(items: &[T], most: usize) -> Vec<T> {
    if items.len() <= most {
        return items.to_vec();
    }
    if most < 2 {
        return items.last().cloned().into_iter().collect();
    }
    (0..most).map(|at| items[at * (items.len() - 1) / (most - 1)].clone()).collect()
}

fn fingerprint(schema: &Schema) -> String {
    schema.fields().iter().map(|field| format!("{:?} {};", field.name(), field.data_type())).collect()
}

fn read(lake: &Lake, day: Option<Day>, object: &Object, most: u32) -> Result<SampledFile> {
    let mut file = SampledFile { day, path: object.path.clone(), rows: 0, met: MetPlaces::new() };
    let read = lake.read_batches(
        object,
        |schema| {
            let columns = schema.fields().iter().map(|field| (field.name().clone(), None)).collect();
            Ok(ReadPlan { columns, filter: None })
        },
        |batch| {
            let rows = batch.num_rows().min((most - file.rows) as usize);
            let part = batch.slice(0, rows);
            for (field, column) in part.schema().fields().iter().zip(part.columns()) {
                met::add(field.name(), column, file.rows, &mut file.met);
            }
            file.rows += rows as u32;
            // Enough is seen; the error only ends the reading.
            if file.rows < most { Ok(()) } else { Err(Error::bug("the sample is taken")) }
        },
    );
    if file.rows < most {
        read?;
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_has_both_ends() {
        let items: Vec<u32> = (0..10).collect();
        assert_eq!(spread(&items, 4), [0, 3, 6, 9]);
        assert_eq!(spread(&items, 1), [9]);
        assert_eq!(spread(&items, 20), items);
    }
}
