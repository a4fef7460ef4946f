//! Meta's JSON, read strictly: accounts, permissions, ads, pages. Rows of figures are in `rows`.
//!
//! In: objects of answers. Out: typed values. Whatever is not as documented is a data error that names the field, never a guess.

use std::fmt;

use serde_json::{Map, Value};

use crate::base::day::Zone;
use crate::base::error::{Error, Result};
use crate::insights::row::AdNames;

pub type JsonObject = Map<String, Value>;

/// What is asked of an account.
pub const ACCOUNT_FIELDS: &str = "account_id,name,timezone_name,currency,account_status";
/// What is asked of an ad.
pub const AD_FIELDS: &str = "account_id,name,effective_status,adset{id,name},campaign{id,name}";
/// An ad account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdAccount {
    /// The id, with the `act_` prefix.
    pub id: String,
    pub name: String,
    /// An IANA name; Meta's days are days there.
    pub timezone_name: String,
    pub currency: String,
    pub status: AccountStatus,
}

impl AdAccount {
    /// The account's zone: where its days begin.
    pub fn zone(&self) -> Result<Zone> {
        self.timezone_name.parse::<Zone>().map_err(|error| {
            Error::data(format!("Meta says that the account's time zone is {:?}", self.timezone_name))
                .with("account", &self.id)
                .source(error)
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountStatus(pub i64);

impl AccountStatus {
    pub const ACTIVE: AccountStatus = AccountStatus(1);
}

impl fmt::Display for AccountStatus {
    /// The name that Meta's page on `account_status` has for it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.0 {
            1 => "active",
            2 => "disabled",
            3 => "unsettled",
            7 => "pending risk review",
            8 => "pending settlement",
            9 => "in grace period",
            100 => "pending closure",
            101 => "closed",
            other => return write!(f, "status {other}"),
        };
        f.write_str(name)
    }
}

/// The end of a token's validity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// Meta tells this only to some tokens.
    Unknown,
    Never,
    /// Microseconds since 1970-01-01T00:00:00Z.
    At(i64),
}

/// An ad by its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdObject {
    pub ad: String,
    /// The account's id, with the `act_` prefix.
    pub account: String,
    pub names: AdNames,
    /// The status, such as `DELETED`.
    pub status: String,
}

/// One page of a list.
#[derive(Debug)]
pub struct ListPage {
    pub rows: Vec<JsonObject>,
    /// The cursor of the next page; none on the last.
    pub after: Option<String>,
}

pub(super) fn odd(field: &str, value: Option<&Value>, needed: &str) -> Error {
    let shown = value.map_or("nothing".to_string(), |value| {
        let text = value.to_string();
        if text.chars().count() > 80 { format!("{}...", text.chars().take(80).collect::<String>()) } else { text }
    });
    Error::data(format!("Meta sent {shown} as {field}, {needed} is needed"))
        .with("field", field)
        .mend("the answer is not as Meta documents it: check api_version, and report it if it stays")
}

pub(super) fn text<'o>(object: &'o JsonObject, field: &str) -> Result<&'o str> {
    optional_text(object, field)?.ok_or_else(|| odd(field, object.get(field), "a text"))
}

/// The text of a field; none when the key is absent or the text blank.
pub(super) fn optional_text<'o>(object: &'o JsonObject, field: &str) -> Result<Option<&'o str>> {
    match object.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.trim().is_empty() => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        other => Err(odd(field, other, "a text")),
    }
}

pub(super) fn id<'o>(object: &'o JsonObject, field: &str) -> Result<&'o str> {
    let id = text(object, field)?;
    if is_id(id) { Ok(id) } else { Err(odd(field, object.get(field), "an id of digits")) }
}

pub fn is_id(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// The account's id, with the `act_` prefix.
pub(super) fn account_id(object: &JsonObject) -> Result<String> {
    Ok(format!("act_{}", id(object, "account_id")?))
}

pub(super) fn object<'v>(value: &'v Value, what: &str) -> Result<&'v JsonObject> {
    value.as_object().ok_or_else(|| odd(what, Some(value), "an object"))
}

/// The rows of a page, and where the next begins: there is one exactly when the answer has a link to it. The link itself carries
/// the token and is never followed; only its cursor is taken.
pub fn page(answer: &Value) -> Result<ListPage> {
    let list = answer.get("data").and_then(Value::as_array).ok_or_else(|| odd("data", answer.get("data"), "a list"))?;
    let rows = list.iter().map(|row| object(row, "a row").cloned()).collect::<Result<_>>()?;
    let paging = answer.get("paging");
    if paging.and_then(|paging| paging.get("next")).is_none_or(Value::is_null) {
        return Ok(ListPage { rows, after: None });
    }
    match paging.and_then(|paging| paging.get("cursors")?.get("after")?.as_str()).filter(|cursor| !cursor.is_empty()) {
        Some(cursor) => Ok(ListPage { rows, after: Some(cursor.to_string()) }),
        None => Err(odd("paging.cursors.after", None, "the cursor of the next page")),
    }
}

pub fn account(answer: &JsonObject) -> Result<AdAccount> {
    let account = account_id(answer)?;
    let here = |error: Error| error.with("account", &account);
    let status = answer.get("account_status");
    let number = match status {
        Some(Value::Number(number)) => number.as_i64(),
        Some(Value::String(text)) => text.parse().ok(),
        _ => None,
    };
    Ok(AdAccount {
        name: optional_text(answer, "name").map_err(here)?.unwrap_or_default().to_string(),
        timezone_name: text(answer, "timezone_name").map_err(here)?.to_string(),
        currency: text(answer, "currency").map_err(here)?.to_string(),
        status: AccountStatus(number.ok_or_else(|| here(odd("account_status", status, "a number")))?),
        id: account,
    })
}

/// The permissions that were granted, of the rows of `/me/permissions`.
pub fn scopes(rows: &[JsonObject]) -> Result<Vec<String>> {
    let mut scopes = Vec::new();
    for row in rows {
        if text(row, "status")? == "granted" {
            scopes.push(text(row, "permission")?.to_string());
        }
    }
    scopes.sort_unstable();
    Ok(scopes)
}

/// The end of the token's validity, and of its sight of figures, as the answer of `/debug_token` tells them.
pub fn expiry(answer: &Value) -> (Until, Until) {
    let until = |field: &str| match answer.get("data").and_then(|token| token.get(field)).and_then(Value::as_i64) {
        None => Until::Unknown,
        Some(0) => Until::Never,
        Some(seconds) => seconds.checked_mul(1_000_000).map_or(Until::Unknown, Until::At),
    };
    (until("expires_at"), until("data_access_expires_at"))
}

/// The body of the only part of an answer to a batch.
pub fn batched(answer: &Value) -> Option<Value> {
    serde_json::from_str(answer.get(0)?.get("body")?.as_str()?).ok()
}

pub fn ad(ad: &str, answer: &JsonObject) -> Result<AdObject> {
    let here = |error: Error| error.with("ad", ad);
    let of = |parent: &str| match answer.get(parent) {
        None | Some(Value::Null) => Ok((None, None)),
        Some(parent) => {
            let parent = object(parent, "the parent of an ad")?;
            Ok((optional_text(parent, "id")?.map(str::to_string), optional_text(parent, "name")?.map(str::to_string)))
        }
    };
    let (adset_id, adset_name) = of("adset").map_err(here)?;
    let (campaign_id, campaign_name) = of("campaign").map_err(here)?;
    Ok(AdObject {
        ad: ad.to_string(),
        account: account_id(answer).map_err(here)?,
        names: AdNames {
            ad_name: optional_text(answer, "name").map_err(here)?.map(str::to_string),
            adset_id,
            adset_name,
            campaign_id,
            campaign_name,
        },
        status: text(answer, "effective_status").map_err(here)?.to_string(),
    })
}

/// The ids of the objects that have figures.
pub fn ids(rows: &[JsonObject], field: &'static str) -> Result<Vec<String>> {
    let mut ids = rows.iter().map(|row| id(row, field).map(str::to_string)).collect::<Result<Vec<_>>>()?;
    ids.sort_unstable();
    ids.dedup();
    Ok(ids)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_page_goes_on_exactly_while_there_is_a_link_to_the_next() {
        let cursors = json!({ "before": "MAZDZD", "after": "MAZDZD" });
        let of = |paging: Value| page(&json!({ "data": [], "paging": paging }));
        assert_eq!(of(json!({ "cursors": cursors })).unwrap().after, None, "a cursor alone is no next page");
        let next = "https://graph.facebook.com/v26.0/x?access_token=EAAx&after=MAZDZD";
        assert_eq!(of(json!({ "cursors": cursors, "next": next })).unwrap().after.as_deref(), Some("MAZDZD"));
        assert!(of(json!({ "next": next })).is_err());
        assert_eq!(page(&json!({ "data": [] })).unwrap().after, None);
        for odd in [json!({}), json!([]), json!({ "data": {} }), json!({ "data": [7] })] {
            assert!(page(&odd).is_err(), "{odd}");
        }
    }

    #[test]
    fn expiry_is_a_time_never_or_unknown() {
        let of = |token: Value| expiry(&json!({ "data": token }));
        assert_eq!(
            of(json!({ "expires_at": 0, "data_access_expires_at": 1_700_000_000 })),
            (Until::Never, Until::At(1_700_000_000_000_000))
        );
        assert_eq!(of(json!({ "error": { "code": 100 } })), (Until::Unknown, Until::Unknown));
    }
}
