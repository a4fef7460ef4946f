//! Said: what there is to say that is no error: what was found, one example of it, and the line to write.

use std::fmt;

/// A sentence with its example and its mend, which a program can tell apart.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Said {
    text: String,
    pub(crate) example: Option<String>,
    pub(crate) mend: Option<String>,
}

impl Said {
    pub(crate) fn new(text: impl Into<String>) -> Said {
        Said { text: text.into(), example: None, mend: None }
    }

    /// One value as it came; the text has it already.
    pub(crate) fn example(mut self, example: impl Into<String>) -> Said {
        self.example = Some(example.into());
        self
    }

    /// What to do about it.
    pub(crate) fn mend(mut self, mend: impl Into<String>) -> Said {
        self.mend = Some(mend.into());
        self
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        self.mend.iter().try_for_each(|mend| write!(f, "; {mend}"))
    }
}
