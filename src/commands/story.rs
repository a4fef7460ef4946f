//! Story: what became of each touch and each event, as sentences that a person can read out. Pure.
//!
//! In: the rows as the engine settled them, with the copies it dropped, and the sessions it found; events that are no conversion
//! events, as they were tracked. Out: [`Fact`]s, each with its verdict, the numbers of the rules behind it, and a sentence. No
//! verdict is found here: a copy is what was dropped as one, a conversion what a session has.
//!
//! Times are local times of the bot, with their offset. Texts from outside cannot steer a terminal.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use crate::base::day::MICROS_PER_SECOND;
use crate::base::limits::COPY_WINDOW;
use crate::commands::sessions::shortened;
use crate::config::{Bot, Horizon, Settings};
use crate::engine::rows::{EventRow, Rows, Session, SessionEnd, SettledRows, TouchRow};
use crate::extract::identity::Identities;
use crate::extract::tracked::TrackedEvent;
use crate::report::style::visible;

/// The rule by which ids are resolved.
const RULE_OF_IDENTITY: u8 = 16;

/// One thing that happened or is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Fact {
    pub verdict: &'static str,
    pub rules: Vec<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contact_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ad_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    pub text: String,
    /// Whether its contact came under another id, which the sentence says, and the rule with it.
    #[serde(skip)]
    pub is_resolved: bool,
    /// For the order of a timeline: touches go before events of their instant (rule 5).
    #[serde(skip)]
    pub order: (i64, u8),
}

impl Fact {
    /// A fact about the day or the figures.
    pub(crate) fn plain(verdict: &'static str, rules: &[u8], text: String) -> Fact {
        Fact { verdict, rules: rules.to_vec(), text, ..Fact::default() }
    }

    /// The numbers of all rules that the sentence cites.
    pub(crate) fn cited(&self) -> impl Iterator<Item = u8> + '_ {
        self.rules.iter().copied().chain(self.is_resolved.then_some(RULE_OF_IDENTITY))
    }

    /// The sentence, with the rules behind it.
    pub(crate) fn sentence(&self) -> String {
        let numbers: Vec<String> = self.rules.iter().map(u8::to_string).collect();
        match numbers.as_slice() {
            [] => self.text.clone(),
            [only] => format!("{} (rule {only})", self.text),
            _ => format!("{} (rules {})", self.text, numbers.join(", ")),
        }
    }
}

/// What is told of, and by which settings.
#[derive(Clone, Copy)]
pub(crate) struct Scene<'a> {
    pub settings: &'a Settings,
    pub identities: &'a Identities,
    /// The rows that count.
    pub rows: &'a dyn SettledRows,
    /// The copies of them that were dropped.
    pub copies: &'a dyn Rows,
    /// By time and message: all of each contact that is told of.
    pub sessions: &'a [Session],
    pub full_contacts: bool,
}

pub(crate) struct Teller<'a> {
    pub scene: Scene<'a>,
    of_contact: HashMap<(u32, &'a str), Vec<usize>>,
    of_event: HashMap<u32, usize>,
}

impl<'a> Teller<'a> {
    pub(crate) fn new(scene: Scene<'a>) -> Teller<'a> {
        let mut of_contact: HashMap<(u32, &str), Vec<usize>> = HashMap::new();
        let mut of_event = HashMap::new();
        for (i, session) in scene.sessions.iter().enumerate() {
            let touch = scene.rows.touch(session.touch);
            let contact = scene.identities.resolve(touch.bot as usize, touch.contact);
            of_contact.entry((touch.bot, contact)).or_default().push(i);
            if let SessionEnd::Converted { event, .. } = session.end {
                of_event.insert(event, i);
            }
        }
        Teller { scene, of_contact, of_event }
    }

    fn bot(&self, bot: u32) -> &'a Bot {
        &self.scene.settings.bots[bot as usize]
    }

    pub(crate) fn touch(&self, session: &Session) -> TouchRow<'a> {
        self.scene.rows.touch(session.touch)
    }

    fn at(&self, bot: u32, instant: i64) -> String {
        self.bot(bot).zone.time(instant)
    }

    fn shown_at(&self, bot: u32, instant: i64) -> String {
        self.at(bot, instant).replacen('T', " ", 1)
    }

    pub(crate) fn contact(&self, bot: u32, as_it_came: &'a str) -> &'a str {
        self.scene.identities.resolve(bot as usize, as_it_came)
    }

    fn is_resolved(&self, bot: u32, as_it_came: &'a str) -> bool {
        self.contact(bot, as_it_came) != as_it_came
    }

    fn shown_contact(&self, contact: &str) -> String {
        if self.scene.full_contacts { contact.to_string() } else { shortened(contact) }
    }

    fn person(&self, bot: u32, as_it_came: &'a str) -> String {
        let contact = self.contact(bot, as_it_came);
        let shown = visible(&self.shown_contact(contact));
        if contact == as_it_came {
            shown
        } else {
            format!("{shown} (as {}, rule {RULE_OF_IDENTITY})", visible(&self.shown_contact(as_it_came)))
        }
    }

    fn ad(&self, touch: &TouchRow<'_>) -> String {
        match (touch.ad, touch.title) {
            (Some(ad), Some(title)) => format!("ad {} \"{}\"", visible(ad), visible(title)),
            (Some(ad), None) => format!("ad {}", visible(ad)),
            (None, _) => "an ad that the message does not name".to_string(),
        }
    }

    fn of_touch(&self, touch: &TouchRow<'a>, verdict: &'static str, rules: Vec<u8>, text: String) -> Fact {
        Fact {
            verdict,
            rules,
            at: Some(self.at(touch.bot, touch.sent_at)),
            contact_id: Some(self.shown_contact(self.contact(touch.bot, touch.contact))),
            ad_id: touch.ad.map(str::to_string),
            is_resolved: self.is_resolved(touch.bot, touch.contact),
            text,
            order: (touch.sent_at, 0),
            ..Fact::default()
        }
    }

    /// A conversation and its end.
    pub(crate) fn conversation(&self, session: &Session) -> Fact {
        let touch = self.touch(session);
        let who = self.person(touch.bot, touch.contact);
        let has_ad = touch.ad.is_some();
        let counts = if has_ad { "one conversation" } else { "an unattributed touch: it opens a session of no ad" };
        let mut rules = vec![if has_ad { 1 } else { 2 }];
        let end = match session.end {
            SessionEnd::Converted { event, .. } => {
                let event = self.scene.rows.event(event);
                rules.push(3);
                format!(
                    "It converted with {} at {}, {} later",
                    event_name(&event),
                    self.shown_at(touch.bot, event.occurred_at),
                    elapsed(event.occurred_at - touch.sent_at)
                )
            }
            SessionEnd::Superseded { by } => {
                let next = self.scene.rows.touch(by);
                rules.push(3);
                format!("It was superseded by a click on {} at {}", self.ad(&next), self.shown_at(touch.bot, next.sent_at))
            }
            SessionEnd::Expired => {
                rules.push(4);
                format!(
                    "It expired at {}, after {} days without a conversion event",
                    self.shown_at(touch.bot, touch.sent_at + self.scene.settings.horizon.micros()),
                    self.scene.settings.horizon.days
                )
            }
            SessionEnd::Open => "It is still open: nothing has closed it by what has landed so far".to_string(),
        };
        let text = format!("At {} {who} clicked {}: {counts}. {end}", self.shown_at(touch.bot, touch.sent_at), self.ad(&touch));
        self.of_touch(&touch, if has_ad { "conversation" } else { "unattributed touch" }, rules, text)
    }

    /// A delivery that was dropped as a copy, by its number among them.
    pub(crate) fn copy(&self, number: u32) -> Fact {
        let touch = self.scene.copies.touch(number);
        let is_same = |other: &TouchRow<'_>| {
            let is_near = (other.sent_at - touch.sent_at).abs() <= COPY_WINDOW;
            is_near && other.bot == touch.bot && other.message == touch.message
        };
        let other_copies = (0..self.scene.copies.touches()).filter(|other| *other != number);
        let counted = (0..self.scene.rows.touches()).map(|other| self.scene.rows.touch(other));
        let others = counted.chain(other_copies.map(|other| self.scene.copies.touch(other))).filter(is_same);
        // The one that stayed, where there is one this near.
        let stayed = others.max_by_key(|other| (other.ad.is_some(), other.sent_at <= touch.sent_at));
        let beside = stayed.map_or(String::new(), |stayed| {
            let named = if touch.ad.is_none() && stayed.ad.is_some() { ", with its ad id," } else { "" };
            format!("; it was delivered{named} at {} too", self.shown_at(touch.bot, stayed.sent_at))
        });
        let text = format!(
            "At {} a message of {}, a click on {}, was delivered again{beside}: a copy, which does not count",
            self.shown_at(touch.bot, touch.sent_at),
            self.person(touch.bot, touch.contact),
            self.ad(&touch)
        );
        self.of_touch(&touch, "copy", vec![if touch.ad.is_some() { 1 } else { 2 }], text)
    }

    fn of_event(&self, event: &EventRow<'a>, verdict: &'static str, rules: Vec<u8>, text: String) -> Fact {
        Fact {
            verdict,
            rules,
            at: Some(self.at(event.bot, event.occurred_at)),
            contact_id: event.contact.map(|contact| self.shown_contact(self.contact(event.bot, contact))),
            is_resolved: event.contact.is_some_and(|contact| self.is_resolved(event.bot, contact)),
            event_id: event.event.map(str::to_string),
            category: Some(event.category.to_string()),
            text,
            order: (event.occurred_at, 1),
            ..Fact::default()
        }
    }

    /// The session that a conversion event closed.
    pub(crate) fn converted_by(&self, event: u32) -> Option<&'a Session> {
        self.of_event.get(&event).map(|i| &self.scene.sessions[*i])
    }

    /// The contact's latest session at an instant, by rule 5.
    fn latest_session(&self, bot: u32, contact: &str, instant: i64) -> Option<&'a Session> {
        let opened = self.of_contact.get(&(bot, contact))?;
        opened.iter().rev().map(|i| &self.scene.sessions[*i]).find(|session| self.touch(session).sent_at <= instant)
    }

    /// A conversion event that counts, and what it did.
    pub(crate) fn event(&self, number: u32) -> Fact {
        let event = self.scene.rows.event(number);
        let (at, what) = (self.shown_at(event.bot, event.occurred_at), event_name(&event));
        let Some(as_it_came) = event.contact else {
            let text = format!("At {at} {what} came without a contact: it is counted, and can be credited to nobody");
            return self.of_event(&event, "no contact", vec![18], text);
        };
        let head = format!("At {at} {} had {what}", self.person(event.bot, as_it_came));
        if let Some(session) = self.converted_by(number) {
            let touch = self.touch(session);
            let text = format!(
                "{head}: one conversion of {}, for the conversation of {}, {} after the click. It counts on its own day",
                self.ad(&touch),
                self.shown_at(touch.bot, touch.sent_at),
                elapsed(event.occurred_at - touch.sent_at)
            );
            let fact = self.of_event(&event, "conversion", vec![3, 9], text);
            return Fact { ad_id: touch.ad.map(str::to_string), ..fact };
        }
        let latest = self.latest_session(event.bot, self.contact(event.bot, as_it_came), event.occurred_at);
        let (verdict, rule, why) = self.why_nothing(&event, latest);
        self.of_event(&event, verdict, vec![rule], format!("{head}; {why}"))
    }

    /// Why an event converts nothing, by the contact's latest session.
    fn why_nothing(&self, event: &EventRow<'_>, latest: Option<&Session>) -> (&'static str, u8, String) {
        let Horizon { days } = self.scene.settings.horizon;
        match latest.map(|session| (self.touch(session), session.end)) {
            None => {
                let why = format!("it counts for no ad: the contact had clicked none in the {days} days before");
                ("organic", 3, why)
            }
            Some((touch, SessionEnd::Converted { event: first, .. })) => {
                let first = self.scene.rows.event(first);
                let why = format!(
                    "it counts nothing: the conversation of {} had converted already, with {} at {}",
                    self.shown_at(touch.bot, touch.sent_at),
                    event_name(&first),
                    self.shown_at(touch.bot, first.occurred_at)
                );
                ("already converted", 6, why)
            }
            Some((touch, _)) => {
                let why = format!(
                    "it counts nothing: the conversation of {} had ended {} before, after {days} days",
                    self.shown_at(touch.bot, touch.sent_at),
                    elapsed(event.occurred_at - touch.sent_at - self.scene.settings.horizon.micros()),
                );
                ("too late", 4, why)
            }
        }
    }

    /// A conversion event that was dropped as a copy, by its number among them.
    pub(crate) fn event_copy(&self, number: u32) -> Fact {
        let event = self.scene.copies.event(number);
        let key = |of: &EventRow<'a>| (of.bot, of.event, of.category);
        let is_before = |other: &EventRow<'a>| {
            let before = event.occurred_at - other.occurred_at;
            key(other) == key(&event) && (0..=COPY_WINDOW).contains(&before)
        };
        let other_copies = (0..self.scene.copies.events()).filter(|other| *other != number);
        let counted = (0..self.scene.rows.events()).map(|other| self.scene.rows.event(other));
        let before = counted.chain(other_copies.map(|other| self.scene.copies.event(other))).filter(is_before);
        let beside = before
            .min_by_key(|other| other.occurred_at)
            .map_or(String::new(), |other| format!(" at {}", self.shown_at(event.bot, other.occurred_at)));
        let who = event.contact.map_or("nobody known".to_string(), |contact| self.person(event.bot, contact));
        let text = format!(
            "At {} {} of {who} was tracked again; the first was{beside}: a copy, which does not count",
            self.shown_at(event.bot, event.occurred_at),
            event_name(&event)
        );
        self.of_event(&event, "copy", vec![7], text)
    }

    /// An event that is no conversion event; none where its category was in effect, so that others tell of it.
    pub(crate) fn not_in_effect(&self, event: &'a TrackedEvent) -> Option<Fact> {
        let (bot_at, bot) = (event.bot as u32, &self.scene.settings.bots[event.bot]);
        let in_effect = bot.category_at(event.occurred_at);
        if in_effect.is_some() && in_effect == event.category.as_deref() {
            return None;
        }
        let setting = bot.conversion_events.iter().rfind(|setting| setting.effective_at <= event.occurred_at);
        let (why, rules) = match (setting, bot.conversion_events.first()) {
            (Some(setting), _) => {
                let since = self.shown_at(bot_at, setting.effective_at);
                (format!("the conversion event was \"{}\", since {since}", visible(&setting.category)), vec![7, 8])
            }
            (None, Some(first)) => {
                let since = self.shown_at(bot_at, first.effective_at);
                (format!("no conversion event was set yet, the first is \"{}\", from {since}", visible(&first.category)), vec![8])
            }
            (None, None) => ("no conversion event is set for the bot".to_string(), vec![8]),
        };
        let what = named(event.category.as_deref().unwrap_or("without a category"), event.event.as_deref());
        let text = format!(
            "At {} {} had {what}; it neither counts nor closes anything: {why}",
            self.shown_at(bot_at, event.occurred_at),
            self.person(bot_at, &event.contact)
        );
        Some(Fact {
            verdict: "not in effect",
            rules,
            at: Some(self.at(bot_at, event.occurred_at)),
            contact_id: Some(self.shown_contact(self.contact(bot_at, &event.contact))),
            is_resolved: self.is_resolved(bot_at, &event.contact),
            event_id: event.event.clone(),
            category: event.category.clone(),
            text,
            order: (event.occurred_at, 1),
            ..Fact::default()
        })
    }
}

fn event_name(event: &EventRow<'_>) -> String {
    named(event.category, event.event)
}

fn named(category: &str, event: Option<&str>) -> String {
    match event {
        Some(event) => format!("the event \"{}\" ({})", visible(category), visible(event)),
        None => format!("the event \"{}\"", visible(category)),
    }
}

/// The two largest units: `2 days 3 hours`.
pub(crate) fn elapsed(micros: i64) -> String {
    let seconds = micros.div_euclid(MICROS_PER_SECOND);
    if seconds == 0 {
        return if micros == 0 { "0 seconds" } else { "less than a second" }.to_string();
    }
    let units =
        [("day", seconds / 86_400), ("hour", seconds / 3_600 % 24), ("minute", seconds / 60 % 60), ("second", seconds % 60)];
    let first = units.iter().position(|(_, n)| *n > 0).unwrap_or(0);
    let said = units[first..].iter().take(2).filter(|(_, n)| *n > 0);
    said.map(|(unit, n)| format!("{n} {unit}{}", if *n == 1 { "" } else { "s" })).collect::<Vec<_>>().join(" ")
}

/// The published row of an ad's day, column by column, as the table has it.
pub(crate) type PublishedRow = BTreeMap<String, Option<String>>;

/// Where a row's spend comes from (rule 14). `has_source` tells whether insights are read at all, `meta` the account of Meta's own
/// row of the ad's day, `is_whole` whether the account's day is; `bearers` are the day's other rows of the ad, those with spend.
pub(crate) fn spend(
    row: &PublishedRow,
    has_source: bool,
    meta: Option<&str>,
    is_whole: bool,
    bearers: &[Option<String>],
) -> Fact {
    let cell = |name: &str| row.get(name).and_then(Option::as_deref);
    let account = cell("account_id");
    let fact = |verdict, text: String| Fact::plain(verdict, &[14], text);
    match (cell("spend"), account) {
        (Some(spend), Some(account)) if meta.is_some() => {
            let currency = cell("currency").unwrap_or_default();
            fact("spend of Meta", format!("Spend is {spend} {currency}, as Meta reported it for account {account} and this day"))
        }
        (Some(spend), account) => fact(
            "spend is zero",
            format!(
                "Spend is {spend}: Meta reported this day of account {} and no row of this ad, so nothing was spent",
                account.unwrap_or("?")
            ),
        ),
        (None, _) if !has_source => {
            fact("spend unknown", "Spend is not known: the pipeline has no source of insights".to_string())
        }
        (None, None) => fact(
            "spend unknown",
            "Spend is not known: no account that a bot lists is known to have this ad. It is a post, an ad of a foreign account, or \
             Meta's rows of it have not landed"
                .to_string(),
        ),
        (None, Some(account)) => match bearers.first() {
            Some(bearer) => {
                let bearer = bearer.as_deref().map_or("the row without a bot".to_string(), |bot| format!("the row of bot {bot}"));
                fact("spend on another row", format!("Spend is not on this row: several bots share the ad, and it stands on {bearer}"))
            }
            None if is_whole => fact(
                "spend on another row",
                format!("Spend is not on this row: account {account} is another bot's, or another bot was clicked first"),
            ),
            None => {
                fact("spend unknown", format!("Spend is not known: Meta's figures of account {account} for this day have not landed, or are refused"))
            }
        },
    }
}
