//! The columns of landed figures, read exactly: ids, texts, amounts, counts and days, in every type that holds them exactly.
//!
//! In: a file's batch through the pipeline's mapping. Out: a value per row, none where the cell is empty. What a type cannot hold
//! exactly is refused with the line that mends it.

use std::str::FromStr;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float32Type, Float64Type};

use crate::base::bound::Bound;
use crate::base::day::Day;
use crate::base::error::{Error, Result};
use crate::base::ids::{NoId, no_id};
use crate::base::limits::LARGEST_COUNT;
use crate::base::mapping::ColumnSource;
use crate::base::mends;
use crate::base::money::parse_money;
use crate::base::types::{self, Exact, is_binary, is_decimal, is_empty, is_text};

/// A value per row.
pub(super) type Cells<T> = Vec<Option<T>>;

/// The columns of one batch.
pub(super) struct Columns<'b> {
    pub bound: &'b Bound,
    pub batch: &'b RecordBatch,
}

impl Columns<'_> {
    /// What the first place that has something says, row by row; `read` turns a place's values into texts.
    fn first<T>(&self, name: &'static str, read: impl Fn(&ColumnSource, &ArrayRef) -> Result<Cells<T>>) -> Result<Cells<T>> {
        let mut found: Cells<T> = Vec::new();
        found.resize_with(self.batch.num_rows(), || None);
        for (source, stored) in self.bound.stored(name, self.batch)? {
            if is_empty(&stored) {
                continue;
            }
            for (cell, next) in found.iter_mut().zip(read(source, &stored)?) {
                if cell.is_none() {
                    *cell = next;
                }
            }
        }
        Ok(found)
    }

    /// Texts as they came; blank ones are none.
    pub(super) fn texts(&self, name: &'static str) -> Result<Cells<String>> {
        self.first(name, |source, stored| exact_texts(name, source, stored, self.bound.null_words()))
    }

    /// Ids, trimmed.
    pub(super) fn ids(&self, name: &'static str) -> Result<Cells<String>> {
        let ids = self.texts(name)?;
        ids.into_iter().map(|id| id.map(|id| checked_id(name, id.trim())).transpose()).collect()
    }

    /// Amounts in millionths, each with its error where it is none.
    pub(super) fn amounts(&self, name: &'static str) -> Result<Cells<Result<i64>>> {
        let texts = self.first(name, |source, stored| amount_texts(name, source, stored))?;
        Ok(texts.into_iter().map(|text| text.map(|text| parse_money(&text))).collect())
    }

    /// Counts, each with its error where it is none.
    pub(super) fn counts(&self, name: &'static str) -> Result<Cells<Result<i64>>> {
        let texts = self.first(name, |_, stored| count_texts(name, stored))?;
        let count = |text: String| parse_count(text.trim()).ok_or_else(|| no_count(name, text.trim()));
        Ok(texts.into_iter().map(|text| text.map(count)).collect())
    }

    /// Days, each with its error where it is none.
    pub(super) fn days(&self, name: &'static str) -> Result<Cells<Result<Day>>> {
        let texts = self.first(name, |source, stored| day_texts(name, source, stored))?;
        Ok(texts.into_iter().map(|text| text.map(|text| parse_day(name, &text))).collect())
    }
}

fn as_text(array: &ArrayRef) -> Result<StringArray> {
    let text = cast(array, &DataType::Utf8).map_err(|error| Error::bug("a checked column cannot be cast").source(error))?;
    Ok(text.as_string::<i32>().clone())
}

/// Texts that are not blank.
fn filled(texts: &StringArray) -> Cells<String> {
    texts.iter().map(|text| text.filter(|text| !text.trim().is_empty()).map(str::to_string)).collect()
}

/// A column of any type that holds a text or an id exactly, as text.
fn exact_texts(name: &'static str, source: &ColumnSource, stored: &ArrayRef, null_words: &[String]) -> Result<Cells<String>> {
    let texts = types::texts(stored, Exact::Plain).map_err(|inexact| {
        let mend = mends::of_values("insights", (name, source), stored, null_words);
        inexact.error_with(name, &source.to_string(), mend).with("column", &source.column)
    })?;
    Ok(filled(&texts))
}

/// Amounts and counts as texts; none where the type is another.
fn number_texts(stored: &ArrayRef) -> Option<Cells<String>> {
    let kind = stored.data_type();
    let is_number = is_decimal(kind) || is_text(kind) || is_binary(kind) || kind.is_integer();
    let texts = is_number.then(|| types::texts(stored, Exact::Plain).ok()).flatten()?;
    Some(filled(&texts))
}

fn checked_id(name: &'static str, id: &str) -> Result<String> {
    let error = |mend: String| Err(Error::data(format!("{name} {id:?} is no id")).with("column", name).mend(mend));
    match no_id(id) {
        None => Ok(id.to_string()),
        Some(NoId::Float | NoId::Compound) => {
            error("land ids as text or whole numbers: a float cannot hold them exactly".to_string())
        }
        Some(NoId::WordForNothing) => {
            error(format!("an insights row needs an id: remove the row, or fill it; {id:?} stands for nothing"))
        }
    }
}

/// A float as the shortest decimal text that gives it back.
fn float_texts(stored: &ArrayRef) -> Option<Cells<String>> {
    match stored.data_type() {
        DataType::Float64 => {
            Some(stored.as_primitive::<Float64Type>().iter().map(|value| value.map(|value| value.to_string())).collect())
        }
        DataType::Float32 => {
            Some(stored.as_primitive::<Float32Type>().iter().map(|value| value.map(|value| value.to_string())).collect())
        }
        _ => None,
    }
}

fn amount_texts(name: &'static str, source: &ColumnSource, stored: &ArrayRef) -> Result<Cells<String>> {
    let kind = stored.data_type();
    if let Some(texts) = number_texts(stored) {
        return Ok(texts);
    }
    let error =
        Error::data(format!("{name} is {kind}, a decimal or the text Meta sends is needed")).with("column", &source.column);
    match float_texts(stored) {
        Some(texts) if source.float => Ok(texts),
        Some(_) => Err(error.mend(format!(
            "write it as decimal(18,6), for example CAST({column} AS DECIMAL(18,6)): money never goes through a float; or take its \
             shortest decimal text, in [insights.columns]: {name} = {{ column = {column:?}, float = true }}",
            column = source.column
        ))),
        None => Err(error.mend(format!("write it as decimal(18,6), for example CAST({} AS DECIMAL(18,6))", source.column))),
    }
}

fn count_texts(name: &'static str, stored: &ArrayRef) -> Result<Cells<String>> {
    let kind = stored.data_type();
    if let Some(texts) = number_texts(stored) {
        return Ok(texts);
    }
    float_texts(stored).ok_or_else(|| {
        Error::data(format!("{name} is {kind}, a whole number or a text of digits is needed"))
            .with("column", name)
            .mend("write it as an integer, or leave the column out")
    })
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

fn day_texts(name: &'static str, source: &ColumnSource, stored: &ArrayRef) -> Result<Cells<String>> {
    let kind = stored.data_type();
    if is_binary(kind) {
        return exact_texts(name, source, stored, &[]);
    }
    if is_text(kind) || matches!(kind, DataType::Date32 | DataType::Date64 | DataType::Timestamp(..)) {
        return Ok(filled(&as_text(stored)?));
    }
    Err(Error::data(format!("{name} is {kind}, a date or its text is needed"))
        .with("column", name)
        .mend("write it as a date, or as text such as 2026-03-01"))
}

/// A day, perhaps with its midnight behind it.
fn parse_day(name: &'static str, text: &str) -> Result<Day> {
    let trimmed = text.trim();
    let (date, rest) = trimmed.split_at_checked(10).unwrap_or((trimmed, ""));
    let is_midnight = rest.bytes().all(|b| matches!(b, b'0' | b':' | b'.' | b'T' | b' ' | b'Z' | b'+'));
    Day::from_str(date).ok().filter(|_| is_midnight).ok_or_else(|| {
        Error::data(format!("{name} {text:?} is no day"))
            .with("column", name)
            .mend("write it as a date, or as text such as 2026-03-01")
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Decimal128Array, Float64Array, Int32Array, Int64Array, LargeStringArray, UInt64Array};
    use arrow::datatypes::Schema;

    use super::*;
    use crate::base::mapping::TableMapping;
    use crate::base::schema::INSIGHTS;

    /// What is read of a column whose cells are these, beside the columns that must be there.
    fn read<T: std::fmt::Debug>(
        name: &'static str,
        array: ArrayRef,
        float: bool,
        read: impl Fn(&Columns<'_>) -> Result<Cells<T>>,
    ) -> Result<Cells<T>> {
        let text = || Arc::new(StringArray::from(vec!["1"; array.len()])) as ArrayRef;
        let names = ["account_id", "ad_id", "currency", "spend"].into_iter().filter(|other| *other != name);
        let batch = RecordBatch::try_from_iter(names.map(|name| (name, text())).chain([(name, array.clone())])).unwrap();
        let mut mapping = TableMapping::identity(&INSIGHTS);
        mapping.columns.iter_mut().flat_map(|column| &mut column.sources).for_each(|source| source.float = float);
        let bound = mapping.bind(&Schema::clone(&batch.schema()), "").unwrap();
        read(&Columns { bound: &bound, batch: &batch })
    }

    fn shown<T: std::fmt::Debug>(cells: Cells<Result<T>>) -> Vec<String> {
        let one = |cell: Option<Result<T>>| match cell {
            None => "None".to_string(),
            Some(Ok(value)) => format!("Some({value:?})"),
            Some(Err(error)) => error.to_string(),
        };
        cells.into_iter().map(one).collect()
    }

    #[test]
    fn a_count_is_bounded_in_every_form() {
        let of = |array: ArrayRef| shown(read("clicks", array, false, |columns| columns.counts("clicks")).unwrap());
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

    #[test]
    fn a_whole_count_is_exact_in_a_double_and_in_a_decimal() {
        let of = |array: ArrayRef| shown(read("clicks", array, false, |columns| columns.counts("clicks")).unwrap());
        let doubles = of(Arc::new(Float64Array::from(vec![Some(7.0), None, Some(1e12), Some(0.5), Some(-1.0), Some(1e13)])));
        assert_eq!(doubles[..3], ["Some(7)", "None", "Some(1000000000000)"]);
        assert!(doubles[3].starts_with("clicks \"0.5\" is not a count"), "{doubles:?}");
        assert!(doubles[4].starts_with("clicks \"-1\" is not a count"), "{doubles:?}");
        assert!(doubles[5].starts_with("clicks 10000000000000 is more than"), "{doubles:?}");
        let decimals = Decimal128Array::from(vec![700, 750]).with_precision_and_scale(18, 2).unwrap();
        let decimals = of(Arc::new(decimals));
        assert_eq!(decimals[0], "Some(7)");
        assert!(decimals[1].starts_with("clicks \"7.50\" is not a count"), "{decimals:?}");
    }

    #[test]
    fn an_id_is_taken_from_every_exact_type_and_from_no_other() {
        let of = |array: ArrayRef| read("ad_id", array, false, |columns| columns.ids("ad_id"));
        let long = "120226305854810726".to_string();
        assert_eq!(of(Arc::new(Int64Array::from(vec![120_226_305_854_810_726]))).unwrap(), [Some(long.clone())]);
        assert_eq!(of(Arc::new(LargeStringArray::from(vec![" 120226305854810726\u{a0}"]))).unwrap(), [Some(long.clone())]);
        let decimal = Decimal128Array::from(vec![120_226_305_854_810_726]).with_precision_and_scale(20, 0).unwrap();
        assert_eq!(of(Arc::new(decimal)).unwrap(), [Some(long)]);
        assert!(of(Arc::new(Float64Array::from(vec![7.0]))).is_err());
        for text in ["1.2E+17", "726.0", "nan", "NULL", "\\N"] {
            assert!(of(Arc::new(StringArray::from(vec![text]))).is_err(), "{text}");
        }
        assert_eq!(of(Arc::new(Float64Array::from(vec![None]))).unwrap(), [None], "all NULL, of whatever type");
    }

    #[test]
    fn an_amount_is_exact_and_a_float_only_where_it_is_asked_for() {
        let of = |array: ArrayRef, float| read("spend", array, float, |columns| columns.amounts("spend")).map(shown);
        let wide = Decimal128Array::from(vec![105_000_000_000]).with_precision_and_scale(38, 10).unwrap();
        assert_eq!(of(Arc::new(wide), false).unwrap(), ["Some(10500000)"]);
        assert_eq!(of(Arc::new(Int64Array::from(vec![12])), false).unwrap(), ["Some(12000000)"]);
        let error = of(Arc::new(Float64Array::from(vec![0.1])), false).unwrap_err().to_string();
        assert!(error.contains("CAST(spend AS DECIMAL(18,6))") && error.contains("float = true"), "{error}");
        assert_eq!(of(Arc::new(Float64Array::from(vec![0.1, 53.22])), true).unwrap(), ["Some(100000)", "Some(53220000)"]);
        assert!(
            of(Arc::new(Float64Array::from(vec![Some("NaN".parse().unwrap())])), true).unwrap()[0].contains("is not an amount")
        );
    }

    #[test]
    fn a_day_may_have_its_midnight_behind_it() {
        let day = |text: &str| parse_day("date", text).ok();
        let known = Day::from_str("2026-03-01").ok();
        for text in ["2026-03-01", " 2026-03-01 ", "2026-03-01T00:00:00", "2026-03-01 00:00:00+00:00", "2026-03-01T00:00:00.000Z"]
        {
            assert_eq!(day(text), known, "{text}");
        }
        for text in ["2026-03-01T12:00:00", "2026-03", "soon", "2026-13-01"] {
            assert_eq!(day(text), None, "{text}");
        }
    }
}
