//! An object of a lake, as a listing shows it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::base::logged::LoggedFile;

/// An object as a listing shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Object {
    /// The path, relative to the lake's location.
    pub path: String,
    pub size: u64,
    /// What changes when the content does: the ETag, else size and time; with what the log of its table says of its rows and columns.
    pub version: String,
    /// How it is read where it is a file of a table with a log.
    #[serde(skip)]
    pub logged: Logged,
}

impl Object {
    /// An object that is read as it is.
    pub fn plain(path: impl Into<String>, size: u64, version: impl Into<String>) -> Object {
        Object { path: path.into(), size, version: version.into(), logged: Logged::default() }
    }

    /// The version that the store knows it under.
    pub(crate) fn stored_version(&self) -> &str {
        self.logged.0.as_ref().map_or(&self.version, |file| &file.stored_version)
    }
}

/// What the log of a table says of a file; nothing of a plain one. The object's version tells all of it, so this is never compared.
#[derive(Clone, Debug, Default)]
pub struct Logged(pub(crate) Option<Arc<LoggedFile>>);

impl PartialEq for Logged {
    fn eq(&self, _: &Logged) -> bool {
        true
    }
}

impl Eq for Logged {}
