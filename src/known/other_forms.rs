//! Other forms: conversion events whose contact has no touch, and would have one if ids were compared in a form that the pipeline file
//! does not name (rule 16). Nothing is merged on a guess: it is said, with the line that would do it.
//!
//! In: rows that are at hand. Out: for each set of forms that would join people, how many, with a pair of ids. Memory and time are those
//! of the contacts that have no touch, of which a bounded number is looked at.

use std::collections::{BTreeMap, HashMap, HashSet};

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use foldhash::fast::FixedState;

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
    fn each(&self, table: Raw, bots: &BotCodes<'_>, take: &mut dyn FnMut(usize, &str)) {
        self.each_at(table, bots, &mut |bot, contact, _| take(bot, contact));
    }

    /// The same, with the instant of each row.
    pub(crate) fn each_at(&self, table: Raw, bots: &BotCodes<'_>, take: &mut dyn FnMut(usize, &str, i64)) {
        match (self, table) {
            (Contacts::Batch(of, batch), _) if *of == table => {
                let (ids, contacts) = (batch.column(2).as_string::<i32>(), batch.column(3).as_string::<i32>());
                let times = batch.column(4).as_primitive::<Int64Type>();
                for row in (0..batch.num_rows()).filter(|row| contacts.is_valid(*row)) {
                    if let Some(bot) = bots.get(ids.value(row)) {
                        take(*bot as usize, contacts.value(row), times.value(row));
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

/// People that some forms would join.
struct Joined {
    people: u64,
    /// The smallest pair of ids: of an event and of a touch.
    example: (String, String),
}

/// What there is to say of contacts that would be one in another form.
pub(crate) fn warnings(settings: &Settings, identities: &Identities, rows: &[Contacts<'_>]) -> Vec<Said> {
    let bots = settings.bot_codes();
    let without_touch = without_touch(&bots, identities, rows);
    if without_touch.is_empty() {
        return Vec::new();
    }
    let all = Forms::all();
    let mut by_form: HashMap<(usize, String), Vec<&str>, FixedState> = HashMap::default();
    for (bot, contact) in &without_touch {
        by_form.entry((*bot, all.of(contact).into_owned())).or_default().push(contact);
    }
    // For each contact of an event, the smallest contact of a touch that is the same in some form.
    let mut met: BTreeMap<(usize, &str), String> = BTreeMap::new();
    for of in rows {
        of.each(Raw::Messages, &bots, &mut |bot, as_it_came| {
            let contact = identities.contact(bot, as_it_came);
            let of_events = by_form.get(&(bot, all.of(&contact).into_owned()));
            for event in of_events.into_iter().flatten() {
                let touch = met.entry((bot, *event)).or_insert_with(|| contact.to_string());
                if *contact < **touch {
                    *touch = contact.to_string();
                }
            }
        });
    }
    let mut joined: BTreeMap<Forms, Joined> = BTreeMap::new();
    for ((_, event), touch) in met {
        let Some(forms) = settings.forms.lacking_for(event, &touch) else { continue };
        let example = (event.to_string(), touch);
        let of = joined.entry(forms).or_insert_with(|| Joined { people: 0, example: example.clone() });
        of.people += 1;
        of.example = example.min(std::mem::take(&mut of.example));
    }
    joined.iter().map(|(lacking, joined)| warning(settings, lacking, joined, without_touch.len())).collect()
}

/// The contacts of conversion events that have no touch among the rows.
fn without_touch(bots: &BotCodes<'_>, identities: &Identities, rows: &[Contacts<'_>]) -> HashSet<(usize, String), FixedState> {
    let mut contacts: HashSet<(usize, String), FixedState> = HashSet::default();
    for of in rows {
        of.each(Raw::Events, bots, &mut |bot, as_it_came| {
            if contacts.len() < LOOKED_AT {
                contacts.insert((bot, identities.contact(bot, as_it_came).into_owned()));
            }
        });
    }
    for of in rows {
        of.each(Raw::Messages, bots, &mut |bot, as_it_came| {
            contacts.remove(&(bot, identities.contact(bot, as_it_came).into_owned()));
        });
    }
    contacts
}

fn warning(settings: &Settings, lacking: &Forms, joined: &Joined, of: usize) -> Said {
    let names = |forms: &Forms| forms.names().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ");
    let (event, touch) = &joined.example;
    let pair = format!("{:?} and {:?}", shortened(event), shortened(touch));
    let said = Said::new(format!(
        "{} of {of} contacts of conversion events without a touch have one in another form of id ({}), such as {pair}: their \
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
