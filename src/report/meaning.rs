//! What the published tables mean for each day of each (bot, ad). Pure.
//!
//! In: [`Published`], its [`Tally`] and the pipeline's bots. Out: [`Meaning`], asked for the days of one (bot, ad) after another.
//!
//! **A day without a row.** `ad_days` keeps only the (bot, ad)s that something happened to, so most days of most ads have no row.
//! Such a day, when published, means
//! - conversations: 0.
//! - conversions: 0 where the bot was configured that day, else unknown (rule 10). The bot's row in `bot_days` says so, as it was
//!   published; the pipeline's settings where there is none. On a row without bot: 0, as in `ad_days`.
//! - spend: 0 where rule 14 says so, else unknown. The ad's account is the one in `ads`. The bearer is the bot whose row has a
//!   known spend in the range; without one, by rule 14, the only bot that lists the account, or of several the one with the
//!   ad's earliest conversation (of equal ones the first by id), or the row without bot. That the account's day is whole is not a column, and is taken as proven
//!   by a known spend of any ad of the account that day, or by an `insights_status` other than `none` and `missing` of a bot
//!   that lists the account. A whole day that neither shows counts as unknown: never 0 on a guess.
//!
//! On a day that is not published everything is unknown, and the notes of the report name it.
//!
//! **By conversation day** a conversion counts on the day of the conversation it closed, for the events published so far. The
//! number is NULL on days on which the bot was not configured, as it is by conversion day: what such a day's conversations became
//! after the first setting is only a part of the truth.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::base::day::{Day, DayRange};
use crate::config::Bot;

use super::model::By;
use super::published::{Key, Published, PublishedAd, PublishedAdDay};
use super::sums::DayFigures;
use super::tally::{self, Tally};

/// Some days of a range.
pub(super) struct DaySet {
    first: Day,
    days: Vec<bool>,
}

impl DaySet {
    fn none(of: DayRange) -> DaySet {
        DaySet { first: of.first, days: vec![false; of.len()] }
    }

    fn place(&self, day: Day) -> Option<usize> {
        usize::try_from(day.0 - self.first.0).ok()
    }

    pub(super) fn contains(&self, day: Day) -> bool {
        self.place(day).and_then(|place| self.days.get(place)).is_some_and(|is| *is)
    }

    fn insert(&mut self, day: Day) {
        if let Some(is) = self.place(day).and_then(|place| self.days.get_mut(place)) {
            *is = true;
        }
    }
}

/// What the published rows mean, found by what is asked of them.
pub(super) struct Meaning<'a> {
    pub published_days: DaySet,
    /// The rows of `ad_days`, where they were read.
    pub ad_days: BTreeMap<Key<'a>, BTreeMap<Day, &'a PublishedAdDay>>,
    pub ads: HashMap<Key<'a>, &'a PublishedAd>,
    /// The days on which a bot was configured.
    configured: HashMap<&'a str, DaySet>,
    /// Ads with a conversation, ever, in any bot.
    pub clicked: HashSet<&'a str>,
    /// The account that an ad is known to belong to.
    pub accounts: HashMap<&'a str, &'a str>,
    /// Accounts some of whose figures of the range tell how many conversations Meta counted.
    tells_conversations: HashSet<&'a str>,
    /// The days of an account known to be whole.
    whole: HashMap<&'a str, DaySet>,
    /// The bot, if any, on whose row an ad's spend stands; no entry where no bot lists the account.
    bearers: HashMap<&'a str, Option<&'a str>>,
    /// Conversions by (bot, ad) and conversation day.
    cohorts: HashMap<Key<'a>, BTreeMap<Day, i128>>,
    /// Meta's figures, by (account, ad, first day, last day).
    range_reach: HashMap<(&'a str, &'a str, Day, Day), i64>,
}

impl<'a> Meaning<'a> {
    pub(super) fn new(published: &'a Published, tally: &'a Tally, bots: &'a [Bot]) -> Meaning<'a> {
        let by_id: HashMap<&str, &Bot> = bots.iter().map(|bot| (bot.id.as_str(), bot)).collect();
        let accounts = accounts(published, tally);
        let mut published_days = DaySet::none(tally.days);
        published.days.iter().for_each(|day| published_days.insert(*day));
        let clicked_ever = published.ads.iter().filter(|ad| ad.first_conversation_at.is_some()).map(|ad| ad.ad_id.as_str());
        let clicked_here = tally.ads().filter(|(_, ad, _)| ad.sums.conversations > 0).map(|((_, ad_id), _, _)| ad_id);
        let telling = tally.ads().filter(|(_, ad, _)| ad.tells_conversations);
        Meaning {
            published_days,
            ad_days: ad_days(published),
            ads: published.ads.iter().map(|ad| ((ad.bot_id.as_deref(), ad.ad_id.as_str()), ad)).collect(),
            configured: configured(published, tally.days, &by_id),
            clicked: clicked_ever.chain(clicked_here).collect(),
            tells_conversations: telling.filter_map(|((_, ad_id), _, _)| accounts.get(ad_id).copied()).collect(),
            bearers: bearers(published, bots, &accounts, spenders(tally)),
            whole: whole_days(published, tally, &accounts, &by_id),
            accounts,
            cohorts: cohorts(published),
            range_reach: range_reach(published),
        }
    }

    /// Whether a stored row makes its ad appear.
    pub(super) fn shows(by: By, row: &PublishedAdDay) -> bool {
        by == By::ConversionDay || tally::has_figures(row.conversations, row.spend, row.impressions)
    }

    /// Whether the bot was configured on a day of the range.
    pub(super) fn is_configured(&self, bot_id: Option<&str>, day: Day) -> bool {
        // A row without a bot has no setting to wait for.
        bot_id.is_none_or(|bot_id| self.configured.get(bot_id).is_some_and(|days| days.contains(day)))
    }

    fn bears_spend(&self, (bot_id, ad_id): Key) -> bool {
        self.bearers.get(ad_id).is_some_and(|bearer| *bearer == bot_id)
    }

    /// What is known of a (bot, ad), to be asked for its days.
    pub(super) fn of<'f>(&'f self, key: Key<'f>) -> KeyMeaning<'f> {
        let (bot_id, ad_id) = key;
        let account = self.accounts.get(ad_id).filter(|_| self.bears_spend(key));
        KeyMeaning {
            published_days: &self.published_days,
            has_bot: bot_id.is_some(),
            configured: bot_id.and_then(|bot_id| self.configured.get(bot_id)),
            free: account.and_then(|account| self.whole.get(account)),
            cohorts: self.cohorts.get(&(bot_id, ad_id)),
        }
    }

    /// Conversations as Meta counts them, of a day of an ad, on whichever row they stand. Where the account's day is whole and Meta
    /// has no row, 0, if the account's figures tell conversations at all.
    pub(super) fn meta_conversations(&self, ad_id: &str, rows: &[&PublishedAdDay], day: Day) -> Option<i64> {
        if let Some(count) = rows.iter().find_map(|row| row.meta_conversations) {
            return Some(count);
        }
        let account = self.accounts.get(ad_id)?;
        let has_metas_row = rows.iter().any(|row| row.impressions.is_some() || row.spend.is_some_and(|spend| spend != 0));
        let is_told = self.published_days.contains(day) && self.tells_conversations.contains(account);
        (is_told && !has_metas_row && self.whole.get(account).is_some_and(|days| days.contains(day))).then_some(0)
    }

    /// Meta's figure for exactly these days; on the bearer's row only.
    pub(super) fn range_reach(&self, key: Key, days: DayRange) -> Option<i64> {
        let (_, ad_id) = key;
        let account = self.accounts.get(ad_id).filter(|_| self.bears_spend(key))?;
        self.range_reach.get(&(*account, ad_id, days.first, days.last)).copied()
    }
}

fn ad_days(published: &Published) -> BTreeMap<Key<'_>, BTreeMap<Day, &PublishedAdDay>> {
    let mut ad_days: BTreeMap<Key, BTreeMap<Day, &PublishedAdDay>> = BTreeMap::new();
    for row in &published.ad_days {
        ad_days.entry((row.bot_id.as_deref(), &row.ad_id)).or_default().insert(row.date, row);
    }
    ad_days
}

/// The account of each ad: as `ads` says; else the last of several rows, by day and then by bot.
fn accounts<'a>(published: &'a Published, tally: &'a Tally) -> HashMap<&'a str, &'a str> {
    let mut latest: HashMap<&str, (Day, Option<&str>, &str)> = HashMap::new();
    for ((bot_id, ad_id), ad, _) in tally.ads() {
        if let Some((day, account)) = tally.account(ad) {
            let known = latest.entry(ad_id).or_insert((day, bot_id, account));
            *known = (*known).max((day, bot_id, account));
        }
    }
    let mut accounts: HashMap<&str, &str> = latest.into_iter().map(|(ad_id, (_, _, account))| (ad_id, account)).collect();
    accounts.extend(published.ads.iter().filter_map(|ad| Some((ad.ad_id.as_str(), ad.account_id.as_deref()?))));
    accounts
}

/// The bot of each ad's last row with a known spend, and the day of that row.
fn spenders(tally: &Tally) -> HashMap<&str, (Day, Option<&str>)> {
    let mut spenders: HashMap<&str, (Day, Option<&str>)> = HashMap::new();
    for ((bot_id, ad_id), _, flags) in tally.ads() {
        if let Some(last) = tally.days_with_spend(flags).next_back() {
            let spender = spenders.entry(ad_id).or_insert((last, bot_id));
            *spender = (*spender).max((last, bot_id));
        }
    }
    spenders
}

/// The days on which each account is shown to be whole, by an ad's known spend or by a bot's status.
fn whole_days<'a>(
    published: &'a Published,
    tally: &'a Tally,
    accounts: &HashMap<&'a str, &'a str>,
    by_id: &HashMap<&'a str, &'a Bot>,
) -> HashMap<&'a str, DaySet> {
    let mut whole: HashMap<&str, DaySet> = HashMap::new();
    for ((_, ad_id), _, flags) in tally.ads() {
        if let Some(account) = accounts.get(ad_id) {
            let days = whole.entry(account).or_insert_with(|| DaySet::none(tally.days));
            tally.days_with_spend(flags).for_each(|day| days.insert(day));
        }
    }
    for row in published.bot_days.iter().filter(|row| !matches!(row.insights_status.as_str(), "none" | "missing")) {
        for account in by_id.get(row.bot_id.as_str()).into_iter().flat_map(|bot| &bot.ad_accounts) {
            whole.entry(account).or_insert_with(|| DaySet::none(tally.days)).insert(row.date);
        }
    }
    whole
}

fn cohorts(published: &Published) -> HashMap<Key<'_>, BTreeMap<Day, i128>> {
    let mut cohorts: HashMap<Key, BTreeMap<Day, i128>> = HashMap::new();
    for row in &published.ad_conversions {
        let of_ad = cohorts.entry((Some(&row.bot_id), &row.ad_id)).or_default();
        *of_ad.entry(row.conversation_date).or_default() += i128::from(row.conversions);
    }
    cohorts
}

fn range_reach(published: &Published) -> HashMap<(&str, &str, Day, Day), i64> {
    let known = published.reach.iter().filter_map(|row| {
        let key = (row.account_id.as_str(), row.ad_id.as_str(), row.days.first, row.days.last);
        Some((key, row.reach?))
    });
    known.collect()
}

/// The days on which each bot was configured: as published; where it has no row, by the pipeline's settings.
fn configured<'a>(published: &'a Published, days: DayRange, by_id: &HashMap<&'a str, &'a Bot>) -> HashMap<&'a str, DaySet> {
    let mut rows: HashMap<&str, HashMap<Day, bool>> = by_id.keys().map(|id| (*id, HashMap::new())).collect();
    for row in &published.bot_days {
        rows.entry(&row.bot_id).or_default().insert(row.date, row.conversions.is_some());
    }
    let of_bot = |(id, as_published): (&'a str, HashMap<Day, bool>)| {
        let by_settings = |day| by_id.get(id).is_some_and(|bot| bot.is_configured_on(day));
        let mut configured = DaySet::none(days);
        let is_configured = |day: &Day| as_published.get(day).copied().unwrap_or_else(|| by_settings(*day));
        days.iter().filter(is_configured).for_each(|day| configured.insert(day));
        (id, configured)
    };
    rows.into_iter().map(of_bot).collect()
}

/// The bot that has the ad's spend; where none has any, as rule 14 says.
fn bearers<'a>(
    published: &'a Published,
    bots: &'a [Bot],
    accounts: &HashMap<&'a str, &'a str>,
    spenders: HashMap<&'a str, (Day, Option<&'a str>)>,
) -> HashMap<&'a str, Option<&'a str>> {
    let mut listing: HashMap<&str, Vec<&str>> = HashMap::new();
    for bot in bots {
        for account in &bot.ad_accounts {
            listing.entry(account).or_default().push(&bot.id);
        }
    }
    let mut bearers: HashMap<&str, Option<&str>> = HashMap::new();
    for (ad_id, account) in accounts {
        match listing.get(account).map(Vec::as_slice) {
            None => {}
            Some([only]) => drop(bearers.insert(ad_id, Some(only))),
            Some(_) => drop(bearers.insert(ad_id, None)),
        }
    }
    let mut earliest: HashMap<&str, (i64, &str)> = HashMap::new();
    for ad in &published.ads {
        if let (Some(bot_id), Some(at), Some(account)) =
            (ad.bot_id.as_deref(), ad.first_conversation_at, accounts.get(ad.ad_id.as_str()))
            && listing.get(account).is_some_and(|listed_by| listed_by.len() > 1 && listed_by.contains(&bot_id))
        {
            let first = earliest.entry(&ad.ad_id).or_insert((at, bot_id));
            *first = (*first).min((at, bot_id));
        }
    }
    bearers.extend(earliest.into_iter().map(|(ad_id, (_, bot_id))| (ad_id, Some(bot_id))));
    bearers.extend(spenders.into_iter().map(|(ad_id, (_, bot_id))| (ad_id, bot_id)));
    bearers
}

/// What is known of one (bot, ad) beside its stored rows.
pub(super) struct KeyMeaning<'f> {
    published_days: &'f DaySet,
    has_bot: bool,
    configured: Option<&'f DaySet>,
    /// The days on which nothing was spent where no row says otherwise.
    free: Option<&'f DaySet>,
    cohorts: Option<&'f BTreeMap<Day, i128>>,
}

impl KeyMeaning<'_> {
    /// What is known about one day, a stored row or none.
    pub(super) fn day(&self, by: By, row: Option<&PublishedAdDay>, day: Day) -> DayMeaning {
        let is_in = |days: Option<&DaySet>| days.is_some_and(|days| days.contains(day));
        let configured = row.map_or_else(|| !self.has_bot || is_in(self.configured), |row| row.conversions.is_some());
        if !self.published_days.contains(day) {
            return DayMeaning { configured, figures: DayFigures::default() };
        }
        let conversions = match by {
            By::ConversionDay => i128::from(row.and_then(|row| row.conversions).unwrap_or(0)),
            By::ConversationDay => self.cohort(day),
        };
        let figures = DayFigures {
            conversations: row.map_or(0, |row| row.conversations),
            conversions: configured.then_some(conversions),
            spend: match row {
                Some(row) => row.spend,
                None => is_in(self.free).then_some(0),
            },
            reach: row.and_then(|row| row.reach),
        };
        DayMeaning { configured, figures }
    }

    /// Conversions of a day's conversations.
    pub(super) fn cohort(&self, day: Day) -> i128 {
        self.cohorts.and_then(|cohorts| cohorts.get(&day)).copied().unwrap_or(0)
    }
}

/// One day of a (bot, ad); `configured` also where the day is not published.
pub(super) struct DayMeaning {
    pub configured: bool,
    pub figures: DayFigures,
}
