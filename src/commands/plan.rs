//! Preview: what `ctwa plan` prints. The same planner as a run's; nothing is written.
//!
//! Messages and events that have not been read yet are known by their footers only: the days that their rows can reach are given
//! as "at most", and the run plans again once it has read them. Everything else - settings, aliases, Meta's figures, lost objects -
//! is looked at as a run looks at it, and its days are exact.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::base::day::{Day, DayRange};
use crate::base::error::Result;
use crate::base::failures::Failures;
use crate::base::schema::Raw;
use crate::commands::unread::Unread;
use crate::engine::request::{AttributeRequest, Rules};
use crate::extract::identity::Identities;
use crate::insights::InsightsIndex;
use crate::insights::due::Due;
use crate::known::job::{Job, Places};
use crate::known::moved as reach;
use crate::known::moved::Reached;
use crate::known::survey::{Lost, PartitionStep, Survey};
use crate::lake::Requests;
use crate::plan::DayStep;
use crate::plan::calendar::{Calendar, not_landed};
use crate::run::{ads_are_stale, check_history, pull, scan_insights, wanted_days};
use crate::tables::ads::AdIndex;

#[derive(Clone, Debug, Default, Serialize)]
pub struct Preview {
    pub pipeline: String,
    /// Whether a run would do anything.
    pub stale: bool,
    pub first_day: Option<Day>,
    pub last_day: Option<Day>,
    /// Partitions to read, each with its reason and size.
    pub partitions: Vec<PartitionStep>,
    /// Days to build, each with its reason.
    pub days: Vec<DayStep>,
    /// Days that the rows of unread partitions may reach, by what their footers say.
    pub days_at_most: Vec<MaybeDay>,
    pub ads: bool,
    pub identities_changed: bool,
    pub days_removed: Vec<Day>,
    pub days_blocked: BTreeMap<Day, Vec<String>>,
    pub days_without_history: Vec<Day>,
    /// What would be fetched from Meta; the days' figures may change with it.
    pub fetches: Vec<Fetch>,
    /// Of the partitions to read; only their needed columns are fetched.
    pub bytes_at_most: u64,
    pub objects_at_most: u64,
    /// What looking took, over the network: all that a run makes which finds nothing to do.
    pub survey_requests: Requests,
    pub failures: Vec<String>,
    #[serde(skip)]
    pub worst: Option<crate::base::error::ErrorKind>,
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

pub fn preview(job: &Job<'_>) -> Result<Preview> {
    let Job { settings, lake, output, .. } = job;
    let places = job.places();
    let mut survey = Survey::take(&places)?;
    let survey_requests = lake.requests() + output.requests();
    let mut calendar = survey.calendar(settings);
    check_history(job, &survey, &calendar)?;
    let mut failures = Failures::default();
    calendar.holes().into_iter().for_each(|hole| failures.add(not_landed(hole)));

    let gone = survey.gone(&calendar);
    let partitions = survey.unread(settings);
    survey.forget(&gone);
    let identities_changed = survey.receipts.identities.as_ref() != Some(&survey.identities_receipt(settings));
    let unread = Unread::of(&places, &survey, &calendar, &partitions, identities_changed)?;
    let is_of_insights = |name: &str| name == "insights";
    let insights_changed =
        partitions.iter().any(|step| is_of_insights(step.table)) || gone.iter().any(|(name, _)| is_of_insights(name));
    let insights = if insights_changed || ads_are_stale(&survey, &survey.planner(settings, &calendar)) {
        Some(scan_insights::read_insights(&places, &mut survey, &mut calendar, &mut |error| failures.add(error))?)
    } else {
        None
    };
    let mut at_most = unread.days_reached(&survey);
    if survey.receipts.days.iter().next().is_some() {
        if identities_changed {
            let identities = Identities::surveyed(lake, &survey.identities, settings)?;
            let reached = reach::of_identities(&places, &survey, &identities, Lost::Allowed)?;
            survey.mark(&reached);
        }
        let has_gone = gone.iter().any(|(name, _)| *name == Raw::Messages.table());
        let touches_from = if has_gone { Some(i64::MIN) } else { unread.first_touch() };
        // Figures that were read anew may say of every ad what they said before.
        let ads_may_move = insights.is_some() && ads_are_stale(&survey, &survey.planner(settings, &calendar));
        if touches_from.is_some() || ads_may_move {
            let maybe = reach_of_ads(&places, &mut survey, &mut calendar, insights, touches_from)?;
            for (day, reason) in maybe {
                at_most.entry(day).or_insert(reason);
            }
        }
    }

    let planner = survey.planner(settings, &calendar);
    let known = planner.range();
    let range = unread.widened(known);
    let days = wanted_days(job, range, &calendar, &mut failures);
    let due = pull::due(job, &survey, planner.first_conversation_day());
    for day in due.iter().flat_map(|due| &due.chunks).flat_map(|days| days.iter()) {
        at_most.entry(day).or_insert_with(|| "Meta may have restated it".to_string());
    }
    unread.note_edges(&survey, range, known, &mut at_most);
    let known = days.zip(known).and_then(|(days, known)| days.intersection(known));
    let mut steps = known.map(|days| planner.steps(days, job.is_backfill())).unwrap_or_default();
    // Where a receipt is lost its rows may be what they were.
    steps.days.retain(|step| !(step.reason.is_of_rows() && at_most.contains_key(&step.day)));
    let built: BTreeSet<Day> = steps.days.iter().map(|step| step.day).collect();
    let maybe = |(day, reason): (&Day, &String)| {
        let is_wanted = days.is_some_and(|days| days.contains(*day)) && !built.contains(day);
        let can_be_built = !calendar.is_frozen(&settings.bots, *day) && calendar.blockers(&settings.bots, *day).is_empty();
        (is_wanted && can_be_built).then(|| MaybeDay { day: *day, reason: reason.clone() })
    };
    let mut preview = Preview {
        pipeline: settings.name.clone(),
        first_day: range.map(|range| range.first),
        last_day: range.map(|range| range.last),
        bytes_at_most: partitions.iter().map(|step| step.bytes).sum(),
        days_at_most: at_most.iter().filter_map(maybe).collect(),
        ads: ads_are_stale(&survey, &planner) || partitions.iter().any(|step| step.table == Raw::Messages.table()),
        identities_changed,
        days_removed: planner.removals(range).into_iter().collect(),
        days_blocked: steps.blocked.iter().map(|(day, by)| (*day, by.iter().map(ToString::to_string).collect())).collect(),
        days_without_history: steps.without_history.clone(),
        days: steps.days,
        survey_requests,
        worst: failures.worst(),
        failures: failures.texts(),
        partitions,
        fetches: due.iter().map(Fetch::of).collect(),
        ..Preview::default()
    };
    let days = (preview.days.len() + preview.days_at_most.len()) as u64;
    preview.objects_at_most = 3 * days + u64::from(preview.ads);
    preview.stale = days > 0
        || !preview.partitions.is_empty()
        || preview.ads
        || preview.identities_changed
        || !preview.days_removed.is_empty()
        || !preview.fetches.is_empty()
        || !gone.is_empty();
    Ok(preview)
}

/// Marks the days of ads that are at another place now. Returns the days of those that unread touches from an instant on may move.
fn reach_of_ads(
    places: &Places<'_>,
    survey: &mut Survey,
    calendar: &mut Calendar,
    insights: Option<InsightsIndex>,
    from: Option<i64>,
) -> Result<Reached> {
    let insights = match insights {
        Some(insights) => insights,
        None => scan_insights::read_insights(places, survey, calendar, &mut |_| {})?,
    };
    let has_lost = survey.receipts.messages.iter().any(|(day, _)| survey.is_lost(Raw::Messages, day));
    let from = if has_lost { Some(i64::MIN) } else { from };
    // What touches say of ads does not depend on who an id stands for.
    let rules = Rules { settings: places.settings, identities: &Identities::default(), watermark: 0 };
    let none = BTreeSet::new();
    let request = AttributeRequest { rules, partitions: &survey.extracted(Lost::Allowed), days: &none, known: &none };
    let ads = AdIndex::new(places.settings, places.engine.attribute(&request)?.ads.facts(), &insights);
    let reached = reach::of_ads(places, survey, &ads, &survey.planner(places.settings, calendar))?.unwrap_or_default();
    let movable = from.map(|from| ads.movable(places.settings, from)).unwrap_or_default();
    let may_move = |ad: &String| movable.contains(ad).then(|| format!("ad may move: {ad}"));
    let mut maybe =
        if movable.is_empty() { Reached::new() } else { reach::days_with(places.output, survey, &|_| false, &may_move)? };
    if from.is_some() {
        // Without all touches nobody knows who was touched first.
        maybe.extend(reached);
    } else {
        survey.mark(&reached);
    }
    Ok(maybe)
}

impl Preview {
    /// What of it lies on these days.
    pub fn within(mut self, range: DayRange) -> Preview {
        self.days.retain(|step| range.contains(step.day));
        self.days_at_most.retain(|step| range.contains(step.day));
        self.days_removed.retain(|day| range.contains(*day));
        self.days_blocked.retain(|day, _| range.contains(*day));
        self.stale = !(self.days.is_empty() && self.days_at_most.is_empty() && self.days_removed.is_empty());
        self.objects_at_most = 3 * (self.days.len() + self.days_at_most.len()) as u64 + u64::from(self.ads);
        self
    }
}
