//! Explain: the messages, events, settings and rules behind a cell of the report, or behind one contact.
//!
//! In: what the last run knew ([`LastRunRows`]), the published rows, Meta's rows of the day, and the raw events of the people concerned,
//! whatever their category. Out: [`Explanation`], chapters of facts. Each verdict is the engine's: see `story`. Nothing is written.

use std::collections::HashSet;

use serde::Serialize;

use crate::base::day::{Day, DayRange};
use crate::base::error::{Error, Result};
use crate::base::schema::Raw;
use crate::commands::evidence::{Chapter, Evidence};
use crate::commands::explain_ad;
use crate::commands::rules::{CitedRule, cited};
use crate::commands::sessions::{DAYS_AROUND, LastRunRows, shortened};
use crate::commands::story::{Fact, Scene, Teller};
use crate::config::{Bot, known_bot};
use crate::engine::rows::{EventRow, TouchRow};
use crate::known::job::Job;
use crate::report::style::visible;

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
    /// The rules that the facts cite.
    pub rules: Vec<CitedRule>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// `bot`: in this one alone.
pub(crate) fn explain(job: &Job<'_>, question: &Question, bot: Option<&str>, full_contacts: bool) -> Result<Explanation> {
    let settings = job.settings;
    bot.map_or(Ok(()), |bot| known_bot(settings, bot))?;
    let is_asked = |of: &Bot| bot.is_none_or(|asked| asked == of.id);
    let bots: Vec<usize> = (0..settings.bots.len()).filter(|i| is_asked(&settings.bots[*i])).collect();
    let around = days_around(question, settings.horizon.days + DAYS_AROUND);
    let known = LastRunRows::of(job, around)?;
    let (sessions, copies) = (known.sessions(settings, &|_| true)?, known.rows.copies());
    let (identities, rows, copies) = (&known.last.identities, known.rows.as_ref(), copies.as_ref());
    let scene = Scene { settings, identities, rows, copies, sessions: &sessions, full_contacts };
    let evidence = Evidence { job, known: &known, teller: Teller::new(scene) };
    let (about, chapters) = match question {
        Question::Ad { ad, day } => (format!("ad {} on {day}", visible(ad)), explain_ad::chapters(&evidence, ad, *day, &bots)?),
        Question::Contact { contact, days } => {
            let about = format!("contact {}", if full_contacts { visible(contact) } else { shortened(contact) });
            let chapters = of_contact(&evidence, contact, *days, &bots)?;
            (days.map_or(about.clone(), |days| format!("{about}, {days}")), chapters)
        }
    };
    let mut notes = known.last.notes.clone();
    if known.last.survey.calendar(settings).retired(around).iter().any(|(table, _)| *table == Raw::Events) {
        notes.push("some raw events have left the lake: of those only the conversion events are told".to_string());
    }
    let rules = cited(chapters.iter().flat_map(|chapter| &chapter.facts));
    Ok(Explanation { about, chapters, rules, notes })
}

/// The days whose rows are looked at.
fn days_around(question: &Question, around: i32) -> DayRange {
    match question {
        Question::Ad { day, .. } => DayRange { first: day.plus(-around), last: day.plus(around) },
        Question::Contact { days: Some(days), .. } => DayRange { first: days.first.plus(-around), last: days.last.plus(around) },
        Question::Contact { days: None, .. } => DayRange { first: Day(i32::MIN / 2), last: Day(i32::MAX / 2) },
    }
}

fn of_contact(evidence: &Evidence<'_>, contact: &str, days: Option<DayRange>, bots: &[usize]) -> Result<Vec<Chapter>> {
    let mut chapters = Vec::new();
    for bot in bots {
        let facts = timeline(evidence, *bot, contact, days)?;
        if !facts.is_empty() {
            chapters.push(evidence.chapter(*bot, "Timeline", facts));
        }
    }
    if chapters.is_empty() {
        return Err(Error::usage("no click and no event of this contact is known")
            .mend("give the id as it stands in the lake, in full, and other days if these have none"));
    }
    Ok(chapters)
}

/// All that a contact of a bot did, in order of time.
fn timeline(evidence: &Evidence<'_>, bot: usize, contact: &str, days: Option<DayRange>) -> Result<Vec<Fact>> {
    let Evidence { job, known, teller } = evidence;
    let Scene { rows, copies, sessions, .. } = teller.scene;
    let (contact, zone) = (known.last.identities.contact(bot, contact), job.settings.bots[bot].zone);
    let target = contact.as_ref();
    let is_of_days = |at: i64| days.is_none_or(|days| days.contains(zone.local_day(at)));
    let is_theirs = |of: u32, as_it_came: Option<&str>, at: i64| {
        let resolved = as_it_came.map(|id| known.last.identities.resolve(bot, id));
        of as usize == bot && resolved == Some(target) && is_of_days(at)
    };
    let is_touch = |touch: TouchRow<'_>| is_theirs(touch.bot, Some(touch.contact), touch.sent_at);
    let is_event = |event: EventRow<'_>| is_theirs(event.bot, event.contact, event.occurred_at);
    let opened = sessions.iter().filter(|session| is_touch(teller.touch(session)));
    let mut facts: Vec<Fact> = opened.map(|session| teller.conversation(session)).collect();
    facts.extend((0..copies.touches()).filter(|n| is_touch(copies.touch(*n))).map(|n| teller.copy(n)));
    facts.extend((0..rows.events()).filter(|n| is_event(rows.event(*n))).map(|n| teller.event(n)));
    facts.extend((0..copies.events()).filter(|n| is_event(copies.event(*n))).map(|n| teller.event_copy(n)));
    let tracked = evidence.tracked(bot, &HashSet::from([target]), days)?;
    facts.extend(tracked.iter().filter_map(|event| teller.not_in_effect(event)));
    facts.sort_by(|a, b| (a.order, &a.text).cmp(&(b.order, &b.text)));
    Ok(facts)
}
