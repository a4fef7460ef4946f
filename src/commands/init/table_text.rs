//! The sections of a pipeline file that say where the tables lie and what their columns are.

use super::columns::{Choice, Fit};
use super::found::Look;
use super::kinds::Candidate;
use super::names::bare;
use super::page::Page;
use super::values;
use super::wishes::{TABLES, Wishes};
use crate::base::arrival::ArrivalZone;
use crate::base::mapping::ColumnSource;
use crate::base::met::Place;
use crate::config::written::{list, quoted, sources};
use crate::report::style::counted;

/// The sections of the tables.
pub(super) fn write_tables(page: &mut Page, look: &Look, wishes: &Wishes) {
    for table in TABLES {
        let wanted = wishes.folders.get(table).map(String::as_str);
        let (picked, others) = look.pick(table, wanted);
        let section = match table {
            "insights" => "insights".to_string(),
            _ => format!("inputs.{table}"),
        };
        page.line("");
        match picked {
            Some(candidate) => write_table(page, candidate, &section, wishes),
            None => write_missing_table(page, look, table, &section, &others),
        }
        for other in others {
            page.comment(&format!("path = {} looks like {table} too: {}", quoted(&other.found.folder), about(other)));
        }
    }
}

/// How many days a folder has.
fn about(candidate: &Candidate) -> String {
    let kind = if candidate.found.is_delta { "a Delta table, " } else { "" };
    match candidate.span() {
        Some((first, last)) => format!("{kind}{} from {first} to {last}", counted(candidate.days.len(), "day", "days")),
        None => format!("{kind}{}", counted(candidate.days.values().flatten().count(), "file", "files")),
    }
}

/// The folder that bears a table's name and is not taken for it.
fn namesake<'l>(look: &'l Look, table: &str) -> Option<&'l str> {
    let refused = look.refused.iter().map(|(folder, _)| folder.as_str());
    let unknown =
        look.candidates.iter().filter(|candidate| candidate.fit.is_none()).map(|candidate| candidate.found.folder.as_str());
    refused.chain(unknown).find(|folder| values::is_name_of(folder.rsplit('/').next().unwrap_or_default(), table))
}

fn write_missing_table(page: &mut Page, look: &Look, table: &str, section: &str, others: &[&Candidate]) {
    let is_needed = ["messages", "events"].contains(&table);
    let namesake = namesake(look, table);
    if !others.is_empty() {
        page.comment(&format!("NOT KNOWN: several folders look like {table}. Write the one that is meant, or use --{table}:"));
        page.missing(format!("which folder is {table}: {}", list(others.iter().map(|other| other.found.folder.as_str()))));
    } else if let Some(folder) = namesake {
        page.comment(&format!(
            "NOT KNOWN: {} bears the name of this table; it cannot be read, or has other columns.",
            quoted(folder)
        ));
        page.missing(format!("where {table} are: {} is there, and cannot be read or has other columns", quoted(folder)));
    } else if is_needed {
        let has = match table {
            "messages" => "a message id, a contact, a time and the ad (WhatsApp's referral)",
            _ => "a category, a contact and a time",
        };
        page.comment(&format!("NOT FOUND: no folder of the lake has what {table} have: {has}."));
        page.missing(format!("no folder looks like {table}"));
    } else if table == "insights" {
        page.comment(
            "No folder has Meta's figures (ad_id, spend), so there are no costs. Let a loader land them, or let ctwa fetch them: \
             source = \"marketing-api\" with token_env = \"META_ACCESS_TOKEN\".",
        );
    } else {
        page.comment("No folder has aliases. Leave it out if every contact has one id everywhere.");
    }
    page.line(&format!("# [{section}]"));
    if !others.is_empty() || is_needed || namesake.is_some() {
        page.line("# path = \"...\"");
    }
}

fn write_table(page: &mut Page, candidate: &Candidate, section: &str, wishes: &Wishes) {
    let Some(fit) = &candidate.fit else { return };
    let table = fit.table.name;
    page.comment(&format!(
        "{}; the first rows of {} were looked at.",
        about(candidate),
        counted(candidate.sample.files.len(), "file", "files")
    ));
    page.line(&format!("[{section}]"));
    if table == "insights" {
        page.line("source = \"landed\"");
    }
    page.line(&format!("path = {}", quoted(&candidate.found.folder)));
    write_partition(page, candidate, table);
    if !candidate.null_words.is_empty() {
        let words: Vec<String> =
            candidate.null_words.iter().map(|(word, rows)| format!("{}: {rows} cells", quoted(word))).collect();
        page.comment(&format!("These stand where ids should, and mean nothing: {}.", words.join(", ")));
        page.line(&format!("null_words = {}", list(candidate.null_words.keys().map(String::as_str))));
    }
    if table == "insights" {
        page.comment("Write true if a day's folder holds all accounts, so that who has no row spent nothing:");
        page.line("# absent_means_zero = false");
    }
    if let Some(error) = &candidate.sample.unread {
        page.comment(&format!("A file could not be read: {}", quoted(&error.to_string())));
    }
    if candidate.sample.files.is_empty() {
        return page.comment("It has no rows that could be looked at: it is taken for this table by its name alone.");
    }
    write_columns(page, candidate, fit, section, wishes);
}

fn write_partition(page: &mut Page, candidate: &Candidate, table: &str) {
    let patterns: Vec<String> = candidate.found.patterns.iter().map(|pattern| pattern.to_string()).collect();
    match patterns.as_slice() {
        _ if table == "identities" => {}
        [] => {
            page.comment(
                "NOT KNOWN: its files lie in no folder of a day, so nothing tells when they landed. Land them by day of arrival:",
            );
            page.line("# partition = \"date={date}\"");
            page.missing(format!("{table} lie in no folders of days"));
        }
        [only] if only == "date={date}" => {}
        [only] => page.line(&format!("partition = {}", quoted(only))),
        several => {
            page.comment("Older and newer days lie in different forms.");
            page.line(&format!("partition = {}", list(several.iter().map(String::as_str))));
        }
    }
    if let Some(marker) = candidate.marker.filter(|_| ["messages", "events"].contains(&table)) {
        page.comment(&format!(
            "Every day has a file {marker}: a day has landed when it is there, with or without rows. Remove the line if the loader writes it \
             before a day is whole, or not always."
        ));
        page.line(&format!("marker = {}", quoted(marker)));
    }
    if let Some((zone, why, is_sure)) = &candidate.partition_zone {
        if *is_sure {
            page.line(&format!("partition_zone = {} # {why}", quoted(zone)));
        } else {
            page.comment(&format!("The folders may be days of another zone than UTC: {why}. If they are:"));
            page.line(&format!("# partition_zone = {}", quoted(zone)));
        }
    }
}

fn write_columns(page: &mut Page, candidate: &Candidate, fit: &Fit, section: &str, wishes: &Wishes) {
    let mut lines = Page::default();
    for choice in &fit.choices {
        write_column(&mut lines, choice, candidate, fit.table.name, wishes);
    }
    if fit.table.name == "messages" && fit.choice("direction").is_none_or(|direction| !direction.is_found()) {
        lines.comment(
            "There is no column for the direction: every row counts as received from its contact. What a bot or a member sent itself \
             is no touch.",
        );
    }
    page.missing.append(&mut lines.missing);
    if lines.text.is_empty() {
        return;
    }
    if lines.text.lines().any(|line| !line.starts_with('#')) {
        page.line(&format!("[{section}.columns]"));
    } else {
        page.line(&format!("# [{section}.columns]"));
    }
    page.text.push_str(&lines.text);
}

fn write_column(page: &mut Page, choice: &Choice, candidate: &Candidate, table: &str, wishes: &Wishes) {
    let name = choice.column.name;
    let mut of_column = choice.sources.clone();
    if of_column.is_empty() {
        of_column.extend(
            constant(name, table, wishes).map(|value| ColumnSource { constant: Some(value), ..ColumnSource::column(name) }),
        );
    }
    let is_own = matches!(&of_column[..], [only] if *only == ColumnSource { column: only.column.clone(), ..ColumnSource::column("") }
        && only.column.eq_ignore_ascii_case(name));
    choice.notes.iter().for_each(|note| page.comment(&format!("{name}: {note}.")));
    if !of_column.is_empty() {
        if !is_own || choice.column.only_named {
            page.line(&format!("{name} = {}", sources(&of_column)));
        }
        return;
    }
    if !choice.doubtful.is_empty() {
        page.comment(&format!("NOT KNOWN: {name} could be any of these. Keep the line that is right, without the #:"));
        choice.doubtful.iter().for_each(|place| page.line(&format!("# {name} = {}", doubtful(place, choice))));
        page.missing(format!("where {table} have {name}"));
    } else if choice.column.required {
        let columns: Vec<&str> =
            candidate.seen.keys().filter(|place| place.key.is_empty()).map(|place| place.column.as_str()).collect();
        page.comment(&format!("NOT FOUND: {name}. The columns are {}.", list(columns)));
        page.line(&format!("# {name} = {}", proposal(name, candidate)));
        page.missing(format!("where {table} have {name}"));
    }
}

/// A place that could be meant, as its line has it.
fn doubtful(place: &Place, choice: &Choice) -> String {
    let zone = choice.column.is_instant().then_some(ArrivalZone::Utc).filter(|_| choice.by_name);
    sources(&[ColumnSource { key: place.key.clone(), zone, ..ColumnSource::column(&place.column) }])
}

/// What stands in every row, where the rows do not say it and a person did.
fn constant(column: &str, table: &str, wishes: &Wishes) -> Option<String> {
    match (column, table, &wishes.bots[..]) {
        ("bot_id", "messages" | "events" | "identities", [only]) => Some(only.clone()),
        ("currency", "insights", _) => wishes.currency.clone(),
        _ => None,
    }
}

/// How a line would look that maps a column which was not found.
fn proposal(column: &str, candidate: &Candidate) -> String {
    let metadata = candidate.seen.keys().find(|place| place.key.is_empty() && bare(&place.column).ends_with("metadata"));
    match (column, metadata) {
        ("ad_id", Some(place)) => {
            let key = vec!["#wa.referral.source_id".to_string()];
            sources(&[ColumnSource { key, ..ColumnSource::column(&place.column) }])
        }
        ("currency", _) => "{ value = \"...\" } # or --currency".to_string(),
        ("bot_id", _) => "{ value = \"...\" } # or --bot with the bot's name, where the table is of one bot".to_string(),
        _ => "\"...\"".to_string(),
    }
}
