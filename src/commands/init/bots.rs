//! Bots: which ids of bots are sub-bots of which router, and which ad accounts each has, by what the rows show.

use std::collections::{BTreeMap, BTreeSet};

use super::census::Census;
use super::columns::Fit;
use super::kinds::Candidate;
use super::names::bare;
use super::values;
use crate::base::met::Place;

/// What says that an id is a sub-bot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    pub id: String,
    /// How many of its tunnels lead to a contact of the router's.
    pub tunnels: u64,
    pub of: u64,
    /// Whether a person named it.
    pub is_named: bool,
}

/// Votes for the router of each id.
type Votes = BTreeMap<String, BTreeMap<String, u64>>;

/// The members of each router: ids whose contacts are tunnels, most of which are another bot's.
pub(super) fn members(census: &Census, messages: &Candidate, aliases: Option<&Candidate>) -> BTreeMap<String, Vec<Member>> {
    let mut votes = Votes::new();
    aliases.into_iter().for_each(|aliases| votes_of_aliases(census, aliases, &mut votes));
    votes_of_owners(messages, census, &mut votes);
    let mut routers: BTreeMap<String, Member> = BTreeMap::new();
    let mut router_of: BTreeMap<String, String> = BTreeMap::new();
    for (bot, rows) in &census.bots {
        let tunnels = rows.tunnels().count() as u64;
        let is_sub_bot = tunnels > 0 && tunnels * 100 >= rows.contacts.len() as u64 * 80;
        let best = votes.get(bot).and_then(|of_bot| of_bot.iter().max_by_key(|(_, count)| **count));
        let Some((router, count)) = best.filter(|(_, count)| is_sub_bot && **count * 2 >= tunnels) else { continue };
        let member = Member { id: bot.clone(), tunnels: (*count).min(tunnels), of: tunnels, is_named: false };
        routers.insert(bot.clone(), member);
        router_of.insert(bot.clone(), router.clone());
    }
    let mut members: BTreeMap<String, Vec<Member>> = BTreeMap::new();
    for (bot, member) in routers {
        // A router may be behind another one.
        let (mut top, mut met) = (&bot, BTreeSet::new());
        while let Some(above) = router_of.get(top).filter(|above| met.insert((*above).clone())) {
            top = above;
        }
        if *top != bot && !router_of.contains_key(top) {
            members.entry(top.clone()).or_default().push(member);
        }
    }
    members
}

/// By the alias table: the bot that an alias is of, or that its contact writes to.
fn votes_of_aliases(census: &Census, aliases: &Candidate, votes: &mut Votes) {
    let Some(fit) = &aliases.fit else { return };
    let [bots, names, contacts] = ["bot_id", "alias", "contact_id"].map(|column| fit.cells(column, &aliases.sample));
    let mut of_alias: BTreeMap<&str, (Option<&str>, &str)> = BTreeMap::new();
    for (cell, alias) in &names {
        if let Some(contact) = contacts.get(cell) {
            of_alias.insert(alias.trim(), (bots.get(cell).map(|bot| bot.trim()), contact.trim()));
        }
    }
    let mut bots_of: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (bot, rows) in &census.bots {
        rows.contacts.iter().for_each(|contact| bots_of.entry(contact).or_default().push(bot));
    }
    for (bot, rows) in &census.bots {
        for tunnel in rows.tunnels() {
            let Some((of, contact)) = of_alias.get(tunnel) else { continue };
            let named = of.filter(|of| of != bot && census.bots.contains_key(*of));
            let writes_to = || bots_of.get(contact).into_iter().flatten().copied().find(|other| other != bot);
            if let Some(router) = named.or_else(writes_to) {
                *votes.entry(bot.clone()).or_default().entry(router.to_string()).or_default() += 1;
            }
        }
    }
}

/// By what Blip writes beside a tunnelled message: the router it came through.
fn votes_of_owners(messages: &Candidate, census: &Census, votes: &mut Votes) {
    let Some(fit) = &messages.fit else { return };
    let is_owner = |place: &&Place| place.key.last().is_some_and(|key| bare(key) == "tunnelowner");
    let owners: Vec<&Place> = messages.seen.keys().filter(is_owner).collect();
    let [bots, contacts] = ["bot_id", "contact_id"].map(|column| fit.cells(column, &messages.sample));
    let mut met: BTreeSet<(&str, &str)> = BTreeSet::new();
    for place in owners {
        for (cell, owner) in messages.sample.cells(place) {
            let Some((bot, contact)) = bots.get(&cell).zip(contacts.get(&cell)) else { continue };
            let is_other = bot.trim() != owner.trim() && census.bots.contains_key(owner.trim());
            if is_other && values::is_tunnel(contact) && met.insert((bot, contact)) {
                *votes.entry(bot.trim().to_string()).or_default().entry(owner.trim().to_string()).or_default() += 1;
            }
        }
    }
}

/// How many clicks on an account's ads a bot and its members had.
pub(super) fn clicks(census: &Census, account: &str, bots: &[&str]) -> u64 {
    let Some(account) = census.accounts.get(account) else { return 0 };
    let of_bots = bots.iter().filter_map(|bot| census.bots.get(*bot));
    of_bots.flat_map(|rows| &rows.ads).filter(|(ad, _)| account.ads.contains(*ad)).map(|(_, clicks)| clicks).sum()
}

/// Tunnels that no alias of the table leads away from, as far as was looked.
pub(super) fn tunnels_without_alias(census: &Census, aliases: Option<&Candidate>) -> (usize, usize) {
    let cells = aliases.and_then(|of| of.fit.as_ref().map(|fit: &Fit| fit.cells("alias", &of.sample))).unwrap_or_default();
    let known: BTreeSet<&str> = cells.values().map(|alias| alias.trim()).collect();
    let tunnels: BTreeSet<&str> = census.bots.values().flat_map(|rows| rows.tunnels()).collect();
    (tunnels.iter().filter(|tunnel| !known.contains(**tunnel)).count(), tunnels.len())
}
