//! Rows of figures, read strictly.
//!
//! In: rows of the Insights API. Out: [`DailyRow`] and [`ReachRow`]. Every scalar is a text, numbers too; whatever is not as
//! documented is a data error that names account, ad, day and field, never a guess. An absent key is a figure that Meta does not
//! report. Money is read exactly, into millionths: `spend` is in major units of the account's currency, and no offset applies.

use serde_json::Value;

use crate::base::day::{Day, DayRange};
use crate::base::error::{Error, Result};
use crate::base::limits::LARGEST_COUNT;
use crate::base::money::parse_money;
use crate::insights::columns::parse_count;
use crate::insights::row::{AdNames, InsightRow, MetaFigures};
use crate::insights::wire::{JsonObject, account_id, id, object, odd, optional_text, text};

/// The figures of a day, beside the keys; `date_start` and `date_stop` come by themselves.
pub const DAILY_FIELDS: [&str; 12] = [
    "account_currency",
    "ad_name",
    "adset_id",
    "adset_name",
    "campaign_id",
    "campaign_name",
    "spend",
    "impressions",
    "clicks",
    "inline_link_clicks",
    "actions",
    // Different people are slow to count: a cut by fields parts this from the rest.
    "reach",
];
pub const REACH_FIELDS: [&str; 3] = ["reach", "impressions", "frequency"];

/// The event that Meta calls a started conversation goes by several names; the first that is there is the figure, never a sum.
const CONVERSATIONS_STARTED: [&str; 2] =
    ["onsite_conversion.messaging_conversation_started_7d", "messaging_conversation_started_7d"];

/// A row of one day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DailyRow {
    /// The day, in the account's time zone.
    pub day: Day,
    pub row: InsightRow,
}

/// Figures of a range as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReachRow {
    /// The account's id, with the `act_` prefix.
    pub account: String,
    pub ad: String,
    pub days: DayRange,
    pub reach: Option<i64>,
    pub impressions: Option<i64>,
    /// The frequency as Meta writes it: digits, a point, digits.
    pub frequency: Option<String>,
}

fn count(object: &JsonObject, field: &str) -> Result<Option<i64>> {
    let Some(text) = optional_text(object, field)? else { return Ok(None) };
    parse_count(text).map(Some).ok_or_else(|| odd(field, object.get(field), &a_count()))
}

fn a_count() -> String {
    format!("a count of at most {LARGEST_COUNT}")
}

fn decimal(object: &JsonObject, field: &str) -> Result<Option<String>> {
    let Some(text) = optional_text(object, field)? else { return Ok(None) };
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_decimal = !whole.is_empty() && whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit());
    if is_decimal { Ok(Some(text.to_string())) } else { Err(odd(field, object.get(field), "a decimal")) }
}

fn day(object: &JsonObject, field: &str) -> Result<Day> {
    text(object, field)?.parse().map_err(|_| odd(field, object.get(field), "a date"))
}

/// What a row is about; equal for parts of one row.
pub fn key(row: &JsonObject) -> Result<[String; 4]> {
    let of = |field| text(row, field).map(str::to_string);
    Ok([of("account_id")?, id(row, "ad_id")?.to_string(), of("date_start")?, of("date_stop")?])
}

/// The place of a row, for its errors: as far as it can be read.
fn place(row: &JsonObject) -> impl Fn(Error) -> Error {
    let of = |field| row.get(field).and_then(Value::as_str).unwrap_or("not told").to_string();
    let (account, ad, day) = (of("account_id"), of("ad_id"), of("date_start"));
    move |error| error.with("account", format!("act_{account}")).with("ad", &ad).with("day", &day)
}

/// A row of one of these days, of this account where one was asked.
pub fn daily(row: &JsonObject, node: &str, days: DayRange) -> Result<DailyRow> {
    read_daily(row, node, days).map_err(place(row))
}

fn read_daily(row: &JsonObject, node: &str, days: DayRange) -> Result<DailyRow> {
    let account = account_id(row)?;
    of_node(row, node, &account)?;
    let first = day(row, "date_start")?;
    if day(row, "date_stop")? != first {
        return Err(odd("date_stop", row.get("date_stop"), "the day itself"));
    }
    if !days.contains(first) {
        return Err(odd("date_start", row.get("date_start"), &format!("a day of {days}")));
    }
    let spend = text(row, "spend")?;
    let name = |field| optional_text(row, field).map(|name| name.map(str::to_string));
    Ok(DailyRow {
        day: first,
        row: InsightRow {
            account,
            ad: id(row, "ad_id")?.to_string(),
            currency: text(row, "account_currency")?.to_string(),
            figures: MetaFigures {
                spend: parse_money(spend).map_err(|error| error.with("field", "spend"))?,
                impressions: count(row, "impressions")?,
                reach: count(row, "reach")?,
                clicks: count(row, "clicks")?,
                inline_link_clicks: count(row, "inline_link_clicks")?,
                meta_conversations: Some(conversations_started(row)?),
            },
            names: AdNames {
                ad_name: name("ad_name")?,
                adset_id: name("adset_id")?,
                adset_name: name("adset_name")?,
                campaign_id: name("campaign_id")?,
                campaign_name: name("campaign_name")?,
            },
        },
    })
}

fn of_node(row: &JsonObject, node: &str, account: &str) -> Result<()> {
    if node.starts_with("act_") && node != account {
        return Err(odd("account_id", row.get("account_id"), node));
    }
    if !node.starts_with("act_") && id(row, "ad_id")? != node {
        return Err(odd("ad_id", row.get("ad_id"), node));
    }
    Ok(())
}

/// Meta leaves out actions that did not happen, and the list when none did: 0.
fn conversations_started(row: &JsonObject) -> Result<i64> {
    let Some(sent) = row.get("actions").filter(|actions| !actions.is_null()) else { return Ok(0) };
    let list = sent.as_array().ok_or_else(|| odd("actions", Some(sent), "a list"))?;
    let actions = list.iter().map(|action| object(action, "actions")).collect::<Result<Vec<_>>>()?;
    for name in CONVERSATIONS_STARTED {
        for action in &actions {
            if text(action, "action_type")? == name {
                let value = text(action, "value")?;
                return parse_count(value).ok_or_else(|| odd(name, action.get("value"), &a_count()));
            }
        }
    }
    Ok(0)
}

/// A row of one of these ranges.
pub fn reach(row: &JsonObject, node: &str, ranges: &[DayRange]) -> Result<ReachRow> {
    read_reach(row, node, ranges).map_err(place(row))
}

fn read_reach(row: &JsonObject, node: &str, ranges: &[DayRange]) -> Result<ReachRow> {
    let account = account_id(row)?;
    of_node(row, node, &account)?;
    let days = DayRange::new(day(row, "date_start")?, day(row, "date_stop")?).filter(|days| ranges.contains(days));
    Ok(ReachRow {
        account,
        ad: id(row, "ad_id")?.to_string(),
        days: days.ok_or_else(|| odd("date_stop", row.get("date_stop"), "a range that was asked"))?,
        reach: count(row, "reach")?,
        impressions: count(row, "impressions")?,
        frequency: decimal(row, "frequency")?,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn full() -> Value {
        json!({
            "account_id": "123", "account_currency": "BRL", "ad_id": "120226305854810726", "ad_name": "Summer",
            "adset_id": "7", "adset_name": "Women", "campaign_id": "8", "campaign_name": "Launch",
            "spend": "5339.5", "impressions": "9708", "reach": "8000", "frequency": "1.2135", "clicks": "31",
            "inline_link_clicks": "29", "date_start": "2025-03-14", "date_stop": "2025-03-14",
            "actions": [
                { "action_type": "messaging_conversation_started_7d", "value": "99" },
                { "action_type": "onsite_conversion.messaging_first_reply", "value": "56" },
                { "action_type": "onsite_conversion.messaging_conversation_started_7d", "value": "54", "7d_click": "50" },
            ],
        })
    }

    fn days() -> DayRange {
        DayRange { first: "2025-03-01".parse().unwrap(), last: "2025-03-31".parse().unwrap() }
    }

    fn read(value: &Value) -> Result<DailyRow> {
        daily(value.as_object().unwrap(), "act_123", days())
    }

    #[test]
    fn a_documented_row_is_read_exactly() {
        let DailyRow { day, row } = read(&full()).unwrap();
        assert_eq!(
            (day.to_string().as_str(), row.account.as_str(), row.ad.as_str()),
            ("2025-03-14", "act_123", "120226305854810726")
        );
        assert_eq!(
            row.figures,
            MetaFigures {
                spend: 5_339_500_000,
                impressions: Some(9_708),
                reach: Some(8_000),
                clicks: Some(31),
                inline_link_clicks: Some(29),
                meta_conversations: Some(54),
            }
        );
        assert_eq!(row.names.campaign_name.as_deref(), Some("Launch"));
    }

    #[test]
    fn what_is_absent_is_not_reported_and_actions_that_did_not_happen_are_0() {
        let mut value = full();
        for field in ["reach", "clicks", "actions", "ad_name"] {
            value.as_object_mut().unwrap().remove(field);
        }
        let row = read(&value).unwrap().row;
        assert_eq!(
            (row.figures.reach, row.figures.clicks, row.figures.meta_conversations, row.names.ad_name),
            (None, None, Some(0), None)
        );
        value["actions"] = json!([{ "action_type": "messaging_conversation_started_7d", "value": "3" }]);
        assert_eq!(read(&value).unwrap().row.figures.meta_conversations, Some(3), "the older name stands in");
    }

    #[test]
    fn a_surprise_names_account_ad_day_and_field() {
        let started = |value: Value| json!([{ "action_type": "messaging_conversation_started_7d", "value": value }]);
        for (field, value, named) in [
            ("spend", json!(5339.5), "spend"),
            ("spend", json!("5.339,50"), "spend"),
            ("spend", json!("0.0000001"), "spend"),
            ("spend", Value::Null, "spend"),
            ("impressions", json!(9708), "impressions"),
            ("impressions", json!("9708.5"), "impressions"),
            ("impressions", json!("-1"), "impressions"),
            ("impressions", json!("1000000000001"), "impressions"),
            ("reach", json!("many"), "reach"),
            ("reach", json!("9223372036854775807"), "reach"),
            ("clicks", json!({}), "clicks"),
            ("account_currency", Value::Null, "account_currency"),
            ("date_stop", json!("2025-03-15"), "date_stop"),
            ("actions", json!("none"), "actions"),
            ("actions", started(json!(3)), "value"),
            ("actions", started(json!("0.5")), "messaging_conversation_started_7d"),
            ("actions", started(json!("1000000000001")), "messaging_conversation_started_7d"),
        ] {
            let mut row = full();
            row[field] = value;
            let error = read(&row).unwrap_err();
            assert_eq!(error.kind(), crate::base::error::ErrorKind::Data);
            let said = error.to_string();
            for text in ["account act_123", "ad 120226305854810726", "day 2025-03-14", &format!("field {named}")] {
                assert!(said.contains(text), "{said} lacks {text}");
            }
        }
    }

    #[test]
    fn rows_that_were_not_asked_for_are_refused() {
        for (field, value) in
            [("account_id", "124"), ("date_start", "2025-04-01"), ("ad_id", "12x"), ("date_start", "14/03/2025")]
        {
            let mut row = full();
            row[field] = json!(value);
            if value == "2025-04-01" {
                row["date_stop"] = json!(value);
            }
            assert!(read(&row).is_err(), "{field} {value}");
        }
        let row = full();
        assert!(daily(row.as_object().unwrap(), "120226305854810726", days()).is_ok(), "asked by the ad's id");
        assert!(daily(row.as_object().unwrap(), "120226305854810727", days()).is_err(), "another ad's row");
    }
}
