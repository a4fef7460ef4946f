//! The contacts in parts, so that memory holds a part of the rows at once.

use crate::base::digest::short_hash;
use crate::engine::embedded::hashes::Hashes;
use crate::extract::identity::Identities;

/// A part of all contacts, by the short hashes of those that their ids stand for. A table is sorted by the hashes of its ids, so
/// the rows of a part lie together, but for aliases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub number: u32,
    pub of: u32,
}

impl Part {
    pub(super) const WHOLE: Part = Part { number: 0, of: 1 };

    pub(super) fn has(self, hash: i64) -> bool {
        ((u128::from(hash.cast_unsigned()) * u128::from(self.of)) >> 64) as u32 == self.number
    }

    /// Whether a row counts in this part. One without a contact counts in the first.
    pub(super) fn counts(self, identities: &Identities, bot: u32, contact: Option<(&str, i64)>) -> bool {
        let Some((id, hash)) = contact.filter(|_| self.of > 1) else { return self.number == 0 };
        let resolved = identities.resolve(bot as usize, id);
        self.has(if std::ptr::eq(resolved, id) { hash } else { short_hash(resolved) })
    }
}

/// The hashes of the ids that stand for a contact of this part, in whatever bot.
pub(super) fn alias_hashes(identities: &Identities, part: Part) -> Hashes {
    let targets = identities.aliases().filter(|(_, target)| part.has(short_hash(target)));
    targets.map(|(alias, _)| short_hash(alias)).collect()
}
