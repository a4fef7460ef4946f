//! Sessions: which touch a conversion event is credited to (rules 3 to 6 and 11). The meaning of the product is this file.
//!
//! A touch opens a session; it closes at the contact's first conversion event within the horizon (converted), at the contact's
//! next touch (superseded) or at the end of the horizon (expired); until then it is open. On the contact's timeline, ordered
//! by time, touches before events at equal times, the first event of a session is the row right after its touch: so one sort and
//! two shifts tell every session's end, without groups.

use polars::prelude::*;

use crate::base::error::Result;
use crate::config::Horizon;

/// How a session ended; every touch has exactly one end.
pub(crate) mod state {
    pub(crate) const CONVERTED: i32 = 0;
    pub(crate) const SUPERSEDED: i32 = 1;
    pub(crate) const EXPIRED: i32 = 2;
    pub(crate) const OPEN: i32 = 3;
}

const TOUCH: i32 = 0;
const EVENT: i32 = 1;

/// The sessions of some contacts.
///
/// In, one row per touch and per conversion event, copies dropped, instants in microseconds:
/// - `touches`: contact u32, at i64, rank u32, bot u32, ad u32 (null: no ad is known), day i32 (local)
/// - `events`: contact u32, at i64, rank u32, category u32, day i32 (local)
///
/// `rank` orders rows of equal time (rule 5: touches by message id). `watermark` is the instant up to which events have landed.
///
/// Out, one row per touch: contact, opened_at, rank, bot, ad, day, state i32, and of its conversion, null where it has none,
/// converted_at, conversion_rank, conversion_day, category. Of a superseded one, `superseded_by` is the rank of the next touch.
pub(crate) fn sessions(touches: LazyFrame, events: LazyFrame, horizon: Horizon, watermark: i64) -> Result<LazyFrame> {
    let no_category = lit(NULL).cast(DataType::UInt32).alias("category");
    let no_ad = lit(NULL).cast(DataType::UInt32).alias("ad");
    let no_bot = lit(NULL).cast(DataType::UInt32).alias("bot");
    let columns = ["contact", "at", "kind", "rank", "bot", "ad", "category", "day"].map(col);
    let touches = touches.with_columns([lit(TOUCH).alias("kind"), no_category]).select(columns.clone());
    let events = events.with_columns([lit(EVENT).alias("kind"), no_ad, no_bot]).select(columns);
    let timeline =
        concat([touches, events], UnionArgs::default())?.sort(["contact", "at", "kind", "rank"], SortMultipleOptions::default());

    // The row after a touch, if it is of the same contact.
    let next = |column: &str, name: &str| {
        when(col("contact").shift(lit(-1)).eq(col("contact"))).then(col(column).shift(lit(-1))).otherwise(lit(NULL)).alias(name)
    };
    let opened = timeline
        .with_columns([
            next("kind", "next_kind"),
            next("at", "next_at"),
            next("rank", "next_rank"),
            next("day", "next_day"),
            next("category", "next_category"),
        ])
        .filter(col("kind").eq(lit(TOUCH)))
        .with_columns([next("at", "next_touch_at"), next("rank", "next_touch_rank")]);

    let within_horizon = |at: Expr| (at - col("at")).lt_eq(lit(horizon.micros()));
    let is_converted = col("next_kind").eq(lit(EVENT)).and(within_horizon(col("next_at"))).fill_null(lit(false));
    let is_superseded = within_horizon(col("next_touch_at")).fill_null(lit(false));
    let has_expired = (col("at") + lit(horizon.micros())).lt(lit(watermark));
    let closed = opened.with_columns([when(is_converted)
        .then(lit(state::CONVERTED))
        .when(is_superseded)
        .then(lit(state::SUPERSEDED))
        .when(has_expired)
        .then(lit(state::EXPIRED))
        .otherwise(lit(state::OPEN))
        .alias("state")]);

    let only_in =
        |end: i32, column: &str, name: &str| when(col("state").eq(lit(end))).then(col(column)).otherwise(lit(NULL)).alias(name);
    let of_conversion = |column: &str, name: &str| only_in(state::CONVERTED, column, name);
    Ok(closed.select([
        col("contact"),
        col("at").alias("opened_at"),
        col("rank"),
        col("bot"),
        col("ad"),
        col("day"),
        col("state"),
        of_conversion("next_at", "converted_at"),
        of_conversion("next_rank", "conversion_rank"),
        of_conversion("next_day", "conversion_day"),
        of_conversion("next_category", "category"),
        only_in(state::SUPERSEDED, "next_touch_rank", "superseded_by"),
    ]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::day::MICROS_PER_DAY;

    /// (contact, at, rank, ad) and (contact, at): the states and conversion times in the order of the touches.
    fn ends(touches: &[(u32, i64, u32, Option<u32>)], events: &[(u32, i64)]) -> Vec<(i32, Option<i64>)> {
        let touches = df!(
            "contact" => touches.iter().map(|t| t.0).collect::<Vec<_>>(),
            "at" => touches.iter().map(|t| t.1).collect::<Vec<_>>(),
            "rank" => touches.iter().map(|t| t.2).collect::<Vec<_>>(),
            "bot" => vec![0u32; touches.len()],
            "ad" => touches.iter().map(|t| t.3).collect::<Vec<_>>(),
            "day" => vec![0i32; touches.len()],
        );
        let events = df!(
            "contact" => events.iter().map(|e| e.0).collect::<Vec<_>>(),
            "at" => events.iter().map(|e| e.1).collect::<Vec<_>>(),
            "rank" => vec![0u32; events.len()],
            "category" => vec![0u32; events.len()],
            "day" => vec![0i32; events.len()],
        );
        let found = sessions(touches.unwrap().lazy(), events.unwrap().lazy(), Horizon { days: 90 }, 1_000 * MICROS_PER_DAY)
            .unwrap()
            .sort(["opened_at", "rank"], SortMultipleOptions::default())
            .collect()
            .unwrap();
        let states = found.column("state").unwrap().i32().unwrap().into_no_null_iter();
        states.zip(found.column("converted_at").unwrap().i64().unwrap().iter()).collect()
    }

    const D: i64 = MICROS_PER_DAY;

    #[test]
    fn the_horizon_includes_its_end() {
        assert_eq!(ends(&[(1, 0, 0, Some(7))], &[(1, 90 * D)]), [(state::CONVERTED, Some(90 * D))]);
        assert_eq!(ends(&[(1, 0, 0, Some(7))], &[(1, 90 * D + 1)]), [(state::EXPIRED, None)]);
    }

    #[test]
    fn a_touch_goes_before_an_event_of_its_instant() {
        let ends = ends(&[(1, 0, 0, Some(7)), (1, 5 * D, 1, Some(8))], &[(1, 5 * D)]);
        assert_eq!(ends, [(state::SUPERSEDED, None), (state::CONVERTED, Some(5 * D))]);
    }

    #[test]
    fn contacts_do_not_see_each_other() {
        assert_eq!(ends(&[(1, 0, 0, Some(7))], &[(2, D)]), [(state::EXPIRED, None)]);
        assert_eq!(ends(&[], &[(2, D)]), []);
    }
}
