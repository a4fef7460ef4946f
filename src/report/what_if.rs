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

use super::amount::Amount;
use super::meaning::Meaning;
use super::model::{By, Grain, ReportRequest, ReportRow};
use super::notes::notes;
use super::published::{Published, PublishedAdDay};
use super::sheet::{CellKind, Sheet, Value};
use super::sums::{Summed, exact_count};
use super::tally::Tally;
use super::{figures, read};

pub(crate) struct WhatIfRequest<'a> {
    pub days: DayRange,
    /// The bot as the pipeline has it.
    pub bot: &'a Bot,
    /// The settings as they are supposed.
    pub supposed: &'a Settings,
    /// The supposed conversions, by the event's local day and ad.
    pub conversions: &'a BTreeMap<(Day, String), i64>,
    /// The days of the range on which these are a number (rule 10).
    pub known: &'a BTreeSet<Day>,
}

pub(crate) struct WhatIf {
    rows: Vec<WhatIfRow>,
    pub notes: Vec<String>,
}

struct WhatIfRow {
    published: Option<ReportRow>,
    hypothetical: ReportRow,
    difference: Difference,
}

struct Difference {
    /// How many conversions more there would have been, over the days on which both numbers are known.
    conversions: Option<i64>,
    /// Whether both numbers are known on the same days.
    is_over_the_same_days: bool,
}

const COLUMNS: [(&str, CellKind); 17] = [
    ("bot_id", CellKind::Text),
    ("ad_id", CellKind::Text),
    ("ad_title", CellKind::Text),
    ("currency", CellKind::Text),
    ("spend", CellKind::Amount),
    ("conversations", CellKind::Count),
    ("conversions", CellKind::Count),
    ("conversions_if", CellKind::Count),
    ("conversions_difference", CellKind::Count),
    ("conversion_rate", CellKind::Amount),
    ("conversion_rate_if", CellKind::Amount),
    ("conversion_rate_difference", CellKind::Amount),
    ("cost_per_conversion", CellKind::Amount),
    ("cost_per_conversion_if", CellKind::Amount),
    ("cost_per_conversion_difference", CellKind::Amount),
    ("unconfigured_days", CellKind::Count),
    ("unconfigured_days_if", CellKind::Count),
];

impl WhatIf {
    pub(crate) fn sheet(&self) -> Sheet<'_> {
        Sheet { columns: &COLUMNS, rows: self.rows.iter().map(|row| row.cells().into()).collect() }
    }
}

impl WhatIfRow {
    fn cells(&self) -> [Value<'_>; COLUMNS.len()] {
        let (published, other) = (self.published.as_ref(), &self.hypothetical);
        let amounts = |amount: fn(&ReportRow) -> Option<Amount>| {
            let before = published.and_then(amount);
            let both = before.zip(amount(other)).filter(|_| self.difference.is_over_the_same_days);
            let difference = both.map(|(was, is)| Amount(is.0 - was.0));
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
            Value::count(self.difference.conversions),
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
pub(crate) fn what_if(settings: &Settings, output: &Lake, request: &WhatIfRequest<'_>) -> Result<WhatIf> {
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
    let (rows, hidden_ads) = figures::rows(&published, &tally, &settings.bots, &asked)?;
    let notes = notes(&published, settings, &asked, &rows, hidden_ads);
    let before = Meaning::new(&published, &tally, &settings.bots);
    let supposed = hypothetical(&published, &before, request);
    let supposed_tally = Tally::of(&supposed.ad_days, asked.days);
    let (supposed_rows, _) = figures::rows(&supposed, &supposed_tally, &request.supposed.bots, &asked)?;
    let now = Meaning::new(&supposed, &supposed_tally, &request.supposed.bots);
    Ok(WhatIf { rows: beside(rows, supposed_rows, |ad_id| difference(&before, &now, request, ad_id))?, notes })
}

/// The supposed rows, each with the published row of its ad.
fn beside(
    mut published: Vec<ReportRow>,
    supposed: Vec<ReportRow>,
    difference: impl Fn(&str) -> Result<Difference>,
) -> Result<Vec<WhatIfRow>> {
    let row = |hypothetical: ReportRow| {
        // An ad that converts under the other event alone has no row, which means that nothing was counted.
        let place = published.iter().position(|row| row.ad_id == hypothetical.ad_id);
        let difference = difference(&hypothetical.ad_id)?;
        Ok(WhatIfRow { published: place.map(|place| published.remove(place)), hypothetical, difference })
    };
    supposed.into_iter().map(row).collect()
}

fn difference(before: &Meaning<'_>, now: &Meaning<'_>, request: &WhatIfRequest<'_>, ad_id: &str) -> Result<Difference> {
    let key = (Some(request.bot.id.as_str()), ad_id);
    let conversions = |meaning: &Meaning<'_>, day: Day| {
        let row = meaning.ad_days.get(&key).and_then(|days| days.get(&day)).copied();
        meaning.of(key).day(By::ConversionDay, row, day).figures.conversions
    };
    let (mut sum, mut is_over_the_same_days) = (None, true);
    for day in request.days.iter() {
        let (was, would_be) = (conversions(before, day), conversions(now, day));
        is_over_the_same_days &= was.is_some() == would_be.is_some();
        if let Some((was, would_be)) = was.zip(would_be) {
            *sum.get_or_insert(0) += would_be - was;
        }
    }
    let summed = Summed { table: "ad_days", column: "conversions", key };
    Ok(Difference { conversions: sum.map(|sum| exact_count(sum, summed)).transpose()?, is_over_the_same_days })
}

/// What would have been published: the bot's conversions are others, all else stays.
fn hypothetical(published: &Published, meaning: &Meaning<'_>, request: &WhatIfRequest<'_>) -> Published {
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
    let new = counts.into_iter().filter(|((day, _), _)| is_new(day)).map(|((date, ad_id), count)| PublishedAdDay {
        date,
        bot_id: Some(bot_id.to_string()),
        account_id: meaning.accounts.get(ad_id.as_str()).map(|account| account.to_string()),
        currency: meaning.ads.get(&(Some(bot_id), &ad_id)).and_then(|ad| ad.currency.clone()),
        conversations: 0,
        conversions: Some(count),
        spend: meaning.of((Some(bot_id), &ad_id)).day(By::ConversionDay, None, date).figures.spend,
        impressions: None,
        reach: None,
        meta_conversations: None,
        ad_id,
    });
    other.ad_days.extend(new);
    other
}
