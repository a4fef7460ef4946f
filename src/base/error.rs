//! What went wrong, said once: what happened, to what, and what to do.
//!
//! An error is classified where the foreign type is still in hand (a storage error in `lake`, a TOML error in `config`) and is
//! carried up unchanged but for context pairs. Its [`ErrorKind`] decides the exit code, which tells the operator who does what.
//! Errors are returned or reported, never both.

use std::fmt::{self, Write};

/// Who does what about it. The exit codes are a contract with orchestrators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// A flag, date or pipeline file is wrong: fix it.
    Usage,
    /// An input day has not landed: try later.
    NotReady,
    /// Storage, API or engine still failing after our retries: retry with backoff.
    Unavailable,
    /// Credential or permission: page a person.
    Denied,
    /// Input broke the contract, or a check on the result failed: that day was not published.
    Data,
    /// Another run holds this output.
    Conflict,
    /// Ours.
    Bug,
    /// Stopped by Ctrl-C.
    Interrupted,
    /// Stopped by SIGTERM.
    Terminated,
}

impl ErrorKind {
    pub fn exit_code(self) -> u8 {
        match self {
            ErrorKind::Usage => 2,
            ErrorKind::NotReady => 3,
            ErrorKind::Unavailable => 4,
            ErrorKind::Denied => 5,
            ErrorKind::Data => 6,
            ErrorKind::Conflict => 7,
            ErrorKind::Bug => 70,
            ErrorKind::Interrupted => 130,
            ErrorKind::Terminated => 143,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            ErrorKind::Usage => "usage",
            ErrorKind::NotReady => "not ready",
            ErrorKind::Unavailable => "unavailable",
            ErrorKind::Denied => "denied",
            ErrorKind::Data => "data",
            ErrorKind::Conflict => "conflict",
            ErrorKind::Bug => "bug",
            ErrorKind::Interrupted => "interrupted",
            ErrorKind::Terminated => "terminated",
        }
    }

    /// The rank among several failures: a run exits with the least hopeful one.
    fn severity(self) -> u8 {
        match self {
            ErrorKind::Interrupted | ErrorKind::Terminated => 8,
            ErrorKind::Usage => 7,
            ErrorKind::Bug => 6,
            ErrorKind::Data => 5,
            ErrorKind::Denied => 4,
            ErrorKind::Conflict => 3,
            ErrorKind::Unavailable => 2,
            ErrorKind::NotReady => 1,
        }
    }

    /// The kind a run with these failures exits with; none when there is no failure.
    pub fn worst(kinds: impl IntoIterator<Item = ErrorKind>) -> Option<ErrorKind> {
        kinds.into_iter().max_by_key(|kind| kind.severity())
    }
}

/// An error with its kind, what it happened to, and its mend.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    message: String,
    context: Vec<(&'static str, String)>,
    mend: Option<String>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Error {
        Error(Box::new(Inner { kind, message: message.into(), context: Vec::new(), mend: None, source: None }))
    }

    pub fn usage(message: impl Into<String>) -> Error {
        Error::new(ErrorKind::Usage, message)
    }

    pub fn not_ready(message: impl Into<String>) -> Error {
        Error::new(ErrorKind::NotReady, message)
    }

    pub fn data(message: impl Into<String>) -> Error {
        Error::new(ErrorKind::Data, message)
    }

    pub fn bug(message: impl Into<String>) -> Error {
        Error::new(ErrorKind::Bug, message)
            .mend("report this with the pipeline file and the command: it is a fault of ctwa, not of the data")
    }

    /// What it happened to: table, day, object, column, account, ad, bot.
    pub fn with(mut self, name: &'static str, value: impl fmt::Display) -> Error {
        if !self.0.context.iter().any(|(known, _)| *known == name) {
            self.0.context.push((name, value.to_string()));
        }
        self
    }

    /// What to do about it.
    pub fn mend(mut self, mend: impl Into<String>) -> Error {
        self.0.mend.get_or_insert(mend.into());
        self
    }

    pub fn source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
        self.0.source = Some(source.into());
        self
    }

    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    pub fn message(&self) -> &str {
        &self.0.message
    }

    pub fn context(&self) -> &[(&'static str, String)] {
        &self.0.context
    }

    pub fn mend_text(&self) -> Option<&str> {
        self.0.mend.as_deref()
    }
}

impl fmt::Display for Error {
    /// Writes it on one line: text from outside could hold what a terminal obeys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = String::new();
        self.write_to(&mut line)?;
        for letter in line.chars() {
            if letter.is_control() { write!(f, "{}", letter.escape_default())? } else { f.write_char(letter)? }
        }
        Ok(())
    }
}

impl Error {
    fn write_to(&self, f: &mut String) -> fmt::Result {
        f.write_str(&self.0.message)?;
        if !self.0.context.is_empty() {
            f.write_str(" (")?;
            for (i, (name, value)) in self.0.context.iter().enumerate() {
                write!(f, "{}{name} {value}", if i == 0 { "" } else { ", " })?;
            }
            f.write_str(")")?;
        }
        let mut source = self.0.source.as_ref().map(|source| source.as_ref() as &dyn std::error::Error);
        let mut said = self.0.message.clone();
        while let Some(cause) = source {
            let text = cause.to_string();
            // Wrapping types often repeat their source in their own text.
            if !said.contains(&text) {
                write!(f, ": {text}")?;
                said.push_str(&text);
            }
            source = cause.source();
        }
        if let Some(mend) = &self.0.mend {
            write!(f, "; {mend}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} error: {self}", self.0.kind.name())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_ref().map(|source| source.as_ref() as &(dyn std::error::Error + 'static))
    }
}

impl From<polars::error::PolarsError> for Error {
    /// The frames are ours from end to end, so a polars error is a fault of the pipeline.
    fn from(error: polars::error::PolarsError) -> Error {
        Error::bug("a frame operation failed").source(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_to_what_and_what_to_do() {
        let error = Error::data("column is missing").with("object", "a.parquet").with("column", "ad_id").mend("map it");
        assert_eq!(error.to_string(), "column is missing (object a.parquet, column ad_id); map it");
    }

    #[test]
    fn text_from_outside_cannot_drive_a_terminal() {
        assert_eq!(Error::data("bad\u{1b}[2J").with("ad", "a\nb").to_string(), "bad\\u{1b}[2J (ad a\\nb)");
    }

    #[test]
    fn the_worst_kind_decides_the_exit() {
        use ErrorKind::*;
        assert_eq!(ErrorKind::worst([NotReady, Data, Unavailable]), Some(Data));
        assert_eq!(ErrorKind::worst([NotReady, Conflict, Unavailable]), Some(Conflict));
        assert_eq!(ErrorKind::worst([Denied, Conflict]), Some(Denied));
        assert_eq!(ErrorKind::worst([]), None);
    }
}
