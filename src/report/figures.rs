//! The figures of the report, from published rows. Pure.
//!
//! In: [`Published`], its [`Tally`] and the pipeline's bots. Out: [`ReportRow`]s in the report's order, one per (bot, ad) and, with
//! day grain, day on which `ad_days` has a row. What is known of each day is in `meaning`; here days are summed.
//!
//! **The counts of days.** `spend_unknown_days`: days of the range on which spend is unknown, all of them on a row that does not
//! bear the ad's spend and for an ad without a known account. `unconfigured_days`: days of the range on which the bot was not
//! configured, none on a row without bot; a day not published is one only if the settings say so.
//!
//! **Reach** (rule 15) lies on the bearer's row. One day: that day's figure. A range: Meta's figure for exactly that range, else
//! NULL. `reach_min` and `reach_max` always enclose it: both equal an exact figure; else they are the greatest and the sum of
//! the daily figures there are, and speak of those days only.
//!
//! **Which ads.** Those with a conversation, ever, in any bot, that have a row in the range: an ad's spend may stand on the row
//! of a bot it was never clicked in, and is not hidden then. By conversation day, a row that is there only for conversions of
//! earlier conversations is none.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use crate::base::day::Day;
use crate::base::error::Result;
use crate::config::Bot;

use super::amount::Amount;
use super::meaning::Meaning;
use super::model::{By, Grain, ReportRequest, ReportRow, TakenOver};
use super::published::{Key, Published, PublishedAdDay};
use super::sums::{Summed, Sums, exact_count};
use super::tally::{AdTally, Tally};

/// The rows of the report in order, and how many ads `all_ads` would add. Day grain needs the rows of `ad_days`, range grain their
/// tally alone.
pub(super) fn rows(
    published: &Published,
    tally: &Tally,
    bots: &[Bot],
    request: &ReportRequest,
) -> Result<(Vec<ReportRow>, usize)> {
    let meaning = Meaning::new(published, tally, bots);
    let mut hidden_ads = BTreeSet::new();
    let mut is_asked = |(bot_id, ad_id): Key, is_shown: bool| {
        if !request.asks_for(bot_id, ad_id) || !is_shown {
            return false;
        }
        let is_hidden = !request.all_ads && !meaning.clicked.contains(ad_id);
        if is_hidden {
            hidden_ads.insert(ad_id.to_string());
        }
        !is_hidden
    };
    let mut rows = Vec::new();
    match request.grain {
        Grain::Range => {
            for (key, ad, flags) in tally.ads() {
                if is_asked(key, request.by == By::ConversionDay || ad.has_figures) {
                    rows.push(row(&meaning, request.by, key, &over_range(&meaning, request, tally, (key, ad, flags)))?);
                }
            }
        }
        Grain::Day => {
            for (key, days) in &meaning.ad_days {
                let shown: Vec<&PublishedAdDay> = days.values().copied().filter(|row| Meaning::shows(request.by, row)).collect();
                if is_asked(*key, !shown.is_empty()) {
                    for stored in shown {
                        rows.push(row(&meaning, request.by, *key, &of_day(&meaning, request.by, *key, stored))?);
                    }
                }
            }
        }
    }
    rows.sort_by(|a, b| order(a).cmp(&order(b)));
    Ok((rows, hidden_ads.len()))
}

fn order(row: &ReportRow) -> impl Ord + '_ {
    (row.date, row.bot_id.is_none(), row.bot_id.as_deref(), Reverse(row.conversations), Reverse(row.spend), row.ad_id.as_str())
}

/// What a row's days add up to.
struct AddedUp<'a> {
    /// The row's day, with day grain.
    date: Option<Day>,
    days: i64,
    sums: Sums,
    configured_days: i64,
    exact_reach: Option<i128>,
    /// The currency of the stored rows, for an ad of which `ads` knows none.
    currency: Option<&'a str>,
}

fn over_range<'a>(
    meaning: &Meaning,
    request: &ReportRequest,
    tally: &'a Tally,
    (key, ad, flags): (Key, &AdTally, &[u8]),
) -> AddedUp<'a> {
    let (mut sums, of_key, by_conversation_day) = (ad.sums, meaning.of(key), request.by == By::ConversationDay);
    if by_conversation_day {
        (sums.conversions, sums.conversions_with_spend) = (0, 0);
    }
    let mut configured_days = 0;
    for (day, flag) in tally.flagged(flags) {
        if !flag.has_row() {
            let known = of_key.day(request.by, None, day);
            sums.add_day(known.figures);
            configured_days += i64::from(known.configured);
            continue;
        }
        configured_days += i64::from(flag.is_configured());
        if by_conversation_day && flag.is_configured() {
            let conversions = of_key.cohort(day);
            sums.conversions += conversions;
            sums.conversions_with_spend += if flag.knows_spend() { conversions } else { 0 };
        }
    }
    let days = request.days.len() as i64;
    let exact_reach = if days == 1 { sums.reach_sum } else { meaning.range_reach(key, request.days).map(i128::from) };
    AddedUp { date: None, days, sums, configured_days, exact_reach, currency: tally.currency(ad) }
}

fn of_day<'a>(meaning: &Meaning<'a>, by: By, key: Key, stored: &PublishedAdDay) -> AddedUp<'a> {
    let known = meaning.of(key).day(by, Some(stored), stored.date);
    let mut sums = Sums::default();
    sums.add_day(known.figures);
    // That of the ad's latest row, whatever day this is.
    let currency = meaning.ad_days[&key].values().rev().find_map(|row| row.currency.as_deref());
    let configured_days = i64::from(known.configured);
    AddedUp { date: Some(stored.date), days: 1, sums, configured_days, exact_reach: sums.reach_sum, currency }
}

fn row(meaning: &Meaning, by: By, key: Key, added_up: &AddedUp<'_>) -> Result<ReportRow> {
    let ((bot_id, ad_id), sums) = (key, &added_up.sums);
    let of_ad_days = |column, sum| exact_count(sum, Summed { table: "ad_days", column, key });
    let converted = |sum| match by {
        By::ConversionDay => of_ad_days("conversions", sum),
        By::ConversationDay => exact_count(sum, Summed { table: "ad_conversions", column: "conversions", key }),
    };
    let reach = |sum: Option<i128>| sum.map(|sum| of_ad_days("reach", sum)).transpose();
    let exact_reach = reach(added_up.exact_reach)?;
    let conversations = of_ad_days("conversations", sums.conversations)?;
    let conversions = converted(sums.conversions)?;
    let conversations_with_spend = of_ad_days("conversations", sums.conversations_with_spend)?;
    let conversations_when_configured = of_ad_days("conversations", sums.conversations_when_configured)?;
    let conversions_with_spend = converted(sums.conversions_with_spend)?;
    let cost_per_conversation = Amount(sums.spend).per(conversations_with_spend);
    let cost_per_conversion = Amount(sums.spend_when_configured).per(conversions_with_spend);
    let conversion_rate = Amount::share(conversions, conversations_when_configured);
    let has_other_spend = sums.spend_when_configured != sums.spend || sums.conversions_with_spend != sums.conversions;
    let shown = [
        ("cost_per_conversation", cost_per_conversation, conversations_with_spend != conversations, sums.spend_days),
        ("cost_per_conversion", cost_per_conversion, has_other_spend, sums.both_days),
        ("conversion_rate", conversion_rate, conversations_when_configured != conversations, sums.conversions_days),
    ];
    let is_other = |(_, figure, is_other, _): &(&str, Option<Amount>, bool, i64)| figure.is_some() && *is_other;
    let taken_over = shown.into_iter().filter(is_other).map(|(column, _, _, days)| TakenOver { column, days, of: added_up.days });
    let ad = meaning.ads.get(&key);
    Ok(ReportRow {
        date: added_up.date,
        bot_id: bot_id.map(str::to_string),
        ad_id: ad_id.to_string(),
        ad_title: ad.and_then(|ad| ad.ad_title.clone()),
        ad_type: ad.and_then(|ad| ad.ad_type.clone()),
        currency: ad.and_then(|ad| ad.currency.as_deref()).or(added_up.currency).map(str::to_string),
        spend: (sums.spend_days > 0).then_some(Amount(sums.spend)),
        reach: exact_reach,
        conversations,
        cost_per_conversation,
        conversions: (sums.conversions_days > 0).then_some(conversions),
        cost_per_conversion,
        conversion_rate,
        reach_min: exact_reach.or(sums.reach_max_of_day),
        reach_max: exact_reach.map_or_else(|| reach(sums.reach_sum), |exact| Ok(Some(exact)))?,
        spend_unknown_days: added_up.days - sums.spend_days,
        unconfigured_days: added_up.days - added_up.configured_days,
        taken_over: taken_over.collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::error::ErrorKind;
    use crate::report::amount::MILLION;
    use crate::report::published::{PublishedConversions, PublishedReach};
    use crate::report::sample::{FIRST, ad, ad_day, bot, bot_day, published, request};

    fn rows(published: &Published, bots: &[Bot], request: &ReportRequest) -> (Vec<ReportRow>, usize) {
        super::rows(published, &Tally::of(&published.ad_days, request.days), bots, request).unwrap()
    }

    fn only(published: &Published, bots: &[Bot], request: &ReportRequest) -> ReportRow {
        let (rows, _) = rows(published, bots, request);
        let [row] = <[ReportRow; 1]>::try_from(rows).unwrap();
        row
    }

    fn millionths(amount: Option<Amount>) -> Option<i128> {
        amount.map(|amount| amount.0)
    }

    #[test]
    fn a_ratio_is_over_the_days_on_which_both_its_figures_are_known() {
        let days = vec![
            ad_day(0, Some("b"), "A", (3, None, Some(10))),
            ad_day(1, Some("b"), "A", (4, Some(2), None)),
            ad_day(2, Some("b"), "A", (5, Some(3), Some(7))),
        ];
        let row = only(&published(3, vec![ad(Some("b"), "A", Some(0))], days), &[bot("b", 1)], &request(3));
        assert_eq!((row.conversations, row.conversions, millionths(row.spend)), (12, Some(5), Some(17 * MILLION)));
        assert_eq!(millionths(row.cost_per_conversation), Some(2_125_000), "17 / (3 + 5)");
        assert_eq!(millionths(row.cost_per_conversion), Some(2_333_333), "7 / 3");
        assert_eq!(millionths(row.conversion_rate), Some(555_556), "5 / (4 + 5)");
        assert_eq!((row.spend_unknown_days, row.unconfigured_days), (1, 1));
    }

    #[test]
    fn no_common_day_or_a_divisor_of_zero_is_null() {
        let days = vec![ad_day(0, Some("b"), "A", (0, None, Some(10))), ad_day(1, Some("b"), "A", (0, Some(2), None))];
        let row = only(&published(2, vec![ad(Some("b"), "A", Some(0))], days), &[bot("b", 1)], &request(2));
        assert_eq!((row.cost_per_conversation, row.cost_per_conversion, row.conversion_rate), (None, None, None));
        let days = vec![ad_day(0, Some("b"), "A", (1, None, None))];
        let row = only(&published(1, vec![ad(Some("b"), "A", Some(0))], days), &[bot("b", 1)], &request(1));
        assert_eq!((row.spend, row.conversions), (None, None), "nothing known is not 0");
    }

    #[test]
    fn a_rate_may_pass_one() {
        let days = vec![ad_day(0, Some("b"), "A", (2, Some(3), None))];
        let row = only(&published(1, vec![ad(Some("b"), "A", Some(0))], days), &[bot("b", 0)], &request(1));
        assert_eq!(millionths(row.conversion_rate), Some(1_500_000));
    }

    #[test]
    fn a_day_without_a_row_has_no_conversion_only_where_the_bot_was_configured() {
        let days = vec![ad_day(3, Some("b"), "A", (2, Some(1), None))];
        let mut published = published(4, vec![ad(Some("b"), "A", Some(0))], days);
        let row = only(&published, &[bot("b", 2)], &request(4));
        assert_eq!((row.conversions, row.unconfigured_days), (Some(1), 2), "by the settings");
        published.bot_days = vec![bot_day(0, "b", None, "none"), bot_day(1, "b", Some(0), "none")];
        let row = only(&published, &[bot("b", 2)], &request(4));
        assert_eq!(row.unconfigured_days, 1, "as published");
        assert_eq!(only(&published, &[], &request(4)).unconfigured_days, 2, "a bot the pipeline no longer names");
    }

    #[test]
    fn a_day_without_a_row_cost_nothing_only_where_the_accounts_day_is_whole() {
        let ads = || vec![ad(Some("b"), "A", Some(0)), ad(None, "B", None)];
        let days = vec![ad_day(0, Some("b"), "A", (2, Some(0), Some(10)))];
        let spend = |published: &Published| {
            let row = only(published, &[bot("b", 0)], &request(3));
            (millionths(row.spend), row.spend_unknown_days)
        };
        assert_eq!(spend(&published(3, ads(), days.clone())), (Some(10 * MILLION), 2), "nothing shows days 1 and 2 whole");

        let mut status = published(3, ads(), days.clone());
        status.bot_days = vec![bot_day(1, "b", Some(0), "provisional"), bot_day(2, "b", Some(0), "missing")];
        assert_eq!(spend(&status).1, 1);

        let mut neighbour = published(3, ads(), days.clone());
        neighbour.ad_days.push(ad_day(2, Some("b"), "B", (0, Some(0), Some(1))));
        assert_eq!(spend(&neighbour).1, 1, "another ad's spend shows the account's day whole");

        let mut unknown = status.clone();
        unknown.ads[0].account_id = None;
        unknown.ad_days[0] = PublishedAdDay { account_id: None, spend: None, ..unknown.ad_days[0].clone() };
        assert_eq!(spend(&unknown), (None, 3), "an ad of no known account");
    }

    #[test]
    fn only_the_bearer_has_days_without_spend() {
        let ads = vec![ad(Some("b"), "A", Some(7)), ad(Some("c"), "A", Some(5)), ad(Some("d"), "A", Some(1))];
        let days = ["b", "c", "d"].map(|bot_id| ad_day(0, Some(bot_id), "A", (1, Some(0), None))).into_iter().collect::<Vec<_>>();
        let mut published = published(2, ads, days);
        published.bot_days = vec![bot_day(1, "b", Some(0), "final")];
        // d was touched first of all, but does not list the account.
        let bots = [bot("b", 0), bot("c", 0), Bot { ad_accounts: Vec::new(), ..bot("d", 0) }];
        let unknown_days: Vec<i64> = rows(&published, &bots, &request(2)).0.iter().map(|row| row.spend_unknown_days).collect();
        assert_eq!(unknown_days, [2, 1, 2], "day 1 costs nothing, on the row of the bot touched first that lists the account");
        let unknown_days: Vec<i64> =
            rows(&published, &bots[..1], &request(2)).0.iter().map(|row| row.spend_unknown_days).collect();
        assert_eq!(unknown_days, [1, 2, 2], "the only bot that lists the account");
        published.ad_days[0].spend = Some(MILLION);
        let unknown_days: Vec<i64> = rows(&published, &bots, &request(2)).0.iter().map(|row| row.spend_unknown_days).collect();
        assert_eq!(unknown_days, [0, 2, 2], "the row that has the ad's spend, whatever else would follow");
    }

    #[test]
    fn without_a_bot_there_is_nothing_to_configure() {
        let days = vec![ad_day(0, None, "A", (0, Some(0), Some(10)))];
        let all = ReportRequest { all_ads: true, ..request(2) };
        let row = only(&published(2, vec![ad(None, "A", None)], days), &[bot("b", 0), bot("c", 0)], &all);
        assert_eq!((row.conversions, row.unconfigured_days, row.conversion_rate), (Some(0), 0, None));
    }

    #[test]
    fn a_day_not_published_is_unknown() {
        let days = vec![ad_day(0, Some("b"), "A", (2, Some(1), Some(10)))];
        let row = only(&published(1, vec![ad(Some("b"), "A", Some(0))], days), &[bot("b", 0)], &request(3));
        assert_eq!((row.conversations, row.conversions, millionths(row.spend)), (2, Some(1), Some(10 * MILLION)));
        assert_eq!((row.spend_unknown_days, row.unconfigured_days), (2, 0));
    }

    #[test]
    fn reach_is_never_summed_but_as_a_bound() {
        let mut published = published(3, vec![ad(Some("b"), "A", Some(0))], Vec::new());
        for day in 0..3 {
            let reach = Some(10 + i64::from(day));
            published.ad_days.push(PublishedAdDay { reach, ..ad_day(day, Some("b"), "A", (1, Some(0), Some(1))) });
        }
        let reach = |published: &Published, request: &ReportRequest| {
            let (rows, _) = rows(published, &[bot("b", 0)], request);
            rows.iter().map(|row| (row.reach, row.reach_min, row.reach_max)).collect::<Vec<_>>()
        };
        assert_eq!(reach(&published, &request(3)), [(None, Some(12), Some(33))]);
        assert_eq!(reach(&published, &request(1)), [(Some(10), Some(10), Some(10))]);
        let by_day = ReportRequest { grain: Grain::Day, ..request(3) };
        assert_eq!(reach(&published, &by_day)[2], (Some(12), Some(12), Some(12)));

        published.reach = vec![PublishedReach {
            days: request(3).days,
            account_id: "act_1".to_string(),
            ad_id: "A".to_string(),
            reach: Some(20),
        }];
        assert_eq!(reach(&published, &request(3)), [(Some(20), Some(20), Some(20))]);
        published.ads.push(ad(Some("c"), "A", Some(0)));
        published.ad_days.push(ad_day(0, Some("c"), "A", (1, Some(0), None)));
        assert_eq!(reach(&published, &request(3))[1], (None, None, None), "on the bearer's row only");
    }

    /// 64 bits would wrap: two days of reach near the largest count gave a `reach_max` of -2.
    #[test]
    fn counts_that_add_up_past_63_bits_are_refused_by_name() {
        let most = |day| PublishedAdDay { reach: Some(i64::MAX), ..ad_day(day, Some("b"), "A", (1, Some(0), Some(1))) };
        let days = |ad_days| published(2, vec![ad(Some("b"), "A", Some(0))], ad_days);
        let refused = |published: &Published, by: By| {
            let asked = ReportRequest { by, ..request(2) };
            let tally = Tally::of(&published.ad_days, asked.days);
            let error = super::rows(published, &tally, &[bot("b", 0)], &asked).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Data);
            error.to_string()
        };
        let error = refused(&days(vec![most(0), most(1)]), By::ConversionDay);
        assert!(error.contains("(table ad_days, column reach, ad A, bot b)"), "{error}");
        let clicked = |day| ad_day(day, Some("b"), "A", (i64::MAX, None, None));
        let error = refused(&days(vec![clicked(0), clicked(1)]), By::ConversionDay);
        assert!(error.contains("column conversations"), "{error}");
        let mut cohorts = days(vec![ad_day(0, Some("b"), "A", (1, Some(0), None))]);
        let cohort = PublishedConversions {
            date: FIRST,
            bot_id: "b".to_string(),
            ad_id: "A".to_string(),
            conversation_date: FIRST,
            conversions: i64::MAX,
        };
        cohorts.ad_conversions = vec![cohort.clone(), cohort];
        let error = refused(&cohorts, By::ConversationDay);
        assert!(error.contains("table ad_conversions, column conversions"), "{error}");
    }

    #[test]
    fn by_conversation_day_a_conversion_counts_on_its_conversations_day() {
        let ads = vec![ad(Some("b"), "A", Some(0)), ad(Some("b"), "B", Some(0))];
        let days = vec![
            ad_day(0, Some("b"), "A", (4, None, Some(6))),
            ad_day(1, Some("b"), "A", (4, Some(0), Some(6))),
            // Only for the conversion of a conversation before the range.
            ad_day(1, Some("b"), "B", (0, Some(1), Some(0))),
        ];
        let mut published = published(2, ads, days);
        let cohort = |day, conversions| PublishedConversions {
            date: FIRST.plus(day),
            bot_id: "b".to_string(),
            ad_id: "A".to_string(),
            conversation_date: FIRST.plus(day),
            conversions,
        };
        published.ad_conversions = vec![cohort(0, 1), cohort(1, 2), cohort(1, 1)];
        let row = only(&published, &[bot("b", 1)], &ReportRequest { by: By::ConversationDay, ..request(2) });
        assert_eq!((row.ad_id.as_str(), row.conversions, row.unconfigured_days), ("A", Some(3), 1));
        assert_eq!(millionths(row.conversion_rate), Some(750_000));
        assert_eq!(rows(&published, &[bot("b", 1)], &request(2)).0.len(), 2, "by conversion day both appear");
    }

    #[test]
    fn ads_never_clicked_appear_on_request() {
        let ads = vec![ad(Some("b"), "A", Some(0)), ad(Some("b"), "B", None), ad(None, "C", None), ad(Some("c"), "A", None)];
        let days = vec![
            ad_day(0, None, "C", (0, Some(0), Some(1))),
            ad_day(0, Some("b"), "A", (0, Some(0), Some(1))),
            ad_day(0, Some("b"), "B", (0, Some(0), Some(1))),
            ad_day(0, Some("c"), "A", (0, Some(0), Some(1))),
        ];
        let published = published(1, ads, days);
        let keys = |request: &ReportRequest| {
            let (rows, hidden) = rows(&published, &[bot("b", 0)], request);
            let keys: Vec<_> = rows.iter().map(|row| format!("{:?} {}", row.bot_id.as_deref(), row.ad_id)).collect();
            (keys.join(", "), hidden)
        };
        assert_eq!(keys(&request(1)), (r#"Some("b") A, Some("c") A"#.to_string(), 2));
        let all = ReportRequest { all_ads: true, ..request(1) };
        assert_eq!(keys(&all), (r#"Some("b") A, Some("b") B, Some("c") A, None C"#.to_string(), 0));
        let asked = ReportRequest { bots: vec!["b".to_string()], ads: vec!["B".to_string()], ..all };
        assert_eq!(keys(&asked).0, r#"Some("b") B"#);
    }

    #[test]
    fn what_matters_to_a_bot_stands_on_top_of_it() {
        let key =
            |row: &ReportRow| (row.date.map(|day| day.0 - FIRST.0), row.bot_id.clone().unwrap_or_default(), row.ad_id.clone());
        let days = vec![
            ad_day(0, Some("b"), "4", (9, Some(0), None)),
            ad_day(0, Some("b"), "3", (9, Some(0), Some(5))),
            ad_day(0, Some("b"), "2", (9, Some(0), Some(5))),
            ad_day(0, Some("b"), "1", (8, Some(0), Some(99))),
            ad_day(1, Some("a"), "5", (1, Some(0), None)),
            ad_day(0, None, "6", (0, Some(0), Some(1))),
        ];
        let published = published(2, Vec::new(), days);
        let all = ReportRequest { all_ads: true, ..request(2) };
        let (by_range, _) = rows(&published, &[bot("b", 0)], &all);
        let ads: Vec<&str> = by_range.iter().map(|row| row.ad_id.as_str()).collect();
        assert_eq!(ads, ["5", "2", "3", "4", "1", "6"]);
        let (by_day, _) = rows(&published, &[bot("b", 0)], &ReportRequest { grain: Grain::Day, ..all });
        assert_eq!(key(&by_day[0]), (Some(0), "b".to_string(), "2".to_string()));
        assert_eq!(key(&by_day[5]), (Some(1), "a".to_string(), "5".to_string()));
    }
}
