//! Plan: what a run would do, as `ctwa plan` prints it. The same planner as a run's; nothing is written.
//!
//! Messages and events that have not been read yet are known by their footers only: the days that their rows can affect are given
//! as "at most", and the run plans again once it has read them. Everything else - settings, aliases, Meta's figures, lost objects -
//! is looked at as a run looks at it, and its days are exact.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::base::day::{Day, DayRange};
use crate::base::error::{ErrorKind, Result};
use crate::base::failures::Failures;
use crate::base::schema::Raw;
use crate::commands::unread::Unread;
use crate::engine::request::{AttributeRequest, Extraction, Rules};
use crate::extract::identity::Identities;
use crate::insights::InsightsIndex;
use crate::insights::due::Due;
use crate::known::ad_memory::KeptFacts;
use crate::known::job::Job;
use crate::known::moved::{self, AffectedDays, Moved};
use crate::known::published_ads::{self, PublishedFacts};
use crate::known::survey::{Lost, StageInputs, Survey};
use crate::lake::{Listing, Partition, Requests};
use crate::plan::Planner;
use crate::plan::calendar::Calendar;
use crate::plan::reason::{DayStep, Reason};
use crate::plan::stages::{PartitionStep, Seen, Stage, Tried};
use crate::plan::wanted::outside;
use crate::run::{check_history, note_damaged, note_missing, pull, scan, scan_insights};
use crate::tables::ads::{AdIndex, places_digest};

#[derive(Clone, Debug, Default, Serialize)]
pub struct PlanReport {
    pub pipeline: String,
    /// Whether a run would do anything.
    pub stale: bool,
    pub first_day: Option<Day>,
    pub last_day: Option<Day>,
    /// Partitions to read, each with its reason and size.
    pub partitions: Vec<PartitionStep>,
    /// Days to build, each with its reason.
    pub days: Vec<DayStep>,
    /// Days that the rows of unread partitions may affect, by what their footers say: those may be built, or removed.
    pub days_at_most: Vec<MaybeDay>,
    pub ads: bool,
    pub identities_changed: bool,
    pub days_removed: Vec<Day>,
    /// Whether what was read is still to be accepted: where the lake begins, and past conversion settings.
    pub accepts: bool,
    pub days_blocked: BTreeMap<Day, Vec<String>>,
    pub days_without_history: Vec<Day>,
    /// What would be fetched from Meta; the days' figures may change with it.
    pub fetches: Vec<Fetch>,
    /// The bytes of the partitions to read, of which only the needed columns are fetched.
    pub bytes_at_most: u64,
    pub objects_at_most: u64,
    /// What looking took, over the network: all that a run makes which finds nothing to do.
    pub survey_requests: Requests,
    /// What is said of partitions that were read once and cannot be read any more.
    pub warnings: Vec<String>,
    pub failures: Vec<String>,
    #[serde(skip)]
    pub worst: Option<ErrorKind>,
}

/// What would be fetched of an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fetch {
    pub account: String,
    pub first_day: Option<Day>,
    pub last_day: Option<Day>,
    pub days: usize,
    pub reach_ranges: usize,
}

impl Fetch {
    fn of(due: &Due) -> Fetch {
        Fetch {
            account: due.account.clone(),
            first_day: due.chunks.last().map(|days| days.first),
            last_day: due.chunks.first().map(|days| days.last),
            days: due.days(),
            reach_ranges: due.reach.len(),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MaybeDay {
    pub day: Day,
    pub reason: String,
}

pub fn plan(job: &Job<'_>) -> Result<PlanReport> {
    let Job { settings, lake, output, .. } = job;
    let survey = Survey::take(&job.places())?;
    let survey_requests = lake.requests() + output.requests();
    let calendar = survey.calendar(settings);
    check_history(job, &survey, &calendar)?;
    let (gone, partitions, aliases_are_known) = {
        let (planner, tried) = (survey.planner(settings, &calendar), Tried::default());
        let seen = survey.seen(&planner, settings, StageInputs { wanted: job.wanted, due: Vec::new(), tried: &tried });
        (seen.gone, seen.unread, seen.aliases_are_known)
    };
    let mut ahead = Ahead { job, survey, calendar, failures: Failures::default() };
    ahead.survey.forget(&gone);
    let mut unread = Unread::of(&job.places(), &ahead.survey, &ahead.calendar, &partitions, !aliases_are_known)?;
    let refused = ahead.refuse(unread.doubtful())?;
    unread.leave_out(&refused);
    let insights = ahead.insights(&gone, &partitions)?;
    let mut at_most = unread.affected_days(&ahead.survey);
    if ahead.survey.receipts.days.iter().next().is_some() {
        if !aliases_are_known {
            ahead.mark_changed_identities()?;
        }
        let has_gone = gone.iter().any(|(name, _)| *name == Raw::Messages.table());
        let touches_from = if has_gone { Some(i64::MIN) } else { unread.first_touch() };
        for (day, reason) in ahead.mark_moved_ads(insights, touches_from)? {
            at_most.entry(day).or_insert(reason);
        }
    }
    ahead.note_lacking()?;
    let mut report = ahead.report(&unread, at_most);
    report.identities_changed = !aliases_are_known;
    report.ads |= partitions.iter().any(|step| step.table == Raw::Messages.table());
    report.bytes_at_most = partitions.iter().map(|step| step.bytes).sum();
    report.survey_requests = survey_requests;
    let days = (report.days.len() + report.days_at_most.len()) as u64;
    report.objects_at_most = 3 * days + u64::from(report.ads);
    report.stale |= !partitions.is_empty() || !gone.is_empty() || report.identities_changed || report.ads || days > 0;
    report.partitions = partitions;
    Ok(report)
}

/// A look ahead: what a run would find, in memory.
struct Ahead<'a> {
    job: &'a Job<'a>,
    survey: Survey,
    calendar: Calendar,
    failures: Failures,
}

impl<'a> Ahead<'a> {
    fn planner(&self) -> Planner<'_> {
        self.survey.planner(self.job.settings, &self.calendar)
    }

    fn with_seen<T>(&self, due: Vec<Due>, look: impl FnOnce(&Seen<'_>) -> T) -> T {
        let (planner, tried) = (self.planner(), Tried::default());
        look(&self.survey.seen(&planner, self.job.settings, StageInputs { wanted: self.job.wanted, due, tried: &tried }))
    }

    fn ads_are_stale(&self) -> bool {
        self.with_seen(Vec::new(), |seen| seen.ads_are_stale())
    }

    /// Reads what a run may try in vain, and refuses it as a run would, but in memory.
    fn refuse(&mut self, doubtful: &[(Raw, Day)]) -> Result<BTreeSet<(Raw, Day)>> {
        let (places, mut refused) = (self.job.places(), BTreeSet::new());
        for table in Raw::BOTH {
            let landed = &self.survey.raw(table).partitions;
            let of_table = doubtful.iter().filter(|(of, _)| *of == table).filter_map(|(_, day)| landed.get_key_value(day));
            let partitions: BTreeMap<Day, Partition> = of_table.map(|(day, partition)| (*day, partition.clone())).collect();
            let listing = Listing { partitions, ..Listing::default() };
            for (partition, extracted) in scan::for_now(&places, table, &listing) {
                let error = match extracted {
                    Ok(Extraction { refusal: None, .. }) => continue,
                    Ok(Extraction { refusal: Some(error), .. }) => error,
                    Err(error) if error.kind() == ErrorKind::Data => error,
                    Err(error) => return Err(error.with("table", table.table()).with("day", partition.day)),
                };
                let error = error.with("table", table.table()).with("day", partition.day);
                self.survey.refuse(places.settings, &mut self.calendar, table, &partition, &error);
                refused.insert((table, partition.day));
            }
        }
        Ok(refused)
    }

    /// Meta's figures, where they are not what they were, or ads are looked at.
    fn insights(&mut self, gone: &[(&'static str, Day)], partitions: &[PartitionStep]) -> Result<Option<InsightsIndex>> {
        let is_of_insights = |name: &str| name == "insights";
        let have_changed =
            partitions.iter().any(|step| is_of_insights(step.table)) || gone.iter().any(|(name, _)| is_of_insights(name));
        if !have_changed && !self.ads_are_stale() {
            return Ok(None);
        }
        let (places, failures) = (self.job.places(), &mut self.failures);
        scan_insights::read_insights(&places, &mut self.survey, &mut self.calendar, &mut |error| failures.add(error)).map(Some)
    }

    /// Marks the days that a changed alias table affects as a run would, but in memory.
    fn mark_changed_identities(&mut self) -> Result<()> {
        let Job { settings, lake, .. } = self.job;
        let identities = Identities::surveyed(lake, &self.survey.identities, settings)?;
        let moved = moved::of_identities(&self.job.places(), &self.survey, &identities, Lost::Allowed)?;
        if let Moved::Affects(affected) = moved {
            let mut receipt = self.survey.receipts.identities.take().unwrap_or_default();
            let content = moved::aliases_digest(&identities, settings)?;
            receipt.marks = receipt.marks.step(content, affected, self.survey.built_under_aliases());
            self.survey.receipts.identities = Some(receipt);
        }
        Ok(())
    }

    /// Marks the days of ads that are at another place now as a run would, but in memory. Returns the days of those that touches which are not
    /// read yet, from an instant on, may move.
    fn mark_moved_ads(&mut self, insights: Option<InsightsIndex>, from: Option<i64>) -> Result<AffectedDays> {
        // Figures that were read anew may say of every ad what they said before.
        if from.is_none() && !(insights.is_some() && self.ads_are_stale()) {
            return Ok(AffectedDays::new());
        }
        let places = self.job.places();
        let insights = match insights {
            Some(insights) => insights,
            None => scan_insights::read_insights(&places, &mut self.survey, &mut self.calendar, &mut |_| {})?,
        };
        let has_lost = self.survey.receipts.messages.iter().any(|(day, _)| self.survey.is_lost(Raw::Messages, day));
        let from = if has_lost { Some(i64::MIN) } else { from };
        // What touches say of ads depends on who an id stands for only where somebody's touches are left out.
        let identities = match places.settings.has_test_contacts() {
            true => Identities::surveyed(places.lake, &self.survey.identities, places.settings)?,
            false => Identities::default(),
        };
        let rules = Rules { settings: places.settings, identities: &identities, watermark: 0 };
        let none = BTreeSet::new();
        let request = AttributeRequest { rules, partitions: &self.survey.extracted(Lost::Allowed), days: &none, known: &none };
        let mut facts = places.engine.attribute(&request)?.ads.facts();
        PublishedFacts::read(&places, &self.survey, &self.calendar.lost_touches())?.add_to(&mut facts);
        let ads = AdIndex::new(places.settings, facts, &insights);
        let moved = moved::of_ads(&places, &self.survey, &ads, &self.planner())?;
        let Some(from) = from else {
            if let Moved::Affects(affected) = moved {
                let content = places_digest(&ads.places(places.settings));
                let mut receipt = self.survey.receipts.ads.take().unwrap_or_default();
                receipt.marks = receipt.marks.step(content, affected, self.survey.built_under_places());
                self.survey.receipts.ads = Some(receipt);
            }
            return Ok(AffectedDays::new());
        };
        let movable = ads.movable(places.settings, from);
        let may_move = |ad: &String| movable.contains(ad).then(|| format!("ad may move: {ad}"));
        let mut maybe = AffectedDays::new();
        if !movable.is_empty() {
            maybe = moved::days_with(places.output, &self.survey, &|_| false, &may_move)?;
        }
        // Without all touches nobody knows who was touched first.
        maybe.extend(moved.into_affected());
        Ok(maybe)
    }

    /// Fails where `ads` was lost and cannot be made again as a whole.
    fn note_lacking(&mut self) -> Result<()> {
        let lost = self.calendar.lost_touches();
        if lost.is_empty() || !self.ads_are_stale() {
            published_ads::said_of_lacking(self.survey.receipts.ads.as_ref())
                .into_iter()
                .for_each(|error| self.failures.add(error));
            return Ok(());
        }
        let places = self.job.places();
        let kept = KeptFacts::read(&places, &self.survey)?.map(|kept| kept.partitions).unwrap_or_default();
        let unseen = lost.into_iter().filter(|day| !kept.contains_key(day)).collect();
        let PublishedFacts { lacking, .. } = PublishedFacts::read(&places, &self.survey, &unseen)?;
        if !lacking.is_empty() {
            self.failures.add(published_ads::lacks(&lacking));
        }
        Ok(())
    }

    /// What the stages say, and which days the unread partitions leave open.
    fn report(mut self, unread: &Unread<'_>, mut at_most: AffectedDays) -> PlanReport {
        let mut failures = std::mem::take(&mut self.failures);
        let planner = self.planner();
        let due = pull::due(self.job, &self.survey, &planner);
        for day in due.iter().flat_map(|due| &due.chunks).flat_map(|days| days.iter()) {
            at_most.entry(day).or_insert_with(|| "Meta may have restated it".to_string());
        }
        let known = planner.range();
        let range = unread.widened(known);
        unread.note_edges(&self.survey, range, known, &mut at_most);
        let kept = unread.kept_days(&self.survey);
        // The range may begin later once the first rows are gone.
        let narrowed = kept.first().zip(range).and_then(|(first, range)| DayRange::new(*first, range.last));
        let maybe_removed = planner.removals_without(narrowed, &|day| kept.contains(&day));
        let (stages, steps) = self.with_seen(due, |seen| (seen.stages().collect::<Vec<Stage>>(), seen.steps()));
        note_missing(&planner, self.job.wanted, &mut failures);
        note_damaged(&steps, &mut failures);
        self.survey.fail_for_refused(self.job.settings, &mut failures);
        let mut report = PlanReport {
            pipeline: self.job.settings.name.clone(),
            first_day: range.map(|range| range.first),
            last_day: range.map(|range| range.last),
            days_blocked: steps.blocked.iter().map(|(day, by)| (*day, by.iter().map(ToString::to_string).collect())).collect(),
            days_without_history: steps.kept_as_published(),
            warnings: self.survey.said_of_away(&self.calendar),
            worst: failures.worst(),
            failures: failures.texts(),
            ..PlanReport::default()
        };
        // Where a receipt is lost its rows may be what they were.
        let open: BTreeSet<Day> = at_most.keys().copied().collect();
        // The first rows may be gone, and the first days with them.
        let stays_in_range = |day: Day| unread.is_empty() || kept.first().is_some_and(|first| *first <= day);
        let is_outside = |day: Day| range.is_none_or(|range| !range.contains(day));
        let goes = |day: Day| maybe_removed.contains(&day) && is_outside(day) && !unread.may_bring_rows_of(day);
        let is_open = |step: &DayStep| open.contains(&step.day) && is_of_rows(&planner, step);
        let is_exact = |step: &DayStep| stays_in_range(step.day) && !is_open(step);
        for stage in stages {
            match stage {
                Stage::Forget(_) | Stage::Read(_) | Stage::Identities => {}
                Stage::Pull(accounts) => report.fetches = accounts.iter().map(Fetch::of).collect(),
                Stage::Accept => report.accepts = true,
                Stage::Ads => report.ads = true,
                Stage::Build(step) if is_exact(&step) => report.days.push(step),
                Stage::Build(step) => _ = at_most.entry(step.day).or_insert(step.reason.to_string()),
                Stage::Remove(day) if goes(day) => {
                    report.days_removed.push(day);
                }
                Stage::Remove(day) => _ = at_most.entry(day).or_insert_with(|| unread.reason_to_remove()),
            }
        }
        let days = range.and_then(|range| self.job.wanted.of(range));
        let built: BTreeSet<Day> = report.days.iter().map(|step| step.day).collect();
        let bots = &self.job.settings.bots;
        let can_be_built = |day: Day| !planner.stays_anyhow(day) && planner.calendar().blockers(bots, day).is_empty();
        let is_wanted = |day: Day| days.is_some_and(|days| days.contains(day)) && !built.contains(&day) && can_be_built(day);
        let may_go = |day: &Day| maybe_removed.contains(day) && !report.days_removed.contains(day);
        for day in maybe_removed.iter().filter(|day| may_go(day)) {
            at_most.entry(*day).or_insert_with(|| unread.reason_to_remove());
        }
        let at_most = at_most.into_iter().filter(|(day, _)| is_wanted(*day) || may_go(day));
        report.days_at_most = at_most.map(|(day, reason)| MaybeDay { day, reason }).collect();
        report.stale = report.ads || report.accepts || !report.days_removed.is_empty() || !report.fetches.is_empty();
        report
    }
}

/// Whether a day is built because of rows: a setting may be given as the reason for these, too.
fn is_of_rows(planner: &Planner<'_>, step: &DayStep) -> bool {
    match step.reason {
        Reason::SettingChanged { .. } => !planner.has_other_settings(step.day),
        _ => step.reason.is_of_rows(),
    }
}

impl PlanReport {
    /// What of it lies on these days.
    pub fn within(mut self, range: DayRange) -> PlanReport {
        self.days.retain(|step| range.contains(step.day));
        self.days_at_most.retain(|step| range.contains(step.day));
        self.days_removed.retain(|day| range.contains(*day));
        self.days_blocked.retain(|day, _| range.contains(*day));
        let lake = self.first_day.zip(self.last_day).and_then(|(first, last)| DayRange::new(first, last));
        if let Some(error) = lake.and_then(|lake| outside(range, Some(lake))) {
            let mut failures = Failures::default();
            self.worst = ErrorKind::worst(self.worst.into_iter().chain([error.kind()]));
            failures.add(error);
            self.failures.extend(failures.texts());
        }
        self.stale = !(self.days.is_empty() && self.days_at_most.is_empty() && self.days_removed.is_empty());
        self.objects_at_most = 3 * (self.days.len() + self.days_at_most.len()) as u64 + u64::from(self.ads);
        self
    }
}
