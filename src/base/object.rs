//! An object of a lake, as a listing shows it.

use serde::{Deserialize, Serialize};

/// An object as a listing shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Object {
    /// The path, relative to the lake's location.
    pub path: String,
    pub size: u64,
    /// What changes when the content does: the ETag, else size and time.
    pub version: String,
}
