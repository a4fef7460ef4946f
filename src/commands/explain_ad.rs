//! Explain an ad's day: the chapters behind one cell of the report, in each bot that the ad has to do with.

use std::collections::{BTreeSet, HashSet};

use crate::base::day::{Day, DayRange};
use crate::base::error::{ErrorKind, Result};
use crate::base::schema::Raw;
use crate::commands::evidence::{Chapter, Evidence, cell};
use crate::commands::story::{Fact, PublishedRow, Teller, spend};
use crate::config::Bot;
use crate::engine::rows::Session;
use crate::lake::layout::rejected_object;
use crate::plan::calendar::Calendar;
use crate::report::style::visible;
use crate::run::scan_insights::insights_of;

/// The chapters of an ad on a day, bot by bot.
pub(crate) fn chapters(evidence: &Evidence<'_>, ad: &str, day: Day, bots: &[usize]) -> Result<Vec<Chapter>> {
    let published = evidence.published("ad_days", day)?;
    let of_ad: Vec<PublishedRow> = published.iter().flatten().filter(|row| cell(row, "ad_id") == Some(ad)).cloned().collect();
    let calendar = evidence.calendar();
    let mut chapters = Vec::new();
    for bot in bots {
        let setting = &evidence.job.settings.bots[*bot];
        let row = of_ad.iter().find(|row| cell(row, "bot_id") == Some(&setting.id));
        let people = people(evidence, *bot, ad, day);
        if row.is_some() || !people.is_empty() || bots.len() == 1 {
            let (is_published, rows_of_ad, calendar) = (published.is_some(), &of_ad, &calendar);
            let asked = AdOfBot { evidence, calendar, ad, day, bot: *bot, setting, row, rows_of_ad, is_published, people };
            chapters.extend(asked.chapters()?);
        }
    }
    if chapters.is_empty() {
        let text = match published {
            Some(_) => format!("Nothing happened to the ad on {day} in any bot: no click, no conversion, no spend"),
            None => format!("Nothing is published for {day}, and no click on the ad is known"),
        };
        let fact = Fact::plain("nothing", &[], text);
        chapters.push(Chapter { bot_id: String::new(), title: "Published".to_string(), row: None, facts: vec![fact] });
    }
    Ok(chapters)
}

/// Who may have had a conversation of the ad open on the day.
fn people<'a>(evidence: &Evidence<'a>, bot: usize, ad: &str, day: Day) -> HashSet<&'a str> {
    let first = day.plus(-evidence.job.settings.horizon.days - 1);
    let is_of_ad = |session: &&Session| {
        let touch = evidence.teller.touch(session);
        touch.bot as usize == bot && touch.ad == Some(ad) && session.day >= first && session.day <= day
    };
    let sessions = evidence.teller.scene.sessions.iter().filter(is_of_ad);
    sessions.map(|session| evidence.known.contact_of(session.touch)).collect()
}

/// An ad on a day in one bot.
struct AdOfBot<'a> {
    evidence: &'a Evidence<'a>,
    calendar: &'a Calendar,
    ad: &'a str,
    day: Day,
    bot: usize,
    setting: &'a Bot,
    /// The row as published; none where there is none.
    row: Option<&'a PublishedRow>,
    /// The day's rows of the ad, of all bots.
    rows_of_ad: &'a [PublishedRow],
    /// Whether anything is, of the day.
    is_published: bool,
    people: HashSet<&'a str>,
}

impl AdOfBot<'_> {
    fn chapters(&self) -> Result<Vec<Chapter>> {
        let evidence = self.evidence;
        let mut published = evidence.chapter(self.bot, "Published", self.figures());
        published.row = self.row.cloned();
        let (conversions, others) = self.events()?;
        let told = [
            ("Conversations", self.conversations()),
            ("Copies", self.copies()),
            ("Conversions", conversions),
            ("Events of these people that did not count for the ad", others),
            ("Money", self.money()?),
            ("The day", self.state()?),
        ];
        let told = told.into_iter().filter(|(_, facts)| !facts.is_empty());
        let told = told.map(|(title, facts)| evidence.chapter(self.bot, title, facts));
        Ok(std::iter::once(published).chain(told).collect())
    }

    fn teller(&self) -> &Teller<'_> {
        &self.evidence.teller
    }

    fn is_today(&self, bot: u32, at: i64) -> bool {
        bot as usize == self.bot && self.setting.zone.local_day(at) == self.day
    }

    fn conversations(&self) -> Vec<Fact> {
        let teller = self.teller();
        let is_opened = |session: &&Session| {
            let touch = teller.touch(session);
            touch.ad == Some(self.ad) && self.is_today(touch.bot, touch.sent_at)
        };
        teller.scene.sessions.iter().filter(is_opened).map(|session| teller.conversation(session)).collect()
    }

    fn copies(&self) -> Vec<Fact> {
        let (teller, scene) = (self.teller(), self.teller().scene);
        // A delivery without the ad id is a copy of one that has it.
        let touches = (0..scene.rows.touches()).map(|number| scene.rows.touch(number));
        let of_ad = touches.filter(|touch| touch.bot as usize == self.bot && touch.ad == Some(self.ad));
        let messages: BTreeSet<&str> = of_ad.map(|touch| touch.message).collect();
        let is_of_ad = |number: &u32| {
            let touch = scene.copies.touch(*number);
            let is_of_ad = touch.ad.map_or_else(|| messages.contains(touch.message), |ad| ad == self.ad);
            is_of_ad && self.is_today(touch.bot, touch.sent_at)
        };
        (0..scene.copies.touches()).filter(is_of_ad).map(|number| teller.copy(number)).collect()
    }

    /// The events that are conversions of the ad, and others of the same people.
    fn events(&self) -> Result<(Vec<Fact>, Vec<Fact>)> {
        let (teller, scene) = (self.teller(), self.teller().scene);
        let (mut conversions, mut others) = (Vec::new(), Vec::new());
        let identities = &self.evidence.known.last.identities;
        let is_theirs =
            |contact: Option<&str>| contact.is_some_and(|contact| self.people.contains(identities.resolve(self.bot, contact)));
        for number in 0..scene.rows.events() {
            let event = scene.rows.event(number);
            if !self.is_today(event.bot, event.occurred_at) {
                continue;
            }
            match teller.converted_by(number) {
                Some(session) if teller.touch(session).ad == Some(self.ad) => conversions.push(teller.event(number)),
                Some(session) if is_theirs(event.contact) => others.push(self.superseded(number, session)),
                None if is_theirs(event.contact) => others.push(teller.event(number)),
                _ => {}
            }
        }
        let is_copy = |number: &u32| {
            let event = scene.copies.event(*number);
            self.is_today(event.bot, event.occurred_at) && is_theirs(event.contact)
        };
        others.extend((0..scene.copies.events()).filter(is_copy).map(|number| teller.event_copy(number)));
        let today = DayRange { first: self.day, last: self.day };
        let tracked = self.evidence.tracked(self.bot, &self.people, Some(today))?;
        others.extend(tracked.iter().filter_map(|event| teller.not_in_effect(event)));
        others.sort_by(|a, b| (a.order, &a.text).cmp(&(b.order, &b.text)));
        Ok((conversions, others))
    }

    /// An event that another session got.
    fn superseded(&self, event: u32, session: &Session) -> Fact {
        let fact = self.teller().event(event);
        let opened = self.setting.zone.time(self.teller().touch(session).sent_at).replacen('T', " ", 1);
        let text = format!("{}. This ad does not get it: the later click at {opened} closed its conversation", fact.text);
        Fact { verdict: "superseded", text, ..fact }
    }

    /// The published figures, and why conversions are NULL.
    fn figures(&self) -> Vec<Fact> {
        let (setting, day, row) = (self.setting, self.day, self.row);
        let mut facts = vec![self.published()];
        let shown = |at: i64| setting.zone.time(at).replacen('T', " ", 1);
        if row.is_some_and(|row| cell(row, "conversions").is_none()) {
            let first = setting.conversion_events.first().map_or("it has none".to_string(), |first| {
                format!("its first, \"{}\", holds from {}", visible(&first.category), shown(first.effective_at))
            });
            let text = format!("Conversions are unknown, not 0: on this day the bot had no conversion event, {first}");
            facts.push(Fact::plain("not configured", &[10], text));
        }
        let (start, end) = (setting.zone.start_of(day), setting.zone.end_of(day));
        let in_effect = setting.conversion_events.iter().enumerate().filter(|(i, of)| {
            let until = setting.conversion_events.get(i + 1).map_or(i64::MAX, |next| next.effective_at);
            of.effective_at < end && until > start
        });
        facts.extend(in_effect.map(|(_, of)| {
            let text = format!("The conversion event was \"{}\", set from {}", visible(&of.category), shown(of.effective_at));
            Fact::plain("setting", &[8], text)
        }));
        facts
    }

    fn published(&self) -> Fact {
        let (day, row) = (self.day, self.row);
        let (id, ad) = (visible(&self.setting.id), visible(self.ad));
        match row {
            None if self.is_published => Fact::plain(
                "no row",
                &[],
                format!("Ad {ad} of bot {id} has no row on {day}: no click, no conversion and no spend was counted"),
            ),
            None => {
                let why = self.blocked().unwrap_or("the day has not been built".to_string());
                Fact::plain("not published", &[19], format!("Nothing is published for {day}: {why}"))
            }
            Some(row) => {
                let count = |name: &str, one: &str, many: &str| match cell(row, name) {
                    Some("1") => format!("1 {one}"),
                    Some(n) => format!("{n} {many}"),
                    None => format!("an unknown number of {many}"),
                };
                Fact::plain(
                    "published",
                    &[],
                    format!(
                        "Ad {ad} of bot {id} has {} and {} on {day}",
                        count("conversations", "conversation", "conversations"),
                        count("conversions", "conversion", "conversions")
                    ),
                )
            }
        }
    }

    /// What keeps the day back.
    fn blocked(&self) -> Option<String> {
        let blockers = self.calendar.blockers(&self.evidence.job.settings.bots, self.day);
        let blockers: Vec<String> = blockers.iter().map(ToString::to_string).collect();
        (!blockers.is_empty()).then(|| blockers.join(", "))
    }

    fn money(&self) -> Result<Vec<Fact>> {
        let Some(row) = self.row else { return Ok(Vec::new()) };
        let evidence = self.evidence;
        let meta = match insights_of(&evidence.job.places(), &evidence.known.last.survey, self.day) {
            // A refused partition says nothing.
            Err(error) if error.kind() == ErrorKind::Data => Vec::new(),
            meta => meta?,
        };
        let account = cell(row, "account_id");
        let own = meta.iter().find(|meta| meta.ad == self.ad && Some(meta.account.as_str()) == account);
        let is_whole = meta.iter().any(|meta| Some(meta.account.as_str()) == account);
        let bearers: Vec<Option<String>> = self
            .rows_of_ad
            .iter()
            .filter(|other| cell(other, "spend").is_some() && cell(other, "bot_id") != cell(row, "bot_id"))
            .map(|other| cell(other, "bot_id").map(str::to_string))
            .collect();
        let has_source = evidence.job.settings.insights.is_some();
        Ok(vec![spend(row, has_source, own.map(|own| own.account.as_str()), is_whole, &bearers)])
    }

    /// Whether the day may still change, and the rows that were set aside.
    fn state(&self) -> Result<Vec<Fact>> {
        let (setting, day) = (self.setting, self.day);
        let mut facts = Vec::new();
        let rows = self.evidence.published("bot_days", day)?.unwrap_or_default();
        let row = rows.iter().find(|row| cell(row, "bot_id") == Some(&setting.id));
        if self.is_published && row.is_some_and(|row| cell(row, "complete") == Some("false")) {
            let awaited: Vec<(Raw, Day)> = self.calendar.awaited(setting, day).collect();
            let named = awaited.iter().rev().take(6).map(|(table, of)| format!("{} of {of}", table.table()));
            let named = named.collect::<Vec<_>>().join(", ");
            let more = if awaited.len() > 6 { format!(" and {} more", awaited.len() - 6) } else { String::new() };
            let text = match awaited.is_empty() {
                true => {
                    "The day is not complete as published; what it waited for has landed, the next run completes it".to_string()
                }
                false => format!("The day is not complete, its figures may change: it waits for {named}{more}"),
            };
            facts.push(Fact::plain("not complete", &[19], text));
        } else if let (true, Some(why)) = (self.is_published, self.blocked()) {
            facts.push(Fact::plain("kept back", &[19], format!("The day stays as it was published: {why}")));
        } else if self.is_published {
            facts.push(Fact::plain("complete", &[19], "The day is complete: no partition it needs is missing".to_string()));
        }
        if let Some(n) = row.and_then(|row| cell(row, "events_without_contact")).filter(|n| *n != "0") {
            let events = if n == "1" { "1 conversion event".to_string() } else { format!("{n} conversion events") };
            let text = format!("{events} of the bot came without a contact on this day: counted, credited to no ad");
            facts.push(Fact::plain("no contact", &[18], text));
        }
        for table in Raw::BOTH {
            let receipt = self.evidence.known.last.survey.receipts.raw(table).get(day);
            let reasons = receipt.and_then(|receipt| receipt.content.rejected.get(&setting.id));
            if let Some(reasons) = reasons.filter(|reasons| !reasons.is_empty()) {
                let reasons: Vec<String> = reasons.iter().map(|(reason, n)| format!("{reason} {n}")).collect();
                let text = format!(
                    "Rows of the bot in the {} partition of {day} were set aside: {}. They lie in {}",
                    table.table(),
                    reasons.join(", "),
                    rejected_object(table.table(), day)
                );
                facts.push(Fact::plain("rejected rows", &[18], text));
            }
        }
        Ok(facts)
    }
}
