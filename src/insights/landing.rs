//! Fetched rows as the tables they are kept in: a day's figures of an account, and reach. Pure.
//!
//! Figures are landed in the input columns that any loader would write, so that what reads them need not know who fetched them.
//! Rows are sorted by the tables' keys; the same rows give the same bytes and the same fingerprint.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Date32Array, Decimal128Array, Int64Array, RecordBatch};
use arrow::datatypes::{Date32Type, Decimal128Type, Int64Type};

use crate::base::day::Day;
use crate::base::dictionary::column;
use crate::base::digest::Digest;
use crate::base::error::{Error, Result};
use crate::base::money::rounded_millionths;
use crate::base::schema;
use crate::insights::row::InsightRow;
use crate::insights::rows::ReachRow;

/// A row of `reach`, in the order of its key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ReachTableRow {
    pub account: String,
    pub ad: String,
    pub since: Day,
    pub until: Day,
    pub reach: Option<i64>,
    pub impressions: Option<i64>,
    /// Millionths.
    pub frequency: Option<i64>,
}

impl ReachTableRow {
    pub(crate) fn of(row: ReachRow) -> Result<ReachTableRow> {
        let frequency = row.frequency.as_deref().map(|text| {
            rounded_millionths(text).ok_or_else(|| {
                Error::data(format!("Meta sent {text} as frequency, which is too large"))
                    .with("account", &row.account)
                    .with("ad", &row.ad)
            })
        });
        Ok(ReachTableRow {
            frequency: frequency.transpose()?,
            account: row.account,
            ad: row.ad,
            since: row.days.first,
            until: row.days.last,
            reach: row.reach,
            impressions: row.impressions,
        })
    }
}

/// The fingerprint of rows, which are sorted by ad.
pub(crate) fn fingerprint(rows: &[InsightRow]) -> Digest {
    let row = |row: &InsightRow| {
        let (names, figures) = (&row.names, &row.figures);
        let counts = [figures.impressions, figures.reach, figures.clicks, figures.inline_link_clicks, figures.meta_conversations];
        let all_names = [&names.ad_name, &names.adset_id, &names.adset_name, &names.campaign_id, &names.campaign_name];
        let key_and_spend = [row.account.clone(), row.ad.clone(), row.currency.clone(), figures.spend.to_string()];
        let numbers = counts.map(|count| count.map(|count| count.to_string()));
        let parts: Vec<Option<String>> =
            key_and_spend.into_iter().map(Some).chain(numbers).chain(all_names.map(Clone::clone)).collect();
        Digest::of(parts.iter().map(Option::as_deref)).to_string()
    };
    Digest::of_texts(rows.iter().map(row))
}

/// The landed table of one account and day, of rows sorted by ad.
pub(crate) fn insights_table(rows: &[InsightRow]) -> Result<RecordBatch> {
    let text = |value: &dyn Fn(&InsightRow) -> Option<&String>| {
        Arc::new(column(rows.iter().map(|row| value(row).map(String::as_str)))) as ArrayRef
    };
    let count = |value: &dyn Fn(&InsightRow) -> Option<i64>| Arc::new(rows.iter().map(value).collect::<Int64Array>()) as ArrayRef;
    let columns = vec![
        text(&|row| Some(&row.account)),
        text(&|row| Some(&row.ad)),
        text(&|row| Some(&row.currency)),
        money(rows.iter().map(|row| Some(row.figures.spend)))?,
        count(&|row| row.figures.impressions),
        count(&|row| row.figures.reach),
        count(&|row| row.figures.clicks),
        count(&|row| row.figures.inline_link_clicks),
        count(&|row| row.figures.meta_conversations),
        text(&|row| row.names.ad_name.as_ref()),
        text(&|row| row.names.adset_id.as_ref()),
        text(&|row| row.names.adset_name.as_ref()),
        text(&|row| row.names.campaign_id.as_ref()),
        text(&|row| row.names.campaign_name.as_ref()),
    ];
    schema::insights().batch(columns)
}

fn money(values: impl Iterator<Item = Option<i64>>) -> Result<ArrayRef> {
    let bare: Decimal128Array = values.map(|value| value.map(i128::from)).collect();
    let amounts = bare.with_precision_and_scale(schema::MONEY_PRECISION, schema::MONEY_SCALE);
    Ok(Arc::new(amounts.map_err(|error| Error::bug("an amount does not fit its type").source(error))?))
}

/// Rows of the table `reach`, in the order of its key.
pub(crate) fn reach_table(rows: &[ReachTableRow]) -> Result<RecordBatch> {
    let text = |value: &dyn Fn(&ReachTableRow) -> &str| Arc::new(column(rows.iter().map(|row| Some(value(row))))) as ArrayRef;
    let day = |value: &dyn Fn(&ReachTableRow) -> Day| {
        Arc::new(rows.iter().map(|row| Some(value(row).0)).collect::<Date32Array>()) as ArrayRef
    };
    let count =
        |value: &dyn Fn(&ReachTableRow) -> Option<i64>| Arc::new(rows.iter().map(value).collect::<Int64Array>()) as ArrayRef;
    let columns = vec![
        text(&|row| &row.account),
        text(&|row| &row.ad),
        day(&|row| row.since),
        day(&|row| row.until),
        count(&|row| row.reach),
        count(&|row| row.impressions),
        money(rows.iter().map(|row| row.frequency))?,
    ];
    schema::reach().batch(columns)
}

/// The rows of a published object of `reach`; none where it is not ours.
pub(crate) fn reach_rows(batch: &RecordBatch) -> Option<Vec<ReachTableRow>> {
    if batch.schema() != schema::reach().schema {
        return None;
    }
    let text = |column: usize, row: usize| batch.column(column).as_string::<i32>().value(row).to_string();
    let day = |column: usize, row: usize| Day(batch.column(column).as_primitive::<Date32Type>().value(row));
    let count = |column: usize, row: usize| {
        let column = batch.column(column).as_primitive::<Int64Type>();
        column.is_valid(row).then(|| column.value(row))
    };
    let frequency = batch.column(6).as_primitive::<Decimal128Type>();
    let row = |row: usize| ReachTableRow {
        account: text(0, row),
        ad: text(1, row),
        since: day(2, row),
        until: day(3, row),
        reach: count(4, row),
        impressions: count(5, row),
        frequency: frequency.is_valid(row).then(|| frequency.value(row) as i64),
    };
    Some((0..batch.num_rows()).map(row).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::insights::row::{AdNames, MetaFigures};

    #[test]
    fn reach_reads_back_as_it_was_written() {
        let row = ReachTableRow {
            account: "act_1".into(),
            ad: "9".into(),
            since: Day(1),
            until: Day(7),
            reach: Some(3),
            impressions: None,
            frequency: Some(1_500_000),
        };
        let rows = vec![row.clone(), ReachTableRow { ad: "10".into(), frequency: None, reach: None, ..row }];
        assert_eq!(reach_rows(&reach_table(&rows).unwrap()).unwrap(), rows);
        assert_eq!(reach_rows(&insights_table(&[]).unwrap()), None);
    }

    #[test]
    fn a_fingerprint_sees_every_column() {
        let row = InsightRow {
            account: "act_1".into(),
            ad: "9".into(),
            currency: "BRL".into(),
            figures: MetaFigures { spend: 1, impressions: Some(0), ..MetaFigures::default() },
            names: AdNames::default(),
        };
        let names = AdNames { ad_name: Some("0".into()), ..AdNames::default() };
        let others = [
            InsightRow { currency: "MXN".into(), ..row.clone() },
            InsightRow { figures: MetaFigures { impressions: None, ..row.figures }, ..row.clone() },
            InsightRow { figures: MetaFigures { impressions: None, reach: Some(0), ..row.figures }, ..row.clone() },
            InsightRow { names, ..row.clone() },
        ];
        for other in others {
            assert_ne!(fingerprint(std::slice::from_ref(&row)), fingerprint(std::slice::from_ref(&other)), "{other:?}");
        }
        assert_ne!(fingerprint(&[]), fingerprint(&[row]));
    }
}
