//! Rows with one (account, ad, day): alike ones are one, of others the one that was loaded last counts, or it is an error (rule 14).

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::base::day::Day;
use crate::base::error::{Error, Result};
use crate::insights::row::InsightRow;

/// A row as a file has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LandedRow {
    pub row: InsightRow,
    /// When it was loaded, where that is mapped.
    pub loaded_at: Option<i64>,
    /// The values of the breakdown columns that its file has, in the order of [`BREAKDOWNS`].
    pub breakdown: Vec<(&'static str, String)>,
}

/// The columns by which Meta parts an ad's figures: then an ad and day have several rows, and none of them is the ad's.
pub(super) const BREAKDOWNS: [&str; 16] = [
    "age",
    "body_asset",
    "call_to_action_asset",
    "country",
    "device_platform",
    "dma",
    "frequency_value",
    "gender",
    "hourly_stats_aggregated_by_advertiser_time_zone",
    "hourly_stats_aggregated_by_audience_time_zone",
    "image_asset",
    "impression_device",
    "platform_position",
    "product_id",
    "publisher_platform",
    "region",
];

/// A column that may say when a row was loaded.
pub(super) fn may_be_load_time(column: &str) -> bool {
    let name = column.to_ascii_lowercase();
    ["loaded", "synced", "sync_time", "extracted", "ingested", "inserted", "fetched", "updated_at", "batched"]
        .iter()
        .any(|word| name.contains(word))
}

/// The rows of a day, one for each (account, ad). `load_times` are columns of the files that may say when a row was loaded.
pub(super) fn once(day: Day, rows: Vec<LandedRow>, load_times: &[String]) -> Result<Vec<InsightRow>> {
    let mut kept: HashMap<(String, String), (LandedRow, Option<LandedRow>)> = HashMap::with_capacity(rows.len());
    for row in rows {
        match kept.entry((row.row.account.clone(), row.row.ad.clone())) {
            Entry::Vacant(place) => _ = place.insert((row, None)),
            Entry::Occupied(mut place) => {
                let (latest, rival) = place.get_mut();
                if row.breakdown != latest.breakdown {
                    return Err(parted(&row, latest).with("day", day));
                }
                if row.loaded_at > latest.loaded_at {
                    (*latest, *rival) = (row, None);
                } else if row.loaded_at == latest.loaded_at && row.row != latest.row && rival.is_none() {
                    *rival = Some(row);
                }
            }
        }
    }
    let mut once: Vec<InsightRow> = Vec::with_capacity(kept.len());
    for (latest, rival) in kept.into_values() {
        if rival.is_some() {
            return Err(differing(&latest, load_times).with("day", day));
        }
        once.push(latest.row);
    }
    once.sort_unstable_by(|a, b| (&a.account, &a.ad).cmp(&(&b.account, &b.ad)));
    Ok(once)
}

fn several(row: &LandedRow) -> Error {
    Error::data("several rows for one account, ad and day").with("account", &row.row.account).with("ad", &row.row.ad)
}

fn parted(row: &LandedRow, other: &LandedRow) -> Error {
    let differs = row.breakdown.iter().find(|value| !other.breakdown.contains(value));
    let column = differs.or(other.breakdown.first()).map_or("a breakdown", |(column, _)| *column);
    several(row)
        .with("breakdown", column)
        .mend(format!("the file parts figures by the breakdown column {column}: land them without breakdowns"))
}

fn differing(row: &LandedRow, load_times: &[String]) -> Error {
    let mend = match (row.loaded_at, load_times.first()) {
        (Some(_), _) => "they were loaded at the same time and differ: keep one of them".to_string(),
        (None, Some(column)) => {
            format!("if the loader runs in append mode, say which is the latest, in [insights.columns]: loaded_at = {column:?}")
        }
        (None, None) => {
            "if the loader runs in append mode, let it replace the day, or land when each row was loaded and map it in \
                         [insights.columns]: loaded_at = \"...\"; if figures are parted by a breakdown, land them without it"
                .to_string()
        }
    };
    several(row).mend(mend)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::insights::row::{AdNames, MetaFigures};

    fn row(spend: i64, loaded_at: Option<i64>) -> LandedRow {
        let row = InsightRow {
            account: "act_1".into(),
            ad: "A".into(),
            currency: "BRL".into(),
            figures: MetaFigures { spend, ..MetaFigures::default() },
            names: AdNames::default(),
        };
        LandedRow { row, loaded_at, breakdown: Vec::new() }
    }

    fn spend(rows: Vec<LandedRow>) -> Result<Vec<i64>> {
        once(Day(20_000), rows, &["_synced".to_string()]).map(|rows| rows.iter().map(|row| row.figures.spend).collect())
    }

    #[test]
    fn alike_rows_are_one_and_of_others_the_latest_counts() {
        assert_eq!(spend(vec![row(5, None), row(5, None)]).unwrap(), [5]);
        for rows in [[row(5, Some(1)), row(7, Some(2))], [row(7, Some(2)), row(5, Some(1))]] {
            assert_eq!(spend(rows.to_vec()).unwrap(), [7]);
        }
        assert_eq!(spend(vec![row(5, Some(1)), row(6, Some(1)), row(7, Some(2))]).unwrap(), [7], "older ones may differ");
        assert_eq!(spend(vec![row(5, None), row(7, Some(2))]).unwrap(), [7]);
    }

    #[test]
    fn differing_rows_without_an_order_are_refused_with_what_would_do() {
        let error = spend(vec![row(5, None), row(7, None)]).unwrap_err().to_string();
        for part in ["account act_1", "ad A", "append mode", "loaded_at = \"_synced\""] {
            assert!(error.contains(part), "{error}");
        }
        assert!(spend(vec![row(5, Some(1)), row(7, Some(1))]).unwrap_err().to_string().contains("the same time"));
        let parted = |platform: &str| LandedRow { breakdown: vec![("publisher_platform", platform.into())], ..row(5, Some(1)) };
        let error = spend(vec![parted("facebook"), parted("instagram")]).unwrap_err().to_string();
        assert!(error.contains("breakdown column publisher_platform"), "{error}");
        assert_eq!(spend(vec![parted("facebook"), parted("facebook")]).unwrap(), [5]);
    }
}
