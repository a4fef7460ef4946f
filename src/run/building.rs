//! The stages of a run that publish: `ads`, the days to build, and the days to remove.

use crate::base::day::Day;
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::object::Object;
use crate::base::parallel::{at_once, on_all_cores};
use crate::base::progress::{FINDING_SESSIONS, Progress};
use crate::base::schema::{self, DAY_TABLES, LOGIC, Table};
use crate::known::job::Job;
use crate::known::moved::{self, Moved};
use crate::known::receipts::{ADS_RECEIPT, known_places};
use crate::lake::layout::{ADS_OBJECT, day_object};
use crate::lake::{Put, write_json};
use crate::plan::reason::{DayStep, Reason};
use crate::plan::receipt::{AdsReceipt, DayReceipt};
use crate::plan::stages::Stage;
use crate::run::attribute::attribute_days;
use crate::run::publish::{self, BuiltDay, PublishedDays, put};
use crate::tables::ads::{AdIndex, places_digest};
use crate::tables::{BuildInputs, audit, tables};
use std::collections::HashMap;
use tracing::info;

use crate::run::scan_insights;

use crate::engine::request::Rules;

use super::Run;

/// How many days are held in memory and published together.
const DAYS_AT_ONCE: usize = 8;

impl Run<'_> {
    /// Sees to it that the counts of these days are there, and the insights.
    fn see_to_counts(&mut self, steps: &[DayStep]) -> Result<()> {
        if self.insights.is_none() {
            self.insights = Some(self.scan_insights()?);
        }
        let Some(identities) = &self.identities else { return Err(Error::bug("the alias table was not read")) };
        if !self.attributed.as_ref().is_some_and(|attributed| attributed.covers(steps)) {
            let watermark = self.calendar.last().map_or(0, |last| self.job.settings.landed_until(last));
            let rules = Rules { settings: self.job.settings, identities, watermark };
            (self.job.progress)(Progress::Doing(FINDING_SESSIONS));
            let attributed = attribute_days(&self.job.places(), &self.survey, &self.calendar, rules, steps)?;
            self.report.test_contact_rows = attributed.counts.left_out.values().sum();
            (self.attributed, self.are_facts_kept) = (Some(attributed), false);
        }
        Ok(())
    }

    fn ads(&self) -> Result<AdIndex> {
        let (Some(attributed), Some(insights)) = (&self.attributed, &self.insights) else {
            return Err(Error::bug("ads are asked for before anything is known of them"));
        };
        Ok(AdIndex::new(self.job.settings, attributed.facts_of_ads(), insights))
    }

    /// Publishes `ads`. Ads that became known or moved make their own rows stale (rule 21): which days those are stands in the
    /// receipt.
    pub(super) fn publish_ads(&mut self) -> Result<()> {
        let Job { settings, output, .. } = self.job;
        self.see_to_counts(&self.days_to_build())?;
        let ads = self.ads()?;
        let planner = self.planner();
        let (inputs, moved) = (planner.ads_inputs(), moved::of_ads(&self.job.places(), &self.survey, &ads, &planner)?);
        drop(planner);
        let mut marks = self.survey.receipts.ads.as_ref().map(|receipt| receipt.marks.clone()).unwrap_or_default();
        let before = known_places(marks.tip());
        self.lock.check()?;
        if let Moved::Affects(affected) = moved {
            let places = ads.places(settings);
            marks = marks.step(places_digest(&places), affected, self.survey.built_under_places());
            write_json(output, &known_places(marks.tip()), &places)?;
        }
        let surveyed = self.survey.published_ads.clone();
        let put = put(&schema::ads(), ADS_OBJECT.to_string(), &ads.table(settings)?, surveyed)?;
        let object = self.publish(std::slice::from_ref(&put)).remove(0)?;
        let size = put.bytes.len() as u64;
        self.survey.published_ads = Some(Object::plain(put.path, size, object.clone()));
        let without = self.attributed.as_ref().map(|attributed| attributed.published.lacking.clone()).unwrap_or_default();
        let receipt = AdsReceipt { logic: LOGIC.ads, inputs, object, without, marks };
        write_json(output, ADS_RECEIPT, &receipt)?;
        if known_places(receipt.marks.tip()) != before {
            // Nobody reads it any more.
            self.lock.remove(output, &before)?;
        }
        self.survey.receipts.ads = Some(receipt);
        Ok(())
    }

    /// Builds the days that are to be built. One that fails is told, and not tried again.
    pub(super) fn build(&mut self) -> Result<()> {
        let is_lacking = |step: &DayStep| step.reason == Reason::LacksRows;
        let (lacking, steps): (Vec<DayStep>, Vec<DayStep>) = self.days_to_build().into_iter().partition(is_lacking);
        self.tried.days.extend(lacking.iter().chain(&steps).map(|step| step.day));
        self.publish_as_incomplete(&lacking)?;
        if steps.is_empty() {
            return Ok(());
        }
        self.see_to_counts(&steps)?;
        let ads = self.ads()?;
        let (Some(attributed), Some(mut insights)) = (self.attributed.take(), self.insights.take()) else {
            return Err(Error::bug("days are built before anything is known of them"));
        };
        let (places, survey) = (self.job.places(), &self.survey);
        let added = || scan_insights::add_figures(&places, survey, &mut insights, steps.iter().map(|step| step.day));
        let (kept, added) = at_once(|| attributed.keep_facts(&places, survey), added)?;
        kept.and(added)?;
        self.are_facts_kept = true;
        let inputs = BuildInputs { settings: places.settings, counts: &attributed.counts, insights: &insights, ads: &ads };
        self.build_days(&steps, &inputs)?;
        (self.attributed, self.insights) = (Some(attributed), Some(insights));
        Ok(())
    }

    pub(super) fn remove(&mut self) -> Result<()> {
        let removals = self.with_seen(|seen| seen.stages().collect::<Vec<Stage>>());
        for stage in removals {
            let Stage::Remove(day) = stage else { continue };
            for table in DAY_TABLES.iter().rev() {
                if let Some(object) = self.survey.published.get_mut(table).and_then(|days| days.remove(&day)) {
                    self.lock.remove(self.job.output, &object.path)?;
                }
            }
            self.survey.receipts.days.forget(day);
            self.report.days_removed.push(day);
        }
        self.survey.receipts.days.write(self.job.output)
    }

    /// Publishes objects and counts them; returns their versions.
    pub(super) fn publish(&mut self, puts: &[Put]) -> Vec<Result<String>> {
        let published = publish::publish(self.lock, self.job.output, puts);
        published.into_iter().map(|done| done.map(|done| self.report.count_object(done))).collect()
    }

    fn build_days(&mut self, steps: &[DayStep], inputs: &BuildInputs<'_>) -> Result<()> {
        let settings = self.job.settings;
        info!(days = steps.len(), "building");
        let progress = self.job.progress;
        progress(Progress::Begin { step: "building", of: "days", items: steps.len() as u64, bytes: 0 });
        let planner = self.planner();
        let rejected_on = |day: Day| settings.bots.iter().map(|bot| (bot.id.clone(), planner.rejected(&bot.id, day))).collect();
        let wanted: Vec<(&DayStep, DayReceipt, HashMap<String, u64>)> =
            steps.iter().map(|step| (step, planner.expected(step.day), rejected_on(step.day))).collect();
        // Some days are put while the next ones are made.
        let mut waiting = Vec::new();
        for some in wanted.chunks(DAYS_AT_ONCE) {
            if let Err(stopped) = (self.job.stopped)() {
                self.note_published(publish::days(self.lock, self.job.output, waiting))?;
                return Err(stopped);
            }
            let calendar = &self.calendar;
            let published = &self.survey.published;
            let make = |(step, _, rejected): &(&DayStep, DayReceipt, HashMap<String, u64>)| {
                let rows = inputs.rows(calendar, step.day, &|bot| rejected.get(bot).copied().unwrap_or_default());
                audit::day(step.day, &rows, inputs.insights)?;
                let surveyed = |table: &Table| published.get(table.name).and_then(|days| days.get(&step.day)).cloned();
                let put = |(table, batch)| put(&table, day_object(table.name, step.day), &batch, surveyed(&table));
                let puts = tables(step.day, &rows)?.into_iter().map(put).collect::<Result<Vec<_>>>()?;
                progress(Progress::Done { rows: rows.ad_days.len() as u64, bytes: 0 });
                Ok((rows, puts))
            };
            let (lock, output) = (self.lock, self.job.output);
            let (made, put) = at_once(|| on_all_cores(some, make), || publish::days(lock, output, waiting))?;
            self.note_published(put)?;
            waiting = Vec::new();
            for (of_day, (step, receipt, _)) in made.into_iter().zip(some) {
                match of_day {
                    Ok((rows, puts)) => waiting.push(BuiltDay { step, rows, puts, receipt: receipt.clone() }),
                    Err(error) if error.kind() == ErrorKind::Data => self.failures.add(error.with("day", step.day)),
                    Err(error) => return Err(error.with("day", step.day)),
                }
            }
        }
        self.note_published(publish::days(self.lock, self.job.output, waiting))?;
        progress(Progress::End);
        Ok(())
    }

    /// Counts what was put, and writes the receipts of the days that are whole.
    fn note_published(&mut self, put: PublishedDays<'_>) -> Result<()> {
        put.objects.into_iter().for_each(|object| _ = self.report.count_object(object));
        if let Some(error) = put.failed {
            return Err(error);
        }
        for built in put.days {
            self.survey.receipts.days.set(built.step.day, built.receipt);
            self.report.count(&built.rows);
            self.report.days.push(built.step.clone());
        }
        self.survey.receipts.days.write(self.job.output)
    }
}
