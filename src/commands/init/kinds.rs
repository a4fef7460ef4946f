//! Kinds: which folder is which of the contract's tables.

use std::collections::BTreeMap;

use super::columns::{Fit, Looked};
use super::details;
use super::names::bare;
use super::sample::{Sample, Seen};
use super::values;
use crate::base::arrival::ArrivalZone;
use crate::base::day::Day;
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::mapping::ColumnSource;
use crate::base::met::{Kind, Place};
use crate::base::object::Object;
use crate::base::progress::{Listener, Progress};
use crate::base::schema::{EVENTS, IDENTITIES, INSIGHTS, InputTable, MESSAGES};
use crate::lake::{FoundTable, Lake};

/// A folder, looked at.
pub(super) struct Candidate {
    pub found: FoundTable,
    pub days: BTreeMap<Option<Day>, Vec<Object>>,
    pub sample: Sample,
    pub seen: BTreeMap<Place, Seen>,
    /// What it is, if it is one of the contract's tables.
    pub fit: Option<Fit>,
    pub null_words: BTreeMap<String, u64>,
    /// The file that all its days have beside their rows.
    pub marker: Option<&'static str>,
    /// Whose days the folders are, where they are not UTC's, with what says so; sure or not.
    pub partition_zone: Option<(String, String, bool)>,
}

/// As many rows of a file of a table are looked at, and of an alias table, which is read whole if it is small.
const ROWS: u32 = 2_000;
const ALIASES: u32 = 50_000;

impl Candidate {
    pub(super) fn table(&self) -> Option<&'static str> {
        self.fit.as_ref().map(|fit| fit.table.name)
    }

    pub(super) fn span(&self) -> Option<(Day, Day)> {
        let mut days = self.days.keys().flatten();
        let first = *days.next()?;
        Some((first, days.next_back().copied().unwrap_or(first)))
    }

    /// The name of its folder.
    pub(super) fn name(&self) -> &str {
        self.found.folder.rsplit('/').next().unwrap_or_default()
    }
}

/// Folders that are not read, with the reason.
pub(super) type Refused = Vec<(String, Error)>;

/// Looks at the folders of a lake: candidates, and those that cannot be read.
pub(super) fn look(
    lake: &Lake,
    tables: Vec<FoundTable>,
    zone: Option<ArrivalZone>,
    progress: Listener<'_>,
) -> Result<(Vec<Candidate>, Refused)> {
    let (mut candidates, mut refused) = (Vec::new(), Vec::new());
    progress(Progress::Begin { step: "looking", of: "folders", items: tables.len() as u64, bytes: 0 });
    for table in tables {
        let folder = table.folder.clone();
        let candidate = candidate(lake, table, zone);
        progress(Progress::Done { rows: candidate.as_ref().map_or(0, |of| of.sample.rows()), bytes: 0 });
        match candidate {
            Ok(candidate) => candidates.push(candidate),
            Err(error) if [ErrorKind::Data, ErrorKind::Usage].contains(&error.kind()) => refused.push((folder, error)),
            Err(error) => return Err(error),
        }
    }
    progress(Progress::End);
    Ok((candidates, refused))
}

fn candidate(lake: &Lake, found: FoundTable, zone: Option<ArrivalZone>) -> Result<Candidate> {
    let days = lake.days_of(&found)?;
    let mut sample = Sample::take(lake, &days, ROWS)?;
    let mut seen = sample.seen();
    let is_empty = sample.files.is_empty() && sample.unread.is_none();
    let mut fit = if is_empty {
        named(&found, &Looked { sample: &sample, seen: &seen })
    } else {
        kind(&found, &Looked { sample: &sample, seen: &seen })
    };
    if fit.as_ref().is_some_and(|fit| fit.table.name == "identities") {
        sample = Sample::take(lake, &days, ALIASES)?;
        seen = sample.seen();
        fit = Some(Fit::of(&IDENTITIES, &Looked { sample: &sample, seen: &seen }));
    }
    let (mut null_words, mut partition_zone) = (BTreeMap::new(), None);
    if let Some(fit) = &mut fit {
        let looked = Looked { sample: &sample, seen: &seen };
        note_texts_like_json(fit, &looked);
        details::complete(fit, &looked, zone);
        null_words = details::null_words(fit, &looked);
        partition_zone = zone_of_folders(&found, fit, &looked);
    }
    let marker = if fit.is_some() { lake.marker_of(&found, days.keys().flatten().copied())? } else { None };
    Ok(Candidate { found, days, sample, seen, fit, null_words, marker, partition_zone })
}

/// What a folder without rows is, by its name alone.
fn named(found: &FoundTable, looked: &Looked<'_>) -> Option<Fit> {
    let name = found.folder.rsplit('/').next().unwrap_or_default();
    let tables = [&MESSAGES, &EVENTS, &INSIGHTS, &IDENTITIES];
    tables.into_iter().find(|table| values::is_name_of(name, table.name)).map(|table| Fit::of(table, looked))
}

/// What a folder is, by what it has.
fn kind(found: &FoundTable, looked: &Looked<'_>) -> Option<Fit> {
    let fit = |table: &'static InputTable| Fit::of(table, looked);
    let has_all = |of: &Fit, columns: &[&str]| columns.iter().all(|column| is_somewhere(of, column));
    let insights = fit(&INSIGHTS);
    if insights.has_by_name("ad_id") && insights.has_by_name("spend") {
        return Some(insights);
    }
    let identities = fit(&IDENTITIES);
    let is_alias = identities.has_by_name("alias") || identities.has("alias") && found.patterns.is_empty();
    if is_alias && identities.has("contact_id") && !has_times(looked) {
        return Some(identities);
    }
    let (messages, events) = (fit(&MESSAGES), fit(&EVENTS));
    let is_of_messages = has_all(&messages, &["message_id", "contact_id", "sent_at"]);
    if is_of_messages && (messages.has("ad_id") || says_of_ads(looked)) {
        return Some(messages);
    }
    if events.has_by_name("category") && has_all(&events, &["contact_id", "occurred_at"]) {
        return Some(events);
    }
    let is_named =
        bare(&found.folder).contains("message") || bare(&found.folder).contains("mensage") || messages.has("direction");
    if is_of_messages && is_named {
        return Some(messages);
    }
    let is_of_events = has_all(&events, &["contact_id", "category", "occurred_at"]);
    (is_of_events && !is_somewhere(&messages, "message_id")).then_some(events)
}

/// Whether a column is found, or one of several places.
fn is_somewhere(fit: &Fit, column: &str) -> bool {
    fit.choice(column).is_some_and(|choice| choice.is_found() || !choice.doubtful.is_empty())
}

fn has_times(looked: &Looked<'_>) -> bool {
    looked.seen.keys().any(|place| ["message_id", "category"].iter().any(|column| place.column.eq_ignore_ascii_case(column)))
}

const REFERRAL: &str = "referral.source_id";

/// The columns of texts that name an ad and are no JSON.
fn texts_of_ads(looked: &Looked<'_>) -> Vec<Place> {
    let is_it = |(place, seen): (&Place, &Seen)| {
        let names_ads = seen.kinds.contains(&Kind::Text) && seen.values.keys().any(|text| text.contains(REFERRAL));
        (place.key.is_empty() && names_ads).then(|| place.clone())
    };
    looked.seen.iter().filter_map(is_it).collect()
}

fn says_of_ads(looked: &Looked<'_>) -> bool {
    !texts_of_ads(looked).is_empty()
}

/// Keys of texts that look like JSON and are none: mapped, so that `check` shows one, and said.
fn note_texts_like_json(fit: &mut Fit, looked: &Looked<'_>) {
    if fit.table.name != "messages" || fit.has("ad_id") {
        return;
    }
    let texts = texts_of_ads(looked);
    let keys = [("ad_id", "source_id"), ("ad_type", "source_type"), ("ad_title", "headline"), ("ctwa_clid", "ctwa_clid")];
    for (column, key) in keys {
        let Some(choice) = fit.choice_mut(column) else { continue };
        let of = |place: &Place| ColumnSource { key: vec![format!("#wa.referral.{key}")], ..ColumnSource::column(&place.column) };
        choice.sources = texts.iter().map(of).collect();
        choice.by_name = true;
        if column == "ad_id" && !texts.is_empty() {
            choice
                .notes
                .push("its texts look like JSON and are none, as Python prints a dict: land them with json.dumps".to_string());
        }
    }
}

fn zone_of_folders(found: &FoundTable, fit: &Fit, looked: &Looked<'_>) -> Option<(String, String, bool)> {
    let column = match fit.table.name {
        "messages" => "sent_at",
        "events" => "occurred_at",
        _ => return None,
    };
    if found.patterns.iter().any(|pattern| bare(&pattern.to_string()).contains("daybr")) {
        return Some(("-03:00".to_string(), "Blip's days are Brasilia's, not UTC's".to_string(), true));
    }
    let seems = details::hours_of_folders(fit, looked, column);
    seems.map(|(hours, fitting, all)| {
        let sign = if hours < 0 { '-' } else { '+' };
        let text = format!("{fitting} of {all} times looked at lie on their folder's day there, fewer in UTC");
        (format!("{sign}{:02}:00", hours.abs()), text, false)
    })
}

/// The folder that is meant for a table, and the others that could be; none where nothing tells them apart.
pub(super) fn pick<'c>(
    candidates: &'c [Candidate],
    table: &str,
    wanted: Option<&str>,
) -> (Option<&'c Candidate>, Vec<&'c Candidate>) {
    let mut of_kind: Vec<&Candidate> = candidates.iter().filter(|candidate| candidate.table() == Some(table)).collect();
    if let Some(wanted) = wanted {
        let is_meant = |candidate: &&Candidate| candidate.found.folder == wanted.trim_matches('/');
        let (meant, others): (Vec<&Candidate>, _) = of_kind.into_iter().partition(is_meant);
        return (meant.first().copied(), others);
    }
    if let [only] = of_kind[..] {
        return (Some(only), Vec::new());
    }
    let is_usable = |candidate: &&Candidate| table == "identities" || !candidate.found.patterns.is_empty();
    let usable: Vec<&Candidate> = of_kind.iter().copied().filter(is_usable).collect();
    let named: Vec<&Candidate> = usable.iter().copied().filter(|candidate| values::is_name_of(candidate.name(), table)).collect();
    let meant = match (&usable[..], &named[..]) {
        ([only], _) | (_, [only]) => Some(*only),
        _ => None,
    };
    of_kind.retain(|candidate| meant.is_none_or(|meant| !std::ptr::eq(*candidate, meant)));
    (meant, of_kind)
}
