//! Columns that a file lacks: what is said of them, with those that it has and a mapping to paste.

use arrow::datatypes::{DataType, FieldRef, Fields, Schema};

use crate::base::error::{Error, Result};
use crate::base::folders;
use crate::base::mapping::{ColumnSource, MappedColumn, TableMapping};
use crate::base::places::{self, File};

/// Names under which others know a column, in small letters and without signs between.
const OTHER_NAMES: [(&str, &[&str]); 12] = [
    ("account_id", &["adaccountid", "account"]),
    ("ad_id", &["adid", "ad", "sourceid", "referralsourceid", "id"]),
    ("ad_type", &["sourcetype", "referralsourcetype", "type"]),
    ("ad_title", &["headline", "referralheadline", "title"]),
    ("ctwa_clid", &["clid", "clickid", "referralctwaclid"]),
    ("currency", &["accountcurrency", "adaccountcurrency", "currencycode"]),
    ("spend", &["amountspent", "spendamount", "cost", "costs", "spent"]),
    ("bot_id", &["bot", "owneridentity", "businessid", "phonenumberid"]),
    ("contact_id", &["contact", "identity", "waid", "customerid", "userid", "from"]),
    ("message_id", &["wamid", "id"]),
    ("sent_at", &["timestamp", "time", "createdat", "sentdate", "date"]),
    ("occurred_at", &["timestamp", "time", "createdat", "eventtime", "storagedate", "date"]),
];

/// How like two names are that may mean the same, in thousandths.
const ALIKE: u32 = 900;

/// An optional column that a file lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Missing {
    pub name: &'static str,
    /// Where the mapping looks for it, if the pipeline file says so.
    named: Option<String>,
    /// The line that would map what the file has in its place, as it seems.
    line: Option<String>,
    section: &'static str,
}

impl Missing {
    pub(super) fn of(mapping: &TableMapping, column: &MappedColumn, file: File<'_>) -> Missing {
        let named = column.mapped.then(|| wanted(column));
        let line = near(mapping, column, file).map(|near| line(column, Some(&near)));
        Missing { name: column.spec.name, named, line, section: mapping.table.section }
    }

    /// Whether there is nothing to say of it but that it is missing.
    pub(crate) fn is_plain(&self) -> bool {
        self.named.is_none() && self.line.is_none()
    }

    /// What is said of it, beside where it is missing.
    pub(crate) fn text(&self, place: &str) -> String {
        let named = self.named.as_ref().map(|named| format!(" ({named})")).unwrap_or_default();
        let line = self.line.as_ref().map(|line| format!("; if it is that, write in [{}.columns]: {line}", self.section));
        format!("optional column {}{named} is missing{place}, it is NULL{}", self.name, line.unwrap_or_default())
    }
}

/// Where the mapping looks for a column.
fn wanted(column: &MappedColumn) -> String {
    let places: Vec<String> = column.sources.iter().map(ColumnSource::to_string).collect();
    format!("{} is read from {}", column.spec.name, places.join(", "))
}

/// All columns that a file lacks and has to have.
pub(super) fn error(mapping: &TableMapping, missing: &[&MappedColumn], file: File<'_>) -> Error {
    let names: Vec<&str> = missing.iter().map(|column| column.spec.name).collect();
    let (columns, verb) = if names.len() == 1 { ("column", "is") } else { ("columns", "are") };
    let error = Error::data(format!("required {columns} {} {verb} missing", names.join(", "))).with("table", mapping.table.name);
    let error = if names.len() == 1 { error.with("column", names[0]) } else { error };
    let named: Vec<String> = missing.iter().filter(|column| column.mapped).map(|column| wanted(column)).collect();
    let error = if named.is_empty() { error } else { error.with("mapping", named.join("; ")) };
    let error = error.with("columns it has", describe(file.schema));
    let looks_at_folders = missing.iter().flat_map(|column| &column.sources).any(|source| source.partition.is_some());
    let keys = folders::keys_of(file.path);
    let error = if looks_at_folders { error.with("folder keys it has", format!("{keys:?}")) } else { error };
    let lines = missing.iter().map(|column| line(column, near(mapping, column, file).as_deref()));
    let lines = lines.collect::<Vec<_>>().join(", ");
    let section = mapping.table.section;
    error.mend(if missing.len() == 1 || mapping.columns.iter().any(|column| column.mapped) {
        format!("name {} in [{section}.columns]: {lines}", if missing.len() == 1 { "its column" } else { "its columns" })
    } else {
        format!("name its columns in [{section}]: columns = {{ {lines} }}")
    })
}

/// The line that maps a column. Other files may have it where it is looked for now.
fn line(column: &MappedColumn, near: Option<&str>) -> String {
    let name = column.spec.name;
    match near {
        Some(near) if !column.mapped => format!("{name} = [{name:?}, {near}]"),
        near => format!("{name} = {}", near.unwrap_or("\"...\"")),
    }
}

/// A name as names are compared here.
fn bare(name: &str) -> String {
    name.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// The place of a file that most likely is what a mapping looks for, as the pipeline file writes it.
fn near(mapping: &TableMapping, column: &MappedColumn, file: File<'_>) -> Option<String> {
    let own = bare(column.spec.name);
    if let Some(key) = folders::keys_of(file.path).into_iter().find(|key| bare(key) == own) {
        return Some(format!("{{ partition = {key:?} }}"));
    }
    let others_have: Vec<&str> = mapping
        .columns
        .iter()
        .filter(|other| other.spec.name != column.spec.name)
        .flat_map(|other| other.sources.iter().filter(|source| source.is_plain()).map(|source| source.column.as_str()))
        .collect();
    let is_free =
        |steps: &Vec<&str>| !matches!(steps[..], [only] if others_have.iter().any(|name| name.eq_ignore_ascii_case(only)));
    let places: Vec<(String, Vec<&str>)> =
        places::all(file.schema).into_iter().filter(is_free).map(|steps| (bare(steps.last().unwrap_or(&"")), steps)).collect();
    let looked_for = column.sources.iter().filter(|source| source.is_plain()).map(|source| bare(&source.column));
    let names: Vec<String> = looked_for.chain([own]).collect();
    let has = |name: &str| places.iter().find(|(known, _)| known == name);
    let others = OTHER_NAMES.iter().filter(|(name, _)| *name == column.spec.name).flat_map(|(_, others)| *others);
    let whole = |name: &String| places.iter().find(|(_, steps)| bare(&steps.concat()) == *name);
    let likeness = |(known, _): &&(String, Vec<&str>)| {
        names.iter().map(|name| (strsim::jaro_winkler(known, name) * 1_000.0) as u32).max().unwrap_or_default()
    };
    let alike = || places.iter().filter(|place| likeness(place) >= ALIKE).max_by_key(likeness);
    let holds = || places.iter().find(|(known, _)| names.iter().any(|name| name.len() > 2 && known.contains(name.as_str())));
    let found = names.iter().find_map(|name| has(name).or_else(|| whole(name)));
    let (_, steps) = found.or_else(|| others.copied().find_map(has)).or_else(alike).or_else(holds)?;
    Some(match steps.as_slice() {
        [name] => format!("{name:?}"),
        [outer, key] => format!("{{ column = {outer:?}, key = {key:?} }}"),
        [outer, keys @ ..] => format!("{{ column = {outer:?}, key = {keys:?} }}"),
        [] => return None,
    })
}

/// The columns of a file, with the fields of structs, as an error names them.
pub(crate) fn describe(schema: &Schema) -> String {
    let name = |field: &FieldRef| match field.data_type() {
        DataType::Struct(fields) => format!("{}{{{}}}", field.name(), names(fields)),
        _ => field.name().clone(),
    };
    if schema.fields().is_empty() { "none".to_string() } else { schema.fields().iter().map(name).collect::<Vec<_>>().join(", ") }
}

fn names(fields: &Fields) -> String {
    fields.iter().map(|field| field.name().as_str()).collect::<Vec<_>>().join(", ")
}

/// The columns among these that a file has to have.
pub(super) fn check(mapping: &TableMapping, missing: &[&MappedColumn], file: File<'_>) -> Result<()> {
    let needed: Vec<&MappedColumn> = missing.iter().copied().filter(|column| column.is_needed()).collect();
    if needed.is_empty() { Ok(()) } else { Err(error(mapping, &needed, file)) }
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::Field;

    use super::*;
    use crate::base::schema::{INSIGHTS, MESSAGES};

    /// The place that is proposed for a column, of a file with these columns.
    fn proposed(table: &'static crate::base::schema::InputTable, column: &str, names: &[&str], path: &str) -> Option<String> {
        let fields: Vec<Field> = names.iter().map(|name| Field::new(*name, DataType::Utf8, true)).collect();
        let schema = Schema::new(fields);
        let mapping = TableMapping::identity(table);
        let column = mapping.columns.iter().find(|known| known.spec.name == column).unwrap();
        near(&mapping, column, File { schema: &schema, path })
    }

    #[test]
    fn what_is_proposed_is_like_what_is_missing() {
        let of = |column: &str, names: &[&str]| proposed(&MESSAGES, column, names, "messages/date=2026-03-01/a.parquet");
        let some = |name: &str| Some(format!("{name:?}"));
        assert_eq!(of("message_id", &["id", "messageID", "x"]), some("messageID"));
        assert_eq!(of("ad_id", &["referral.source_id", "x"]), some("referral.source_id"));
        assert_eq!(of("direction", &["x", "message_direction"]), some("message_direction"));
        assert_eq!(of("direction", &["x", "directions"]), some("directions"));
        assert_eq!(of("sent_at", &["x", "Timestamp"]), some("Timestamp"));
        assert_eq!(of("direction", &["bot_id", "content"]), None);
        let insights = |column: &str, names: &[&str]| proposed(&INSIGHTS, column, names, "a.parquet");
        assert_eq!(insights("adset_name", &["ad_name", "adset_id", "campaign_name"]), None, "those are other columns");
        assert_eq!(insights("adset_name", &["ad_name", "adsetname"]), some("adsetname"));
        let in_folder = proposed(&MESSAGES, "bot_id", &["bot"], "messages/date=2026-03-01/Bot_Id=x/a.parquet");
        assert_eq!(in_folder.as_deref(), Some("{ partition = \"Bot_Id\" }"));
    }
}
