//! Sessions, counted: per bot, ad, day and category.

use std::collections::{BTreeMap, HashMap};

use foldhash::fast::FixedState;
use polars::prelude::*;

use crate::base::day::{Day, DayRange};
use crate::base::error::Result;
use crate::engine::counts::{BotCounts, ConversationCount, ConversionCount, DayCounts, SessionEnds};
use crate::engine::embedded::sessions::state;
use crate::engine::embedded::settle::Settled;
use crate::engine::embedded::shards::{ShardRows, codes, days_of, in_shards, local_days, shards_for};
use crate::engine::request::Rules;

/// Attributes the conversion events to the touches, and counts what happened on these days.
pub fn attribute(rules: &Rules<'_>, days: DayRange, settled: &Settled) -> Result<DayCounts> {
    attribute_in_shards(rules, days, settled, shards_for(settled))
}

fn attribute_in_shards(rules: &Rules<'_>, days: DayRange, settled: &Settled, shards: u32) -> Result<DayCounts> {
    let Settled { touches, events, dropped_touches, .. } = settled;
    let zones = local_days(rules.settings, settled);
    let all = |texts: &mut dyn Iterator<Item = &str>| texts.map(str::to_string).collect();
    let (ads, categories) = (all(&mut touches.ads()), all(&mut events.categories()));
    let mut counts = DayCounts { ads, categories, ..DayCounts::default() };
    for touch in dropped_touches {
        let day = zones[touch.bot as usize].of(touch.sent_at);
        if days.contains(day) {
            bot_counts(&mut counts, day, touch.bot).duplicate_touches += 1;
        }
    }
    // An event without a contact is in no shard.
    for event in events.rows.iter().filter(|event| events.contact(event).is_none()) {
        let day = zones[event.bot as usize].of(event.occurred_at);
        if days.contains(day) {
            bot_counts(&mut counts, day, event.bot).events_without_contact += 1;
        }
    }
    let of_shards = in_shards(rules, settled, &zones, shards, &|found, rows| {
        let mut of_shard = DayCounts { bot_days: count_rows(settled, rows, days), ..DayCounts::default() };
        count_sessions(&mut of_shard, found, days)?;
        Ok(of_shard)
    })?;
    of_shards.into_iter().for_each(|of_shard| counts.add(of_shard));
    Ok(counts)
}

/// The rows of a shard by bot and day.
fn count_rows(settled: &Settled, rows: &ShardRows, days: DayRange) -> BTreeMap<(Day, u32), BotCounts> {
    let Settled { touches, events, .. } = settled;
    let mut of_bots: HashMap<(u32, Day), BotCounts, FixedState> = HashMap::default();
    for (i, day) in rows.touches.iter().filter(|(_, day)| days.contains(*day)) {
        let touch = &touches.rows[*i as usize];
        let of_bot = of_bots.entry((touch.bot, *day)).or_default();
        match touches.ad_code(touch) {
            Some(_) => of_bot.touches += 1,
            None => of_bot.unattributed_touches += 1,
        }
    }
    for (i, day) in rows.events.iter().filter(|(_, day)| days.contains(*day)) {
        of_bots.entry((events.rows[*i as usize].bot, *day)).or_default().conversion_events += 1;
    }
    of_bots.into_iter().map(|((bot, day), of_bot)| ((day, bot), of_bot)).collect()
}

fn bot_counts(counts: &mut DayCounts, day: Day, bot: u32) -> &mut BotCounts {
    counts.bot_days.entry((day, bot)).or_default()
}

/// Adds a shard's sessions to its counts.
fn count_sessions(counts: &mut DayCounts, sessions: &DataFrame, days: DayRange) -> Result<()> {
    let opened = sessions.clone().lazy().filter(within("day", days));
    count_conversations(counts, opened.clone())?;
    count_conversions(counts, sessions.clone().lazy().filter(within("conversion_day", days)))?;
    count_ends(counts, opened)
}

fn within(day: &str, days: DayRange) -> Expr {
    col(day).gt_eq(lit(days.first.0)).and(col(day).lt_eq(lit(days.last.0)))
}

fn count_conversations(counts: &mut DayCounts, opened: LazyFrame) -> Result<()> {
    let of_ads = opened.filter(col("ad").is_not_null());
    let conversations = of_ads.group_by(["bot", "ad", "day"].map(col)).agg([len().alias("n")]).collect()?;
    let (bots, ads, numbers) = (codes(&conversations, "bot")?, codes(&conversations, "ad")?, codes(&conversations, "n")?);
    let days = days_of(&conversations, "day")?;
    for i in 0..conversations.height() {
        let (Some(bot), Some(ad), Some(day), Some(n)) = (bots[i], ads[i], days[i], numbers[i]) else { continue };
        counts.conversations.entry(day).or_default().push(ConversationCount { bot, ad, count: n as i64 });
    }
    Ok(())
}

fn count_conversions(counts: &mut DayCounts, converted: LazyFrame) -> Result<()> {
    let key = ["bot", "ad", "conversion_day", "day", "category"].map(col);
    let conversions = converted.filter(col("conversion_day").is_not_null()).group_by(key).agg([len().alias("n")]).collect()?;
    let (bots, ads, numbers) = (codes(&conversions, "bot")?, codes(&conversions, "ad")?, codes(&conversions, "n")?);
    let (event_days, touch_days, categories) =
        (days_of(&conversions, "conversion_day")?, days_of(&conversions, "day")?, codes(&conversions, "category")?);
    for i in 0..conversions.height() {
        let (Some(bot), Some(day), Some(conversation_day), Some(n)) = (bots[i], event_days[i], touch_days[i], numbers[i]) else {
            continue;
        };
        match (ads[i], categories[i]) {
            (Some(ad), Some(category)) => {
                let row = ConversionCount { bot, ad, conversation_day, category, count: n as i64 };
                counts.conversions.entry(day).or_default().push(row);
            }
            _ => bot_counts(counts, day, bot).unattributed_conversions += n as i64,
        }
    }
    Ok(())
}

fn count_ends(counts: &mut DayCounts, opened: LazyFrame) -> Result<()> {
    let states = opened.group_by(["bot", "day", "state"].map(col)).agg([len().alias("n")]).collect()?;
    let (bots, numbers, days) = (codes(&states, "bot")?, codes(&states, "n")?, days_of(&states, "day")?);
    for (i, end) in states.column("state")?.i32()?.iter().enumerate() {
        let (Some(bot), Some(day), Some(end), Some(n)) = (bots[i], days[i], end, numbers[i].map(i64::from)) else { continue };
        let of_day: &mut SessionEnds = counts.ends.entry((day, bot)).or_default();
        of_day.started += n;
        match end {
            state::CONVERTED => of_day.converted += n,
            state::SUPERSEDED => of_day.superseded += n,
            state::EXPIRED => of_day.expired += n,
            _ => of_day.open += n,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::base::day::MICROS_PER_DAY;
    use crate::config::Settings;
    use crate::engine::embedded::conversion_events::Events;
    use crate::engine::embedded::settle::settle;
    use crate::engine::embedded::touches::Touches;
    use crate::extract::identity::Identities;
    use crate::extract::{conversion_events, touches};

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
        let event = |(i, [contact, ..]): (usize, &'static [String; 3])| conversion_events::EventCells {
            bot: "b",
            contact: Some(contact),
            occurred_at: at(20_001, i),
            category: "buy",
            event: None,
        };
        let ids: &'static [[String; 3]] = ids.leak();
        let (mut all_touches, mut all_events) = (Touches::default(), Events::default());
        let touches: Vec<touches::TouchCells<'_>> = ids.iter().enumerate().map(touch).collect();
        let events: Vec<conversion_events::EventCells<'_>> = ids.iter().enumerate().map(event).collect();
        all_touches.add(&touches::table(&touches).unwrap(), &settings.bot_codes());
        all_events.add(&conversion_events::table(&events).unwrap(), &settings.bot_codes());
        settle(all_touches, all_events).unwrap()
    }

    #[test]
    fn shards_add_up_to_one_row_per_key() {
        let text = "name = 'n'\n[lake]\nurl = 'lake'\n[[bots]]\nid = 'b'\ntimezone = 'UTC'\n";
        let settings = Settings::parse("test.toml", text, Path::new("/")).unwrap();
        let identities = Identities::default();
        let days = DayRange { first: Day(19_999), last: Day(20_002) };
        let rules = Rules { settings: &settings, identities: &identities, watermark: i64::MAX };
        let settled = settled(&settings, 40);
        let whole = attribute_in_shards(&rules, days, &settled, 1).unwrap();
        let sharded = attribute_in_shards(&rules, days, &settled, 7).unwrap();
        assert_eq!(whole.conversions, sharded.conversions);
        assert_eq!(whole.conversations, sharded.conversations);
        assert_eq!(whole.ends, sharded.ends);
        assert_eq!(sharded.conversions[&Day(20_001)].iter().map(|row| row.count).collect::<Vec<_>>(), [20, 20]);
    }
}
