//! Which engine finds sessions and conversions: the section `[engine]`.
//!
//! In: the section. Out: an [`EngineKind`]. A kind that this build does not have is a usage error that says what to write.

use super::document::Section;
use crate::base::alike::nearest;
use crate::base::error::{Error, Result};

/// An engine that this build has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EngineKind {
    /// Within this program.
    #[default]
    Embedded,
}

impl EngineKind {
    pub const ALL: [EngineKind; 1] = [EngineKind::Embedded];

    /// The word for it in the pipeline file.
    pub fn name(self) -> &'static str {
        match self {
            EngineKind::Embedded => "embedded",
        }
    }

    pub(super) fn read(section: Option<Section<'_>>) -> Result<EngineKind> {
        let Some(section) = section else { return Ok(EngineKind::default()) };
        let kind = section.text("kind")?.map(|kind| kind.try_map(|word| EngineKind::of_word(&word))).transpose()?;
        section.finish()?;
        Ok(kind.map(|kind| kind.value).unwrap_or_default())
    }

    fn of_word(word: &str) -> Result<EngineKind> {
        if let Some(kind) = EngineKind::ALL.into_iter().find(|kind| kind.name() == word) {
            return Ok(kind);
        }
        let words = EngineKind::ALL.map(EngineKind::name);
        let built = words.map(|known| format!("{known:?}")).join(", ");
        if ELSEWHERE.contains(&word) {
            return Err(Error::usage(format!("engine {word:?} is not in this build, which has {built} only"))
                .mend(format!("write kind = {:?}, or leave [engine] out", EngineKind::default().name())));
        }
        let near = nearest(words.into_iter().chain(ELSEWHERE), word);
        let error = Error::usage(format!("engine {word:?} is not known"));
        Err(error.mend(match near {
            Some(near) => format!("did you mean {near:?}? (this build has {built})"),
            None => format!("this build has {built}"),
        }))
    }
}

/// Kinds that the contract names and other builds have.
const ELSEWHERE: [&str; 1] = ["spark"];
