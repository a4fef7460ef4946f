//! Landed figures, read strictly: one day of the insights table.
//!
//! In: the files that have rows of a day, through the pipeline's mapping. The day is the folder's, or the column's that is mapped as
//! `date`. Out: one row per (account, ad), sorted. Money is exact: whole millionths of the currency's major unit, never through a
//! float unless the mapping asks for it, never rounded. A day that breaks the contract is refused as a whole, with an error that
//! names what is wrong and what would do.

use std::cell::OnceCell;

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;

use crate::base::bound::{Bound, describe, is_present};
use crate::base::day::Day;
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::mapping::{ColumnSource, MappedColumn, TableMapping};
use crate::base::object::Object;
use crate::base::times::Instant;
use crate::insights::columns::{Cells, Columns};
use crate::insights::repeated::{BREAKDOWNS, LandedRow, may_be_load_time, once};
use crate::insights::row::{AdNames, InsightRow, MetaFigures};
use crate::lake::{Lake, Partition, ReadPlan};

/// The columns that say which day a figure is of, where loaders name it themselves.
const OWN_DAYS: [&str; 2] = ["date_start", "date"];

/// Names under which others know a required column.
const OTHER_NAMES: [(&str, &[&str]); 4] = [
    ("account_id", &["ad_account_id", "account"]),
    ("ad_id", &["adid", "ad", "id"]),
    ("currency", &["account_currency", "ad_account_currency", "currency_code"]),
    ("spend", &["amount_spent", "spend_amount", "cost", "costs", "spent"]),
];

/// Reads the rows of a day: every row checked, one for each key.
pub fn read_partition(lake: &Lake, mapping: &TableMapping, partition: &Partition) -> Result<Vec<InsightRow>> {
    let (mut rows, mut load_times): (Vec<LandedRow>, Vec<String>) = (Vec::new(), Vec::new());
    let here = |error: Error| error.with("table", "insights");
    for object in partition.to_read()? {
        let read = read_object(lake, mapping, object, |file, batch| {
            load_times.extend_from_slice(&file.load_times);
            rows.extend(rows_of(file, &batch, partition.day)?);
            Ok(())
        });
        read.map_err(|error| here(error).with("day", partition.day))?;
    }
    once(partition.day, rows, &load_times).map_err(here)
}

/// The days that a file has rows of, where `date` is mapped.
pub(super) fn days_in(lake: &Lake, mapping: &TableMapping, object: &Object) -> Result<Vec<Day>> {
    let mut days = Vec::new();
    read_object(lake, mapping, object, |file, batch| {
        let columns = Columns { bound: &file.bound, batch: &batch };
        for day in columns.days("date")? {
            let day = day.unwrap_or_else(|| Err(blank("date")))?;
            if !days.contains(&day) {
                days.push(day);
            }
        }
        Ok(())
    })?;
    days.sort_unstable();
    Ok(days)
}

/// A file, as the mapping reads it.
struct File {
    bound: Bound,
    is_day_mapped: bool,
    /// Columns that say whose day a figure is, though nobody mapped them.
    own_days: Vec<&'static str>,
    breakdowns: Vec<&'static str>,
    load_times: Vec<String>,
}

impl File {
    fn new(mapping: &TableMapping, schema: &Schema) -> Result<File> {
        let missing: Vec<&MappedColumn> = mapping.columns.iter().filter(|column| is_missing(column, schema)).collect();
        if !missing.is_empty() {
            return Err(all_missing(&missing, schema));
        }
        let has = |column: &&&'static str| schema.field_with_name(column).is_ok();
        let is_day_mapped = mapping.is_mapped("date");
        let names = schema.fields().iter().map(|field| field.name());
        Ok(File {
            bound: mapping.bind(schema)?,
            is_day_mapped,
            own_days: OWN_DAYS.iter().filter(|_| !is_day_mapped).filter(has).copied().collect(),
            breakdowns: BREAKDOWNS.iter().filter(has).copied().collect(),
            load_times: names.filter(|name| may_be_load_time(name)).cloned().collect(),
        })
    }

    fn plan(&self, mapping: &TableMapping) -> ReadPlan {
        let names: Vec<&str> = mapping.columns.iter().map(|column| column.spec.name).collect();
        let mut columns = self.bound.paths(&names);
        columns.extend(self.own_days.iter().chain(&self.breakdowns).map(|column| (column.to_string(), None)));
        ReadPlan { columns, filter: None }
    }
}

fn read_object(
    lake: &Lake,
    mapping: &TableMapping,
    object: &Object,
    mut each: impl FnMut(&File, RecordBatch) -> Result<()>,
) -> Result<()> {
    let cell: OnceCell<File> = OnceCell::new();
    let scanned = lake.read_batches(
        object,
        |schema| {
            let file = File::new(mapping, schema)?;
            let plan = file.plan(mapping);
            let _ = cell.set(file);
            Ok(plan)
        },
        |batch| match cell.get() {
            Some(file) => each(file, batch),
            None => Err(Error::bug("a batch came before its schema")),
        },
    );
    scanned.or_else(|error| {
        // A file without rows may have any schema, or none.
        let is_empty =
            error.kind() == ErrorKind::Data && cell.get().is_none() && matches!(lake.stored_span(object, ""), Ok((0, ..)));
        if is_empty { Ok(()) } else { Err(error) }
    })
}

fn is_missing(column: &MappedColumn, schema: &Schema) -> bool {
    // What the pipeline file names has to be there, also where the contract asks for nothing.
    let is_needed = column.spec.required || column.mapped && matches!(column.spec.name, "date" | "loaded_at");
    is_needed && !column.sources.iter().any(|source| is_present(source, schema))
}

/// All columns that a file lacks, with those that it has and a mapping to paste.
fn all_missing(missing: &[&MappedColumn], schema: &Schema) -> Error {
    let names: Vec<&str> = missing.iter().map(|column| column.spec.name).collect();
    let wanted = |column: &&&MappedColumn| {
        let places: Vec<String> = column.sources.iter().map(ColumnSource::to_string).collect();
        format!("{} is read from {}", column.spec.name, places.join(", "))
    };
    let mapped: Vec<String> = missing.iter().filter(|column| column.mapped).map(|column| wanted(&column)).collect();
    // Other files may have the column under its own name.
    let line = |column: &&MappedColumn| match near(column.spec.name, schema) {
        Some(near) if !column.mapped => format!("{name} = [{name:?}, {near:?}]", name = column.spec.name),
        near => format!("{} = {:?}", column.spec.name, near.unwrap_or("...")),
    };
    let lines = missing.iter().map(line).collect::<Vec<_>>().join(", ");
    let columns = if names.len() == 1 { "required column" } else { "required columns" };
    let verb = if names.len() == 1 { "is" } else { "are" };
    let error = Error::data(format!("{columns} {} {verb} missing", names.join(", ")));
    let error = if mapped.is_empty() { error } else { error.with("mapping", mapped.join("; ")) };
    error.with("columns it has", describe(schema)).mend(format!("name its columns in [insights.columns]: {lines}"))
}

/// The column that most likely is the one of another name.
fn near<'s>(name: &str, schema: &'s Schema) -> Option<&'s str> {
    let has = |wanted: &str| schema.fields().iter().find(|field| field.name().eq_ignore_ascii_case(wanted));
    let known = OTHER_NAMES.iter().filter(|(column, _)| *column == name).flat_map(|(_, others)| *others);
    let found = has(name).or_else(|| known.copied().find_map(has));
    let alike = || schema.fields().iter().find(|field| field.name().to_ascii_lowercase().contains(name));
    found.or_else(alike).map(|field| field.name().as_str())
}

fn blank(column: &'static str) -> Error {
    Error::data(format!("{column} is blank")).with("column", column).mend("fill it, or remove the row")
}

/// The rows of a batch that are of this day.
fn rows_of(file: &File, batch: &RecordBatch, day: Day) -> Result<Vec<LandedRow>> {
    let columns = Columns { bound: &file.bound, batch };
    check_own_days(file, batch, day)?;
    let days = columns.days("date")?;
    let (accounts, ads, currencies) = (columns.ids("account_id")?, columns.ids("ad_id")?, columns.texts("currency")?);
    let mut spend = columns.amounts("spend")?;
    let mut counts = COUNTS.into_iter().map(|name| columns.counts(name)).collect::<Result<Vec<_>>>()?;
    let mut name_cells = NAMES.into_iter().map(|name| columns.texts(name)).collect::<Result<Vec<_>>>()?;
    let loaded_at = file.bound.instants("loaded_at", batch)?;
    let breakdowns = breakdowns(file, batch)?;
    let mut rows = Vec::with_capacity(batch.num_rows());
    for (row, of_row) in days.into_iter().enumerate() {
        if file.is_day_mapped && of_row.unwrap_or_else(|| Err(blank("date")))? != day {
            continue;
        }
        let key = |cells: &[Option<String>], column: &'static str| cells[row].clone().ok_or_else(|| blank(column));
        let (account, ad) = (with_prefix(&key(&accounts, "account_id")?), key(&ads, "ad_id")?);
        let here = |error: Error| error.with("account", &account).with("ad", &ad);
        let mut count = |i: usize| counts[i][row].take().transpose().map_err(here);
        let mut name = |i: usize| name_cells[i][row].take();
        let figures = MetaFigures {
            spend: spend[row].take().unwrap_or_else(|| Err(no_spend())).map_err(here)?,
            impressions: count(0)?,
            reach: count(1)?,
            clicks: count(2)?,
            inline_link_clicks: count(3)?,
            meta_conversations: count(4)?,
        };
        let names =
            AdNames { ad_name: name(0), adset_id: name(1), adset_name: name(2), campaign_id: name(3), campaign_name: name(4) };
        let loaded_at = match loaded_at[row] {
            Instant::At(micros) => Some(micros),
            Instant::Absent => None,
            Instant::Unreadable => {
                let error = Error::data("loaded_at is no time").with("column", "loaded_at");
                return Err(here(error.mend("write it as a timestamp, or as RFC 3339 text")));
            }
        };
        let currency = key(&currencies, "currency").map_err(here)?;
        rows.push(LandedRow {
            row: InsightRow { account, ad, currency, figures, names },
            loaded_at,
            breakdown: breakdowns.iter().map(|(column, cells)| (*column, cells[row].clone().unwrap_or_default())).collect(),
        });
    }
    Ok(rows)
}

const COUNTS: [&str; 5] = ["impressions", "reach", "clicks", "inline_link_clicks", "messaging_conversations_started"];
const NAMES: [&str; 5] = ["ad_name", "adset_id", "adset_name", "campaign_id", "campaign_name"];

fn no_spend() -> Error {
    Error::data("spend is null").with("column", "spend").mend("fill it, or remove the row: a day without a row is 0")
}

/// An account's id with the prefix, whatever the case of the one it has.
fn with_prefix(account: &str) -> String {
    let bare = account.get(..4).filter(|prefix| prefix.eq_ignore_ascii_case("act_")).map_or(account, |_| &account[4..]);
    format!("act_{bare}")
}

/// The values of the breakdown columns, as text.
fn breakdowns(file: &File, batch: &RecordBatch) -> Result<Vec<(&'static str, Cells<String>)>> {
    file.breakdowns.iter().map(|column| Ok((*column, own_texts(batch, column)?))).collect()
}

/// A column of the file that no mapping names, as text; nothing where it cannot be shown as one.
fn own_texts(batch: &RecordBatch, column: &'static str) -> Result<Cells<String>> {
    let nothing = || Ok(vec![None; batch.num_rows()]);
    let Some(stored) = batch.column_by_name(column) else { return nothing() };
    let Ok(texts) = arrow::compute::cast(stored, &arrow::datatypes::DataType::Utf8) else { return nothing() };
    let texts = arrow::array::AsArray::as_string::<i32>(&texts);
    Ok(texts.iter().map(|text| text.map(str::to_string)).collect())
}

/// The folder is the figures' own day, or the mapping has to say which column is.
fn check_own_days(file: &File, batch: &RecordBatch, day: Day) -> Result<()> {
    for column in &file.own_days {
        let texts = own_texts(batch, column)?;
        let days = texts.iter().flatten().filter_map(|text| text.get(..10)?.parse::<Day>().ok());
        if let Some(other) = days.into_iter().find(|other| *other != day) {
            return Err(Error::data(format!("{column} is {other} in the folder of {day}: folders are the figures' own days"))
                .with("column", column)
                .mend(format!("say which column has the figures' day, in [insights.columns]: date = {column:?}")));
        }
    }
    Ok(())
}
