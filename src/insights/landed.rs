//! Landed figures, read strictly: one day of the insights table.
//!
//! In: the files that have rows of a day, through the pipeline's mapping. The day is the folder's, or the column's that is mapped as
//! `date`. Out: one row per (account, ad), sorted. Money is exact: whole millionths of the currency's major unit, never through a
//! float unless the mapping asks for it, never rounded. A day that breaks the contract is refused as a whole, with an error that
//! names what is wrong and what would do.

use std::cell::OnceCell;

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;

use crate::base::bound::Bound;
use crate::base::day::Day;
use crate::base::error::{Error, Result};
use crate::base::ids::WORDS_FOR_NOTHING;
use crate::base::mapping::TableMapping;
use crate::base::object::Object;
use crate::base::times::Instant;
use crate::insights::columns::{Cells, Columns};
use crate::insights::index::MissingColumns;
use crate::insights::repeated::{BREAKDOWNS, LandedRow, may_be_load_time, once};
use crate::insights::row::{AdNames, InsightRow, MetaFigures};
use crate::lake::{Lake, Partition, ReadPlan};

/// The columns that say from which day on a figure is, as Meta names them in its answers and in its exports.
const FIRST_DAY: [&str; 2] = ["date_start", "reporting_starts"];

/// The columns that say until which day a figure reaches.
const LAST_DAY: [&str; 2] = ["date_stop", "reporting_ends"];

/// A column that says which day a figure is of, where loaders name it themselves.
const OWN_DAY: &str = "date";

/// Whether a column has a name of Meta's, as loaders write those: `dateStart`, `Date Start`, `DATE_START`.
fn is_named(column: &str, name: &str) -> bool {
    let letters = |text: &str| -> Vec<char> {
        text.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect()
    };
    letters(column) == letters(name)
}

/// What a partition holds.
pub struct LandedDay {
    pub rows: Vec<InsightRow>,
    /// How many more rows the files have: of an account and ad that another row stands for.
    pub repeated: u64,
    /// The optional columns that a file lacks.
    pub missing: MissingColumns,
}

/// Reads the rows of a day: every row checked, one for each key.
pub fn read_partition(lake: &Lake, mapping: &TableMapping, partition: &Partition) -> Result<LandedDay> {
    let (mut rows, mut load_times): (Vec<LandedRow>, Vec<String>) = (Vec::new(), Vec::new());
    let mut missing = MissingColumns::default();
    let here = |error: Error| error.with("table", "insights");
    for object in partition.to_read()? {
        let read = read_object(lake, mapping, object, |file, batch| {
            load_times.extend_from_slice(&file.load_times);
            file.bound.missing().iter().for_each(|column| missing.add(column));
            rows.extend(rows_of(file, &batch, partition.day)?);
            Ok(())
        });
        read.map_err(|error| here(error).with("day", partition.day))?;
    }
    let read = rows.len();
    let rows = once(partition.day, rows, &load_times).map_err(here)?;
    Ok(LandedDay { repeated: (read - rows.len()) as u64, rows, missing })
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
    own_days: Vec<String>,
    /// The columns that say from which day on, and until which day, a figure is.
    first_day: Option<String>,
    last_day: Option<String>,
    /// Columns that split a figure, each with its name in the file.
    breakdowns: Vec<(&'static str, String)>,
    load_times: Vec<String>,
}

impl File {
    fn new(mapping: &TableMapping, schema: &Schema, path: &str) -> Result<File> {
        let own = |column: &str| schema.fields().iter().map(|field| field.name()).find(|name| is_named(name, column));
        let is_day_mapped = mapping.is_mapped("date");
        let names = schema.fields().iter().map(|field| field.name());
        let first_day = FIRST_DAY.into_iter().find_map(own).cloned();
        let own_days = first_day.iter().chain(own(OWN_DAY)).filter(|_| !is_day_mapped).cloned().collect();
        Ok(File {
            bound: mapping.bind(schema, path)?,
            is_day_mapped,
            own_days,
            first_day,
            last_day: LAST_DAY.into_iter().find_map(own).cloned(),
            breakdowns: BREAKDOWNS.iter().filter_map(|column| Some((*column, own(column)?.clone()))).collect(),
            load_times: names.filter(|name| may_be_load_time(name)).cloned().collect(),
        })
    }

    fn plan(&self, mapping: &TableMapping) -> ReadPlan {
        let names: Vec<&str> = mapping.columns.iter().map(|column| column.spec.name).collect();
        let mut columns = self.bound.paths(&names);
        let spans = self.first_day.iter().chain(&self.last_day);
        let own = self.own_days.iter().chain(spans).chain(self.breakdowns.iter().map(|(_, name)| name));
        columns.extend(own.map(|column| (column.clone(), None)));
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
    lake.read_batches(
        object,
        |schema| {
            let file = File::new(mapping, schema, &object.path)?;
            let plan = file.plan(mapping);
            let _ = cell.set(file);
            Ok(plan)
        },
        |batch| match cell.get() {
            Some(file) => each(file, batch),
            None => Err(Error::bug("a batch came before its schema")),
        },
    )
}

fn blank(column: &'static str) -> Error {
    Error::data(format!("{column} is blank")).with("column", column).mend("fill it, or remove the row")
}

/// The rows of a batch that are of this day.
fn rows_of(file: &File, batch: &RecordBatch, day: Day) -> Result<Vec<LandedRow>> {
    let columns = Columns { bound: &file.bound, batch };
    let days = columns.days("date")?;
    check_spans(file, batch, day, &days)?;
    check_own_days(file, batch, day)?;
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
        let currency = key(&currencies, "currency").and_then(known_currency).map_err(here)?;
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

/// A currency, unless it is a word for nothing, in whatever case.
fn known_currency(currency: String) -> Result<String> {
    match WORDS_FOR_NOTHING.iter().any(|word| word.eq_ignore_ascii_case(currency.trim())) {
        true => Err(Error::data(format!("currency {currency:?} is no currency: it stands for nothing"))
            .with("column", "currency")
            .mend(
                "fill it in the loader; where all accounts have one currency, say which, in [insights.columns]: \
                 currency = { value = \"...\" }",
            )),
        false => Ok(currency),
    }
}

/// An account's id with the prefix, whatever the case of the one it has.
fn with_prefix(account: &str) -> String {
    let bare = account.get(..4).filter(|prefix| prefix.eq_ignore_ascii_case("act_")).map_or(account, |_| &account[4..]);
    format!("act_{bare}")
}

/// The values of the breakdown columns, as text.
fn breakdowns(file: &File, batch: &RecordBatch) -> Result<Vec<(&'static str, Cells<String>)>> {
    file.breakdowns.iter().map(|(column, name)| Ok((*column, own_texts(batch, name)?))).collect()
}

/// A column of the file that no mapping names, as text; nothing where it cannot be shown as one.
fn own_texts(batch: &RecordBatch, column: &str) -> Result<Cells<String>> {
    let nothing = || Ok(vec![None; batch.num_rows()]);
    let Some(stored) = batch.column_by_name(column) else { return nothing() };
    let Ok(texts) = arrow::compute::cast(stored, &arrow::datatypes::DataType::Utf8) else { return nothing() };
    let texts = arrow::array::AsArray::as_string::<i32>(&texts);
    Ok(texts.iter().map(|text| text.map(str::to_string)).collect())
}

/// The days that a column of the file says, where it says one.
fn own_days(batch: &RecordBatch, column: Option<&String>) -> Result<Vec<Option<Day>>> {
    let Some(column) = column else { return Ok(vec![None; batch.num_rows()]) };
    Ok(own_texts(batch, column)?.into_iter().map(|text| text?.trim().get(..10)?.parse().ok()).collect())
}

/// The folder is the figures' own day, or the mapping has to say which column is.
fn check_own_days(file: &File, batch: &RecordBatch, day: Day) -> Result<()> {
    for column in &file.own_days {
        let days = own_days(batch, Some(column))?;
        if let Some(other) = days.into_iter().flatten().find(|other| *other != day) {
            return Err(Error::data(format!("{column} is {other} in the folder of {day}: folders are the figures' own days"))
                .with("column", column)
                .mend(format!("say which column has the figures' day, in [insights.columns]: date = {column:?}")));
        }
    }
    Ok(())
}

/// A figure is of one day: it begins on the day on which it ends, which is not after the day that it is landed as. `day` is that of
/// the folder, and `mapped` are the days that rows have of their own.
fn check_spans(file: &File, batch: &RecordBatch, day: Day, mapped: &[Option<Result<Day>>]) -> Result<()> {
    let Some(column) = &file.last_day else { return Ok(()) };
    let several = |said: String| {
        Err(Error::data(format!("{said}: the figures are of several days"))
            .with("column", column)
            .mend("land one row for each ad and day: ask Meta with time_increment=1"))
    };
    let (starts, ends) = (own_days(batch, file.first_day.as_ref())?, own_days(batch, Some(column))?);
    for (row, (first, last)) in starts.into_iter().zip(ends).enumerate() {
        match (first, last, &mapped[row]) {
            (_, None, _) => {}
            (Some(first), Some(last), _) if first != last => {
                let name = file.first_day.as_deref().unwrap_or_default();
                return several(format!("{column} is {last} where {name} is {first}"));
            }
            (_, Some(last), Some(Ok(of))) if last > *of => {
                return several(format!("{column} is {last} in a row whose date is {of}"));
            }
            (_, Some(last), _) if !file.is_day_mapped && last > day => {
                return several(format!("{column} is {last} in the folder of {day}"));
            }
            _ => {}
        }
    }
    Ok(())
}
