//! What the figures alone do not say, a sentence each: days that are missing or not complete, conversations that may still convert,
//! ads that are not shown.

use std::collections::BTreeMap;

use crate::base::day::{Day, DayRange, written_ranges};
use crate::config::Settings;

use super::model::{By, ReportRequest, ReportRow, TakenOver};
use super::published::Published;

/// The notes on these rows; `hidden_ads` would be shown with `all_ads`.
pub(super) fn notes(
    published: &Published,
    settings: &Settings,
    request: &ReportRequest,
    rows: &[ReportRow],
    hidden_ads: usize,
) -> Vec<String> {
    let mut notes = Vec::new();
    let missing = missing_days(published, request.days);
    if !missing.is_empty() {
        notes.push(format!(
            "{} not published and not in the figures: {}; `ctwa run` builds the days that have landed",
            if missing.len() == 1 { "a day of the range is" } else { "days of the range are" },
            written_ranges(missing)
        ));
    }
    let of_asked_bots = published.bot_days.iter().filter(|row| request.asks_for_bot(Some(&row.bot_id)));
    let incomplete = written_ranges(of_asked_bots.filter(|row| !row.complete).map(|row| row.date));
    if !incomplete.is_empty() {
        notes.push(format!("not complete yet, a later run may change them: {incomplete}"));
    }
    if request.by == By::ConversationDay
        && let Some(last) = published.last_event_day
        && let Some(open) = DayRange::new(request.days.first.max(last.plus(1 - settings.horizon.days)), request.days.last)
    {
        notes.push(format!(
            "conversations of {open} may still convert: conversions are published up to {last}, a session stays open for {} days",
            settings.horizon.days
        ));
    }
    notes.extend(taken_over_fewer_days(rows));
    for ad in &request.ads {
        if !rows.iter().any(|row| row.ad_id == *ad) {
            notes.push(format!("ad {ad:?} has no figure to show in the range"));
        }
    }
    if hidden_ads > 0 {
        notes.push(format!(
            "{hidden_ads} {} a figure in the range but never had a conversation: --all-ads shows {}",
            if hidden_ads == 1 { "ad has" } else { "ads have" },
            if hidden_ads == 1 { "it" } else { "them" }
        ));
    }
    notes
}

/// How many ads a note names.
const NAMED: usize = 10;

/// The costs and rates that are not the quotient of the sums beside them (rule 13), those over as many days together.
fn taken_over_fewer_days(rows: &[ReportRow]) -> Vec<String> {
    let mut taken_alike: BTreeMap<TakenOver, Vec<&str>> = BTreeMap::new();
    for row in rows {
        for taken in &row.taken_over {
            taken_alike.entry(*taken).or_default().push(&row.ad_id);
        }
    }
    let sentence = |(TakenOver { column, days, of }, ads): (TakenOver, Vec<&str>)| {
        let named = ads.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
        let more = if ads.len() > NAMED { format!(" and {} more", ads.len() - NAMED) } else { String::new() };
        format!(
            "{column} is taken over {days} of {of} days, those on which both its figures are known, and is not the quotient of the \
             sums beside it: {} {named}{more}",
            if ads.len() == 1 { "ad" } else { "ads" }
        )
    };
    taken_alike.into_iter().map(sentence).collect()
}

/// The days that are asked for and not published.
pub(super) fn missing_days(published: &Published, days: DayRange) -> Vec<Day> {
    days.iter().filter(|day| !published.days.contains(day)).collect()
}
