//! The ledger: every session behind the published figures, with what became of it.
//!
//! In: the working tables and the aliases as the last run left them; the raw partitions are not read and nothing is written. Out:
//! [`Ledger`], one [`LedgerRow`] per session, by bot, time and message. By conversation day it holds the sessions opened on the
//! days of the range, as many per ad and day as `ad_days` has conversations; by conversion day those that converted on them,
//! whenever they were opened, as many as it has conversions. Sessions of unattributed touches are among them, without an ad.
//! Days that are not published have no figures and no sessions.

use crate::base::day::{Day, DayRange, Zone, written_ranges};
use crate::base::error::{Error, Result};
use crate::config::{Settings, known_bot};
use crate::engine::embedded::{Settled, ledger as sessions, settle};
use crate::engine::{Request, Session, SessionEnd};
use crate::extract::conversions::Conversions;
use crate::extract::identity::Identities;
use crate::extract::touches::Touches;
use crate::known::job::{Job, Places};
use crate::known::survey::Survey;
use crate::known::working;
use crate::report::{By, CellKind, Sheet, Value};

/// What is asked for. An empty list of bots or ads means all of them.
#[derive(Clone, Debug)]
pub(crate) struct LedgerRequest {
    pub days: DayRange,
    pub by: By,
    pub bots: Vec<String>,
    pub ads: Vec<String>,
    /// Any id of a contact: aliases are followed.
    pub contact: Option<String>,
    pub full_contacts: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Ledger {
    pub rows: Vec<LedgerRow>,
    /// What a reader has to know beside them, a sentence each.
    pub notes: Vec<String>,
}

/// A session. Days are local days of the bot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LedgerRow {
    pub bot_id: String,
    pub zone: Zone,
    /// None where contacts are shortened: WhatsApp's message ids spell the telephone number.
    pub message_id: Option<String>,
    pub contact_id: String,
    pub opened_on: Day,
    pub opened_at: i64,
    pub ad_id: Option<String>,
    /// As this message had it; the ad may have another by now.
    pub ad_title: Option<String>,
    /// None while it is open.
    pub closed_at: Option<i64>,
    pub close_reason: &'static str,
    pub conversion: Option<LedgerConversion>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LedgerConversion {
    pub day: Day,
    pub event_id: Option<String>,
    pub category: String,
}

pub(crate) const COLUMNS: [(&str, CellKind); 14] = [
    ("bot_id", CellKind::Text),
    ("contact_id", CellKind::Text),
    ("message_id", CellKind::Text),
    ("opened_on", CellKind::Day),
    ("opened_at", CellKind::Instant),
    ("ad_id", CellKind::Text),
    ("ad_title", CellKind::Text),
    ("closed_at", CellKind::Instant),
    ("close_reason", CellKind::Text),
    ("converted_on", CellKind::Day),
    ("event_id", CellKind::Text),
    ("category", CellKind::Text),
    ("days_to_convert", CellKind::Count),
    ("zone", CellKind::Text),
];

impl Ledger {
    pub(crate) fn sheet(&self) -> Sheet<'_> {
        Sheet { columns: &COLUMNS, rows: self.rows.iter().map(cells).collect() }
    }
}

fn cells(row: &LedgerRow) -> Vec<Value<'_>> {
    let conversion = row.conversion.as_ref();
    let cells: [Value<'_>; COLUMNS.len()] = [
        Value::Text(&row.bot_id),
        Value::Text(&row.contact_id),
        Value::text(row.message_id.as_deref()),
        Value::Day(row.opened_on),
        Value::instant(row.zone, Some(row.opened_at)),
        Value::text(row.ad_id.as_deref()),
        Value::text(row.ad_title.as_deref()),
        Value::instant(row.zone, row.closed_at),
        Value::Text(row.close_reason),
        Value::day(conversion.map(|conversion| conversion.day)),
        Value::text(conversion.and_then(|conversion| conversion.event_id.as_deref())),
        Value::text(conversion.map(|conversion| conversion.category.as_str())),
        // As `date - conversation_date` in `ad_conversions`.
        Value::count(conversion.map(|conversion| i64::from(conversion.day.0 - row.opened_on.0))),
        Value::Text(row.zone.name()),
    ];
    cells.into()
}

/// What the last run knew of some local days.
pub(crate) struct Known {
    pub survey: Survey,
    pub identities: Identities,
    pub settled: Settled,
    /// The instant up to which events had landed.
    pub watermark: i64,
    pub notes: Vec<String>,
}

/// The same, with every copy in it.
pub(crate) struct Unsettled {
    pub survey: Survey,
    pub identities: Identities,
    pub touches: Touches,
    pub events: Conversions,
    pub watermark: i64,
    pub notes: Vec<String>,
}

/// A session reaches this far from its touch, with the copies before and after it; a clock change can add a day.
fn reach(settings: &Settings) -> i32 {
    settings.horizon.days + DAYS_AROUND
}

/// Copies lie at most a week apart; local days are not 24 hours long, and hours spill over on both sides.
pub(crate) const DAYS_AROUND: i32 = 9;

impl Known {
    /// The rows of these days and of others around them.
    pub(crate) fn of(job: &Job<'_>, days: DayRange) -> Result<Known> {
        let Unsettled { survey, identities, touches, events, watermark, notes } = Known::unsettled(job, days)?;
        Ok(Known { survey, identities, settled: settle(touches, events)?, watermark, notes })
    }

    pub(crate) fn unsettled(job: &Job<'_>, days: DayRange) -> Result<Unsettled> {
        let Job { settings, lake, output, .. } = job;
        let survey = Survey::take(lake, output, settings)?;
        let receipts = &survey.receipts;
        let is_read = |day: &Day| receipts.events.get(*day).is_some();
        let last_read = receipts.messages.iter().map(|(day, _)| day).filter(is_read).max();
        let Some(last_read) = last_read else {
            return Err(Error::not_ready("no partition has been read yet").mend("build the days with `ctwa run` first"));
        };
        let mut notes = Vec::new();
        let is_raw = |table: &str| table != "insights";
        let unread = survey.unread(settings).iter().filter(|step| is_raw(step.table)).count();
        if unread > 0 {
            notes.push(format!(
                "{unread} partitions, or the settings that read them, have changed since the last run: this is what it knew; \
                 `ctwa run` brings it up to date"
            ));
        }
        let known = receipts.identities.as_ref();
        let kept = known.map(|receipt| Identities::read_known(output, receipt, settings)).transpose()?.flatten();
        let identities = match (&settings.identities, kept) {
            (None, _) => Identities::default(),
            (Some(_), Some(kept)) => kept,
            (Some(path), None) => Identities::read(lake, path, settings)?,
        };
        if !known.is_some_and(|receipt| receipt.knows(&survey.identities, survey.bots_of_ids(settings))) {
            notes.push("the alias table has changed since the last run: contacts are as it knew them".to_string());
        }
        let places = Places { settings, lake, output };
        let (touches, events) = working::of_days(&places, &survey, days)?;
        Ok(Unsettled { survey, identities, touches, events, watermark: last_read.next().start_utc(), notes })
    }

    /// Those sessions that `wanted` names, by time and message.
    pub(crate) fn sessions(
        &self,
        settings: &Settings,
        days: DayRange,
        wanted: &(dyn Fn(&Session) -> bool + Sync),
    ) -> Result<Vec<Session>> {
        let request = Request { settings, identities: &self.identities, days, watermark: self.watermark };
        sessions(&request, &self.settled, wanted)
    }

    pub(crate) fn is_published(&self, day: Day) -> bool {
        self.survey.published.get("bot_days").is_some_and(|days| days.contains_key(&day))
    }

    /// The contact that a touch is counted for.
    pub(crate) fn contact_of(&self, touch: u32) -> &str {
        let touch = &self.settled.touches.rows[touch as usize];
        self.identities.resolve(touch.bot as usize, self.settled.touches.contact(touch))
    }

    /// When a session closed; none while it is open.
    pub(crate) fn closed_at(&self, settings: &Settings, session: &Session) -> Option<i64> {
        let touches = &self.settled.touches.rows;
        match session.end {
            SessionEnd::Converted { event, .. } => Some(self.settled.events.rows[event as usize].occurred_at),
            SessionEnd::Superseded { by } => Some(touches[by as usize].sent_at),
            SessionEnd::Expired => Some(touches[session.touch as usize].sent_at + settings.horizon.micros()),
            SessionEnd::Open => None,
        }
    }
}

pub(crate) fn ledger(job: &Job<'_>, request: &LedgerRequest) -> Result<Ledger> {
    let settings = job.settings;
    request.bots.iter().try_for_each(|bot| known_bot(settings, bot))?;
    let DayRange { first, last } = request.days;
    let around = match request.by {
        By::ConversationDay => DayRange { first: first.plus(-DAYS_AROUND), last: last.plus(reach(settings)) },
        By::ConversionDay => DayRange { first: first.plus(-reach(settings)), last: last.plus(DAYS_AROUND) },
    };
    let known = Known::of(job, around)?;
    let touches = &known.settled.touches;
    let asks_for_bot = |bot: &str| request.bots.is_empty() || request.bots.iter().any(|asked| asked == bot);
    let asks_for_ad = |ad: Option<&str>| request.ads.is_empty() || request.ads.iter().any(|asked| Some(asked.as_str()) == ad);
    // One id may stand for another contact in each bot.
    let contacts: Option<Vec<&str>> =
        request.contact.as_ref().map(|id| (0..settings.bots.len()).map(|bot| known.identities.resolve(bot, id)).collect());
    let wanted = |session: &Session| {
        let touch = &touches.rows[session.touch as usize];
        let day = match (request.by, session.end) {
            (By::ConversationDay, _) => session.day,
            (By::ConversionDay, SessionEnd::Converted { day, .. }) => day,
            (By::ConversionDay, _) => return false,
        };
        request.days.contains(day)
            && known.is_published(day)
            && asks_for_bot(&settings.bots[touch.bot as usize].id)
            && asks_for_ad(touches.ad(touch))
            && contacts.as_ref().is_none_or(|contacts| contacts[touch.bot as usize] == known.contact_of(session.touch))
    };
    let unpublished: Vec<Day> = request.days.iter().filter(|day| !known.is_published(*day)).collect();
    if unpublished.len() == request.days.len() {
        return Err(Error::not_ready("no day of the range is published")
            .with("days", request.days)
            .mend("build the days with `ctwa run` first, or ask for others"));
    }
    let mut sessions = known.sessions(settings, request.days, &wanted)?;
    // Bots are in the order of their ids, sessions in that of their touches.
    sessions.sort_by_key(|session| touches.rows[session.touch as usize].bot);
    let rows = sessions.iter().map(|session| row(settings, &known, session, request.full_contacts)).collect();
    let mut notes = known.notes.clone();
    if !unpublished.is_empty() {
        notes.push(format!("not published, so without sessions here: {}", written_ranges(unpublished)));
    }
    Ok(Ledger { rows, notes })
}

fn row(settings: &Settings, known: &Known, session: &Session, full_contacts: bool) -> LedgerRow {
    let Settled { touches, events, .. } = &known.settled;
    let touch = &touches.rows[session.touch as usize];
    let bot = &settings.bots[touch.bot as usize];
    let contact = known.contact_of(session.touch);
    let conversion = match session.end {
        SessionEnd::Converted { event, day } => {
            let event = &events.rows[event as usize];
            let event_id = events.event(event).map(str::to_string);
            Some(LedgerConversion { day, event_id, category: events.category(event).to_string() })
        }
        _ => None,
    };
    LedgerRow {
        bot_id: bot.id.clone(),
        zone: bot.zone,
        message_id: full_contacts.then(|| touches.message(touch).to_string()),
        contact_id: if full_contacts { contact.to_string() } else { shortened(contact) },
        opened_on: session.day,
        opened_at: touch.sent_at,
        ad_id: touches.ad(touch).map(str::to_string),
        ad_title: touches.title(touch).map(str::to_string),
        closed_at: known.closed_at(settings, session),
        close_reason: close_reason(session.end),
        conversion,
    }
}

fn close_reason(end: SessionEnd) -> &'static str {
    match end {
        SessionEnd::Converted { .. } => "converted",
        SessionEnd::Superseded { .. } => "superseded",
        SessionEnd::Expired => "expired",
        SessionEnd::Open => "open",
    }
}

/// A contact's id is most often a telephone number. What is left tells two people of one list apart, nearly always.
pub(crate) fn shortened(contact: &str) -> String {
    let name: Vec<char> = contact.split('@').next().unwrap_or_default().chars().collect();
    let (head, tail) = if name.len() > 9 {
        (4, 4)
    } else if name.len() > 4 {
        (2, 1)
    } else {
        (1, 0)
    };
    let kept = |letters: &[char]| letters.iter().collect::<String>();
    format!("{}…{}", kept(&name[..head.min(name.len())]), kept(&name[name.len() - tail..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shortened_contacts_give_nobody_away() {
        for (contact, short) in [
            ("5511987654321@wa.gw.msging.net", "5511…4321"),
            ("5511987654321", "5511…4321"),
            ("ana", "a…"),
            ("customer", "cu…r"),
            ("", "…"),
            ("ação-1234567", "ação…4567"),
        ] {
            assert_eq!(shortened(contact), short);
        }
    }
}
