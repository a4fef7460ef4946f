//! Rows of test contacts, left out before anything is counted (rule 25).

use std::collections::BTreeMap;

use crate::base::day::Day;
use crate::config::Settings;
use crate::engine::embedded::needed::Loaded;
use crate::engine::embedded::settle::IsCounted;
use crate::engine::request::Rules;

/// Takes the rows of test contacts out. Returns how many those were that `counts` names, by local day and bot.
pub(super) fn take(loaded: &mut Loaded<'_>, rules: &Rules<'_>, counts: &IsCounted<'_>) -> BTreeMap<(Day, u32), i64> {
    let mut left_out = BTreeMap::new();
    let settings: &Settings = rules.settings;
    if !settings.has_test_contacts() {
        return left_out;
    }
    let of_bots = settings.test_ids();
    // `id` is the contact in the pipeline's forms.
    let is_test = |bot: u32, as_it_came: &str, id: &str| {
        let tests = &of_bots[bot as usize];
        let is_named = |contact: &str| tests.contains(contact);
        !tests.is_empty() && (is_named(as_it_came) || is_named(id) || is_named(rules.identities.resolve(bot as usize, id)))
    };
    let mut note = |bot: u32, at: i64, contact: (&str, i64)| {
        if counts(bot, Some(contact)) {
            *left_out.entry((settings.bots[bot as usize].zone.local_day(at), bot)).or_default() += 1;
        }
    };
    let Loaded { touches, events, .. } = loaded;
    let mut rows = std::mem::take(&mut touches.rows);
    rows.retain(|touch| {
        let contact = touches.contact(touch);
        let is_left_out = is_test(touch.bot, touches.contact_as_it_came(touch), contact);
        if is_left_out {
            note(touch.bot, touch.sent_at, (contact, touches.contact_hash(touch)));
        }
        !is_left_out
    });
    touches.rows = rows;
    let mut rows_of_events = std::mem::take(&mut events.rows);
    rows_of_events.retain(|event| {
        let Some((contact, hash)) = events.contact(event).zip(events.contact_hash(event)) else { return true };
        let is_left_out = is_test(event.bot, events.contact_as_it_came(event).unwrap_or(contact), contact);
        if is_left_out {
            note(event.bot, event.occurred_at, (contact, hash));
        }
        !is_left_out
    });
    events.rows = rows_of_events;
    left_out
}
