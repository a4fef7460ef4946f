//! Landed rows, read strictly: one partition of the insights table.
//!
//! In: a partition `date=YYYY-MM-DD` by the figure's own day, one row per (account, ad), in the contract's columns. Out: rows sorted by
//! account and ad. Money is exact: whole millionths of the currency's major unit, never through a float, never rounded. A partition
//! that breaks the contract is refused as a whole, with an error that names what is wrong.

use std::collections::HashSet;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Decimal128Type, Int64Type};
use serde::{Deserialize, Serialize};

use crate::base::error::{Error, Result};
use crate::base::limits::LARGEST_COUNT;
use crate::base::money::{decimal_text, inexact, parse_money, rescale};
use crate::lake::Lake;
use crate::lake::layout::Partition;

/// A row of the insights table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InsightRow {
    /// The account's id, with the `act_` prefix.
    pub account: String,
    pub ad: String,
    pub currency: String,
    pub figures: MetaFigures,
    pub names: AdNames,
}

/// Meta's figures of one ad on one day. None: not reported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MetaFigures {
    /// Millionths of the currency's major unit.
    pub spend: i64,
    pub impressions: Option<i64>,
    pub reach: Option<i64>,
    pub clicks: Option<i64>,
    pub inline_link_clicks: Option<i64>,
    pub meta_conversations: Option<i64>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdNames {
    pub ad_name: Option<String>,
    pub adset_id: Option<String>,
    pub adset_name: Option<String>,
    pub campaign_id: Option<String>,
    pub campaign_name: Option<String>,
}

/// The columns that are read: those that must be there, the counts and the names.
const REQUIRED: [&str; 4] = ["account_id", "ad_id", "currency", "spend"];
const COUNTS: [&str; 5] = ["impressions", "reach", "clicks", "inline_link_clicks", "messaging_conversations_started"];
const NAMES: [&str; 5] = ["ad_name", "adset_id", "adset_name", "campaign_id", "campaign_name"];

/// Reads a partition: every row checked, no key twice.
pub fn read_partition(lake: &Lake, partition: &Partition) -> Result<Vec<InsightRow>> {
    let mut rows = Vec::new();
    let mut keys = HashSet::new();
    for object in &partition.objects {
        let read = lake.read_rows(object, &REQUIRED, &[COUNTS, NAMES].concat(), |batch| {
            for row in rows_of(&batch)? {
                if !keys.insert((row.account.clone(), row.ad.clone())) {
                    return Err(Error::data("two rows for one account, ad and day")
                        .with("account", &row.account)
                        .with("ad", &row.ad)
                        .mend("keep one of them: figures are neither added nor chosen"));
                }
                rows.push(row);
            }
            Ok(())
        });
        read.map_err(|error| error.with("table", "insights").with("day", partition.day))?;
    }
    rows.sort_unstable_by(|a, b| (&a.account, &a.ad).cmp(&(&b.account, &b.ad)));
    Ok(rows)
}

fn rows_of(batch: &RecordBatch) -> Result<Vec<InsightRow>> {
    let (accounts, ads, currencies) = (required(batch, "account_id")?, required(batch, "ad_id")?, required(batch, "currency")?);
    let spend = spend(batch)?;
    let counts: Vec<CountColumn> = COUNTS.into_iter().map(|name| counts_of(batch, name)).collect::<Result<_>>()?;
    let names: Vec<Option<StringArray>> = NAMES.into_iter().map(|name| optional_text(batch, name)).collect::<Result<_>>()?;
    let filled = |array: &StringArray, row: usize| {
        array.is_valid(row).then(|| array.value(row)).filter(|text| !text.trim().is_empty()).map(str::to_string)
    };
    let mut rows = Vec::with_capacity(batch.num_rows());
    for row in 0..batch.num_rows() {
        let key = |array: &StringArray, column: &'static str| {
            filled(array, row).ok_or_else(|| {
                Error::data(format!("{column} is blank")).with("column", column).mend("fill it, or remove the row")
            })
        };
        let account = key(&accounts, "account_id")?;
        let account = format!("act_{}", account.strip_prefix("act_").unwrap_or(&account));
        let ad = key(&ads, "ad_id")?;
        let here = |error: Error| error.with("account", &account).with("ad", &ad);
        let count = |i: usize| counts[i](row).map_err(here);
        let name = |i: usize| names[i].as_ref().and_then(|array| filled(array, row));
        rows.push(InsightRow {
            currency: key(&currencies, "currency").map_err(here)?,
            figures: MetaFigures {
                spend: spend(row).map_err(here)?,
                impressions: count(0)?,
                reach: count(1)?,
                clicks: count(2)?,
                inline_link_clicks: count(3)?,
                meta_conversations: count(4)?,
            },
            names: AdNames {
                ad_name: name(0),
                adset_id: name(1),
                adset_name: name(2),
                campaign_id: name(3),
                campaign_name: name(4),
            },
            account,
            ad,
        });
    }
    Ok(rows)
}

fn cast(array: &ArrayRef, kind: &DataType) -> Result<ArrayRef> {
    arrow::compute::cast(array, kind).map_err(|error| Error::bug("a checked column cannot be cast").source(error))
}

fn is_text(kind: &DataType) -> bool {
    match kind {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, value) => is_text(value),
        _ => false,
    }
}

fn column<'b>(batch: &'b RecordBatch, name: &'static str) -> Result<&'b ArrayRef> {
    batch.column_by_name(name).ok_or_else(|| Error::bug(format!("column {name} was not read")))
}

fn required(batch: &RecordBatch, name: &'static str) -> Result<StringArray> {
    text(column(batch, name)?, name)
}

fn optional_text(batch: &RecordBatch, name: &'static str) -> Result<Option<StringArray>> {
    batch.column_by_name(name).map(|array| text(array, name)).transpose()
}

fn text(array: &ArrayRef, name: &'static str) -> Result<StringArray> {
    if !is_text(array.data_type()) && array.data_type() != &DataType::Null {
        return Err(Error::data(format!("{name} is {}, a text is needed", array.data_type()))
            .with("column", name)
            .mend("cast it to text: ids are texts, and a number type may have changed them"));
    }
    Ok(cast(array, &DataType::Utf8)?.as_string::<i32>().clone())
}

type AmountColumn = Box<dyn Fn(usize) -> Result<i64>>;
type CountColumn = Box<dyn Fn(usize) -> Result<Option<i64>>>;

fn spend(batch: &RecordBatch) -> Result<AmountColumn> {
    let array = column(batch, "spend")?;
    let missing =
        || Error::data("spend is null").with("column", "spend").mend("fill it, or remove the row: a day without a row is 0");
    match array.data_type() {
        DataType::Decimal32(_, scale) | DataType::Decimal64(_, scale) | DataType::Decimal128(_, scale) => {
            let scale = *scale;
            let wide = cast(array, &DataType::Decimal128(38, scale))?;
            Ok(Box::new(move |row| {
                let values = wide.as_primitive::<Decimal128Type>();
                if values.is_null(row) {
                    return Err(missing());
                }
                rescale(values.value(row), scale).ok_or_else(|| inexact(&decimal_text(values.value(row), scale)))
            }))
        }
        kind if is_text(kind) => {
            let texts = text(array, "spend")?;
            Ok(Box::new(move |row| {
                if texts.is_null(row) || texts.value(row).trim().is_empty() {
                    return Err(missing());
                }
                parse_money(texts.value(row))
            }))
        }
        kind => {
            let error =
                Error::data(format!("spend is {kind}, a decimal or the text Meta sends is needed")).with("column", "spend");
            Err(error
                .mend("write it as decimal(18,6), for example CAST(spend AS DECIMAL(18,6)): money never goes through a float"))
        }
    }
}

fn counts_of(batch: &RecordBatch, name: &'static str) -> Result<CountColumn> {
    let Some(array) = batch.column_by_name(name) else { return Ok(Box::new(|_| Ok(None))) };
    match array.data_type() {
        DataType::Null => Ok(Box::new(|_| Ok(None))),
        kind if kind.is_integer() => {
            let (array, wide) = (array.clone(), cast(array, &DataType::Int64)?);
            Ok(Box::new(move |row| {
                let values = wide.as_primitive::<Int64Type>();
                let is_count = values.is_valid(row) && (0..=LARGEST_COUNT).contains(&values.value(row));
                match array.is_valid(row) {
                    false => Ok(None),
                    true if is_count => Ok(Some(values.value(row))),
                    true => {
                        let text = cast(&array.slice(row, 1), &DataType::Utf8)?;
                        Err(no_count(name, text.as_string::<i32>().value(0)))
                    }
                }
            }))
        }
        kind if is_text(kind) => {
            let texts = text(array, name)?;
            Ok(Box::new(move |row| match texts.is_valid(row).then(|| texts.value(row).trim()) {
                None | Some("") => Ok(None),
                Some(text) => parse_count(text).map(Some).ok_or_else(|| no_count(name, text)),
            }))
        }
        kind => Err(Error::data(format!("{name} is {kind}, an integer or a text of digits is needed")).with("column", name)),
    }
}

/// The count that a text of digits says; none where it is no count, or too large.
pub(super) fn parse_count(text: &str) -> Option<i64> {
    let is_count = text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|count| is_count && (0..=LARGEST_COUNT).contains(count))
}

fn no_count(name: &'static str, text: &str) -> Error {
    let (wrong, mend) = if text.bytes().all(|b| b.is_ascii_digit()) {
        (format!("{name} {text} is more than {LARGEST_COUNT}"), "look at the loader: no ad has so many in a day")
    } else {
        (format!("{name} {text:?} is not a count"), "write a whole number, or leave it NULL")
    };
    Error::data(wrong).with("column", name).mend(mend)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Int32Array, Int64Array, UInt64Array};

    use super::*;

    #[test]
    fn a_count_is_bounded_in_every_form() {
        let of = |array: ArrayRef| -> Vec<String> {
            let rows = array.len();
            let batch = RecordBatch::try_from_iter([("clicks", array)]).unwrap();
            let counts = counts_of(&batch, "clicks").unwrap();
            (0..rows).map(|row| counts(row).map_or_else(|error| error.to_string(), |count| format!("{count:?}"))).collect()
        };
        let (most, more, most_of_i64) = (LARGEST_COUNT, LARGEST_COUNT + 1, i64::MAX);
        let too_many = |count: &dyn std::fmt::Display| {
            format!("clicks {count} is more than {most} (column clicks); look at the loader: no ad has so many in a day")
        };
        let negative = "clicks \"-1\" is not a count (column clicks); write a whole number, or leave it NULL".to_string();
        let known = [format!("{:?}", Some(most)), "None".to_string()];
        let integers = Int64Array::from(vec![Some(most), None, Some(more), Some(most_of_i64), Some(-1)]);
        let expected = [&known[..], &[too_many(&more), too_many(&most_of_i64), negative.clone()]].concat();
        assert_eq!(of(Arc::new(integers)), expected);
        let texts: Vec<Option<String>> = vec![
            Some(most.to_string()),
            Some(" ".into()),
            Some(more.to_string()),
            Some(most_of_i64.to_string()),
            Some("-1".into()),
        ];
        assert_eq!(of(Arc::new(StringArray::from(texts))), expected);
        assert_eq!(of(Arc::new(UInt64Array::from(vec![u64::MAX]))), [too_many(&u64::MAX)]);
        let beyond = "9".repeat(40);
        assert_eq!(of(Arc::new(StringArray::from(vec![beyond.as_str()]))), [too_many(&beyond)]);
        assert_eq!(of(Arc::new(Int32Array::from(vec![Some(0), Some(-1)]))), ["Some(0)".to_string(), negative]);
    }
}
