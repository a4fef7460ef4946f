//! The published tables, as rows in memory.
//!
//! In: `ad_days` and `bot_days` of the range, `ads`, the `reach` of the range's last day where it was fetched, and, by
//! conversation day, `ad_conversions` as far after the range as a session can convert. Out: [`Published`], rows in the order of
//! days, then of the files. Only the columns named here are read.

use arrow::array::{
    Array, ArrayAccessor, BooleanArray, Date32Array, Decimal128Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};

use crate::config::Horizon;
use crate::day::{Day, DayRange};
use crate::error::{Error, Result};
use crate::lake::layout::ADS_OBJECT;
use crate::lake::{Lake, Object, ScanPlan};
use crate::schema::MONEY_SCALE;

use super::published::{Ad, AdConversion, AdDay, BotDay, Published, RangeReach};
use super::{By, Grain, ReportRequest};

pub(super) fn published(output: &Lake, request: &ReportRequest, horizon: Horizon) -> Result<Published> {
    published_with(&AD_DAY, output, request, horizon)
}

/// With the conversations that Meta counts.
pub(super) fn published_for_reconciling(output: &Lake, request: &ReportRequest, horizon: Horizon) -> Result<Published> {
    published_with(&[&AD_DAY[..], &[META_CONVERSATIONS]].concat(), output, request, horizon)
}

/// A day is published when its `bot_days`, written last, are there.
fn published_with(ad_day: &[&str], output: &Lake, request: &ReportRequest, horizon: Horizon) -> Result<Published> {
    let (all, ad_day_objects) = (output.published_days("bot_days")?, output.published_days("ad_days")?);
    let (days, mut published) = (request.days, Published::default());
    for (_, object) in ad_day_objects.range(days.first..=days.last).filter(|(day, _)| all.contains_key(day)) {
        read(output, object, ad_day, |batch| ad_days(batch, &mut published.ad_days))?;
    }
    published.days = all.range(days.first..=days.last).map(|(day, _)| *day).collect();
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
    read(output, &ads_object, &AD, |batch| ads(batch, &mut published.ads))?;
    for object in all.range(days.first..=days.last).map(|(_, object)| object) {
        read(output, object, &BOT_DAY, |batch| bot_days(batch, &mut published.bot_days))?;
    }
    if request.by == By::ConversationDay {
        let tables = output.published_days("ad_conversions")?;
        // A clock change can push the end of the horizon one local day further.
        let last = days.last.plus(horizon.days + 1);
        for object in tables.range(days.first..=last).map(|(_, object)| object) {
            read(output, object, &AD_CONVERSION, |batch| ad_conversions(batch, days, &mut published.ad_conversions))?;
        }
        published.last_event_day = tables.keys().next_back().copied();
    }
    if request.grain == Grain::Range
        && let Some(object) = output.published_days("reach")?.get(&days.last)
    {
        read(output, object, &REACH, |batch| reach(batch, |of| of == days, &mut published.reach))?;
    }
    Ok(published)
}

/// The same for a reader who may look at any part of the range, on either day of a conversion.
pub(super) fn published_day_by_day(output: &Lake, request: &ReportRequest, horizon: Horizon) -> Result<Published> {
    let days = request.days;
    let request = ReportRequest { by: By::ConversationDay, grain: Grain::Day, ..request.clone() };
    let mut published = published(output, &request, horizon)?;
    for object in output.published_days("reach")?.range(days.first..=days.last).map(|(_, object)| object) {
        read(output, object, &REACH, |batch| reach(batch, |of| days.first <= of.first, &mut published.reach))?;
    }
    Ok(published)
}

fn read(output: &Lake, object: &Object, columns: &[&str], mut each: impl FnMut(&RecordBatch) -> Result<()>) -> Result<()> {
    let plan = ScanPlan { columns: columns.iter().map(|column| (column.to_string(), None)).collect(), filter: None };
    output.scan(object, |_| Ok(plan), |batch| each(&batch))
}

fn column<'a, A: Array + 'static>(batch: &'a RecordBatch, name: &'static str) -> Result<&'a A> {
    batch.column_by_name(name).and_then(|column| column.as_any().downcast_ref()).ok_or_else(|| mistyped(name))
}

fn mistyped(column: &'static str) -> Error {
    Error::data("a published table lacks a column, or has it in another type")
        .with("column", column)
        .mend("build the day again with `ctwa backfill`: another version or program wrote it")
}

fn at<A: ArrayAccessor>(array: A, row: usize) -> Option<A::Item> {
    array.is_valid(row).then(|| array.value(row))
}

fn text(array: &StringArray, row: usize) -> Option<String> {
    at(array, row).map(str::to_string)
}

const AD_DAY: [&str; 10] =
    ["date", "bot_id", "ad_id", "account_id", "currency", "conversations", "conversions", "spend", "impressions", "reach"];
/// Read only where it is asked for.
const META_CONVERSATIONS: &str = "meta_conversations";

fn ad_days(batch: &RecordBatch, rows: &mut Vec<AdDay>) -> Result<()> {
    let date: &Date32Array = column(batch, "date")?;
    let [bot_id, ad_id, account_id, currency]: [&StringArray; 4] =
        [column(batch, "bot_id")?, column(batch, "ad_id")?, column(batch, "account_id")?, column(batch, "currency")?];
    let [conversations, conversions, impressions, reach]: [&Int64Array; 4] =
        [column(batch, "conversations")?, column(batch, "conversions")?, column(batch, "impressions")?, column(batch, "reach")?];
    let meta_conversations: Option<&Int64Array> =
        batch.column_by_name(META_CONVERSATIONS).map(|_| column(batch, META_CONVERSATIONS)).transpose()?;
    let spend: &Decimal128Array = column(batch, "spend")?;
    if spend.scale() != MONEY_SCALE {
        return Err(mistyped("spend"));
    }
    rows.extend((0..batch.num_rows()).map(|row| AdDay {
        date: Day(date.value(row)),
        bot_id: text(bot_id, row),
        ad_id: ad_id.value(row).to_string(),
        account_id: text(account_id, row),
        currency: text(currency, row),
        conversations: conversations.value(row),
        conversions: at(conversions, row),
        spend: at(spend, row),
        impressions: at(impressions, row),
        reach: at(reach, row),
        meta_conversations: meta_conversations.and_then(|counts| at(counts, row)),
    }));
    Ok(())
}

const AD: [&str; 7] = ["bot_id", "ad_id", "ad_type", "ad_title", "first_conversation_at", "account_id", "currency"];

fn ads(batch: &RecordBatch, rows: &mut Vec<Ad>) -> Result<()> {
    let [bot_id, ad_id, ad_type]: [&StringArray; 3] =
        [column(batch, "bot_id")?, column(batch, "ad_id")?, column(batch, "ad_type")?];
    let [ad_title, account_id, currency]: [&StringArray; 3] =
        [column(batch, "ad_title")?, column(batch, "account_id")?, column(batch, "currency")?];
    let first_conversation_at: &TimestampMicrosecondArray = column(batch, "first_conversation_at")?;
    rows.extend((0..batch.num_rows()).map(|row| Ad {
        bot_id: text(bot_id, row),
        ad_id: ad_id.value(row).to_string(),
        ad_type: text(ad_type, row),
        ad_title: text(ad_title, row),
        first_conversation_at: at(first_conversation_at, row),
        account_id: text(account_id, row),
        currency: text(currency, row),
    }));
    Ok(())
}

const BOT_DAY: [&str; 5] = ["date", "bot_id", "conversions", "complete", "insights_status"];

fn bot_days(batch: &RecordBatch, rows: &mut Vec<BotDay>) -> Result<()> {
    let date: &Date32Array = column(batch, "date")?;
    let conversions: &Int64Array = column(batch, "conversions")?;
    let complete: &BooleanArray = column(batch, "complete")?;
    let [bot_id, insights_status]: [&StringArray; 2] = [column(batch, "bot_id")?, column(batch, "insights_status")?];
    rows.extend((0..batch.num_rows()).map(|row| BotDay {
        date: Day(date.value(row)),
        bot_id: bot_id.value(row).to_string(),
        conversions: at(conversions, row),
        complete: complete.value(row),
        insights_status: insights_status.value(row).to_string(),
    }));
    Ok(())
}

const AD_CONVERSION: [&str; 5] = ["date", "bot_id", "ad_id", "conversation_date", "conversions"];

fn ad_conversions(batch: &RecordBatch, days: DayRange, rows: &mut Vec<AdConversion>) -> Result<()> {
    let [date, conversation_date]: [&Date32Array; 2] = [column(batch, "date")?, column(batch, "conversation_date")?];
    let [bot_id, ad_id]: [&StringArray; 2] = [column(batch, "bot_id")?, column(batch, "ad_id")?];
    let conversions: &Int64Array = column(batch, "conversions")?;
    let touches_range = |dates: &Date32Array, row: usize| days.contains(Day(dates.value(row)));
    let in_range = (0..batch.num_rows()).filter(|row| touches_range(date, *row) || touches_range(conversation_date, *row));
    rows.extend(in_range.map(|row| AdConversion {
        date: Day(date.value(row)),
        bot_id: bot_id.value(row).to_string(),
        ad_id: ad_id.value(row).to_string(),
        conversation_date: Day(conversation_date.value(row)),
        conversions: conversions.value(row),
    }));
    Ok(())
}

const REACH: [&str; 5] = ["account_id", "ad_id", "since", "until", "reach"];

fn reach(batch: &RecordBatch, is_wanted: impl Fn(DayRange) -> bool, rows: &mut Vec<RangeReach>) -> Result<()> {
    let [since, until]: [&Date32Array; 2] = [column(batch, "since")?, column(batch, "until")?];
    let [account_id, ad_id]: [&StringArray; 2] = [column(batch, "account_id")?, column(batch, "ad_id")?];
    let reach: &Int64Array = column(batch, "reach")?;
    let days = |row: usize| DayRange { first: Day(since.value(row)), last: Day(until.value(row)) };
    rows.extend((0..batch.num_rows()).filter(|row| is_wanted(days(*row))).map(|row| RangeReach {
        days: days(row),
        account_id: account_id.value(row).to_string(),
        ad_id: ad_id.value(row).to_string(),
        reach: at(reach, row),
    }));
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, new_null_array};
    use arrow::datatypes::{DataType, Field, Schema};

    use super::*;
    use crate::config::Settings;
    use crate::error::ErrorKind;
    use crate::lake::layout::day_object;
    use crate::lake::{Environment, encode};
    use crate::report::{Amount, Report, build};
    use crate::schema::{self, MONEY_PRECISION, Table};

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
