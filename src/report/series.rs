//! What a page holds: every day of a range, ad by ad, as bytes that a script unpacks. Pure.
//!
//! In: [`Published`] and what was asked for. Out: bytes, the same for the same rows. What a day means is asked of `meaning` here, so
//! that the page only has to add days up; it is never asked to know what a missing row stands for.
//!
//! ```text
//! length of the header, u32 little endian | header, JSON | numbers, unsigned LEB128, column after column
//!
//! rows_per_ad   an ad
//! day           a row: days after the ad's row before it, the first after the range's first day
//! flags         a row: 1 a row of `ad_days`, 2 one that makes the ad appear by conversation day, 4 conversions are known,
//!               8 spend is known, 16 reach is known
//! conversations, conversions (by conversion day), cohort (by conversation day), reach
//! spend         in 10^-spend_decimals of the major unit, zigzag
//! lags_per_ad   an ad
//! lag_day       a lag: day of the event, after that of the lag before it
//! lag           a lag: days from the conversation to the conversion
//! lag_count     a lag: conversions
//! reach_counts  a range of `reach_ranges`: how many ads
//! reach_ads     ad, after the one before it
//! reach_values
//! ```
//!
//! A row stands for a day that something is stored of. All other days of an ad are those of its pattern: a digit per day, 1 the
//! bot was configured, 2 conversions are 0 (else unknown), 4 spend is 0 (else unknown). Ads are sorted by bot id, those without a
//! bot last, then ad id, by their bytes.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::base::day::{Day, DayRange};
use crate::base::error::{Error, Result};
use crate::config::Settings;

use super::meaning::Meaning;
use super::model::{By, ReportRequest};
use super::published::{Key, Published};
use super::tally::Tally;

/// Whole numbers above this are not exact in a browser.
const LARGEST: u128 = (1 << 53) - 1;

#[derive(Serialize)]
struct Header<'a> {
    pipeline: &'a str,
    first: Day,
    days: usize,
    by: &'static str,
    horizon_days: i32,
    /// Conversions are published up to this day.
    last_event_day: Option<Day>,
    /// A digit per day: 1 published.
    published: String,
    /// Ads with a figure but without any conversation, which are left out.
    hidden_ads: usize,
    bots: Vec<BotHeader<'a>>,
    ads: Vec<AdHeader<'a>>,
    patterns: Vec<String>,
    reach_ranges: Vec<(i32, i32)>,
    spend_decimals: usize,
    /// Whether every sum of spend is exact as a number of the browser's.
    spend_is_small: bool,
    rows: usize,
    lags: usize,
}

#[derive(Serialize)]
struct BotHeader<'a> {
    id: &'a str,
    /// A digit per day: 1 configured.
    configured: String,
    /// A letter per day, the insights status: n none, m missing, p provisional, f final, - no row; a capital where the day is not
    /// complete.
    status: String,
}

#[derive(Serialize)]
struct AdHeader<'a> {
    /// The place of its bot; none on a row without bot.
    bot: Option<usize>,
    id: &'a str,
    title: Option<&'a str>,
    kind: Option<&'a str>,
    currency: Option<&'a str>,
    account: Option<&'a str>,
    pattern: usize,
}

pub(super) fn pack(
    published: &Published,
    tally: &Tally,
    settings: &Settings,
    request: &ReportRequest,
    hidden_ads: usize,
) -> Result<Vec<u8>> {
    let meaning = Meaning::new(published, tally, &settings.bots);
    let keys = keys(&meaning, request);
    let bot_ids = bot_ids(settings, request, &keys);
    let days = request.days;
    let lags = lags(published, days)?;
    let mut numbers = PackedNumbers::default();
    let mut patterns = Patterns::default();
    let mut ads = Vec::new();
    for key in &keys {
        numbers.add_rows(&meaning, *key, lags.get(key), days)?;
        ads.push(ad_header(&meaning, *key, &bot_ids, patterns.place(pattern(&meaning, *key, days))));
    }
    let reach_ranges = numbers.add_reach(&meaning, published, &keys, days);
    let spend_decimals = numbers.spend_decimals();
    let unit = 10_i128.pow(6 - spend_decimals as u32);
    let spends: Vec<i128> = numbers.spend.iter().map(|spend| spend / unit).collect();
    let header = Header {
        pipeline: &settings.name,
        first: days.first,
        days: days.len(),
        by: match request.by {
            By::ConversionDay => "conversion-day",
            By::ConversationDay => "conversation-day",
        },
        horizon_days: settings.horizon.days,
        last_event_day: published.last_event_day,
        published: letters(days, |day| if published.days.contains(&day) { '1' } else { '0' }),
        hidden_ads,
        bots: bot_ids.iter().map(|id| bot_header(published, &meaning, id, days)).collect(),
        ads,
        patterns: patterns.in_order(),
        reach_ranges,
        spend_decimals,
        spend_is_small: spend_is_small(&spends),
        rows: numbers.flags.len(),
        lags: numbers.lag.len(),
    };
    let json =
        serde_json::to_vec(&header).map_err(|error| Error::bug("the page's header cannot be written as JSON").source(error))?;
    let length = u32::try_from(json.len()).map_err(|_| too_large("the titles of its ads are longer than 4 GB"))?;
    let mut bytes = length.to_le_bytes().to_vec();
    bytes.extend(json);
    numbers.write(&spends, &mut bytes)?;
    Ok(bytes)
}

/// The (bot, ad)s of the page, in its order.
fn keys<'f>(meaning: &'f Meaning<'_>, request: &ReportRequest) -> Vec<Key<'f>> {
    let is_held = |key: &Key| request.asks_for(key.0, key.1) && (request.all_ads || meaning.clicked.contains(key.1));
    let mut keys: Vec<Key> = meaning.ad_days.keys().copied().filter(is_held).collect();
    keys.sort_by_key(|(bot_id, ad_id)| (bot_id.is_none(), *bot_id, *ad_id));
    keys
}

/// The bots that were asked for, and those of the ads, by their ids.
fn bot_ids<'a>(settings: &'a Settings, request: &ReportRequest, keys: &[Key<'a>]) -> Vec<&'a str> {
    let named = settings.bots.iter().map(|bot| bot.id.as_str()).filter(|id| request.asks_for_bot(Some(id)));
    let ids: BTreeSet<&str> = named.chain(keys.iter().filter_map(|(bot_id, _)| *bot_id)).collect();
    ids.into_iter().collect()
}

fn ad_header<'f>(meaning: &'f Meaning<'_>, key: Key<'f>, bot_ids: &[&str], pattern: usize) -> AdHeader<'f> {
    let (bot_id, ad_id) = key;
    let ad = meaning.ads.get(&key);
    let stored = || meaning.ad_days[&key].values().rev().find_map(|row| row.currency.as_deref());
    AdHeader {
        bot: bot_id.and_then(|bot_id| bot_ids.binary_search(&bot_id).ok()),
        id: ad_id,
        title: ad.and_then(|ad| ad.ad_title.as_deref()),
        kind: ad.and_then(|ad| ad.ad_type.as_deref()),
        currency: ad.and_then(|ad| ad.currency.as_deref()).or_else(stored),
        account: meaning.accounts.get(ad_id).copied(),
        pattern,
    }
}

/// Patterns, each once, with the place at which it came first.
#[derive(Default)]
struct Patterns(BTreeMap<String, usize>);

impl Patterns {
    fn place(&mut self, pattern: String) -> usize {
        let next = self.0.len();
        *self.0.entry(pattern).or_insert(next)
    }

    fn in_order(self) -> Vec<String> {
        let mut by_place: Vec<(usize, String)> = self.0.into_iter().map(|(pattern, place)| (place, pattern)).collect();
        by_place.sort_unstable();
        by_place.into_iter().map(|(_, pattern)| pattern).collect()
    }
}

/// Whether the page can read and add up these amounts as numbers of the browser's. One is written as twice itself, which must be
/// exact as well.
fn spend_is_small(spends: &[i128]) -> bool {
    spends.iter().map(|spend| spend.unsigned_abs()).sum::<u128>() <= LARGEST / 2
}

const TOO_LARGE_COUNT: &str = "a count has more than 15 digits";

fn too_large(why: &str) -> Error {
    Error::data("the report is too large for a page").with("reason", why).mend("ask for fewer days, bots or ads")
}

fn letters(days: DayRange, letter: impl Fn(Day) -> char) -> String {
    days.iter().map(letter).collect()
}

fn bot_header<'a>(published: &Published, meaning: &Meaning, id: &'a str, days: DayRange) -> BotHeader<'a> {
    let rows: BTreeMap<Day, _> = published.bot_days.iter().filter(|row| row.bot_id == id).map(|row| (row.date, row)).collect();
    let status = |day| match rows.get(&day) {
        None => '-',
        Some(row) => {
            let letter = row.insights_status.chars().next().filter(|letter| "nmpf".contains(*letter)).unwrap_or('-');
            if row.complete { letter } else { letter.to_ascii_uppercase() }
        }
    };
    let configured = |day| if meaning.is_configured(Some(id), day) { '1' } else { '0' };
    BotHeader { id, configured: letters(days, configured), status: letters(days, status) }
}

/// What the days of an ad are that nothing is stored of.
fn pattern(meaning: &Meaning, key: Key, days: DayRange) -> String {
    let of_key = meaning.of(key);
    letters(days, |day| {
        let of_day = of_key.day(By::ConversionDay, None, day);
        let (conversions, spend) = (of_day.figures.conversions.is_some(), of_day.figures.spend.is_some());
        let bits = u32::from(of_day.configured) | u32::from(conversions) << 1 | u32::from(spend) << 2;
        char::from_digit(bits, 10).unwrap_or('0')
    })
}

/// Conversions by ad, day of the event and days since the conversation.
type Lags = BTreeMap<(Day, i32), i128>;

fn lags(published: &Published, days: DayRange) -> Result<BTreeMap<Key<'_>, Lags>> {
    let mut lags: BTreeMap<Key, Lags> = BTreeMap::new();
    for row in published.ad_conversions.iter().filter(|row| row.date >= days.first) {
        let lag = row.date.0 - row.conversation_date.0;
        if lag < 0 {
            return Err(Error::data("a published conversion lies before its conversation")
                .with("table", "ad_conversions")
                .with("day", row.date)
                .mend("build the day again with `ctwa backfill`"));
        }
        *lags.entry((Some(&row.bot_id), &row.ad_id)).or_default().entry((row.date, lag)).or_default() +=
            i128::from(row.conversions);
    }
    Ok(lags)
}

/// The numbers, column after column.
#[derive(Default)]
struct PackedNumbers {
    rows_per_ad: Vec<i64>,
    day: Vec<i64>,
    flags: Vec<i64>,
    conversations: Vec<i64>,
    conversions: Vec<i64>,
    cohort: Vec<i64>,
    reach: Vec<i64>,
    /// Millionths of the major unit.
    spend: Vec<i128>,
    lags_per_ad: Vec<i64>,
    lag_day: Vec<i64>,
    lag: Vec<i64>,
    lag_count: Vec<i64>,
    reach_counts: Vec<i64>,
    reach_ads: Vec<i64>,
    reach_values: Vec<i64>,
}

impl PackedNumbers {
    fn add_rows(&mut self, meaning: &Meaning, key: Key, lags: Option<&Lags>, days: DayRange) -> Result<()> {
        let (stored, of_key) = (&meaning.ad_days[&key], meaning.of(key));
        // On a day that is not published everything is unknown, whatever its conversations became.
        let of_conversation = lags.into_iter().flatten().map(|((day, lag), _)| day.plus(-lag));
        let cohort_days = of_conversation.filter(|day| meaning.published_days.contains(*day));
        let row_days: BTreeSet<Day> = stored.keys().copied().chain(cohort_days).collect();
        self.rows_per_ad.push(row_days.len() as i64);
        let mut before = days.first;
        for day in row_days {
            let row = stored.get(&day).copied();
            let [of_event, of_cohort] = [By::ConversionDay, By::ConversationDay].map(|by| of_key.day(by, row, day).figures);
            let flags = [
                row.is_some(),
                row.is_some_and(|row| Meaning::shows(By::ConversationDay, row)),
                of_event.conversions.is_some(),
                of_event.spend.is_some(),
                of_event.reach.is_some(),
            ];
            self.flags.push(flags.iter().rev().fold(0, |bits, flag| bits << 1 | i64::from(*flag)));
            self.day.push(i64::from(day.0 - before.0));
            self.conversations.push(of_event.conversations);
            self.conversions.push(count(of_event.conversions.unwrap_or(0))?);
            self.cohort.push(count(of_cohort.conversions.unwrap_or(0))?);
            self.reach.push(of_event.reach.unwrap_or(0));
            self.spend.push(of_event.spend.unwrap_or(0));
            before = day;
        }
        self.add_lags(lags, days)
    }

    fn add_lags(&mut self, lags: Option<&Lags>, days: DayRange) -> Result<()> {
        self.lags_per_ad.push(lags.map_or(0, |lags| lags.len() as i64));
        let mut before = days.first;
        for ((day, lag), conversions) in lags.into_iter().flatten() {
            self.lag_day.push(i64::from(day.0 - before.0));
            self.lag.push(i64::from(*lag));
            self.lag_count.push(count(*conversions)?);
            before = *day;
        }
        Ok(())
    }

    /// Meta's figures for ranges of several days; the ranges that have any.
    fn add_reach(&mut self, meaning: &Meaning, published: &Published, keys: &[Key], days: DayRange) -> Vec<(i32, i32)> {
        let mut rows_of: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (place, (_, ad_id)) in keys.iter().enumerate() {
            rows_of.entry(ad_id).or_default().push(place);
        }
        let mut ranges: BTreeMap<(Day, Day), BTreeMap<usize, i64>> = BTreeMap::new();
        for row in published.reach.iter().filter(|row| row.days.len() > 1) {
            for place in rows_of.get(row.ad_id.as_str()).into_iter().flatten() {
                if let Some(reach) = meaning.range_reach(keys[*place], row.days) {
                    ranges.entry((row.days.first, row.days.last)).or_default().insert(*place, reach);
                }
            }
        }
        for values in ranges.values() {
            self.reach_counts.push(values.len() as i64);
            let mut before = 0;
            for (place, reach) in values {
                self.reach_ads.push((place - before) as i64);
                self.reach_values.push(*reach);
                before = *place;
            }
        }
        ranges.into_keys().map(|(first, last)| (first.0 - days.first.0, last.0 - days.first.0)).collect()
    }

    /// The decimals that the finest amount needs.
    fn spend_decimals(&self) -> usize {
        let fits = |decimals: &usize| {
            let unit = 10_i128.pow(6 - *decimals as u32);
            self.spend.iter().all(|spend| spend % unit == 0)
        };
        (0..6).find(fits).unwrap_or(6)
    }

    fn write(&self, spends: &[i128], bytes: &mut Vec<u8>) -> Result<()> {
        let columns =
            [&self.rows_per_ad, &self.day, &self.flags, &self.conversations, &self.conversions, &self.cohort, &self.reach];
        let rest = [
            &self.lags_per_ad,
            &self.lag_day,
            &self.lag,
            &self.lag_count,
            &self.reach_counts,
            &self.reach_ads,
            &self.reach_values,
        ];
        columns.iter().try_for_each(|column| write_counts(column, bytes))?;
        for spend in spends {
            let spend = i64::try_from(*spend).map_err(|_| too_large("an amount has more than 18 digits"))?;
            write_number(((spend << 1) ^ (spend >> 63)) as u64, bytes);
        }
        rest.iter().try_for_each(|column| write_counts(column, bytes))
    }
}

fn count(sum: i128) -> Result<i64> {
    i64::try_from(sum).map_err(|_| too_large(TOO_LARGE_COUNT))
}

/// A column whose sums are exact in a browser.
fn write_counts(counts: &[i64], bytes: &mut Vec<u8>) -> Result<()> {
    let mut sum = 0;
    for count in counts {
        let count = u64::try_from(*count)
            .map_err(|_| Error::data("a published count is negative").mend("build the days again with `ctwa backfill`"))?;
        sum += u128::from(count);
        write_number(count, bytes);
    }
    if sum > LARGEST { Err(too_large(TOO_LARGE_COUNT)) } else { Ok(()) }
}

/// Unsigned LEB128.
fn write_number(mut number: u64, bytes: &mut Vec<u8>) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_take_as_many_bytes_as_they_need() {
        let written = |number| {
            let mut bytes = Vec::new();
            write_number(number, &mut bytes);
            bytes
        };
        assert_eq!(written(0), [0]);
        assert_eq!(written(127), [0x7f]);
        assert_eq!(written(128), [0x80, 1]);
        assert_eq!(written(300), [0xac, 2]);
        assert_eq!(written(u64::MAX).len(), 10);
    }

    #[test]
    fn money_keeps_the_decimals_it_has() {
        let decimals = |spend: &[i128]| PackedNumbers { spend: spend.to_vec(), ..PackedNumbers::default() }.spend_decimals();
        assert_eq!(decimals(&[]), 0);
        assert_eq!(decimals(&[5_000_000, 0]), 0);
        assert_eq!(decimals(&[5_000_000, 12_340_000]), 2);
        assert_eq!(decimals(&[5_000_001]), 6);
    }

    /// An amount is written as twice itself, or one less where it is negative: the browser must hold that as well.
    #[test]
    fn amounts_are_plain_numbers_while_what_is_written_of_them_is_exact() {
        assert!(spend_is_small(&[(1 << 52) - 1]) && spend_is_small(&[1, -((1 << 52) - 2)]));
        assert!(!spend_is_small(&[-(1 << 52)]) && !spend_is_small(&[1 << 51, -(1 << 51)]));
    }

    #[test]
    fn a_count_that_a_browser_would_round_is_refused() {
        let mut bytes = Vec::new();
        write_counts(&[(1 << 53) - 1], &mut bytes).unwrap();
        assert!(write_counts(&[(1 << 53) - 1, 1], &mut bytes).unwrap_err().to_string().contains("15 digits"));
        assert!(write_counts(&[-1], &mut bytes).is_err());
    }
}
