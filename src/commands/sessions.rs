//! Sessions: every one behind the published figures, with what became of it.
//!
//! In: the rows and the aliases as the last run left them; the raw partitions are not read and nothing is written. Out:
//! [`Sessions`], one [`SessionRow`] per session, by bot, time and message. By conversation day it holds the sessions opened on the
//! days of the range, as many per ad and day as `ad_days` has conversations; by conversion day those that converted on them,
//! whenever they were opened, as many as it has conversions. Sessions of unattributed touches are among them, without an ad.
//! Days that are not published have no figures and no sessions.

use std::borrow::Cow;

use crate::base::day::{Day, DayRange, Zone, written_ranges};
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::progress::{FINDING_SESSIONS, Progress};
use crate::config::{Settings, known_bot};
use crate::engine::Engine;
use crate::engine::request::Rules;
use crate::engine::rows::{KeptRows, Session, SessionEnd, SettledRows};
use crate::extract::identity::Identities;
use crate::known::job::Job;
use crate::known::survey::{Lost, Survey};
use crate::report::{By, CellKind, Sheet, Value};

/// What is asked for. An empty list of bots or ads means all of them.
#[derive(Clone, Debug)]
pub(crate) struct SessionsRequest {
    pub days: DayRange,
    pub by: By,
    pub bots: Vec<String>,
    pub ads: Vec<String>,
    /// Any id of a contact: aliases are followed.
    pub contact: Option<String>,
    pub full_contacts: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Sessions {
    pub rows: Vec<SessionRow>,
    /// What a reader has to know beside them, a sentence each.
    pub notes: Vec<String>,
}

/// A session, as it is told. Days are local days of the bot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SessionRow {
    pub bot_id: String,
    pub zone: Zone,
    /// None where contacts are shortened: WhatsApp's message ids spell the telephone number.
    pub message_id: Option<String>,
    pub contact_id: String,
    pub opened_on: Day,
    pub opened_at: i64,
    pub ad_id: Option<String>,
    /// The title as this message had it; the ad may have another by now.
    pub ad_title: Option<String>,
    /// None while it is open.
    pub closed_at: Option<i64>,
    pub close_reason: &'static str,
    pub conversion: Option<SessionConversion>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SessionConversion {
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

impl Sessions {
    pub(crate) fn sheet(&self) -> Sheet<'_> {
        Sheet { columns: &COLUMNS, rows: self.rows.iter().map(cells).collect() }
    }
}

fn cells(row: &SessionRow) -> Vec<Value<'_>> {
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

/// What the last run left.
pub(crate) struct LastRun {
    pub survey: Survey,
    pub identities: Identities,
    /// The instant up to which events had landed.
    pub watermark: i64,
    pub notes: Vec<String>,
}

/// What the last run knew of some local days.
pub(crate) struct LastRunRows {
    pub last: LastRun,
    pub rows: Box<dyn SettledRows>,
}

/// A session ends at most this many days from its touch, with the copies before and after it; a clock change can add a day.
fn longest_session(settings: &Settings) -> i32 {
    settings.horizon.days + DAYS_AROUND
}

/// Copies lie at most a week apart; local days are not 24 hours long, and hours spill over on both sides.
pub(crate) const DAYS_AROUND: i32 = 9;

impl LastRun {
    pub(crate) fn survey(job: &Job<'_>) -> Result<LastRun> {
        let Job { settings, lake, output, .. } = job;
        let survey = Survey::take(&job.places())?;
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
            (None, _) => Identities::without_aliases(settings),
            (Some(_), Some(kept)) => kept,
            (Some(path), None) => Identities::read(lake, path, settings)?,
        };
        if !known.is_some_and(|receipt| receipt.knows(&survey.identities, settings)) {
            notes.push("the alias table has changed since the last run: contacts are as it knew them".to_string());
        }
        Ok(LastRun { survey, identities, watermark: settings.landed_until(last_read), notes })
    }

    fn rules<'a>(&'a self, settings: &'a Settings) -> Rules<'a> {
        Rules { settings, identities: &self.identities, watermark: self.watermark }
    }

    pub(crate) fn is_published(&self, day: Day) -> bool {
        self.survey.published.get("bot_days").is_some_and(|days| days.contains_key(&day))
    }
}

impl LastRunRows {
    /// The rows of these days and of others around them.
    pub(crate) fn of(job: &Job<'_>, days: DayRange) -> Result<LastRunRows> {
        let kept = kept_rows(job.engine)?;
        let last = LastRun::survey(job)?;
        let mut partitions = last.survey.extracted(Lost::Refused);
        partitions.retain(|partition| partition.content.has_rows_on(days));
        (job.progress)(Progress::Doing(FINDING_SESSIONS));
        let rows = kept.settle(&last.rules(job.settings), &partitions)?;
        Ok(LastRunRows { last, rows })
    }

    /// Those sessions that `wanted` names, by time and message.
    pub(crate) fn sessions(&self, settings: &Settings, wanted: &(dyn Fn(&Session) -> bool + Sync)) -> Result<Vec<Session>> {
        self.rows.sessions(&self.last.rules(settings), wanted)
    }

    /// The contact that a touch is counted for.
    pub(crate) fn contact_of(&self, touch: u32) -> &str {
        let touch = self.rows.touch(touch);
        self.last.identities.resolve(touch.bot as usize, touch.contact)
    }

    /// When a session closed; none while it is open.
    fn closed_at(&self, settings: &Settings, session: &Session) -> Option<i64> {
        match session.end {
            SessionEnd::Converted { event, .. } => Some(self.rows.event(event).occurred_at),
            SessionEnd::Superseded { by } => Some(self.rows.touch(by).sent_at),
            SessionEnd::Expired => Some(self.rows.touch(session.touch).sent_at + settings.horizon.micros()),
            SessionEnd::Open => None,
        }
    }
}

/// The rows that an engine keeps; an error where it keeps none.
pub(crate) fn kept_rows(engine: &dyn Engine) -> Result<&dyn KeptRows> {
    engine.rows().ok_or_else(|| {
        Error::usage("the engine keeps no rows, so what is behind its figures cannot be shown")
            .with("engine", engine.kind().name())
            .mend("ask a pipeline with kind = \"embedded\" in [engine] and an output of its own, over the same lake")
    })
}

pub(crate) fn sessions(job: &Job<'_>, request: &SessionsRequest) -> Result<Sessions> {
    let settings = job.settings;
    request.bots.iter().try_for_each(|bot| known_bot(settings, bot))?;
    let (days, longest) = (request.days, longest_session(settings));
    let around = match request.by {
        By::ConversationDay => DayRange { first: days.first.plus(-DAYS_AROUND), last: days.last.plus(longest) },
        By::ConversionDay => DayRange { first: days.first.plus(-longest), last: days.last.plus(DAYS_AROUND) },
    };
    let known = LastRunRows::of(job, around)?;
    let (last, rows) = (&known.last, known.rows.as_ref());
    let asks_for_bot = |bot: &str| request.bots.is_empty() || request.bots.iter().any(|asked| asked == bot);
    let asks_for_ad = |ad: Option<&str>| request.ads.is_empty() || request.ads.iter().any(|asked| Some(asked.as_str()) == ad);
    // One id may stand for another contact in each bot.
    let contacts: Option<Vec<Cow<'_, str>>> =
        request.contact.as_ref().map(|id| (0..settings.bots.len()).map(|bot| last.identities.contact(bot, id)).collect());
    let wanted = |session: &Session| {
        let day = match (request.by, session.end) {
            (By::ConversationDay, _) => session.day,
            (By::ConversionDay, SessionEnd::Converted { day, .. }) => day,
            (By::ConversionDay, _) => return false,
        };
        if !request.days.contains(day) || !last.is_published(day) {
            return false;
        }
        let touch = rows.touch(session.touch);
        asks_for_bot(&settings.bots[touch.bot as usize].id)
            && asks_for_ad(touch.ad)
            && contacts.as_ref().is_none_or(|contacts| contacts[touch.bot as usize] == known.contact_of(session.touch))
    };
    let unpublished: Vec<Day> = request.days.iter().filter(|day| !last.is_published(*day)).collect();
    if unpublished.len() == request.days.len() {
        let first = last.survey.published.get("bot_days").and_then(|published| published.keys().next());
        // Days before the first will not come by waiting.
        let lies_before = first.is_some_and(|first| request.days.last < *first);
        let kind = if lies_before { ErrorKind::Usage } else { ErrorKind::NotReady };
        return Err(Error::new(kind, "no day of the range is published")
            .with("days", request.days)
            .mend("build the days with `ctwa run` first, or ask for others"));
    }
    let mut found = known.sessions(settings, &wanted)?;
    // Bots are in the order of their ids, sessions in that of their touches.
    found.sort_by_key(|session| rows.touch(session.touch).bot);
    let told = found.iter().map(|session| row(settings, &known, session, request.full_contacts)).collect();
    let mut notes = last.notes.clone();
    if !unpublished.is_empty() {
        notes.push(format!("not published, so without sessions here: {}", written_ranges(unpublished)));
    }
    Ok(Sessions { rows: told, notes })
}

fn row(settings: &Settings, known: &LastRunRows, session: &Session, full_contacts: bool) -> SessionRow {
    let touch = known.rows.touch(session.touch);
    let bot = &settings.bots[touch.bot as usize];
    let contact = known.contact_of(session.touch);
    let conversion = match session.end {
        SessionEnd::Converted { event, day } => {
            let event = known.rows.event(event);
            let event_id = event.event.map(str::to_string);
            Some(SessionConversion { day, event_id, category: event.category.to_string() })
        }
        _ => None,
    };
    SessionRow {
        bot_id: bot.id.clone(),
        zone: bot.zone,
        message_id: full_contacts.then(|| touch.message.to_string()),
        contact_id: if full_contacts { contact.to_string() } else { shortened(contact) },
        opened_on: session.day,
        opened_at: touch.sent_at,
        ad_id: touch.ad.map(str::to_string),
        ad_title: touch.title.map(str::to_string),
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
    use std::collections::BTreeMap;

    use super::*;
    use crate::base::schema::Raw;
    use crate::config::EngineKind;
    use crate::engine::request::{AttributeRequest, Attribution, ExtractRequest, Extraction};

    struct Rowless;

    impl Engine for Rowless {
        fn kind(&self) -> EngineKind {
            EngineKind::default()
        }

        fn extract(&self, _: &ExtractRequest<'_>) -> Vec<Result<Extraction>> {
            Vec::new()
        }

        fn stored(&self) -> Result<BTreeMap<(Raw, Day), String>> {
            Ok(BTreeMap::new())
        }

        fn forget(&self, _: &[(Raw, Day)]) -> Result<()> {
            Ok(())
        }

        fn attribute(&self, _: &AttributeRequest<'_>) -> Result<Attribution> {
            Err(Error::bug("nobody asks for counts"))
        }

        fn rows(&self) -> Option<&dyn KeptRows> {
            None
        }
    }

    #[test]
    fn an_engine_without_rows_says_what_to_do() {
        let Err(error) = kept_rows(&Rowless) else { panic!("there are no rows") };
        let text = error.to_string();
        for part in ["the engine keeps no rows", "kind = \"embedded\" in [engine]"] {
            assert!(text.contains(part), "{text}");
        }
    }

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
