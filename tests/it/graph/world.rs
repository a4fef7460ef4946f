//! A small made-up world of ad accounts, ads and the people who saw them, and the figures that Meta would report of it.
//!
//! Written from Meta's pages alone: days are days of the account's zone, `since` and `until` are included, a row is there only where
//! an ad was delivered, every scalar is a text, reach is the number of different people of the range.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use chrono::{DateTime, Days, Months, NaiveDate};
use serde_json::{Map, Value, json};

use super::specification;

pub type Parameters = BTreeMap<String, String>;

/// Code, subcode, message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal(pub i64, pub Option<i64>, pub String);

pub fn refusal(code: i64, subcode: Option<i64>, message: impl Into<String>) -> Refusal {
    Refusal(code, subcode, message.into())
}

#[derive(Clone)]
pub struct AdAccount {
    /// Without `act_`.
    pub id: &'static str,
    pub name: &'static str,
    pub zone: &'static str,
    pub currency: &'static str,
    pub status: i64,
    /// Whether the token may see it.
    pub visible: bool,
}

#[derive(Clone)]
pub struct Ad {
    pub id: String,
    pub account: &'static str,
    pub adset: String,
    pub campaign: String,
    pub status: &'static str,
    /// Whether the account's report leaves it out whatever is asked.
    pub left_out: bool,
}

#[derive(Clone, Default)]
pub struct Delivery {
    pub spend: &'static str,
    pub impressions: u64,
    pub clicks: u64,
    pub conversations: u64,
    /// Who saw it.
    pub people: BTreeSet<u32>,
}

/// How a question is found too large: the cells (rows times fields) that one answer may hold, and what is said otherwise.
#[derive(Clone)]
pub struct Limit {
    pub cells: usize,
    pub status: u16,
    pub refusal: Refusal,
}

#[derive(Clone, Default)]
pub struct World {
    /// The world's clock, in seconds since 1970-01-01T00:00:00Z.
    pub now: i64,
    pub accounts: Vec<AdAccount>,
    pub ads: Vec<Ad>,
    pub deliveries: BTreeMap<(String, NaiveDate), Delivery>,
    pub limit: Option<Limit>,
    pub limit_of_runs: Option<Limit>,
}

impl World {
    pub fn account(&self, id: &str) -> Option<&AdAccount> {
        self.accounts.iter().find(|account| account.id == id && account.visible)
    }

    pub fn ad(&self, id: &str) -> Option<&Ad> {
        self.ads.iter().find(|ad| ad.id == id && self.account(ad.account).is_some())
    }

    pub fn account_object(account: &AdAccount) -> Value {
        json!({
            "account_id": account.id, "id": format!("act_{}", account.id), "name": account.name, "timezone_name": account.zone,
            "currency": account.currency, "account_status": account.status,
        })
    }

    pub fn ad_object(ad: &Ad) -> Value {
        json!({
            "id": ad.id, "account_id": ad.account, "name": format!("ad {}", ad.id), "effective_status": ad.status,
            "adset_id": ad.adset, "campaign_id": ad.campaign,
            "adset": { "id": ad.adset, "name": format!("ad set {}", ad.adset) },
            "campaign": { "id": ad.campaign, "name": format!("campaign {}", ad.campaign) },
        })
    }

    /// All rows of a question to a node's insights, or why there are none.
    pub fn insights(&self, node: &str, parameters: &Parameters, limit: Option<&Limit>) -> Result<Vec<Value>, (u16, Refusal)> {
        let question = self.question(node, parameters).map_err(|refusal| (400, refusal))?;
        let rows = self.rows(&question);
        let cells = rows.len() * question.fields.len();
        match limit.filter(|limit| cells > limit.cells) {
            Some(limit) => Err((limit.status, limit.refusal.clone())),
            None => Ok(rows),
        }
    }

    fn question(&self, node: &str, parameters: &Parameters) -> Result<Question, Refusal> {
        let wrong = |what: String| refusal(100, None, format!("(#100) {what}"));
        let level = parameters.get("level").map_or("account", String::as_str).to_string();
        if !specification::values("adaccountinsights_level_enum_param").contains(&level) {
            return Err(wrong(format!("level {level}")));
        }
        let fields = parameters.get("fields").map_or("impressions,spend", String::as_str);
        let fields: Vec<String> = fields.split(',').map(str::to_string).collect();
        if let Some(field) = fields.iter().find(|field| !specification::fields("AdsInsights").contains(*field)) {
            return Err(wrong(format!("{field} is not valid for fields param")));
        }
        let (account, mut ads) = match node.strip_prefix("act_") {
            Some(id) => {
                let account = self.account(id).ok_or_else(|| missing(node))?;
                // Deleted ads are shown to those who ask for them.
                (account, self.ads.iter().filter(|ad| ad.account == id && !ad.left_out).collect::<Vec<_>>())
            }
            None => {
                let ad = self.ad(node).ok_or_else(|| missing(node))?;
                (self.account(ad.account).ok_or_else(|| missing(node))?, vec![ad])
            }
        };
        let filters: Vec<Value> = match parameters.get("filtering") {
            Some(text) => serde_json::from_str(text).map_err(|error| wrong(format!("filtering: {error}")))?,
            None => Vec::new(),
        };
        let mut asks_for_status = false;
        for filter in &filters {
            let parts = filter.as_object().ok_or_else(|| wrong("filtering".into()))?;
            if parts.keys().collect::<Vec<_>>() != ["field", "operator", "value"] {
                return Err(wrong(format!("a filter has {:?}", parts.keys())));
            }
            let (field, operator) =
                (filter["field"].as_str().unwrap_or_default(), filter["operator"].as_str().unwrap_or_default());
            let values: Vec<&str> = filter["value"].as_array().into_iter().flatten().filter_map(|value| value.as_str()).collect();
            if operator != "IN" || !specification::values("AdRuleFilters_operator").contains(operator) || values.is_empty() {
                return Err(wrong(format!("filter {filter}")));
            }
            let Some((object, name)) = field.split_once('.') else { return Err(wrong(format!("filter field {field}"))) };
            let known = specification::fields(match object {
                "ad" => "Ad",
                "adset" => "AdSet",
                "campaign" => "Campaign",
                _ => return Err(wrong(format!("filter field {field}"))),
            });
            if !known.contains(name) {
                return Err(wrong(format!("filter field {field}")));
            }
            match (object, name) {
                ("ad", "effective_status") => {
                    let statuses = specification::values("Ad_effective_status");
                    if let Some(status) = values.iter().find(|status| !statuses.contains(**status)) {
                        return Err(wrong(format!("status {status}")));
                    }
                    asks_for_status = true;
                    ads.retain(|ad| values.contains(&ad.status));
                }
                ("ad", "id") => ads.retain(|ad| values.contains(&ad.id.as_str())),
                ("adset", "id") => ads.retain(|ad| values.contains(&ad.adset.as_str())),
                ("campaign", "id") => ads.retain(|ad| values.contains(&ad.campaign.as_str())),
                _ => return Err(wrong(format!("filter field {field}"))),
            }
        }
        if !asks_for_status && node.starts_with("act_") {
            ads.retain(|ad| !["DELETED", "ARCHIVED"].contains(&ad.status));
        }
        Ok(Question {
            account: account.clone(),
            ads: ads.into_iter().cloned().collect(),
            level,
            windows: self.windows(account, parameters)?,
            fields,
        })
    }

    /// The ranges that rows are about.
    fn windows(&self, account: &AdAccount, parameters: &Parameters) -> Result<Vec<[NaiveDate; 2]>, Refusal> {
        let wrong = |what: &str| refusal(100, None, format!("(#100) {what}"));
        let zone = chrono_tz::Tz::from_str(account.zone).expect("a zone");
        let today = DateTime::from_timestamp(self.now, 0).expect("a time").with_timezone(&zone).date_naive();
        let oldest = today.checked_sub_months(Months::new(37)).expect("a day");
        let range = |range: &Value| {
            let of = |name: &str| range[name].as_str()?.parse::<NaiveDate>().ok();
            let (Some(since), Some(until)) = (of("since"), of("until")) else { return Err(wrong("time range")) };
            if since > until {
                return Err(wrong("Must be a valid time range: since after until"));
            }
            if until > today {
                return Err(wrong("time range ends in the account's future"));
            }
            if since < oldest {
                let message = "(#3018) The start date of the time range cannot be beyond 37 months from the current date";
                return Err(refusal(3018, None, message));
            }
            Ok([since, until])
        };
        let parsed = |text: &String| serde_json::from_str::<Value>(text).map_err(|_| wrong("time range is not JSON"));
        if let Some(ranges) = parameters.get("time_ranges") {
            return parsed(ranges)?.as_array().ok_or_else(|| wrong("time_ranges"))?.iter().map(range).collect();
        }
        let Some(text) = parameters.get("time_range") else { return Err(wrong("these tests always give the days")) };
        let [since, until] = range(&parsed(text)?)?;
        match parameters.get("time_increment").map(String::as_str) {
            None | Some("all_days") => Ok(vec![[since, until]]),
            Some("1") => Ok(since.iter_days().take_while(|day| *day <= until).map(|day| [day, day]).collect()),
            Some(other) => Err(wrong(&format!("time_increment {other}"))),
        }
    }

    fn rows(&self, question: &Question) -> Vec<Value> {
        let mut rows = Vec::new();
        let object = |ad: &Ad| match question.level.as_str() {
            "ad" => ad.id.clone(),
            "adset" => ad.adset.clone(),
            "campaign" => ad.campaign.clone(),
            _ => ad.account.to_string(),
        };
        for window @ [since, until] in &question.windows {
            let mut of_object: BTreeMap<String, (&Ad, Vec<&Delivery>)> = BTreeMap::new();
            for ad in &question.ads {
                let days = self.deliveries.range((ad.id.clone(), *since)..=(ad.id.clone(), *until));
                for (_, delivery) in days {
                    of_object.entry(object(ad)).or_insert((ad, Vec::new())).1.push(delivery);
                }
            }
            rows.extend(of_object.values().map(|(ad, deliveries)| row(question, ad, window, deliveries)));
        }
        rows
    }
}

struct Question {
    account: AdAccount,
    ads: Vec<Ad>,
    level: String,
    windows: Vec<[NaiveDate; 2]>,
    fields: Vec<String>,
}

fn missing(id: &str) -> Refusal {
    refusal(
        100,
        Some(33),
        format!(
            "Unsupported get request. Object with ID '{id}' does not exist, cannot be loaded due to missing permissions, or does not support this operation."
        ),
    )
}

fn row(question: &Question, ad: &Ad, [since, until]: &[NaiveDate; 2], deliveries: &[&Delivery]) -> Value {
    let sum = |of: fn(&Delivery) -> u64| deliveries.iter().map(|delivery| of(delivery)).sum::<u64>();
    let reach = deliveries.iter().flat_map(|delivery| &delivery.people).collect::<BTreeSet<_>>().len() as u64;
    let impressions = sum(|delivery| delivery.impressions);
    let conversations = sum(|delivery| delivery.conversations);
    let mut row = Map::new();
    for field in &question.fields {
        let value = match field.as_str() {
            "account_id" => json!(ad.account),
            "account_currency" => json!(question.account.currency),
            "campaign_id" => json!(ad.campaign),
            "campaign_name" => json!(format!("campaign {}", ad.campaign)),
            "adset_id" if ["ad", "adset"].contains(&question.level.as_str()) => json!(ad.adset),
            "adset_name" if ["ad", "adset"].contains(&question.level.as_str()) => json!(format!("ad set {}", ad.adset)),
            "ad_id" if question.level == "ad" => json!(ad.id),
            "ad_name" if question.level == "ad" => json!(format!("ad {}", ad.id)),
            "spend" if deliveries.len() == 1 => json!(deliveries[0].spend),
            // Of a range: these tests do not look at it.
            "spend" => json!("0"),
            "impressions" => json!(impressions.to_string()),
            "reach" => json!(reach.to_string()),
            "frequency" if reach > 0 => json!(format!("{}.{:06}", impressions / reach, impressions % reach * 1_000_000 / reach)),
            "clicks" => json!(sum(|delivery| delivery.clicks).to_string()),
            "inline_link_clicks" => json!(sum(|delivery| delivery.clicks).to_string()),
            // Meta leaves out what did not happen.
            "actions" if conversations > 0 => json!([
                { "action_type": "link_click", "value": "1" },
                { "action_type": "onsite_conversion.messaging_conversation_started_7d", "value": conversations.to_string() },
            ]),
            _ => continue,
        };
        row.insert(field.clone(), value);
    }
    row.insert("date_start".into(), json!(since.to_string()));
    row.insert("date_stop".into(), json!(until.to_string()));
    Value::Object(row)
}

/// Two accounts, one of them far east, and a foreign one; ads in campaigns of ad sets, delivered on ten days.
pub fn small() -> World {
    let account = |id, name, zone, currency| AdAccount { id, name, zone, currency, status: 1, visible: true };
    let mut world = World {
        // 2026-03-11 in São Paulo, 2026-03-12 in Auckland.
        now: DateTime::parse_from_rfc3339("2026-03-11T18:00:00Z").expect("a time").timestamp(),
        accounts: vec![
            account("123", "Acme Brasil", "America/Sao_Paulo", "BRL"),
            account("456", "Acme NZ", "Pacific/Auckland", "NZD"),
            AdAccount { visible: false, ..account("999", "Another's", "Europe/Madrid", "EUR") },
        ],
        ..World::default()
    };
    // Campaign 7: ad sets 70 (ads 1 and 2) and 71 (ad 3); campaign 8: ad set 80 (ads 4 and 5).
    for (n, account, adset, campaign, status, left_out) in [
        (1, "123", "70", "7", "ACTIVE", false),
        (2, "123", "70", "7", "PAUSED", false),
        (3, "123", "71", "7", "ARCHIVED", false),
        (4, "123", "80", "8", "DELETED", false),
        (5, "123", "80", "8", "DELETED", true),
        (6, "456", "90", "9", "ACTIVE", false),
        (7, "999", "95", "6", "ACTIVE", false),
    ] {
        let id = format!("12022630585481072{n}");
        world.ads.push(Ad { id: id.clone(), account, adset: adset.into(), campaign: campaign.into(), status, left_out });
        for d in 0..10_u32 {
            let day = NaiveDate::from_ymd_opt(2026, 3, 1).expect("a day") + Days::new(d.into());
            // Ad 2 is not delivered on odd days.
            if n == 2 && d % 2 == 1 {
                continue;
            }
            world.deliveries.insert(
                (id.clone(), day),
                Delivery {
                    spend: ["10", "3.5", "144.", "0.000001"][(n + d as usize) % 4],
                    impressions: 100 * n as u64 + u64::from(d),
                    clicks: u64::from(d),
                    conversations: u64::from(d % 3),
                    people: (0..20 + d).map(|person| person + 10 * d).collect(),
                },
            );
        }
    }
    world
}

/// The id of the nth ad of [`small`].
pub fn ad(n: usize) -> String {
    format!("12022630585481072{n}")
}
