//! Questions to a person at a terminal: on stderr, answered on stdin. No answer leaves a thing unknown.

use std::io::{BufRead, Write};

use crate::base::day::Zone;
use crate::commands::init::{Decided, EventWish};
use crate::report::style::{counted, visible};

/// As many times is asked for an answer that cannot be one.
const TRIES: usize = 3;
/// As many categories are offered.
const MOST_OFFERED: usize = 20;

fn say(text: &str) {
    // Nobody is left to tell when stderr is closed.
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

/// The answer to a question; none at the end of the input.
fn ask(question: &str) -> Option<String> {
    say(question);
    let mut line = String::new();
    match std::io::stdin().lock().read_line(&mut line) {
        Ok(read) if read > 0 => Some(line.trim().to_string()),
        _ => None,
    }
}

/// Asks until the answer is one, a few times.
fn ask_for<T>(question: &str, read: impl Fn(&str) -> Result<T, String>) -> Option<T> {
    for _ in 0..TRIES {
        match read(&ask(question)?) {
            Ok(answer) => return Some(answer),
            Err(why) => say(&format!("{why}\n")),
        }
    }
    None
}

/// Which bots are to be counted; none says all of them.
pub(super) fn bots(decided: &Decided, known: &[(String, u64, u64)]) -> Vec<String> {
    let offered: Vec<&(String, u64, u64)> = known.iter().filter(|(id, ..)| decided.bots.contains_key(id)).collect();
    if offered.len() < 2 {
        return Vec::new();
    }
    say("Bots that messages name:\n");
    for (number, (id, messages, events)) in offered.iter().enumerate() {
        let rows = format!("{}, {}", counted(messages, "message", "messages"), counted(events, "event", "events"));
        say(&format!("  {}) {}: {rows}\n", number + 1, visible(id)));
    }
    let read = |answer: &str| {
        let words = answer.split([',', ' ']).filter(|word| !word.is_empty());
        words.map(|word| chosen(word, &offered)).collect::<Result<Vec<String>, String>>()
    };
    ask_for("Which of them are to be counted? Their numbers, or nothing for all: ", read).unwrap_or_default()
}

fn chosen(word: &str, offered: &[&(String, u64, u64)]) -> Result<String, String> {
    let by_number = word.parse::<usize>().ok().and_then(|number| offered.get(number.checked_sub(1)?));
    let found = by_number.or_else(|| offered.iter().find(|(id, ..)| id == word));
    found.map(|(id, ..)| id.clone()).ok_or_else(|| format!("{} is none of them", visible(word)))
}

/// The time zones of the bots that have none yet.
pub(super) fn zones(decided: &mut Decided) {
    for (id, choice) in decided.bots.iter_mut().filter(|(_, choice)| choice.zone.is_none()) {
        let hint = choice.zone_hint.clone();
        let proposal = hint.as_ref().map(|hint| format!(" ({}) [{}]", hint.why, hint.zone)).unwrap_or_default();
        let question = format!("Time zone of {}'s ad account, such as America/Sao_Paulo{proposal}: ", visible(id));
        let read = |answer: &str| match (answer, &hint) {
            ("", Some(hint)) => Ok(Some(hint.zone.clone())),
            ("", None) => Ok(None),
            (zone, _) => zone.parse::<Zone>().map(|zone| Some(zone.name().to_string())).map_err(|error| error.to_string()),
        };
        choice.zone = ask_for(&question, read).flatten();
    }
}

/// The conversion events of the bots of which nothing was said.
pub(super) fn conversion_events(decided: &Decided, said: &[EventWish]) -> Vec<EventWish> {
    let mut asked = Vec::new();
    for (id, choice) in &decided.bots {
        if said.iter().any(|wish| wish.bot.as_ref().is_none_or(|bot| bot == id)) || choice.categories.is_empty() {
            continue;
        }
        let offered = &choice.categories[..choice.categories.len().min(MOST_OFFERED)];
        say(&format!("Categories of events of {}, and what each would yield as the conversion event:\n", visible(id)));
        for (number, row) in offered.iter().enumerate() {
            let yields = counted(row.conversions, "conversion of ads", "conversions of ads");
            say(&format!("  {}) {}: {}, {yields}\n", number + 1, visible(&row.category), counted(row.events, "event", "events")));
        }
        let read = |answer: &str| {
            let by_number = answer.parse::<usize>().ok().and_then(|number| offered.get(number.checked_sub(1)?));
            let found = by_number.or_else(|| choice.categories.iter().find(|row| row.category == answer));
            match (found, answer) {
                (Some(row), _) => Ok(Some(row.category.clone())),
                (None, "") => Ok(None),
                (None, "0") => Ok(Some(String::new())),
                _ => Err(format!("{} is none of them", visible(answer))),
            }
        };
        let question = "Which is the conversion event? Its number, 0 for none, or nothing to say it later: ";
        if let Some(category) = ask_for(question, read).flatten() {
            asked.push(EventWish { bot: Some(id.clone()), category, effective_at: None });
        }
    }
    asked
}
