//! Marks: days that something affected which their digests do not tell, such as an alias or an ad at another place.
//!
//! What such a thing was and which days its changes affected form one chain of states, kept in one object with what it was
//! compared with. A day's receipt names the state that the day was built under. So a day is stale when a later state affected it, or
//! when its state is none of the chain: whoever wrote last, in whatever order, no day can be taken for fresh that is not.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::base::day::Day;
use crate::base::digest::Digest;

/// The states of one thing, oldest first. Before the first lies the state of receipts that name none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Marks {
    states: Vec<MarkState>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct MarkState {
    id: Digest,
    /// The days that the step to this state affected and that have not been built under it, each with the reason.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    days: BTreeMap<Day, String>,
}

/// What is said of a day that was built under a state that nobody knows.
const UNKNOWN_STATE: &str = "what it was built with is not known any more";

impl Marks {
    pub(crate) fn is_empty(&self) -> bool {
        self.states.is_empty()
    }

    /// The state that holds now.
    pub(crate) fn tip(&self) -> Digest {
        self.states.last().map_or(Digest::NONE, |state| state.id)
    }

    /// Why a day that was built under this state is stale.
    pub(crate) fn reason(&self, day: Day, built_under: Digest) -> Option<&str> {
        let place = self.place(built_under);
        let affected = self.states[place.unwrap_or(0)..].iter().find_map(|state| state.days.get(&day));
        affected.map(String::as_str).or(if place.is_none() { Some(UNKNOWN_STATE) } else { None })
    }

    /// How many states end with this one.
    fn place(&self, id: Digest) -> Option<usize> {
        if id.is_none() {
            return Some(0);
        }
        self.states.iter().position(|state| state.id == id).map(|place| place + 1)
    }

    /// The step to a new state: `content` tells what holds now, `days` what it affects. `built_under` gives the state of each
    /// published day; what no day needs any more is dropped.
    #[must_use]
    pub(crate) fn step(
        &self,
        content: Digest,
        days: BTreeMap<Day, String>,
        built_under: impl Iterator<Item = (Day, Digest)>,
    ) -> Marks {
        let affected = days.iter().flat_map(|(day, reason)| [day.to_string(), reason.clone()]);
        let id = Digest::of_texts([self.tip().to_string(), content.to_string()].into_iter().chain(affected));
        let mut states = self.states.clone();
        states.push(MarkState { id, days });
        let mut needed: BTreeSet<Digest> = BTreeSet::from([id]);
        let mut waiting: BTreeMap<Day, usize> = BTreeMap::new();
        for (day, under) in built_under {
            needed.insert(under);
            waiting.insert(day, self.place(under).unwrap_or(0));
        }
        for (place, state) in states.iter_mut().enumerate() {
            state.days.retain(|day, _| waiting.get(day).is_some_and(|next| *next <= place));
        }
        states.retain(|state| needed.contains(&state.id) || !state.days.is_empty());
        Marks { states }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Day = Day(20_001);
    const TWO: Day = Day(20_002);

    fn content(text: &str) -> Digest {
        Digest::of_texts([text])
    }

    fn affected(days: &[Day], reason: &str) -> BTreeMap<Day, String> {
        days.iter().map(|day| (*day, reason.to_string())).collect()
    }

    #[test]
    fn a_day_is_stale_until_it_is_built_under_a_state_that_affected_it() {
        let none = Marks::default();
        assert_eq!(none.reason(ONE, Digest::NONE), None, "receipts that name no state are of before the first");
        let first =
            none.step(content("a"), affected(&[ONE], "alias changed"), [ONE, TWO].map(|day| (day, Digest::NONE)).into_iter());
        assert_eq!(first.reason(ONE, Digest::NONE), Some("alias changed"));
        assert_eq!(first.reason(TWO, Digest::NONE), None);
        assert_eq!(first.reason(ONE, first.tip()), None, "it was built under it");
        let built = [(ONE, first.tip()), (TWO, Digest::NONE)];
        let second = first.step(content("b"), affected(&[TWO], "again"), built.into_iter());
        assert_eq!(second.reason(ONE, first.tip()), None);
        assert_eq!(second.reason(TWO, Digest::NONE), Some("again"));
        assert_eq!(second.reason(TWO, first.tip()), Some("again"));
    }

    #[test]
    fn a_receipt_put_late_or_of_a_state_that_was_lost_makes_its_day_stale() {
        let known = Marks::default().step(content("a"), affected(&[], ""), std::iter::empty());
        let ours = known.step(content("b"), affected(&[ONE], "alias changed"), [(ONE, known.tip())].into_iter());
        let theirs = known.step(content("b"), affected(&[ONE, TWO], "alias changed"), [(ONE, known.tip())].into_iter());
        assert_ne!(ours.tip(), theirs.tip(), "what they affect is part of what they are");
        assert_eq!(ours.reason(ONE, known.tip()), Some("alias changed"), "a receipt of before, put late");
        assert!(ours.reason(ONE, theirs.tip()).is_some(), "a snapshot put late, over the one it was built under");
        assert_eq!(ours.reason(TWO, theirs.tip()), Some(UNKNOWN_STATE), "also where the late one affected nothing");
    }

    #[test]
    fn back_to_what_was_is_a_state_of_its_own() {
        let first = Marks::default().step(content("a"), affected(&[], ""), std::iter::empty());
        let second = first.step(content("b"), affected(&[ONE], "there"), [(ONE, first.tip())].into_iter());
        let third = second.step(content("a"), affected(&[ONE], "and back"), [(ONE, second.tip())].into_iter());
        assert_ne!(third.tip(), first.tip());
        assert_eq!(third.reason(ONE, second.tip()), Some("and back"));
    }

    #[test]
    fn what_no_day_needs_is_dropped() {
        let mut marks = Marks::default();
        for n in 0..50 {
            let tip = marks.tip();
            marks = marks.step(content(&n.to_string()), affected(&[ONE], "moved"), [(ONE, tip)].into_iter());
        }
        assert_eq!(marks.states.len(), 2, "the state of the day, and the newest: {marks:?}");
    }
}
