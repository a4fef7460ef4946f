//! What-if: a past period of one bot under another conversion event, or another window, beside what was published.
//!
//! In: the touches as the last run read them, the raw events of the other category, read and judged by the engine as in a run, and the
//! published tables. Out: the two reports side by side. Nothing is written. The other event is taken as if it had always been the
//! setting; without one the bot keeps its history, and only the window is another.
//!
//! Where the raw events that a day needs have left the lake, its hypothetical conversions are NULL: not known.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::day::{Day, DayRange, written_ranges};
use crate::base::error::{Error, Result};
use crate::base::limits::{DAYS_AHEAD, DAYS_LATE};
use crate::base::progress::{FINDING_SESSIONS, Progress};
use crate::base::schema::Raw;
use crate::commands::sessions::{DAYS_AROUND, LastRun};
use crate::config::{ConversionSetting, Horizon, Settings, known_bot};
use crate::engine::request::{AttributeRequest, Extraction, Rules};
use crate::extract::fingerprints::raw_settings;
use crate::known::job::{Job, Places};
use crate::known::survey::{Lost, Survey};
use crate::plan::calendar::Calendar;
use crate::plan::receipt::PartitionReceipt;
use crate::report::{self, WhatIf, WhatIfRequest};
use crate::run::scan;

/// The other settings of a bot.
#[derive(Clone, Debug)]
pub(crate) struct Hypothesis {
    pub bot: String,
    /// None: the bot's own history.
    pub category: Option<String>,
    /// None: the pipeline's.
    pub window_days: Option<i32>,
    pub days: DayRange,
}

impl Hypothesis {
    /// The pipeline's settings, but for what is supposed.
    fn settings(&self, settings: &Settings) -> Result<Settings> {
        let mut other = settings.clone();
        if let Some(days) = self.window_days {
            if !(1..=90).contains(&days) {
                return Err(Error::usage(format!("--window-days is {days}, a number from 1 to 90 is needed")));
            }
            other.horizon = Horizon { days };
        }
        if let Some(category) = &self.category {
            let since_ever = vec![ConversionSetting { category: category.clone(), effective_at: i64::MIN }];
            other.bots.iter_mut().filter(|bot| bot.id == self.bot).for_each(|bot| bot.conversion_events = since_ever.clone());
        }
        Ok(other)
    }

    /// Said above the figures.
    pub(crate) fn heading(&self, settings: &Settings) -> String {
        let event = match &self.category {
            Some(category) => format!("as if its conversion event had always been {category:?}"),
            None => "with its own conversion events".to_string(),
        };
        let window = match self.window_days {
            Some(days) => format!("a window of {days} days instead of {}", settings.horizon.days),
            None => format!("the window of {} days", settings.horizon.days),
        };
        format!(
            "HYPOTHETICAL: {}, bot {}, {event}, and {window}. Columns with \"if\" are the supposed figures, the others those \
             published.",
            self.days, self.bot
        )
    }
}

pub(crate) fn what_if(job: &Job<'_>, hypothesis: &Hypothesis) -> Result<WhatIf> {
    let Job { settings, output, engine, .. } = job;
    known_bot(settings, &hypothesis.bot)?;
    let other = hypothesis.settings(settings)?;
    let bot_at = other.bots.iter().position(|bot| bot.id == hypothesis.bot);
    let (Some(bot_at), Some(bot)) = (bot_at, settings.bot(&hypothesis.bot)) else {
        return Err(Error::bug("a bot that was found is gone"));
    };
    let mut last = LastRun::survey(job)?;
    let mut notes = std::mem::take(&mut last.notes);
    let calendar = last.survey.calendar(settings);
    let known_days = known_days(&other, bot_at, hypothesis, &calendar, &mut notes);
    if let Some(category) = &hypothesis.category {
        let places = Places { settings: &other, ..job.places() };
        suppose_events(&places, &mut last.survey, (&calendar, hypothesis.days), &mut notes)?;
        let receipts = &last.survey.receipts.events;
        let has_events = |id: &String| receipts.iter().any(|(_, receipt)| receipt.content.days.contains_key(id));
        if !settings.bots[bot_at].names_category(category) && !has_events(&bot.id) {
            notes.push(format!("no event of category {category:?} is in the partitions of these days"));
        }
    }
    let rules = Rules { settings: &other, identities: &last.identities, watermark: last.watermark };
    let partitions = last.survey.extracted(Lost::Refused);
    let days: BTreeSet<Day> = hypothesis.days.iter().collect();
    // What touches say of ads is as published.
    let known: BTreeSet<Day> = last.survey.receipts.messages.iter().map(|(day, _)| day).collect();
    let request = AttributeRequest { rules, partitions: &partitions, days: &days, known: &known };
    (job.progress)(Progress::Doing(FINDING_SESSIONS));
    let counts = engine.attribute(&request)?.counts;
    let mut conversions: BTreeMap<(Day, String), i64> = BTreeMap::new();
    for (day, rows) in &counts.conversions {
        for row in rows.iter().filter(|row| row.bot as usize == bot_at) {
            *conversions.entry((*day, counts.ads[row.ad as usize].clone())).or_default() += row.count;
        }
    }
    let supposed = WhatIfRequest { days: hypothesis.days, bot, supposed: &other, conversions: &conversions, known: &known_days };
    let mut what_if = report::what_if(settings, output, &supposed)?;
    what_if.notes.extend(notes);
    Ok(what_if)
}

/// Reads the events that these days can need under the other settings, and has them stand for those that the last run read.
fn suppose_events(
    places: &Places<'_>,
    survey: &mut Survey,
    (calendar, days): (&Calendar, DayRange),
    notes: &mut Vec<String>,
) -> Result<()> {
    let longest = places.settings.horizon.days + DAYS_AROUND;
    let beside = places.settings.days_beside();
    let landed = DayRange {
        first: days.first.plus(-longest - DAYS_AHEAD - beside),
        last: days.last.plus(DAYS_AROUND + DAYS_LATE + beside),
    };
    let mut listing = survey.raw(Raw::Events).clone();
    // What a run has not read yet is in no published figure either.
    let is_away = |day: &Day| calendar.is_refused(Raw::Events, *day) || calendar.has_vanished(Raw::Events, *day);
    let away: Vec<Day> = survey.receipts.events.iter().map(|(day, _)| day).filter(is_away).collect();
    if !away.is_empty() {
        notes.push(format!(
            "events partitions that cannot be read any more are left out of the supposed conversions: {}",
            written_ranges(away)
        ));
    }
    let is_read = |day: &Day| survey.receipts.events.get(*day).is_some() && !is_away(day);
    listing.partitions.retain(|day, _| landed.contains(*day) && is_read(day));
    let before: Vec<Day> = survey.receipts.events.iter().map(|(day, _)| day).collect();
    before.into_iter().for_each(|day| survey.receipts.events.forget(day));
    let of = raw_settings(places.settings, Raw::Events);
    for (partition, extracted) in scan::for_now(places, Raw::Events, &listing) {
        let Extraction { content, refusal, .. } =
            extracted.map_err(|error| error.with("table", "events").with("day", partition.day))?;
        match refusal {
            Some(error) => notes.push(format!("the events partition {} would be refused: {error}", partition.day)),
            None => {
                let receipt = PartitionReceipt::new(partition.objects, of, None, content);
                survey.receipts.events.set(partition.day, receipt);
            }
        }
    }
    Ok(())
}

/// The days on which the hypothetical conversions are a number.
fn known_days(
    other: &Settings,
    bot: usize,
    hypothesis: &Hypothesis,
    calendar: &Calendar,
    notes: &mut Vec<String>,
) -> BTreeSet<Day> {
    let (bot, needs_raw) = (&other.bots[bot], hypothesis.category.is_some());
    let is_gone = |day: &Day| {
        let needed =
            DayRange { first: day.plus(-other.horizon.days - DAYS_AROUND), last: day.plus(DAYS_LATE + other.days_beside()) };
        needs_raw && calendar.retired(needed).iter().any(|(table, _)| *table == Raw::Events)
    };
    let gone: Vec<Day> = hypothesis.days.iter().filter(is_gone).collect();
    if !gone.is_empty() {
        notes.push(format!(
            "events that these days need have left the lake, their supposed conversions are not known: {}",
            written_ranges(gone)
        ));
    }
    hypothesis.days.iter().filter(|day| bot.is_configured_on(*day) && !is_gone(day)).collect()
}
