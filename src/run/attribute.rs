//! Attribution: the counts of the days to be built, and what is new of ads.
//!
//! In: the partitions whose rows count, and the rules. Days whose rows are what they were need no engine: their counts are read back.
//! Out: the counts, and what all touches say of ads, which is kept for the next run; beside it, what the published `ads` has of touches
//! that nobody can look at now.

use std::collections::BTreeSet;

use crate::base::day::Day;
use crate::base::error::Result;
use crate::engine::counts::add_facts;
use crate::engine::request::{AdNews, AttributeRequest, Attribution, Rules};
use crate::engine::{DayCounts, FactsOfAds};
use crate::known::ad_memory::KeptFacts;
use crate::known::job::Places;
use crate::known::published_ads::PublishedFacts;
use crate::known::survey::{Lost, Survey};
use crate::plan::calendar::Calendar;
use crate::plan::reason::DayStep;
use crate::run::published_counts;
use crate::tables::audit;

/// What some days are built from: their counts, and what all touches say of ads.
pub(crate) struct Attributed {
    pub counts: DayCounts,
    /// Of the touches that can be looked at.
    facts: FactsOfAds,
    /// Of the others.
    pub published: PublishedFacts,
    days: BTreeSet<Day>,
    kept: Option<KeptFacts>,
    /// The partitions of what was kept, where it was added to.
    added_to: BTreeSet<Day>,
}

/// Attributes what happened on the local days of these steps, and adds what is new of ads.
pub(crate) fn attribute_days(
    places: &Places<'_>,
    survey: &Survey,
    calendar: &Calendar,
    rules: Rules<'_>,
    steps: &[DayStep],
) -> Result<Attributed> {
    let same = steps.iter().filter(|step| step.reason.leaves_counts()).map(|step| step.day);
    let (published_counts, same) = published_counts::read(places, survey, same)?;
    let days: BTreeSet<Day> = steps.iter().map(|step| step.day).filter(|day| !same.contains(day)).collect();
    let kept = KeptFacts::read(places, survey)?;
    let known: BTreeSet<Day> = kept.iter().flat_map(|kept| kept.partitions.keys()).copied().collect();
    let partitions = survey.extracted(Lost::Refused);
    let request = AttributeRequest { rules, partitions: &partitions, days: &days, known: &known };
    let Attribution { mut counts, ads } = places.engine.attribute(&request)?;
    audit::ends(&counts)?;
    counts.merge(published_counts);
    let (facts, added_to) = match ads {
        AdNews::Whole(facts) => (facts, BTreeSet::new()),
        AdNews::Added(new) => {
            let mut facts = kept.as_ref().map(|kept| kept.of_ads(places.settings)).unwrap_or_default();
            add_facts(&mut facts, new);
            (facts, known)
        }
    };
    let published = PublishedFacts::read(places, survey, &(&calendar.lost_touches() - &added_to))?;
    Ok(Attributed { counts, facts, published, days: &days | &same, kept, added_to })
}

impl Attributed {
    /// Whether the counts of these days are there.
    pub(crate) fn covers(&self, steps: &[DayStep]) -> bool {
        steps.iter().all(|step| self.days.contains(&step.day))
    }

    /// What touches say of ads.
    pub(crate) fn facts_of_ads(&self) -> FactsOfAds {
        let mut facts = self.facts.clone();
        self.published.add_to(&mut facts);
        facts
    }

    /// Keeps what touches say of ads for the next run.
    pub(crate) fn keep_facts(&self, places: &Places<'_>, survey: &Survey) -> Result<()> {
        KeptFacts::of(places.settings, survey, &self.facts, &self.added_to).keep(places.output, self.kept.as_ref())
    }
}
