//! A row of the insights table: what Meta says of an ad on a day.

use serde::{Deserialize, Serialize};

/// A row of the insights table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InsightRow {
    /// The account's id, with the `act_` prefix.
    pub account: String,
    pub ad: String,
    pub currency: String,
    pub figures: MetaFigures,
    pub names: AdNames,
}

/// Meta's figures of one ad on one day. None: not reported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MetaFigures {
    /// Millionths of the currency's major unit.
    pub spend: i64,
    pub impressions: Option<i64>,
    pub reach: Option<i64>,
    pub clicks: Option<i64>,
    pub inline_link_clicks: Option<i64>,
    pub meta_conversations: Option<i64>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdNames {
    pub ad_name: Option<String>,
    pub adset_id: Option<String>,
    pub adset_name: Option<String>,
    pub campaign_id: Option<String>,
    pub campaign_name: Option<String>,
}
