//! The report as Parquet: the columns of CSV with their types, one row group, rows in the report's order.
//!
//! Ids and texts are strings, days date32, instants timestamps in UTC, counts int64, spend, costs and rates decimal(18,6). NULL is
//! NULL.

use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Array, Decimal128Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Schema};

use crate::base::error::{Error, Result};
use crate::base::schema::{MONEY_PRECISION, MONEY_SCALE, instant, money};
use crate::lake::encode;

use super::sheet::{CellKind, Sheet, Value};

pub(super) fn render(sheet: &Sheet<'_>) -> Result<Vec<u8>> {
    let mut fields = Vec::new();
    let mut arrays: Vec<ArrayRef> = Vec::new();
    for (place, (name, kind)) in sheet.columns.iter().enumerate() {
        let cells = || sheet.rows.iter().map(|row| &row[place]);
        let (data_type, array): (DataType, ArrayRef) = match kind {
            CellKind::Day => {
                let days = cells().map(|cell| if let Value::Day(day) = cell { Some(day.0) } else { None });
                (DataType::Date32, Arc::new(days.collect::<Date32Array>()))
            }
            CellKind::Text => {
                let texts = cells().map(|cell| if let Value::Text(text) = cell { Some(*text) } else { None });
                (DataType::Utf8, Arc::new(texts.collect::<StringArray>()))
            }
            CellKind::Count => {
                let counts = cells().map(|cell| if let Value::Count(count) = cell { Some(*count) } else { None });
                (DataType::Int64, Arc::new(counts.collect::<Int64Array>()))
            }
            CellKind::Instant => {
                let micros = cells().map(|cell| if let Value::Instant { micros, .. } = cell { Some(*micros) } else { None });
                (instant(), Arc::new(micros.collect::<TimestampMicrosecondArray>().with_timezone("UTC")))
            }
            CellKind::Amount => {
                let amounts = cells().map(|cell| if let Value::Amount(amount) = cell { Some(amount.0) } else { None });
                (money(), Arc::new(decimals(name, amounts.collect())?))
            }
        };
        fields.push(Field::new(*name, data_type, true));
        arrays.push(array);
    }
    let schema = Arc::new(Schema::new(fields));
    let batch = RecordBatch::try_new(schema.clone(), arrays)
        .map_err(|error| Error::bug("the report's columns do not fit together").source(error))?;
    Ok(encode(&schema, &[batch])?.to_vec())
}

fn decimals(column: &str, millionths: Decimal128Array) -> Result<Decimal128Array> {
    let decimals = millionths
        .with_precision_and_scale(MONEY_PRECISION, MONEY_SCALE)
        .map_err(|error| Error::bug("an amount is not a decimal").source(error))?;
    decimals.validate_decimal_precision(MONEY_PRECISION).map_err(|error| {
        Error::data("an amount of the report has more digits than decimal(18,6) holds")
            .with("column", column)
            .source(error)
            .mend("ask for fewer days, or for CSV")
    })?;
    Ok(decimals)
}

#[cfg(test)]
mod tests {
    use arrow::array::{Array, AsArray};
    use arrow::datatypes::{Date32Type, Decimal128Type, Int64Type};

    use super::*;
    use crate::lake::decode;
    use crate::report::amount::Amount;
    use crate::report::model::{Grain, Report, ReportRow};
    use crate::report::sample;

    fn read_back(report: &Report) -> RecordBatch {
        let batches = decode(render(&report.sheet()).unwrap().into()).unwrap();
        let [batch] = batches.as_slice() else { panic!("{} batches", batches.len()) };
        batch.clone()
    }

    #[test]
    fn cells_come_back_in_their_types() {
        let batch = read_back(&sample::report(Grain::Day, vec![sample::row()]));
        let types: Vec<String> =
            batch.schema().fields().iter().map(|field| format!("{} {}", field.name(), field.data_type())).collect();
        assert_eq!(
            types,
            [
                "date Date32",
                "bot_id Utf8",
                "ad_id Utf8",
                "ad_title Utf8",
                "ad_type Utf8",
                "currency Utf8",
                "spend Decimal128(18, 6)",
                "reach Int64",
                "conversations Int64",
                "cost_per_conversation Decimal128(18, 6)",
                "conversions Int64",
                "cost_per_conversion Decimal128(18, 6)",
                "conversion_rate Decimal128(18, 6)",
                "reach_min Int64",
                "reach_max Int64",
                "spend_unknown_days Int64",
                "unconfigured_days Int64",
            ]
        );
        assert_eq!(batch.column(0).as_primitive::<Date32Type>().value(0), 20_513);
        assert_eq!(batch.column(2).as_string::<i32>().value(0), "120226305854810726");
        assert_eq!(batch.column(6).as_primitive::<Decimal128Type>().value(0), 12_500_000);
        assert!(batch.column(7).is_null(0) && batch.column(10).is_null(0) && batch.column(12).is_null(0));
        assert_eq!(batch.column(14).as_primitive::<Int64Type>().value(0), 30);
    }

    #[test]
    fn without_rows_every_column_keeps_its_type() {
        let report = sample::report(Grain::Range, Vec::new());
        let schema = decode(render(&report.sheet()).unwrap().into()).unwrap().first().map(RecordBatch::schema);
        // A file without rows has no batch, but a footer.
        assert!(schema.is_none_or(|schema| schema.fields().len() == 16));
        let (schema, rows) = crate::lake::read_footer_schema(&render(&report.sheet()).unwrap().into()).unwrap();
        assert_eq!((schema.fields().len(), rows, schema.field(0).name().as_str()), (16, 0, "bot_id"));
    }

    #[test]
    fn an_amount_that_does_not_fit_is_said() {
        let row = ReportRow { spend: Some(Amount(1_000_000_000_000_000_000)), ..sample::row() };
        let error = render(&sample::report(Grain::Range, vec![row]).sheet()).unwrap_err();
        assert!(error.to_string().contains("column spend"), "{error}");
    }
}
