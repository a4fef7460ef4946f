//! Scan of insights: reads Meta's figures as they have landed, and keeps their receipts and what they say of ads.
//!
//! A partition that breaks the contract is refused and has no receipt: no count waits for it. What we landed ourselves and cannot read
//! any more counts as never fetched.

use crate::base::day::Day;
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::parallel::on_all_cores;
use crate::extract::fingerprints::insights_settings;
use crate::insights::{self, InsightRow, InsightsContent, InsightsIndex, LandedDay, MissingColumns, ledger};
use crate::known::ad_memory::KeptInsights;
use crate::known::job::Places;
use crate::known::survey::Survey;
use crate::lake::Partition;
use crate::lake::readable;
use crate::plan::calendar::Calendar;
use crate::plan::receipt::PartitionReceipt;

/// Reads the insights that are new or changed, and keeps their receipts and what they say of ads. Figures are there of the days
/// that were read; [`add_figures`] brings others.
pub(crate) fn insights(
    places: &Places<'_>,
    survey: &mut Survey,
    calendar: &mut Calendar,
    fail: &mut dyn FnMut(Error),
) -> Result<InsightsIndex> {
    if survey.insights_away.is_some() {
        return known_of_ads(places, survey);
    }
    let kept = KeptInsights::read(places, survey)?;
    let index = match &kept {
        Some(kept) => read_new_insights(places, survey, calendar, kept, fail)?,
        None => None,
    };
    let Some(index) = index else { return all_insights(places, survey, calendar, fail) };
    survey.sync_days.keep(places.output)?;
    survey.receipts.insights.write(places.output)?;
    KeptInsights::keep(places, survey, &index, kept.as_ref())?;
    Ok(index)
}

/// Reads all landed insights, and keeps their receipts and what they say of ads.
pub(crate) fn all_insights(
    places: &Places<'_>,
    survey: &mut Survey,
    calendar: &mut Calendar,
    fail: &mut dyn FnMut(Error),
) -> Result<InsightsIndex> {
    if survey.insights_away.is_some() {
        return known_of_ads(places, survey);
    }
    let index = read_insights(places, survey, calendar, fail);
    survey.sync_days.keep(places.output)?;
    survey.receipts.insights.write(places.output)?;
    let index = index?;
    KeptInsights::keep(places, survey, &index, None)?;
    Ok(index)
}

/// What an earlier run found out of ads, where the table as a whole cannot be read: no figure of any day.
fn known_of_ads(places: &Places<'_>, survey: &Survey) -> Result<InsightsIndex> {
    let index = InsightsIndex::new(survey.ledgers.clone());
    Ok(match KeptInsights::read(places, survey)? {
        Some(kept) => index.with_known(kept.ads, kept.currencies),
        None => index,
    })
}

/// Reads the partitions that are not in what was kept, or not as they were. None where they change what was known of an ad: then
/// all have to be read, in order.
fn read_new_insights(
    places: &Places<'_>,
    survey: &mut Survey,
    calendar: &mut Calendar,
    kept: &KeptInsights,
    fail: &mut dyn FnMut(Error),
) -> Result<Option<InsightsIndex>> {
    let of = insights_settings(places.settings);
    let is_same = |partition: &&Partition| {
        let receipt = survey.receipts.insights.get(partition.day);
        let true_one = receipt.filter(|receipt| receipt.mismatch(&partition.objects, of).is_none());
        true_one.is_some_and(|same| kept.partitions.get(&partition.day) == Some(&same.content.index))
    };
    let partitions: Vec<Partition> = survey.insights.partitions.values().filter(|p| !is_same(p)).cloned().collect();
    let last = kept.partitions.keys().next_back();
    if partitions.iter().any(|partition| !kept.partitions.contains_key(&partition.day) && Some(&partition.day) < last) {
        return Ok(None);
    }
    let all_rows = read_partitions(places, &partitions);
    let says_the_same = |(partition, rows): (&Partition, &Result<(Vec<InsightRow>, InsightsContent)>)| {
        let before = kept.partitions.get(&partition.day);
        before.is_none_or(|before| rows.as_ref().is_ok_and(|(_, content)| content.index == *before))
    };
    if !partitions.iter().zip(&all_rows).all(says_the_same) {
        return Ok(None);
    }
    let known = InsightsIndex::new(survey.ledgers.clone());
    let mut scan =
        InsightsScan { places, survey, calendar, fail, index: known.with_known(kept.ads.clone(), kept.currencies.clone()) };
    for (partition, rows) in partitions.into_iter().zip(all_rows) {
        let is_known = kept.partitions.contains_key(&partition.day);
        scan.add(partition, rows, is_known)?;
    }
    for (day, receipt) in scan.survey.receipts.insights.iter() {
        scan.index.note_landed(day, receipt.content.accounts.keys());
        if places.settings.insights.as_ref().is_some_and(|insights| receipt.content.is_whole(insights)) {
            scan.index.note_whole(day);
        }
    }
    Ok(Some(scan.index))
}

/// Reads the figures of these days, where they have not been read.
pub(crate) fn add_figures(
    places: &Places<'_>,
    survey: &Survey,
    index: &mut InsightsIndex,
    days: impl IntoIterator<Item = Day>,
) -> Result<()> {
    let listed = places.settings.listed_accounts();
    // One that is refused has no receipt.
    let is_missing = |day: &Day| !index.days.contains_key(day) && survey.receipts.insights.get(*day).is_some();
    let missing = days.into_iter().filter(is_missing).filter_map(|day| survey.insights.partitions.get(&day));
    let missing: Vec<&Partition> = missing.collect();
    let all_rows = on_all_cores(&missing, |partition| rows_of(places, partition));
    for (partition, rows) in missing.into_iter().zip(all_rows) {
        index.add_figures(partition.day, rows.map_err(|error| error.with("day", partition.day))?, &listed);
    }
    Ok(())
}

/// Meta's figures of one day; none where no partition of it has landed.
pub(crate) fn insights_of(places: &Places<'_>, survey: &Survey, day: Day) -> Result<Vec<InsightRow>> {
    let partition = survey.insights.partitions.get(&day);
    partition.map_or(Ok(Vec::new()), |partition| rows_of(places, partition))
}

fn rows_of(places: &Places<'_>, partition: &Partition) -> Result<Vec<InsightRow>> {
    landed(places, partition).map(|landed| landed.rows)
}

fn landed(places: &Places<'_>, partition: &Partition) -> Result<LandedDay> {
    match &places.settings.insights {
        Some(of) => readable(|| insights::read_partition(places.lake, &of.columns, partition)),
        None => Ok(LandedDay { rows: Vec::new(), repeated: 0, missing: MissingColumns::default() }),
    }
}

/// Reads all landed insights, oldest first.
pub(crate) fn read_insights(
    places: &Places<'_>,
    survey: &mut Survey,
    calendar: &mut Calendar,
    fail: &mut dyn FnMut(Error),
) -> Result<InsightsIndex> {
    if survey.insights_away.is_some() {
        return known_of_ads(places, survey);
    }
    let partitions: Vec<Partition> = survey.insights.partitions.values().cloned().collect();
    let all_rows = read_partitions(places, &partitions);
    let index = InsightsIndex::new(survey.ledgers.clone());
    let mut scan = InsightsScan { places, survey, calendar, fail, index };
    for (partition, rows) in partitions.into_iter().zip(all_rows) {
        scan.add(partition, rows, false)?;
    }
    Ok(scan.index)
}

/// The rows of insights partitions, with what receipts remember of them.
fn read_partitions(places: &Places<'_>, partitions: &[Partition]) -> Vec<Result<(Vec<InsightRow>, InsightsContent)>> {
    let listed = places.settings.listed_accounts();
    on_all_cores(partitions, |partition| {
        let LandedDay { rows, missing, .. } = landed(places, partition)?;
        let content = InsightsContent { missing, ..insights::content(&rows, &listed) };
        Ok((rows, content))
    })
}

/// Insights while they are read.
struct InsightsScan<'a> {
    places: &'a Places<'a>,
    survey: &'a mut Survey,
    calendar: &'a mut Calendar,
    fail: &'a mut dyn FnMut(Error),
    index: InsightsIndex,
}

impl InsightsScan<'_> {
    /// Takes what we fetched ourselves and cannot be read any more for never fetched.
    fn forget_unreadable(&mut self, partition: &Partition) -> Result<()> {
        let (Some(ledgers), Some((_, folder))) = (&mut self.survey.ledgers, self.places.settings.fetched_insights()) else {
            return Ok(());
        };
        for account in ledgers.accounts.keys().cloned().collect::<Vec<_>>() {
            let path = ledger::day_object(folder, &account, partition.day);
            let Some(object) = partition.objects.iter().find(|object| object.path == path) else { continue };
            match landed(self.places, &Partition::of(partition.day, vec![object.clone()])) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Data => ledgers.forget(&account, partition.day),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Adds a partition's rows to the index, or refuses it. `is_known` where the index has what they say of ads.
    fn add(&mut self, partition: Partition, rows: Result<(Vec<InsightRow>, InsightsContent)>, is_known: bool) -> Result<()> {
        let (day, listed) = (partition.day, self.places.settings.listed_accounts());
        let index = &mut self.index;
        let added = rows.and_then(|(rows, content)| {
            if is_known {
                index.add_figures(day, rows, &listed);
            } else {
                index.add(day, rows, &listed)?;
            }
            Ok(content)
        });
        match added {
            Ok(content) => {
                if self.places.settings.insights.as_ref().is_some_and(|insights| content.is_whole(insights)) {
                    self.index.note_whole(day);
                }
                self.calendar.accept_insights(day);
                let of = insights_settings(self.places.settings);
                self.survey.receipts.insights.set(day, PartitionReceipt::new(partition.objects, of, None, content));
            }
            Err(error) if error.kind() != ErrorKind::Data => return Err(error.with("day", day)),
            Err(error) => {
                self.survey.receipts.insights.forget(day);
                self.forget_unreadable(&partition)?;
                self.calendar.refuse_insights(day);
                self.index.note_refused(day);
                (self.fail)(error);
            }
        }
        Ok(())
    }
}
