//! What the stored days of each (bot, ad) add up to, without keeping the days. Pure.
//!
//! In: rows of `ad_days`, in the order of days and then of the files, all at once or a part of the range at a time. Out: [`Tally`],
//! one [`AdTally`] per (bot, ad) with its [`Sums`], and what each day of the range has. Parts are joined in the order of their days, so
//! that the same rows give the same tally, however they were parted.
//!
//! Ids are numbered. The files of all days are sorted alike, so after one (bot, ad) mostly comes the one that came after it the day
//! before: it is tried first, and a look-up by its texts is rare.

use std::collections::HashMap;

use foldhash::fast::FixedState;

use crate::base::day::{Day, DayRange};
use crate::base::dictionary::Dictionary;

use super::published::{Key, PublishedAdDay};
use super::sums::{DayFigures, Sums};

/// The number of a text that is missing.
pub(super) const NONE: u32 = u32::MAX;

/// How many (bot, ad)s may be without a row on a day before the next one is looked up.
const MOST_SKIPPED: usize = 4;

/// What a day of a (bot, ad) has.
const ROW: u8 = 1;
const CONFIGURED: u8 = 2;
const SPEND: u8 = 4;

/// A row of `ad_days` in numbers; its key stands beside it.
pub(super) struct StoredDay {
    pub date: Day,
    pub account: u32,
    pub currency: u32,
    pub conversations: i64,
    pub conversions: Option<i64>,
    pub spend: Option<i128>,
    pub impressions: Option<i64>,
    pub reach: Option<i64>,
    pub meta_conversations: Option<i64>,
}

#[derive(Debug)]
pub(super) struct Tally {
    pub days: DayRange,
    texts: Dictionary,
    ads: Vec<AdTally>,
    places: HashMap<(u32, u32), u32, FixedState>,
    /// A byte for each day of each of `ads`.
    flags: Vec<u8>,
    /// The place of the last row.
    at: usize,
}

/// What is added up of one (bot, ad).
#[derive(Clone, Debug)]
pub(super) struct AdTally {
    bot: u32,
    ad: u32,
    /// The place of the one that comes after it in the files.
    next: u32,
    /// The latest that is known, and its day.
    account: (Day, u32),
    currency: u32,
    /// A conversation, spend or an impression on any day.
    pub has_figures: bool,
    /// Meta's own count of conversations is known on any day.
    pub tells_conversations: bool,
    pub sums: Sums,
}

/// What is stored of one day.
#[derive(Clone, Copy)]
pub(super) struct DayFlags(u8);

impl DayFlags {
    pub(super) fn has_row(self) -> bool {
        self.0 & ROW != 0
    }

    pub(super) fn is_configured(self) -> bool {
        self.0 & CONFIGURED != 0
    }

    pub(super) fn knows_spend(self) -> bool {
        self.0 & SPEND != 0
    }
}

impl Tally {
    pub(super) fn empty(days: DayRange) -> Tally {
        Tally { days, texts: Dictionary::default(), ads: Vec::new(), places: HashMap::default(), flags: Vec::new(), at: 0 }
    }

    /// The tally of rows in memory.
    pub(super) fn of(rows: &[PublishedAdDay], days: DayRange) -> Tally {
        let mut tally = Tally::empty(days);
        for row in rows {
            let [bot, account, currency] =
                [&row.bot_id, &row.account_id, &row.currency].map(|text| tally.number(text.as_deref()));
            let stored = StoredDay {
                date: row.date,
                account,
                currency,
                conversations: row.conversations,
                conversions: row.conversions,
                spend: row.spend,
                impressions: row.impressions,
                reach: row.reach,
                meta_conversations: row.meta_conversations,
            };
            tally.add(bot, &row.ad_id, &stored);
        }
        tally
    }

    /// The tally of parts in the order of their days.
    pub(super) fn joined(days: DayRange, parts: Vec<Tally>) -> Tally {
        let mut whole = Tally::empty(days);
        for part in parts {
            let numbers: Vec<u32> = part.texts.iter().map(|text| whole.texts.code(text)).collect();
            let number = |of_part: u32| numbers.get(of_part as usize).copied().unwrap_or(NONE);
            let offset = (part.days.first.0 - days.first.0) as usize;
            for (ad, flags) in part.ads.iter().zip(part.flags.chunks(part.days.len())) {
                let place = whole.place_of(number(ad.bot), number(ad.ad));
                let start = place * days.len() + offset;
                whole.flags[start..start + flags.len()].copy_from_slice(flags);
                let (day, account) = ad.account;
                whole.ads[place].join(ad, (day, number(account)), number(ad.currency));
            }
        }
        whole
    }

    pub(super) fn number(&mut self, text: Option<&str>) -> u32 {
        text.map_or(NONE, |text| self.texts.code(text))
    }

    /// The row of a (bot, ad). One outside the range is not of it.
    pub(super) fn add(&mut self, bot: u32, ad_id: &str, row: &StoredDay) {
        if !self.days.contains(row.date) {
            return;
        }
        let place = self.next_place(bot, ad_id);
        let day = (row.date.0 - self.days.first.0) as usize;
        self.flags[place * self.days.len() + day] = self.ads[place].add(row);
    }

    fn next_place(&mut self, bot: u32, ad_id: &str) -> usize {
        let before = self.at;
        for _ in 0..MOST_SKIPPED {
            let Some(tried) = self.ads.get(self.at) else { break };
            self.at = tried.next as usize;
            if self.ads[self.at].bot == bot && self.texts.text(self.ads[self.at].ad) == ad_id {
                return self.at;
            }
        }
        let (ad, known) = (self.number(Some(ad_id)), self.ads.len());
        self.at = self.place_of(bot, ad);
        if self.at == known && known > 0 {
            self.ads[known].next = std::mem::replace(&mut self.ads[before].next, known as u32);
        }
        self.at
    }

    fn place_of(&mut self, bot: u32, ad: u32) -> usize {
        let new = self.ads.len();
        let place = *self.places.entry((bot, ad)).or_insert(new as u32) as usize;
        if place == new {
            self.ads.push(AdTally::new(bot, ad, self.days.first));
            self.flags.resize(self.ads.len() * self.days.len(), 0);
        }
        place
    }

    fn text(&self, number: u32) -> Option<&str> {
        (number != NONE).then(|| self.texts.text(number))
    }

    /// Each (bot, ad) with what its days have, in no order that matters.
    pub(super) fn ads(&self) -> impl Iterator<Item = (Key<'_>, &AdTally, &[u8])> {
        let key = |ad: &AdTally| (self.text(ad.bot), self.text(ad.ad).unwrap_or_default());
        self.ads.iter().zip(self.flags.chunks(self.days.len())).map(move |(ad, flags)| (key(ad), ad, flags))
    }

    /// The latest account known of it, and the day of that row.
    pub(super) fn account(&self, ad: &AdTally) -> Option<(Day, &str)> {
        let (day, account) = ad.account;
        Some((day, self.text(account)?))
    }

    /// The latest currency known of it.
    pub(super) fn currency(&self, ad: &AdTally) -> Option<&str> {
        self.text(ad.currency)
    }

    /// The days of the range with what is stored of each.
    pub(super) fn flagged<'m>(&self, flags: &'m [u8]) -> impl DoubleEndedIterator<Item = (Day, DayFlags)> + use<'m> {
        let first = self.days.first;
        flags.iter().enumerate().map(move |(i, flag)| (first.plus(i as i32), DayFlags(*flag)))
    }

    /// The days on which spend is known.
    pub(super) fn days_with_spend<'m>(&self, flags: &'m [u8]) -> impl DoubleEndedIterator<Item = Day> + use<'m> {
        self.flagged(flags).filter(|(_, flag)| flag.knows_spend()).map(|(day, _)| day)
    }
}

impl AdTally {
    fn new(bot: u32, ad: u32, first: Day) -> AdTally {
        AdTally {
            bot,
            ad,
            next: 0,
            account: (first, NONE),
            currency: NONE,
            has_figures: false,
            tells_conversations: false,
            sums: Sums::default(),
        }
    }

    /// What the row's day has.
    fn add(&mut self, row: &StoredDay) -> u8 {
        if row.account != NONE {
            self.account = (row.date, row.account);
        }
        if row.currency != NONE {
            self.currency = row.currency;
        }
        self.has_figures |= has_figures(row.conversations, row.spend, row.impressions);
        self.tells_conversations |= row.meta_conversations.is_some();
        self.sums.add_day(DayFigures {
            conversations: row.conversations,
            conversions: row.conversions.map(i128::from),
            spend: row.spend,
            reach: row.reach,
        });
        let known = |is_known: bool, flag| if is_known { flag } else { 0 };
        ROW | known(row.conversions.is_some(), CONFIGURED) | known(row.spend.is_some(), SPEND)
    }

    /// Adds the same (bot, ad) of later days, whose texts are numbered here.
    fn join(&mut self, later: &AdTally, account: (Day, u32), currency: u32) {
        if account.1 != NONE {
            self.account = account;
        }
        if currency != NONE {
            self.currency = currency;
        }
        self.has_figures |= later.has_figures;
        self.tells_conversations |= later.tells_conversations;
        self.sums.join(&later.sums);
    }
}

/// Whether a row is there for more than conversions of earlier conversations.
pub(super) fn has_figures(conversations: i64, spend: Option<i128>, impressions: Option<i64>) -> bool {
    conversations > 0 || spend.is_some_and(|spend| spend != 0) || impressions.is_some_and(|impressions| impressions > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Day = Day(20_513);

    fn days(first: i32, last: i32) -> DayRange {
        DayRange { first: FIRST.plus(first), last: FIRST.plus(last) }
    }

    /// Figures that no two rows share, some of them unknown, so that a sum that mixes up ads or days differs.
    fn row(day: i32, bot_id: Option<&str>, ad_id: &str) -> PublishedAdDay {
        let drawn =
            i64::from(day) * 1009 + ad_id.bytes().fold(bot_id.map_or(7, str::len) as i64, |sum, byte| sum * 31 + i64::from(byte));
        let unless = |every: i64, value: i64| (drawn % every != 0).then_some(value);
        PublishedAdDay {
            date: FIRST.plus(day),
            bot_id: bot_id.map(str::to_string),
            ad_id: ad_id.to_string(),
            account_id: unless(3, 0).map(|_| format!("act_{}", day % 4)),
            currency: unless(5, 0).map(|_| ["BRL", "USD"][day as usize % 2].to_string()),
            conversations: drawn % 97,
            conversions: unless(4, drawn % 13),
            spend: unless(7, drawn).map(|spend| i128::from(spend) * 1_000_003),
            impressions: None,
            reach: unless(6, drawn % 1013),
            meta_conversations: unless(11, 1),
        }
    }

    /// Bots come and go, ads have gaps longer than what is tried before a look-up, one has a row in every bot and one in none.
    fn rows(day: i32) -> Vec<PublishedAdDay> {
        let mut rows = vec![row(day, None, "ad0")];
        for bot_id in ["bot", "robot"].into_iter().filter(|bot_id| day % 5 != 0 || *bot_id != "bot") {
            let ads = (0..40).filter(|ad| (ad * 7 + day) % 11 != 0 && (ad / 10 != day % 4 || *ad == 0));
            rows.extend(ads.map(|ad| row(day, Some(bot_id), &format!("ad{ad}"))));
        }
        rows.sort_by(|a, b| (&a.bot_id, &a.ad_id).cmp(&(&b.bot_id, &b.ad_id)));
        rows
    }

    type TalliedAd = (Option<String>, String, Option<(Day, String)>, Option<String>, String, Vec<u8>);

    fn told(tally: &Tally) -> Vec<TalliedAd> {
        let mut told: Vec<TalliedAd> = tally
            .ads()
            .map(|((bot_id, ad_id), ad, flags)| {
                let account = tally.account(ad).map(|(day, account)| (day, account.to_string()));
                let sums = format!("{:?} {} {}", ad.sums, ad.has_figures, ad.tells_conversations);
                let currency = tally.currency(ad).map(str::to_string);
                (bot_id.map(str::to_string), ad_id.to_string(), account, currency, sums, flags.to_vec())
            })
            .collect();
        told.sort();
        told
    }

    #[test]
    fn the_sums_are_those_of_plain_loops_whatever_came_between_two_days_of_an_ad() {
        let all: Vec<PublishedAdDay> = (0..60).flat_map(rows).collect();
        let tally = Tally::of(&all, days(0, 59));
        assert_eq!(tally.ads().count(), 81);
        for ((bot_id, ad_id), ad, flags) in tally.ads() {
            let of_ad: Vec<&PublishedAdDay> =
                all.iter().filter(|row| row.bot_id.as_deref() == bot_id && row.ad_id == ad_id).collect();
            let key = format!("{bot_id:?} {ad_id}");
            assert_eq!(ad.sums.conversations, of_ad.iter().map(|row| i128::from(row.conversations)).sum::<i128>(), "{key}");
            assert_eq!(
                ad.sums.conversions,
                of_ad.iter().filter_map(|row| row.conversions).map(i128::from).sum::<i128>(),
                "{key}"
            );
            assert_eq!(ad.sums.spend, of_ad.iter().filter_map(|row| row.spend).sum::<i128>(), "{key}");
            let both = of_ad.iter().filter_map(|row| row.conversions.zip(row.spend));
            let both = both.fold((0, 0), |(n, sum), (conversions, spend)| (n + i128::from(conversions), sum + spend));
            assert_eq!((ad.sums.conversions_with_spend, ad.sums.spend_when_configured), both, "{key}");
            assert_eq!(ad.sums.reach_max_of_day, of_ad.iter().filter_map(|row| row.reach).max(), "{key}");
            let currency = of_ad.iter().rev().find_map(|row| row.currency.as_deref());
            assert_eq!(tally.currency(ad), currency, "{key}");
            let account = of_ad.iter().rev().find_map(|row| Some((row.date, row.account_id.as_deref()?)));
            assert_eq!(tally.account(ad), account, "{key}");
            for (day, flag) in tally.flagged(flags) {
                let row = of_ad.iter().find(|row| row.date == day);
                let is = |known: fn(&PublishedAdDay) -> bool| row.is_some_and(|row| known(row));
                let expected = (is(|_| true), is(|row| row.conversions.is_some()), is(|row| row.spend.is_some()));
                assert_eq!((flag.has_row(), flag.is_configured(), flag.knows_spend()), expected, "{key} {day}");
            }
        }
    }

    #[test]
    fn parts_of_the_range_join_to_the_whole_however_it_was_parted() {
        let whole = told(&Tally::of(&(0..60).flat_map(rows).collect::<Vec<_>>(), days(0, 59)));
        for length in [1, 7, 32, 60] {
            let part = |first: i32| {
                let last = (first + length - 1).min(59);
                Tally::of(&(first..=last).flat_map(rows).collect::<Vec<_>>(), days(first, last))
            };
            let parts = (0..60).step_by(length as usize).map(part).collect();
            assert_eq!(told(&Tally::joined(days(0, 59), parts)), whole, "{length}");
        }
        // Days that are not published lie between parts, before the first and after the last.
        let sparse = |first: i32, last: i32| Tally::of(&[rows(first), rows(last)].concat(), days(first, last));
        let some: Vec<PublishedAdDay> = [2, 5, 20, 50].into_iter().flat_map(rows).collect();
        let joined = Tally::joined(days(0, 59), vec![sparse(2, 5), sparse(20, 50)]);
        assert_eq!(told(&joined), told(&Tally::of(&some, days(0, 59))));
    }

    #[test]
    fn a_row_outside_the_range_is_not_of_it() {
        let outside = [row(0, Some("bot"), "ad"), row(3, Some("bot"), "ad")];
        assert_eq!(Tally::of(&outside, days(1, 2)).ads().count(), 0);
    }
}
