//! The pipeline file: what was found, as its lines; why, and what could not be known, as its comments.
//!
//! Every text from the lake is quoted by `config::written`, in comments too, so that none of them ends a line.

use std::collections::BTreeMap;

use super::bots::tunnels_without_alias;
use super::decided::{BotChoice, Decided};
use super::found::Look;
use super::page::Page;
use super::table_text::write_tables;
use super::wishes::Wishes;
use crate::base::day::Zone;
use crate::base::money::decimal_text;
use crate::config::written::{list, quoted};
use crate::report::style::counted;

/// A pipeline file, and what of it only a person can say.
pub(crate) struct Written {
    pub text: String,
    /// What is still to be written, a sentence each.
    pub missing: Vec<String>,
}

/// As many categories are proposed for a bot.
const MOST_CATEGORIES: usize = 12;

/// The file for people: with the zones that are known, and comments.
pub(crate) fn file(look: &Look, wishes: &Wishes, decided: &Decided, (name, url): (&str, &str)) -> Written {
    let mut page = Page::default();
    page.comment(&format!(
        "What `ctwa init` found in the lake, {} files of it. Comments say why, and what only you can say.",
        look.files
    ));
    page.line("");
    page.line(&format!("name = {}", quoted(name)));
    page.line("");
    page.line("[lake]");
    page.line(&format!("url = {}", quoted(url)));
    write_tables(&mut page, look, wishes);
    write_output(&mut page, wishes);
    write_quality(&mut page, wishes);
    write_bots(&mut page, look, wishes, decided);
    write_rest(&mut page, look, wishes);
    Written { text: page.text, missing: page.missing }
}

/// The file to look at rows with: every bot has a zone, and nothing is refused for its share.
pub(super) fn to_look(look: &Look, wishes: &Wishes, decided: &Decided, url: &str) -> String {
    let mut page = Page::default();
    page.line("name = \"init\"");
    page.line("[lake]");
    page.line(&format!("url = {}", quoted(url)));
    write_tables(&mut page, look, wishes);
    write_output(&mut page, wishes);
    page.line("[quality]\nmax_rejected_share = 1.0");
    for (id, choice) in &decided.bots {
        page.line(&format!("[[bots]]\nid = {}", quoted(id)));
        page.line(&format!("timezone = {}", quoted(choice.zone.as_deref().unwrap_or("UTC"))));
        page.line(&format!("members = {}", list(choice.members.iter().map(|member| member.id.as_str()))));
    }
    page.text
}

fn write_output(page: &mut Page, wishes: &Wishes) {
    page.line("");
    match &wishes.output {
        Some(output) => page.line(&format!("[output]\nurl = {}", quoted(output))),
        None => page.line("# [output]\n# url = \"...\" # default: the folder ctwa in the lake"),
    }
}

fn write_quality(page: &mut Page, wishes: &Wishes) {
    page.line("");
    match &wishes.max_rejected_share {
        Some(share) => page.line(&format!("[quality]\nmax_rejected_share = {share}")),
        None => page.line("# [quality]\n# max_rejected_share = 0.01 # a day with a larger share of broken rows is refused"),
    }
}

fn write_bots(page: &mut Page, look: &Look, wishes: &Wishes, decided: &Decided) {
    if decided.bots.is_empty() {
        page.line("");
        page.comment("NOT FOUND: no row of messages names a bot. Write the bot's id:");
        page.line("# [[bots]]\n# id = \"...\"\n# timezone = \"America/Sao_Paulo\"");
        page.missing("which bots there are");
    }
    for (id, choice) in &decided.bots {
        page.line("");
        write_bot(page, look, wishes, (id, choice), decided);
    }
    let members = |choice: &BotChoice| choice.members.iter().map(|member| member.id.clone()).collect::<Vec<_>>();
    let named: Vec<String> = decided.bots.iter().flat_map(|(id, choice)| [vec![id.clone()], members(choice)].concat()).collect();
    let others: Vec<_> = look.bots().into_iter().filter(|(id, ..)| !named.contains(id)).collect();
    if !others.is_empty() {
        page.line("");
        page.comment("Rows of these bots are not counted; add them as [[bots]], or as `members` of their router:");
        for (id, messages, events) in others.iter().take(50) {
            page.comment(&format!("{}: {}", quoted(id), rows(*messages, *events)));
        }
    }
    write_accounts(page, look, decided);
}

fn rows(messages: u64, events: u64) -> String {
    format!("{}, {}", counted(messages, "message", "messages"), counted(events, "event", "events"))
}

fn write_bot(page: &mut Page, look: &Look, _wishes: &Wishes, (id, choice): (&String, &BotChoice), decided: &Decided) {
    let of = look.census.bots.get(id).cloned().unwrap_or_default();
    let days = look.census.days.get("messages").map(|(first, last)| format!(" on {first} to {last}")).unwrap_or_default();
    page.comment(&format!("{}{days}, {} of them with an ad.", rows(of.messages, of.events), of.with_ad));
    page.line(&format!("[[bots]]\nid = {}", quoted(id)));
    for member in &choice.members {
        let why = match member.is_named {
            true => "as you said".to_string(),
            false => format!("its contacts are tunnels, and {} of {} lead to contacts of this bot", member.tunnels, member.of),
        };
        page.comment(&format!("{} is a sub-bot behind this router: {why}.", quoted(&member.id)));
    }
    if !choice.members.is_empty() {
        page.line(&format!("members = {}", list(choice.members.iter().map(|member| member.id.as_str()))));
    }
    write_zone(page, id, choice);
    if !choice.accounts.is_empty() {
        for (account, clicks) in &choice.accounts {
            page.comment(&format!("{account}: {}, {} here.", spend(look, account), counted(clicks, "click", "clicks")));
        }
        page.line(&format!("ad_accounts = {}", list(choice.accounts.iter().map(|(account, _)| account.as_str()))));
    } else if !look.census.accounts.is_empty() {
        page.comment("No ad of any account below was clicked here, so its costs are not known:");
        page.line("# ad_accounts = [\"act_...\"]");
    }
    for (account, clicks) in &choice.doubtful_accounts {
        let has = format!("{}, and only {} here", spend(look, account), counted(clicks, "click", "clicks"));
        page.comment(&format!("{} has {has}: add it if it is this bot's, and no partner's.", quoted(account)));
    }
    write_conversion_events(page, id, choice, decided);
}

fn write_zone(page: &mut Page, id: &str, choice: &BotChoice) {
    if let Some(zone) = &choice.zone {
        return page.line(&format!("timezone = {}", quoted(zone)));
    }
    let (zone, why) = match &choice.zone_hint {
        Some(hint) => (hint.zone.as_str(), format!("; perhaps this, as {}", hint.why)),
        None => ("America/Sao_Paulo", ", such as this".to_string()),
    };
    page.comment(&format!(
        "NOT KNOWN: the time zone, which should be its ad account's: an IANA name{why}. Remove the # when it is right:"
    ));
    page.line(&format!("# timezone = {}", quoted(zone)));
    page.missing(format!("the time zone of {}", quoted(id)));
}

fn write_conversion_events(page: &mut Page, id: &str, choice: &BotChoice, decided: &Decided) {
    for (category, at) in &choice.conversion_events {
        if decided.no_numbers.is_none() && !choice.categories.iter().any(|row| row.category == *category) {
            page.comment(&format!("{}: no event of this bot in the days looked at has this category.", quoted(category)));
        }
        page.line(&format!("[[bots.conversion_events]]\ncategory = {}\neffective_at = {}", quoted(category), quoted(at)));
    }
    if !choice.conversion_events.is_empty() {
        return;
    }
    if choice.has_none {
        return page.comment("Without a conversion event: its conversions are unknown, not 0.");
    }
    page.missing(format!("the conversion event of {}", quoted(id)));
    let days = decided.days.map(|(first, last)| format!(", by the events of {first} to {last}")).unwrap_or_default();
    page.comment(&format!(
        "NOT KNOWN: which category of events is a conversion here; until it is said, conversions are unknown. Remove the # of the three \
         lines that are right{days}:"
    ));
    if let Some(why) = &decided.no_numbers {
        page.comment(&format!("(What each would yield could not be worked out: {})", quoted(why)));
    }
    let zone = choice.zone.as_deref().unwrap_or("UTC");
    let at = first_instant(decided, zone);
    for row in choice.categories.iter().take(MOST_CATEGORIES) {
        let yields = format!(
            "{}, {} of ads, {} without an ad, last seen {}",
            counted(row.events, "event", "events"),
            counted(row.conversions, "conversion", "conversions"),
            row.unattributed_conversions,
            row.last_seen.get(..10).unwrap_or(&row.last_seen)
        );
        page.line(&format!("# [[bots.conversion_events]] # {yields}"));
        page.line(&format!("# category = {}\n# effective_at = {}", quoted(&row.category), quoted(&at)));
    }
    if choice.categories.is_empty() {
        page.line(&format!("# [[bots.conversion_events]]\n# category = \"...\"\n# effective_at = {}", quoted(&at)));
    }
    if choice.categories.len() > MOST_CATEGORIES {
        page.comment(&format!(
            "{} more; `ctwa conversion-event categories` tells all.",
            choice.categories.len() - MOST_CATEGORIES
        ));
    }
}

/// The start of the day before the first that events were looked at of.
fn first_instant(decided: &Decided, zone: &str) -> String {
    let first = decided.first_day();
    zone.parse::<Zone>().map(|zone| zone.time(zone.start_of(first))).unwrap_or_default()
}

/// What the rows that were read say an account spent: a loader that appends says it more than once.
fn spend(look: &Look, account: &str) -> String {
    let Some(of) = look.census.accounts.get(account) else { return "no figures in the lake".to_string() };
    let by_currency = |(currency, amount): (&String, &i128)| {
        let text = decimal_text(*amount / 10_000, 2);
        format!(
            "{text} {}",
            if currency.is_empty() { "of no currency".to_string() } else { quoted(currency).trim_matches('"').to_string() }
        )
    };
    let spent: Vec<String> = of.spend.iter().map(by_currency).collect();
    format!("{} in the rows of {}", spent.join(" and "), counted(of.ads.len(), "ad", "ads"))
}

fn write_accounts(page: &mut Page, look: &Look, decided: &Decided) {
    let listed: Vec<&String> =
        decided.bots.values().flat_map(|choice| choice.accounts.iter().map(|(account, _)| account)).collect();
    let others: BTreeMap<_, _> = look.census.accounts.iter().filter(|(account, _)| !listed.contains(account)).collect();
    if !others.is_empty() {
        page.line("");
        page.comment("Ad accounts that no bot lists; their spend is left out:");
        others.keys().for_each(|account| page.comment(&format!("{}: {}", quoted(account), spend(look, account))));
    }
}

fn write_rest(page: &mut Page, look: &Look, wishes: &Wishes) {
    if let Some(messages) = look.picked("messages", wishes) {
        let (without, tunnels) = tunnels_without_alias(&look.census, look.picked("identities", wishes));
        if without > 0 && messages.fit.is_some() {
            page.line("");
            page.comment(&format!(
                "{without} of {tunnels} tunnel identities (<uuid>@tunnel.msging.net) have no alias: what their contacts did counts for \
                 nobody else. An alias table tells whose they are: bot_id, alias, contact_id, from the metadata key #tunnel.originator."
            ));
        }
    }
    for (folder, error) in &look.refused {
        page.line("");
        page.comment(&format!("{} is not read: {}", quoted(folder), quoted(&error.to_string())));
    }
    let unknown: Vec<&str> = look
        .candidates
        .iter()
        .filter(|candidate| candidate.fit.is_none())
        .map(|candidate| candidate.found.folder.as_str())
        .collect();
    if !unknown.is_empty() {
        page.line("");
        page.comment(&format!(
            "Folders with Parquet that look like none of the tables: {}.",
            list(unknown.iter().copied().take(20))
        ));
    }
}
