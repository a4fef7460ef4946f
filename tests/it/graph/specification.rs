//! The names that Meta's published specification knows, as far as they may be used: `specification.json`, which
//! `specification.py` makes.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use serde_json::Value;

static SPECIFICATION: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("specification.json")).expect("specification.json"));

fn names(value: &Value) -> BTreeSet<String> {
    value.as_array().expect("a list of names").iter().map(|name| name.as_str().expect("a name").to_string()).collect()
}

/// The parameters of an edge, such as `AdAccount GET insights`.
pub fn parameters(edge: &str) -> BTreeSet<String> {
    names(&SPECIFICATION["edges"][edge])
}

/// The fields of an object, such as `AdsInsights`.
pub fn fields(object: &str) -> BTreeSet<String> {
    names(&SPECIFICATION["fields"][object])
}

pub fn values(of: &str) -> BTreeSet<String> {
    names(&SPECIFICATION["enums"][of])
}

/// What calls of a kind take beside: `every list`, `every call`, `batch`, `debug_token`.
pub fn general(kind: &str) -> BTreeSet<String> {
    let pages = SPECIFICATION["graph"].as_object().expect("pages");
    names(pages.iter().find(|(name, _)| name.starts_with(kind)).expect(kind).1)
}
