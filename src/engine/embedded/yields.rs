//! What each event category would convert if it were the conversion event: the sessions of the same touches, once per category.
//!
//! A touch of a contact without an event of the category cannot convert, so each category's timelines hold only the contacts that
//! have one; they are independent of each other and counted some at a time.

use std::collections::{BTreeMap, HashMap};

use foldhash::fast::FixedState;
use polars::prelude::*;

use crate::base::error::Result;
use crate::engine::embedded::conversion_events::Events;
use crate::engine::embedded::sessions::sessions;
use crate::engine::embedded::touches::Touches;
use crate::engine::request::Rules;
use crate::engine::rows::Yield;

/// Rows of the frames that are sorted at once.
const ROWS_AT_ONCE: usize = 2_000_000;

/// By bot and category, what converts from each bot's instant in `starts` on.
///
/// Copies are dropped. Events before a bot's start are conversion events of the settings that were in effect then, which close
/// sessions whatever the category; those from the start on are of any category, and each is looked at without the others.
pub(super) fn yields(
    rules: &Rules<'_>,
    touches: &Touches,
    events: &Events,
    starts: &[i64],
) -> Result<BTreeMap<(u32, String), Yield>> {
    yields_at_once(rules, touches, events, starts, ROWS_AT_ONCE)
}

fn yields_at_once(
    rules: &Rules<'_>,
    touches: &Touches,
    events: &Events,
    starts: &[i64],
    rows_at_once: usize,
) -> Result<BTreeMap<(u32, String), Yield>> {
    let mut rows_of: HashMap<(u32, &str), RowsOfContact, FixedState> = HashMap::default();
    for (i, touch) in touches.rows.iter().enumerate() {
        let contact = rules.identities.resolve(touch.bot as usize, touches.contact(touch));
        rows_of.entry((touch.bot, contact)).or_default().touches.push(i as u32);
    }
    let mut timelines: BTreeMap<(u32, &str, &str), Vec<u32>> = BTreeMap::new();
    for (i, event) in events.rows.iter().enumerate() {
        let Some(contact) = events.contact(event) else { continue };
        let contact = rules.identities.resolve(event.bot as usize, contact);
        let Some(rows) = rows_of.get_mut(&(event.bot, contact)) else { continue };
        if event.occurred_at < starts[event.bot as usize] {
            rows.events_before.push(i as u32);
        } else {
            timelines.entry((event.bot, events.category(event), contact)).or_default().push(i as u32);
        }
    }

    let mut yields: BTreeMap<(u32, String), Yield> = BTreeMap::new();
    let mut frames = Frames::default();
    let mut categories: Vec<(u32, &str)> = Vec::new();
    for ((bot, category, contact), of_category) in &timelines {
        let Some(rows) = rows_of.get(&(*bot, *contact)) else { continue };
        if categories.last() != Some(&(*bot, *category)) {
            categories.push((*bot, *category));
        }
        frames.timelines += 1;
        for i in &rows.touches {
            let touch = &touches.rows[*i as usize];
            frames.add_touch(touch.sent_at, *i, touch.bot, touches.ad(touch).is_some());
        }
        for i in rows.events_before.iter().chain(of_category) {
            frames.add_event(events.rows[*i as usize].occurred_at, *i, categories.len() as u32 - 1);
        }
        if frames.rows() >= rows_at_once {
            frames.count(rules, starts, &categories, &mut yields)?;
        }
    }
    frames.count(rules, starts, &categories, &mut yields)?;
    Ok(yields)
}

/// What a contact did, as places in the lists.
#[derive(Default)]
struct RowsOfContact {
    touches: Vec<u32>,
    events_before: Vec<u32>,
}

/// Timelines that are counted together.
#[derive(Default)]
struct Frames {
    timelines: u32,
    touches: Columns,
    events: Columns,
}

/// Rows as columns.
#[derive(Default)]
struct Columns {
    timelines: Vec<u32>,
    times: Vec<i64>,
    ranks: Vec<u32>,
    /// The bots and ads of touches.
    bots: Vec<u32>,
    ads: Vec<Option<u32>>,
    /// The categories of events.
    categories: Vec<u32>,
}

impl Frames {
    fn rows(&self) -> usize {
        self.touches.times.len() + self.events.times.len()
    }

    fn add_touch(&mut self, at: i64, rank: u32, bot: u32, has_ad: bool) {
        self.touches.timelines.push(self.timelines);
        self.touches.times.push(at);
        self.touches.ranks.push(rank);
        self.touches.bots.push(bot);
        self.touches.ads.push(has_ad.then_some(0));
    }

    fn add_event(&mut self, at: i64, rank: u32, category: u32) {
        self.events.timelines.push(self.timelines);
        self.events.times.push(at);
        self.events.ranks.push(rank);
        self.events.categories.push(category);
    }

    /// Adds the conversions of these timelines, and forgets them.
    fn count(
        &mut self,
        rules: &Rules<'_>,
        starts: &[i64],
        categories: &[(u32, &str)],
        yields: &mut BTreeMap<(u32, String), Yield>,
    ) -> Result<()> {
        let Frames { touches, events, .. } = std::mem::take(self);
        let days = |rows: usize| vec![0i32; rows];
        let touches = df!(
            "day" => days(touches.times.len()), "contact" => touches.timelines, "at" => touches.times, "rank" => touches.ranks,
            "bot" => touches.bots, "ad" => touches.ads,
        )?;
        let events = df!(
            "day" => days(events.times.len()), "contact" => events.timelines, "at" => events.times, "rank" => events.ranks,
            "category" => events.categories,
        )?;
        let all = sessions(touches.lazy(), events.lazy(), rules.settings.horizon, rules.watermark)?;
        let converted = all.filter(col("category").is_not_null()).collect()?;
        let (found, times) = (converted.column("category")?.u32()?, converted.column("converted_at")?.i64()?);
        let ads = converted.column("ad")?.u32()?;
        for ((category, at), ad) in found.iter().zip(times.iter()).zip(ads.iter()) {
            let Some(((bot, category), at)) = category.and_then(|category| categories.get(category as usize)).zip(at) else {
                continue;
            };
            if at < starts[*bot as usize] {
                continue;
            }
            let of = yields.entry((*bot, category.to_string())).or_default();
            match ad {
                Some(_) => of.conversions += 1,
                None => of.unattributed_conversions += 1,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::base::day::MICROS_PER_DAY;
    use crate::config::Settings;
    use crate::extract::conversion_events::{self, EventCells};
    use crate::extract::identity::Identities;
    use crate::extract::touches::{self, TouchCells};

    /// Each contact clicks an ad on day 0, has "old" before the start or not, then "a" on day 3 and every other one "b" on day 4.
    #[test]
    fn each_category_converts_alone_however_many_rows_are_counted_at_once() {
        let text = "name = 'n'\n[lake]\nurl = 'lake'\n[[bots]]\nid = 'b'\ntimezone = 'UTC'\n";
        let settings = Settings::parse("test.toml", text, Path::new("/")).unwrap();
        let ids: Vec<[String; 2]> = (0..40).map(|i| [format!("c{i}"), format!("m{i}")]).collect();
        let touch = |i: usize| TouchCells {
            bot: "b",
            contact: &ids[i][0],
            sent_at: i as i64,
            message: &ids[i][1],
            ad: (i != 39).then_some("ad"),
            ad_type: None,
            title: None,
        };
        let event = |i: usize, category: &'static str, day: i64| EventCells {
            bot: "b",
            contact: Some(&ids[i][0]),
            occurred_at: day * MICROS_PER_DAY + i as i64,
            category,
            event: None,
        };
        let mut events: Vec<EventCells<'_>> = (0..40).map(|i| event(i, "a", 3)).collect();
        events.extend((0..40).filter(|i| i % 2 == 0).map(|i| event(i, "b", 4)));
        events.extend((0..10).map(|i| event(i, "old", 1)));
        let mut touches = Touches::default();
        touches.add(&touches::table(&(0..40).map(touch).collect::<Vec<_>>()).unwrap(), &settings.bot_codes());
        let mut read = Events::default();
        read.add(&conversion_events::table(&events).unwrap(), &settings.bot_codes());
        let rules = Rules { settings: &settings, identities: &Identities::default(), watermark: i64::MAX };
        let expected = BTreeMap::from([
            // Ten had converted before; the last one clicked no ad.
            ((0, "a".to_string()), Yield { conversions: 29, unattributed_conversions: 1 }),
            ((0, "b".to_string()), Yield { conversions: 15, unattributed_conversions: 0 }),
        ]);
        for rows_at_once in [1, 7, 1_000] {
            let found = yields_at_once(&rules, &touches, &read, &[2 * MICROS_PER_DAY], rows_at_once).unwrap();
            assert_eq!(found, expected, "{rows_at_once}");
        }
    }
}
