//! The raw tables of the lake: the section `[inputs]`.
//!
//! In: the section. Out: where messages and events lie, when a day of them has landed, and where each of the contract's columns is
//! found in them; and where the alias table lies.

use std::collections::BTreeSet;

use super::document::{Alternative, Placed, Section};
use crate::base::arrival::ArrivalZone;
use crate::base::day::Day;
use crate::base::error::{Error, Result};
use crate::base::mapping::{ColumnSource, MappedColumn, TableMapping, TimeUnit};
use crate::base::schema;
use crate::lake::{Glob, Layout, Pattern};

/// A table of the lake in folders by day of arrival.
#[derive(Clone, Debug)]
pub struct PartitionedInput {
    pub path: String,
    pub layout: Layout,
    /// Whose days the folders are.
    pub zone: ArrivalZone,
    pub allow_missing: BTreeSet<Day>,
    pub columns: TableMapping,
}

/// All inputs.
pub(super) struct Inputs {
    pub messages: PartitionedInput,
    pub events: PartitionedInput,
    pub identities: Option<AliasInput>,
}

/// The alias table: a folder without days.
#[derive(Clone, Debug)]
pub struct AliasInput {
    pub path: String,
    pub ignore: Vec<Glob>,
    pub columns: TableMapping,
}

impl Inputs {
    pub(super) fn read(section: Option<Section<'_>>) -> Result<Inputs> {
        let input = |key| section.as_ref().map(|inputs| inputs.section(key)).transpose().map(Option::flatten);
        let messages = partitioned_input(input("messages")?, &schema::MESSAGES, "messages")?;
        let events = partitioned_input(input("events")?, &schema::EVENTS, "events")?;
        let identities = input("identities")?.map(identities).transpose()?;
        if let Some(section) = &section {
            section.finish()?;
        }
        Ok(Inputs { messages, events, identities })
    }
}

fn identities(section: Section<'_>) -> Result<AliasInput> {
    let path = section.text("path")?.map_or("identities".to_string(), |path| path.value);
    let ignore = ignored(&section)?;
    let columns = TableMapping { null_words: null_words(&section)?, ..columns(&section, &schema::IDENTITIES)? };
    section.finish()?;
    Ok(AliasInput { path, ignore, columns })
}

/// How the files of a table lie in its folder; `marker` stands in the section, or not.
pub(super) fn layout(section: &Section<'_>, marker: Option<String>) -> Result<Layout> {
    let patterns = section.alternatives("partition", |alternative| match alternative {
        Alternative::Text(pattern) => Pattern::parse(&pattern).map_err(|error| error.with("at", section.place())),
        Alternative::Section(other) => {
            Err(other.error("`partition` is a table, a pattern is needed").mend("write a text such as \"dt={date}\""))
        }
    })?;
    let patterns = match patterns {
        Some(patterns) if patterns.is_empty() => {
            return Err(section.error("`partition` is an empty list").mend("name at least one pattern"));
        }
        Some(patterns) => patterns,
        None => vec![Pattern::usual()],
    };
    if marker.is_some() && patterns.iter().any(Pattern::is_of_files) {
        return Err(section
            .error("`marker` is a file of a day's folder, and `partition` makes each day a file")
            .mend("remove one"));
    }
    Ok(Layout { patterns, ignore: ignored(section)?, marker })
}

/// The files that are not looked at.
fn ignored(section: &Section<'_>) -> Result<Vec<Glob>> {
    Ok(section.texts("ignore")?.iter().map(|text| Glob::new(&text.value)).collect())
}

fn partitioned_input(
    section: Option<Section<'_>>,
    table: &'static schema::InputTable,
    default_path: &str,
) -> Result<PartitionedInput> {
    let Some(section) = section else {
        return Ok(PartitionedInput {
            path: default_path.to_string(),
            layout: Layout::default(),
            zone: ArrivalZone::default(),
            allow_missing: BTreeSet::new(),
            columns: TableMapping::identity(table),
        });
    };
    let path = match section.text("path")? {
        Some(path) if path.value.trim_matches('/').is_empty() => {
            return Err(path.error("`path` is blank").mend("name the folder of the table"));
        }
        Some(path) => path.value.trim_matches('/').to_string(),
        None => default_path.to_string(),
    };
    let marker = match section.text("marker")? {
        Some(marker) if marker.value.is_empty() || marker.value.contains('/') => {
            return Err(marker.error(format!("marker {:?} is not a file name", marker.value)));
        }
        marker => marker.map(|marker| marker.value),
    };
    let layout = layout(&section, marker)?;
    let zone = section.text("partition_zone")?.map(|zone| zone.try_map(|text| text.parse::<ArrivalZone>())).transpose()?;
    let zone = zone.map_or(ArrivalZone::default(), |zone| zone.value);
    let allow_missing = section
        .texts("allow_missing")?
        .into_iter()
        .map(|day| day.try_map(|text| text.parse::<Day>()).map(|day| day.value))
        .collect::<Result<_>>()?;
    let columns = TableMapping { null_words: null_words(&section)?, ..columns(&section, table)? };
    section.finish()?;
    Ok(PartitionedInput { path, layout, zone, allow_missing, columns })
}

/// The words that mean nothing in a table (rule 18).
pub(super) fn null_words(section: &Section<'_>) -> Result<Vec<String>> {
    let mut words = Vec::new();
    for word in section.texts("null_words")? {
        let trimmed = word.value.trim().to_string();
        if trimmed.is_empty() {
            return Err(word.error("a word of `null_words` is blank").mend("remove it: blank cells mean nothing anyway"));
        }
        words.push(trimmed);
    }
    Ok(words)
}

/// Where the columns of a table are found, as its section says.
pub(super) fn columns(section: &Section<'_>, table: &'static schema::InputTable) -> Result<TableMapping> {
    match section.section("columns")? {
        Some(columns) => mapping(&columns, table),
        None => Ok(TableMapping::identity(table)),
    }
}

fn mapping(section: &Section<'_>, table: &'static schema::InputTable) -> Result<TableMapping> {
    let mut columns = Vec::new();
    for column in table.columns {
        let sources = section.alternatives(column.name, |alternative| match alternative {
            Alternative::Text(name) => Ok(ColumnSource::column(name)),
            Alternative::Section(source) => column_source(&source, column),
        })?;
        columns.push(match sources {
            Some(sources) if sources.is_empty() => {
                return Err(section.error(format!("`{}` is an empty list", column.name)).mend("name at least one column"));
            }
            Some(sources) => MappedColumn { spec: column, sources, mapped: true },
            None => MappedColumn::own(column),
        });
    }
    section.finish()?;
    Ok(TableMapping { table, columns, null_words: Vec::new() })
}

fn column_source(section: &Section<'_>, column: &schema::InputColumn) -> Result<ColumnSource> {
    if let Some(constant) = section.text("value")? {
        section.finish()?;
        if constant.value.trim().is_empty() {
            return Err(constant.error("`value` is blank").mend("write the value that every row has"));
        }
        return Ok(ColumnSource { constant: Some(constant.value), ..ColumnSource::column(column.name) });
    }
    let (name, key, partition) = match section.text("partition")? {
        Some(key) if key.value.trim().is_empty() => {
            return Err(key.error("`partition` is blank").mend("name the key of a folder, such as bot_id of bot_id=shop/"));
        }
        Some(key) => (column.name.to_string(), Vec::new(), Some(key.value)),
        None => (section.required_text("column")?.value, steps(section)?, None),
    };
    let zone = section.text("zone")?.map(|zone| time_zone(zone, column)).transpose()?;
    let unit = section.text("unit")?.map(|unit| time_unit(unit, column)).transpose()?;
    let values = translated_words(section, column)?;
    let float = match section.flag("float")? {
        Some(float) if column.name != "spend" => {
            return Err(float.error(format!("`float` is for amounts, {} is none", column.name)).mend("remove it"));
        }
        float => float.is_some_and(|float| float.value),
    };
    section.finish()?;
    Ok(ColumnSource { column: name, key, partition, unit, zone, values, float, constant: None })
}

/// The keys under which a value lies inside a column, from the outermost to the innermost.
fn steps(section: &Section<'_>) -> Result<Vec<String>> {
    let keys = section.alternatives("key", |alternative| match alternative {
        Alternative::Text(key) if key.is_empty() => Err(section.error("`key` is empty").mend("name what lies inside the column")),
        Alternative::Text(key) => Ok(key),
        Alternative::Section(other) => Err(other.error("`key` is a table, texts are needed")),
    })?;
    match keys {
        Some(keys) if keys.is_empty() => {
            Err(section.error("`key` is an empty list").mend("name what lies inside the column, or remove it"))
        }
        keys => Ok(keys.unwrap_or_default()),
    }
}

fn time_zone(zone: Placed<String>, column: &schema::InputColumn) -> Result<ArrivalZone> {
    if !column.is_instant() {
        return Err(zone.error(format!("`zone` is for times, {} is none", column.name)).mend("remove it"));
    }
    Ok(zone.try_map(|text| text.parse::<ArrivalZone>())?.value)
}

fn time_unit(unit: Placed<String>, column: &schema::InputColumn) -> Result<TimeUnit> {
    if !column.is_instant() {
        return Err(unit.error(format!("`unit` is for times, {} is a text", column.name)).mend("remove it"));
    }
    let unit = unit.try_map(|text| match text.as_str() {
        "s" => Ok(TimeUnit::Second),
        "ms" => Ok(TimeUnit::Millisecond),
        "us" => Ok(TimeUnit::Microsecond),
        other => Err(Error::usage(format!("unit {other:?} is not known")).mend("write \"s\", \"ms\" or \"us\"")),
    });
    Ok(unit?.value)
}

/// The lake's words, each with the contract's.
fn translated_words(section: &Section<'_>, column: &schema::InputColumn) -> Result<Vec<(String, &'static str)>> {
    let mut values = Vec::new();
    if let Some(words) = section.section("values")? {
        if column.words.is_empty() {
            return Err(words.error(format!("`values` translates words, {} has none", column.name)).mend("remove it"));
        }
        for word in column.words {
            values.extend(words.texts(word)?.into_iter().map(|theirs| (theirs.value, *word)));
        }
        words.finish()?;
    }
    Ok(values)
}
