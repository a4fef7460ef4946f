//! All settings of a pipeline together, with the sections that are a line or two: the lake, the output, the horizon, the share of
//! rows that may be rejected.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::bots::{self, Bot, BotCodes};
use super::document::{Placed, Section, Source};
use super::engine::EngineKind;
use super::forms::Forms;
use super::inputs::{AliasInput, Inputs, PartitionedInput};
use super::insights::Insights;
use super::marketing_api::MarketingApi;
use crate::base::alike::nearest;
use crate::base::arrival::ArrivalZone;
use crate::base::day::{Day, MICROS_PER_DAY};
use crate::base::error::{Error, Result};
use crate::base::schema::Raw;
use crate::lake::Location;

/// A pipeline, fully resolved.
#[derive(Clone, Debug)]
pub struct Settings {
    pub name: String,
    pub lake: Location,
    pub messages: PartitionedInput,
    pub events: PartitionedInput,
    pub identities: Option<AliasInput>,
    pub insights: Option<Insights>,
    pub output: Location,
    pub engine: EngineKind,
    pub horizon: Horizon,
    /// What of a contact's id is not the contact.
    pub forms: Forms,
    /// The share of a partition's rows that could count which may be rejected before the partition is refused.
    pub max_rejected_share: f64,
    /// The bots, sorted by id.
    pub bots: Vec<Bot>,
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

    fn read(section: Option<Section<'_>>) -> Result<Horizon> {
        let Some(section) = section else { return Ok(HORIZON) };
        let days = section.integer("window_days")?;
        section.finish()?;
        match days {
            Some(days) if !(1..=90).contains(&days.value) => {
                Err(days.error(format!("window_days is {}, a number from 1 to 90 is needed", days.value)))
            }
            Some(days) => Ok(Horizon { days: days.value as i32 }),
            None => Ok(HORIZON),
        }
    }
}

/// The horizon where the file does not shorten it (rule 4).
const HORIZON: Horizon = Horizon { days: 90 };

const DEFAULT_REJECTED_SHARE: f64 = 0.01;

impl Settings {
    /// The bot of this id; none where the pipeline names no such bot.
    pub fn bot(&self, id: &str) -> Option<&Bot> {
        self.bots.iter().find(|bot| bot.id == id)
    }

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
        let lake = lake(&root, base)?;
        let Inputs { messages, events, identities } = Inputs::read(root.section("inputs")?)?;
        let insights = root.section("insights")?.map(|section| Insights::read(section, base)).transpose()?;
        let placed_output = output(root.section("output")?, &lake, base, file)?;
        let of_raw = [("messages", &messages.path), ("events", &events.path)];
        let of_insights = insights.as_ref().map(|insights| ("insights", &insights.path));
        outside(&placed_output, &lake, of_raw.into_iter().chain(of_insights))?;
        let horizon = Horizon::read(root.section("attribution")?)?;
        let forms = Forms::read(root.section("identity")?)?;
        let engine = EngineKind::read(root.section("engine")?)?;
        let max_rejected_share = max_rejected_share(root.section("quality")?)?;
        let bots = bots::read(&root)?;
        root.finish()?;
        let output = placed_output.value;
        Ok(Settings {
            name,
            lake,
            messages,
            events,
            identities,
            insights,
            output,
            engine,
            horizon,
            forms,
            max_rejected_share,
            bots,
        })
    }

    /// A raw table's folder.
    pub fn raw(&self, table: Raw) -> &PartitionedInput {
        match table {
            Raw::Messages => &self.messages,
            Raw::Events => &self.events,
        }
    }

    /// The first instant of a day of arrival of either table.
    pub fn arrival_start(&self, day: Day) -> i64 {
        Raw::BOTH.map(|table| self.raw(table).zone.start_of(day)).into_iter().min().unwrap_or(day.start_utc())
    }

    /// The instant up to which all has landed, once this day of arrival of both tables has.
    pub fn landed_until(&self, day: Day) -> i64 {
        self.arrival_start(day.next())
    }

    /// How many days a local day can lie beside a day of arrival that holds one of its instants.
    pub(crate) fn days_beside(&self) -> i32 {
        let is_utc = |table: Raw| self.raw(table).zone == ArrivalZone::Utc;
        if Raw::BOTH.into_iter().all(is_utc) { 1 } else { 2 }
    }

    /// The index of each bot's id, as working tables have it: members are resolved.
    pub fn bot_codes(&self) -> BotCodes<'_> {
        self.bots.iter().enumerate().map(|(i, bot)| (bot.id.as_str(), i as u32)).collect()
    }

    /// Bot ids and their members' ids, each with the index of the bot its rows count for (rule 16).
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

    /// The ids of each bot's test contacts: as they are named, and in the pipeline's forms, in which contacts are compared (rules 16
    /// and 25).
    pub fn test_ids(&self) -> Vec<BTreeSet<String>> {
        let of_bot = |bot: &Bot| {
            let in_forms = bot.test_contacts.iter().map(|contact| self.forms.of(contact).into_owned());
            bot.test_contacts.iter().cloned().chain(in_forms).collect()
        };
        self.bots.iter().map(of_bot).collect()
    }

    /// Whether a bot has contacts whose rows count nowhere.
    pub fn has_test_contacts(&self) -> bool {
        self.bots.iter().any(|bot| !bot.test_contacts.is_empty())
    }

    pub fn listed_accounts(&self) -> BTreeSet<&str> {
        self.bots.iter().flat_map(|bot| bot.ad_accounts.iter().map(String::as_str)).collect()
    }
}

fn lake(root: &Section<'_>, base: &Path) -> Result<Location> {
    let section =
        root.section("lake")?.ok_or_else(|| root.error("section [lake] is missing").mend("add [lake] with url = \"...\""))?;
    let lake = section.required_text("url")?.try_map(|url| Location::resolve(&url, base))?.value;
    section.finish()?;
    Ok(lake)
}

/// The location of the output, with the place in the pipeline file that says so.
fn output(section: Option<Section<'_>>, lake: &Location, base: &Path, file: &str) -> Result<Placed<Location>> {
    let default = || Placed { value: lake.join("ctwa"), place: file.to_string() };
    let Some(section) = section else { return Ok(default()) };
    let url = section.text("url")?;
    section.finish()?;
    url.map_or_else(|| Ok(default()), |url| url.try_map(|url| Location::resolve(&url, base)))
}

/// What a run publishes must not land among what it reads.
fn outside<'t>(
    output: &Placed<Location>,
    lake: &Location,
    mut inputs: impl Iterator<Item = (&'static str, &'t String)>,
) -> Result<()> {
    match inputs.find(|(_, path)| output.value.is_within(&lake.join(path))) {
        None => Ok(()),
        Some((table, _)) => Err(output
            .error(format!("the output {} lies inside the folder of {table}", output.value))
            .mend("give [output] a url of its own")),
    }
}

fn max_rejected_share(section: Option<Section<'_>>) -> Result<f64> {
    let Some(section) = section else { return Ok(DEFAULT_REJECTED_SHARE) };
    let share = section.number("max_rejected_share")?;
    section.finish()?;
    match share {
        Some(share) if !(0.0..=1.0).contains(&share.value) => {
            Err(share.error(format!("max_rejected_share is {}, a share from 0 to 1 is needed", share.value)))
        }
        Some(share) => Ok(share.value),
        None => Ok(DEFAULT_REJECTED_SHARE),
    }
}

/// As many bots are named where none is near.
const BOTS_NAMED: usize = 5;

/// A usage error that names the nearest one where the pipeline has no such bot.
pub fn known_bot(settings: &Settings, asked: &str) -> Result<()> {
    if settings.bot(asked).is_some() {
        return Ok(());
    }
    if let Some(owner) = settings.bots.iter().find(|bot| bot.members.iter().any(|member| member == asked)) {
        return Err(Error::usage(format!("{asked:?} is a member of bot {:?}, which has its figures", owner.id))
            .mend(format!("write --bot {}", owner.id)));
    }
    let near = nearest(settings.bots.iter().map(|bot| bot.id.as_str()), asked);
    let error = Error::usage(format!("the pipeline names no bot {asked:?}")).with("pipeline", &settings.name);
    let some = settings.bots.iter().take(BOTS_NAMED).map(|bot| format!("{:?}", bot.id)).collect::<Vec<_>>().join(", ");
    let more = if settings.bots.len() > BOTS_NAMED { ", ..." } else { "" };
    Err(error.mend(match near {
        Some(near) => format!("did you mean {near:?}?"),
        None => format!("its bots are {some}{more}"),
    }))
}
