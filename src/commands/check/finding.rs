//! Findings: what a check has to say, one by one as it is found, and the kind that a run would exit with.

use serde::Serialize;

use crate::base::error::{Error, ErrorKind, Result};
use crate::base::said::Said;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    /// Nothing is wrong: what was looked at, and what is there.
    Ok,
    /// A run goes on; figures may not be what is meant.
    Warning,
    /// A run fails, as a whole or for some days.
    Error,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Finding {
    pub level: Level,
    /// What was looked at.
    pub subject: String,
    pub text: String,
    /// The kind of an error, as exit codes have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Place::is_none")]
    pub place: Place,
    /// One value as it came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub example: Option<String>,
    /// What to do, with the line to write where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mend: Option<String>,
}

/// Where it was found, as far as that is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Place {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub day: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
}

/// The tables of a lake, which are a place when they are the subject.
const TABLES: [&str; 4] = ["messages", "events", "identities", "insights"];

impl Place {
    fn is_none(&self) -> bool {
        *self == Place::default()
    }

    fn of(subject: &str) -> Place {
        let table = TABLES.contains(&subject).then(|| subject.to_string());
        Place { table, ..Place::default() }
    }
}

impl Finding {
    fn new(level: Level, subject: &str, said: Said) -> Finding {
        let (place, text) = (Place::of(subject), said.to_string());
        Finding { level, subject: subject.to_string(), text, kind: None, place, example: said.example, mend: said.mend }
    }

    fn of_error(subject: &str, error: &Error) -> Finding {
        let context = |names: &[&str]| {
            let found = error.context().iter().find(|(name, _)| names.contains(name));
            found.map(|(_, value)| value.clone())
        };
        let of_subject = Place::of(subject);
        let place = Place {
            table: context(&["table"]).or(of_subject.table),
            day: context(&["day", "days"]),
            object: context(&["object", "file", "folder", "output"]),
            column: context(&["column"]),
        };
        Finding {
            level: Level::Error,
            subject: subject.to_string(),
            text: error.to_string(),
            kind: Some(error.kind().name()),
            place,
            example: context(&["such as", "ad", "value"]),
            mend: error.mend_text().map(str::to_string),
        }
    }
}

/// All that was found.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct CheckReport {
    pub pipeline: String,
    pub findings: Vec<Finding>,
    #[serde(skip)]
    kinds: Vec<ErrorKind>,
    /// What a run would end with before it does anything.
    #[serde(skip)]
    ended: Option<ErrorKind>,
}

impl CheckReport {
    /// The kind that a run would exit with.
    pub(crate) fn worst(&self) -> Option<ErrorKind> {
        self.ended.or_else(|| ErrorKind::worst(self.kinds.iter().copied()))
    }
}

/// Findings as they come in.
pub(super) struct Findings<'a> {
    pub report: CheckReport,
    found: &'a dyn Fn(&Finding),
}

impl<'a> Findings<'a> {
    pub(super) fn new(pipeline: &str, found: &'a dyn Fn(&Finding)) -> Findings<'a> {
        Findings { report: CheckReport { pipeline: pipeline.to_string(), ..CheckReport::default() }, found }
    }

    fn push(&mut self, finding: Finding) {
        // The same is found in several ways.
        if !self.report.findings.iter().any(|known| known.text == finding.text && known.subject == finding.subject) {
            (self.found)(&finding);
            self.report.findings.push(finding);
        }
    }

    pub(super) fn ok(&mut self, subject: &str, text: impl Into<String>) {
        self.push(Finding::new(Level::Ok, subject, Said::new(text)));
    }

    pub(super) fn warn(&mut self, subject: &str, said: Said) {
        self.push(Finding::new(Level::Warning, subject, said));
    }

    pub(super) fn fail(&mut self, subject: &str, error: &Error) {
        self.report.kinds.push(error.kind());
        self.push(Finding::of_error(subject, error));
    }

    /// Notes several errors of a subject, in the order of their days: the newest few are told, the others are counted.
    pub(super) fn fail_each(&mut self, subject: &str, mut errors: Vec<Error>) {
        const TOLD: usize = 3;
        let told = errors.split_off(errors.len().saturating_sub(TOLD));
        errors.iter().for_each(|error| self.report.kinds.push(error.kind()));
        told.iter().rev().for_each(|error| self.fail(subject, error));
        if !errors.is_empty() {
            let text = format!("{} more of its days would be refused likewise", errors.len());
            self.push(Finding {
                kind: errors.first().map(|error| error.kind().name()),
                ..Finding::new(Level::Error, subject, Said::new(text))
            });
        }
    }

    /// Notes the error, if it is one: a run goes on with the others.
    pub(super) fn take<T>(&mut self, subject: &str, result: Result<T>) -> Option<T> {
        result.map_err(|error| self.fail(subject, &error)).ok()
    }

    /// Notes the error, if it is one: a run ends with it.
    pub(super) fn end<T>(&mut self, subject: &str, result: Result<T>) -> Option<T> {
        if let Err(error) = &result {
            self.report.ended.get_or_insert(error.kind());
        }
        self.take(subject, result)
    }
}
