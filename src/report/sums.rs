//! Figures of days, added up. Pure.
//!
//! In: [`DayFigures`], a day at a time. Out: [`Sums`], over the days on which a figure, or both figures of a ratio, are known (rule
//! 13). Counts are added in 128 bits, which no range of days fills; [`exact_count`] refuses a sum that a count's column cannot hold.

use crate::base::error::{Error, Result};

use super::published::Key;

/// What one day of a (bot, ad) says. None is unknown, which is not 0.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct DayFigures {
    pub conversations: i64,
    pub conversions: Option<i128>,
    /// Millionths of the currency's major unit.
    pub spend: Option<i128>,
    pub reach: Option<i64>,
}

/// Sums, and the number of days on which their figures are known.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sums {
    pub conversations: i128,
    pub conversations_with_spend: i128,
    pub conversations_when_configured: i128,
    pub conversions: i128,
    pub conversions_with_spend: i128,
    /// Millionths of the currency's major unit.
    pub spend: i128,
    pub spend_when_configured: i128,
    pub reach_max_of_day: Option<i64>,
    pub reach_sum: Option<i128>,
    pub conversions_days: i64,
    pub spend_days: i64,
    /// Days on which spend and conversions are known.
    pub both_days: i64,
}

impl Sums {
    pub(super) fn add_day(&mut self, day: DayFigures) {
        let conversations = i128::from(day.conversations);
        self.conversations += conversations;
        if let Some(conversions) = day.conversions {
            self.conversations_when_configured += conversations;
            self.conversions += conversions;
            self.conversions_days += 1;
        }
        if let Some(spend) = day.spend {
            self.conversations_with_spend += conversations;
            self.spend += spend;
            self.spend_days += 1;
        }
        if let (Some(conversions), Some(spend)) = (day.conversions, day.spend) {
            self.conversions_with_spend += conversions;
            self.spend_when_configured += spend;
            self.both_days += 1;
        }
        self.add_reach(day.reach, day.reach.map(i128::from));
    }

    fn add_reach(&mut self, most: Option<i64>, sum: Option<i128>) {
        self.reach_max_of_day = self.reach_max_of_day.max(most);
        if let Some(sum) = sum {
            *self.reach_sum.get_or_insert(0) += sum;
        }
    }

    /// Adds the sums over other days.
    pub(super) fn join(&mut self, other: &Sums) {
        self.conversations += other.conversations;
        self.conversations_with_spend += other.conversations_with_spend;
        self.conversations_when_configured += other.conversations_when_configured;
        self.conversions += other.conversions;
        self.conversions_with_spend += other.conversions_with_spend;
        self.spend += other.spend;
        self.spend_when_configured += other.spend_when_configured;
        self.conversions_days += other.conversions_days;
        self.spend_days += other.spend_days;
        self.both_days += other.both_days;
        self.add_reach(other.reach_max_of_day, other.reach_sum);
    }
}

/// A column of a published table whose counts are added up for a (bot, ad).
#[derive(Clone, Copy, Debug)]
pub(super) struct Summed<'k> {
    pub table: &'static str,
    pub column: &'static str,
    pub key: Key<'k>,
}

/// A sum of counts as the count that is shown. One of more than 63 bits is refused: no true count comes near it.
pub(super) fn exact_count(sum: i128, of: Summed<'_>) -> Result<i64> {
    i64::try_from(sum).map_err(|_| {
        let (bot_id, ad_id) = of.key;
        let error = Error::data("published counts add up to more than a report can hold")
            .with("table", of.table)
            .with("column", of.column)
            .with("ad", ad_id);
        let error = bot_id.into_iter().fold(error, |error, bot| error.with("bot", bot));
        error.mend(
            "a count of them is wrong: correct it where it comes from and build its day again, or ask for other days or ads",
        )
    })
}
