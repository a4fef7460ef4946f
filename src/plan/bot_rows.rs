//! The rows of each bot by local day, as the receipts of partitions tell them: digests, of which the planner asks sums.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::day::Day;
use crate::base::digest::Digest;
use crate::base::limits::COPY_DAYS;
use crate::config::Bot;
use crate::extract::found::{DayDigest, RawContent};
use crate::plan::receipt::{PartitionReceipt, Receipts};

/// The rows of one bot by local day.
#[derive(Default)]
pub(crate) struct BotRows {
    pub touches: BTreeMap<Day, DayDigest>,
    pub events: BTreeMap<Day, Digest>,
    /// Days with rows, and the running sum of their digests.
    sums: Vec<(Day, Digest)>,
}

impl BotRows {
    pub(crate) fn new(
        bot: &Bot,
        messages: &Receipts<PartitionReceipt<RawContent>>,
        events: &Receipts<PartitionReceipt<RawContent>>,
    ) -> BotRows {
        let mut rows = BotRows::default();
        for (day, digest) in messages.iter().filter_map(|(_, receipt)| receipt.content.days.get(&bot.id)).flatten() {
            let sum = rows.touches.entry(*day).or_default();
            sum.attributed = sum.attributed.plus(digest.attributed);
            sum.other = sum.other.plus(digest.other);
        }
        for (day, digest) in events.iter().filter_map(|(_, receipt)| receipt.content.days.get(&bot.id)).flatten() {
            let sum = rows.events.entry(*day).or_default();
            *sum = sum.plus(digest.other);
        }
        let mut sum = Digest::NONE;
        for day in rows.touches.keys().chain(rows.events.keys()).copied().collect::<BTreeSet<Day>>() {
            sum = sum.plus(rows.own(bot, day));
            rows.sums.push((day, sum));
        }
        rows
    }

    /// The rows of one day, told apart from the same rows on another day.
    pub(crate) fn own(&self, bot: &Bot, day: Day) -> Digest {
        let (touches, events) = (self.touches.get(&day), self.events.get(&day));
        if touches.is_none() && events.is_none() {
            return Digest::NONE;
        }
        let touches = touches.copied().unwrap_or_default();
        let parts = [touches.attributed, touches.other, events.copied().unwrap_or_default()].map(|digest| digest.to_string());
        Digest::of_texts([bot.id.clone(), day.to_string()].iter().chain(&parts))
    }

    /// The first day with rows.
    pub(crate) fn first(&self) -> Option<Day> {
        self.sums.first().map(|(day, _)| *day)
    }

    fn sum_through(&self, day: Day) -> Digest {
        let n = self.sums.partition_point(|(known, _)| *known <= day);
        n.checked_sub(1).map_or(Digest::NONE, |i| self.sums[i].1)
    }

    /// The rows that a day's figures can depend on.
    pub(crate) fn affecting(&self, bot: &Bot, first: Day, day: Day) -> Digest {
        let until_day = self.sum_through(day).minus(self.sum_through(first.plus(-1)));
        // A later copy with an ad id takes an unattributed touch away, up to seven times 24 h after it.
        let shadowed_from = day.plus(-COPY_DAYS - 1);
        let has_unattributed = self.touches.range(shadowed_from..=day).any(|(_, rows)| rows.other != Digest::NONE);
        if !has_unattributed {
            return until_day;
        }
        let later = self.touches.range(day.next()..=day.plus(COPY_DAYS + 1));
        later.fold(until_day, |sum, (later, rows)| {
            sum.plus(Digest::of_texts([&bot.id, "copies", &later.to_string(), &rows.attributed.to_string()]))
        })
    }
}
