//! Explain: the messages, events, settings and rules behind a cell of the report, or behind one contact.
//!
//! In: what the last run knew ([`Known`]), the published rows, Meta's rows of the day, and the raw events of the people concerned,
//! whatever their category. Out: [`Explanation`], chapters of facts. Each verdict is the engine's: see `story`. Nothing is written.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use arrow::array::Array as _;
use arrow::util::display::array_value_to_string;
use serde::Serialize;

use crate::base::day::{Day, DayRange};
use crate::base::error::{Error, Result};
use crate::base::limits::{DAYS_AHEAD, DAYS_LATE};
use crate::base::schema::Raw;
use crate::commands::sessions::{DAYS_AROUND, Known};
use crate::commands::story::{Fact, PublishedRow, Teller, spend};
use crate::config::{Bot, known_bot};
use crate::engine::Session;
use crate::extract::TrackedEvent;
use crate::known::job::{Job, Places};
use crate::lake::decode;
use crate::lake::layout::{day_object, rejected_object};
use crate::plan::calendar::Calendar;
use crate::report::style::visible;
use crate::run::scan;

/// What is to be explained.
#[derive(Clone, Debug)]
pub(crate) enum Question {
    Ad {
        ad: String,
        day: Day,
    },
    /// Any id of the contact; without days, all that is kept.
    Contact {
        contact: String,
        days: Option<DayRange>,
    },
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Explanation {
    pub about: String,
    pub chapters: Vec<Chapter>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Chapter {
    pub bot_id: String,
    pub title: String,
    /// The row as published, where the chapter is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub row: Option<PublishedRow>,
    pub facts: Vec<Fact>,
}

pub(crate) fn explain(job: &Job<'_>, question: &Question, bot: Option<&str>, full_contacts: bool) -> Result<Explanation> {
    let settings = job.settings;
    bot.map_or(Ok(()), |bot| known_bot(settings, bot))?;
    let is_asked = |of: &Bot| bot.is_none_or(|asked| asked == of.id);
    let bots: Vec<usize> = (0..settings.bots.len()).filter(|i| is_asked(&settings.bots[*i])).collect();
    let reach = settings.horizon.days + DAYS_AROUND;
    let around = match question {
        Question::Ad { day, .. } => DayRange { first: day.plus(-reach), last: day.plus(reach) },
        Question::Contact { days: Some(days), .. } => DayRange { first: days.first.plus(-reach), last: days.last.plus(reach) },
        Question::Contact { days: None, .. } => DayRange { first: Day(i32::MIN / 2), last: Day(i32::MAX / 2) },
    };
    let known = Known::of(job, around)?;
    let sessions = known.sessions(settings, around, &|_| true)?;
    let teller = Teller::new(settings, &known.identities, &known.settled, &sessions, full_contacts);
    let explainer = Explainer { job, known: &known, teller };
    let (about, chapters) = match question {
        Question::Ad { ad, day } => (format!("ad {} on {day}", visible(ad)), explainer.ad(ad, *day, &bots)?),
        Question::Contact { contact, days } => {
            let about = format!(
                "contact {}",
                if full_contacts { visible(contact) } else { crate::commands::sessions::shortened(contact) }
            );
            (days.map_or(about.clone(), |days| format!("{about}, {days}")), explainer.contact(contact, *days, &bots)?)
        }
    };
    let mut notes = known.notes.clone();
    if known.survey.calendar(settings).retired(around).iter().any(|(table, _)| *table == Raw::Events) {
        notes.push("some raw events have left the lake: of those only the conversion events are told".to_string());
    }
    Ok(Explanation { about, chapters, notes })
}

struct Explainer<'a> {
    job: &'a Job<'a>,
    known: &'a Known,
    teller: Teller<'a>,
}

impl Explainer<'_> {
    fn places(&self) -> Places<'_> {
        Places { settings: self.job.settings, lake: self.job.lake, output: self.job.output }
    }

    /// The raw events of these contacts of a bot.
    fn tracked(&self, bot: usize, contacts: &HashSet<&str>, days: Option<DayRange>) -> Result<Vec<TrackedEvent>> {
        if contacts.is_empty() {
            return Ok(Vec::new());
        }
        let landed = match days {
            Some(days) => DayRange { first: days.first.plus(-DAYS_AHEAD - 1), last: days.last.plus(DAYS_LATE + 1) },
            None => DayRange { first: Day(i32::MIN / 2), last: Day(i32::MAX / 2) },
        };
        let ids = self.known.identities.ids_of(bot, contacts);
        let mut events = scan::tracked_events(&self.places(), self.known.survey.raw(Raw::Events), landed, ids)?;
        let zone = self.job.settings.bots[bot].zone;
        let is_of_days = |at: i64| days.is_none_or(|days| days.contains(zone.local_day(at)));
        events.retain(|event| {
            let contact = self.known.identities.resolve(bot, &event.contact);
            event.bot == bot && contacts.contains(contact) && is_of_days(event.occurred_at)
        });
        Ok(events)
    }

    // ------------------------------------------------------------------------------------------------------ a contact

    fn contact(&self, contact: &str, days: Option<DayRange>, bots: &[usize]) -> Result<Vec<Chapter>> {
        let mut chapters = Vec::new();
        for bot in bots {
            let facts = self.timeline(*bot, contact, days)?;
            if !facts.is_empty() {
                chapters.push(self.chapter(*bot, "Timeline", facts));
            }
        }
        if chapters.is_empty() {
            return Err(Error::usage("no click and no event of this contact is known")
                .mend("give the id as it stands in the lake, in full, and other days if these have none"));
        }
        Ok(chapters)
    }

    fn timeline(&self, bot: usize, contact: &str, days: Option<DayRange>) -> Result<Vec<Fact>> {
        let (settled, teller) = (&self.known.settled, &self.teller);
        let (target, zone) = (self.known.identities.resolve(bot, contact), self.job.settings.bots[bot].zone);
        let is_of_days = |at: i64| days.is_none_or(|days| days.contains(zone.local_day(at)));
        let is_theirs = |of: u32, as_it_came: Option<&str>, at: i64| {
            let resolved = as_it_came.map(|id| self.known.identities.resolve(bot, id));
            of as usize == bot && resolved == Some(target) && is_of_days(at)
        };
        let touches = &settled.touches;
        let is_touch = |touch: &crate::extract::touches::Touch| is_theirs(touch.bot, Some(touches.contact(touch)), touch.sent_at);
        let is_event = |event: &crate::extract::conversions::Conversion| {
            is_theirs(event.bot, settled.events.contact(event), event.occurred_at)
        };
        let sessions = teller.sessions.iter().filter(|session| is_touch(teller.touch(session)));
        let mut facts: Vec<Fact> = sessions.map(|session| teller.conversation(session)).collect();
        facts.extend(settled.dropped_touches.iter().filter(|touch| is_touch(touch)).map(|touch| teller.copy(touch)));
        let events = settled.events.rows.iter().enumerate().filter(|(_, event)| is_event(event));
        facts.extend(events.map(|(i, _)| teller.event(i as u32)));
        facts.extend(settled.dropped_events.iter().filter(|event| is_event(event)).map(|event| teller.event_copy(event)));
        let tracked = self.tracked(bot, &HashSet::from([target]), days)?;
        facts.extend(tracked.iter().filter_map(|event| teller.not_in_effect(event)));
        facts.sort_by(|a, b| (a.order, &a.text).cmp(&(b.order, &b.text)));
        Ok(facts)
    }

    fn chapter(&self, bot: usize, title: &str, facts: Vec<Fact>) -> Chapter {
        Chapter { bot_id: self.job.settings.bots[bot].id.clone(), title: title.to_string(), row: None, facts }
    }

    // ------------------------------------------------------------------------------------------------------ an ad's day

    fn ad(&self, ad: &str, day: Day, bots: &[usize]) -> Result<Vec<Chapter>> {
        let published = self.published("ad_days", day)?;
        let of_ad: Vec<PublishedRow> = published.iter().flatten().filter(|row| cell(row, "ad_id") == Some(ad)).cloned().collect();
        let mut chapters = Vec::new();
        for bot in bots {
            let setting = &self.job.settings.bots[*bot];
            let row = of_ad.iter().find(|row| cell(row, "bot_id") == Some(&setting.id));
            let people = self.people(*bot, ad, day);
            if row.is_some() || !people.is_empty() || bots.len() == 1 {
                chapters.extend(self.ad_of_bot(ad, day, *bot, row, &of_ad, published.is_some(), &people)?);
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
    fn people(&self, bot: usize, ad: &str, day: Day) -> HashSet<&str> {
        let touches = &self.known.settled.touches;
        let first = day.plus(-self.job.settings.horizon.days - 1);
        let is_of_ad = |session: &&Session| {
            let touch = self.teller.touch(session);
            touch.bot as usize == bot && touches.ad(touch) == Some(ad) && session.day >= first && session.day <= day
        };
        self.teller.sessions.iter().filter(is_of_ad).map(|session| self.known.contact_of(session.touch)).collect()
    }

    #[allow(clippy::too_many_arguments)]
    fn ad_of_bot(
        &self,
        ad: &str,
        day: Day,
        bot: usize,
        row: Option<&PublishedRow>,
        of_ad: &[PublishedRow],
        is_published: bool,
        people: &HashSet<&str>,
    ) -> Result<Vec<Chapter>> {
        let calendar = self.calendar();
        let mut published = self.chapter(bot, "Published", self.figures(ad, day, bot, row, is_published, &calendar));
        published.row = row.cloned();
        let (settled, teller) = (&self.known.settled, &self.teller);
        let zone = self.job.settings.bots[bot].zone;
        let is_today = |of: u32, at: i64| of as usize == bot && zone.local_day(at) == day;
        let has_ad = |session: &&Session| settled.touches.ad(teller.touch(session)) == Some(ad);

        let opened = teller.sessions.iter().filter(has_ad).filter(|session| {
            let touch = teller.touch(session);
            is_today(touch.bot, touch.sent_at)
        });
        let conversations: Vec<Fact> = opened.map(|session| teller.conversation(session)).collect();
        // A delivery without the ad id is a copy of one that has it.
        let of_ad_messages: BTreeSet<&str> = settled
            .touches
            .rows
            .iter()
            .filter(|touch| touch.bot as usize == bot && settled.touches.ad(touch) == Some(ad))
            .map(|touch| settled.touches.message(touch))
            .collect();
        let dropped = settled.dropped_touches.iter().filter(|touch| is_today(touch.bot, touch.sent_at)).filter(|touch| {
            match settled.touches.ad(touch) {
                Some(of) => of == ad,
                None => of_ad_messages.contains(settled.touches.message(touch)),
            }
        });
        let copies: Vec<Fact> = dropped.map(|touch| teller.copy(touch)).collect();

        let (mut conversions, mut others) = (Vec::new(), Vec::new());
        let is_theirs =
            |contact: Option<&str>| contact.is_some_and(|contact| people.contains(self.known.identities.resolve(bot, contact)));
        for (i, event) in settled.events.rows.iter().enumerate().filter(|(_, event)| is_today(event.bot, event.occurred_at)) {
            match teller.converted_by(i as u32) {
                Some(session) if has_ad(&session) => conversions.push(teller.event(i as u32)),
                Some(session) if is_theirs(settled.events.contact(event)) => {
                    let mut fact = teller.event(i as u32);
                    let opened = teller.touch(session).sent_at;
                    fact.verdict = "superseded";
                    fact.text += &format!(
                        ". This ad does not get it: the later click at {} closed its conversation",
                        zone.time(opened).replacen('T', " ", 1)
                    );
                    others.push(fact);
                }
                None if is_theirs(settled.events.contact(event)) => others.push(teller.event(i as u32)),
                _ => {}
            }
        }
        let dropped = settled.dropped_events.iter().filter(|event| is_today(event.bot, event.occurred_at));
        others.extend(dropped.filter(|event| is_theirs(settled.events.contact(event))).map(|event| teller.event_copy(event)));
        let tracked = self.tracked(bot, people, Some(DayRange { first: day, last: day }))?;
        others.extend(tracked.iter().filter_map(|event| teller.not_in_effect(event)));
        others.sort_by(|a, b| (a.order, &a.text).cmp(&(b.order, &b.text)));

        let mut chapters = vec![published];
        let told = [
            ("Conversations", conversations),
            ("Copies", copies),
            ("Conversions", conversions),
            ("Events of these people that did not count for the ad", others),
            ("Money", self.money(ad, day, row, of_ad)?),
            ("The day", self.state(bot, day, is_published, &calendar)?),
        ];
        chapters.extend(
            told.into_iter().filter(|(_, facts)| !facts.is_empty()).map(|(title, facts)| self.chapter(bot, title, facts)),
        );
        Ok(chapters)
    }

    /// The published figures, and why conversions are NULL.
    fn figures(
        &self,
        ad: &str,
        day: Day,
        bot: usize,
        row: Option<&PublishedRow>,
        is_published: bool,
        calendar: &Calendar,
    ) -> Vec<Fact> {
        let setting = &self.job.settings.bots[bot];
        let mut facts = Vec::new();
        let (id, ad) = (visible(&setting.id), visible(ad));
        facts.push(match row {
            None if is_published => Fact::plain(
                "no row",
                &[],
                format!("Ad {ad} of bot {id} has no row on {day}: no click, no conversion and no spend was counted"),
            ),
            None => {
                let blockers = calendar.blockers(&self.job.settings.bots, day);
                let blockers: Vec<String> = blockers.iter().map(ToString::to_string).collect();
                let why = if blockers.is_empty() { "the day has not been built".to_string() } else { blockers.join(", ") };
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
        });
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

    fn money(&self, ad: &str, day: Day, row: Option<&PublishedRow>, of_ad: &[PublishedRow]) -> Result<Vec<Fact>> {
        let Some(row) = row else { return Ok(Vec::new()) };
        let meta = scan::insights_of(&self.places(), &self.known.survey, day)?;
        let account = cell(row, "account_id");
        let own = meta.iter().find(|meta| meta.ad == ad && Some(meta.account.as_str()) == account);
        let is_whole = meta.iter().any(|meta| Some(meta.account.as_str()) == account);
        let bearers: Vec<Option<String>> = of_ad
            .iter()
            .filter(|other| cell(other, "spend").is_some() && cell(other, "bot_id") != cell(row, "bot_id"))
            .map(|other| cell(other, "bot_id").map(str::to_string))
            .collect();
        let has_source = self.job.settings.insights.is_some();
        Ok(vec![spend(row, has_source, own.map(|own| own.account.as_str()), is_whole, &bearers)])
    }

    /// Whether the day may still change, and the rows that were set aside.
    fn state(&self, bot: usize, day: Day, is_published: bool, calendar: &Calendar) -> Result<Vec<Fact>> {
        let setting = &self.job.settings.bots[bot];
        let mut facts = Vec::new();
        let rows = self.published("bot_days", day)?.unwrap_or_default();
        let row = rows.iter().find(|row| cell(row, "bot_id") == Some(&setting.id));
        if is_published && row.is_some_and(|row| cell(row, "complete") == Some("false")) {
            let awaited: Vec<(Raw, Day)> = calendar.awaited(setting, day).collect();
            let named = awaited.iter().rev().take(6).map(|(table, day)| format!("{} of {day}", table.table()));
            let named = named.collect::<Vec<_>>().join(", ");
            let more = if awaited.len() > 6 { format!(" and {} more", awaited.len() - 6) } else { String::new() };
            let text = match awaited.is_empty() {
                true => {
                    "The day is not complete as published; what it waited for has landed, the next run completes it".to_string()
                }
                false => format!("The day is not complete, its figures may change: it waits for {named}{more}"),
            };
            facts.push(Fact::plain("not complete", &[19], text));
        } else if is_published {
            facts.push(Fact::plain("complete", &[19], "The day is complete: no partition it needs is missing".to_string()));
        }
        if let Some(n) = row.and_then(|row| cell(row, "events_without_contact")).filter(|n| *n != "0") {
            let events = if n == "1" { "1 conversion event".to_string() } else { format!("{n} conversion events") };
            let text = format!("{events} of the bot came without a contact on this day: counted, credited to no ad");
            facts.push(Fact::plain("no contact", &[18], text));
        }
        for table in Raw::BOTH {
            let receipt = self.known.survey.receipts.raw(table).get(day);
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

    /// Partitions without a receipt landed and are not in the figures: as good as refused.
    fn calendar(&self) -> Calendar {
        let survey = &self.known.survey;
        let mut calendar = survey.calendar(self.job.settings);
        for table in Raw::BOTH {
            let unread = survey.raw(table).partitions.keys().filter(|day| survey.receipts.raw(table).get(**day).is_none());
            unread.for_each(|day| calendar.refuse(table, *day));
        }
        calendar
    }

    /// The rows of a published day; none where it is not published.
    fn published(&self, table: &str, day: Day) -> Result<Option<Vec<PublishedRow>>> {
        if !self.known.is_published(day) {
            return Ok(None);
        }
        let object = day_object(table, day);
        let Some(bytes) = self.job.output.get(&object)? else { return Ok(None) };
        let mut rows = Vec::new();
        for batch in decode(bytes).map_err(|error| error.with("object", &object))? {
            for row in 0..batch.num_rows() {
                let mut cells = BTreeMap::new();
                for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
                    let text = array_value_to_string(column, row)
                        .map_err(|error| Error::bug("a published cell cannot be shown").source(error))?;
                    cells.insert(field.name().clone(), column.is_valid(row).then_some(text));
                }
                rows.push(cells);
            }
        }
        Ok(Some(rows))
    }
}

fn cell<'r>(row: &'r PublishedRow, name: &str) -> Option<&'r str> {
    row.get(name).and_then(Option::as_deref)
}
