//! Meta's figures as they have landed: whether they can be read, which accounts they are of, and what stands in them twice.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::day::Day;
use crate::base::error::{Error, Result};
use crate::base::missing::Missing;
use crate::base::progress::Progress;
use crate::base::said::Said;
use crate::config::{Insights, Settings};
use crate::insights::{self, InsightsIndex, LandedDay};
use crate::known::survey::Survey;
use crate::lake::{Lake, Partition, readable};
use crate::report::Amount;

use super::finding::Findings;
use super::how::How;
use super::named::nearest;
use super::sample::spread;

/// As many days are read, a loader's look-back, and some of the others.
const NEWEST: usize = 40;
const OTHERS: usize = 20;

/// What the rows of an account that no bot lists say.
#[derive(Default)]
struct Unlisted {
    rows: u64,
    /// By currency, in millionths.
    spend: BTreeMap<String, i64>,
}

/// The optional columns that a readable partition of others lacks.
fn missing_columns(lake: &Lake, of: &Insights, partition: &Partition) -> Vec<Missing> {
    let Some(object) = partition.objects.first().filter(|_| of.api.is_none()) else { return Vec::new() };
    let Ok(Some(schema)) = lake.schema(object) else { return Vec::new() };
    of.columns.bind(&schema, &object.path).map(|bound| bound.missing().to_vec()).unwrap_or_default()
}

/// The newest days, and some or all of the others, oldest first.
fn looked_at<'s>(survey: &'s Survey, how: &How<'_>) -> Vec<&'s Partition> {
    let mut others: Vec<&Partition> = survey.insights.partitions.values().collect();
    let mut chosen = others.split_off(others.len().saturating_sub(NEWEST));
    chosen.extend(spread(others).into_iter().take(if how.all { usize::MAX } else { OTHERS }));
    chosen.sort_by_key(|partition| partition.day);
    chosen
}

/// Looks at the figures. Returns the ads of which there are some; none where none has landed.
pub(super) fn check(
    lake: &Lake,
    settings: &Settings,
    survey: &Survey,
    how: &How<'_>,
    findings: &mut Findings<'_>,
) -> Option<BTreeSet<String>> {
    let Some(of) = &settings.insights else {
        findings.warn("insights", Said::new("no source is named: every cost is NULL").mend("add [insights]"));
        return None;
    };
    if let Some(why) = &survey.insights_away {
        findings.fail("insights", &Error::data(why.clone()));
        return None;
    }
    let Some((day, newest)) = survey.insights.partitions.last_key_value() else {
        match &survey.ledgers {
            Some(_) => findings.ok("insights", "no figure has been fetched from Meta yet"),
            None => {
                let said = Said::new("no partition has landed: every cost is NULL");
                findings.warn("insights", said.mend(format!("land some in {}/, or correct path in [insights]", of.path)));
            }
        }
        return None;
    };
    let partitions = looked_at(survey, how);
    let mut figures = Figures::read(lake, settings, of, &partitions, how);
    let is_readable = figures.refused.is_empty();
    findings.fail_each("insights", std::mem::take(&mut figures.refused));
    if is_readable {
        let landed = survey.insights.partitions.len();
        findings.ok("insights", format!("{landed} partitions have landed, the newest ({day}) is readable"));
    }
    for column in missing_columns(lake, of, newest) {
        findings.warn("insights", Said::new(column.text(&format!(" on {day}"))));
    }
    tell_repeated(&figures.repeated, findings);
    // Where we fetch them, the ledger tells what is whole, and the newest day is not over.
    let is_told = is_readable && survey.ledgers.is_none() && !of.absent_means_zero;
    for account in settings.listed_accounts().into_iter().filter(|account| is_told && !figures.index.is_whole(account, *day)) {
        let said = if figures.index.ads.values().any(|ad| ad.account == account) {
            Said::new(format!("account {account} has no row on {day}: its cost of that day is NULL"))
        } else {
            absent(account, partitions.len(), &figures.unlisted)
        };
        findings.warn("insights", said);
    }
    figures.unlisted.iter().for_each(|(account, of_account)| findings.warn("insights", told(account, of_account)));
    Some(figures.index.ads.into_keys().collect())
}

/// What was read of the figures.
#[derive(Default)]
struct Figures {
    index: InsightsIndex,
    refused: Vec<Error>,
    unlisted: BTreeMap<String, Unlisted>,
    /// Rows of which another row is the account's and ad's, by day.
    repeated: BTreeMap<Day, u64>,
}

impl Figures {
    fn read(lake: &Lake, settings: &Settings, of: &Insights, partitions: &[&Partition], how: &How<'_>) -> Figures {
        let mut figures = Figures::default();
        let listed = settings.listed_accounts();
        let bytes = partitions.iter().map(|partition| partition.bytes()).sum();
        (how.progress)(Progress::Begin { step: "insights", of: "partitions", items: partitions.len() as u64, bytes });
        for partition in partitions {
            let read = readable(|| insights::read_partition(lake, &of.columns, partition));
            let rows = read.as_ref().map_or(0, |landed| landed.rows.len() as u64);
            (how.progress)(Progress::Done { rows, bytes: partition.bytes() });
            let added = read.and_then(|landed| figures.add(partition.day, landed, &listed));
            figures.refused.extend(added.err().map(|error| error.with("table", "insights").with("day", partition.day)));
        }
        (how.progress)(Progress::End);
        figures
    }

    fn add(&mut self, day: Day, landed: LandedDay, listed: &BTreeSet<&str>) -> Result<()> {
        if landed.repeated > 0 {
            self.repeated.insert(day, landed.repeated);
        }
        for row in landed.rows.iter().filter(|row| !listed.contains(row.account.as_str())) {
            let of_account = self.unlisted.entry(row.account.clone()).or_default();
            of_account.rows += 1;
            let spend = of_account.spend.entry(row.currency.clone()).or_default();
            *spend = spend.saturating_add(row.figures.spend);
        }
        self.index.add(day, landed.rows, listed)
    }
}

fn tell_repeated(repeated: &BTreeMap<Day, u64>, findings: &mut Findings<'_>) {
    let Some((day, rows)) = repeated.iter().next_back() else { return };
    findings.ok(
        "insights",
        format!(
            "{} rows stand for an account, ad and day that another row stands for, on {} days, such as {rows} on {day}: alike ones are \
             one, of others the one counts that was loaded last",
            repeated.values().sum::<u64>(),
            repeated.len()
        ),
    );
}

/// An account that a bot lists and that no row has.
fn absent(account: &str, partitions: usize, unlisted: &BTreeMap<String, Unlisted>) -> Said {
    let said =
        Said::new(format!("account {account} has no row in the {partitions} partitions that were looked at: its cost is NULL"));
    match nearest(unlisted.keys().map(String::as_str), account) {
        Some(near) => said.example(near).mend(format!("rows have {near}: if that is it, write ad_accounts = [{near:?}]")),
        None => said.mend("see that its rows land, or correct ad_accounts"),
    }
}

fn told(account: &str, of: &Unlisted) -> Said {
    let spend: Vec<String> =
        of.spend.iter().map(|(currency, millionths)| format!("{} {currency}", Amount(i128::from(*millionths)).short())).collect();
    let said = Said::new(format!(
        "account {account} has {} rows in the newest days and no bot lists it: they are left out, with a spend of {}",
        of.rows,
        spend.join(" and ")
    ));
    said.example(account)
        .mend(format!("add it to the bot whose ads it pays, ad_accounts = [{account:?}], if one is meant to have it"))
}

/// Whether ads of touches are ads of figures at all.
pub(super) fn check_ads(touched: &BTreeSet<String>, known: &BTreeSet<String>, findings: &mut Findings<'_>) {
    let both = touched.intersection(known).count();
    if touched.is_empty() || known.is_empty() {
        return;
    }
    if both > 0 {
        findings.ok("insights", format!("{both} of {} ads of touches have figures", touched.len()));
        return;
    }
    let (of_touches, of_figures) = (touched.first().map_or("", String::as_str), known.first().map_or("", String::as_str));
    let pair = format!("{of_touches:?} and {of_figures:?}");
    let said = Said::new(format!(
        "none of {} ads of touches has figures, which are of {} ads: every cost is NULL, ids are such as {pair}",
        touched.len(),
        known.len()
    ));
    findings.warn(
        "insights",
        said.example(pair).mend(
            "see that ad_id is the ad's id in both, no adset's and no campaign's, and that ad_accounts lists the accounts of these ads",
        ),
    );
}
