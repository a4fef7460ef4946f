//! What Meta's errors mean: the pair of code and subcode decides what to do, never the HTTP status and, but for one sentence, never
//! the English text.
//!
//! In: the `error` object of an answer, or the fields of a report run that failed. Out: a [`GraphError`] and its [`ErrorClass`]; and
//! from both an [`Error`] that carries code, subcode and Meta's trace id, and keeps the [`GraphError`] as its source, so that a
//! caller can ask [`ErrorClass::of`] what stands behind it. The table is that of Meta's pages on error codes and of the Insights API.

use std::fmt;

use serde_json::Value;

use crate::base::error::{Error, ErrorKind};

/// Whom a limit holds for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Whom {
    Account,
    App,
}

/// What an error means, by what is to be done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorClass {
    /// Wait: a limit of the account, or of the app and so of all accounts.
    Throttled(Whom),
    /// Wait long, and tell somebody: Meta suspects abuse.
    Abuse,
    /// Ask for less; the same again would fail again.
    TooLarge,
    /// Try again.
    Transient,
    /// The token is invalid, or has expired.
    Token,
    /// The token may not see this.
    Permission,
    /// Meta has blocked this user or app for a time.
    Blocked,
    /// There is no such object, or not for this token.
    Missing,
    /// The range begins before what Meta keeps: 37 months.
    BeyondHistory,
    /// The API version is no longer served.
    Version,
    /// A cursor has expired: walk the pages again from the first.
    Cursor,
    /// Meta refuses the request as it is written.
    Refused,
    Unknown,
}

/// Which subcodes a line of the table is about.
enum Sub {
    Any,
    Is(i64),
}

/// The first line that fits decides.
const TABLE: &[(std::ops::RangeInclusive<i64>, Sub, ErrorClass)] = &[
    (4..=4, Sub::Any, ErrorClass::Throttled(Whom::App)),
    (17..=17, Sub::Any, ErrorClass::Throttled(Whom::Account)),
    (613..=613, Sub::Is(1487742), ErrorClass::Throttled(Whom::Account)),
    (613..=613, Sub::Any, ErrorClass::Abuse),
    (80000..=80014, Sub::Any, ErrorClass::Throttled(Whom::Account)),
    (32..=32, Sub::Any, ErrorClass::Throttled(Whom::Account)),
    (341..=341, Sub::Any, ErrorClass::Throttled(Whom::App)),
    (368..=368, Sub::Any, ErrorClass::Blocked),
    (100..=100, Sub::Is(1487534), ErrorClass::TooLarge),
    (100..=100, Sub::Is(1504018), ErrorClass::TooLarge),
    (-3..=-3, Sub::Is(1504045), ErrorClass::TooLarge),
    (2..=2, Sub::Is(1504038), ErrorClass::TooLarge),
    (2..=2, Sub::Is(1504041), ErrorClass::Refused),
    (2..=2, Sub::Is(1504042), ErrorClass::Refused),
    (-2..=-2, Sub::Is(2490547), ErrorClass::Transient),
    (1..=2, Sub::Any, ErrorClass::Transient),
    (100..=100, Sub::Is(3191001), ErrorClass::Permission),
    (10..=10, Sub::Any, ErrorClass::Permission),
    (200..=299, Sub::Any, ErrorClass::Permission),
    (100..=100, Sub::Is(33), ErrorClass::Missing),
    (190..=190, Sub::Any, ErrorClass::Token),
    (102..=102, Sub::Any, ErrorClass::Token),
    (3018..=3018, Sub::Any, ErrorClass::BeyondHistory),
    (2635..=2635, Sub::Any, ErrorClass::Version),
    (2642..=2642, Sub::Any, ErrorClass::Cursor),
    (100..=100, Sub::Any, ErrorClass::Refused),
];

/// Under code 1 this sentence, and no subcode, tells a request that is too large from a fault that passes.
const TOO_LARGE_CODE: i64 = 1;
const TOO_LARGE_SENTENCE: &str = "reduce the amount of data";

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GraphError {
    pub code: i64,
    pub subcode: Option<i64>,
    pub message: String,
    /// Meta says that it passes. Decides only where the pair is not known.
    pub is_transient: bool,
    /// What Meta's support asks for.
    pub trace: Option<String>,
}

impl GraphError {
    /// The `error` object of an answer, if it is one.
    pub fn of_answer(answer: &Value) -> Option<GraphError> {
        let error = answer.get("error")?;
        let text = |name: &str| error.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let mut message = text("message").unwrap_or("no message").to_string();
        for more in [text("error_user_title"), text("error_user_msg")].into_iter().flatten() {
            if !message.contains(more) {
                message = format!("{message}: {more}");
            }
        }
        Some(GraphError {
            code: integer(error.get("code")).unwrap_or(0),
            subcode: integer(error.get("error_subcode")),
            message,
            is_transient: error.get("is_transient").and_then(Value::as_bool).unwrap_or(false),
            trace: text("fbtrace_id").map(str::to_string),
        })
    }

    /// Why a report run failed, if it says so.
    pub fn of_run(run: &Value) -> Option<GraphError> {
        let text = |name: &str| run.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        Some(GraphError {
            code: integer(run.get("error_code"))?,
            subcode: integer(run.get("error_subcode")),
            message: text("error_message").or(text("error_user_msg")).unwrap_or("no message").to_string(),
            is_transient: false,
            trace: None,
        })
    }

    pub fn class(&self) -> ErrorClass {
        if self.code == TOO_LARGE_CODE && self.message.to_lowercase().contains(TOO_LARGE_SENTENCE) {
            return ErrorClass::TooLarge;
        }
        let fits = |sub: &Sub| match sub {
            Sub::Any => true,
            Sub::Is(subcode) => self.subcode == Some(*subcode),
        };
        match TABLE.iter().find(|(codes, sub, _)| codes.contains(&self.code) && fits(sub)) {
            Some((_, _, class)) => *class,
            None if self.is_transient => ErrorClass::Transient,
            None => ErrorClass::Unknown,
        }
    }

    /// What the operator is told. `origin` is where the token was read from.
    pub fn into_error(self, origin: &str) -> Error {
        let renew = format!(
            "create a new token with the permission ads_read (Meta Business settings, System users) and put it into {origin}"
        );
        let (kind, message, mend) = match self.class() {
            ErrorClass::Token => (ErrorKind::Denied, "Meta does not accept the token".to_string() + self.token_fault(), renew),
            ErrorClass::Permission | ErrorClass::Missing => (
                ErrorKind::Denied,
                "Meta denies this token access".to_string(),
                "give the token's user the permission ads_read and a role in this ad account, or take the account out of the \
                 pipeline file"
                    .to_string(),
            ),
            ErrorClass::Blocked => (
                ErrorKind::Denied,
                "Meta has blocked this user or app for a time".to_string(),
                "see the notice in Meta's App dashboard before anything is tried again".to_string(),
            ),
            ErrorClass::BeyondHistory => (
                ErrorKind::Usage,
                "the days begin before what Meta keeps".to_string(),
                "ask for at most the last 37 months".to_string(),
            ),
            ErrorClass::Version => (
                ErrorKind::Usage,
                "Meta no longer serves this API version".to_string(),
                "set api_version in [insights] to a newer one".to_string(),
            ),
            ErrorClass::Refused => (
                ErrorKind::Usage,
                "Meta refuses the request".to_string(),
                "check api_version, the ad accounts and app_secret_env in the pipeline file".to_string(),
            ),
            ErrorClass::Throttled(_) | ErrorClass::Abuse => {
                (ErrorKind::Unavailable, "Meta's request limit is reached".to_string(), "run again later".to_string())
            }
            ErrorClass::TooLarge => (
                ErrorKind::Unavailable,
                "Meta finds the smallest possible request too large".to_string(),
                "run again later".to_string(),
            ),
            ErrorClass::Transient | ErrorClass::Cursor | ErrorClass::Unknown => {
                (ErrorKind::Unavailable, "Meta's API failed".to_string(), "run again when it answers".to_string())
            }
        };
        let mut error = Error::new(kind, message).with("code", self.code);
        if let Some(subcode) = self.subcode {
            error = error.with("subcode", subcode);
        }
        if let Some(trace) = &self.trace {
            error = error.with("fbtrace_id", trace);
        }
        error.mend(mend).source(self)
    }

    fn token_fault(&self) -> &'static str {
        match self.subcode {
            Some(458) => ": its user removed the app",
            Some(459) => ": Meta wants its user to pass a security check",
            Some(460) => ": its user changed the password",
            Some(463) => ": it has expired",
            Some(464) => ": its user is not confirmed",
            Some(467) => ": it was revoked",
            Some(492) => ": its user has lost the role",
            _ => "",
        }
    }
}

impl fmt::Display for GraphError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Meta says: {}", self.message)
    }
}

impl std::error::Error for GraphError {}

impl ErrorClass {
    /// What stands behind an error, if it is Meta's.
    pub fn of(error: &Error) -> Option<ErrorClass> {
        let source = std::error::Error::source(error)?;
        source.downcast_ref::<GraphError>().map(GraphError::class)
    }
}

/// A whole number, also as text; codes can be negative.
fn integer(value: Option<&Value>) -> Option<i64> {
    match value? {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}
