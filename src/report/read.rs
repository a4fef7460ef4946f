//! The published tables, as rows in memory or added up.
//!
//! In: `ad_days` and `bot_days` of the range, `ads`, the `reach` of the range's last day where it was fetched, and, by
//! conversation day, `ad_conversions` as far after the range as a session can convert. Out: [`Published`], rows in the order of
//! days, then of the files; where days are only added up, a [`Tally`] instead of the rows of `ad_days`. Only the columns that
//! `columns` names are decoded, several days at once.

use arrow::array::RecordBatch;

use crate::base::day::{Day, DayRange};
use crate::base::error::{Error, Result};
use crate::base::object::Object;
use crate::base::parallel::while_waiting;
use crate::config::Horizon;
use crate::lake::Lake;
use crate::lake::layout::ADS_OBJECT;

use super::columns::{AD, AD_CONVERSION, AD_DAY, AdDayColumns, BOT_DAY, Column, IMPRESSIONS, META_CONVERSATIONS, REACH};
use super::columns::{ad_conversions, ads, bot_days, reach};
use super::published::{AdDay, Published};
use super::tally::Tally;
use super::{By, Grain, ReportRequest};

/// Days that one thread reads in a row: enough for what it learns of the ids on the first to pay on the others.
const DAYS_PER_PART: usize = 32;

/// Freed memory that is used again rather than given back.
const KEPT_BYTES: usize = 8 << 20;

/// With the rows of `ad_days`.
pub(super) fn published(output: &Lake, request: &ReportRequest, horizon: Horizon) -> Result<Published> {
    with_ad_days(&[IMPRESSIONS], output, request, horizon)
}

/// With the conversations that Meta counts.
pub(super) fn published_for_reconciling(output: &Lake, request: &ReportRequest, horizon: Horizon) -> Result<Published> {
    with_ad_days(&[IMPRESSIONS, META_CONVERSATIONS], output, request, horizon)
}

fn with_ad_days(more: &[Column], output: &Lake, request: &ReportRequest, horizon: Horizon) -> Result<Published> {
    let columns = [&AD_DAY[..], more].concat();
    let (published, ad_days) = published_beside(output, request, horizon, |objects| {
        rows(output, objects, &columns, |batch, rows: &mut Vec<AdDay>| {
            AdDayColumns::of(batch)?.add_rows(rows);
            Ok(())
        })
    })?;
    Ok(Published { ad_days, ..published })
}

/// With the rows of `ad_days` added up instead of kept.
pub(super) fn tallied(output: &Lake, request: &ReportRequest, horizon: Horizon) -> Result<(Published, Tally)> {
    let impressions = (request.by == By::ConversationDay).then_some(IMPRESSIONS);
    let columns: Vec<Column> = AD_DAY.into_iter().chain(impressions).collect();
    published_beside(output, request, horizon, |objects| {
        let tally_part = |objects: &[(Day, Object)]| {
            let (first, last) = (objects[0].0, objects[objects.len() - 1].0);
            let mut tally = Tally::empty(DayRange { first, last });
            each_batch(output, objects, &columns, |batch| {
                AdDayColumns::of(batch)?.add_to(&mut tally);
                Ok(())
            })?;
            Ok(tally)
        };
        Ok(Tally::joined(request.days, in_parts(output, objects, tally_part)?))
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
    let (Some(all), Some(ad_days)) = (listings.pop(), listings.pop()) else { return Err(Error::bug("two listings are not two")) };
    let (all, ad_days) = (all?, ad_days?);
    let objects: Vec<(Day, Object)> =
        ad_days.into_iter().filter(|(day, _)| days.contains(*day) && all.contains_key(day)).collect();
    let ad_days = read(&objects)?;
    let mut published =
        Published { days: all.range(days.first..=days.last).map(|(day, _)| *day).collect(), ..Published::default() };
    if published.days.is_empty() {
        let error = Error::not_ready("no day of the range is published").with("days", days);
        return Err(match (all.keys().next(), all.keys().next_back()) {
            (Some(first), Some(last)) => {
                let published = DayRange { first: *first, last: *last };
                error.mend(format!("published are {published}: ask for these, or build more days with `ctwa run`"))
            }
            _ => error.mend("build the days with `ctwa run` first"),
        });
    }

    let ads_object = output.list("ads")?.into_iter().find(|object| object.path == ADS_OBJECT).ok_or_else(|| {
        Error::not_ready("the table of ads is not published").with("object", ADS_OBJECT).mend("build it with `ctwa run`")
    })?;
    published.ads = rows(output, &[(days.last, ads_object)], &AD, ads)?;
    let objects: Vec<(Day, Object)> = all.into_iter().filter(|(day, _)| days.contains(*day)).collect();
    published.bot_days = rows(output, &objects, &BOT_DAY, bot_days)?;
    if request.by == By::ConversationDay {
        let tables = output.published_days("ad_conversions")?;
        published.last_event_day = tables.keys().next_back().copied();
        // A clock change can push the end of the horizon one local day further.
        let last = days.last.plus(horizon.days + 1);
        let objects: Vec<(Day, Object)> = tables.into_iter().filter(|(day, _)| days.first <= *day && *day <= last).collect();
        published.ad_conversions = rows(output, &objects, &AD_CONVERSION, |batch, rows| ad_conversions(batch, days, rows))?;
    }
    if request.grain == Grain::Range
        && let Some(object) = output.published_days("reach")?.remove(&days.last)
    {
        published.reach = rows(output, &[(days.last, object)], &REACH, |batch, rows| reach(batch, |of| of == days, rows))?;
    }
    Ok((published, ad_days))
}

/// The same for a reader who may look at any part of the range, on either day of a conversion.
pub(super) fn published_day_by_day(output: &Lake, request: &ReportRequest, horizon: Horizon) -> Result<Published> {
    let days = request.days;
    let request = ReportRequest { by: By::ConversationDay, grain: Grain::Day, ..request.clone() };
    let mut published = published(output, &request, horizon)?;
    let objects: Vec<(Day, Object)> =
        output.published_days("reach")?.into_iter().filter(|(day, _)| days.contains(*day)).collect();
    published.reach = rows(output, &objects, &REACH, |batch, rows| reach(batch, |of| days.first <= of.first, rows))?;
    Ok(published)
}

/// What `work` makes of the objects, a part at a time, in the order of the objects.
fn in_parts<T: Send>(
    output: &Lake,
    objects: &[(Day, Object)],
    work: impl Fn(&[(Day, Object)]) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    // An allocator that gives memory back to the system gets it anew for each column of each day, page by page. GNU's learns from
    // a large block that is freed, without a page of it ever used, to keep what is smaller.
    drop(std::hint::black_box(Vec::<u8>::with_capacity(KEPT_BYTES)));
    let parts: Vec<&[(Day, Object)]> = objects.chunks(DAYS_PER_PART).collect();
    let of_part = |part: &&[(Day, Object)]| work(part);
    let done = output.on_each(&parts, of_part);
    done.into_iter().collect()
}

fn rows<R: Send>(
    output: &Lake,
    objects: &[(Day, Object)],
    columns: &[Column],
    add: impl Fn(&RecordBatch, &mut Vec<R>) -> Result<()> + Sync,
) -> Result<Vec<R>> {
    let parts = in_parts(output, objects, |objects| {
        let mut rows = Vec::new();
        each_batch(output, objects, columns, |batch| add(batch, &mut rows))?;
        Ok(rows)
    })?;
    let mut rows = Vec::with_capacity(parts.iter().map(Vec::len).sum());
    parts.into_iter().for_each(|part| rows.extend(part));
    Ok(rows)
}

fn each_batch(
    output: &Lake,
    objects: &[(Day, Object)],
    columns: &[Column],
    mut each: impl FnMut(&RecordBatch) -> Result<()>,
) -> Result<()> {
    for (_, object) in objects {
        for batch in output.read_columns(object, columns)? {
            each(&batch).map_err(|error| error.with("object", &object.path))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{
        ArrayRef, BooleanArray, Date32Array, Decimal128Array, Int64Array, StringArray, TimestampMicrosecondArray, new_null_array,
    };
    use arrow::datatypes::{DataType, Field, Schema};

    use super::*;
    use crate::base::error::ErrorKind;
    use crate::base::schema::{self, MONEY_PRECISION, MONEY_SCALE, Table};
    use crate::config::Settings;
    use crate::lake::layout::day_object;
    use crate::lake::{Environment, encode};
    use crate::report::published::Key;
    use crate::report::{Amount, Report, build};

    const PIPELINE: &str = r#"
        name = "test"
        [lake]
        url = "lake"
        [[bots]]
        id = "shop-br"
        members = ["shop-br-sales"]
        timezone = "UTC"
        ad_accounts = ["act_1"]
        [[bots.conversion_events]]
        category = "purchase"
        effective_at = "2026-03-01T00:00:00Z"
    "#;

    struct Output {
        settings: Settings,
        lake: Lake,
        _folder: tempfile::TempDir,
    }

    fn day(text: &str) -> Day {
        text.parse().unwrap()
    }

    /// One row of the named columns, the others NULL.
    fn one_row(table: &Table, cells: Vec<(&str, ArrayRef)>) -> RecordBatch {
        for (name, _) in &cells {
            assert!(table.schema.field_with_name(name).is_ok(), "{name}");
        }
        let fields = table.schema.fields().iter();
        let column = |field: &Arc<Field>| match cells.iter().find(|(name, _)| name == field.name()) {
            Some((_, cell)) => cell.clone(),
            None => new_null_array(field.data_type(), 1),
        };
        RecordBatch::try_new(table.schema.clone(), fields.map(column).collect()).unwrap()
    }

    fn text(value: &str) -> ArrayRef {
        Arc::new(StringArray::from(vec![value]))
    }

    fn count(value: i64) -> ArrayRef {
        Arc::new(Int64Array::from(vec![value]))
    }

    fn date(value: Day) -> ArrayRef {
        Arc::new(Date32Array::from(vec![value.0]))
    }

    fn flag(value: bool) -> ArrayRef {
        Arc::new(BooleanArray::from(vec![value]))
    }

    fn money(millionths: i128) -> ArrayRef {
        let values = Decimal128Array::from(vec![millionths]);
        Arc::new(values.with_precision_and_scale(MONEY_PRECISION, MONEY_SCALE).unwrap())
    }

    impl Output {
        fn empty() -> Output {
            let folder = tempfile::tempdir().unwrap();
            let settings = Settings::parse("test.toml", PIPELINE, folder.path()).unwrap();
            let lake = Lake::open_or_create(&settings.output, &Environment::default()).unwrap();
            Output { settings, lake, _folder: folder }
        }

        fn publish(&self, path: &str, batch: RecordBatch) {
            self.lake.publish(path, encode(&batch.schema(), &[batch]).unwrap()).unwrap();
        }

        fn ad_day(&self, at: Day, conversions: i64, spend_millionths: i128) {
            let cells = vec![
                ("date", date(at)),
                ("bot_id", text("shop-br")),
                ("ad_id", text("120226305854810726")),
                ("account_id", text("act_1")),
                ("currency", text("BRL")),
                ("conversations", count(2)),
                ("conversions", count(conversions)),
                ("spend", money(spend_millionths)),
                ("reach", count(10)),
                ("complete", flag(true)),
            ];
            self.publish(&day_object("ad_days", at), one_row(&schema::ad_days(), cells));
        }

        /// Three days, of which the middle one has no row of the ad; conversions of the first day come on the second and on
        /// the end of the horizon.
        fn sample() -> Output {
            let output = Output::empty();
            let [first, second, third] = ["2026-03-01", "2026-03-02", "2026-03-03"].map(day);
            output.ad_day(first, 0, 12_500_000);
            let none = RecordBatch::new_empty(schema::ad_days().schema);
            output.publish(&day_object("ad_days", second), none);
            output.ad_day(third, 1, 500_000);
            for (at, complete) in [(first, true), (second, true), (third, false)] {
                let counts = ["touches", "duplicate_touches", "unattributed_touches", "conversions", "rejected_rows"];
                let mut cells: Vec<_> = counts.map(|name| (name, count(0))).into_iter().collect();
                cells.extend([
                    ("date", date(at)),
                    ("bot_id", text("shop-br")),
                    ("complete", flag(complete)),
                    ("insights_status", text("final")),
                ]);
                output.publish(&day_object("bot_days", at), one_row(&schema::bot_days(), cells));
            }
            for at in [third, first.plus(91), first.plus(94)] {
                let cells = vec![
                    ("date", date(at)),
                    ("bot_id", text("shop-br")),
                    ("ad_id", text("120226305854810726")),
                    ("conversation_date", date(first)),
                    ("category", text("purchase")),
                    ("conversions", count(1)),
                ];
                output.publish(&day_object("ad_conversions", at), one_row(&schema::ad_conversions(), cells));
            }
            let clicked: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![first.start_utc()]).with_timezone("UTC"));
            let cells = vec![
                ("bot_id", text("shop-br")),
                ("ad_id", text("120226305854810726")),
                ("ad_type", text("ad")),
                ("ad_title", text("Promoção")),
                ("first_conversation_at", clicked),
                ("account_id", text("act_1")),
                ("currency", text("BRL")),
            ];
            output.publish(ADS_OBJECT, one_row(&schema::ads(), cells));
            output
        }

        fn report(&self, from: &str, to: &str, by: By) -> Result<Report> {
            self.report_of(from, to, by, &[])
        }

        fn report_of(&self, from: &str, to: &str, by: By, bots: &[&str]) -> Result<Report> {
            let days = DayRange::new(day(from), day(to)).unwrap();
            let bots = bots.iter().map(|bot| bot.to_string()).collect();
            let request = ReportRequest { days, bots, ads: Vec::new(), by, grain: Grain::Range, all_ads: false };
            build(&self.settings, &self.lake, &request)
        }
    }

    #[test]
    fn published_tables_become_a_report() {
        let report = Output::sample().report("2026-03-01", "2026-03-03", By::ConversionDay).unwrap();
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
        let report = Output::sample().report("2026-03-01", "2026-03-01", By::ConversationDay).unwrap();
        assert_eq!(report.rows[0].conversions, Some(2), "the event 94 days later lies beyond any horizon, and is not read");
        assert!(report.notes.is_empty(), "{:?}", report.notes);
        let report = Output::sample().report("2026-03-01", "2026-03-31", By::ConversationDay).unwrap();
        assert!(
            report.notes.iter().any(|note| note.contains("conversations of 2026-03-06..2026-03-31 may still convert")),
            "{:?}",
            report.notes
        );
    }

    #[test]
    fn metas_reach_of_exactly_the_range_is_taken() {
        let output = Output::sample();
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
        let output = Output::sample();
        let report = output.report("2026-02-27", "2026-03-05", By::ConversionDay).unwrap();
        assert!(report.notes[0].contains("2026-02-27..2026-02-28, 2026-03-04..2026-03-05"), "{:?}", report.notes);
        assert_eq!(report.rows[0].spend_unknown_days, 4);

        let error = output.report("2026-04-01", "2026-04-02", By::ConversionDay).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotReady);
        assert!(error.to_string().contains("2026-03-01..2026-03-03") && error.to_string().contains("ctwa run"), "{error}");
        let error = Output::empty().report("2026-04-01", "2026-04-02", By::ConversionDay).unwrap_err();
        assert!(error.kind() == ErrorKind::NotReady && error.to_string().contains("ctwa run"), "{error}");
    }

    #[test]
    fn a_bot_the_pipeline_does_not_name_is_a_usage_error() {
        let report = |bot| Output::sample().report_of("2026-03-01", "2026-03-03", By::ConversionDay, &[bot]);
        assert_eq!(report("shop-br").unwrap().rows.len(), 1);
        for bot in ["shop-bra", "shop-br-sales"] {
            let error = report(bot).unwrap_err();
            assert!(error.kind() == ErrorKind::Usage && error.to_string().contains("shop-br"), "{error}");
        }
    }

    /// More days than a part holds, so that several threads read them; each file numbers its texts for itself, and otherwise.
    #[test]
    fn days_read_at_once_give_what_their_rows_give() {
        let output = Output::empty();
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
        let output = Output::sample();
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
