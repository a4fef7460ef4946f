//! What is to be fetched from Meta now, and what was fetched recently enough. Pure: ledgers, settings and the time in, days and
//! ranges out.
//!
//! A day is a day of the ad account's zone. It is due when it was never fetched, when it was fetched before it was over and is over
//! now, when Meta may have restated it since (the last `restate_days` days, each at most once per `refetch_after_hours`), and once
//! more when it is older than that and than the 28 days for which Meta changes figures: what is fetched then is final. Never due is
//! what Meta no longer keeps.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::{MarketingApi, Settings};
use crate::day::{Day, DayRange, MICROS_PER_SECOND};

use super::ledger::{Answered, AskedAd, FINAL_AFTER_DAYS, LedgerOf, Ledgers};

/// What Meta keeps. The oldest day is left alone: whose today it counts from is not said.
const KEPT_MONTHS: u32 = 37;
/// How many days are asked for at once: a night's are one question.
const CHUNK_DAYS: usize = 30;
/// What is foreign, or no ad, is asked for again after this long.
const ASK_AGAIN_DAYS: i64 = 28;
/// What was found and has new days without a row is asked for again after this long: it was in the account's report.
const LOOK_AGAIN_DAYS: i64 = 7;

const MICROS_PER_HOUR: i64 = 3_600 * MICROS_PER_SECOND;
const MICROS_PER_24_HOURS: i64 = 24 * MICROS_PER_HOUR;

/// What is to be fetched of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    pub account: String,
    /// Newest first; together the days that are due.
    pub chunks: Vec<DayRange>,
    /// Ranges whose exact reach is due.
    pub reach: Vec<DayRange>,
}

impl Due {
    pub fn days(&self) -> usize {
        self.chunks.iter().map(|days| days.len()).sum()
    }
}

/// The days of an account that Meta can be asked for: up to its today.
pub fn reachable(account: &LedgerOf, now: i64) -> DayRange {
    let today = account.zone.local_day(now);
    DayRange { first: today.months_before(KEPT_MONTHS).map_or(today, Day::next), last: today }
}

/// What is due of each listed account. `first` is the first conversation day.
pub fn due(settings: &Settings, api: &MarketingApi, ledgers: &Ledgers, now: i64, first: Option<Day>) -> Vec<Due> {
    let listed = settings.listed_accounts();
    let accounts = ledgers.accounts.iter().filter(|(id, _)| listed.contains(id.as_str()));
    let of = |(id, account): (&String, &LedgerOf)| Due {
        account: id.clone(),
        chunks: chunks(&days_due(api, account, now, first)),
        reach: if is_reach_due(api, account, now) { reach_ranges(api, reachable(account, now)) } else { Vec::new() },
    };
    accounts.map(of).filter(|due| !(due.chunks.is_empty() && due.reach.is_empty())).collect()
}

/// Newest first.
pub fn days_due(api: &MarketingApi, account: &LedgerOf, now: i64, first: Option<Day>) -> Vec<Day> {
    let reachable = reachable(account, now);
    let today = reachable.last;
    let restated = today.plus(-api.restate_days);
    let wanted = DayRange { first: first.map_or(restated, |first| first.min(restated)).min(today), last: today };
    let days = wanted.intersection(reachable).into_iter().flat_map(DayRange::iter).rev();
    days.filter(|day| is_due(api, account, now, today, *day)).collect()
}

fn is_due(api: &MarketingApi, account: &LedgerOf, now: i64, today: Day, day: Day) -> bool {
    let Some(fetched) = account.ledger.days.get(&day) else { return true };
    let is_rested = now - fetched.at.0 >= api.refetch_after_hours * MICROS_PER_HOUR;
    if !fetched.complete {
        return is_rested || day < today;
    }
    let settled_after = api.restate_days.max(FINAL_AFTER_DAYS);
    let (age, age_when_fetched) = (today.0 - day.0, account.zone.local_day(fetched.at.0).0 - day.0);
    (age <= api.restate_days && is_rested) || (age > settled_after && age_when_fetched <= settled_after)
}

/// Days, newest first, as ranges of neighbours.
pub fn chunks(days: &[Day]) -> Vec<DayRange> {
    let mut chunks: Vec<DayRange> = Vec::new();
    for day in days {
        match chunks.last_mut() {
            Some(chunk) if chunk.first == day.next() && chunk.len() < CHUNK_DAYS => chunk.first = *day,
            _ => chunks.push(DayRange { first: *day, last: *day }),
        }
    }
    chunks
}

fn is_reach_due(api: &MarketingApi, account: &LedgerOf, now: i64) -> bool {
    let yesterday = account.zone.local_day(now).plus(-1);
    let is_fresh = account.ledger.reach.as_ref().is_some_and(|fetched| {
        fetched.until == yesterday && now - fetched.at.0 < api.refetch_after_hours.max(1) * MICROS_PER_HOUR
    });
    !api.reach_windows.is_empty() && !is_fresh
}

/// The trailing windows, which end with the last day that is over, the month of that day so far, and the month before.
pub fn reach_ranges(api: &MarketingApi, reachable: DayRange) -> Vec<DayRange> {
    let yesterday = reachable.last.plus(-1);
    let month = yesterday.first_of_month();
    let windows = api.reach_windows.iter().map(|days| DayRange { first: yesterday.plus(1 - days), last: yesterday });
    let months =
        [DayRange { first: month, last: yesterday }, DayRange { first: month.plus(-1).first_of_month(), last: month.plus(-1) }];
    let mut ranges: Vec<DayRange> = windows.chain(months).filter(|range| reachable.contains(range.first)).collect();
    ranges.sort_unstable_by_key(|range| (range.first, range.last));
    ranges.dedup();
    ranges
}

/// What is known of a touched ad.
#[derive(Clone, Debug, Default)]
pub struct TouchedAd {
    /// The local days of its touches, which should be the account's days.
    pub days: BTreeSet<Day>,
    /// The days on which it has a row.
    pub rows: BTreeSet<Day>,
    /// The account it is known to belong to; else those it may belong to: of the bots in which it was touched.
    pub accounts: BTreeSet<String>,
}

/// The ads to be asked for by their ids, as the account's report may leave them out: touched on a day that was fetched, without a
/// row on it. The days are those of all accounts together, because whose an ad is may not be known.
pub fn ads_due(ledgers: &Ledgers, ads: &BTreeMap<String, TouchedAd>, now: i64) -> Option<(DayRange, Vec<String>)> {
    let fetched = ledgers.accounts.values().filter_map(|account| {
        let (first, last) = (account.ledger.days.keys().next()?, account.ledger.days.keys().next_back()?);
        DayRange { first: *first, last: *last }.intersection(reachable(account, now))
    });
    let all = fetched.reduce(|a, b| DayRange { first: a.first.min(b.first), last: a.last.max(b.last) })?;
    // A day is asked for only where it is in reach for every account.
    let range = ledgers.accounts.values().try_fold(all, |range, account| range.intersection(reachable(account, now)))?;
    let is_due = |(ad, touched): &(&String, &TouchedAd)| {
        // Where an account's report is not there, it may yet have the ad.
        let is_whole =
            |day: Day| !touched.accounts.is_empty() && touched.accounts.iter().all(|account| ledgers.is_whole(account, day));
        let is_bare = |day: &Day| range.contains(*day) && is_whole(*day) && !touched.rows.contains(day);
        let mut bare = touched.days.iter().copied().filter(is_bare);
        match ledgers.ads.get(*ad) {
            None => bare.next().is_some(),
            Some(asked) => bare.any(|day| is_to_be_asked_again(asked, now, day)),
        }
    };
    let due: Vec<String> = ads.iter().filter(is_due).map(|(ad, _)| ad.clone()).collect();
    if due.is_empty() { None } else { Some((range, due)) }
}

fn is_to_be_asked_again(asked: &AskedAd, now: i64, bare: Day) -> bool {
    let days_ago = (now - asked.at.0) / MICROS_PER_24_HOURS;
    match asked.answered {
        Answered::Foreign | Answered::Refused | Answered::Unlisted => days_ago >= ASK_AGAIN_DAYS,
        Answered::Found => bare < asked.since || (bare > asked.until && days_ago >= LOOK_AGAIN_DAYS),
    }
}

/// Whether an ad whose rows are gone from a report is worth asking for: Meta has not just said that it cannot be seen.
pub fn may_be_asked(ledgers: &Ledgers, ad: &str, now: i64) -> bool {
    ledgers
        .ads
        .get(ad)
        .is_none_or(|asked| asked.answered == Answered::Found || (now - asked.at.0) / MICROS_PER_24_HOURS >= ASK_AGAIN_DAYS)
}
