//! What the pipeline file names against what is met: bots, conversion events, and when these take effect.

use crate::base::day::Day;
use crate::base::said::Said;
use crate::base::schema::Raw;
use crate::config::{Bot, Settings};
use crate::plan::calendar::Calendar;

use super::finding::Findings;
use super::met::{Met, told};
use super::rows::{Counts, Looked};

/// What can be said of the file alone.
pub(super) fn check_file(settings: &Settings, findings: &mut Findings<'_>) {
    for bot in &settings.bots {
        let subject = subject(bot);
        if bot.conversion_events.is_empty() {
            let said = Said::new("no conversion event is chosen: conversions are NULL");
            findings.warn(&subject, said.mend("add [[bots.conversion_events]]"));
        }
        if bot.ad_accounts.is_empty() && settings.insights.is_some() {
            findings.warn(&subject, Said::new("no ad account is listed: cost is NULL").mend("add ad_accounts"));
        }
        let zone = bot.zone.name();
        findings.ok(&subject, format!("days are those of {zone}, which should be its ad accounts' zone"));
    }
}

fn subject(bot: &Bot) -> String {
    format!("bot {}", bot.id)
}

/// Which settings are in effect on the landed days.
pub(super) fn check_settings(settings: &Settings, calendar: &Calendar, findings: &mut Findings<'_>) {
    let Some((first, last)) = calendar.first().zip(calendar.last()) else { return };
    for bot in &settings.bots {
        let Some(setting) = bot.conversion_events.first() else { continue };
        if setting.effective_at >= settings.landed_until(last) {
            let time = bot.zone.time(setting.effective_at);
            let said = Said::new(format!(
                "no conversion event is in effect on the landed days {first}..{last}: {:?} takes effect at {time}, so that conversions \
                 are NULL",
                setting.category
            ));
            let mend = format!("where it counts from the first day on, write effective_at = \"{first}T00:00:00Z\"");
            findings.warn(&subject(bot), said.example(time).mend(mend));
        }
    }
}

/// What is met of both tables.
pub(super) struct Tables<'a> {
    pub messages: &'a Met,
    pub events: &'a Met,
}

impl Tables<'_> {
    fn of(&self, table: Raw) -> &Met {
        match table {
            Raw::Messages => self.messages,
            Raw::Events => self.events,
        }
    }
}

/// The bots, directions and categories that are met.
pub(super) fn check_met(settings: &Settings, calendar: &Calendar, met: &Tables<'_>, findings: &mut Findings<'_>) {
    let by_id = settings.bot_by_id();
    for table in Raw::BOTH {
        let (of_table, name) = (met.of(table), table.table());
        let (named, strangers): (Vec<_>, Vec<_>) = of_table.bots.most().into_iter().partition(|(id, _)| by_id.contains_key(id));
        let looked_at = format!("{} of {} partitions", of_table.partitions, of_table.of);
        let none = |text: String| if text.is_empty() { "none".to_string() } else { text };
        let mut text = format!("{} rows in {looked_at}; bots met: {}", of_table.rows, none(told(&named)));
        if !strangers.is_empty() {
            text += &format!("; not named in the pipeline file: {}", told(&strangers));
        }
        if of_table.without_bot > 0 {
            text += &format!("; rows without a bot: {}", of_table.without_bot);
        }
        findings.ok(name, text);
    }
    let directions = met.messages.directions.told();
    if !directions.is_empty() {
        findings.ok("messages", format!("directions met: {directions}"));
    }
    for (index, bot) in settings.bots.iter().enumerate() {
        check_bot(settings, bot, met, findings);
        check_categories(settings, calendar, (index, bot), met.events, findings);
    }
}

/// A bot of which there is no row.
fn check_bot(settings: &Settings, bot: &Bot, met: &Tables<'_>, findings: &mut Findings<'_>) {
    let by_id = settings.bot_by_id();
    for id in [bot.id.as_str()].into_iter().chain(bot.members.iter().map(String::as_str)) {
        let is_member = id != bot.id;
        let without: Vec<&str> = Raw::BOTH
            .into_iter()
            .filter(|table| met.of(*table).rows > 0 && met.of(*table).rows_of(&[id]) == 0)
            .map(Raw::table)
            .collect();
        // Sub-bots send where a router's own id does not, and the other way round.
        let all: Vec<&str> = [bot.id.as_str()].into_iter().chain(bot.members.iter().map(String::as_str)).collect();
        let bot_is_met = Raw::BOTH.into_iter().all(|table| met.of(table).rows_of(&all) > 0);
        if without.is_empty() || (bot_is_met && (is_member || without.len() < 2 || !bot.members.is_empty())) {
            continue;
        }
        let strangers = Raw::BOTH.into_iter().flat_map(|table| met.of(table).bots.most());
        let near = nearest(strangers.map(|(other, _)| other).filter(|other| !by_id.contains_key(other)), id);
        let what = if is_member { format!("member {id:?} has") } else { "it has".to_string() };
        let said = Said::new(format!("{what} no row in the partitions of {} that were looked at", without.join(" and of ")));
        findings.warn(
            &subject(bot),
            match near {
                Some(near) => {
                    let line = if is_member { format!("members = [{near:?}]") } else { format!("id = {near:?}") };
                    said.example(near).mend(format!("ids are compared exactly: rows have {near:?}; if that is it, write {line}"))
                }
                None => said.mend("see that its rows land, or remove it from the pipeline file"),
            },
        );
    }
}

/// A category that is in effect, and that no event of the bot has.
fn check_categories(
    settings: &Settings,
    calendar: &Calendar,
    (index, bot): (usize, &Bot),
    met: &Met,
    findings: &mut Findings<'_>,
) {
    let Some(words) = met.categories.get(&index) else { return };
    findings.ok(&subject(bot), format!("categories met: {}", words.told()));
    let Some(last) = calendar.last() else { return };
    let (from, until) = (met.times.values().map(|times| times.first).min(), settings.landed_until(last));
    let ends = bot.conversion_events.iter().skip(1).map(|next| next.effective_at).chain([i64::MAX]);
    for (setting, end) in bot.conversion_events.iter().zip(ends) {
        let is_in_effect = setting.effective_at < until && from.is_some_and(|from| from < end);
        if !is_in_effect || words.of(&setting.category) > 0 {
            continue;
        }
        let category = &setting.category;
        let said = Said::new(format!(
            "no event has the category {category:?}, in {} of {} partitions: categories met are {}",
            met.partitions,
            met.of,
            words.told()
        ));
        let near = nearest(words.most().into_iter().map(|(word, _)| word), category);
        let most = words.most().first().map(|(word, _)| *word).unwrap_or_default();
        let mend = match near {
            Some(near) => format!("if {near:?} is it, write category = {near:?} in [[bots.conversion_events]]"),
            None => "name the category that is the conversion, as events have it, in [[bots.conversion_events]]; ctwa \
                     conversion-event categories tells what each would yield"
                .to_string(),
        };
        findings.warn(&subject(bot), said.example(near.unwrap_or(most)).mend(mend));
    }
}

/// The word that is most like this one, if one is like it.
pub(super) fn nearest<'w>(words: impl Iterator<Item = &'w str>, to: &str) -> Option<&'w str> {
    // Far less, and any two names are alike.
    let likeness = |word: &str| strsim::jaro_winkler(&word.to_lowercase(), &to.to_lowercase());
    words.filter(|word| likeness(word) >= 0.8).max_by(|a, b| likeness(a).total_cmp(&likeness(b)))
}

/// Whether anything would be counted, of what was read.
pub(super) fn check_counts(settings: &Settings, looked: &Looked, met: &Tables<'_>, findings: &mut Findings<'_>) {
    let counts = |table: Raw| looked.counts.get(&table).cloned().unwrap_or_default();
    let (touches, events) = (counts(Raw::Messages), counts(Raw::Events));
    for (table, of) in [("messages", &touches), ("events", &events)] {
        if !of.rejected.is_empty() {
            findings.warn(table, set_aside(of, &settings.max_rejected_share.to_string()));
        }
    }
    let read = |of: &Counts| format!("{} of {} partitions", of.partitions, of.partitions + of.left);
    if touches.accepted > 0 {
        let text = format!("{} touches in {}, of {} ads", touches.accepted, read(&touches), looked.counted.ads.len());
        findings.ok("messages", format!("{text}; ad types met: {}", looked.counted.types()));
    } else if touches.partitions > 0 {
        findings.warn("messages", no_touch(&touches, met.messages, &read(&touches)));
    }
    if events.accepted > 0 {
        findings.ok("events", format!("{} conversion events in {}", events.accepted, read(&events)));
    } else if events.partitions > 0 {
        let said = Said::new(format!("no conversion event is in {}: nothing would convert", read(&events)));
        findings.warn(
            "events",
            if events.not_in_effect > 0 {
                said.mend(format!(
                    "{} events have a category that is named and not in effect at their time: see effective_at",
                    events.not_in_effect
                ))
            } else {
                said.mend("see which bots and categories are met, and name those")
            },
        );
    }
}

fn no_touch(counts: &Counts, met: &Met, read: &str) -> Said {
    let said = Said::new(format!("no touch is in {read}: nothing would be counted"));
    if met.rows > 0 && met.directions.of("sent") == met.rows {
        return said.example("sent").mend(
            "all messages are sent ones, as direction is mapped: see that values = { received = [\"...\"], sent = [\"...\"] } has \
             each word on its side",
        );
    }
    if counts.out_of_scope > 0 {
        return said.mend("all rows that bear an ad are of bots that the pipeline file does not name");
    }
    said.mend(
        "no received message bears an ad id, a click id or the ad type ad or post: name the columns that have them, ad_id = \"...\" in \
         [inputs.messages.columns]",
    )
}

/// Rows that are set aside, within the share that may be.
fn set_aside(of: &Counts, share: &str) -> Said {
    let reasons: Vec<String> = of.rejected.iter().map(|(reason, rows)| format!("{reason}: {rows}")).collect();
    let most = of.rejected.iter().max_by_key(|(_, rows)| **rows).map_or("", |(reason, _)| reason);
    let rows = of.rejected.values().sum::<u64>();
    let said = Said::new(format!(
        "rows that could count and are set aside: {rows} ({}), in no partition more than the share of {share}",
        reasons.join(", ")
    ));
    said.example(most).mend("a run writes them under rejected/ with their reasons: mend them in the loader")
}

/// A newest partition that lies ahead of today.
pub(super) fn check_today(newest: Day, table: &str, today: Day, findings: &mut Findings<'_>) {
    // Days begin earlier in the east.
    if newest > today.plus(1) {
        let said = Said::new(format!("the newest partition is of {newest}, and today is {today}"));
        findings.warn(
            table,
            said.example(newest.to_string())
                .mend("partitions are days of arrival: remove those of the future, days between wait for the others"),
        );
    }
}
