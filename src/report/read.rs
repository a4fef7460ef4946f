//! The published tables, as rows in memory or added up.
//!
//! In: `ad_days` and `bot_days` of the range, `ads`, the `reach` of the range's last day where it was fetched, and, by
//! conversation day, `ad_conversions` as far after the range as a session can convert. Out: [`Published`], rows in the order of
//! days, then of the files; where days are only added up, a [`Tally`] instead of the rows of `ad_days`. Only the columns that
//! `columns` names are decoded, several days at once.

use std::collections::BTreeMap;

use crate::base::day::{Day, DayRange};
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::object::Object;
use crate::base::parallel::while_waiting;
use crate::config::Horizon;
use crate::lake::Lake;
use crate::lake::layout::ADS_OBJECT;

use super::columns::{AD, AD_CONVERSION, AD_DAY, AdDayColumns, BOT_DAY, IMPRESSIONS, META_CONVERSATIONS, REACH, StoredColumn};
use super::columns::{ad_conversions, ads, bot_days, reach};
use super::many_days::{each_batch, in_parts, rows};
use super::model::{By, Grain, ReportRequest};
use super::published::{Published, PublishedAd, PublishedAdDay};
use super::tally::Tally;

/// What is published, with the rows of `ad_days`.
pub(super) fn published(output: &Lake, request: &ReportRequest, horizon: Horizon) -> Result<Published> {
    with_ad_days(&[IMPRESSIONS], output, request, horizon)
}

/// What is published, with the conversations that Meta counts.
pub(super) fn published_for_reconciling(output: &Lake, request: &ReportRequest, horizon: Horizon) -> Result<Published> {
    with_ad_days(&[IMPRESSIONS, META_CONVERSATIONS], output, request, horizon)
}

/// What is published for a reader who may look at any part of the range, on either day of a conversion.
pub(super) fn published_day_by_day(output: &Lake, request: &ReportRequest, horizon: Horizon) -> Result<Published> {
    let days = request.days;
    let by_day = ReportRequest { by: By::ConversationDay, grain: Grain::Day, ..request.clone() };
    let mut found = published(output, &by_day, horizon)?;
    let objects: Vec<(Day, Object)> = within(output.published_days("reach")?, days).collect();
    found.reach = rows(output, &objects, &REACH, |batch, rows| reach(batch, |of| days.first <= of.first, rows))?;
    Ok(found)
}

fn with_ad_days(more: &[StoredColumn], output: &Lake, request: &ReportRequest, horizon: Horizon) -> Result<Published> {
    let columns = [&AD_DAY[..], more].concat();
    let (published, ad_days) = published_beside(output, request, horizon, |objects| {
        rows(output, objects, &columns, |batch, found: &mut Vec<PublishedAdDay>| {
            AdDayColumns::of(batch)?.add_rows(found);
            Ok(())
        })
    })?;
    Ok(Published { ad_days, ..published })
}

/// What is published, with the rows of `ad_days` added up instead of kept.
pub(super) fn tallied(output: &Lake, request: &ReportRequest, horizon: Horizon) -> Result<(Published, Tally)> {
    let impressions = (request.by == By::ConversationDay).then_some(IMPRESSIONS);
    let columns: Vec<StoredColumn> = AD_DAY.into_iter().chain(impressions).collect();
    published_beside(output, request, horizon, |objects| {
        let parts = in_parts(output, objects, |part| {
            let (first, last) = (part[0].0, part[part.len() - 1].0);
            let mut tally = Tally::empty(DayRange { first, last });
            each_batch(output, part, &columns, |batch| {
                AdDayColumns::of(batch)?.add_to(&mut tally);
                Ok(())
            })?;
            Ok(tally)
        })?;
        Ok(Tally::joined(request.days, parts))
    })
}

/// Everything but `ad_days`, of which `read` is given the objects. A day is published when its `bot_days`, written last, are there.
fn published_beside<T>(
    output: &Lake,
    request: &ReportRequest,
    horizon: Horizon,
    read: impl FnOnce(&[(Day, Object)]) -> Result<T>,
) -> Result<(Published, T)> {
    let days = request.days;
    let mut listings = while_waiting(&["ad_days", "bot_days"], |table| output.published_days(table));
    let (Some(bot_day_objects), Some(ad_day_objects)) = (listings.pop(), listings.pop()) else {
        return Err(Error::bug("two listings are not two"));
    };
    let (bot_day_objects, ad_day_objects) = (bot_day_objects?, ad_day_objects?);
    let of_range: Vec<(Day, Object)> =
        within(ad_day_objects, days).filter(|(day, _)| bot_day_objects.contains_key(day)).collect();
    let ad_days = read(&of_range)?;
    let mut published =
        Published { days: bot_day_objects.range(days.first..=days.last).map(|(day, _)| *day).collect(), ..Published::default() };
    if published.days.is_empty() {
        return Err(nothing_published(days, &bot_day_objects));
    }
    published.ads = read_ads(output, days)?;
    let finished: Vec<(Day, Object)> = within(bot_day_objects, days).collect();
    published.bot_days = rows(output, &finished, &BOT_DAY, bot_days)?;
    if request.by == By::ConversationDay {
        let tables = output.published_days("ad_conversions")?;
        published.last_event_day = tables.keys().next_back().copied();
        // A clock change can push the end of the horizon one local day further.
        let converting = DayRange { first: days.first, last: days.last.plus(horizon.days + 1) };
        let objects: Vec<(Day, Object)> = within(tables, converting).collect();
        published.ad_conversions = rows(output, &objects, &AD_CONVERSION, |batch, found| ad_conversions(batch, days, found))?;
    }
    if request.grain == Grain::Range
        && let Some(object) = output.published_days("reach")?.remove(&days.last)
    {
        published.reach = rows(output, &[(days.last, object)], &REACH, |batch, found| reach(batch, |of| of == days, found))?;
    }
    Ok((published, ad_days))
}

fn within(objects: BTreeMap<Day, Object>, days: DayRange) -> impl Iterator<Item = (Day, Object)> {
    objects.into_iter().filter(move |(day, _)| days.contains(*day))
}

fn nothing_published(asked: DayRange, there: &BTreeMap<Day, Object>) -> Error {
    // Days before the first will not come by waiting.
    let lies_before = there.keys().next().is_some_and(|first| asked.last < *first);
    let kind = if lies_before { ErrorKind::Usage } else { ErrorKind::NotReady };
    let error = Error::new(kind, "no day of the range is published").with("days", asked);
    match (there.keys().next(), there.keys().next_back()) {
        (Some(first), Some(last)) => {
            let published = DayRange { first: *first, last: *last };
            error.mend(format!("ask for the published days, {published}, or build more with `ctwa run`"))
        }
        _ => error.mend("build the days with `ctwa run` first"),
    }
}

fn read_ads(output: &Lake, days: DayRange) -> Result<Vec<PublishedAd>> {
    let object = output.list("ads")?.into_iter().find(|object| object.path == ADS_OBJECT).ok_or_else(|| {
        Error::not_ready("the table of ads is not published").with("object", ADS_OBJECT).mend("build it with `ctwa run`")
    })?;
    rows(output, &[(days.last, object)], &AD, ads)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{
        ArrayRef, BooleanArray, Date32Array, Decimal128Array, Int64Array, RecordBatch, StringArray, new_null_array,
    };
    use arrow::datatypes::{DataType, Field, Schema};

    use super::*;
    use crate::base::error::ErrorKind;
    use crate::base::schema::{self, MONEY_PRECISION, MONEY_SCALE};
    use crate::lake::layout::day_object;
    use crate::report::amount::Amount;
    use crate::report::build;
    use crate::report::many_days::DAYS_PER_PART;
    use crate::report::published::Key;
    use crate::report::sample::{SampleOutput, day, text};

    #[test]
    fn published_tables_become_a_report() {
        let report = SampleOutput::sample().report("2026-03-01", "2026-03-03", By::ConversionDay).unwrap();
        let [row] = report.rows.as_slice() else { panic!("{:?}", report.rows) };
        assert_eq!((row.bot_id.as_deref(), row.ad_id.as_str()), (Some("shop-br"), "120226305854810726"));
        assert_eq!(
            (row.ad_title.as_deref(), row.ad_type.as_deref(), row.currency.as_deref()),
            (Some("Promoção"), Some("ad"), Some("BRL"))
        );
        assert_eq!((row.spend, row.conversations, row.conversions), (Some(Amount(13_000_000)), 4, Some(1)));
        assert_eq!((row.reach, row.reach_min, row.reach_max), (None, Some(10), Some(20)));
        assert_eq!((row.spend_unknown_days, row.unconfigured_days), (0, 0));
        assert_eq!(report.notes, ["not complete yet, a later run may change them: 2026-03-03"]);
    }

    #[test]
    fn by_conversation_day_the_whole_horizon_after_the_range_is_read() {
        let report = SampleOutput::sample().report("2026-03-01", "2026-03-01", By::ConversationDay).unwrap();
        assert_eq!(report.rows[0].conversions, Some(2), "the event 94 days later lies beyond any horizon, and is not read");
        assert!(report.notes.is_empty(), "{:?}", report.notes);
        let report = SampleOutput::sample().report("2026-03-01", "2026-03-31", By::ConversationDay).unwrap();
        assert!(
            report.notes.iter().any(|note| note.contains("conversations of 2026-03-06..2026-03-31 may still convert")),
            "{:?}",
            report.notes
        );
    }

    #[test]
    fn metas_reach_of_exactly_the_range_is_taken() {
        let output = SampleOutput::sample();
        let columns = [
            ("account_id", DataType::Utf8),
            ("ad_id", DataType::Utf8),
            ("since", DataType::Date32),
            ("until", DataType::Date32),
            ("reach", DataType::Int64),
        ];
        let schema = Arc::new(Schema::new(columns.map(|(name, kind)| Field::new(name, kind, true)).to_vec()));
        let cells: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from(vec!["act_1"; 3])),
            Arc::new(StringArray::from(vec!["120226305854810726"; 3])),
            Arc::new(Date32Array::from(vec![day("2026-03-01").0, day("2026-02-25").0, day("2026-03-01").0])),
            Arc::new(Date32Array::from(vec![day("2026-03-03").0, day("2026-03-03").0, day("2026-03-09").0])),
            Arc::new(Int64Array::from(vec![15, 99, 88])),
        ];
        output.publish(&day_object("reach", day("2026-03-03")), RecordBatch::try_new(schema, cells).unwrap());
        let reach = |from| output.report(from, "2026-03-03", By::ConversionDay).unwrap().rows[0].reach;
        assert_eq!(reach("2026-03-01"), Some(15));
        assert_eq!(reach("2026-03-02"), None);
    }

    #[test]
    fn days_not_published_are_named_and_none_at_all_is_not_ready() {
        let output = SampleOutput::sample();
        let report = output.report("2026-02-27", "2026-03-05", By::ConversionDay).unwrap();
        assert!(report.notes[0].contains("2026-02-27..2026-02-28, 2026-03-04..2026-03-05"), "{:?}", report.notes);
        assert_eq!(report.rows[0].spend_unknown_days, 4);

        let error = output.report("2026-04-01", "2026-04-02", By::ConversionDay).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotReady);
        assert!(error.to_string().contains("2026-03-01..2026-03-03") && error.to_string().contains("ctwa run"), "{error}");
        let error = SampleOutput::empty().report("2026-04-01", "2026-04-02", By::ConversionDay).unwrap_err();
        assert!(error.kind() == ErrorKind::NotReady && error.to_string().contains("ctwa run"), "{error}");
    }

    #[test]
    fn a_bot_the_pipeline_does_not_name_is_a_usage_error() {
        let report = |bot| SampleOutput::sample().report_of("2026-03-01", "2026-03-03", By::ConversionDay, &[bot]);
        assert_eq!(report("shop-br").unwrap().rows.len(), 1);
        for bot in ["shop-bra", "shop-br-sales"] {
            let error = report(bot).unwrap_err();
            assert!(error.kind() == ErrorKind::Usage && error.to_string().contains("shop-br"), "{error}");
        }
    }

    /// More days than a part holds, so that several threads read them; each file numbers its texts for itself, and otherwise.
    #[test]
    fn days_read_at_once_give_what_their_rows_give() {
        let output = SampleOutput::empty();
        let (first, last) = (day("2026-03-01"), day("2026-03-01").plus(3 * DAYS_PER_PART as i32));
        let all = DayRange { first, last };
        for (n, at) in all.iter().enumerate() {
            // Sorted as published, without a bot first; which ads there are changes from day to day.
            let keys = [(None, "9"), (Some("a"), "3"), (Some("a"), "5"), (Some("b"), "1"), (Some("b"), "3")];
            let keys: Vec<_> = keys.into_iter().enumerate().filter(|(i, _)| (n + i) % 5 != 0).map(|(_, key)| key).collect();
            let numbers = || keys.iter().map(|(_, ad)| n as i64 * 10 + ad.parse::<i64>().unwrap());
            let texts = |text: &dyn Fn(&Key<'_>) -> Option<String>| Arc::new(keys.iter().map(text).collect::<StringArray>());
            let spends: Decimal128Array = numbers().map(|number| (number % 4 != 0).then_some(i128::from(number))).collect();
            let cells: Vec<(&str, ArrayRef)> = vec![
                ("date", Arc::new(keys.iter().map(|_| Some(at.0)).collect::<Date32Array>())),
                ("bot_id", texts(&|(bot, _)| bot.map(str::to_string))),
                ("ad_id", texts(&|(_, ad)| Some(ad.to_string()))),
                ("account_id", texts(&|(_, ad)| (*ad != "5").then(|| "act_1".to_string()))),
                ("currency", texts(&|_| Some(["BRL", "USD"][n % 2].to_string()))),
                ("conversations", Arc::new(numbers().map(|number| Some(number % 7)).collect::<Int64Array>())),
                (
                    "conversions",
                    Arc::new(numbers().map(|number| (number % 3 != 0).then_some(number % 5)).collect::<Int64Array>()),
                ),
                ("spend", Arc::new(spends.with_precision_and_scale(MONEY_PRECISION, MONEY_SCALE).unwrap())),
                ("complete", Arc::new(keys.iter().map(|_| Some(true)).collect::<BooleanArray>())),
            ];
            let schema = schema::ad_days().schema;
            let column = |field: &Arc<Field>| match cells.iter().find(|(name, _)| name == field.name()) {
                Some((_, cell)) => cell.clone(),
                None => new_null_array(field.data_type(), keys.len()),
            };
            let batch = RecordBatch::try_new(schema.clone(), schema.fields().iter().map(column).collect()).unwrap();
            output.publish(&day_object("ad_days", at), batch);
            output.publish(&day_object("bot_days", at), RecordBatch::new_empty(schema::bot_days().schema));
        }
        output.publish(ADS_OBJECT, RecordBatch::new_empty(schema::ads().schema));

        let request = |by, grain| ReportRequest { days: all, bots: Vec::new(), ads: Vec::new(), by, grain, all_ads: true };
        let report = build(&output.settings, &output.lake, &request(By::ConversionDay, Grain::Range)).unwrap();
        let by_day = build(&output.settings, &output.lake, &request(By::ConversionDay, Grain::Day)).unwrap();
        let keys: Vec<(Option<&str>, &str)> = report.rows.iter().map(|row| (row.bot_id.as_deref(), row.ad_id.as_str())).collect();
        assert_eq!(keys.len(), 5);
        for row in &report.rows {
            let place = [(None, "9"), (Some("a"), "3"), (Some("a"), "5"), (Some("b"), "1"), (Some("b"), "3")]
                .iter()
                .position(|key| *key == (row.bot_id.as_deref(), row.ad_id.as_str()))
                .unwrap();
            let ad: i64 = row.ad_id.parse().unwrap();
            let numbers = || (0..all.len()).filter(|n| (n + place) % 5 != 0).map(|n| n as i64 * 10 + ad);
            assert_eq!(row.conversations, numbers().map(|number| number % 7).sum::<i64>());
            let spend: i64 = numbers().filter(|number| number % 4 != 0).sum();
            assert_eq!(row.spend, Some(Amount(spend.into())));
            let conversions: i64 = numbers().filter(|number| number % 3 != 0).map(|number| number % 5).sum();
            assert_eq!(row.conversions, Some(conversions));
            let last = (0..all.len()).rev().find(|n| (n + place) % 5 != 0).unwrap();
            assert_eq!(row.currency.as_deref(), Some(["BRL", "USD"][last % 2]));
            let same_ad = by_day.rows.iter().filter(|of_day| (&of_day.bot_id, &of_day.ad_id) == (&row.bot_id, &row.ad_id));
            assert_eq!(row.conversations, same_ad.map(|of_day| of_day.conversations).sum::<i64>());
        }
        for _ in 0..5 {
            let again = build(&output.settings, &output.lake, &request(By::ConversionDay, Grain::Range)).unwrap();
            assert_eq!(again.rows, report.rows);
        }
    }

    #[test]
    fn a_table_of_another_form_is_named_with_its_column() {
        let output = SampleOutput::sample();
        let schema = Arc::new(Schema::new(vec![Field::new("date", DataType::Utf8, false)]));
        let path = day_object("ad_days", day("2026-03-02"));
        output.publish(&path, RecordBatch::try_new(schema, vec![text("2026-03-02")]).unwrap());
        let error = output.report("2026-03-01", "2026-03-03", By::ConversionDay).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Data);
        assert!(
            error.context().contains(&("column", "date".to_string())) && error.context().contains(&("object", path)),
            "{error}"
        );
    }
}
