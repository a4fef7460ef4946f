//! Attribution: the counts of the days to be built, and what is new of ads.
//!
//! In: the working tables, of which only those rows are loaded that the days need; where these are many, one part of the contacts after
//! the other. Days whose rows are what they were need none. Out: the engine's answer, and what all touches say of ads, which is kept for
//! the next run.

use std::collections::BTreeSet;

use crate::base::day::{Day, DayRange};
use crate::base::error::{Error, Result};
use crate::engine::embedded::{attribute, settle_part};
use crate::engine::{Answer, FactsOfAds, Request};
use crate::extract::identity::Identities;
use crate::known::ad_memory::KeptFacts;
use crate::known::job::Places;
use crate::known::survey::Survey;
use crate::known::working::{self, Fresh, NeededTables, Needs, Part};
use crate::plan::reason::DayStep;
use crate::run::published_counts;
use crate::tables::audit;

/// What some days are built from: their counts, and what all touches say of ads.
pub(crate) struct Attributed {
    pub answer: Answer,
    pub facts: FactsOfAds,
    days: BTreeSet<Day>,
    kept: Option<KeptFacts>,
}

/// Attributes what happened on the local days of these steps, and adds what is new of ads. `watermark` is as in [`Request`]; of more
/// rows than `rows_at_once` one part of the contacts comes after the other.
pub(crate) fn attribute_days(
    places: &Places<'_>,
    survey: &Survey,
    fresh: &mut Fresh,
    identities: &Identities,
    steps: &[DayStep],
    watermark: i64,
    rows_at_once: u64,
) -> Result<Attributed> {
    let same = steps.iter().filter(|step| step.reason.leaves_counts()).map(|step| step.day);
    let (published, same) = published_counts::read(places, survey, same)?;
    let days: BTreeSet<Day> = steps.iter().map(|step| step.day).filter(|day| !same.contains(day)).collect();
    let kept = KeptFacts::read(places, survey)?;
    let mut attribute = |kept: Option<&KeptFacts>| -> Result<Option<(Answer, FactsOfAds)>> {
        let is_known = |day: Day| kept.is_some_and(|kept| kept.partitions.contains_key(&day));
        let needs = Needs { days: &days, is_known: &is_known, identities };
        let range = days.first().zip(days.last()).map(|(first, last)| DayRange { first: *first, last: *last });
        let (mut answer, mut facts) = (Answer::default(), kept.map(|kept| kept.of_ads(places.settings)).unwrap_or_default());
        let tables = NeededTables::of(places, survey, &needs);
        let parts = tables.parts(rows_at_once);
        for part in (0..parts).map(|number| Part { number, of: parts }) {
            let (touches, events) = working::needed(places, survey, &tables, fresh, &needs, part)?;
            let settled = settle_part(touches, events, &|bot, contact| part.counts(identities, bot, contact))?;
            if settled.displaces_known {
                return Ok(None);
            }
            if let Some(days) = range {
                answer.merge(attribute(&Request { settings: places.settings, identities, days, watermark }, &settled)?);
            }
            add(&mut facts, settled.ad_facts);
        }
        Ok(Some((answer, facts)))
    };
    let attributed = match attribute(kept.as_ref())? {
        Some(attributed) => Some(attributed),
        None => attribute(None)?,
    };
    let (mut answer, facts) = attributed.ok_or_else(|| Error::bug("nothing is known of ads, and yet it changed"))?;
    audit::states(&answer)?;
    // Of days between them, the answer counts the rows that happened to be loaded.
    answer.keep(&days);
    answer.merge(published);
    Ok(Attributed { answer, facts, days: &days | &same, kept })
}

fn add(known: &mut FactsOfAds, new: FactsOfAds) {
    for (ad, of_bots) in new {
        let known = known.entry(ad).or_default();
        for (bot, new) in of_bots {
            match known.get_mut(&bot) {
                Some(known) => known.add(new),
                None => drop(known.insert(bot, new)),
            }
        }
    }
}

impl Attributed {
    /// Whether the counts of these days are there.
    pub(crate) fn covers(&self, steps: &[DayStep]) -> bool {
        steps.iter().all(|step| self.days.contains(&step.day))
    }

    /// Keeps what touches say of ads for the next run.
    pub(crate) fn keep_facts(&self, places: &Places<'_>, survey: &Survey) -> Result<()> {
        KeptFacts::of(places.settings, survey, &self.facts).keep(places.output, self.kept.as_ref())
    }
}
