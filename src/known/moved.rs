//! Reach: which days a changed alias, or an ad at another place than before, makes stale (rule 21).
//!
//! The digests of a day's receipt tell of rows, settings and figures. Of aliases and of ads they do not tell: what the published
//! days were built with is kept under `work/`, and compared here with what holds now. Where it is lost, every day is reached.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use crate::base::day::Day;
use crate::base::error::Result;
use crate::config::Settings;
use crate::engine::rows::Rows;
use crate::extract::identity::Identities;
use crate::known::job::Places;
use crate::known::survey::{Lost, Survey};
use crate::lake::{Lake, decode, read_json};
use crate::plan::Planner;
use crate::tables::ads::{self, AdIndex, AdPlaces};

/// The places of the ads as the published days know them.
pub(crate) const AD_PLACES: &str = "work/ad_places.json";
/// The alias table as the published days know it.
pub(crate) const KNOWN_IDENTITIES: &str = "work/identities";

/// The days reached, each with the reason.
pub(crate) type Reached = BTreeMap<Day, String>;

/// What the alias table reaches since the published days were built.
pub(crate) fn of_identities(places: &Places<'_>, survey: &Survey, identities: &Identities, lost: Lost) -> Result<Reached> {
    let Places { settings, output, engine, .. } = places;
    let now = survey.identities_receipt(settings);
    if survey.receipts.identities.as_ref() == Some(&now) || survey.receipts.days.iter().next().is_none() {
        return Ok(Reached::new());
    }
    let before = match &survey.receipts.identities {
        Some(receipt) if receipt.bots == now.bots => Identities::read_known(output, KNOWN_IDENTITIES, settings)?,
        _ => None,
    };
    let Some(before) = before else { return Ok(every_day(survey, "the known alias table is lost")) };
    let changed = identities.changed_since(&before, settings.bots.len());
    if changed.is_empty() {
        return Ok(Reached::new());
    }
    let mut ids = HashSet::new();
    for bot in 0..settings.bots.len() {
        let of_bot = || changed.iter().filter(|(of, _)| *of as usize == bot).map(|(_, id)| id.as_str());
        for table in [&before, identities] {
            let ends: HashSet<&str> = of_bot().flat_map(|id| [before.resolve(bot, id), identities.resolve(bot, id)]).collect();
            ids.extend(table.ids_of(bot, &ends));
        }
    }
    let Some(kept) = engine.rows() else { return Ok(every_day(survey, "aliases changed, and the engine keeps no rows")) };
    let rows = kept.load(settings, &survey.extracted(lost), Some(&ids))?;
    Ok(days_of_moved_contacts(settings, rows.as_ref(), &before, identities))
}

/// A contact whose chain ends elsewhere leaves one group of ids and joins another. Only conversion events of the two can be
/// credited otherwise, and only those that a touch of their group precedes within the horizon.
fn days_of_moved_contacts(settings: &Settings, rows: &dyn Rows, before: &Identities, now: &Identities) -> Reached {
    let changed = now.changed_since(before, settings.bots.len());
    let tables = [before, now];
    let end = |table: usize, bot: u32, contact: &str| (bot, tables[table].resolve(bot as usize, contact).to_string());
    let groups: HashSet<(u32, String)> =
        changed.iter().flat_map(|(bot, contact)| [end(0, *bot, contact), end(1, *bot, contact)]).collect();
    let mut touched: [HashMap<(u32, String), Vec<i64>>; 2] = Default::default();
    for touch in rows.each_touch() {
        for table in 0..tables.len() {
            let group = end(table, touch.bot, touch.contact);
            if groups.contains(&group) {
                touched[table].entry(group).or_default().push(touch.sent_at);
            }
        }
    }
    let mut reached = Reached::new();
    for event in rows.each_event() {
        let Some(contact) = event.contact else { continue };
        let ends = [0, 1].map(|table| end(table, event.bot, contact));
        if !ends.iter().any(|end| groups.contains(end)) {
            continue;
        }
        let is_open = |at: &i64| (0..=settings.horizon.micros()).contains(&(event.occurred_at - at));
        if ends.iter().zip(&touched).any(|(end, touched)| touched.get(end).is_some_and(|times| times.iter().any(is_open))) {
            let day = settings.bots[event.bot as usize].zone.local_day(event.occurred_at);
            reached.entry(day).or_insert_with(|| "alias changed".to_string());
        }
    }
    reached
}

/// What the ads' places reach since the published days were built; none where nothing has to be kept anew.
pub(crate) fn of_ads(places: &Places<'_>, survey: &Survey, ads: &AdIndex, planner: &Planner<'_>) -> Result<Option<Reached>> {
    let Some(before) = read_json::<AdPlaces>(places.output, AD_PLACES)? else {
        return Ok(Some(every_day(survey, "the known places of ads are lost")));
    };
    let moved = ads::moved(&before, &ads.places(places.settings));
    if moved.is_empty() {
        return Ok(None);
    }
    // An ad that is known no more may have rows anywhere.
    let first = moved.keys().map(|ad| ads.first_day(ad)).min().flatten();
    let reason = |ad: &String| moved.get(ad).map(|reason| format!("{reason}: {ad}"));
    // Of a day that was built from what is not there now, nobody knows here which ads it has.
    let has_none = |day: Day| first.is_some_and(|first| day < first) && planner.staleness(day).is_none();
    days_with(places.output, survey, &has_none, &reason).map(Some)
}

/// The published days with a row of an ad for which there is a reason. Those that are known to have none are not looked into.
pub(crate) fn days_with(
    output: &Lake,
    survey: &Survey,
    has_none: &dyn Fn(Day) -> bool,
    reason: &dyn Fn(&String) -> Option<String>,
) -> Result<Reached> {
    let mut reached = Reached::new();
    for (day, object) in survey.published.get("ad_days").into_iter().flatten() {
        if survey.receipts.days.get(*day).is_none() || has_none(*day) {
            continue;
        }
        // An object that was altered makes its day stale anyway.
        let Some(batches) = output.get(&object.path)?.and_then(|bytes| decode(bytes).ok()) else { continue };
        let ids: BTreeSet<String> = batches.iter().flat_map(crate::tables::ad_ids).collect();
        if let Some(reason) = ids.iter().find_map(reason) {
            reached.insert(*day, reason);
        }
    }
    Ok(reached)
}

fn every_day(survey: &Survey, reason: &str) -> Reached {
    survey.receipts.days.iter().map(|(day, _)| (day, reason.to_string())).collect()
}
