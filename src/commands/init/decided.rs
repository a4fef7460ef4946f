//! What the file will say of each bot: what was found, and what a person said of it.

use std::collections::{BTreeMap, BTreeSet};

use super::bots::{self, Member};
use super::found::Look;
use super::values;
use super::wishes::{EventWish, Wishes};
use crate::base::day::{Day, Zone};
use crate::base::error::{Error, Result};
use crate::commands::categories::CategoryRow;

/// What is known of each bot, by id.
#[derive(Clone, Debug, Default)]
pub(crate) struct Decided {
    pub bots: BTreeMap<String, BotChoice>,
    /// The first day of the lake.
    pub first: Option<Day>,
    /// The days whose events the numbers of categories are of.
    pub days: Option<(Day, Day)>,
    /// Why there are no numbers of categories, if there are none.
    pub no_numbers: Option<String>,
}

/// What is known of a bot.
#[derive(Clone, Debug, Default)]
pub(crate) struct BotChoice {
    pub members: Vec<Member>,
    pub zone: Option<String>,
    /// A zone to propose.
    pub zone_hint: Option<ZoneHint>,
    /// Ad accounts, with the number of clicks on their ads in this bot.
    pub accounts: Vec<(String, u64)>,
    /// Those with too few clicks to be surely its own.
    pub doubtful_accounts: Vec<(String, u64)>,
    /// Categories, each with the time from which on it counts.
    pub conversion_events: Vec<(String, String)>,
    /// Whether a person said that there is none.
    pub has_none: bool,
    pub categories: Vec<CategoryRow>,
}

#[derive(Clone, Debug)]
pub(crate) struct ZoneHint {
    pub zone: String,
    pub why: String,
}

/// An account is a bot's own that has one click in so many of it: a partner's ads may lead to a bot, too.
const SHARE_OF_OWN: u64 = 10;

impl Decided {
    /// The day from which on a conversion event counts where nothing else is said: the one before the lake's first, of which some zones
    /// have hours.
    pub(super) fn first_day(&self) -> Day {
        self.first.map_or(Day::of_instant(0), |first| first.plus(-1))
    }
}

impl Look {
    /// Joins what was found with what was said.
    pub(crate) fn decide(&self, wishes: &Wishes) -> Result<Decided> {
        let mut members = self.members(wishes)?;
        let sub_bots: BTreeSet<String> = members.values().flatten().map(|member| member.id.clone()).collect();
        let all = self.census.bots.keys().filter(|id| !sub_bots.contains(*id)).cloned().collect::<Vec<String>>();
        let ids = if wishes.bots.is_empty() { all } else { wishes.bots.clone() };
        let first = self.days(wishes).map(|(first, _)| first);
        let mut decided = Decided { first, ..Decided::default() };
        for id in ids {
            let own = members.remove(&id).unwrap_or_default();
            let own: Vec<Member> = own.into_iter().filter(|member| !wishes.bots.contains(&member.id)).collect();
            let choice = BotChoice {
                zone_hint: self.zone_hint(&id),
                zone: of_bot(&wishes.zones, &id),
                members: own,
                ..BotChoice::default()
            };
            decided.bots.insert(id, choice);
        }
        self.add_accounts(wishes, &mut decided)?;
        check_names(wishes, &decided)?;
        Ok(decided)
    }

    fn members(&self, wishes: &Wishes) -> Result<BTreeMap<String, Vec<Member>>> {
        let found = self
            .picked("messages", wishes)
            .map(|messages| bots::members(&self.census, messages, self.picked("identities", wishes)));
        let mut members = found.unwrap_or_default();
        for (router, id) in &wishes.members {
            members.values_mut().for_each(|known| known.retain(|member| member.id != *id));
            let named = Member { id: id.clone(), tunnels: 0, of: 0, is_named: true };
            members.entry(router.clone()).or_default().push(named);
        }
        members.retain(|_, known| !known.is_empty());
        Ok(members)
    }

    fn zone_hint(&self, bot: &str) -> Option<ZoneHint> {
        let contacts = self.census.bots.get(bot)?.contacts.iter().map(String::as_str);
        let (zone, prefix) = values::zone_of(contacts)?;
        Some(ZoneHint { zone: zone.to_string(), why: format!("most of its contacts' numbers begin with {prefix}") })
    }

    fn add_accounts(&self, wishes: &Wishes, decided: &mut Decided) -> Result<()> {
        let is_only_bot = decided.bots.len() == 1;
        for (id, choice) in &mut decided.bots {
            let ids: Vec<&str> =
                [id.as_str()].into_iter().chain(choice.members.iter().map(|member| member.id.as_str())).collect();
            let counted = |account: &String| (account.clone(), bots::clicks(&self.census, account, &ids));
            let of_bot: Vec<(String, u64)> = self.census.accounts.keys().map(counted).collect();
            let all: u64 = of_bot.iter().map(|(_, clicks)| clicks).sum();
            for (account, clicks) in of_bot {
                if clicks * SHARE_OF_OWN < all && clicks > 0 {
                    choice.doubtful_accounts.push((account, clicks));
                } else if clicks > 0 || is_only_bot && all == 0 {
                    choice.accounts.push((account, clicks));
                }
            }
        }
        for (bot, wanted) in &wishes.ad_accounts {
            let digits = wanted.trim().trim_start_matches("act_");
            let account = format!("act_{digits}");
            let choices: Vec<&mut BotChoice> = match bot {
                Some(bot) => vec![decided.bots.get_mut(bot).ok_or_else(|| unknown_bot(bot))?],
                None => decided.bots.values_mut().collect(),
            };
            for choice in choices {
                choice.doubtful_accounts.retain(|(known, _)| *known != account);
                if !choice.accounts.iter().any(|(known, _)| *known == account) {
                    choice.accounts.push((account.clone(), 0));
                }
            }
        }
        Ok(())
    }

    /// Sets what was said of conversion events. The zones are known by now, or UTC is in their place.
    pub(crate) fn set_events(wishes: &[EventWish], decided: &mut Decided) -> Result<()> {
        let first = decided.first_day();
        for wish in wishes {
            for (id, choice) in &mut decided.bots {
                if wish.bot.as_ref().is_some_and(|bot| bot != id) {
                    continue;
                }
                if wish.category.is_empty() {
                    choice.has_none = true;
                    continue;
                }
                let zone: Zone = choice.zone.as_deref().unwrap_or("UTC").parse()?;
                let at = effective_at(wish.effective_at.as_deref(), zone, first)?;
                choice.conversion_events.push((wish.category.clone(), at));
            }
        }
        let instant = |at: &str| chrono::DateTime::parse_from_rfc3339(at).map(|time| time.timestamp_micros()).unwrap_or_default();
        decided.bots.values_mut().for_each(|choice| choice.conversion_events.sort_by_key(|(_, at)| instant(at)));
        Ok(())
    }
}

/// What was said of a bot, or of all.
fn of_bot(said: &[(Option<String>, String)], bot: &str) -> Option<String> {
    let own = said.iter().rev().find(|(of, _)| of.as_deref() == Some(bot));
    own.or_else(|| said.iter().rev().find(|(of, _)| of.is_none())).map(|(_, text)| text.clone())
}

fn unknown_bot(bot: &str) -> Error {
    Error::usage(format!("the file will name no bot {bot:?}")).mend("add --bot with it, or correct the name")
}

fn check_names(wishes: &Wishes, decided: &Decided) -> Result<()> {
    let zones = wishes.zones.iter().filter_map(|(bot, _)| bot.as_ref());
    let events = wishes.conversion_events.iter().filter_map(|wish| wish.bot.as_ref());
    let routers = wishes.members.iter().map(|(router, _)| router);
    match zones.chain(events).chain(routers).find(|bot| !decided.bots.contains_key(*bot)) {
        Some(bot) => Err(unknown_bot(bot)),
        None => Ok(()),
    }
}

/// When a setting takes effect: at a time with an offset, at the start of a day in the bot's zone, or of the day before the lake's first.
fn effective_at(said: Option<&str>, zone: Zone, first: Day) -> Result<String> {
    let day = match said {
        None => first,
        Some(text) => match text.parse::<Day>() {
            Ok(day) => day,
            Err(_) if chrono::DateTime::parse_from_rfc3339(text).is_ok() => return Ok(text.to_string()),
            Err(_) => {
                return Err(Error::usage(format!("{text:?} is neither a day nor a time with an offset"))
                    .mend("write it as 2026-08-11 or 2026-08-11T00:00:00Z"));
            }
        },
    };
    Ok(zone.time(zone.start_of(day)))
}
