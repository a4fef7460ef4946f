//! Digests: what tells whether something is still what it was.
//!
//! A [`Digest`] is 128 bits: of SHA-256, or for rows of a faster hash. Digests of rows are added up, so that the digest of a set of
//! rows does not depend on their order, on the files they lie in, or on the partitions that delivered them. A [`short_hash`] only
//! brings equal texts together.

use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};
use twox_hash::XxHash64;

use crate::base::stored_text::parsed;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(u128);

impl Digest {
    /// The digest of nothing; what sums start from.
    pub const NONE: Digest = Digest(0);

    /// The digest of a sequence of texts, each told apart from its neighbours; a missing one differs from an empty one.
    pub fn of<'a>(parts: impl IntoIterator<Item = Option<&'a str>>) -> Digest {
        let mut bytes = Vec::with_capacity(USUAL_BYTES);
        add(&mut bytes, parts);
        Digest::of_bytes(&bytes)
    }

    /// The digest of the cells of a row, of which there are many: XXH64 under two seeds. It tells rows apart that differ by chance,
    /// not by design.
    pub fn of_row<'a>(cells: impl IntoIterator<Item = Option<&'a str>>) -> Digest {
        let mut bytes = Vec::with_capacity(USUAL_BYTES);
        add(&mut bytes, cells);
        let half = |seed: u64| u128::from(XxHash64::oneshot(seed, &bytes));
        Digest(half(1) << 64 | half(2))
    }

    pub fn is_none(&self) -> bool {
        *self == Digest::NONE
    }

    fn of_bytes(bytes: &[u8]) -> Digest {
        let mut first = [0; 16];
        first.copy_from_slice(&sha256(bytes)[..16]);
        Digest(u128::from_le_bytes(first))
    }

    /// The digest of texts that are all there.
    pub fn of_texts<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> Digest {
        let texts: Vec<T> = texts.into_iter().collect();
        Digest::of(texts.iter().map(|text| Some(text.as_ref())))
    }

    /// The digest of both sets together.
    #[must_use]
    pub fn plus(self, other: Digest) -> Digest {
        Digest(self.0.wrapping_add(other.0))
    }

    /// The digest of what is left when a part is taken out again.
    #[must_use]
    pub fn minus(self, other: Digest) -> Digest {
        Digest(self.0.wrapping_sub(other.0))
    }
}

/// One call for all parts of a row: a call costs as much as a short text.
const USUAL_BYTES: usize = 256;

fn add<'a>(bytes: &mut Vec<u8>, parts: impl IntoIterator<Item = Option<&'a str>>) {
    for part in parts {
        match part {
            Some(text) => {
                let mut start = [1; 9];
                start[1..].copy_from_slice(&(text.len() as u64).to_le_bytes());
                bytes.extend_from_slice(&start);
                bytes.extend_from_slice(text.as_bytes());
            }
            None => bytes.push(0),
        }
    }
}

/// What brings equal texts together cheaply, the same in every version: their XXH64. Unequal texts may have it in common.
pub fn short_hash(text: &str) -> i64 {
    XxHash64::oneshot(0, text.as_bytes()).cast_signed()
}

/// The short hash of a pair of texts, of which the first has this one.
pub fn short_hash_and(first: i64, second: &str) -> i64 {
    XxHash64::oneshot(first.cast_unsigned(), second.as_bytes()).cast_signed()
}

/// The whole SHA-256 of some bytes.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Digest, D::Error> {
        parsed(deserializer)
    }
}

impl FromStr for Digest {
    type Err = ParseIntError;

    /// Reads its hexadecimal digits. Two halves are read faster than the whole.
    fn from_str(digits: &str) -> Result<Digest, ParseIntError> {
        let halves = digits.split_at_checked(digits.len().saturating_sub(16));
        let (high, low) = halves.filter(|(high, _)| !high.is_empty()).unwrap_or(("0", digits));
        let half = |part| u64::from_str_radix(part, 16).map(u128::from);
        Ok(Digest(half(high)? << 64 | half(low)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_told_apart() {
        assert_ne!(Digest::of([Some("ab"), Some("c")]), Digest::of([Some("a"), Some("bc")]));
        assert_ne!(Digest::of([Some("")]), Digest::of([None]));
        assert_ne!(Digest::of([Some("a")]), Digest::of([Some("a"), None]));
        assert_ne!(Digest::of_row([Some("ab"), Some("c")]), Digest::of_row([Some("a"), Some("bc")]));
        assert_ne!(Digest::of_row([Some("a")]), Digest::of_row([Some("a"), None]));
    }

    #[test]
    fn digits_are_those_of_the_number() {
        for number in [0, 1, u128::from(u64::MAX), 1 << 64, u128::MAX, 0x0123_4567_89ab_cdef_0011_2233_4455_6677] {
            assert_eq!(Digest(number).to_string().parse(), Ok(Digest(number)));
            assert_eq!(format!("{number:x}").parse(), Ok(Digest(number)));
        }
        for other in ["", "g", "0123456789abcdef0", "00000000000000000000000000000000f0", "é0123456789abcdef"] {
            assert_eq!(other.parse::<Digest>().ok(), u128::from_str_radix(other, 16).ok().map(Digest), "{other:?}");
        }
        assert!("100000000000000000000000000000000".parse::<Digest>().is_err());
    }

    #[test]
    fn sums_do_not_see_the_order_and_can_be_undone() {
        let (a, b) = (Digest::of_texts(["a"]), Digest::of_texts(["b"]));
        assert_eq!(a.plus(b), b.plus(a));
        assert_eq!(a.plus(b).minus(b), a);
        assert_ne!(a.plus(a), a, "the same row twice is not the same set");
    }
}
