//! Noticed: what all landed partitions hold that counts as it stands and may be meant otherwise, folded from their receipts.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::error::Result;
use crate::base::said::Said;
use crate::base::schema::Raw;
use crate::extract::found::RawContent;
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
) -> Result<Vec<(&'static str, Said)>> {
    // Most nights there is nothing to say, and nothing is read.
    if noticed.is_empty() {
        return Ok(Vec::new());
    }
    let kept = KeptInsights::read(places, survey)?.map(|kept| kept.ads).unwrap_or_default();
    Ok(noticed.warnings(|ad| ads.contains(ad) || kept.contains_key(ad)))
}

/// What there is to say of a table of which every row that could count is of bots that the pipeline does not name.
pub(crate) fn all_of_strangers<'c>(contents: impl Iterator<Item = &'c RawContent>) -> Option<Said> {
    let (mut named, mut strangers) = (0, BTreeMap::<&str, u64>::new());
    for content in contents {
        named += content.accepted + content.not_in_effect + content.rejected.values().flat_map(BTreeMap::values).sum::<u64>();
        for (bot, rows) in &content.out_of_scope {
            *strangers.entry(bot).or_default() += rows;
        }
    }
    let (most, rows) = strangers.iter().max_by_key(|(_, rows)| **rows).filter(|_| named == 0)?;
    let said = Said::new(format!(
        "all {} rows that could count are of bots that the pipeline does not name, such as {most:?} ({rows} rows): nothing of the table \
         counts",
        strangers.values().sum::<u64>()
    ));
    let mend = format!("name the bot as the rows do, id = {most:?} in [[bots]], or correct the column of bot_id");
    Some(said.example(*most).mend(mend))
}
