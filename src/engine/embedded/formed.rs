//! The contacts of rows in the pipeline's forms, with their short hashes (rule 16). Working tables hold them as they came: a form that
//! is named later makes nothing stale that was read.

use arrow::array::{Int64Array, StringArray};

use crate::base::digest::short_hash;
use crate::config::Forms;

#[derive(Clone, Default)]
pub(super) struct FormedContacts(pub Forms);

impl FormedContacts {
    /// The contacts of a batch, with the hashes that were stored of them.
    pub(super) fn of(&self, as_they_came: StringArray, hashes: Int64Array) -> (StringArray, Int64Array) {
        if self.0.is_empty() {
            return (as_they_came, hashes);
        }
        let formed: StringArray = as_they_came.iter().map(|contact| contact.map(|id| self.0.of(id))).collect();
        let hashes_of_formed = self.hashes(&formed);
        (formed, hashes_of_formed)
    }

    fn hashes(&self, formed: &StringArray) -> Int64Array {
        formed.iter().map(|contact| contact.map(short_hash)).collect()
    }

    /// The hashes of contacts that are as they came.
    pub(super) fn hashes_of<'c>(&self, as_they_came: impl Iterator<Item = Option<&'c str>>) -> Int64Array {
        as_they_came.map(|contact| contact.map(|id| short_hash(&self.0.of(id)))).collect()
    }

    pub(super) fn are_as_they_came(&self) -> bool {
        self.0.is_empty()
    }
}
