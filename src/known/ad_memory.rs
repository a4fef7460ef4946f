//! Kept: what earlier runs found out about ads, so that a run looks at new partitions only (rule 21).
//!
//! What touches say of ads, and what insights say of them, is folded from all partitions; both folds are kept under `work/` with the
//! partitions that are in them. As long as those are what they were, a run adds the new ones. Otherwise, or where the file is lost
//! or of another version, everything is read again: nothing here is needed for a right answer.
//!
//! For touches: the run names the partitions that are known to the engine (`AttributeRequest::known`), which looks at the
//! touches of the others and gives what those add (`AdNews::Added`). One case breaks the sum: a touch that counted until now turns out
//! to be a copy of a new one. Then the engine looks at all touches and gives the whole (`AdNews::Whole`), as it does where nothing is
//! known.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::base::day::Day;
use crate::base::digest::Digest;
use crate::base::error::Result;
use crate::base::schema::{LOGIC, Raw};
use crate::config::Settings;
use crate::engine::{AdFacts, FactsOfAds};
use crate::extract::fingerprints::{insights_settings, raw_settings};
use crate::extract::found::RawContent;
use crate::insights::{InsightsIndex, KnownAd};
use crate::known::job::Places;
use crate::known::survey::Survey;
use crate::lake::{Lake, read_json, write_json};
use crate::plan::marks::who_counts;
use crate::plan::receipt::PartitionReceipt;

const KEPT_FACTS: &str = "work/ad_facts.json";
const KEPT_INSIGHTS: &str = "work/known_ads.json";

/// What the touches of some partitions say of ads.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct KeptFacts {
    logic: [u32; 2],
    /// The messages partitions, with the digest of their rows.
    pub partitions: BTreeMap<Day, Digest>,
    /// The bots that the pipeline names; of others nothing was kept.
    #[serde(default)]
    bots: Vec<String>,
    /// Whose touches count.
    #[serde(default, skip_serializing_if = "Digest::is_none")]
    who_counts: Digest,
    /// By bot id and ad.
    facts: BTreeMap<String, BTreeMap<String, AdFacts>>,
}

const FACTS_LOGIC: [u32; 2] = [LOGIC.touches, LOGIC.ads];

fn bot_ids(settings: &Settings) -> Vec<String> {
    settings.bots.iter().map(|bot| bot.id.clone()).collect::<BTreeSet<String>>().into_iter().collect()
}

fn who_counts_now(settings: &Settings, survey: &Survey) -> Digest {
    who_counts(settings, survey.receipts.identities.as_ref().map(|receipt| &receipt.marks))
}

impl KeptFacts {
    /// Those that were kept, if the bots and every partition in them are what they were.
    pub(crate) fn read(places: &Places<'_>, survey: &Survey) -> Result<Option<KeptFacts>> {
        let bots = bot_ids(places.settings);
        let who_counts = who_counts_now(places.settings, survey);
        let now = raw_settings(places.settings, Raw::Messages).settings;
        let is_kept_here = |receipt: &&PartitionReceipt<RawContent>| receipt.settings == now;
        let rows = |day: Day| {
            // What touches said is kept here, although their rows may be lost.
            let receipt = survey.receipts.messages.get_any(day);
            let counts = survey.receipts.messages.get(day).is_some();
            receipt.filter(|receipt| counts || is_kept_here(receipt)).map(|receipt| receipt.content.rows)
        };
        let is_true = |kept: &KeptFacts| {
            kept.logic == FACTS_LOGIC
                && kept.bots == bots
                && kept.who_counts == who_counts
                && kept.partitions.iter().all(|(day, digest)| rows(*day) == Some(*digest))
        };
        Ok(read_json::<KeptFacts>(places.output, KEPT_FACTS)?.filter(is_true))
    }

    /// What the touches of all partitions with a receipt say; `aside` are those put aside whose touches are in the facts.
    pub(crate) fn of(settings: &Settings, survey: &Survey, facts: &FactsOfAds, aside: &BTreeSet<Day>) -> KeptFacts {
        let messages = &survey.receipts.messages;
        let receipts = messages.iter().chain(messages.aside().filter(|(day, _)| aside.contains(day)));
        let partitions = receipts.map(|(day, receipt)| (day, receipt.content.rows)).collect();
        let (bots, who_counts) = (bot_ids(settings), who_counts_now(settings, survey));
        let mut kept = KeptFacts { logic: FACTS_LOGIC, partitions, bots, who_counts, facts: BTreeMap::new() };
        for (ad, of_bots) in facts {
            for (bot, of_bot) in of_bots {
                let id = settings.bots[*bot as usize].id.clone();
                kept.facts.entry(id).or_default().insert(ad.clone(), of_bot.clone());
            }
        }
        kept
    }

    pub(crate) fn keep(&self, output: &Lake, before: Option<&KeptFacts>) -> Result<()> {
        if before == Some(self) { Ok(()) } else { write_json(output, KEPT_FACTS, self) }
    }

    pub(crate) fn of_ads(&self, settings: &Settings) -> FactsOfAds {
        let mut facts = FactsOfAds::new();
        for (i, bot) in settings.bots.iter().enumerate() {
            for (ad, of_bot) in self.facts.get(&bot.id).into_iter().flatten() {
                facts.entry(ad.clone()).or_default().insert(i as u32, of_bot.clone());
            }
        }
        facts
    }
}

/// What the insights of some partitions say of ads and accounts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct KeptInsights {
    logic: u32,
    /// The listed accounts.
    settings: Digest,
    /// The partitions, with the digest of what the index takes from them.
    pub partitions: BTreeMap<Day, Digest>,
    pub ads: BTreeMap<String, KnownAd>,
    /// The currency of each account, with the first day that told it.
    pub currencies: BTreeMap<String, (String, Day)>,
}

impl KeptInsights {
    /// What was kept, if every partition in it is still there. Whether it holds what it held is seen by who reads the changed ones.
    pub(crate) fn read(places: &Places<'_>, survey: &Survey) -> Result<Option<KeptInsights>> {
        let is_there = |day: &Day| survey.insights_away.is_some() || survey.insights.partitions.contains_key(day);
        let of = insights_settings(places.settings);
        let is_true =
            |kept: &KeptInsights| kept.logic == of.logic && kept.settings == of.settings && kept.partitions.keys().all(is_there);
        Ok(read_json::<KeptInsights>(places.output, KEPT_INSIGHTS)?.filter(is_true))
    }

    /// Keeps what the partitions with a receipt say of ads.
    pub(crate) fn keep(places: &Places<'_>, survey: &Survey, index: &InsightsIndex, before: Option<&KeptInsights>) -> Result<()> {
        let of = insights_settings(places.settings);
        let now = KeptInsights {
            logic: of.logic,
            settings: of.settings,
            partitions: survey.receipts.insights.iter().map(|(day, receipt)| (day, receipt.content.index)).collect(),
            ads: index.ads.iter().map(|(ad, known)| (ad.clone(), known.clone())).collect(),
            currencies: index.currencies().map(|(account, known)| (account.clone(), known.clone())).collect(),
        };
        if before == Some(&now) { Ok(()) } else { write_json(places.output, KEPT_INSIGHTS, &now) }
    }
}
