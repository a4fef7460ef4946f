//! The refusal of a partition of which too much is set aside: which column, which file, one cell as it came, and the line that mends it.

use std::ops::Range;

use crate::base::error::{Error, Result};
use crate::base::ids::{NoId, WORDS_FOR_NOTHING, no_id};
use crate::base::mapping::{ColumnSource, TableMapping};
use crate::base::times::{Instant, TIME_FORMS, text_instant, whole_number, written_time};
use crate::config::PartitionedInput;
use crate::extract::found::RawContent;
use crate::extract::hints::{line_of, named, unit_of};
use crate::extract::object::PartitionObjects;
use crate::extract::set_aside::{
    ABSURD_TIME, NO_TIME, Reason, RowsOfReason, SetAside, UNKNOWN_DIRECTION, UNREADABLE_ID, UNREADABLE_JSON, UNREADABLE_TEXT,
    UNREADABLE_TIME,
};
use crate::extract::words::FewWords;
use crate::lake::Partition;

/// What there is to say of a refused partition.
pub(super) struct Refusal<'a> {
    input: &'a PartitionedInput,
    partition: &'a Partition,
    content: &'a RawContent,
    /// Those of most rows first.
    reasons: Vec<(Reason, &'a RowsOfReason)>,
    /// The words of directions that nobody knows, of all rows of the partition.
    directions: FewWords,
}

/// As many reasons are told with their mend.
const REASONS_TOLD: usize = 3;

/// As many characters of a cell are shown.
const MOST_SHOWN: usize = 120;

impl<'a> Refusal<'a> {
    pub(super) fn of(
        objects: &PartitionObjects<'a>,
        partition: &'a Partition,
        content: &'a RawContent,
        set_aside: &'a SetAside,
    ) -> Result<Refusal<'a>> {
        let reasons = set_aside.reasons();
        let mut directions = FewWords::default();
        if reasons.iter().any(|(reason, _)| reason.name == UNKNOWN_DIRECTION) {
            for object in partition.to_read()? {
                directions.append(&objects.other_words(object, "direction")?);
            }
        }
        Ok(Refusal { input: objects.input, partition, content, reasons, directions })
    }

    pub(super) fn error(&self, limit: impl std::fmt::Display) -> Error {
        let (rejected, candidates) = (self.content.rejected_rows(), self.content.candidates());
        let mut reasons: Vec<(&str, u64)> = Vec::new();
        for (reason, of_reason) in &self.reasons {
            match reasons.iter_mut().find(|(name, _)| *name == reason.name) {
                Some((_, rows)) => *rows += of_reason.rows,
                None => reasons.push((reason.name, of_reason.rows)),
            }
        }
        let reasons: Vec<String> = reasons.iter().map(|(reason, rows)| format!("{reason}: {rows}")).collect();
        let error = Error::data(format!(
            "{rejected} of {candidates} rows that could count break the contract, more than the limit of {limit}"
        ));
        let mut error = error.with("table", self.mapping().table.name).with("day", self.partition.day);
        error = error.with("reasons", reasons.join(", "));
        if let Some((reason, of_reason)) = self.reasons.first() {
            error = error.with("column", self.place(*reason));
            if let Some(cell) = self.example(*reason, of_reason) {
                error = error.with("such as", shown(cell));
            }
            if let Some(object) = &of_reason.object {
                error = error.with("object", object);
            }
        }
        let mends = self.reasons.iter().take(REASONS_TOLD).map(|(reason, of_reason)| self.mend(*reason, of_reason));
        let mut told: Vec<String> = Vec::new();
        mends.for_each(|mend| {
            if !told.contains(&mend) {
                told.push(mend)
            }
        });
        error.mend(format!(
            "{}; the rows are under rejected/ with their reasons; [quality] max_rejected_share says how many may be set aside",
            told.join("; ")
        ))
    }

    fn mapping(&self) -> &'a TableMapping {
        &self.input.columns
    }

    fn sources(&self, column: &str) -> &'a [ColumnSource] {
        self.mapping().columns.iter().find(|of| of.spec.name == column).map_or(&[], |of| &of.sources)
    }

    /// The column of the contract, and where it is read from if that is elsewhere.
    fn place(&self, reason: Reason) -> String {
        let places: Vec<String> = self.sources(reason.column).iter().map(ColumnSource::to_string).collect();
        match places.as_slice() {
            [only] if only == reason.column => only.clone(),
            _ => format!("{} from {}", reason.column, places.join(", ")),
        }
    }

    fn section(&self) -> String {
        format!("[inputs.{}]", self.mapping().table.name)
    }

    /// The line of the mapping that reads a column so.
    fn line(&self, column: &str, more: &str) -> String {
        line_of(self.mapping(), column, more)
    }

    /// A cell that says what is wrong: of times one that is right in another unit, for some may be absurd in any.
    fn example<'r>(&self, reason: Reason, of_reason: &'r RowsOfReason) -> Option<&'r str> {
        let allowed = self.input.zone.allowed_instants(self.partition.day);
        let is_right = |cell: &&str| whole_number(cell.trim()).is_some_and(|number| unit_of(number, &allowed).is_some());
        let in_a_unit = || of_reason.cells.iter().map(|(cell, _)| cell).find(is_right);
        let of_times = [ABSURD_TIME, UNREADABLE_TIME].contains(&reason.name).then(in_a_unit).flatten();
        of_times.or_else(|| of_reason.cells.most()).filter(|cell| !cell.is_empty())
    }

    fn mend(&self, reason: Reason, of_reason: &RowsOfReason) -> String {
        let cell = self.example(reason, of_reason).unwrap_or_default();
        match reason.name {
            UNREADABLE_TEXT => self.mend_text(reason),
            UNREADABLE_ID | UNREADABLE_JSON if cell.contains(char::REPLACEMENT_CHARACTER) => self.mend_text(reason),
            UNREADABLE_ID => self.mend_id(reason, of_reason, cell),
            UNREADABLE_JSON => self.mend_json(reason, cell),
            UNKNOWN_DIRECTION => self.mend_direction(),
            UNREADABLE_TIME | ABSURD_TIME => self.mend_time(reason, cell),
            NO_TIME => format!("fill {} in the loader: a row counts at its time", self.place(reason)),
            _ => format!(
                "fill {} in the loader, or name the column that has it: {column} = \"...\" in [inputs.{}.columns]",
                self.place(reason),
                self.mapping().table.name,
                column = reason.column
            ),
        }
    }

    /// The line that says which of the words met mean nothing.
    fn null_words(&self, met: &[&str]) -> String {
        let known = self.mapping().null_words.iter().map(String::as_str);
        let words: Vec<String> = known.chain(met.iter().copied()).map(|word| format!("{word:?}")).collect();
        let met: Vec<String> = met.iter().map(|word| format!("{word:?}")).collect();
        format!("where {} means nothing, say so: null_words = [{}] in {}", met.join(", "), words.join(", "), self.section())
    }

    fn mend_id(&self, reason: Reason, of_reason: &RowsOfReason, cell: &str) -> String {
        let met: Vec<&str> = of_reason.cells.iter().map(|(met, _)| met.trim()).collect();
        let mut words: Vec<&str> = met.into_iter().filter(|word| WORDS_FOR_NOTHING.contains(word)).collect();
        words.dedup();
        match no_id(cell.trim()) {
            Some(NoId::WordForNothing) => self.null_words(&words),
            Some(NoId::Float) => format!(
                "{} went through a float, which cannot hold the digits of an id: have the loader write it as text before anything \
                 makes a number of it, and land the day again",
                self.place(reason)
            ),
            _ => format!(
                "{} holds more than an id: write the id alone, or name where it lies: {} = {{ column = \"...\", key = \"...\" }} in \
                 [inputs.{}.columns]",
                self.place(reason),
                reason.column,
                self.mapping().table.name
            ),
        }
    }

    fn mend_text(&self, reason: Reason) -> String {
        format!(
            "{} holds bytes that are no UTF-8: have the loader write texts in UTF-8, not in Latin-1 or another code, and cut none in the \
             middle of a letter",
            self.place(reason)
        )
    }

    fn mend_json(&self, reason: Reason, cell: &str) -> String {
        let cell = cell.trim();
        if WORDS_FOR_NOTHING.contains(&cell) {
            return self.null_words(&[cell]);
        }
        let how = if cell.starts_with('\u{feff}') {
            "it begins with a byte order mark, which is no JSON: have the loader write utf-8 and not utf-8-sig"
        } else if cell.starts_with("{'") || cell.contains("': ") {
            "that is how Python prints a dict: have the loader write json.dumps(...), not str(...)"
        } else if ["NaN", "Infinity"].iter().any(|word| cell.contains(word)) {
            "JSON has no NaN and no Infinity: have the loader write null"
        } else if cell.starts_with('"') {
            "that is JSON within a JSON text: have the loader write it once"
        } else {
            "have the loader write JSON objects, or correct the mapping"
        };
        format!("{} should hold JSON; {how}", self.place(reason))
    }

    fn mend_direction(&self) -> String {
        let known = self.sources("direction").first().map_or(&[][..], |source| &source.values);
        let column = self.sources("direction").first().map(ColumnSource::to_string).unwrap_or_default();
        let guess =
            |word: &str| known.iter().find(|(theirs, _)| theirs == word).map(|(_, ours)| *ours).or(guessed(word, &column));
        let all = || known.iter().map(|(theirs, _)| theirs.as_str()).chain(self.directions.iter().map(|(word, _)| word));
        let of = |direction: &str| {
            let words: Vec<String> =
                all().filter(|word| guess(word) == Some(direction)).map(|word| format!("{word:?}")).collect();
            if words.is_empty() { "\"...\"".to_string() } else { words.join(", ") }
        };
        let values = format!("values = {{ received = [{}], sent = [{}] }}", of("received"), of("sent"));
        let is_guessed = self.directions.iter().all(|(word, _)| guess(word).is_some());
        let rest = if is_guessed { "" } else { ", with each of the other words where it belongs" };
        format!(
            "the words met are {}; say which is which, if this is right: {}{rest}",
            self.directions,
            self.line("direction", &values)
        )
    }

    fn mend_time(&self, reason: Reason, cell: &str) -> String {
        let allowed = self.input.zone.allowed_instants(self.partition.day);
        let unit = self.sources(reason.column).first().and_then(|source| source.unit);
        let (cell, place) = (cell.trim(), self.place(reason));
        if let Some(number) = whole_number(cell) {
            return match unit_of(number, &allowed) {
                Some(fitting) if Some(fitting) != unit => {
                    let (name, key) = named(fitting);
                    format!("{cell} looks like Unix {name}: write {}", self.line(reason.column, &format!("unit = {key:?}")))
                }
                None if allowed.contains(&(number / 1_000)) => {
                    format!("{cell} looks like Unix nanoseconds, which no unit names: write {place} as a timestamp")
                }
                _ => far_away(&place),
            };
        }
        if no_id(cell) == Some(NoId::Float) {
            return format!("{cell} is a float: write {place} as a whole number with a unit, or as a timestamp");
        }
        match (text_instant(cell, None, None), written_time(cell)) {
            (Instant::At(_), _) if unit.is_some() => {
                let line = self.sources(reason.column).first().map(ColumnSource::place).unwrap_or_default();
                format!("{cell:?} is a date and a time and no number: leave `unit` away, {} = {{ {line} }}", reason.column)
            }
            (Instant::At(micros), _) => match scaled(micros, &allowed) {
                Some(what) => format!("{cell} looks like a time whose {what}: mend {place} in the loader"),
                None => far_away(&place),
            },
            (_, Some(_)) => format!(
                "{cell:?} names no zone: say whose clock it is of: {}, or another zone, such as \"-03:00\"",
                self.line(reason.column, "zone = \"UTC\"")
            ),
            _ => format!("write {place} as a timestamp, or as text such as {TIME_FORMS}; digits need a `unit` in the mapping"),
        }
    }
}

fn far_away(place: &str) -> String {
    format!("{place} lies more than 400 days before the partition's day or more than 2 days after it: mend it in the loader")
}

/// What went wrong with a stored timestamp that would be one of these instants in another unit.
fn scaled(micros: i64, allowed: &Range<i64>) -> Option<&'static str> {
    let times = |factor: i64| micros.checked_mul(factor).is_some_and(|micros| allowed.contains(&micros));
    if times(1_000) || times(1_000_000) {
        Some("numbers were stored in a finer unit than they count")
    } else if [1_000, 1_000_000].iter().any(|divisor| allowed.contains(&(micros / divisor))) {
        Some("numbers were stored in a coarser unit than they count")
    } else {
        None
    }
}

/// A cell in an error.
fn shown(cell: &str) -> String {
    let some: String = cell.chars().take(MOST_SHOWN).collect();
    let rest = if some.len() < cell.len() { "..." } else { "" };
    format!("{some:?}{rest}")
}

/// Words that say in which direction a message went, in small letters.
const RECEIVED: [&str; 17] = [
    "received",
    "inbound",
    "in",
    "incoming",
    "receive",
    "mo",
    "user",
    "customer",
    "contact",
    "client",
    "entrada",
    "recebida",
    "recebido",
    "entrante",
    "recibido",
    "recibida",
    "from_user",
];
const SENT: [&str; 17] = [
    "sent", "outbound", "out", "outgoing", "send", "mt", "bot", "agent", "business", "saida", "saída", "enviada", "enviado",
    "saliente", "echo", "to_user", "system",
];

/// The direction that a word most likely means, in a column of this name.
fn guessed(word: &str, column: &str) -> Option<&'static str> {
    let (word, column) = (word.trim().to_lowercase(), column.to_lowercase().replace(['_', '-', ' ', '.'], ""));
    let is_true = match word.as_str() {
        "true" | "t" | "1" | "yes" | "y" => Some(true),
        "false" | "f" | "0" | "no" | "n" => Some(false),
        _ => None,
    };
    let holds = |parts: &[&str]| parts.iter().any(|part| column.contains(part));
    // What is true of a message that the column is named after.
    let of_true = if holds(&["fromme", "sent", "outbound", "outgoing", "fromb", "isbot", "echo"]) {
        Some("sent")
    } else if holds(&["inbound", "incoming", "received", "fromuser", "fromcontact", "fromcustomer", "fromclient"]) {
        Some("received")
    } else {
        None
    };
    match is_true {
        None if RECEIVED.contains(&word.as_str()) => Some("received"),
        None if SENT.contains(&word.as_str()) => Some("sent"),
        None => None,
        Some(is_true) => of_true.map(|of_true| if (of_true == "sent") == is_true { "sent" } else { "received" }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_direction_is_guessed_by_its_word_and_a_truth_by_its_column() {
        for (word, column, expected) in [
            ("INBOUND", "direction", Some("received")),
            (" Out ", "direction", Some("sent")),
            ("true", "fromMe", Some("sent")),
            ("false", "key[\"fromMe\"]", Some("received")),
            ("1", "is_inbound", Some("received")),
            ("0", "is_inbound", Some("sent")),
            ("true", "direction", None),
            ("delivered", "direction", None),
        ] {
            assert_eq!(guessed(word, column), expected, "{word} in {column}");
        }
    }
}
