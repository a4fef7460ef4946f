//! Sessions on all cores: windowed polars over the horizon, in shards of contacts.
//!
//! Ids become small integers first (a contact after identity resolution, an ad, a category), so that the frames hold numbers only.
//! A contact belongs to one shard, so shards are independent and memory is bounded by the largest.

use std::collections::HashMap;

use foldhash::fast::FixedState;
use polars::prelude::*;

use crate::base::day::{Day, LocalDays};
use crate::base::digest::short_hash;
use crate::base::error::Result;
use crate::base::parallel::{at_once, cores, on_all_cores};
use crate::config::Settings;
use crate::engine::embedded::conversion_events::Event;
use crate::engine::embedded::sessions::sessions;
use crate::engine::embedded::settle::Settled;
use crate::engine::embedded::touches::Touch;
use crate::engine::request::Rules;

/// Rows of a shard: about 250 bytes each while its sessions are found.
const ROWS_PER_SHARD: usize = 250_000;

/// Fewer are not worth a second thread.
const ROWS_PER_THREAD: usize = 50_000;

/// How many shards: as many as there are cores, or as memory needs.
pub(super) fn shards_for(settled: &Settled) -> u32 {
    let rows = settled.touches.rows.len() + settled.events.rows.len();
    let threads = cores().min(rows / ROWS_PER_THREAD).max(1);
    rows.div_ceil(ROWS_PER_SHARD).max(threads) as u32
}

/// The rows of one shard, as indices into those of [`Settled`], with their local days.
#[derive(Default)]
pub(super) struct ShardRows {
    pub touches: Vec<(u32, Day)>,
    pub events: Vec<(u32, Day)>,
}

/// A contact after its aliases are followed. The hash brings rows together; the rest tells them apart.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Contact<'a> {
    hash: i64,
    bot: u32,
    id: &'a str,
}

impl<'a> Contact<'a> {
    fn new(rules: &Rules<'a>, bot: u32, id: &'a str, hash: i64) -> Contact<'a> {
        let resolved = rules.identities.resolve(bot as usize, id);
        Contact { hash: if std::ptr::eq(resolved, id) { hash } else { short_hash(resolved) }, bot, id: resolved }
    }

    fn shard(&self, shards: u32) -> u32 {
        (self.hash.cast_unsigned() % u64::from(shards)) as u32
    }
}

impl std::hash::Hash for Contact<'_> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        state.write_i64(self.hash ^ i64::from(self.bot));
    }
}

/// Finds the sessions of each shard of contacts, as many shards at once as there are cores. `each` gets a shard's sessions and rows.
pub(super) fn in_shards<R: Send>(
    rules: &Rules<'_>,
    settled: &Settled,
    zones: &[LocalDays],
    shards: u32,
    each: &(dyn Fn(&DataFrame, &ShardRows) -> Result<R> + Sync),
) -> Result<Vec<R>> {
    let Settled { touches, events, .. } = settled;
    let of_touch = |touch: &Touch| Contact::new(rules, touch.bot, touches.contact(touch), touches.contact_hash(touch));
    let of_event = |event: &Event| {
        let (id, hash) = events.contact(event).zip(events.contact_hash(event))?;
        Some(Contact::new(rules, event.bot, id, hash))
    };
    let (touches_of, events_of) = at_once(
        || by_shard(shards, touches.rows.iter().map(|touch| Some(of_touch(touch).shard(shards)))),
        || by_shard(shards, events.rows.iter().map(|event| Some(of_event(event)?.shard(shards)))),
    )?;
    let places: Vec<(Vec<u32>, Vec<u32>)> = touches_of.into_iter().zip(events_of).collect();
    let done = on_all_cores(&places, |(touch_rows, event_rows)| {
        let mut contacts = Contacts::default();
        let touch_contacts: Vec<u32> = touch_rows.iter().map(|i| contacts.code(of_touch(&touches.rows[*i as usize]))).collect();
        let event_contacts = event_rows.iter().map(|i| contacts.known(&of_event(&events.rows[*i as usize])?));
        let event_contacts: Vec<Option<u32>> = event_contacts.collect();
        let touch_day = |i: &u32| zones[touches.rows[*i as usize].bot as usize].of(touches.rows[*i as usize].sent_at);
        let event_day = |i: &u32| zones[events.rows[*i as usize].bot as usize].of(events.rows[*i as usize].occurred_at);
        let rows = ShardRows {
            touches: touch_rows.iter().map(|i| (*i, touch_day(i))).collect(),
            events: event_rows.iter().map(|i| (*i, event_day(i))).collect(),
        };
        let of_touches = rows.touches.iter().map(|(i, _)| &touches.rows[*i as usize]);
        let touch_frame = df!(
            "contact" => touch_contacts,
            "at" => of_touches.clone().map(|touch| touch.sent_at).collect::<Vec<i64>>(),
            // Rows are in order of time and message id.
            "rank" => rows.touches.iter().map(|(i, _)| *i).collect::<Vec<u32>>(),
            "bot" => of_touches.clone().map(|touch| touch.bot).collect::<Vec<u32>>(),
            "ad" => of_touches.map(|touch| touches.ad_code(touch)).collect::<Vec<Option<u32>>>(),
            "day" => rows.touches.iter().map(|(_, day)| day.0).collect::<Vec<i32>>(),
        )?;
        // An event of a contact without a touch has no session to fall into.
        let hits: Vec<(u32, u32, Day)> =
            rows.events.iter().zip(event_contacts).filter_map(|((i, day), contact)| Some((*i, contact?, *day))).collect();
        let event_frame = df!(
            "contact" => hits.iter().map(|(_, contact, _)| *contact).collect::<Vec<u32>>(),
            "at" => hits.iter().map(|(i, ..)| events.rows[*i as usize].occurred_at).collect::<Vec<i64>>(),
            "rank" => hits.iter().map(|(i, ..)| *i).collect::<Vec<u32>>(),
            "category" => hits.iter().map(|(i, ..)| events.category_code(&events.rows[*i as usize])).collect::<Vec<Option<u32>>>(),
            "day" => hits.iter().map(|(.., day)| day.0).collect::<Vec<i32>>(),
        )?;
        let found = sessions(touch_frame.lazy(), event_frame.lazy(), rules.settings.horizon, rules.watermark)?.collect()?;
        each(&found, &rows)
    });
    done.into_iter().collect()
}

/// The rows of each shard, as indices; a row without a shard is in none.
fn by_shard(shards: u32, shard_of_rows: impl Iterator<Item = Option<u32>>) -> Vec<Vec<u32>> {
    let mut rows: Vec<Vec<u32>> = vec![Vec::new(); shards as usize];
    for (i, shard) in shard_of_rows.enumerate() {
        if let Some(shard) = shard {
            rows[shard as usize].push(i as u32);
        }
    }
    rows
}

/// Each bot's local days over the span of its rows.
pub(super) fn local_days(settings: &Settings, settled: &Settled) -> Vec<LocalDays> {
    let Settled { touches, events, dropped_touches, .. } = settled;
    let mut spans: Vec<Option<(i64, i64)>> = vec![None; settings.bots.len()];
    let times = touches.rows.iter().chain(dropped_touches).map(|touch| (touch.bot, touch.sent_at));
    for (bot, at) in times.chain(events.rows.iter().map(|event| (event.bot, event.occurred_at))) {
        let span = spans[bot as usize].get_or_insert((at, at));
        *span = (span.0.min(at), span.1.max(at));
    }
    settings.bots.iter().zip(spans).map(|(bot, span)| LocalDays::new(bot.zone, span)).collect()
}

pub(super) fn codes(frame: &DataFrame, column: &str) -> Result<Vec<Option<u32>>> {
    Ok(frame.column(column)?.u32()?.iter().collect())
}

pub(super) fn days_of(frame: &DataFrame, column: &str) -> Result<Vec<Option<Day>>> {
    Ok(frame.column(column)?.i32()?.iter().map(|day| day.map(Day)).collect())
}

/// Contacts as small integers.
#[derive(Default)]
struct Contacts<'a> {
    codes: HashMap<Contact<'a>, u32, FixedState>,
}

impl<'a> Contacts<'a> {
    fn code(&mut self, contact: Contact<'a>) -> u32 {
        let next = self.codes.len() as u32;
        *self.codes.entry(contact).or_insert(next)
    }

    fn known(&self, contact: &Contact<'a>) -> Option<u32> {
        self.codes.get(contact).copied()
    }
}
