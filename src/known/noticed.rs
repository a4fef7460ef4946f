//! Noticed: what all landed partitions hold that counts as it stands and may be meant otherwise, folded from their receipts.

use std::collections::BTreeSet;

use crate::base::schema::Raw;
use crate::extract::noticed::Noticed;
use crate::known::ad_memory::KeptInsights;
use crate::known::job::Places;
use crate::known::survey::Survey;

/// What receipts say of the partitions that were read.
pub(crate) fn of_receipts(survey: &Survey) -> Noticed {
    let mut noticed = Noticed::default();
    for table in Raw::BOTH {
        survey.receipts.raw(table).iter().for_each(|(_, receipt)| noticed.append(&receipt.content.noticed));
    }
    noticed
}

/// What there is to say, each with its table. Ads with figures are those of `ads` and those of the insights that were kept.
pub(crate) fn warnings(
    noticed: Noticed,
    places: &Places<'_>,
    survey: &Survey,
    ads: &BTreeSet<String>,
) -> Vec<(&'static str, String)> {
    // Most nights there is nothing to say, and nothing is read.
    if noticed.is_empty() {
        return Vec::new();
    }
    let kept = KeptInsights::read(places, survey).ok().flatten().map(|kept| kept.ads).unwrap_or_default();
    noticed.warnings(|ad| ads.contains(ad) || kept.contains_key(ad))
}
