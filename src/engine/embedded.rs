//! The embedded engine: windowed polars over the horizon, in shards of contacts.
//!
//! Ids become small integers first (a contact after identity resolution, an ad, a category), so that the frames hold numbers only.
//! A contact belongs to one shard, so shards are independent and memory is bounded by the largest.

use std::collections::{BTreeMap, HashMap};

use foldhash::fast::FixedState;
use polars::prelude::*;

use crate::day::{Day, LocalDays};
use crate::error::Result;
use crate::sessions::{sessions, state};
use crate::{conversions, touches};

use super::{AdFacts, Answer, BotDay, Conversations, Conversions, Request, Session, SessionEnd, States};

/// Rows of a shard: about 150 bytes each at the peak of the sort.
const ROWS_PER_SHARD: usize = 2_000_000;

/// Touches and conversion events without their copies, and what the touches say of each ad. Sessions and copies are decided on
/// all of these rows, whatever days are asked for.
pub struct Settled {
    pub touches: touches::Touches,
    pub events: conversions::Conversions,
    pub dropped_touches: Vec<touches::Touch>,
    pub dropped_events: Vec<conversions::Conversion>,
    /// Each touch's ad, as an index into `ads`.
    ad_codes: Vec<Option<u32>>,
    pub ads: Vec<String>,
    /// By bot and ad.
    pub ad_facts: BTreeMap<(u32, u32), AdFacts>,
}

pub fn settle(mut touches: touches::Touches, mut events: conversions::Conversions) -> Settled {
    let dropped_touches = touches.drop_copies();
    let dropped_events = events.drop_copies();
    let mut codes: Codes<&str> = Codes::default();
    let ad_codes: Vec<Option<u32>> = touches.rows.iter().map(|touch| touches.ad(touch).map(|ad| codes.code(ad))).collect();
    let ads = codes.values().into_iter().map(str::to_string).collect();
    let ad_facts = ad_facts(&touches, &ad_codes);
    Settled { touches, events, dropped_touches, dropped_events, ad_codes, ads, ad_facts }
}

/// Attributes the conversion events to the touches.
pub fn attribute(request: &Request<'_>, settled: &Settled) -> Result<Answer> {
    attribute_in_shards(request, settled, ROWS_PER_SHARD)
}

/// The sessions themselves, those that `wanted` names, in the order of their touches: by time and message id. The days asked for
/// in the request do not matter.
pub fn ledger(request: &Request<'_>, settled: &Settled, wanted: &dyn Fn(&Session) -> bool) -> Result<Vec<Session>> {
    let zones = local_days(request, &settled.touches, &settled.dropped_touches, &settled.events);
    let mut sessions = Vec::new();
    each_shard(request, settled, &zones, ROWS_PER_SHARD, &mut |shard, _| {
        let (touches, days, ends) = (codes(shard, "rank")?, days_of(shard, "day")?, shard.column("state")?.i32()?.clone());
        let (events, event_days) = (codes(shard, "conversion_rank")?, days_of(shard, "conversion_day")?);
        let superseded_by = codes(shard, "superseded_by")?;
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
        Ok(())
    })?;
    sessions.sort_unstable_by_key(|session| session.touch);
    Ok(sessions)
}

fn attribute_in_shards(request: &Request<'_>, settled: &Settled, rows_per_shard: usize) -> Result<Answer> {
    let Settled { touches, events, dropped_touches, .. } = settled;
    let mut answer = Answer { ads: settled.ads.clone(), ..Answer::default() };
    let zones = local_days(request, touches, dropped_touches, events);
    let touch_days: Vec<Day> = touches.rows.iter().map(|touch| zones[touch.bot as usize].of(touch.sent_at)).collect();
    let event_days: Vec<Day> = events.rows.iter().map(|event| zones[event.bot as usize].of(event.occurred_at)).collect();

    for touch in dropped_touches {
        let day = zones[touch.bot as usize].of(touch.sent_at);
        if request.days.contains(day) {
            bot_day(&mut answer, day, touch.bot).duplicate_touches += 1;
        }
    }
    for (touch, day) in touches.rows.iter().zip(&touch_days).filter(|(_, day)| request.days.contains(**day)) {
        let counts = bot_day(&mut answer, *day, touch.bot);
        match touches.ad(touch) {
            Some(_) => counts.touches += 1,
            None => counts.unattributed_touches += 1,
        }
    }
    for (event, day) in events.rows.iter().zip(&event_days).filter(|(_, day)| request.days.contains(**day)) {
        let counts = bot_day(&mut answer, *day, event.bot);
        match events.contact(event) {
            Some(_) => counts.conversion_events += 1,
            None => counts.events_without_contact += 1,
        }
    }

    each_shard(request, settled, &zones, rows_per_shard, &mut |ledger, categories| {
        answer.categories = categories.values().into_iter().map(str::to_string).collect();
        count(&mut answer, ledger, request)
    })?;
    merge_shards(&mut answer);
    Ok(answer)
}

/// Finds the sessions of one shard of contacts after the other. `each` gets a shard's sessions, and the categories met so far.
fn each_shard<'s>(
    request: &Request<'_>,
    settled: &'s Settled,
    zones: &[LocalDays],
    rows_per_shard: usize,
    each: &mut dyn FnMut(&DataFrame, &Codes<&'s str>) -> Result<()>,
) -> Result<()> {
    let Settled { touches, events, ad_codes, .. } = settled;
    // An event of a contact without a touch has no session to fall into.
    let mut contact_codes: Codes<(u32, &str)> = Codes::default();
    let resolved = |bot: u32, contact| (bot, request.identities.resolve(bot as usize, contact));
    let touch_contacts: Vec<u32> =
        touches.rows.iter().map(|touch| contact_codes.code(resolved(touch.bot, touches.contact(touch)))).collect();
    let day = |bot: u32, at: i64| zones[bot as usize].of(at).0;
    let mut category_codes: Codes<&str> = Codes::default();
    let in_reach: Vec<(u32, u32)> = events
        .rows
        .iter()
        .enumerate()
        .filter_map(|(i, event)| Some((i as u32, contact_codes.known(&resolved(event.bot, events.contact(event)?))?)))
        .collect();

    let shards = (touches.rows.len() + in_reach.len()).div_ceil(rows_per_shard).max(1) as u32;
    for shard in 0..shards {
        let rows: Vec<usize> = (0..touches.rows.len()).filter(|i| touch_contacts[*i] % shards == shard).collect();
        let of_touch = |value: &dyn Fn(usize) -> u32| rows.iter().map(|i| value(*i)).collect::<Vec<u32>>();
        let touch_frame = df!(
            "contact" => of_touch(&|i| touch_contacts[i]),
            "at" => rows.iter().map(|i| touches.rows[*i].sent_at).collect::<Vec<i64>>(),
            // Rows are in order of time and message id.
            "rank" => of_touch(&|i| i as u32),
            "bot" => of_touch(&|i| touches.rows[i].bot),
            "ad" => rows.iter().map(|i| ad_codes[*i]).collect::<Vec<Option<u32>>>(),
            "day" => rows.iter().map(|i| day(touches.rows[*i].bot, touches.rows[*i].sent_at)).collect::<Vec<i32>>(),
        )?;
        let hits: Vec<(u32, u32)> = in_reach.iter().filter(|(_, contact)| contact % shards == shard).copied().collect();
        let event_rows = || hits.iter().map(|(i, _)| &events.rows[*i as usize]);
        let event_frame = df!(
            "contact" => hits.iter().map(|(_, contact)| *contact).collect::<Vec<u32>>(),
            "at" => event_rows().map(|event| event.occurred_at).collect::<Vec<i64>>(),
            "rank" => hits.iter().map(|(i, _)| *i).collect::<Vec<u32>>(),
            "category" => event_rows().map(|event| category_codes.code(events.category(event))).collect::<Vec<u32>>(),
            "day" => event_rows().map(|event| day(event.bot, event.occurred_at)).collect::<Vec<i32>>(),
        )?;
        let ledger = sessions(touch_frame.lazy(), event_frame.lazy(), request.settings.horizon, request.watermark)?.collect()?;
        each(&ledger, &category_codes)?;
    }
    Ok(())
}

/// An ad has contacts in many shards: their counts are one row.
fn merge_shards(answer: &mut Answer) {
    for rows in answer.conversations.values_mut() {
        let mut sums: BTreeMap<(u32, u32), i64> = BTreeMap::new();
        for row in rows.iter() {
            *sums.entry((row.bot, row.ad)).or_default() += row.count;
        }
        *rows = sums.into_iter().map(|((bot, ad), count)| Conversations { bot, ad, count }).collect();
    }
    for rows in answer.conversions.values_mut() {
        let mut sums: BTreeMap<(u32, u32, Day, u32), i64> = BTreeMap::new();
        for row in rows.iter() {
            *sums.entry((row.bot, row.ad, row.conversation_day, row.category)).or_default() += row.count;
        }
        let row = |((bot, ad, conversation_day, category), count)| Conversions { bot, ad, conversation_day, category, count };
        *rows = sums.into_iter().map(row).collect();
    }
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

fn ad_facts(touches: &touches::Touches, ads: &[Option<u32>]) -> BTreeMap<(u32, u32), AdFacts> {
    let mut of_ads: BTreeMap<(u32, u32), AdFacts> = BTreeMap::new();
    // In order of time and message id, so the last word is the latest.
    for (touch, ad) in touches.rows.iter().zip(ads) {
        let Some(ad) = ad else { continue };
        let first = || AdFacts {
            first_conversation_at: touch.sent_at,
            first_message: touches.message(touch).to_string(),
            ..AdFacts::default()
        };
        let facts = of_ads.entry((touch.bot, *ad)).or_insert_with(first);
        facts.last_conversation_at = touch.sent_at;
        let latest = |known: &mut Option<String>, now: Option<&str>| {
            if now.is_some() && now != known.as_deref() {
                *known = now.map(str::to_string);
            }
        };
        latest(&mut facts.title, touches.title(touch));
        latest(&mut facts.ad_type, touches.ad_type(touch));
    }
    of_ads
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

/// Small integers for values, in order of first sight.
struct Codes<K> {
    of: HashMap<K, u32, FixedState>,
}

impl<K> Default for Codes<K> {
    fn default() -> Self {
        Codes { of: HashMap::default() }
    }
}

impl<K: std::hash::Hash + Eq + Copy> Codes<K> {
    fn code(&mut self, value: K) -> u32 {
        let next = self.of.len() as u32;
        *self.of.entry(value).or_insert(next)
    }

    fn known(&self, value: &K) -> Option<u32> {
        self.of.get(value).copied()
    }

    fn values(&self) -> Vec<K> {
        let mut values: Vec<(u32, K)> = self.of.iter().map(|(value, code)| (*code, *value)).collect();
        values.sort_unstable_by_key(|(code, _)| *code);
        values.into_iter().map(|(_, value)| value).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use arrow::array::{Int64Array, RecordBatch, StringArray};

    use super::*;
    use crate::config::Settings;
    use crate::day::{DayRange, MICROS_PER_DAY};
    use crate::identity::Identities;
    use crate::schema;

    /// Contacts with a touch of one of two ads and a conversion event a day later.
    fn settled(contacts: i64) -> Settled {
        let texts = |text: &dyn Fn(i64) -> String| Arc::new((0..contacts).map(|i| Some(text(i))).collect::<StringArray>());
        let times = |days: i64| Arc::new((0..contacts).map(|i| Some(days * MICROS_PER_DAY + i)).collect::<Int64Array>());
        let none = || Arc::new(StringArray::new_null(contacts as usize));
        let (bot, contact) = (texts(&|_| "b".into()), texts(&|i| format!("c{i}")));
        let (message, ad) = (texts(&|i| format!("m{i}")), texts(&|i| format!("ad{}", i % 2)));
        let touches =
            vec![bot.clone() as _, contact.clone() as _, times(20_000) as _, message as _, ad as _, none() as _, none() as _];
        let events = vec![bot as _, contact as _, times(20_001) as _, texts(&|_| "buy".into()) as _, none() as _];
        let bots = HashMap::from([("b", 0)]);
        let (mut all_touches, mut all_events) = (touches::Touches::default(), conversions::Conversions::default());
        all_touches.add(&RecordBatch::try_new(schema::touches().schema, touches).unwrap(), &bots);
        all_events.add(&RecordBatch::try_new(schema::conversions().schema, events).unwrap(), &bots);
        settle(all_touches, all_events)
    }

    #[test]
    fn shards_add_up_to_one_row_per_key() {
        let text = "name = 'n'\n[lake]\nurl = 'lake'\n[[bots]]\nid = 'b'\ntimezone = 'UTC'\n";
        let settings = Settings::parse("test.toml", text, Path::new("/")).unwrap();
        let identities = Identities::default();
        let days = DayRange { first: Day(19_999), last: Day(20_002) };
        let request = Request { settings: &settings, identities: &identities, days, watermark: i64::MAX };
        let settled = settled(40);
        let whole = attribute_in_shards(&request, &settled, 1_000).unwrap();
        let sharded = attribute_in_shards(&request, &settled, 7).unwrap();
        assert_eq!(whole.conversions, sharded.conversions);
        assert_eq!(whole.conversations, sharded.conversations);
        assert_eq!(whole.states, sharded.states);
        assert_eq!(sharded.conversions[&Day(20_001)].iter().map(|row| row.count).collect::<Vec<_>>(), [20, 20]);
    }
}
