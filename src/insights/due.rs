//! What is to be fetched from Meta now, and what was fetched recently enough. Pure: ledgers, settings and the time in, days and
//! ranges out.
//!
//! A day is a day of the ad account's zone. It is due when it was never fetched, when it was fetched before it was over and is over
//! now, when Meta may have restated it since (the last `restate_days` days, each at most once per `refetch_after_hours`), and once
//! more when it is older than that and than the 28 days for which Meta changes figures: what is fetched then is final. Never due is
//! what Meta no longer keeps.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::day::{Day, DayRange, MICROS_PER_SECOND};
use crate::base::limits::FINAL_AFTER_DAYS;
use crate::config::{MarketingApi, Settings};

use crate::insights::ledger::{Answered, AskedAd, FetchedAccount, Ledgers};

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
pub(crate) struct Due {
    pub account: String,
    /// Ranges that together are the days that are due, newest first.
    pub chunks: Vec<DayRange>,
    /// Ranges whose exact reach is due.
    pub reach: Vec<DayRange>,
}

impl Due {
    pub(crate) fn days(&self) -> usize {
        self.chunks.iter().map(|days| days.len()).sum()
    }
}

/// The days of an account that Meta can be asked for: up to its today.
pub(crate) fn fetchable(account: &FetchedAccount, now: i64) -> DayRange {
    let today = account.zone.local_day(now);
    DayRange { first: today.months_before(KEPT_MONTHS).map_or(today, Day::next), last: today }
}

/// What is due of each listed account. `first` is the first conversation day.
pub(crate) fn due(settings: &Settings, api: &MarketingApi, ledgers: &Ledgers, now: i64, first: Option<Day>) -> Vec<Due> {
    let listed = settings.listed_accounts();
    let accounts = ledgers.accounts.iter().filter(|(id, _)| listed.contains(id.as_str()));
    let of = |(id, account): (&String, &FetchedAccount)| Due {
        account: id.clone(),
        chunks: chunks(&days_due(api, account, now, first)),
        reach: if is_reach_due(api, account, now) { reach_ranges(api, fetchable(account, now)) } else { Vec::new() },
    };
    accounts.map(of).filter(|due| !(due.chunks.is_empty() && due.reach.is_empty())).collect()
}

/// The days of an account that are due, newest first.
pub(crate) fn days_due(api: &MarketingApi, account: &FetchedAccount, now: i64, first: Option<Day>) -> Vec<Day> {
    let fetchable = fetchable(account, now);
    let today = fetchable.last;
    let restated = today.plus(-api.restate_days);
    let wanted = DayRange { first: first.map_or(restated, |first| first.min(restated)).min(today), last: today };
    let days = wanted.intersection(fetchable).into_iter().flat_map(DayRange::iter).rev();
    days.filter(|day| is_due(api, account, now, today, *day)).collect()
}

fn is_due(api: &MarketingApi, account: &FetchedAccount, now: i64, today: Day, day: Day) -> bool {
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
pub(crate) fn chunks(days: &[Day]) -> Vec<DayRange> {
    let mut chunks: Vec<DayRange> = Vec::new();
    for day in days {
        match chunks.last_mut() {
            Some(chunk) if chunk.first == day.next() && chunk.len() < CHUNK_DAYS => chunk.first = *day,
            _ => chunks.push(DayRange { first: *day, last: *day }),
        }
    }
    chunks
}

fn is_reach_due(api: &MarketingApi, account: &FetchedAccount, now: i64) -> bool {
    let yesterday = account.zone.local_day(now).plus(-1);
    let is_fresh = account.ledger.reach.as_ref().is_some_and(|fetched| {
        fetched.until == yesterday && now - fetched.at.0 < api.refetch_after_hours.max(1) * MICROS_PER_HOUR
    });
    !api.reach_windows.is_empty() && !is_fresh
}

/// The trailing windows, which end with the last day that is over, the month of that day so far, and the month before.
pub(crate) fn reach_ranges(api: &MarketingApi, fetchable: DayRange) -> Vec<DayRange> {
    let yesterday = fetchable.last.plus(-1);
    let month = yesterday.first_of_month();
    let windows = api.reach_windows.iter().map(|days| DayRange { first: yesterday.plus(1 - days), last: yesterday });
    let months =
        [DayRange { first: month, last: yesterday }, DayRange { first: month.plus(-1).first_of_month(), last: month.plus(-1) }];
    let mut ranges: Vec<DayRange> = windows.chain(months).filter(|range| fetchable.contains(range.first)).collect();
    ranges.sort_unstable_by_key(|range| (range.first, range.last));
    ranges.dedup();
    ranges
}

/// What is known of a touched ad.
#[derive(Clone, Debug, Default)]
pub(crate) struct TouchedAd {
    /// The local days of its touches, which should be the account's days.
    pub days: BTreeSet<Day>,
    /// The days on which it has a row.
    pub rows: BTreeSet<Day>,
    /// The account it is known to belong to; else those it may belong to: of the bots in which it was touched.
    pub accounts: BTreeSet<String>,
}

/// The ads to be asked for by their ids, as the account's report may leave them out: touched on a day that was fetched, without a
/// row on it. The days are those of all accounts together, because whose an ad is may not be known.
pub(crate) fn ads_due(ledgers: &Ledgers, ads: &BTreeMap<String, TouchedAd>, now: i64) -> Option<(DayRange, Vec<String>)> {
    let fetched = ledgers.accounts.values().filter_map(|account| {
        let (first, last) = (account.ledger.days.keys().next()?, account.ledger.days.keys().next_back()?);
        DayRange { first: *first, last: *last }.intersection(fetchable(account, now))
    });
    let all = fetched.reduce(|a, b| DayRange { first: a.first.min(b.first), last: a.last.max(b.last) })?;
    // A day is asked for only where every account can be asked for it.
    let range = ledgers.accounts.values().try_fold(all, |range, account| range.intersection(fetchable(account, now)))?;
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
pub(crate) fn may_be_asked(ledgers: &Ledgers, ad: &str, now: i64) -> bool {
    ledgers
        .ads
        .get(ad)
        .is_none_or(|asked| asked.answered == Answered::Found || (now - asked.at.0) / MICROS_PER_24_HOURS >= ASK_AGAIN_DAYS)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::base::digest::Digest;
    use crate::insights::ledger::{AccountLedger, At, FetchedDay};

    const HOUR: i64 = MICROS_PER_HOUR;

    fn api(more: &str) -> MarketingApi {
        let text = format!(
            "name = 'n'\n[lake]\nurl = 'lake'\n[insights]\nsource = 'marketing-api'\n{more}\n[[bots]]\nid = 'b'\ntimezone = 'UTC'\n"
        );
        let settings = Settings::parse("test.toml", &text, Path::new("/")).unwrap();
        settings.fetched_insights().unwrap().0.clone()
    }

    fn day(text: &str) -> Day {
        text.parse().unwrap()
    }

    /// Noon in UTC of a day.
    fn noon(text: &str) -> i64 {
        day(text).start_utc() + 12 * HOUR
    }

    /// An account in UTC, with days that were fetched at some time.
    fn account(days: &[(&str, i64)]) -> FetchedAccount {
        let fetched = |(text, at): &(&str, i64)| {
            let complete = Day::of_instant(*at) > day(text);
            let fetched = FetchedDay { at: At(*at), complete, rows: 0, fingerprint: Digest::NONE, object: None };
            (day(text), fetched)
        };
        let ledger = AccountLedger { days: days.iter().map(fetched).collect(), ..AccountLedger::default() };
        FetchedAccount { zone: "UTC".parse().unwrap(), ledger }
    }

    fn is_due_on(account: &FetchedAccount, now: i64, text: &str) -> bool {
        days_due(&api(""), account, now, Some(day("2026-01-01"))).contains(&day(text))
    }

    #[test]
    fn history_goes_back_to_the_first_conversation_or_as_far_as_meta_keeps_it() {
        let due = |first: &str| days_due(&api(""), &account(&[]), noon("2026-03-31"), Some(day(first)));
        assert_eq!((due("2026-01-01")[0], *due("2026-01-01").last().unwrap()), (day("2026-03-31"), day("2026-01-01")));
        // 37 months before is 28 February 2023; a day less is asked for.
        assert_eq!(*due("2020-01-01").last().unwrap(), day("2023-03-01"));
        assert_eq!(due("2026-03-30").len(), 29, "at least the last 28 days and today");
    }

    #[test]
    fn a_day_rests_between_two_fetches_unless_it_was_not_over() {
        let now = noon("2026-03-20");
        let fetched = account(&[("2026-03-18", now - 19 * HOUR), ("2026-03-17", now - 20 * HOUR)]);
        assert!(!is_due_on(&fetched, now, "2026-03-18") && is_due_on(&fetched, now, "2026-03-17"));
        let open = account(&[("2026-03-19", now - 14 * HOUR), ("2026-03-20", now - HOUR)]);
        assert!(is_due_on(&open, now, "2026-03-19"), "it is over now");
        assert!(!is_due_on(&open, now, "2026-03-20"), "it is still not over");
    }

    #[test]
    fn a_day_that_was_fetched_after_28_days_is_final() {
        let now = noon("2026-03-31");
        let fetched = account(&[
            ("2026-02-01", noon("2026-03-01")),
            ("2026-02-02", noon("2026-03-03")),
            ("2026-03-03", noon("2026-03-29")),
        ]);
        assert!(is_due_on(&fetched, now, "2026-02-01"), "last fetched on the 28th day after it");
        assert!(!is_due_on(&fetched, now, "2026-02-02"), "fetched on the 29th");
        assert!(is_due_on(&fetched, now, "2026-03-03"), "within the last 28 days");
        assert!(is_due_on(&fetched, now, "2026-02-03"), "never fetched");
    }

    #[test]
    fn chunks_are_neighbours_newest_first() {
        let days: Vec<Day> = (0..40).rev().filter(|n| *n != 20).map(Day).collect();
        let range = |first, last| DayRange { first: Day(first), last: Day(last) };
        assert_eq!(chunks(&days), [range(21, 39), range(0, 19)]);
        assert_eq!(chunks(&(0..70).rev().map(Day).collect::<Vec<_>>()), [range(40, 69), range(10, 39), range(0, 9)]);
    }

    #[test]
    fn reach_is_of_windows_up_to_yesterday_and_of_two_months() {
        let ranges = |today: &str| {
            let fetchable = DayRange { first: day("2023-01-01"), last: day(today) };
            reach_ranges(&api("reach_windows = [7]"), fetchable).iter().map(DayRange::to_string).collect::<Vec<_>>()
        };
        assert_eq!(ranges("2026-03-11"), ["2026-02-01..2026-02-28", "2026-03-01..2026-03-10", "2026-03-04..2026-03-10"]);
        // On the first of a month the last one has just ended.
        assert_eq!(ranges("2026-03-01"), ["2026-01-01..2026-01-31", "2026-02-01..2026-02-28", "2026-02-22..2026-02-28"]);
    }
}
