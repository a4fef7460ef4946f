//! What the published tables say about each day of each (bot, ad). Pure.
//!
//! In: [`Published`] and the pipeline's bots. Out: [`Facts`], asked for one day of one (bot, ad) at a time.
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

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use crate::config::Bot;
use crate::day::{Day, DayRange};

use super::By;
use super::published::{Ad, AdDay, BotDay, Published};

pub(super) type Key<'a> = (Option<&'a str>, &'a str);

/// The published rows, found by what is asked of them.
pub(super) struct Facts<'a> {
    bots: HashMap<&'a str, &'a Bot>,
    pub published_days: &'a BTreeSet<Day>,
    pub ad_days: BTreeMap<Key<'a>, BTreeMap<Day, &'a AdDay>>,
    pub ads: HashMap<Key<'a>, &'a Ad>,
    bot_days: HashMap<(&'a str, Day), &'a BotDay>,
    /// Ads with a conversation, ever, in any bot.
    pub clicked: HashSet<&'a str>,
    /// The account that an ad is known to belong to.
    pub accounts: HashMap<&'a str, &'a str>,
    /// Accounts some of whose figures of the range tell how many conversations Meta counted.
    tells_conversations: HashSet<&'a str>,
    /// (account, day)s known to be whole.
    whole: HashSet<(&'a str, Day)>,
    /// The bot, if any, on whose row an ad's spend stands; no entry where no bot lists the account.
    bearers: HashMap<&'a str, Option<&'a str>>,
    /// Conversions by (bot, ad, conversation day).
    cohorts: HashMap<(&'a str, &'a str, Day), i64>,
    /// By (account, ad, first day, last day).
    range_reach: HashMap<(&'a str, &'a str, Day, Day), i64>,
}

impl<'a> Facts<'a> {
    pub fn new(published: &'a Published, bots: &'a [Bot]) -> Facts<'a> {
        let mut ad_days: BTreeMap<Key, BTreeMap<Day, &AdDay>> = BTreeMap::new();
        for row in &published.ad_days {
            ad_days.entry((row.bot_id.as_deref(), &row.ad_id)).or_default().insert(row.date, row);
        }
        let known_account = |ad_id: &'a str, account: &'a Option<String>| Some((ad_id, account.as_deref()?));
        let mut accounts: HashMap<&str, &str> =
            published.ad_days.iter().filter_map(|row| known_account(&row.ad_id, &row.account_id)).collect();
        accounts.extend(published.ads.iter().filter_map(|ad| known_account(&ad.ad_id, &ad.account_id)));

        let mut listing: HashMap<&str, Vec<&str>> = HashMap::new();
        for bot in bots {
            for account in &bot.ad_accounts {
                listing.entry(account).or_default().push(&bot.id);
            }
        }
        let with_spend = || published.ad_days.iter().filter(|row| row.spend.is_some());
        let mut whole: HashSet<(&str, Day)> =
            with_spend().filter_map(|row| Some((*accounts.get(row.ad_id.as_str())?, row.date))).collect();
        for row in published.bot_days.iter().filter(|row| !matches!(row.insights_status.as_str(), "none" | "missing")) {
            let bot = bots.iter().find(|bot| bot.id == row.bot_id);
            whole.extend(bot.into_iter().flat_map(|bot| &bot.ad_accounts).map(|account| (account.as_str(), row.date)));
        }

        let mut bearers: HashMap<&str, Option<&str>> = HashMap::new();
        for (ad_id, account) in &accounts {
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
                && listing.get(account).is_some_and(|bots| bots.len() > 1 && bots.contains(&bot_id))
            {
                let first = earliest.entry(&ad.ad_id).or_insert((at, bot_id));
                *first = (*first).min((at, bot_id));
            }
        }
        bearers.extend(earliest.into_iter().map(|(ad_id, (_, bot_id))| (ad_id, Some(bot_id))));
        bearers.extend(with_spend().map(|row| (row.ad_id.as_str(), row.bot_id.as_deref())));

        let mut cohorts = HashMap::new();
        for row in &published.ad_conversions {
            *cohorts.entry((row.bot_id.as_str(), row.ad_id.as_str(), row.conversation_date)).or_default() += row.conversions;
        }
        let clicked_ever = published.ads.iter().filter(|ad| ad.first_conversation_at.is_some()).map(|ad| ad.ad_id.as_str());
        let clicked_here = published.ad_days.iter().filter(|row| row.conversations > 0).map(|row| row.ad_id.as_str());
        let range_reach = published
            .reach
            .iter()
            .filter_map(|row| Some(((row.account_id.as_str(), row.ad_id.as_str(), row.days.first, row.days.last), row.reach?)));
        Facts {
            bots: bots.iter().map(|bot| (bot.id.as_str(), bot)).collect(),
            published_days: &published.days,
            ad_days,
            ads: published.ads.iter().map(|ad| ((ad.bot_id.as_deref(), ad.ad_id.as_str()), ad)).collect(),
            bot_days: published.bot_days.iter().map(|row| ((row.bot_id.as_str(), row.date), row)).collect(),
            clicked: clicked_ever.chain(clicked_here).collect(),
            tells_conversations: published
                .ad_days
                .iter()
                .filter(|row| row.meta_conversations.is_some())
                .filter_map(|row| accounts.get(row.ad_id.as_str()).copied())
                .collect(),
            accounts,
            whole,
            bearers,
            cohorts,
            range_reach: range_reach.collect(),
        }
    }

    /// Whether a stored row makes its ad appear.
    pub fn shows(by: By, row: &AdDay) -> bool {
        by == By::ConversionDay
            || row.conversations > 0
            || row.spend.is_some_and(|spend| spend != 0)
            || row.impressions.is_some_and(|impressions| impressions > 0)
    }

    pub fn is_configured(&self, bot_id: Option<&str>, day: Day) -> bool {
        // A row without a bot has no setting to wait for.
        let Some(bot_id) = bot_id else { return true };
        match self.bot_days.get(&(bot_id, day)) {
            Some(row) => row.conversions.is_some(),
            None => self.bots.get(bot_id).is_some_and(|bot| bot.is_configured_on(day)),
        }
    }

    fn bears_spend(&self, (bot_id, ad_id): Key) -> bool {
        self.bearers.get(ad_id).is_some_and(|bearer| *bearer == bot_id)
    }

    /// What is known about one day of a (bot, ad), a stored row or none.
    pub fn day(&self, by: By, key: Key, row: Option<&AdDay>, day: Day) -> DayFigures {
        let (bot_id, ad_id) = key;
        let configured = row.map_or_else(|| self.is_configured(bot_id, day), |row| row.conversions.is_some());
        if !self.published_days.contains(&day) {
            return DayFigures { configured, ..DayFigures::default() };
        }
        let conversions = match by {
            By::ConversionDay => row.and_then(|row| row.conversions).unwrap_or(0),
            By::ConversationDay => bot_id.and_then(|bot_id| self.cohorts.get(&(bot_id, ad_id, day)).copied()).unwrap_or(0),
        };
        let is_whole = || self.accounts.get(ad_id).is_some_and(|account| self.whole.contains(&(*account, day)));
        DayFigures {
            configured,
            conversations: row.map_or(0, |row| row.conversations),
            conversions: configured.then_some(conversions),
            spend: match row {
                Some(row) => row.spend,
                None => (self.bears_spend(key) && is_whole()).then_some(0),
            },
            reach: row.and_then(|row| row.reach),
        }
    }

    /// Conversations as Meta counts them, of a day of an ad, on whichever row they stand. Where the account's day is whole and Meta
    /// has no row, 0, if the account's figures tell conversations at all.
    pub fn meta_conversations(&self, ad_id: &str, rows: &[&AdDay], day: Day) -> Option<i64> {
        if let Some(count) = rows.iter().find_map(|row| row.meta_conversations) {
            return Some(count);
        }
        let account = self.accounts.get(ad_id)?;
        let has_metas_row = rows.iter().any(|row| row.impressions.is_some() || row.spend.is_some_and(|spend| spend != 0));
        let is_told = self.published_days.contains(&day) && self.tells_conversations.contains(account);
        (is_told && !has_metas_row && self.whole.contains(&(*account, day))).then_some(0)
    }

    /// Meta's figure for exactly these days; on the bearer's row only.
    pub fn range_reach(&self, key: Key, days: DayRange) -> Option<i64> {
        let (_, ad_id) = key;
        let account = self.accounts.get(ad_id).filter(|_| self.bears_spend(key))?;
        self.range_reach.get(&(*account, ad_id, days.first, days.last)).copied()
    }
}

/// One day of a (bot, ad); `configured` also where the day is not published.
#[derive(Default)]
pub(super) struct DayFigures {
    pub configured: bool,
    pub conversations: i64,
    pub conversions: Option<i64>,
    pub spend: Option<i128>,
    pub reach: Option<i64>,
}
