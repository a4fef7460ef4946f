//! Audit: what must hold before a day is published.
//!
//! Keys are unique and sorted; every touch has exactly one end (rule 11); totals are conserved from the rows through the
//! sessions to the tables; the spend in `ad_days` is the spend in the insights of listed accounts (rule 14). A failure is a data error: that day is not published.

use crate::base::day::Day;
use crate::base::error::{Error, Result};
use crate::engine::{DayCounts, SessionEnds};
use crate::insights::{AdFigures, InsightsIndex};
use crate::tables::ad_days::{AdConversions, AdDay};
use crate::tables::bot_days::BotDay;

/// The rows of one day's tables.
#[derive(Clone, Debug, Default)]
pub struct DayRows {
    pub ad_days: Vec<AdDay>,
    pub ad_conversions: Vec<AdConversions>,
    pub bot_days: Vec<BotDay>,
}

pub(crate) fn failed(check: &str, found: String) -> Error {
    Error::data(format!("audit failed: {check}: {found}"))
        .mend("nothing was published for this day; keep the partitions and report it")
}

/// Rule 11: per bot and day, the sessions opened against the touches counted.
pub(crate) fn ends(counts: &DayCounts) -> Result<()> {
    for key in counts.bot_days.keys().chain(counts.ends.keys()) {
        let touches = counts.bot_days.get(key).map_or(0, |of_bot| of_bot.touches + of_bot.unattributed_touches);
        let SessionEnds { started, converted, superseded, expired, open } = counts.ends.get(key).copied().unwrap_or_default();
        if converted + superseded + expired + open != started || touches != started {
            let (day, bot) = key;
            let found = format!(
                "bot {bot} on {day}: {touches} touches, {started} started, {converted} converted, {superseded} superseded, \
                 {expired} expired, {open} open"
            );
            return Err(failed("every touch has exactly one end", found));
        }
    }
    Ok(())
}

/// The checks of one day.
pub(crate) fn day(day: Day, rows: &DayRows, insights: &InsightsIndex) -> Result<()> {
    let figures = insights.days.get(&day).map(Vec::as_slice).unwrap_or_default();
    keys(rows).and_then(|()| totals(rows)).and_then(|()| spend(rows, figures)).map_err(|error| error.with("day", day))
}

fn ascending<K: Ord + std::fmt::Debug>(table: &str, keys: impl Iterator<Item = K>) -> Result<()> {
    let mut last: Option<K> = None;
    for key in keys {
        if let Some(last) = &last
            && *last >= key
        {
            return Err(failed("keys are unique and sorted", format!("{table}: {last:?} stands before {key:?}")));
        }
        last = Some(key);
    }
    Ok(())
}

fn keys(rows: &DayRows) -> Result<()> {
    ascending("ad_days", rows.ad_days.iter().map(|row| (&row.bot, &row.ad)))?;
    ascending("ad_conversions", rows.ad_conversions.iter().map(|row| (&row.bot, &row.ad, row.conversation_day, &row.category)))?;
    ascending("bot_days", rows.bot_days.iter().map(|row| &row.bot))
}

fn totals(rows: &DayRows) -> Result<()> {
    for bot in &rows.bot_days {
        let of_bot = |row: &&AdDay| row.bot.as_ref() == Some(&bot.bot);
        let conversations: i64 = rows.ad_days.iter().filter(of_bot).map(|row| row.conversations).sum();
        if conversations != bot.touches {
            let found = format!("bot {}: {} touches, {conversations} conversations in ad_days", bot.bot, bot.touches);
            return Err(failed("every touch with an ad id is one conversation", found));
        }
        let in_ad_days: i64 = rows.ad_days.iter().filter(of_bot).filter_map(|row| row.conversions).sum();
        let in_cohorts: i64 = rows.ad_conversions.iter().filter(|row| row.bot == bot.bot).map(|row| row.conversions).sum();
        let in_bot_days = bot.events.map_or(0, |events| events.conversions);
        if in_ad_days != in_bot_days || in_cohorts != in_bot_days {
            let found =
                format!("bot {}: {in_bot_days} in bot_days, {in_ad_days} in ad_days, {in_cohorts} in ad_conversions", bot.bot);
            return Err(failed("conversions are the same in every table", found));
        }
        if let Some(events) = bot.events
            && (events.organic < 0 || events.total != events.conversions + events.unattributed_conversions + events.organic)
        {
            return Err(failed("every conversion event is a conversion or organic", format!("bot {}: {events:?}", bot.bot)));
        }
    }
    Ok(())
}

fn spend(rows: &DayRows, figures: &[AdFigures]) -> Result<()> {
    let published: i128 = rows.ad_days.iter().filter_map(|row| row.spend).map(i128::from).sum();
    let reported: i128 = figures.iter().map(|row| i128::from(row.figures.spend)).sum();
    let impressions = |values: &mut dyn Iterator<Item = Option<i64>>| -> i128 { values.flatten().map(i128::from).sum() };
    let shown = impressions(&mut rows.ad_days.iter().map(|row| row.impressions));
    let delivered = impressions(&mut figures.iter().map(|row| row.figures.impressions));
    if published != reported || shown != delivered {
        let found = format!("spend {published} of {reported} millionths, impressions {shown} of {delivered}");
        return Err(failed("Meta's figures of listed accounts stand on exactly one row", found));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine;
    use crate::insights::MetaFigures;
    use crate::tables::bot_days::ConversionEvents;

    fn ad_day(ad: &str, conversations: i64, conversions: i64, spend: Option<i64>) -> AdDay {
        AdDay {
            bot: Some("b".into()),
            ad: ad.into(),
            account: None,
            currency: None,
            conversations,
            conversions: Some(conversions),
            spend,
            impressions: None,
            reach: None,
            clicks: None,
            inline_link_clicks: None,
            meta_conversations: None,
            complete: true,
        }
    }

    fn good() -> (DayRows, InsightsIndex) {
        let events = ConversionEvents { total: 3, conversions: 2, unattributed_conversions: 0, organic: 1, without_contact: 0 };
        let rows = DayRows {
            ad_days: vec![ad_day("a", 2, 1, Some(5)), ad_day("b", 1, 1, None)],
            ad_conversions: ["a", "b"]
                .map(|ad| AdConversions {
                    bot: "b".into(),
                    ad: ad.into(),
                    conversation_day: Day(1),
                    category: "c".into(),
                    conversions: 1,
                })
                .to_vec(),
            bot_days: vec![BotDay {
                bot: "b".into(),
                touches: 3,
                duplicate_touches: 0,
                unattributed_touches: 0,
                events: Some(events),
                rejected_rows: 0,
                complete: true,
                insights_status: "none",
            }],
        };
        let figures =
            AdFigures { account: "act_1".into(), ad: "a".into(), figures: MetaFigures { spend: 5, ..MetaFigures::default() } };
        let mut insights = InsightsIndex::default();
        insights.days.insert(Day(1), vec![figures]);
        (rows, insights)
    }

    /// The check fails on the good day with this one change.
    fn fails(check: &str, change: impl FnOnce(&mut DayRows)) {
        let (mut rows, insights) = good();
        assert!(day(Day(1), &rows, &insights).is_ok());
        change(&mut rows);
        let error = day(Day(1), &rows, &insights).unwrap_err();
        assert_eq!(error.kind().exit_code(), 6);
        assert!(error.message().contains(check), "{error}");
    }

    #[test]
    fn each_check_of_a_day_can_fail() {
        fails("unique and sorted", |rows| rows.ad_days[1].ad = "a".into());
        fails("unique and sorted", |rows| rows.ad_conversions.swap(0, 1));
        fails("one conversation", |rows| rows.ad_days[0].conversations += 1);
        fails("same in every table", |rows| rows.ad_days[0].conversions = Some(2));
        fails("same in every table", |rows| rows.ad_conversions[0].conversions = 2);
        fails("or organic", |rows| rows.bot_days[0].events.as_mut().unwrap().organic = 0);
        fails("exactly one row", |rows| rows.ad_days[1].spend = Some(5));
        fails("exactly one row", |rows| rows.ad_days[0].spend = None);
    }

    #[test]
    fn a_touch_without_an_end_is_found() {
        let mut counts = DayCounts::default();
        counts.bot_days.insert((Day(1), 0), engine::BotCounts { touches: 2, ..engine::BotCounts::default() });
        counts.ends.insert((Day(1), 0), SessionEnds { started: 2, converted: 1, superseded: 1, ..SessionEnds::default() });
        assert!(ends(&counts).is_ok());
        counts.ends.insert((Day(1), 0), SessionEnds { started: 2, converted: 1, ..SessionEnds::default() });
        assert!(ends(&counts).is_err());
        counts.ends.insert((Day(1), 0), SessionEnds { started: 1, converted: 1, ..SessionEnds::default() });
        assert!(ends(&counts).is_err());
    }
}
