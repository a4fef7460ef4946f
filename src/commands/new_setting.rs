//! A new conversion event for a bot: whether it may be set, what that means, and the pipeline file with it. Nothing is written here.
//!
//! In: the pipeline file's text, what has landed, what was accepted. Refused are a change of the past, which is every instant
//! before both now and the end of the last landed day, and a category that no event had lately, unless that is asked for.

use std::collections::BTreeMap;
use std::path::Path;

use chrono::DateTime;
use serde::Serialize;

use crate::base::alike::{folded, nearest};
use crate::base::day::{Day, DayRange, MICROS_PER_SECOND};
use crate::base::error::{Error, Result};
use crate::commands::categories;
use crate::config::{Bot, Settings, known_bot, with_setting};
use crate::known::job::Job;
use crate::known::survey::Survey;

/// What is to be set.
pub(crate) struct Wish<'a> {
    pub bot_id: &'a str,
    pub category: &'a str,
    /// RFC 3339 with an offset, or a day of the bot's zone; now where it is absent.
    pub effective_at: Option<&'a str>,
    /// Whether a category without events will do.
    pub unseen: bool,
    /// How far back events are looked for.
    pub days: u16,
}

/// What setting it means.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct NewSetting {
    pub bot_id: String,
    pub category: String,
    /// RFC 3339, as in the file.
    pub effective_at: String,
    /// What was, or would have been, the conversion event then.
    pub category_before: Option<String>,
    /// The first local day that counts it.
    pub first_day: Day,
    /// When another setting takes over, as the file says already.
    pub until: Option<String>,
    /// Events of the category in the days that were looked at; none where they were not.
    pub events_seen: Option<u64>,
    pub days_looked_at: Option<String>,
    /// False where the category is the conversion event at that time already.
    pub changed: bool,
    /// The pipeline file.
    #[serde(skip)]
    pub text: String,
}

pub(crate) fn new_setting(job: &Job<'_>, wish: &Wish<'_>, file: &str, text: &str, base: &Path) -> Result<NewSetting> {
    let settings = job.settings;
    known_bot(settings, wish.bot_id)?;
    let bot = settings.bot(wish.bot_id).ok_or_else(|| Error::bug("a known bot is not there"))?;
    if wish.category.trim().is_empty() {
        return Err(Error::usage("the category is blank").mend("name it as it stands in the events"));
    }
    let now = (job.clock)().timestamp_micros().div_euclid(MICROS_PER_SECOND) * MICROS_PER_SECOND;
    let (at, effective_at) = match wish.effective_at {
        None => (now, bot.zone.time(now)),
        Some(asked) => instant(bot, asked)?,
    };
    let place = bot.conversion_events.partition_point(|setting| setting.effective_at <= at);
    let mut new = NewSetting {
        bot_id: bot.id.clone(),
        category: wish.category.to_string(),
        effective_at,
        category_before: bot.category_at(at).map(str::to_string),
        first_day: bot.zone.local_day(at),
        until: bot.conversion_events.get(place).map(|next| bot.zone.time(next.effective_at)),
        events_seen: None,
        days_looked_at: None,
        changed: bot.category_at(at) != Some(wish.category),
        text: text.to_string(),
    };
    if !new.changed {
        return Ok(new);
    }
    if bot.conversion_events.iter().any(|setting| setting.effective_at == at) {
        return Err(Error::usage("another setting of the bot is effective at that very instant")
            .with("bot", &bot.id)
            .with("effective at", &new.effective_at)
            .mend("give another --effective-at"));
    }
    let survey = Survey::take(&job.places())?;
    let calendar = survey.calendar(settings);
    let landed =
        calendar.last().map(|last| Landed { day: last, start: settings.arrival_start(last), end: settings.landed_until(last) });
    refuse_the_past(bot, at, now, landed)?;
    if !wish.unseen {
        let (days, seen) = categories::events_by_category(job, &survey, &bot.id, wish.days)?;
        new.events_seen = Some(events_of(wish.category, bot, days, &seen)?);
        new.days_looked_at = Some(days.to_string());
    }
    new.text = with_setting(text, &bot.id, place, wish.category, &new.effective_at)?;
    let after = Settings::parse(file, &new.text, base)?;
    check(settings, &after, wish, at)?;
    survey.accepted.protect(&after, calendar.last())?;
    Ok(new)
}

/// An instant, and how the file says it.
fn instant(bot: &Bot, text: &str) -> Result<(i64, String)> {
    if let Ok(day) = text.parse::<Day>() {
        let start = bot.zone.start_of(day);
        return Ok((start, bot.zone.time(start)));
    }
    match DateTime::parse_from_rfc3339(text) {
        Ok(time) => Ok((time.timestamp_micros(), text.to_string())),
        Err(error) => Err(Error::usage(format!("--effective-at {text:?} is not a time with an offset"))
            .source(error)
            .mend("write it as 2026-08-11T00:00:00Z, or as 2026-08-11 for the start of that day in the bot's zone")),
    }
}

/// The last day that has landed, with the instants between which its rows lie.
#[derive(Clone, Copy)]
struct Landed {
    day: Day,
    start: i64,
    end: i64,
}

/// What has landed was counted. Of a day that lands while it is still going on only the rest is free.
fn refuse_the_past(bot: &Bot, at: i64, now: i64, landed: Option<Landed>) -> Result<()> {
    let Some(Landed { day: last, start, end: counted }) = landed else { return Ok(()) };
    let is_going_on = now >= start;
    let free_from = if is_going_on { counted.min(now) } else { counted };
    if at >= free_from {
        return Ok(());
    }
    let days = DayRange::new(bot.zone.local_day(at), last).map_or(last.to_string(), |days| days.to_string());
    Err(Error::usage("a setting cannot change the past")
        .with("bot", &bot.id)
        .with("effective at", bot.zone.time(at))
        .with("days it would change", days)
        .mend(format!("give --effective-at {} or later", bot.zone.time(free_from))))
}

/// How many events of the category were seen; an error that names the nearest ones where there is none.
fn events_of(category: &str, bot: &Bot, days: DayRange, seen: &BTreeMap<String, u64>) -> Result<u64> {
    if let Some(events) = seen.get(category) {
        return Ok(*events);
    }
    let error = Error::usage(format!("no event of category {category:?} in {days}")).with("bot", &bot.id);
    let alike: Vec<String> =
        seen.keys().filter(|known| folded(known) == folded(category)).map(|known| format!("{known:?}")).collect();
    if !alike.is_empty() {
        let alike = alike.join(" and ");
        return Err(error.mend(format!("there is {alike}: case, accents and blanks matter; write it so, or add --unseen")));
    }
    let likeness = |known: &str| strsim::jaro_winkler(&folded(known), &folded(category));
    let mut near: Vec<&String> = seen.keys().collect();
    near.sort_by(|a, b| likeness(b).total_cmp(&likeness(a)));
    let near: Vec<String> = near.into_iter().take(5).map(|known| format!("{known:?}")).collect();
    Err(error.mend(if near.is_empty() {
        "add --unseen if its events are still to come".to_string()
    } else {
        let is_near = nearest(seen.keys().map(String::as_str), category).is_some();
        let there = if is_near { "the nearest there are" } else { "there are" };
        format!("{there}: {}; add --unseen if its events are still to come", near.join(", "))
    }))
}

/// The file with the setting is the file, and the setting.
fn check(before: &Settings, after: &Settings, wish: &Wish<'_>, at: i64) -> Result<()> {
    let is_as_asked = before.bots.iter().zip(&after.bots).all(|(before, after)| {
        let is_new = |setting: &crate::config::ConversionSetting| setting.effective_at == at && setting.category == wish.category;
        let kept = after.conversion_events.iter().filter(|setting| after.id != wish.bot_id || !is_new(setting));
        before.id == after.id
            && kept.eq(&before.conversion_events)
            && (after.id != wish.bot_id || after.conversion_events.len() == before.conversion_events.len() + 1)
    });
    if is_as_asked && before.bots.len() == after.bots.len() {
        return Ok(());
    }
    Err(Error::bug("the pipeline file with the setting would say something else").mend("write the setting by hand"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bot(zone: &str) -> Bot {
        let text = format!("name = 'n'\n[lake]\nurl = 'lake'\n[[bots]]\nid = 'b'\ntimezone = '{zone}'\n");
        Settings::parse("test.toml", &text, Path::new("/")).unwrap().bots.remove(0)
    }

    fn micros(text: &str) -> i64 {
        DateTime::parse_from_rfc3339(text).unwrap().timestamp_micros()
    }

    #[test]
    fn what_has_landed_is_the_past() {
        let bot = bot("America/Sao_Paulo");
        let day: Day = "2026-03-04".parse().unwrap();
        let last = Some(Landed { day, start: day.start_utc(), end: day.next().start_utc() });
        let refused = |at: &str, now: &str| refuse_the_past(&bot, micros(at), micros(now), last).err().map(|e| e.to_string());
        let noon = "2026-03-05T12:00:00Z";
        assert_eq!(refused(noon, noon), None, "now");
        assert_eq!(refused("2026-03-05T00:00:00Z", noon), None, "what has not landed");
        let error = refused("2026-03-04T23:59:59Z", noon).unwrap();
        for text in ["2026-03-04T20:59:59-03:00", "days it would change 2026-03-04", "--effective-at 2026-03-04T21:00:00-03:00"] {
            assert!(error.contains(text), "{error}");
        }
        let early = "2026-03-04T15:00:00Z";
        assert_eq!(refused(early, early), None, "the rest of a day that lands while it goes on");
        assert!(refused("2026-03-04T14:59:59Z", early).is_some());
        let before = "2026-03-01T00:00:00Z";
        assert!(refused(before, before).is_some(), "days that are ahead of the clock have landed all the same");
    }

    #[test]
    fn a_day_is_its_start_in_the_zone_of_the_bot() {
        let bot = bot("America/Sao_Paulo");
        assert_eq!(instant(&bot, "2026-03-04").unwrap(), (micros("2026-03-04T03:00:00Z"), "2026-03-04T00:00:00-03:00".into()));
        assert!(instant(&bot, "2026-03-04T00:00:00").unwrap_err().to_string().contains("is not a time with an offset"));
    }

    #[test]
    fn a_category_that_differs_in_what_people_overlook_is_named() {
        let seen = BTreeMap::from([("Doação".to_string(), 3), ("doar".to_string(), 1), ("visit".to_string(), 9)]);
        let days = DayRange { first: Day(0), last: Day(1) };
        let events = |category: &str| events_of(category, &bot("UTC"), days, &seen).map_err(|error| error.to_string());
        assert_eq!(events("Doação"), Ok(3));
        for category in ["doacao", "DOAÇÃO", " Doação", "Doac\u{327}a\u{303}o"] {
            let error = events(category).unwrap_err();
            assert!(error.contains("there is \"Doação\": case, accents"), "{error}");
        }
        let error = events("doacoes").unwrap_err();
        assert!(error.contains("the nearest there are: \"Doação\", \"doar\", \"visit\""), "{error}");
        let far = events("zzz").unwrap_err();
        assert!(far.contains("; there are: ") && !far.contains("nearest"), "{far}");
    }
}
