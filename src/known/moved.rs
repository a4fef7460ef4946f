//! Moved: which days a changed alias, or an ad at another place than before, makes stale (rule 21).
//!
//! The digests of a day's receipt tell of rows, settings and figures. Of aliases and of ads they do not tell: what the published
//! days were built with is kept under `work/`, and compared here with what holds now. Where it is lost, every day is affected. What is
//! affected is kept as marks (`plan/marks.rs`).

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use arrow::array::{Array, AsArray, StringArray};

use crate::base::day::Day;
use crate::base::digest::Digest;
use crate::base::error::Result;
use crate::config::Settings;
use crate::engine::rows::Rows;
use crate::extract::fingerprints;
use crate::extract::identity::Identities;
use crate::known::job::Places;
use crate::known::receipts::known_places;
use crate::known::survey::{Lost, Survey};
use crate::lake::{Lake, decode, read_json};
use crate::plan::Planner;
use crate::plan::reason::Reason;
use crate::plan::receipt::DayReceipt;
use crate::tables::ads::{self, AdIndex, AdPlaces};

/// The days affected, each with the reason.
pub(crate) type AffectedDays = BTreeMap<Day, String>;

/// What became of the alias table, or of the ads' places, since the published days were built.
pub(crate) enum Moved {
    /// All is as the days know it.
    Nothing,
    /// Something is other than they know, and affects these of them.
    Affects(AffectedDays),
}

impl Moved {
    pub(crate) fn into_affected(self) -> AffectedDays {
        match self {
            Moved::Nothing => AffectedDays::new(),
            Moved::Affects(days) => days,
        }
    }
}

/// The days that the alias table affects since the published days were built.
pub(crate) fn of_identities(places: &Places<'_>, survey: &Survey, identities: &Identities, lost: Lost) -> Result<Moved> {
    let Places { settings, output, engine, .. } = places;
    let Some(receipt) = &survey.receipts.identities else {
        return Ok(Moved::Affects(every_day(survey, "the known alias table is lost")));
    };
    let Some(before) = Identities::read_known(output, receipt, settings)? else {
        return Ok(Moved::Affects(every_day(survey, "the known alias table is lost")));
    };
    if receipt.people != fingerprints::people(settings) {
        return Ok(Moved::Affects(every_day(survey, "[identity] forms or test_contacts changed")));
    }
    if before.is_empty() && identities.is_empty() {
        return Ok(Moved::Nothing);
    }
    if receipt.bots != survey.bots_of_ids(settings) {
        return Ok(Moved::Affects(every_day(survey, "bots or their members changed, and aliases with them")));
    }
    let changed = identities.changed_since(&before);
    if changed.is_empty() {
        return Ok(Moved::Nothing);
    }
    let ends: HashSet<&str> = &before.ends_of(&changed) | &identities.ends_of(&changed);
    if settings.test_ids().iter().flatten().any(|contact| ends.contains(contact.as_str())) {
        return Ok(Moved::Affects(every_day(survey, "aliases of test contacts changed")));
    }
    let ids = &before.ids_of(&ends) | &identities.ids_of(&ends);
    let Some(kept) = engine.rows() else {
        return Ok(Moved::Affects(every_day(survey, "aliases changed, and the engine keeps no rows")));
    };
    let rows = kept.load(settings, &survey.extracted(lost), Some(&ids))?;
    Ok(Moved::Affects(days_of_moved_contacts(settings, rows.as_ref(), &before, identities)))
}

/// What tells whether an alias table says what it said.
pub(crate) fn aliases_digest(identities: &Identities, settings: &Settings) -> Result<Digest> {
    let table = identities.table(settings)?;
    let columns: Vec<&StringArray> = table.columns().iter().map(|column| column.as_string::<i32>()).collect();
    let rows = (0..table.num_rows()).flat_map(|row| columns.iter().map(move |column| (row, *column)));
    Ok(Digest::of(rows.map(|(row, column)| column.is_valid(row).then(|| column.value(row)))))
}

/// A contact whose chain ends elsewhere leaves one group of ids and joins another. Only conversion events of the two can be
/// credited otherwise, and only those that a touch of their group precedes within the horizon.
fn days_of_moved_contacts(settings: &Settings, rows: &dyn Rows, before: &Identities, now: &Identities) -> AffectedDays {
    let tables = [before, now];
    let end = |table: usize, bot: u32, contact: &str| (bot, tables[table].resolve(bot as usize, contact).to_string());
    // Whoever has no rows is moved without a trace.
    let touches = rows.each_touch().map(|touch| (touch.bot, touch.contact));
    let contacts = touches.chain(rows.each_event().filter_map(|event| Some((event.bot, event.contact?))));
    let both_ends = contacts.map(|(bot, contact)| [end(0, bot, contact), end(1, bot, contact)]);
    let groups: HashSet<(u32, String)> = both_ends.filter(|[one, other]| one != other).flatten().collect();
    let mut touched: [HashMap<(u32, String), Vec<i64>>; 2] = Default::default();
    for touch in rows.each_touch() {
        for table in 0..tables.len() {
            let group = end(table, touch.bot, touch.contact);
            if groups.contains(&group) {
                touched[table].entry(group).or_default().push(touch.sent_at);
            }
        }
    }
    let mut affected = AffectedDays::new();
    for event in rows.each_event() {
        let Some(contact) = event.contact else { continue };
        let ends = [0, 1].map(|table| end(table, event.bot, contact));
        if !ends.iter().any(|group| groups.contains(group)) {
            continue;
        }
        let is_open = |at: &i64| (0..=settings.horizon.micros()).contains(&(event.occurred_at - at));
        if ends.iter().zip(&touched).any(|(group, touched)| touched.get(group).is_some_and(|times| times.iter().any(is_open))) {
            let day = settings.bots[event.bot as usize].zone.local_day(event.occurred_at);
            affected.entry(day).or_insert_with(|| "alias changed".to_string());
        }
    }
    affected
}

/// The days that the ads' places affect since the published days were built.
pub(crate) fn of_ads(places: &Places<'_>, survey: &Survey, ads: &AdIndex, planner: &Planner<'_>) -> Result<Moved> {
    let state = survey.receipts.ads.as_ref().map(|receipt| known_places(receipt.marks.tip()));
    let before = state.map(|object| read_json::<AdPlaces>(places.output, &object)).transpose()?.flatten();
    let Some(before) = before else {
        return Ok(Moved::Affects(every_day(survey, "the known places of ads are lost")));
    };
    let moved = ads::moved(&before, &ads.places(places.settings));
    if moved.is_empty() {
        return Ok(Moved::Nothing);
    }
    // An ad that is known no more may have rows anywhere.
    let first = moved.keys().map(|ad| ads.first_day(ad)).min().flatten();
    let reason = |ad: &String| moved.get(ad).map(|reason| format!("{reason}: {ad}"));
    // Of a day that was built from what is not there now, nobody knows here which ads it has.
    let has_none = |day: Day| first.is_some_and(|first| day < first) && planner.staleness(day).is_none();
    let mut affected = days_with(places.output, survey, &has_none, &reason)?;
    // What is not there as it was published may be put back.
    let version = |day: &Day| survey.published.get("ad_days")?.get(day).map(|object| &object.version);
    let is_away = |(day, receipt): &(Day, &DayReceipt)| version(day) != receipt.objects.get("ad_days");
    for (day, _) in survey.receipts.days.iter().filter(is_away) {
        affected.entry(day).or_insert_with(|| Reason::ObjectChanged("ad_days").to_string());
    }
    Ok(Moved::Affects(affected))
}

/// The published days with a row of an ad for which there is a reason. Those that are known to have none are not looked into.
pub(crate) fn days_with(
    output: &Lake,
    survey: &Survey,
    has_none: &dyn Fn(Day) -> bool,
    reason: &dyn Fn(&String) -> Option<String>,
) -> Result<AffectedDays> {
    let mut affected = AffectedDays::new();
    for (day, object) in survey.published.get("ad_days").into_iter().flatten() {
        if survey.receipts.days.get(*day).is_none() || has_none(*day) {
            continue;
        }
        // An object that was altered makes its day stale anyway.
        let Some(batches) = output.get(&object.path)?.and_then(|bytes| decode(bytes).ok()) else { continue };
        let ids: BTreeSet<String> = batches.iter().flat_map(crate::tables::ad_ids).collect();
        if let Some(reason) = ids.iter().find_map(reason) {
            affected.insert(*day, reason);
        }
    }
    Ok(affected)
}

fn every_day(survey: &Survey, reason: &str) -> AffectedDays {
    survey.receipts.days.iter().map(|(day, _)| (day, reason.to_string())).collect()
}
