//! Marks: days that something affected which their digests do not tell, such as an alias or an ad at another place.
//!
//! What such a thing was and which days its changes affected form one chain of states, kept in one object with what it was
//! compared with. A day's receipt names the state that the day was built under. So a day is stale when a later state affected it or did
//! not know of it, or when its state is none of the chain: whoever wrote last, in whatever order, no day can be taken for fresh that is
//! not.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::base::day::{Day, ranges};
use crate::base::digest::Digest;

/// The states of one thing, oldest first. Before the first lies the state of receipts that name none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Marks {
    states: Vec<MarkState>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct MarkState {
    id: Digest,
    /// The days that the step to this state affected, and no later one, each with the reason.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    days: BTreeMap<Day, String>,
    /// The days that were published when this state came, as ranges from first to last: of others nobody asked what it affects.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    known: Vec<(Day, Day)>,
}

impl MarkState {
    fn knows(&self, day: Day) -> bool {
        self.known.iter().any(|(first, last)| (*first..=*last).contains(&day))
    }

    /// Takes the place of the state before it too.
    fn follow(&mut self, before: &MarkState) {
        let in_both = |of: &(Day, Day)| {
            let shared = before.known.iter().map(|(first, last)| (of.0.max(*first), of.1.min(*last)));
            shared.filter(|days| days.0 <= days.1).collect::<Vec<_>>()
        };
        self.known = self.known.iter().flat_map(in_both).collect();
    }
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
        let later = &self.states[place.unwrap_or(0)..];
        let affected = later.iter().find_map(|state| state.days.get(&day)).map(String::as_str);
        let is_unknown = || place.is_none() || later.iter().any(|state| !state.knows(day));
        affected.or_else(|| is_unknown().then_some(UNKNOWN_STATE))
    }

    /// How many states end with this one.
    fn place(&self, id: Digest) -> Option<usize> {
        if id.is_none() {
            return Some(0);
        }
        self.states.iter().position(|state| state.id == id).map(|place| place + 1)
    }

    /// The step to a new state: `content` tells what holds now, `days` what it affects. `built_under` gives the state of each
    /// published day; states that no day needs any more are dropped.
    #[must_use]
    pub(crate) fn step(
        &self,
        content: Digest,
        days: BTreeMap<Day, String>,
        built_under: impl Iterator<Item = (Day, Digest)>,
    ) -> Marks {
        let affected = days.iter().flat_map(|(day, reason)| [day.to_string(), reason.clone()]);
        let id = Digest::of_texts([self.tip().to_string(), content.to_string()].into_iter().chain(affected));
        let (known, mut needed): (BTreeSet<Day>, BTreeSet<Digest>) = built_under.unzip();
        needed.insert(id);
        let mut states = self.states.clone();
        states.iter_mut().for_each(|state| state.days.retain(|day, _| !days.contains_key(day)));
        let known = ranges(known).into_iter().map(|range| (range.first, range.last)).collect();
        states.push(MarkState { id, days, known });
        let mut kept: Vec<MarkState> = Vec::new();
        let mut dropped: Option<MarkState> = None;
        for mut state in states {
            if let Some(before) = dropped.take() {
                state.follow(&before);
            }
            let is_needed = needed.contains(&state.id) || !state.days.is_empty();
            if is_needed { kept.push(state) } else { dropped = Some(state) }
        }
        Marks { states: kept }
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
    fn a_day_is_stale_until_it_is_built_under_a_state_that_reached_it() {
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
        let built = || [ONE, TWO].map(|day| (day, known.tip())).into_iter();
        let ours = known.step(content("b"), affected(&[ONE], "alias changed"), built());
        let theirs = known.step(content("b"), affected(&[ONE, TWO], "alias changed"), built());
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

    #[test]
    fn a_day_that_a_state_did_not_know_of_is_not_of_before_it() {
        let first = Marks::default().step(content("a"), affected(&[], ""), std::iter::empty());
        assert_eq!(first.reason(ONE, Digest::NONE), Some(UNKNOWN_STATE), "it was built before anything was known");
        let second = first.step(content("b"), affected(&[], ""), [(ONE, first.tip())].into_iter());
        assert_eq!((second.reason(ONE, first.tip()), second.reason(TWO, first.tip())), (None, Some(UNKNOWN_STATE)));
        assert_eq!(second.reason(TWO, second.tip()), None);
        // The second state is dropped, and what it did not know of stays unknown.
        let third = second.step(content("c"), affected(&[], ""), [(ONE, first.tip()), (TWO, first.tip())].into_iter());
        assert_eq!(third.states.len(), 2, "{third:?}");
        assert_eq!((third.reason(ONE, first.tip()), third.reason(TWO, first.tip())), (None, Some(UNKNOWN_STATE)));
    }

    #[test]
    fn a_day_that_is_never_built_again_keeps_one_mark() {
        let mut marks = Marks::default();
        for n in 0..50 {
            marks = marks.step(content(&n.to_string()), affected(&[ONE], "alias changed"), [(ONE, Digest::NONE)].into_iter());
        }
        assert_eq!(marks.states.len(), 1, "{marks:?}");
        assert!(marks.reason(ONE, Digest::NONE).is_some());
    }
}
