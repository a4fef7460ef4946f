//! The bots of a pipeline: the sections `[[bots]]`.
//!
//! In: the sections. Out: [`Bot`]s, sorted by id. Every id, of a bot or of a member, stands for one bot, and the settings of each
//! are in order.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::DateTime;
use foldhash::fast::FixedState;
use serde::{Deserialize, Serialize};

use super::document::{Placed, Section};
use crate::base::day::{Day, Zone};
use crate::base::error::{Error, Result};

/// One WhatsApp business contact and its settings.
#[derive(Clone, Debug)]
pub struct Bot {
    pub id: String,
    /// Sub-bots whose rows count as this bot's.
    pub members: Vec<String>,
    pub zone: Zone,
    /// Contacts whose rows count nowhere, as they are named: ids as they come, or those that ids resolve to (rule 25).
    pub test_contacts: BTreeSet<String>,
    /// The ids of its ad accounts, with the `act_` prefix.
    pub ad_accounts: Vec<String>,
    /// Its history of conversion events, oldest first.
    pub conversion_events: Vec<ConversionSetting>,
}

/// A setting: from `effective_at` on, until the next one, this category is the conversion event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConversionSetting {
    pub category: String,
    /// The instant, in microseconds since the epoch.
    pub effective_at: i64,
}

impl Bot {
    /// The conversion event's category at an instant (rule 8).
    pub fn category_at(&self, instant: i64) -> Option<&str> {
        let n = self.conversion_events.partition_point(|setting| setting.effective_at <= instant);
        n.checked_sub(1).map(|i| self.conversion_events[i].category.as_str())
    }

    /// Whether conversions are a number on this local day, or unknown because nothing was configured yet (rule 10).
    pub fn is_configured_on(&self, day: Day) -> bool {
        self.conversion_events.first().is_some_and(|first| self.zone.end_of(day) > first.effective_at)
    }

    pub fn names_category(&self, category: &str) -> bool {
        self.conversion_events.iter().any(|setting| setting.category == category)
    }
}

/// The index of each bot's id.
pub type BotCodes<'a> = HashMap<&'a str, u32, FixedState>;

/// A bot as it is read, with the place of each member.
type ReadBot = Placed<(Bot, Vec<Placed<String>>)>;

/// All bots of the file.
pub(super) fn read(root: &Section<'_>) -> Result<Vec<Bot>> {
    let bots = root.sections("bots")?.into_iter().map(bot).collect::<Result<Vec<_>>>()?;
    if bots.is_empty() {
        return Err(root.error("no bot is named").mend("add [[bots]] with id and timezone"));
    }
    distinct_bots(bots)
}

fn bot(section: Section<'_>) -> Result<ReadBot> {
    let id = section.required_text("id")?.value.trim().to_string();
    let members =
        section.texts("members")?.into_iter().map(|Placed { value, place }| Placed { value: value.trim().to_string(), place });
    let members: Vec<Placed<String>> = members.collect();
    let zone = section.required_text("timezone")?.try_map(|name| name.parse::<Zone>())?.value;
    let test_contacts = test_contacts(&section)?;
    let ad_accounts = ad_accounts(&section)?;
    let conversion_events = conversion_events(&section)?;
    section.finish()?;
    let place = section.place().to_string();
    let bot = Bot {
        id,
        members: members.iter().map(|member| member.value.clone()).collect(),
        zone,
        test_contacts,
        ad_accounts,
        conversion_events,
    };
    Ok(Placed { value: (bot, members), place })
}

fn test_contacts(section: &Section<'_>) -> Result<BTreeSet<String>> {
    let named = section.texts("test_contacts")?;
    if let Some(blank) = named.iter().find(|contact| contact.value.trim().is_empty()) {
        return Err(blank.error("a test contact is blank").mend("remove it"));
    }
    Ok(named.into_iter().map(|contact| contact.value.trim().to_string()).collect())
}

fn ad_accounts(section: &Section<'_>) -> Result<Vec<String>> {
    let mut ad_accounts: Vec<String> = Vec::new();
    for account in section.texts("ad_accounts")? {
        let digits = account.value.strip_prefix("act_").unwrap_or(&account.value);
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(account.error(format!("{:?} is not an ad account", account.value)).mend("write it as \"act_<digits>\""));
        }
        let normal = format!("act_{digits}");
        if ad_accounts.contains(&normal) {
            return Err(account.error(format!("ad account {normal} is listed twice")).mend("remove one"));
        }
        ad_accounts.push(normal);
    }
    Ok(ad_accounts)
}

/// The history of a bot's conversion events, oldest first.
fn conversion_events(section: &Section<'_>) -> Result<Vec<ConversionSetting>> {
    let mut conversion_events: Vec<ConversionSetting> = Vec::new();
    for setting in section.sections("conversion_events")? {
        let category = setting.required_text("category")?.value;
        let effective_at = setting.required_text("effective_at")?.try_map(|text| {
            DateTime::parse_from_rfc3339(&text).map(|time| time.timestamp_micros()).map_err(|error| {
                Error::usage(format!("{text:?} is not a time with an offset"))
                    .source(error)
                    .mend("write it as 2026-08-11T00:00:00Z")
            })
        })?;
        setting.finish()?;
        if let Some(last) = conversion_events.last() {
            if last.effective_at == effective_at.value {
                return Err(effective_at.error("two settings are effective at the same instant").mend("keep one of them"));
            }
            if last.effective_at > effective_at.value {
                return Err(effective_at.error("settings are not in order of effective_at").mend("write the oldest first"));
            }
        }
        conversion_events.push(ConversionSetting { category, effective_at: effective_at.value });
    }
    Ok(conversion_events)
}

/// Every id, of a bot or of a member, stands for one bot.
fn distinct_bots(bots: Vec<ReadBot>) -> Result<Vec<Bot>> {
    let mut owners: BTreeMap<String, String> = BTreeMap::new();
    for Placed { value: (bot, _), place } in &bots {
        if owners.insert(bot.id.clone(), bot.id.clone()).is_some() {
            return Err(Error::usage(format!("bot {:?} is listed twice", bot.id)).with("at", place).mend("keep one of them"));
        }
    }
    for Placed { value: (bot, members), .. } in &bots {
        for member in members {
            if member.value.trim().is_empty() {
                return Err(member.error(format!("bot {:?} has a blank member", bot.id)).mend("remove it"));
            }
            match owners.insert(member.value.clone(), bot.id.clone()) {
                None => {}
                Some(owner) if owner == member.value => {
                    return Err(member
                        .error(format!("{:?} is a bot of its own and a member of {:?}", member.value, bot.id))
                        .mend("remove one of the two: a row can count for one bot only"));
                }
                Some(owner) => {
                    return Err(member
                        .error(format!("{:?} is a member of {owner:?} already", member.value))
                        .mend("remove one of the two: a row can count for one bot only"));
                }
            }
        }
    }
    let mut bots: Vec<Bot> = bots.into_iter().map(|bot| bot.value.0).collect();
    // The order in the file means nothing.
    bots.sort_unstable_by(|a, b| a.id.cmp(&b.id));
    Ok(bots)
}
