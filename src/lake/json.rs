//! Small JSON objects.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::open::Lake;
use crate::base::error::{Error, Result};

/// A small JSON object, or none when there is none or it cannot be read.
pub fn read_json<T: DeserializeOwned>(output: &Lake, object: &str) -> Result<Option<T>> {
    Ok(output.get(object)?.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
}

pub fn write_json(output: &Lake, object: &str, value: &impl Serialize) -> Result<()> {
    let mut bytes = serde_json::to_vec(value)
        .map_err(|error| Error::bug("a receipt cannot be written as JSON").with("object", object).source(error))?;
    bytes.push(b'\n');
    output.publish(object, bytes.into()).map(drop)
}
