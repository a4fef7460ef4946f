//! Whether contacts of conversion events are contacts of touches: where none is, nothing converts, whatever else is right.
//!
//! In: the rows that count. Out: how many contacts have a touch, examples of both sides, and what would make them one.

use std::collections::{BTreeSet, HashMap, HashSet};

use foldhash::fast::FixedState;

use crate::base::day::Zone;
use crate::base::said::Said;
use crate::base::schema::Raw;
use crate::config::{Forms, Settings};
use crate::extract::identity::Identities;
use crate::known::other_forms::{Contacts, shortened};

use super::finding::Findings;

/// As many contacts of conversion events are looked at.
const LOOKED_AT: usize = 200_000;

/// What was found.
#[derive(Default)]
pub(super) struct Joined {
    /// Contacts of conversion events, and those of them that have a touch.
    contacts: u64,
    with_touch: u64,
    touches: u64,
    /// Touches of test contacts.
    of_tests: u64,
    /// Conversion events of contacts with a touch, those that lie before all of them or so long after all that none can convert, and the
    /// others.
    before: u64,
    too_late: u64,
    within: u64,
    /// Of those that cannot convert: the time of the touch and of the event.
    astray: Option<(i64, i64)>,
    /// Ids: of an event without a touch, and of a touch.
    unjoined: Option<(String, String)>,
    /// Pairs that differ only in what no form names.
    loose: Option<(u64, String, String)>,
    /// Some forms would join people.
    pub has_forms: bool,
    /// Conversion events, with a contact or without.
    pub events: u64,
    /// Nothing was left unread.
    pub is_whole: bool,
    aliases: usize,
    aliases_met: usize,
}

type ByContact<T> = HashMap<(usize, String), T, FixedState>;

pub(super) fn look(settings: &Settings, identities: &Identities, rows: &[Contacts<'_>]) -> Joined {
    let bots = settings.bot_codes();
    let mut events: ByContact<Vec<i64>> = ByContact::default();
    let aliases: HashSet<&str> = identities.aliases().map(|(alias, _)| alias).collect();
    let mut met: HashSet<&str> = HashSet::new();
    for of in rows {
        of.each_at(Raw::Events, &bots, &mut |bot, as_it_came, at| {
            met.extend(aliases.get(as_it_came));
            let contact = identities.contact(bot, as_it_came);
            if events.len() < LOOKED_AT || events.contains_key(&(bot, contact.to_string())) {
                events.entry((bot, contact.into_owned())).or_default().push(at);
            }
        });
    }
    let mut joined = Joined { contacts: events.len() as u64, aliases: aliases.len(), ..Joined::default() };
    let mut touched: ByContact<(i64, i64)> = ByContact::default();
    let mut example: Option<String> = None;
    let mut by_loose: HashMap<(usize, String), String, FixedState> = HashMap::default();
    for of in rows {
        of.each_at(Raw::Messages, &bots, &mut |bot, as_it_came, at| {
            joined.touches += 1;
            met.extend(aliases.get(as_it_came));
            let key = (bot, identities.contact(bot, as_it_came).into_owned());
            let tests = &settings.bots[bot].test_contacts;
            if !tests.is_empty() && (tests.contains(as_it_came) || tests.contains(&key.1)) {
                joined.of_tests += 1;
                return;
            }
            if example.as_ref().is_none_or(|known| key.1 < *known) {
                example = Some(key.1.clone());
            }
            if events.contains_key(&key) {
                let (first, last) = touched.entry(key).or_insert((at, at));
                (*first, *last) = (at.min(*first), at.max(*last));
            } else if by_loose.len() < LOOKED_AT {
                by_loose.entry((bot, loosely(&key.1))).or_insert(key.1);
            }
        });
    }
    joined.aliases_met = met.len();
    joined.with_touch = touched.len() as u64;
    let mut unjoined: BTreeSet<&(usize, String)> = BTreeSet::new();
    for (contact, times) in &events {
        match touched.get(contact) {
            Some(span) => times.iter().for_each(|at| joined.place(*at, *span, settings.horizon.micros())),
            None => _ = unjoined.insert(contact),
        }
    }
    joined.unjoined = unjoined.first().map(|(_, contact)| contact.clone()).zip(example);
    for (bot, contact) in unjoined {
        if let Some(touch) = by_loose.get(&(*bot, loosely(contact))) {
            let (pairs, ..) = joined.loose.get_or_insert_with(|| (0, contact.clone(), touch.clone()));
            *pairs += 1;
        }
    }
    joined
}

/// An id without what systems add to it or leave out: what follows the `@`, case, all forms.
fn loosely(id: &str) -> String {
    let formed = Forms::all().of(id).into_owned();
    let name = formed.split('@').next().unwrap_or_default();
    let digits: String = name.chars().filter(char::is_ascii_digit).collect();
    if digits.len() >= 8 { digits } else { name.to_lowercase() }
}

impl Joined {
    /// Notes where an event lies beside the touches of its contact, of which the first and the last are told.
    fn place(&mut self, event: i64, (first, last): (i64, i64), horizon: i64) {
        let (is_before, is_late) = (event < first, event > last.saturating_add(horizon));
        *match (is_before, is_late) {
            (true, _) => &mut self.before,
            (_, true) => &mut self.too_late,
            _ => &mut self.within,
        } += 1;
        if (is_before || is_late) && self.astray.is_none_or(|known| (first, event) < known) {
            self.astray = Some((first, event));
        }
    }

    pub(super) fn tell(&self, findings: &mut Findings<'_>) {
        self.tell_aliases(findings);
        if self.of_tests > 0 {
            let text = format!("{} of {} touches are of test contacts and count nowhere", self.of_tests, self.touches);
            if self.of_tests == self.touches {
                findings.warn("messages", Said::new(text).mend("name only people who test in test_contacts"));
            } else {
                findings.ok("messages", text);
            }
        }
        if self.contacts == 0 {
            if self.events > 0 {
                let said = Said::new(format!(
                    "none of {} conversion events names a contact: each is counted, and none can convert",
                    self.events
                ));
                findings
                    .warn("events", said.mend("name the column that has it: contact_id = \"...\" in [inputs.events.columns]"));
            }
            return;
        }
        if self.touches > self.of_tests && self.with_touch == 0 {
            findings.warn("identities", self.nothing_joined());
        } else if self.touches > 0 {
            let text = format!(
                "{} of {} contacts of conversion events have a touch among the rows that were read",
                self.with_touch, self.contacts
            );
            findings.ok("identities", text);
        }
        if self.within == 0 {
            self.astray.into_iter().for_each(|pair| findings.warn("events", self.none_within(pair)));
        }
    }

    fn none_within(&self, (touch, event): (i64, i64)) -> Said {
        let time = |at: i64| Zone::UTC.time(at);
        let said = Said::new(format!(
            "of {} conversion events of contacts with a touch, {} lie before it and {} later than the horizon, so that nothing converts: \
             such as an event at {} and the touch at {}",
            self.before + self.too_late,
            self.before,
            self.too_late,
            time(event),
            time(touch)
        ));
        said.example(time(event)).mend(
            "see that sent_at and occurred_at are times of one clock, zone = \"...\" in [inputs.events.columns] or \
             [inputs.messages.columns] where a table's are local, and that window_days in [attribution] is as long as people take",
        )
    }

    fn tell_aliases(&self, findings: &mut Findings<'_>) {
        if self.aliases == 0 {
            return;
        }
        let text = format!("{} of {} aliases are contacts of the rows that were read", self.aliases_met, self.aliases);
        if self.aliases_met == 0 && self.touches > 0 && self.is_whole {
            let said = Said::new(format!("{text}: the table joins nobody"));
            findings.warn(
                "identities",
                said.mend("land aliases as contact_id has them in messages and events, or name the forms that make them alike"),
            );
        } else {
            findings.ok("identities", text);
        }
    }

    fn nothing_joined(&self) -> Said {
        let (event, touch) = self.unjoined.clone().unwrap_or_default();
        let pair = format!("{:?} and {:?}", shortened(&event), shortened(&touch));
        let said = Said::new(format!(
            "none of {} contacts of conversion events has a touch, so that nothing converts: contacts of events and of touches are such \
             as {pair}",
            self.contacts
        ));
        said.example(pair).mend(self.what_joins(&event, &touch))
    }

    /// The line that would join them, as far as ids tell.
    fn what_joins(&self, event: &str, touch: &str) -> String {
        const ALIASES: &str =
            "land a table of aliases (bot_id, alias, contact_id) and name it: [inputs.identities] path = \"...\"";
        if self.has_forms {
            return "see what is said of forms".to_string();
        }
        let ids = [event, touch];
        if let Some((pairs, of_event, of_touch)) = &self.loose {
            let (one, other) = (shortened(of_event), shortened(of_touch));
            return format!(
                "{pairs} of them differ only in what follows the @, or in case, such as {one:?} and {other:?}, which no form leaves out: \
                 have the loader write them alike, or {ALIASES}"
            );
        }
        if ids.iter().any(|id| id.contains("@tunnel.")) {
            return format!("an id of a tunnel is a router's name for somebody: {ALIASES}, with the id behind each tunnel");
        }
        if ids.iter().any(|id| id.contains("@lid")) {
            return format!("an @lid hides the number, and no rule tells whose it is: {ALIASES}, with the number of each @lid");
        }
        format!("map contact_id to the same id in both tables, or {ALIASES}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_compared_without_what_systems_add() {
        for (one, other) in [
            ("5531988887777@wa.gw.msging.net", "+55 (31) 8888-7777"),
            ("5531988887777:12@s.whatsapp.net", "5531988887777"),
            ("Ana.Maria@x", "ana.maria@y"),
        ] {
            assert_eq!(loosely(one), loosely(other));
        }
        assert_ne!(loosely("ana-1"), loosely("ana-2"));
        assert_ne!(loosely("2f9d@tunnel.msging.net"), loosely("5531988887777@wa.gw.msging.net"));
    }
}
