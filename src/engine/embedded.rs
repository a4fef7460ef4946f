//! The embedded engine: windowed polars over the horizon, in shards of contacts.
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
use crate::engine::sessions::{sessions, state};
use crate::extract::{conversions, touches};

use super::{AdFacts, Answer, BotDay, Conversations, Conversions, FactsOfAds, Request, Session, SessionEnd, States, Told};

/// Rows of a shard: about 250 bytes each while its sessions are found.
const ROWS_PER_SHARD: usize = 250_000;

/// Fewer are not worth a second thread.
const ROWS_PER_THREAD: usize = 50_000;

/// Touches and conversion events without their copies, and what the touches say of each ad. Sessions and copies are decided on
/// all of these rows, whatever days are asked for.
pub struct Settled {
    pub touches: touches::Touches,
    pub events: conversions::Conversions,
    pub dropped_touches: Vec<touches::Touch>,
    pub dropped_events: Vec<conversions::Conversion>,
    /// What those touches say that are not known already.
    pub ad_facts: FactsOfAds,
    /// A known touch is a copy of a new one: what is known of its ad is no longer true.
    pub displaces_known: bool,
}

pub fn settle(touches: touches::Touches, events: conversions::Conversions) -> Result<Settled> {
    settle_part(touches, events, &|_, _| true)
}

/// Whether a row counts, by its bot and its contact with the short hash of it.
pub type IsCounted<'a> = dyn Fn(u32, Option<(&str, i64)>) -> bool + Sync + 'a;

/// The same for a part of the contacts: of the rows, those count that `counts` names; the others are there for their copies' sake.
pub fn settle_part(
    mut touches: touches::Touches,
    mut events: conversions::Conversions,
    counts: &IsCounted<'_>,
) -> Result<Settled> {
    let (of_touches, dropped_events) = at_once(
        || -> Result<_> {
            let dropped = touches.drop_copies()?;
            let (mut rows, mut dropped_rows) = (std::mem::take(&mut touches.rows), dropped.rows);
            let is_counted =
                |touch: &touches::Touch| counts(touch.bot, Some((touches.contact(touch), touches.contact_hash(touch))));
            rows.retain(is_counted);
            dropped_rows.retain(is_counted);
            touches.rows = rows;
            Ok((dropped_rows, dropped.displaces_known, ad_facts(&touches)))
        },
        || {
            let mut dropped = events.drop_copies();
            let mut rows = std::mem::take(&mut events.rows);
            let is_counted =
                |event: &conversions::Conversion| counts(event.bot, events.contact(event).zip(events.contact_hash(event)));
            rows.retain(is_counted);
            dropped.retain(is_counted);
            events.rows = rows;
            dropped
        },
    )?;
    let (dropped_touches, displaces_known, ad_facts) = of_touches?;
    Ok(Settled { touches, events, dropped_touches, dropped_events, ad_facts, displaces_known })
}

/// Attributes the conversion events to the touches.
pub fn attribute(request: &Request<'_>, settled: &Settled) -> Result<Answer> {
    attribute_in_shards(request, settled, shards_for(settled))
}

/// The sessions themselves, those that `wanted` names, in the order of their touches: by time and message id. The days asked for
/// in the request do not matter.
pub fn ledger(request: &Request<'_>, settled: &Settled, wanted: &(dyn Fn(&Session) -> bool + Sync)) -> Result<Vec<Session>> {
    let zones = local_days(request, &settled.touches, &settled.dropped_touches, &settled.events);
    let of_shards = in_shards(request, settled, &zones, shards_for(settled), &|shard, _| {
        let (touches, days, ends) = (codes(shard, "rank")?, days_of(shard, "day")?, shard.column("state")?.i32()?.clone());
        let (events, event_days) = (codes(shard, "conversion_rank")?, days_of(shard, "conversion_day")?);
        let superseded_by = codes(shard, "superseded_by")?;
        let mut sessions = Vec::new();
        for (i, end) in ends.iter().enumerate() {
            let (Some(touch), Some(day)) = (touches[i], days[i]) else { continue };
            let end = match (end, events[i].zip(event_days[i]), superseded_by[i]) {
                (Some(state::CONVERTED), Some((event, day)), _) => SessionEnd::Converted { event, day },
                (Some(state::SUPERSEDED), _, Some(by)) => SessionEnd::Superseded { by },
                (Some(state::EXPIRED), ..) => SessionEnd::Expired,
                _ => SessionEnd::Open,
            };
            sessions.extend(Some(Session { touch, day, end }).filter(wanted));
        }
        Ok(sessions)
    })?;
    let mut sessions: Vec<Session> = of_shards.into_iter().flatten().collect();
    sessions.sort_unstable_by_key(|session| session.touch);
    Ok(sessions)
}

fn attribute_in_shards(request: &Request<'_>, settled: &Settled, shards: u32) -> Result<Answer> {
    let Settled { touches, events, dropped_touches, .. } = settled;
    let zones = local_days(request, touches, dropped_touches, events);
    let all = |texts: &mut dyn Iterator<Item = &str>| texts.map(str::to_string).collect();
    let (ads, categories) = (all(&mut touches.ads()), all(&mut events.categories()));
    let mut answer = Answer { ads, categories, ..Answer::default() };
    for touch in dropped_touches {
        let day = zones[touch.bot as usize].of(touch.sent_at);
        if request.days.contains(day) {
            bot_day(&mut answer, day, touch.bot).duplicate_touches += 1;
        }
    }
    // An event without a contact is in no shard.
    for event in events.rows.iter().filter(|event| events.contact(event).is_none()) {
        let day = zones[event.bot as usize].of(event.occurred_at);
        if request.days.contains(day) {
            bot_day(&mut answer, day, event.bot).events_without_contact += 1;
        }
    }
    let of_shards = in_shards(request, settled, &zones, shards, &|ledger, rows| {
        let mut of_bots: HashMap<(u32, Day), BotDay, FixedState> = HashMap::default();
        for (i, day) in rows.touches.iter().filter(|(_, day)| request.days.contains(*day)) {
            let touch = &touches.rows[*i as usize];
            let counts = of_bots.entry((touch.bot, *day)).or_default();
            match touches.ad_code(touch) {
                Some(_) => counts.touches += 1,
                None => counts.unattributed_touches += 1,
            }
        }
        for (i, day) in rows.events.iter().filter(|(_, day)| request.days.contains(*day)) {
            of_bots.entry((events.rows[*i as usize].bot, *day)).or_default().conversion_events += 1;
        }
        let bot_days = of_bots.into_iter().map(|((bot, day), counts)| ((day, bot), counts)).collect();
        let mut answer = Answer { bot_days, ..Answer::default() };
        count(&mut answer, ledger, request)?;
        Ok(answer)
    })?;
    of_shards.into_iter().for_each(|of_shard| answer.add(of_shard));
    Ok(answer)
}

/// As many shards as there are cores, or as memory needs.
fn shards_for(settled: &Settled) -> u32 {
    let rows = settled.touches.rows.len() + settled.events.rows.len();
    let threads = cores().min(rows / ROWS_PER_THREAD).max(1);
    rows.div_ceil(ROWS_PER_SHARD).max(threads) as u32
}

/// The rows of one shard, as indices into those of [`Settled`], with their local days.
#[derive(Default)]
struct ShardRows {
    touches: Vec<(u32, Day)>,
    events: Vec<(u32, Day)>,
}

/// A contact after its aliases are followed. The hash brings rows together; the rest tells them apart.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Contact<'a> {
    hash: i64,
    bot: u32,
    id: &'a str,
}

impl<'a> Contact<'a> {
    fn new(request: &'a Request<'_>, bot: u32, id: &'a str, hash: i64) -> Contact<'a> {
        let resolved = request.identities.resolve(bot as usize, id);
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
fn in_shards<R: Send>(
    request: &Request<'_>,
    settled: &Settled,
    zones: &[LocalDays],
    shards: u32,
    each: &(dyn Fn(&DataFrame, &ShardRows) -> Result<R> + Sync),
) -> Result<Vec<R>> {
    let Settled { touches, events, .. } = settled;
    let of_touch = |touch: &touches::Touch| Contact::new(request, touch.bot, touches.contact(touch), touches.contact_hash(touch));
    let of_event = |event: &conversions::Conversion| {
        let (id, hash) = events.contact(event).zip(events.contact_hash(event))?;
        Some(Contact::new(request, event.bot, id, hash))
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
        let ledger = sessions(touch_frame.lazy(), event_frame.lazy(), request.settings.horizon, request.watermark)?.collect()?;
        each(&ledger, &rows)
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

fn bot_day(answer: &mut Answer, day: Day, bot: u32) -> &mut BotDay {
    answer.bot_days.entry((day, bot)).or_default()
}

/// Each bot's local days over the span of its rows.
fn local_days(
    request: &Request<'_>,
    touches: &touches::Touches,
    dropped: &[touches::Touch],
    events: &conversions::Conversions,
) -> Vec<LocalDays> {
    let mut spans: Vec<Option<(i64, i64)>> = vec![None; request.settings.bots.len()];
    let times = touches.rows.iter().chain(dropped).map(|touch| (touch.bot, touch.sent_at));
    for (bot, at) in times.chain(events.rows.iter().map(|event| (event.bot, event.occurred_at))) {
        let span = spans[bot as usize].get_or_insert((at, at));
        *span = (span.0.min(at), span.1.max(at));
    }
    request.settings.bots.iter().zip(spans).map(|(bot, span)| LocalDays::new(bot.zone, span)).collect()
}

fn ad_facts(touches: &touches::Touches) -> FactsOfAds {
    /// Touches that tell something of an ad, as indices.
    struct Tellers {
        first: usize,
        last: usize,
        title: Option<usize>,
        ad_type: Option<usize>,
    }
    let mut tellers: HashMap<(u32, u32), Tellers, FixedState> = HashMap::default();
    // In order of time and message id, so the last word is the latest.
    for (i, touch) in touches.rows.iter().enumerate() {
        let Some(ad) = touches.ad_code(touch).filter(|_| !touches.is_known(touch)) else { continue };
        let of_ad = tellers.entry((touch.bot, ad)).or_insert(Tellers { first: i, last: i, title: None, ad_type: None });
        of_ad.last = i;
        of_ad.title = touches.title(touch).map(|_| i).or(of_ad.title);
        of_ad.ad_type = touches.ad_type(touch).map(|_| i).or(of_ad.ad_type);
    }
    let row = |i: usize| &touches.rows[i];
    let message = |i: usize| touches.message(row(i)).to_string();
    let told = |teller: Option<usize>, text: &dyn Fn(&touches::Touch) -> Option<String>| {
        teller.and_then(|i| Some(Told { at: row(i).sent_at, message: message(i), text: text(row(i))? }))
    };
    let mut facts = FactsOfAds::new();
    let ads: Vec<&str> = touches.ads().collect();
    for ((bot, ad), of_ad) in tellers {
        let of_bot = AdFacts {
            first_conversation_at: row(of_ad.first).sent_at,
            first_message: message(of_ad.first),
            last_conversation_at: row(of_ad.last).sent_at,
            ad_type: told(of_ad.ad_type, &|touch| touches.ad_type(touch).map(str::to_string)),
            title: told(of_ad.title, &|touch| touches.title(touch).map(str::to_string)),
        };
        facts.entry(ads[ad as usize].to_string()).or_default().insert(bot, of_bot);
    }
    facts
}

/// Adds a shard's sessions to the answer.
fn count(answer: &mut Answer, ledger: &DataFrame, request: &Request<'_>) -> Result<()> {
    let asked = |day: &str| col(day).gt_eq(lit(request.days.first.0)).and(col(day).lt_eq(lit(request.days.last.0)));
    let opened = ledger.clone().lazy().filter(asked("day"));

    let conversations = opened
        .clone()
        .filter(col("ad").is_not_null())
        .group_by(["bot", "ad", "day"].map(col))
        .agg([len().alias("n")])
        .collect()?;
    let (bots, ads, days, counts) = (
        codes(&conversations, "bot")?,
        codes(&conversations, "ad")?,
        days_of(&conversations, "day")?,
        codes(&conversations, "n")?,
    );
    for i in 0..conversations.height() {
        let (Some(bot), Some(ad), Some(day), Some(n)) = (bots[i], ads[i], days[i], counts[i]) else { continue };
        answer.conversations.entry(day).or_default().push(Conversations { bot, ad, count: n as i64 });
    }

    let key = ["bot", "ad", "conversion_day", "day", "category"].map(col);
    let converted = ledger.clone().lazy().filter(col("conversion_day").is_not_null().and(asked("conversion_day")));
    let conversions = converted.group_by(key).agg([len().alias("n")]).collect()?;
    let (bots, ads, counts) = (codes(&conversions, "bot")?, codes(&conversions, "ad")?, codes(&conversions, "n")?);
    let (event_days, touch_days, categories) =
        (days_of(&conversions, "conversion_day")?, days_of(&conversions, "day")?, codes(&conversions, "category")?);
    for i in 0..conversions.height() {
        let (Some(bot), Some(day), Some(conversation_day), Some(n)) = (bots[i], event_days[i], touch_days[i], counts[i]) else {
            continue;
        };
        match (ads[i], categories[i]) {
            (Some(ad), Some(category)) => {
                let row = Conversions { bot, ad, conversation_day, category, count: n as i64 };
                answer.conversions.entry(day).or_default().push(row);
            }
            _ => bot_day(answer, day, bot).unattributed_conversions += n as i64,
        }
    }

    let states = opened.group_by(["bot", "state"].map(col)).agg([len().alias("n")]).collect()?;
    let (bots, ends, counts) = (codes(&states, "bot")?, states.column("state")?.i32()?.clone(), codes(&states, "n")?);
    for (i, end) in ends.iter().enumerate() {
        let (Some(bot), Some(end), Some(n)) = (bots[i], end, counts[i]) else { continue };
        let of_bot: &mut States = answer.states.entry(bot).or_default();
        let n = n as i64;
        of_bot.started += n;
        match end {
            state::CONVERTED => of_bot.converted += n,
            state::SUPERSEDED => of_bot.superseded += n,
            state::EXPIRED => of_bot.expired += n,
            _ => of_bot.open += n,
        }
    }
    Ok(())
}

fn codes(frame: &DataFrame, column: &str) -> Result<Vec<Option<u32>>> {
    Ok(frame.column(column)?.u32()?.iter().collect())
}

fn days_of(frame: &DataFrame, column: &str) -> Result<Vec<Option<Day>>> {
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::base::day::{DayRange, MICROS_PER_DAY};
    use crate::config::Settings;
    use crate::extract::identity::Identities;

    /// Contacts with a touch of one of two ads and a conversion event a day later.
    fn settled(settings: &Settings, contacts: i64) -> Settled {
        let ids: Vec<[String; 3]> = (0..contacts).map(|i| [format!("c{i}"), format!("m{i}"), format!("ad{}", i % 2)]).collect();
        let at = |days: i64, i: usize| days * MICROS_PER_DAY + i as i64;
        let touch = |(i, [contact, message, ad]): (usize, &'static [String; 3])| touches::TouchCells {
            bot: "b",
            contact,
            sent_at: at(20_000, i),
            message,
            ad: Some(ad),
            ad_type: None,
            title: None,
        };
        let event = |(i, [contact, ..]): (usize, &'static [String; 3])| conversions::ConversionCells {
            bot: "b",
            contact: Some(contact),
            occurred_at: at(20_001, i),
            category: "buy",
            event: None,
        };
        let ids: &'static [[String; 3]] = ids.leak();
        let (mut all_touches, mut all_events) = (touches::Touches::default(), conversions::Conversions::default());
        let touches: Vec<touches::TouchCells<'_>> = ids.iter().enumerate().map(touch).collect();
        let events: Vec<conversions::ConversionCells<'_>> = ids.iter().enumerate().map(event).collect();
        all_touches.add(&touches::table(&touches).unwrap(), &settings.bot_codes());
        all_events.add(&conversions::table(&events).unwrap(), &settings.bot_codes());
        settle(all_touches, all_events).unwrap()
    }

    #[test]
    fn shards_add_up_to_one_row_per_key() {
        let text = "name = 'n'\n[lake]\nurl = 'lake'\n[[bots]]\nid = 'b'\ntimezone = 'UTC'\n";
        let settings = Settings::parse("test.toml", text, Path::new("/")).unwrap();
        let identities = Identities::default();
        let days = DayRange { first: Day(19_999), last: Day(20_002) };
        let request = Request { settings: &settings, identities: &identities, days, watermark: i64::MAX };
        let settled = settled(&settings, 40);
        let whole = attribute_in_shards(&request, &settled, 1).unwrap();
        let sharded = attribute_in_shards(&request, &settled, 7).unwrap();
        assert_eq!(whole.conversions, sharded.conversions);
        assert_eq!(whole.conversations, sharded.conversations);
        assert_eq!(whole.states, sharded.states);
        assert_eq!(sharded.conversions[&Day(20_001)].iter().map(|row| row.count).collect::<Vec<_>>(), [20, 20]);
    }
}
