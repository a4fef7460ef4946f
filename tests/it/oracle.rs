//! The oracle: what the rules make of a [`World`], in plain loops.
//!
//! Written from the rules (docs/rules.md) alone, for the eye and not for speed: every question is asked of all rows, every time. Goes
//! in: the world as it landed. Comes out: the rows of the four tables by date, and the sessions they are counted from.
//! The pipeline is judged by it, so nothing here may be taken from the pipeline. Numbers in comments are rules.
//!
//! Not modelled: a partition refused for its share of rejected rows (rule 18); worlds set that share to 1.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use chrono::{DateTime, Days, NaiveDate, TimeDelta, TimeZone as _};
use chrono_tz::Tz;

use crate::rows::{Ad, AdConversion, AdDay, BotDay, Published};
use crate::world::{Bot, Event, Identity, Insight, METADATA_KEYS, Message, World};

const DAY_US: i64 = 86_400_000_000;
/// Copies are looked for this far (1, 2, 7).
const COPIES_US: i64 = 7 * DAY_US;
/// A day needs this many days before it: horizon and copies (19, 21).
const REACH_BACK_DAYS: u64 = 97;
/// Meta restates a day for this long.
const RESTATE_DAYS: i64 = 28;

/// Everything the rules say about a world.
#[derive(Clone, Debug)]
pub struct Tables {
    pub published: Published,
    /// Every session of every landed touch, also on days that are not built, by bot, contact and time.
    pub sessions: Vec<Session>,
    /// Conversion events that met no open session: (bot, contact, at).
    pub organic: Vec<(String, String, i64)>,
}

/// One touch and what became of it (11).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    pub bot_id: String,
    pub contact_id: String,
    pub message_id: String,
    pub opened_at: i64,
    /// None: an unattributed touch (2).
    pub ad_id: Option<String>,
    pub state: State,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    Converted { at: i64, category: String },
    Superseded { at: i64 },
    Expired { at: i64 },
    Open,
}

/// Why a world has no tables: its input is wrong, or the rules do not say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    UnknownZone(String),
    InsightTwice {
        account_id: String,
        ad_id: String,
        date: NaiveDate,
    },
    AccountHasTwoCurrencies(String),
    /// Meta's ad ids are unique, so an ad has one account; the rules do not say what two would mean.
    AdInTwoListedAccounts(String),
}

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{self:?}")
    }
}

/// A message that could be a touch and breaks nothing: a touch (with ad id) or an unattributed touch.
#[derive(Clone, Debug)]
struct Touch {
    /// Of a test contact (25).
    is_test: bool,
    bot_id: String,
    message_id: String,
    contact_as_it_came: String,
    contact_id: String,
    at: i64,
    ad_id: Option<String>,
    ad_title: Option<String>,
    ad_type: Option<String>,
}

/// An event of the category in effect at its instant.
#[derive(Clone, Debug)]
struct ConversionEvent {
    is_test: bool,
    bot_id: String,
    contact_as_it_came: Option<String>,
    contact_id: Option<String>,
    category: String,
    event_id: Option<String>,
    at: i64,
}

/// A row that could have counted and breaks the contract (18): only its bot and its partition matter.
struct Rejected {
    bot_id: String,
    partition: NaiveDate,
}

pub fn tables(world: &World) -> Result<Tables, Refusal> {
    let zones = zones(world)?;
    let contacts = Contacts::new(world);
    let world = &readable_insights(world);
    check_insights(world)?;

    let mut rejected = Vec::new();
    let mut landed_touches = touches(world, &contacts, &mut rejected);
    let mut landed_events = conversion_events(world, &contacts, &mut rejected);
    // Usable rows are usable whoever sent them.
    let days = built_days(world, &zones, &landed_touches, &landed_events);
    landed_touches.retain(|touch| !touch.is_test);
    landed_events.retain(|event| !event.is_test);

    let (dropped, kept): (Vec<_>, Vec<_>) =
        (0..landed_touches.len()).partition(|&index| is_dropped_touch(&landed_touches, index));
    let duplicates: Vec<&Touch> = dropped.iter().map(|&index| &landed_touches[index]).collect();
    let touches: Vec<&Touch> = kept.iter().map(|&index| &landed_touches[index]).collect();
    let events: Vec<&ConversionEvent> = (0..landed_events.len())
        .filter(|&index| !is_dropped_event(&landed_events, index))
        .map(|index| &landed_events[index])
        .collect();

    let (sessions, organic) = sessions(world, &touches, &events);
    let money = Money { world, touches: &touches };

    let mut published = Published { ads: ads(world, &touches, &money), ..Published::default() };
    for &date in &days {
        let view = DayView { world, zones: &zones, date, sessions: &sessions, money: &money };
        published.ad_days.insert(date, view.ad_days());
        published.ad_conversions.insert(date, view.ad_conversions());
        published.bot_days.insert(date, view.bot_days(&touches, &duplicates, &events, &organic, &rejected));
    }
    Ok(Tables { published, sessions, organic })
}

// ---------------------------------------------------------------------------------------------------------------- time

fn zones(world: &World) -> Result<BTreeMap<String, Tz>, Refusal> {
    world
        .bots
        .iter()
        .map(|bot| match bot.timezone.parse::<Tz>() {
            Ok(zone) => Ok((bot.id.clone(), zone)),
            Err(_) => Err(Refusal::UnknownZone(bot.timezone.clone())),
        })
        .collect()
}

pub fn utc_date(at: i64) -> NaiveDate {
    local_date(Tz::UTC, at)
}

/// The calendar day of an instant in a zone.
pub fn local_date(zone: Tz, at: i64) -> NaiveDate {
    let utc = DateTime::from_timestamp_micros(at).expect("an instant that was not rejected is a date");
    utc.with_timezone(&zone).date_naive()
}

/// The first instant of a local day. Where the clocks jump over midnight, the day begins where they land.
pub fn day_start(zone: Tz, date: NaiveDate) -> i64 {
    let midnight = date.and_hms_opt(0, 0, 0).expect("midnight is a time");
    (0..=24 * 60)
        .find_map(|minutes| zone.from_local_datetime(&(midnight + TimeDelta::minutes(minutes))).earliest())
        .expect("no zone jumps over a whole day here")
        .timestamp_micros()
}

fn day_after(date: NaiveDate) -> NaiveDate {
    date + Days::new(1)
}

/// A table whose partitions are days of arrival.
#[derive(Clone, Copy)]
pub enum Arriving {
    Messages,
    Events,
}

const ARRIVING: [Arriving; 2] = [Arriving::Messages, Arriving::Events];

impl Arriving {
    fn days(self, world: &World) -> &Vec<NaiveDate> {
        match self {
            Arriving::Messages => &world.message_days,
            Arriving::Events => &world.event_days,
        }
    }

    fn unreadable(self, world: &World) -> &Vec<NaiveDate> {
        &world.unreadable[self as usize]
    }

    /// Whether rows of a partition count: it has landed, or what it said when it was read once goes on counting (19).
    fn counts(self, world: &World, partition: NaiveDate) -> bool {
        self.days(world).contains(&partition) || self.unreadable(world).contains(&partition)
    }

    /// The day of arrival that holds an instant.
    fn date(self, world: &World, at: i64) -> NaiveDate {
        let Some(zone) = &world.partition_zones[self as usize] else { return utc_date(at) };
        if let Ok(named) = zone.parse::<Tz>() {
            return local_date(named, at);
        }
        let offset: chrono::FixedOffset = zone.parse().expect("an offset or a zone");
        let utc = DateTime::from_timestamp_micros(at).expect("an instant that was not rejected is a date");
        utc.with_timezone(&offset).date_naive()
    }

    /// The first instant of a day of arrival.
    fn start(self, world: &World, day: NaiveDate) -> i64 {
        let Some(zone) = &world.partition_zones[self as usize] else { return day_start(Tz::UTC, day) };
        if let Ok(named) = zone.parse::<Tz>() {
            return day_start(named, day);
        }
        let offset: chrono::FixedOffset = zone.parse().expect("an offset or a zone");
        day_start(Tz::UTC, day) - i64::from(offset.local_minus_utc()) * 1_000_000
    }

    /// The days of arrival that a local day overlaps, oldest first.
    fn days_of(self, world: &World, zone: Tz, date: NaiveDate) -> Vec<NaiveDate> {
        let first = self.date(world, day_start(zone, date));
        let last = self.date(world, day_start(zone, day_after(date)) - 1);
        first.iter_days().take_while(|day| *day <= last).collect()
    }
}

// ------------------------------------------------------------------------------------------------------------ identity

/// Empty after trimming is absent; anything else is kept as it came (18).
fn present(value: &Option<String>) -> Option<String> {
    value.clone().filter(|text| !text.trim().is_empty())
}

/// What a cell holds (18).
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    Nothing,
    Holds(String),
    /// Something that the contract does not allow there.
    Unreadable,
}

impl Cell {
    fn is_there(&self) -> bool {
        *self != Cell::Nothing
    }

    pub fn text(&self) -> Option<String> {
        match self {
            Cell::Holds(text) => Some(text.clone()),
            Cell::Nothing | Cell::Unreadable => None,
        }
    }

    /// The first of two that is not blank.
    fn or(self, other: Cell) -> Cell {
        if self.is_there() { self } else { other }
    }
}

const WORDS_FOR_NOTHING: [&str; 9] = ["nan", "NaN", "None", "NULL", "null", "\\N", "<NA>", "N/A", "undefined"];

/// A cell of any text. Words of the input that mean nothing are nothing.
pub fn text_cell(null_words: &[String], value: &Option<String>) -> Cell {
    match present(value) {
        Some(text) if !null_words.iter().any(|word| word == text.trim()) => Cell::Holds(text),
        _ => Cell::Nothing,
    }
}

/// A cell that should hold an id: trimmed at both ends.
pub fn id_cell(null_words: &[String], value: &Option<String>) -> Cell {
    let Cell::Holds(text) = text_cell(null_words, value) else { return Cell::Nothing };
    let id = text.trim();
    let is_float = id.chars().all(|letter| letter.is_ascii_digit() || ".eE+-".contains(letter))
        && id.contains(['.', 'e', 'E'])
        && id.parse::<f64>().is_ok();
    let is_object = id.starts_with('{') && id.ends_with('}') && id.contains(':');
    let is_list = id.starts_with('[') && id.ends_with(']');
    if is_float || is_object || is_list || WORDS_FOR_NOTHING.contains(&id) {
        return Cell::Unreadable;
    }
    Cell::Holds(id.to_owned())
}

/// What a JSON text has under the key of a column, as a text of its own: numbers by their digits.
fn json_cell(null_words: &[String], metadata: &Option<String>, column: &str) -> Cell {
    let Cell::Holds(text) = text_cell(null_words, metadata) else { return Cell::Nothing };
    if text.trim() == "null" {
        return Cell::Nothing;
    }
    let (_, key) = METADATA_KEYS.iter().find(|(of, _)| *of == column).expect("a column of the metadata");
    let object: Result<BTreeMap<String, Box<serde_json::value::RawValue>>, _> = serde_json::from_str(&text);
    let Ok(object) = object else { return Cell::Unreadable };
    let Some(value) = object.get(*key).map(|value| value.get()) else { return Cell::Nothing };
    let is_id = column.ends_with("id");
    let text = match value.chars().next() {
        Some('"') => serde_json::from_str(value).expect("a JSON text"),
        Some('n') => return Cell::Nothing,
        Some('t' | 'f' | '{' | '[') if is_id => return Cell::Unreadable,
        _ => value.to_owned(),
    };
    if is_id { id_cell(null_words, &Some(text)) } else { text_cell(null_words, &Some(text)) }
}

/// The named bot that a row's bot id counts for (16); none where the pipeline does not name it.
fn named_bot<'a>(world: &'a World, bot_id: &str) -> Option<&'a Bot> {
    world.bots.iter().find(|bot| bot.id == bot_id || bot.members.iter().any(|member| member == bot_id))
}

/// The id of a contact in the forms of the pipeline (16), one after the other.
fn formed(world: &World, id: &str) -> String {
    let mut id = id.to_owned();
    for form in ["node", "device", "digits", "br-ninth-digit", "mx-mobile-1", "ar-mobile-9"] {
        if world.forms.iter().any(|named| named == form) {
            id = in_form(form, &id);
        }
    }
    id
}

fn in_form(form: &str, id: &str) -> String {
    let at = id.chars().position(|letter| letter == '@').unwrap_or(id.chars().count());
    let name: Vec<char> = id.chars().take(at).collect();
    let domain: String = id.chars().skip(at).collect();
    let is_number = |letters: &[char]| !letters.is_empty() && letters.iter().all(char::is_ascii_digit);
    let begins = |digits: &str| name.iter().collect::<String>().starts_with(digits);
    let without = |place: usize| {
        let kept: String = name.iter().enumerate().filter(|(index, _)| *index != place).map(|(_, letter)| letter).collect();
        kept + &domain
    };
    match form {
        "node" => {
            let kept: String = id.chars().take_while(|letter| *letter != '/').collect();
            // An id of which nothing is left stays.
            if kept.trim().is_empty() { id.to_owned() } else { kept }
        }
        "device" => match name.iter().rposition(|letter| *letter == ':') {
            Some(colon) if colon > 0 && is_number(&name[colon + 1..]) && !domain.is_empty() => {
                name[..colon].iter().collect::<String>() + &domain
            }
            _ => id.to_owned(),
        },
        "digits" => {
            let rest: Vec<char> =
                name.iter().copied().filter(|letter| !letter.is_whitespace() && !"+-()".contains(*letter)).collect();
            if is_number(&rest) { rest.iter().collect::<String>() + &domain } else { id.to_owned() }
        }
        "br-ninth-digit" if name.len() == 13 && is_number(&name) && begins("55") && name[4] == '9' && name[5] >= '6' => {
            without(4)
        }
        "mx-mobile-1" if name.len() == 13 && is_number(&name) && begins("521") => without(2),
        "ar-mobile-9" if name.len() == 13 && is_number(&name) && begins("549") => without(2),
        _ => id.to_owned(),
    }
}

/// The contact that an id of a bot stands for (16).
pub fn contact_of(world: &World, bot_id: &str, id: &str) -> String {
    Contacts::new(world).resolve(bot_id, id)
}

/// The alias table: all that each alias is said to stand for, by (bot or none for all bots, alias).
struct Contacts<'a> {
    world: &'a World,
    targets: BTreeMap<(Option<String>, String), BTreeSet<String>>,
}

impl<'a> Contacts<'a> {
    fn new(world: &'a World) -> Self {
        let mut targets: BTreeMap<(Option<String>, String), BTreeSet<String>> = BTreeMap::new();
        for Identity { bot_id, alias, contact_id } in &world.identities {
            // What is no id stands for nobody.
            let cells = [bot_id.clone(), Some(alias.clone()), Some(contact_id.clone())];
            if cells.iter().any(|cell| id_cell(&[], cell) == Cell::Unreadable) {
                continue;
            }
            let bot_id = match present(bot_id) {
                None => None,
                Some(bot_id) => match named_bot(world, bot_id.trim()) {
                    Some(bot) => Some(bot.id.clone()),
                    None => continue,
                },
            };
            let (alias, contact_id) = (alias.trim(), contact_id.trim());
            targets.entry((bot_id, formed(world, alias))).or_default().insert(formed(world, contact_id));
        }
        Self { world, targets }
    }

    /// What an alias of a bot stands for: the bot's own row beats the row for all bots, and two targets are none.
    fn next(&self, bot_id: &str, alias: &str) -> Option<&String> {
        let own = self.targets.get(&(Some(bot_id.to_owned()), alias.to_owned()));
        let targets = own.or_else(|| self.targets.get(&(None, alias.to_owned())))?;
        targets.first().filter(|target| targets.len() == 1 && *target != alias)
    }

    /// Whether who follows an alias comes back to it.
    fn is_in_loop(&self, bot_id: &str, alias: &str) -> bool {
        let mut at = alias;
        for _ in 0..=self.targets.len() {
            match self.next(bot_id, at) {
                Some(next) if next == alias => return true,
                Some(next) => at = next,
                None => return false,
            }
        }
        false
    }

    /// Follows aliases to their end.
    fn resolve(&self, bot_id: &str, contact_id: &str) -> String {
        let mut at = formed(self.world, contact_id);
        while let Some(next) = self.next(bot_id, &at) {
            if self.is_in_loop(bot_id, &at) {
                break;
            }
            at = next.clone();
        }
        at
    }

    /// Whether a row counts nowhere (25): ids are compared in the forms that the pipeline names (16).
    fn is_test(&self, bot: &Bot, contact_id: &str) -> bool {
        let (came, resolved) = (formed(self.world, contact_id), self.resolve(&bot.id, contact_id));
        bot.test_contacts.iter().any(|test| {
            let named = formed(self.world, test);
            test == contact_id || *test == resolved || named == came || named == resolved
        })
    }
}

// ---------------------------------------------------------------------------------------------------- what could count

/// More than 400 days before its partition's date, or more than 2 days after it.
pub fn is_absurd(world: &World, table: Arriving, at: i64, partition: NaiveDate) -> bool {
    // Far beyond any calendar: no date to compare.
    if DateTime::from_timestamp_micros(at).is_none() {
        return true;
    }
    let days_after = (table.date(world, at) - partition).num_days();
    !(-400..=2).contains(&days_after)
}

/// A type is `ad` or `post`, whatever the case of its letters; another word is no type (2, 12).
fn type_of_ad(value: &Cell) -> Option<String> {
    value.text().map(|word| word.to_ascii_lowercase()).filter(|word| word == "ad" || word == "post")
}

fn touches(world: &World, contacts: &Contacts<'_>, rejected: &mut Vec<Rejected>) -> Vec<Touch> {
    let mut touches = Vec::new();
    for message in &world.messages {
        if !Arriving::Messages.counts(world, message.partition) {
            continue;
        }
        let Message { partition, ref bot_id, ref direction, .. } = *message;
        let words = &world.null_words[0];
        let of_metadata = |column: &str| json_cell(words, &message.metadata, column);
        let ad_id = of_metadata("ad_id").or(id_cell(words, &message.ad_id));
        let click = of_metadata("ctwa_clid").or(id_cell(words, &message.ctwa_clid));
        let type_cell = of_metadata("ad_type").or(text_cell(words, &message.ad_type));
        let title = of_metadata("ad_title").or(text_cell(words, &message.ad_title));
        let (bot_id, contact) = (id_cell(words, bot_id), id_cell(words, &message.contact_id));
        let message_id = id_cell(words, &message.message_id);
        let ad_type = type_of_ad(&type_cell);
        // What cannot be read may be anything.
        let looks_like_one = ad_id.is_there() || click.is_there() || ad_type.is_some() || type_cell == Cell::Unreadable;
        let direction = text_cell(words, direction).text().unwrap_or_else(|| "received".to_owned());
        if !looks_like_one || direction == "sent" {
            continue;
        }
        // Without a bot id the row is rejected, but on no bot's account; of a bot that is not named, it is out of scope.
        let Some(bot) = bot_id.text().and_then(|bot_id| named_bot(world, &bot_id)) else {
            continue;
        };

        // What a bot sent itself is no touch: nobody clicked.
        let node = |id: &str| id.split('/').next().map(|id| id.trim().to_owned());
        if contact.text().and_then(|id| node(&id)).is_some_and(|id| named_bot(world, &id).is_some()) {
            continue;
        }

        let is_unreadable = [&ad_id, &click, &type_cell, &title].into_iter().any(|cell| *cell == Cell::Unreadable);
        let usable = (|| {
            let contact = contact.text().filter(|_| !is_unreadable)?;
            let message_id = message_id.text()?;
            let at = message.sent_at.filter(|&at| !is_absurd(world, Arriving::Messages, at, partition))?;
            (direction == "received").then_some((contact, message_id, at))
        })();
        let Some((contact, message_id, at)) = usable else {
            rejected.push(Rejected { bot_id: bot.id.clone(), partition });
            continue;
        };
        touches.push(Touch {
            bot_id: bot.id.clone(),
            message_id,
            contact_id: contacts.resolve(&bot.id, &contact),
            is_test: contacts.is_test(bot, &contact),
            contact_as_it_came: contact,
            at,
            ad_id: ad_id.text(),
            ad_title: title.text(),
            ad_type,
        });
    }
    touches
}

/// The category that is the conversion event of a bot at an instant (8).
fn category_in_effect(bot: &Bot, at: i64) -> Option<&str> {
    bot.settings.iter().rfind(|(_, effective_at)| *effective_at <= at).map(|(category, _)| category.as_str())
}

fn conversion_events(world: &World, contacts: &Contacts<'_>, rejected: &mut Vec<Rejected>) -> Vec<ConversionEvent> {
    let mut events = Vec::new();
    for event in &world.events {
        let Event { partition, ref bot_id, .. } = *event;
        if !Arriving::Events.counts(world, partition) {
            continue;
        }
        let words = &world.null_words[1];
        let Some(bot) = id_cell(words, bot_id).text().and_then(|bot_id| named_bot(world, &bot_id)) else {
            continue;
        };
        let Some(category) = text_cell(words, &event.category).text() else {
            continue;
        };
        if !bot.settings.iter().any(|(named, _)| *named == category) {
            continue;
        }
        let (contact, event_id) = (id_cell(words, &event.contact_id), id_cell(words, &event.event_id));
        let is_unreadable = [&contact, &event_id].into_iter().any(|cell| *cell == Cell::Unreadable);
        let usable = event.occurred_at.filter(|&at| !is_unreadable && !is_absurd(world, Arriving::Events, at, partition));
        let Some(at) = usable else {
            rejected.push(Rejected { bot_id: bot.id.clone(), partition });
            continue;
        };
        if category_in_effect(bot, at) != Some(category.as_str()) {
            continue;
        }
        let contact = contact.text();
        let contact_id = contact.as_ref().map(|contact| contacts.resolve(&bot.id, contact));
        events.push(ConversionEvent {
            is_test: contact.as_ref().is_some_and(|contact| contacts.is_test(bot, contact)),
            bot_id: bot.id.clone(),
            contact_as_it_came: contact,
            contact_id,
            category,
            event_id: event_id.text(),
            at,
        });
    }
    events
}

// -------------------------------------------------------------------------------------------------------------- copies

/// Whether `other` is the earlier of the two and at most 7 days before. At equal times `ranks` (other's, mine) decide.
fn is_earlier_copy<R: Ord>(other_at: i64, at: i64, ranks: (R, R)) -> bool {
    let before = at - other_at;
    (before > 0 && before <= COPIES_US) || (before == 0 && ranks.0 < ranks.1)
}

/// Rules 1 and 2. The comparison is with every other copy, whether that one is dropped itself or not.
fn is_dropped_touch(all: &[Touch], mine: usize) -> bool {
    let me = &all[mine];
    // The last parts only decide between copies that are alike in all that rule 1 names.
    let rank = |index: usize| {
        let touch = &all[index];
        (&touch.contact_as_it_came, &touch.ad_id, &touch.ad_title, &touch.ad_type, index)
    };
    all.iter().enumerate().any(|(index, other)| {
        let is_copy = index != mine && other.bot_id == me.bot_id && other.message_id == me.message_id;
        let drops_me = match (&me.ad_id, &other.ad_id) {
            (Some(_), None) => false,
            (None, Some(_)) => (me.at - other.at).abs() <= COPIES_US,
            (Some(_), Some(_)) | (None, None) => is_earlier_copy(other.at, me.at, (rank(index), rank(mine))),
        };
        is_copy && drops_me
    })
}

/// Rule 7. Events without an id are never copies.
fn is_dropped_event(all: &[ConversionEvent], mine: usize) -> bool {
    let me = &all[mine];
    // With a contact before without, then the contact's bytes.
    let rank = |index: usize| {
        let contact = &all[index].contact_as_it_came;
        (contact.is_none(), contact, index)
    };
    me.event_id.is_some()
        && all.iter().enumerate().any(|(index, other)| {
            let is_copy =
                index != mine && other.bot_id == me.bot_id && other.event_id == me.event_id && other.category == me.category;
            is_copy && is_earlier_copy(other.at, me.at, (rank(index), rank(mine)))
        })
}

// ------------------------------------------------------------------------------------------------------------ sessions

enum Step<'a> {
    Touch(&'a Touch),
    Event(&'a ConversionEvent),
}

/// The instant up to which all has landed, once this day of arrival of both tables has.
pub fn landed_until(world: &World, day: NaiveDate) -> i64 {
    ARRIVING.map(|table| table.start(world, day_after(day))).into_iter().min().expect("two tables")
}

/// Rules 3 to 6 and 11, contact by contact.
fn sessions(world: &World, touches: &[&Touch], events: &[&ConversionEvent]) -> (Vec<Session>, Vec<(String, String, i64)>) {
    let horizon = world.window_days * DAY_US;
    let landed_until = world.message_days.iter().chain(&world.event_days).max().map(|day| landed_until(world, *day));
    let mut sessions = Vec::new();
    let mut organic = Vec::new();

    let people: BTreeSet<(&String, &String)> = touches
        .iter()
        .map(|touch| (&touch.bot_id, &touch.contact_id))
        .chain(events.iter().filter_map(|event| Some((&event.bot_id, event.contact_id.as_ref()?))))
        .collect();

    for (bot_id, contact_id) in people {
        let mut steps: Vec<(i64, u8, &str, Step<'_>)> = Vec::new();
        for touch in touches.iter().filter(|touch| touch.bot_id == *bot_id && touch.contact_id == *contact_id) {
            steps.push((touch.at, 0, &touch.message_id, Step::Touch(touch)));
        }
        for event in events.iter().filter(|event| event.bot_id == *bot_id && event.contact_id.as_ref() == Some(contact_id)) {
            steps.push((event.at, 1, "", Step::Event(event)));
        }
        // Rule 5. Events at one instant are of one category, so their order changes nothing.
        steps.sort_by_key(|&(at, kind, message_id, _)| (at, kind, message_id));

        let mut open: Option<Session> = None;
        for (at, _, _, step) in steps {
            match step {
                Step::Touch(touch) => {
                    if let Some(mut session) = open.take() {
                        session.state = match at - session.opened_at <= horizon {
                            true => State::Superseded { at },
                            false => State::Expired { at: session.opened_at + horizon },
                        };
                        sessions.push(session);
                    }
                    open = Some(Session {
                        bot_id: bot_id.clone(),
                        contact_id: contact_id.clone(),
                        message_id: touch.message_id.clone(),
                        opened_at: at,
                        ad_id: touch.ad_id.clone(),
                        state: State::Open,
                    });
                }
                Step::Event(event) => match open.take_if(|session| at - session.opened_at <= horizon) {
                    Some(mut session) => {
                        session.state = State::Converted { at, category: event.category.clone() };
                        sessions.push(session);
                    }
                    None => organic.push((bot_id.clone(), contact_id.clone(), at)),
                },
            }
        }
        if let Some(mut session) = open {
            let ends_at = session.opened_at + horizon;
            if landed_until.is_some_and(|until| ends_at < until) {
                session.state = State::Expired { at: ends_at };
            }
            sessions.push(session);
        }
    }
    (sessions, organic)
}

// ---------------------------------------------------------------------------------------------------------------- days

/// Whether a partition of this day of arrival is there, or will never come and is not waited for. Before the lake's first
/// partition nothing is missing (22). One that cannot be read any more is missing or refused (19).
fn has_landed(world: &World, table: Arriving, day: NaiveDate) -> bool {
    if table.unreadable(world).contains(&day) {
        return false;
    }
    let begins = world.message_days.iter().chain(&world.event_days).min();
    begins.is_none_or(|begins| day < *begins) || world.allow_missing.contains(&day) || table.days(world).contains(&day)
}

/// The last date for which both partitions have landed.
pub fn last_landed(world: &World) -> Option<NaiveDate> {
    world.message_days.iter().filter(|day| world.event_days.contains(day)).max().copied()
}

/// A missing day of arrival with landed ones after it.
fn is_hole(world: &World, table: Arriving, day: NaiveDate) -> bool {
    last_landed(world).is_some_and(|last| day <= last) && !has_landed(world, table, day)
}

/// Whether a run over this world finds a hole, and so ends with "not ready".
pub fn has_hole(world: &World) -> bool {
    let days = world.message_days.iter().chain(&world.event_days);
    match (days.min(), last_landed(world)) {
        (Some(first), Some(last)) => first
            .iter_days()
            .take_while(|day| *day <= last)
            .any(|day| ARRIVING.into_iter().any(|table| is_hole(world, table, day))),
        _ => false,
    }
}

fn built_days(world: &World, zones: &BTreeMap<String, Tz>, touches: &[Touch], events: &[ConversionEvent]) -> Vec<NaiveDate> {
    let first = touches
        .iter()
        .map(|touch| local_date(zones[&touch.bot_id], touch.at))
        .chain(events.iter().map(|event| local_date(zones[&event.bot_id], event.at)))
        .min();
    let (Some(first), Some(last)) = (first, last_landed(world)) else {
        return Vec::new();
    };
    first.iter_days().take_while(|date| *date <= last).filter(|date| !is_blocked(world, *date)).collect()
}

/// Whether a local day of some bot overlaps a missing day of arrival (19).
pub fn is_blocked(world: &World, date: NaiveDate) -> bool {
    let zones = zones(world).unwrap_or_default();
    let overlaps = |zone: Tz, table: Arriving| table.days_of(world, zone, date).into_iter().any(|day| is_hole(world, table, day));
    zones.values().any(|zone| ARRIVING.into_iter().any(|table| overlaps(*zone, table)))
}

/// Rule 19.
fn is_complete(world: &World, zone: Tz, date: NaiveDate) -> bool {
    ARRIVING.into_iter().all(|table| {
        let own = table.days_of(world, zone, date);
        let before = (1..=REACH_BACK_DAYS).map(|days| own[0] - Days::new(days));
        own.iter().copied().chain(before).all(|day| has_landed(world, table, day))
    })
}

// --------------------------------------------------------------------------------------------------------------- money

/// A world without insights is a pipeline without a source.
fn has_source(world: &World) -> bool {
    world.fetched.is_some() || !world.insights.is_empty() || !world.empty_insight_days.is_empty()
}

/// The days with a partition that is not refused.
fn landed_insight_days(world: &World) -> BTreeSet<NaiveDate> {
    let days = world.insights.iter().map(|row| row.date).chain(world.empty_insight_days.iter().copied());
    days.filter(|day| !world.refused_insights.contains(day)).collect()
}

/// The world with one row of insights for each key (14), and none of refused partitions (19). Its `empty_insight_days` are all days
/// with a partition.
fn readable_insights(world: &World) -> World {
    let mut readable = world.clone();
    readable.empty_insight_days.extend(world.insights.iter().map(|row| row.date));
    readable.insights.clear();
    for row in &world.insights {
        let same_key =
            |other: &&Insight| (&other.account_id, &other.ad_id, other.date) == (&row.account_id, &row.ad_id, row.date);
        let rivals: Vec<&Insight> = world.insights.iter().filter(same_key).collect();
        let greatest = rivals.iter().map(|rival| rival.loaded_at).max().flatten();
        let latest: Vec<&&Insight> = rivals.iter().filter(|rival| rival.loaded_at == greatest).collect();
        if latest.iter().any(|rival| format!("{rival:?}") != format!("{:?}", latest[0])) {
            readable.refused_insights.push(row.date);
        }
        let is_taken = readable.insights.iter().any(|taken| same_key(&taken));
        if !is_taken {
            readable.insights.push((*latest[0]).clone());
        }
    }
    let refused = readable.refused_insights.clone();
    readable.insights.retain(|row| !refused.contains(&row.date));
    readable
}

fn check_insights(world: &World) -> Result<(), Refusal> {
    for (index, one) in world.insights.iter().enumerate() {
        for other in &world.insights[..index] {
            if one.account_id == other.account_id && one.currency != other.currency {
                return Err(Refusal::AccountHasTwoCurrencies(one.account_id.clone()));
            }
            if (&one.account_id, &one.ad_id, one.date) == (&other.account_id, &other.ad_id, other.date) {
                let Insight { account_id, ad_id, date, .. } = one.clone();
                return Err(Refusal::InsightTwice { account_id, ad_id, date });
            }
            let both_listed = [one, other].iter().all(|row| is_listed(world, &row.account_id));
            if both_listed && one.ad_id == other.ad_id && one.account_id != other.account_id {
                return Err(Refusal::AdInTwoListedAccounts(one.ad_id.clone()));
            }
        }
    }
    Ok(())
}

fn is_listed(world: &World, account_id: &str) -> bool {
    world.bots.iter().any(|bot| bot.ad_accounts.iter().any(|listed| listed == account_id))
}

/// What is known about ads from all landed insights (14).
struct Money<'a> {
    world: &'a World,
    touches: &'a [&'a Touch],
}

impl Money<'_> {
    /// The ad's rows in listed accounts, oldest first.
    fn insights_of(&self, ad_id: &str) -> Vec<&Insight> {
        let mut rows: Vec<_> =
            self.world.insights.iter().filter(|row| row.ad_id == ad_id && is_listed(self.world, &row.account_id)).collect();
        rows.sort_by_key(|row| row.date);
        rows
    }

    fn account_of(&self, ad_id: &str) -> Option<String> {
        self.insights_of(ad_id).last().map(|row| row.account_id.clone())
    }

    fn currency_of(&self, ad_id: &str) -> Option<String> {
        self.insights_of(ad_id).last().map(|row| row.currency.clone())
    }

    /// The bot on whose row the ad's figures stand; none where no bot that lists the account was ever touched.
    fn bearer_of(&self, ad_id: &str) -> Option<String> {
        let account_id = self.account_of(ad_id)?;
        let listing: Vec<&Bot> = self.world.bots.iter().filter(|bot| bot.ad_accounts.contains(&account_id)).collect();
        if let [only] = listing[..] {
            return Some(only.id.clone());
        }
        self.touches
            .iter()
            .filter(|touch| touch.ad_id.as_deref() == Some(ad_id) && listing.iter().any(|bot| bot.id == touch.bot_id))
            .min_by_key(|touch| (touch.at, &touch.message_id, &touch.bot_id))
            .map(|touch| touch.bot_id.clone())
    }

    /// Whole when its fetch completed; landed by others, when it has at least one row, or when its partition is there and who has
    /// no row spent nothing. Never when the partition is refused (19).
    fn is_whole(&self, account_id: &str, date: NaiveDate) -> bool {
        if self.world.refused_insights.contains(&date) {
            return false;
        }
        if let Some(fetched) = &self.world.fetched {
            return fetched.contains_key(&(account_id.to_owned(), date));
        }
        let has_row = |row: &Insight| row.account_id == account_id && row.date == date;
        self.world.insights.iter().any(has_row) || self.world.absent_means_zero && self.world.empty_insight_days.contains(&date)
    }
}

fn ads(world: &World, touches: &[&Touch], money: &Money<'_>) -> Vec<Ad> {
    let mut keys: BTreeSet<(Option<String>, String)> = BTreeSet::new();
    for touch in touches {
        if let Some(ad_id) = &touch.ad_id {
            keys.insert((Some(touch.bot_id.clone()), ad_id.clone()));
        }
    }
    for row in world.insights.iter().filter(|row| is_listed(world, &row.account_id)) {
        keys.insert((money.bearer_of(&row.ad_id), row.ad_id.clone()));
    }

    let mut ads = Vec::new();
    for (bot_id, ad_id) in keys {
        let mut own: Vec<&&Touch> = touches
            .iter()
            .filter(|touch| Some(&touch.bot_id) == bot_id.as_ref() && touch.ad_id.as_ref() == Some(&ad_id))
            .collect();
        own.sort_by_key(|touch| (touch.at, &touch.message_id));
        let insights = money.insights_of(&ad_id);
        let latest = |column: fn(&Insight) -> &Option<String>| insights.iter().rev().find_map(|row| present(column(row)));
        ads.push(Ad {
            // Rule 12: each of the two from the latest touch that has it.
            ad_type: own.iter().rev().find_map(|touch| touch.ad_type.clone()),
            ad_title: own.iter().rev().find_map(|touch| touch.ad_title.clone()),
            first_conversation_at: own.first().map(|touch| touch.at),
            last_conversation_at: own.last().map(|touch| touch.at),
            account_id: money.account_of(&ad_id),
            currency: money.currency_of(&ad_id),
            ad_name: latest(|row| &row.ad_name),
            adset_id: latest(|row| &row.adset_id),
            adset_name: latest(|row| &row.adset_name),
            campaign_id: latest(|row| &row.campaign_id),
            campaign_name: latest(|row| &row.campaign_name),
            bot_id,
            ad_id,
        });
    }
    ads
}

// ------------------------------------------------------------------------------------------------------------- one day

/// The tables of one date.
struct DayView<'a> {
    world: &'a World,
    zones: &'a BTreeMap<String, Tz>,
    date: NaiveDate,
    sessions: &'a [Session],
    money: &'a Money<'a>,
}

impl DayView<'_> {
    /// Whether an instant of a bot falls on this date.
    fn is_today(&self, bot_id: &str, at: i64) -> bool {
        local_date(self.zones[bot_id], at) == self.date
    }

    /// Rule 10: the day ends at or before the bot's first setting.
    fn is_unconfigured(&self, bot: &Bot) -> bool {
        let end = day_start(self.zones[&bot.id], day_after(self.date));
        bot.settings.first().is_none_or(|(_, effective_at)| end <= *effective_at)
    }

    fn ad_days(&self) -> Vec<AdDay> {
        let mut rows: BTreeMap<(Option<String>, String), AdDay> = BTreeMap::new();
        for session in self.sessions {
            let Some(ad_id) = &session.ad_id else {
                continue;
            };
            let key = (Some(session.bot_id.clone()), ad_id.clone());
            if self.is_today(&session.bot_id, session.opened_at) {
                rows.entry(key.clone()).or_default().conversations += 1;
            }
            if let State::Converted { at, .. } = session.state
                && self.is_today(&session.bot_id, at)
            {
                *rows.entry(key).or_default().conversions.get_or_insert(0) += 1;
            }
        }
        for insight in &self.world.insights {
            if insight.date == self.date && is_listed(self.world, &insight.account_id) {
                rows.entry((self.money.bearer_of(&insight.ad_id), insight.ad_id.clone())).or_default();
            }
        }

        for ((bot_id, ad_id), row) in &mut rows {
            row.date = self.date;
            row.bot_id = bot_id.clone();
            row.ad_id = ad_id.clone();
            row.account_id = self.money.account_of(ad_id);
            row.currency = self.money.currency_of(ad_id);
            let bot = bot_id.as_ref().and_then(|bot_id| named_bot(self.world, bot_id));
            row.conversions = match bot {
                Some(bot) if self.is_unconfigured(bot) => None,
                _ => Some(row.conversions.unwrap_or(0)),
            };
            // A row without bot exists because its insights landed.
            row.complete = bot.is_none_or(|bot| is_complete(self.world, self.zones[&bot.id], self.date));

            let Some(account_id) = &row.account_id else {
                continue;
            };
            if *bot_id != self.money.bearer_of(ad_id) {
                continue;
            }
            match self.money.insights_of(ad_id).into_iter().find(|insight| insight.date == self.date) {
                Some(insight) => {
                    row.spend = Some(insight.spend_millionths);
                    row.impressions = insight.impressions;
                    row.reach = insight.reach;
                    row.clicks = insight.clicks;
                    row.inline_link_clicks = insight.inline_link_clicks;
                    row.meta_conversations = insight.messaging_conversations_started;
                }
                None => row.spend = self.money.is_whole(account_id, self.date).then_some(0),
            }
        }
        rows.into_values().collect()
    }

    fn ad_conversions(&self) -> Vec<AdConversion> {
        let mut counts: BTreeMap<(String, String, NaiveDate, String), i64> = BTreeMap::new();
        for session in self.sessions {
            let (Some(ad_id), State::Converted { at, category }) = (&session.ad_id, &session.state) else {
                continue;
            };
            if self.is_today(&session.bot_id, *at) {
                let conversation_date = local_date(self.zones[&session.bot_id], session.opened_at);
                let key = (session.bot_id.clone(), ad_id.clone(), conversation_date, category.clone());
                *counts.entry(key).or_default() += 1;
            }
        }
        counts
            .into_iter()
            .map(|((bot_id, ad_id, conversation_date, category), conversions)| AdConversion {
                date: self.date,
                bot_id,
                ad_id,
                conversation_date,
                category,
                conversions,
            })
            .collect()
    }

    fn bot_days(
        &self,
        touches: &[&Touch],
        duplicates: &[&Touch],
        events: &[&ConversionEvent],
        organic: &[(String, String, i64)],
        rejected: &[Rejected],
    ) -> Vec<BotDay> {
        let mut bots: Vec<&Bot> = self.world.bots.iter().collect();
        bots.sort_by_key(|bot| &bot.id);
        bots.into_iter()
            .map(|bot| {
                let mine = |bot_id: &str, at: i64| bot_id == bot.id && self.is_today(bot_id, at);
                let touches_where =
                    |with_ad: bool| count(touches, |touch| mine(&touch.bot_id, touch.at) && touch.ad_id.is_some() == with_ad);
                let conversions_where = |with_ad: bool| {
                    count(self.sessions, |session| match session.state {
                        State::Converted { at, .. } => mine(&session.bot_id, at) && session.ad_id.is_some() == with_ad,
                        _ => false,
                    })
                };
                let events_where = |with_contact: bool| {
                    count(events, |event| mine(&event.bot_id, event.at) && event.contact_id.is_some() == with_contact)
                };
                let configured = |figure: i64| (!self.is_unconfigured(bot)).then_some(figure);
                BotDay {
                    date: self.date,
                    bot_id: bot.id.clone(),
                    touches: touches_where(true),
                    duplicate_touches: count(duplicates, |touch| mine(&touch.bot_id, touch.at)),
                    unattributed_touches: touches_where(false),
                    conversion_events: configured(events_where(true)),
                    conversions: configured(conversions_where(true)),
                    unattributed_conversions: configured(conversions_where(false)),
                    organic_conversion_events: configured(count(organic, |(bot_id, _, at)| mine(bot_id, *at))),
                    events_without_contact: configured(events_where(false)),
                    rejected_rows: count(rejected, |row| row.bot_id == bot.id && row.partition == self.date),
                    complete: is_complete(self.world, self.zones[&bot.id], self.date),
                    insights_status: self.insights_status(bot).to_owned(),
                }
            })
            .collect()
    }

    /// Looked at when nothing changes any more: every account, or where others land the table, a partition.
    fn is_final(&self, bot: &Bot) -> bool {
        let is_late = |date: NaiveDate| (date - self.date).num_days() >= RESTATE_DAYS;
        match &self.world.fetched {
            Some(fetched) => bot.ad_accounts.iter().all(|account_id| is_late(fetched[&(account_id.clone(), self.date)])),
            None => landed_insight_days(self.world).into_iter().any(is_late),
        }
    }

    fn insights_status(&self, bot: &Bot) -> &'static str {
        if !has_source(self.world) || bot.ad_accounts.is_empty() {
            "none"
        } else if bot.ad_accounts.iter().any(|account_id| !self.money.is_whole(account_id, self.date)) {
            "missing"
        } else if self.is_final(bot) {
            "final"
        } else {
            "provisional"
        }
    }
}

fn count<T>(rows: &[T], matches: impl Fn(&T) -> bool) -> i64 {
    rows.iter().filter(|row| matches(row)).count().try_into().expect("a count of rows fits")
}

// -------------------------------------------------------------------------------------------------------------- ranges

/// One row of `ctwa report`, grain `range`, by conversion day. Money, costs and the rate are in millionths.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReportRow {
    pub bot_id: Option<String>,
    pub ad_id: String,
    pub ad_title: Option<String>,
    pub ad_type: Option<String>,
    pub currency: Option<String>,
    pub spend: Option<i64>,
    pub reach: Option<i64>,
    pub conversations: i64,
    pub cost_per_conversation: Option<i64>,
    pub conversions: Option<i64>,
    pub cost_per_conversion: Option<i64>,
    pub conversion_rate: Option<i64>,
    pub reach_min: Option<i64>,
    pub reach_max: Option<i64>,
    pub spend_unknown_days: i64,
    pub unconfigured_days: i64,
}

/// Rules 13 and 15 over the published days from..=to, for ads with a row in the range and, unless `all_ads`, a conversation
/// ever. No range reach is ever fetched here, so only a range of one day has a reach.
pub fn report(published: &Published, from: NaiveDate, to: NaiveDate, all_ads: bool) -> Vec<ReportRow> {
    let in_range: Vec<&AdDay> = published.ad_days.range(from..=to).flat_map(|(_, rows)| rows).collect();
    let keys: BTreeSet<(&Option<String>, &String)> = in_range.iter().map(|row| (&row.bot_id, &row.ad_id)).collect();
    let mut report = Vec::new();
    for (bot_id, ad_id) in keys {
        let clicked = published.ads.iter().any(|ad| ad.ad_id == *ad_id && ad.first_conversation_at.is_some());
        if !clicked && !all_ads {
            continue;
        }
        let days: Vec<&&AdDay> = in_range.iter().filter(|row| row.bot_id == *bot_id && row.ad_id == *ad_id).collect();
        let ad = published.ads.iter().find(|ad| ad.bot_id == *bot_id && ad.ad_id == *ad_id);
        let reach: Vec<i64> = days.iter().filter_map(|day| day.reach).collect();
        report.push(ReportRow {
            bot_id: bot_id.clone(),
            ad_id: ad_id.clone(),
            ad_title: ad.and_then(|ad| ad.ad_title.clone()),
            ad_type: ad.and_then(|ad| ad.ad_type.clone()),
            currency: days.iter().find_map(|day| day.currency.clone()),
            spend: known_sum(days.iter().map(|day| day.spend)),
            reach: if from == to { reach.first().copied() } else { None },
            conversations: days.iter().map(|day| day.conversations).sum(),
            cost_per_conversation: ratio(days.iter().map(|day| Some((day.spend?, day.conversations))), 1),
            conversions: known_sum(days.iter().map(|day| day.conversions)),
            cost_per_conversion: ratio(days.iter().map(|day| Some((day.spend?, day.conversions?))), 1),
            conversion_rate: ratio(days.iter().map(|day| Some((day.conversions?, day.conversations))), 1_000_000),
            reach_min: reach.iter().max().copied(),
            reach_max: known_sum(days.iter().map(|day| day.reach)),
            spend_unknown_days: count(&days, |day| day.spend.is_none()),
            unconfigured_days: count(&days, |day| day.conversions.is_none()),
        });
    }
    report
}

/// The sum of the days on which a figure is known; none when there is no such day.
fn known_sum(figures: impl Iterator<Item = Option<i64>>) -> Option<i64> {
    figures.flatten().reduce(|sum, figure| sum + figure)
}

/// Sum of dividends x `scale` / sum of divisors, over the days that have both, half up; none when that divisor is 0.
fn ratio(days: impl Iterator<Item = Option<(i64, i64)>>, scale: i128) -> Option<i64> {
    let (dividend, divisor) =
        days.flatten().fold((0i128, 0i128), |(above, below), (a, b)| (above + i128::from(a), below + i128::from(b)));
    let rounded = (divisor != 0).then(|| (2 * dividend * scale + divisor).div_euclid(2 * divisor))?;
    Some(rounded.try_into().expect("a cost fits 64 bits"))
}
