//! The stages of a run that read: partitions that are gone, new or changed, and Meta's figures.

use crate::base::day::Day;
use crate::base::error::{Error, Result};
use crate::insights::InsightsIndex;
use crate::known::in_lake;
use crate::known::other_forms::{self, Contacts};
use crate::known::test_contacts;
use crate::plan::stages::PartitionStep;
use crate::run::pull::Pull;
use crate::run::pull::ads::touched_ads;
use std::sync::Arc;

use crate::run::{scan, scan_insights};

use super::Run;

/// As many rows of each table are compared by the contacts that they name, and those of one partition more.
const ROWS_COMPARED: usize = 100_000;

impl Run<'_> {
    pub(super) fn forget(&mut self, gone: &[(&'static str, Day)]) -> Result<()> {
        self.changes.extend(scan::forget(&self.job.places(), gone, &mut self.survey)?);
        self.survey.forget(gone);
        self.look_again();
        Ok(())
    }

    /// Reads what is new or changed.
    pub(super) fn read(&mut self, steps: Vec<PartitionStep>) -> Result<()> {
        self.note_partitions(&steps);
        let fail = &mut |error| self.failures.add(error);
        self.changes.extend(scan::raw(self.job, &steps, &mut self.survey, &mut self.calendar, fail)?);
        self.look_again();
        if steps.iter().any(|step| step.table != "insights") {
            self.note_other_forms()?;
        }
        if steps.iter().any(|step| step.table == "insights") {
            self.insights = Some(self.scan_insights()?);
        }
        Ok(())
    }

    /// Contacts that would be one in another form, among the newest rows that were read just now and are still at hand, and test contacts
    /// that none of those has: of more, `check` tells.
    fn note_other_forms(&mut self) -> Result<()> {
        let Some((kept, identities)) = self.job.engine.rows().zip(self.identities.as_ref()) else { return Ok(()) };
        let at_hand = kept.at_hand();
        let mut left = [ROWS_COMPARED; 2];
        let mut newest: Vec<Contacts<'_>> = Vec::new();
        for (table, rows) in at_hand.iter().rev() {
            let left = &mut left[*table as usize];
            if *left > 0 {
                *left = left.saturating_sub(rows.num_rows());
                newest.push(Contacts::Batch(*table, rows.clone()));
            }
        }
        let of_forms = other_forms::warnings(self.job.settings, identities, &newest)?;
        let all: Vec<Contacts<'_>> = at_hand.into_iter().map(|(table, rows)| Contacts::Batch(table, rows)).collect();
        let rows: usize = all.iter().map(Contacts::rows).sum();
        let of_tests = test_contacts::warnings(self.job.settings, identities, &all, rows as u64 == self.survey.accepted_rows());
        self.report.warnings.extend(of_forms.into_iter().chain(of_tests).map(|text| format!("identities: {text}")));
        Ok(())
    }

    /// Partitions that are to be read, for the report.
    fn note_partitions(&mut self, steps: &[PartitionStep]) {
        for step in steps {
            if !self.report.partitions.iter().any(|known| (known.table, known.day) == (step.table, step.day)) {
                self.report.partitions.push(step.clone());
            }
        }
    }

    /// Pulls what is due of Meta's figures, then reads all that have landed. What cannot be pulled stays as it was.
    pub(super) fn pull(&mut self) -> Result<()> {
        self.tried.pull = true;
        let first = self.planner().first_conversation_day();
        let ledgers = self.survey.ledgers.clone().unwrap_or_default();
        match Pull::start(self.job, self.lock, ledgers, &self.survey.insights) {
            Ok(pull) => self.pull = pull,
            Err(error) => self.failures.add(error),
        }
        let (Some(pull), failures) = (&mut self.pull, &mut self.failures) else { return Ok(()) };
        pull.days(first, &mut |error| failures.add(error))?;
        let insights = self.look_at_insights()?;
        let touched = touched_ads(&self.job.places(), &self.survey, &insights)?;
        self.insights = Some(insights);
        let (Some(started), failing) = (&mut self.pull, &mut self.failures) else { return Ok(()) };
        if started.left_out_ads(&touched, &mut |error| failing.add(error))? {
            self.insights = Some(self.look_at_insights()?);
        }
        Ok(())
    }

    /// The insights after a pull.
    fn look_at_insights(&mut self) -> Result<InsightsIndex> {
        (self.survey.insights, self.survey.ledgers, self.survey.sync_days) =
            in_lake::insights(&self.job.places(), &self.survey.receipts.insights)?;
        let landed = self.survey.unread(self.job.settings).into_iter().filter(|step| step.table == "insights");
        self.note_partitions(&landed.collect::<Vec<_>>());
        self.scan_insights()
    }

    pub(super) fn scan_insights(&mut self) -> Result<InsightsIndex> {
        let (mut refused, places) = (Vec::new(), self.job.places());
        let fail = &mut |error| refused.push(error);
        // An ad that was touched and is in no row of any day is asked for by its id: that needs the rows of all days.
        let read = if self.pull.is_some() { scan_insights::all_insights } else { scan_insights::insights };
        let insights = read(&places, &mut self.survey, &mut self.calendar, fail);
        self.worked_out = Arc::new(self.worked_out.with_other_figures());
        // What is refused is told once, however often it is read; what we landed ourselves may be mended meanwhile.
        let is_refused = |error: &Error| refused.iter().any(|now| now.to_string() == error.to_string());
        for mended in self.refused_insights.iter().filter(|error| !is_refused(error)) {
            self.report.warnings.insert(format!("insights: fetched again from Meta, as they could not be read: {mended}"));
        }
        self.refused_insights = refused;
        insights
    }
}
