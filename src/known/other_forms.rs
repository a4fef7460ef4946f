//! Other forms: conversion events whose contact has no touch, and would have one if ids were compared in a form that the pipeline file
//! does not name (rule 16). Nothing is merged on a guess: it is said, with the line that would do it.
//!
//! In: rows that are at hand. Out: for each set of forms that would join people, how many, with a pair of ids. Memory and time are those
//! of the contacts that have no touch, of which a bounded number is looked at.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use foldhash::fast::FixedState;

use crate::base::error::Result;
use crate::base::parallel::on_all_cores;
use crate::base::said::Said;
use crate::base::schema::Raw;
use crate::config::{BotCodes, Forms, Settings};
use crate::engine::rows::Rows;
use crate::extract::identity::Identities;

/// Contacts of touches or of conversion events, with the index of the bot.
pub(crate) enum Contacts<'a> {
    /// As `schema::touches()` or `schema::conversions()`: ids as they came.
    Batch(Raw, RecordBatch),
    /// Ids in the pipeline's forms.
    Rows(&'a dyn Rows),
}

/// As many contacts without a touch are looked at.
const LOOKED_AT: usize = 200_000;

impl Contacts<'_> {
    /// How many rows there are.
    pub(crate) fn rows(&self) -> usize {
        match self {
            Contacts::Batch(_, batch) => batch.num_rows(),
            Contacts::Rows(rows) => (rows.touches() + rows.events()) as usize,
        }
    }

    pub(super) fn each(&self, table: Raw, bots: &BotCodes<'_>, take: &mut dyn FnMut(usize, &str)) {
        self.each_at(table, bots, &mut |bot, contact, _| take(bot, contact));
    }

    /// The same, with the instant of each row.
    pub(crate) fn each_at(&self, table: Raw, bots: &BotCodes<'_>, take: &mut dyn FnMut(usize, &str, i64)) {
        match (self, table) {
            (Contacts::Batch(of, batch), _) if *of == table => {
                let (ids, contacts) = (batch.column(2).as_string::<i32>(), batch.column(3).as_string::<i32>());
                let times = batch.column(4).as_primitive::<Int64Type>();
                // Rows of one bot mostly follow each other.
                let mut known: Option<(&str, Option<usize>)> = None;
                for row in (0..batch.num_rows()).filter(|row| contacts.is_valid(*row)) {
                    let id = ids.value(row);
                    let (_, bot) = match known.filter(|(of_before, _)| *of_before == id) {
                        Some(same) => same,
                        None => *known.insert((id, bots.get(id).map(|bot| *bot as usize))),
                    };
                    if let Some(bot) = bot {
                        take(bot, contacts.value(row), times.value(row));
                    }
                }
            }
            (Contacts::Batch(..), _) => {}
            (Contacts::Rows(rows), Raw::Messages) => {
                rows.each_touch().for_each(|touch| take(touch.bot as usize, touch.contact, touch.sent_at));
            }
            (Contacts::Rows(rows), Raw::Events) => {
                let events = rows.each_event().filter_map(|event| Some((event.bot as usize, event.contact?, event.occurred_at)));
                events.for_each(|(bot, contact, at)| take(bot, contact, at));
            }
        }
    }
}

/// What is known of contacts, by bot.
type OfBots<T> = Vec<HashMap<String, T, FixedState>>;

/// People that some forms would join.
struct Joined {
    people: u64,
    /// The smallest pair of ids: of an event and of a touch.
    example: (String, String),
}

/// What there is to say of contacts that would be one in another form.
pub(crate) fn warnings(settings: &Settings, identities: &Identities, rows: &[Contacts<'_>]) -> Result<Vec<Said>> {
    let bots = settings.bot_codes();
    let without_touch = without_touch(&bots, identities, rows)?;
    let contacts: usize = without_touch.iter().map(HashMap::len).sum();
    if contacts == 0 {
        return Ok(Vec::new());
    }
    let all = Forms::all();
    let mut by_form: Vec<HashMap<Cow<'_, str>, Vec<&str>, FixedState>> = Vec::new();
    for of_bot in &without_touch {
        let mut in_form: HashMap<Cow<'_, str>, Vec<&str>, FixedState> = HashMap::default();
        in_form.reserve(of_bot.len());
        of_bot.keys().for_each(|contact| in_form.entry(all.of(contact)).or_default().push(contact));
        by_form.push(in_form);
    }
    // For each contact of an event, the smallest contact of a touch that is the same in some form.
    let mut met: BTreeMap<(usize, String), String> = BTreeMap::new();
    let of_each = on_all_cores(rows, |of| {
        let mut pairs: Vec<(usize, &str, String)> = Vec::new();
        of.each(Raw::Messages, &bots, &mut |bot, as_it_came| {
            let contact = identities.contact(bot, as_it_came);
            let of_events = by_form[bot].get(&*all.of(&contact));
            pairs.extend(of_events.into_iter().flatten().map(|event| (bot, *event, contact.to_string())));
        });
        Ok(pairs)
    });
    for pairs in of_each {
        for (bot, event, contact) in pairs? {
            let touch = met.entry((bot, event.to_string())).or_insert_with(|| contact.clone());
            *touch = contact.min(std::mem::take(touch));
        }
    }
    let mut joined: BTreeMap<Forms, Joined> = BTreeMap::new();
    for ((_, event), touch) in met {
        let Some(forms) = settings.forms.lacking_for(&event, &touch) else { continue };
        let example = (event, touch);
        let of = joined.entry(forms).or_insert_with(|| Joined { people: 0, example: example.clone() });
        of.people += 1;
        of.example = example.min(std::mem::take(&mut of.example));
    }
    Ok(joined.iter().map(|(lacking, joined)| warning(settings, lacking, joined, contacts)).collect())
}

/// The contacts of conversion events that have no touch among the rows.
fn without_touch(bots: &BotCodes<'_>, identities: &Identities, rows: &[Contacts<'_>]) -> Result<OfBots<AtomicBool>> {
    let mut contacts: OfBots<AtomicBool> = (0..bots.len()).map(|_| HashMap::default()).collect();
    let mut looked_at = 0;
    for of in rows {
        of.each(Raw::Events, bots, &mut |bot, as_it_came| {
            if looked_at < LOOKED_AT {
                let contact = identities.contact(bot, as_it_came);
                if !contacts[bot].contains_key(&*contact) {
                    contacts[bot].insert(contact.into_owned(), AtomicBool::new(false));
                    looked_at += 1;
                }
            }
        });
    }
    let touched = on_all_cores(rows, |of| {
        of.each(Raw::Messages, bots, &mut |bot, as_it_came| {
            if let Some(has_touch) = contacts[bot].get(&*identities.contact(bot, as_it_came)) {
                has_touch.store(true, Ordering::Relaxed);
            }
        });
        Ok(())
    });
    touched.into_iter().collect::<Result<()>>()?;
    contacts.iter_mut().for_each(|of_bot| of_bot.retain(|_, has_touch| !*has_touch.get_mut()));
    Ok(contacts)
}

fn warning(settings: &Settings, lacking: &Forms, joined: &Joined, of: usize) -> Said {
    let names = |forms: &Forms| forms.names().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ");
    let (event, touch) = &joined.example;
    let pair = format!("{:?} and {:?}", shortened(event), shortened(touch));
    let said = Said::new(format!(
        "{} of {of} contacts of conversion events without a touch, among the newest rows, have one in another form of id ({}), such as {pair}: their \
         conversions are of no ad",
        joined.people,
        names(lacking)
    ));
    said.example(pair).mend(format!(
        "where these are the same people, write forms = [{}] below [identity] in the pipeline file",
        names(&settings.forms.and(lacking))
    ))
}

/// The id of a contact without its middle: what tells two forms apart is seen, and nobody can be called.
pub(crate) fn shortened(id: &str) -> String {
    const SHOWN: (usize, usize) = (5, 3);
    let (name, node) = id.split_at(id.find(['@', '/']).unwrap_or(id.len()));
    let letters: Vec<char> = name.chars().collect();
    if letters.len() < 10 {
        return format!("{}…{node}", letters.iter().take(2).collect::<String>());
    }
    let (head, tail) = (&letters[..SHOWN.0], &letters[letters.len() - SHOWN.1..]);
    format!("{}…{}{node}", head.iter().collect::<String>(), tail.iter().collect::<String>())
}
