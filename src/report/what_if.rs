//! What-if: the report of a bot's published days beside the same report with other conversions. Pure but for the reading.
//!
//! In: the published tables, and the conversions per (day, ad) that another conversion event or window would have given. Out:
//! [`WhatIf`], one row per ad that either report has, in the report's order. Columns that end in `_if` are hypothetical; both sides
//! come from the same rules, conversations and spend are the published ones.
//!
//! `conversions_difference` is taken over the days on which both numbers are known. A cost or a rate cannot be taken apart into
//! days, so its difference is NULL unless both sides know the same days.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::day::{Day, DayRange};
use crate::base::error::Result;
use crate::config::{Bot, Settings};
use crate::lake::Lake;

use super::facts::Facts;
use super::published::{AdDay, Published};
use super::tally::Tally;
use super::{Amount, By, Grain, Kind, ReportRequest, ReportRow, Sheet, Value, figures, notes, read};

pub struct WhatIfRequest<'a> {
    pub days: DayRange,
    /// As the pipeline has it.
    pub bot: &'a Bot,
    /// By the event's local day and ad.
    pub conversions: &'a BTreeMap<(Day, String), i64>,
    /// The days of the range on which those are a number (rule 10).
    pub known: &'a BTreeSet<Day>,
}

pub struct WhatIf {
    rows: Vec<WhatIfRow>,
    pub notes: Vec<String>,
}

struct WhatIfRow {
    published: Option<ReportRow>,
    hypothetical: ReportRow,
    conversions_difference: Option<i64>,
}

const COLUMNS: [(&str, Kind); 17] = [
    ("bot_id", Kind::Text),
    ("ad_id", Kind::Text),
    ("ad_title", Kind::Text),
    ("currency", Kind::Text),
    ("spend", Kind::Amount),
    ("conversations", Kind::Count),
    ("conversions", Kind::Count),
    ("conversions_if", Kind::Count),
    ("conversions_difference", Kind::Count),
    ("conversion_rate", Kind::Amount),
    ("conversion_rate_if", Kind::Amount),
    ("conversion_rate_difference", Kind::Amount),
    ("cost_per_conversion", Kind::Amount),
    ("cost_per_conversion_if", Kind::Amount),
    ("cost_per_conversion_difference", Kind::Amount),
    ("unconfigured_days", Kind::Count),
    ("unconfigured_days_if", Kind::Count),
];

impl WhatIf {
    pub fn sheet(&self) -> Sheet<'_> {
        Sheet { columns: &COLUMNS, rows: self.rows.iter().map(|row| row.cells().into()).collect() }
    }
}

impl WhatIfRow {
    fn cells(&self) -> [Value<'_>; COLUMNS.len()] {
        let (published, other) = (self.published.as_ref(), &self.hypothetical);
        let amounts = |amount: fn(&ReportRow) -> Option<Amount>| {
            let before = published.and_then(amount);
            let knows_the_same = published.is_some_and(|row| row.unconfigured_days == other.unconfigured_days);
            let both = before.zip(amount(other)).filter(|_| knows_the_same);
            let difference = both.map(|(before, now)| Amount(now.0 - before.0));
            [before, amount(other), difference].map(Value::amount)
        };
        let [rate, rate_if, rate_difference] = amounts(|row| row.conversion_rate);
        let [cost, cost_if, cost_difference] = amounts(|row| row.cost_per_conversion);
        [
            Value::text(other.bot_id.as_deref()),
            Value::Text(&other.ad_id),
            Value::text(other.ad_title.as_deref()),
            Value::text(other.currency.as_deref()),
            Value::amount(other.spend),
            Value::Count(other.conversations),
            Value::count(published.and_then(|row| row.conversions)),
            Value::count(other.conversions),
            Value::count(self.conversions_difference),
            rate,
            rate_if,
            rate_difference,
            cost,
            cost_if,
            cost_difference,
            Value::count(published.map(|row| row.unconfigured_days)),
            Value::Count(other.unconfigured_days),
        ]
    }
}

/// Not ready where no day of the range is published.
pub fn what_if(settings: &Settings, output: &Lake, request: &WhatIfRequest<'_>) -> Result<WhatIf> {
    let asked = ReportRequest {
        days: request.days,
        bots: vec![request.bot.id.clone()],
        ads: Vec::new(),
        by: By::ConversionDay,
        grain: Grain::Range,
        all_ads: false,
    };
    let published = read::published(output, &asked, settings.horizon)?;
    let tally = Tally::of(&published.ad_days, asked.days);
    let (rows, hidden_ads) = figures::rows(&published, &tally, &settings.bots, &asked);
    let notes = notes(&published, settings, &asked, &rows, hidden_ads);
    Ok(WhatIf { rows: compare(&published, &tally, settings, request, &asked, rows), notes })
}

fn compare(
    published: &Published,
    tally: &Tally,
    settings: &Settings,
    request: &WhatIfRequest<'_>,
    asked: &ReportRequest,
    mut rows: Vec<ReportRow>,
) -> Vec<WhatIfRow> {
    let before = Facts::new(published, tally, &settings.bots);
    let other = hypothetical(published, &before, request);
    let other_tally = Tally::of(&other.ad_days, asked.days);
    let now = Facts::new(&other, &other_tally, &settings.bots);
    let difference = |ad: &str| {
        let key = (Some(request.bot.id.as_str()), ad);
        let conversions = |facts: &Facts<'_>, day: Day| {
            let row = facts.ad_days.get(&key).and_then(|days| days.get(&day)).copied();
            facts.of(key).day(By::ConversionDay, row, day).conversions
        };
        let both = request.days.iter().filter_map(|day| Some(conversions(&now, day)? - conversions(&before, day)?));
        both.reduce(|sum, day| sum + day)
    };
    let (hypothetical, _) = figures::rows(&other, &other_tally, &settings.bots, asked);
    let row = |hypothetical: ReportRow| {
        let place = rows.iter().position(|row| row.ad_id == hypothetical.ad_id);
        let conversions_difference = difference(&hypothetical.ad_id);
        // An ad that converts under the other event alone has no row, which means that nothing was counted.
        let published = place.map(|place| rows.remove(place));
        WhatIfRow { published, hypothetical, conversions_difference }
    };
    hypothetical.into_iter().map(row).collect()
}

/// What would have been published: the bot's conversions are others, all else stays.
fn hypothetical(published: &Published, facts: &Facts<'_>, request: &WhatIfRequest<'_>) -> Published {
    let bot_id = request.bot.id.as_str();
    let mut other = published.clone();
    let known = |day: Day| request.known.contains(&day);
    for row in other.bot_days.iter_mut().filter(|row| row.bot_id == bot_id) {
        row.conversions = known(row.date).then_some(0);
    }
    let mut counts = request.conversions.clone();
    for row in other.ad_days.iter_mut().filter(|row| row.bot_id.as_deref() == Some(bot_id)) {
        let count = counts.remove(&(row.date, row.ad_id.clone())).unwrap_or(0);
        row.conversions = known(row.date).then_some(count);
    }
    // A conversion on a day on which nothing else happened to the ad.
    let is_new = |day: &Day| published.days.contains(day) && known(*day);
    let new = counts.into_iter().filter(|((day, _), _)| is_new(day)).map(|((date, ad_id), count)| AdDay {
        date,
        bot_id: Some(bot_id.to_string()),
        account_id: facts.accounts.get(ad_id.as_str()).map(|account| account.to_string()),
        currency: facts.ads.get(&(Some(bot_id), &ad_id)).and_then(|ad| ad.currency.clone()),
        conversations: 0,
        conversions: Some(count),
        spend: facts.of((Some(bot_id), &ad_id)).day(By::ConversionDay, None, date).spend,
        impressions: None,
        reach: None,
        meta_conversations: None,
        ad_id,
    });
    other.ad_days.extend(new);
    other
}
