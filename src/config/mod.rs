//! The pipeline file, resolved: zones loaded, locations made absolute, every setting checked before any work is done.
//!
//! In: one TOML file. Out: [`Settings`], which the rest of the program never questions again. Every mistake is a usage error
//! that names the place in the file and the mend. Key names are the contract's.
//!
//! ```text
//! document.rs        read key by key, with places
//! edit.rs            a setting written into it
//! engine.rs          which engine finds sessions
//! marketing_api.rs   how insights are fetched
//! secret.rs          a token that cannot be printed
//! ```

mod document;
mod edit;
mod engine;
mod marketing_api;
pub mod secret;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use chrono::DateTime;
use foldhash::fast::FixedState;
use serde::{Deserialize, Serialize};

use crate::base::day::{Day, MICROS_PER_DAY, Zone};
use crate::base::error::{Error, Result};
use crate::base::mapping::{Column, TableMapping, TextSource, TimeUnit};
use crate::base::schema;
use crate::lake::Location;
use document::{Alternative, Placed, Section, Source, nearest};

pub use edit::with_setting;
pub use engine::EngineKind;
pub use marketing_api::{ClientSettings, MarketingApi, TokenPlace, base_url, is_loopback};

/// A pipeline, fully resolved.
#[derive(Clone, Debug)]
pub struct Settings {
    pub name: String,
    pub lake: Location,
    pub messages: PartitionedInput,
    pub events: PartitionedInput,
    /// Folder (or file) of the alias table.
    pub identities: Option<String>,
    pub insights: Option<Insights>,
    pub output: Location,
    pub engine: EngineKind,
    pub horizon: Horizon,
    /// Of a partition's rows that could count, the share that may be rejected before the partition is refused.
    pub max_rejected_share: f64,
    /// Sorted by id.
    pub bots: Vec<Bot>,
}

/// A table of the lake in folders `date=YYYY-MM-DD` by UTC day of arrival.
#[derive(Clone, Debug)]
pub struct PartitionedInput {
    pub path: String,
    pub marker: Option<String>,
    pub allow_missing: BTreeSet<Day>,
    pub columns: TableMapping,
}

/// Meta's figures in the lake.
#[derive(Clone, Debug)]
pub struct Insights {
    pub path: String,
    /// How they are fetched; none where somebody's loader lands them.
    pub api: Option<MarketingApi>,
}

/// How long after its touch a session can convert: an elapsed time, the end included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Horizon {
    pub days: i32,
}

impl Horizon {
    pub fn micros(self) -> i64 {
        self.days as i64 * MICROS_PER_DAY
    }
}

/// One WhatsApp business contact and its settings.
#[derive(Clone, Debug)]
pub struct Bot {
    pub id: String,
    /// Sub-bots whose rows count as this bot's.
    pub members: Vec<String>,
    pub zone: Zone,
    /// With the `act_` prefix.
    pub ad_accounts: Vec<String>,
    /// Oldest first.
    pub conversion_events: Vec<ConversionSetting>,
}

/// From `effective_at` on, until the next setting, this category is the conversion event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConversionSetting {
    pub category: String,
    /// Microseconds since the epoch.
    pub effective_at: i64,
}

impl Bot {
    /// The conversion event's category at an instant (rule 8).
    pub fn category_at(&self, instant: i64) -> Option<&str> {
        let n = self.conversion_events.partition_point(|setting| setting.effective_at <= instant);
        n.checked_sub(1).map(|i| self.conversion_events[i].category.as_str())
    }

    /// Whether conversions are a number on this local day, or unknown because nothing was configured yet (rule 10).
    pub fn is_configured_on(&self, day: Day) -> bool {
        self.conversion_events.first().is_some_and(|first| self.zone.end_of(day) > first.effective_at)
    }

    pub fn names_category(&self, category: &str) -> bool {
        self.conversion_events.iter().any(|setting| setting.category == category)
    }
}

/// The index of each bot's id.
pub type BotCodes<'a> = HashMap<&'a str, u32, FixedState>;

impl Settings {
    pub fn load(path: &Path) -> Result<Settings> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|error| {
            Error::usage("the pipeline file cannot be read")
                .with("file", &name)
                .source(error)
                .mend("give the path of a pipeline TOML file")
        })?;
        let base = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
            _ => Path::new(".").to_path_buf(),
        };
        Settings::parse(&name, &text, &base)
    }

    /// Relative locations are resolved against `base`, the folder of the pipeline file.
    pub fn parse(file: &str, text: &str, base: &Path) -> Result<Settings> {
        let source = Source::new(file, text);
        let document = source.parse()?;
        let root = Section::root(&source, &document);
        let name = root.required_text("name")?.value;

        let lake_section =
            root.section("lake")?.ok_or_else(|| root.error("section [lake] is missing").mend("add [lake] with url = \"...\""))?;
        let lake = lake_section.required_text("url")?.try_map(|url| Location::resolve(&url, base))?.value;
        lake_section.finish()?;

        let inputs = root.section("inputs")?;
        let input = |key| inputs.as_ref().map(|inputs| inputs.section(key)).transpose().map(Option::flatten);
        let messages = partitioned_input(input("messages")?, &schema::MESSAGES, "messages")?;
        let events = partitioned_input(input("events")?, &schema::EVENTS, "events")?;
        let identities = match input("identities")? {
            Some(section) => {
                let path = section.text("path")?.map_or("identities".to_string(), |path| path.value);
                section.finish()?;
                Some(path)
            }
            None => None,
        };
        if let Some(inputs) = &inputs {
            inputs.finish()?;
        }

        let insights = root.section("insights")?.map(|section| insights(section, base)).transpose()?;
        let Placed { value: output, place: output_place } = output(root.section("output")?, &lake, base, file)?;
        for (table, path) in
            [("messages", Some(&messages.path)), ("events", Some(&events.path)), ("insights", insights.as_ref().map(|i| &i.path))]
        {
            if let Some(path) = path
                && output.is_within(&lake.join(path))
            {
                return Err(Error::usage(format!("the output {output} lies inside the folder of {table}"))
                    .with("at", output_place)
                    .mend("give [output] a url of its own"));
            }
        }

        let horizon = match root.section("attribution")? {
            Some(section) => {
                let days = section.integer("window_days")?;
                section.finish()?;
                match days {
                    Some(days) if !(1..=90).contains(&days.value) => {
                        return Err(days.error(format!("window_days is {}, from 1 to 90 is possible", days.value)));
                    }
                    Some(days) => Horizon { days: days.value as i32 },
                    None => Horizon { days: 90 },
                }
            }
            None => Horizon { days: 90 },
        };

        let engine = EngineKind::read(root.section("engine")?)?;
        let max_rejected_share = match root.section("quality")? {
            Some(section) => {
                let share = section.number("max_rejected_share")?;
                section.finish()?;
                match share {
                    Some(share) if !(0.0..=1.0).contains(&share.value) => {
                        return Err(share.error(format!("max_rejected_share is {}, a share from 0 to 1 is needed", share.value)));
                    }
                    Some(share) => share.value,
                    None => DEFAULT_REJECTED_SHARE,
                }
            }
            None => DEFAULT_REJECTED_SHARE,
        };

        let bots = root.sections("bots")?.into_iter().map(bot).collect::<Result<Vec<_>>>()?;
        if bots.is_empty() {
            return Err(root.error("no bot is named").mend("add [[bots]] with id and timezone"));
        }
        let bots = distinct_bots(bots)?;
        root.finish()?;
        Ok(Settings { name, lake, messages, events, identities, insights, output, engine, horizon, max_rejected_share, bots })
    }

    /// Bot ids and their members' ids, each with the index of the bot its rows count for (rule 16).
    /// The index of each bot's id, as working tables have it: members are resolved.
    pub fn bot_codes(&self) -> BotCodes<'_> {
        self.bots.iter().enumerate().map(|(i, bot)| (bot.id.as_str(), i as u32)).collect()
    }

    pub fn bot_by_id(&self) -> BTreeMap<&str, usize> {
        let mut by_id = BTreeMap::new();
        for (i, bot) in self.bots.iter().enumerate() {
            by_id.insert(bot.id.as_str(), i);
            by_id.extend(bot.members.iter().map(|member| (member.as_str(), i)));
        }
        by_id
    }

    /// How Meta's figures are fetched, and the folder they are landed in.
    pub fn fetched_insights(&self) -> Option<(&MarketingApi, &str)> {
        let insights = self.insights.as_ref()?;
        Some((insights.api.as_ref()?, &insights.path))
    }

    pub fn listed_accounts(&self) -> BTreeSet<&str> {
        self.bots.iter().flat_map(|bot| bot.ad_accounts.iter().map(String::as_str)).collect()
    }
}

const DEFAULT_REJECTED_SHARE: f64 = 0.01;

fn partitioned_input(
    section: Option<Section<'_>>,
    table: &'static schema::InputTable,
    default_path: &str,
) -> Result<PartitionedInput> {
    let Some(section) = section else {
        return Ok(PartitionedInput {
            path: default_path.to_string(),
            marker: None,
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
    let allow_missing = section
        .texts("allow_missing")?
        .into_iter()
        .map(|day| day.try_map(|text| text.parse::<Day>()).map(|day| day.value))
        .collect::<Result<_>>()?;
    let columns = match section.section("columns")? {
        Some(columns) => mapping(&columns, table)?,
        None => TableMapping::identity(table),
    };
    section.finish()?;
    Ok(PartitionedInput { path, marker, allow_missing, columns })
}

fn mapping(section: &Section<'_>, table: &'static schema::InputTable) -> Result<TableMapping> {
    let mut columns = Vec::new();
    for column in table.columns {
        let sources = section.alternatives(column.name, |alternative| match alternative {
            Alternative::Text(column) => Ok(TextSource::column(column)),
            Alternative::Section(section) => text_source(&section, column),
        })?;
        columns.push(match sources {
            Some(sources) if sources.is_empty() => {
                return Err(section.error(format!("`{}` is an empty list", column.name)).mend("name at least one column"));
            }
            Some(sources) => Column { spec: column, sources, mapped: true },
            None => Column { spec: column, sources: vec![TextSource::column(column.name)], mapped: false },
        });
    }
    section.finish()?;
    Ok(TableMapping { table, columns })
}

fn text_source(section: &Section<'_>, column: &schema::InputColumn) -> Result<TextSource> {
    let name = section.required_text("column")?.value;
    let key = section.text("key")?.map(|key| key.value);
    let unit = section.text("unit")?;
    let unit = match unit {
        Some(unit) if !column.is_instant() => {
            return Err(unit.error(format!("`unit` is for times, {} is a text", column.name)).mend("remove it"));
        }
        Some(unit) => Some(
            unit.try_map(|text| match text.as_str() {
                "s" => Ok(TimeUnit::Second),
                "ms" => Ok(TimeUnit::Millisecond),
                "us" => Ok(TimeUnit::Microsecond),
                other => Err(Error::usage(format!("unit {other:?} is not known")).mend("write \"s\", \"ms\" or \"us\"")),
            })?
            .value,
        ),
        None => None,
    };
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
    section.finish()?;
    Ok(TextSource { column: name, key, unit, values })
}

fn insights(section: Section<'_>, base: &Path) -> Result<Insights> {
    let source = section.required_text("source")?;
    let path = section.text("path")?.map_or("insights".to_string(), |path| path.value.trim_matches('/').to_string());
    match source.value.as_str() {
        "landed" => {
            section.finish()?;
            Ok(Insights { path, api: None })
        }
        "marketing-api" => {
            let api = MarketingApi::read(&section, base)?;
            section.finish()?;
            Ok(Insights { path, api: Some(api) })
        }
        other => Err(source
            .error(format!("insights source {other:?} is not known"))
            .mend("write source = \"landed\" or source = \"marketing-api\"")),
    }
}

/// Where the output goes, and where the pipeline file says so.
fn output(section: Option<Section<'_>>, lake: &Location, base: &Path, file: &str) -> Result<Placed<Location>> {
    let default = || Placed { value: lake.join("ctwa"), place: file.to_string() };
    let Some(section) = section else { return Ok(default()) };
    let url = section.text("url")?;
    section.finish()?;
    url.map_or_else(|| Ok(default()), |url| url.try_map(|url| Location::resolve(&url, base)))
}

fn bot(section: Section<'_>) -> Result<Placed<(Bot, Vec<Placed<String>>)>> {
    let id = section.required_text("id")?;
    let members = section.texts("members")?;
    let zone = section.required_text("timezone")?.try_map(|name| name.parse::<Zone>())?.value;
    let mut ad_accounts: Vec<String> = Vec::new();
    for account in section.texts("ad_accounts")? {
        let digits = account.value.strip_prefix("act_").unwrap_or(&account.value);
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(account.error(format!("{:?} is not an ad account", account.value)).mend("write it as \"act_<digits>\""));
        }
        let normal = format!("act_{digits}");
        if ad_accounts.contains(&normal) {
            return Err(account.error(format!("ad account {normal} stands twice")).mend("remove one"));
        }
        ad_accounts.push(normal);
    }
    let mut conversion_events: Vec<ConversionSetting> = Vec::new();
    for setting in section.sections("conversion_events")? {
        let category = setting.required_text("category")?.value;
        let effective_at = setting.required_text("effective_at")?.try_map(|text| {
            DateTime::parse_from_rfc3339(&text).map(|time| time.timestamp_micros()).map_err(|error| {
                Error::usage(format!("{text:?} is not a time with an offset"))
                    .source(error)
                    .mend("write it as 2026-08-11T00:00:00Z")
            })
        })?;
        setting.finish()?;
        if let Some(last) = conversion_events.last() {
            if last.effective_at == effective_at.value {
                return Err(effective_at.error("two settings are effective at the same instant").mend("keep one of them"));
            }
            if last.effective_at > effective_at.value {
                return Err(effective_at.error("settings are not in order of effective_at").mend("write the oldest first"));
            }
        }
        conversion_events.push(ConversionSetting { category, effective_at: effective_at.value });
    }
    section.finish()?;
    let place = section.place().to_string();
    let bot = Bot {
        id: id.value,
        members: members.iter().map(|member| member.value.clone()).collect(),
        zone,
        ad_accounts,
        conversion_events,
    };
    Ok(Placed { value: (bot, members), place })
}

/// Every id, of a bot or of a member, stands for one bot.
fn distinct_bots(bots: Vec<Placed<(Bot, Vec<Placed<String>>)>>) -> Result<Vec<Bot>> {
    let mut owners: BTreeMap<String, String> = BTreeMap::new();
    for Placed { value: (bot, _), place } in &bots {
        if owners.insert(bot.id.clone(), bot.id.clone()).is_some() {
            return Err(Error::usage(format!("bot {:?} stands twice", bot.id)).with("at", place).mend("keep one of them"));
        }
    }
    for Placed { value: (bot, members), .. } in &bots {
        for member in members {
            if member.value.trim().is_empty() {
                return Err(member.error(format!("bot {:?} has a blank member", bot.id)).mend("remove it"));
            }
            match owners.insert(member.value.clone(), bot.id.clone()) {
                None => {}
                Some(owner) if owner == member.value => {
                    return Err(member
                        .error(format!("{:?} is a bot of its own and a member of {:?}", member.value, bot.id))
                        .mend("remove one of the two: a row can count for one bot only"));
                }
                Some(owner) => {
                    return Err(member
                        .error(format!("{:?} is a member of {owner:?} already", member.value))
                        .mend("remove one of the two: a row can count for one bot only"));
                }
            }
        }
    }
    let mut bots: Vec<Bot> = bots.into_iter().map(|bot| bot.value.0).collect();
    // The order in the file means nothing.
    bots.sort_unstable_by(|a, b| a.id.cmp(&b.id));
    Ok(bots)
}

/// A usage error that names the nearest one where the pipeline has no such bot.
pub fn known_bot(settings: &Settings, asked: &str) -> Result<()> {
    if settings.bots.iter().any(|bot| bot.id == asked) {
        return Ok(());
    }
    if let Some(owner) = settings.bots.iter().find(|bot| bot.members.iter().any(|member| member == asked)) {
        return Err(Error::usage(format!("{asked:?} is a member of bot {:?}, which has its figures", owner.id))
            .mend(format!("write --bot {}", owner.id)));
    }
    let near = nearest(settings.bots.iter().map(|bot| bot.id.as_str()), asked);
    let error = Error::usage(format!("the pipeline names no bot {asked:?}")).with("pipeline", &settings.name);
    Err(match near {
        Some(near) => error.mend(format!("did you mean {near:?}?")),
        None => error,
    })
}
