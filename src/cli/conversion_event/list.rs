//! `ctwa conversion-event list`: the settings of each bot.

use std::path::PathBuf;

use clap::Args;
use clap_complete::engine::ArgValueCompleter;
use serde::Serialize;

use crate::base::error::Result;
use crate::cli::complete;
use crate::cli::exit::Exit;
use crate::cli::machine::clock;
use crate::cli::stdout::print_as;
use crate::cli::terminal;
use crate::cli::text::category;
use crate::config::{ConversionSetting, Settings, known_bot};
use crate::report::grid::{Content, small_table};
use crate::report::style::Style;

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct ListArgs {
    /// The pipeline file.
    pipeline: PathBuf,
    /// Only this bot; may be given several times.
    #[arg(long = "bot", value_name = "ID", add = ArgValueCompleter::new(complete::bots))]
    bots: Vec<String>,
    /// Print one JSON object as the result.
    #[arg(long)]
    pub json: bool,
}

const EXAMPLES: &str = "Examples:
  ctwa conversion-event list nightly.toml";

pub(super) fn execute(args: &ListArgs) -> Result<Exit> {
    let settings = Settings::load(&args.pipeline)?;
    args.bots.iter().try_for_each(|bot| known_bot(&settings, bot))?;
    let list = SettingsList::of(&settings, &args.bots, clock().timestamp_micros());
    print_as(args.json, &list, |list| list.text(terminal::style()))?;
    Ok(Exit::Done)
}

#[derive(Serialize)]
struct SettingsList {
    pipeline: String,
    bots: Vec<BotSettings>,
}

#[derive(Serialize)]
struct BotSettings {
    bot_id: String,
    timezone: &'static str,
    in_effect: Option<String>,
    conversion_events: Vec<SettingRow>,
}

/// Times are RFC 3339 in the bot's zone.
#[derive(Serialize)]
struct SettingRow {
    category: String,
    effective_at: String,
    until: Option<String>,
    state: &'static str,
}

impl SettingsList {
    fn of(settings: &Settings, asked: &[String], now: i64) -> SettingsList {
        let bots = settings.bots.iter().filter(|bot| asked.is_empty() || asked.contains(&bot.id)).map(|bot| {
            let next = bot.conversion_events.iter().skip(1).map(|next| Some(next.effective_at)).chain([None]);
            let row = |(setting, until): (&ConversionSetting, Option<i64>)| SettingRow {
                category: setting.category.clone(),
                effective_at: bot.zone.time(setting.effective_at),
                until: until.map(|until| bot.zone.time(until)),
                state: match (setting.effective_at <= now, until.is_some_and(|until| until <= now)) {
                    (false, _) => "to come",
                    (true, true) => "past",
                    (true, false) => "in effect",
                },
            };
            BotSettings {
                bot_id: bot.id.clone(),
                timezone: bot.zone.name(),
                in_effect: bot.category_at(now).map(str::to_string),
                conversion_events: bot.conversion_events.iter().zip(next).map(row).collect(),
            }
        });
        SettingsList { pipeline: settings.name.clone(), bots: bots.collect() }
    }

    fn text(&self, style: Style) -> String {
        let columns = [
            ("bot", Content::Text),
            ("category", Content::LongText),
            ("from", Content::Text),
            ("until", Content::Text),
            ("", Content::Text),
        ];
        // In the zone of the bot, to the minute where somebody reads it.
        let at =
            |time: &str| time.get(..16).filter(|_| style.at_terminal).map_or(time.to_string(), |minute| minute.replace('T', " "));
        let mut rows = Vec::new();
        for bot in &self.bots {
            if bot.conversion_events.is_empty() {
                rows.push([&bot.bot_id, "-", "-", "-", "not set"].map(str::to_string).to_vec());
            }
            for (i, setting) in bot.conversion_events.iter().enumerate() {
                let bot_id = if i == 0 { bot.bot_id.as_str() } else { "" };
                let (from, until) = (at(&setting.effective_at), at(setting.until.as_deref().unwrap_or("-")));
                let cells = [bot_id, &category(&setting.category), &from, &until, setting.state];
                rows.push(cells.map(str::to_string).to_vec());
            }
        }
        let mut text = small_table(&columns, &rows, &[3], style).join("\n") + "\n";
        if self.bots.iter().any(|bot| bot.in_effect.is_none()) {
            let note = "where none is in effect nothing converts: `ctwa conversion-event categories` shows what could";
            let lines: Vec<String> = style.lines(note).iter().map(|line| style.faint(line)).collect();
            text.push_str(&format!("\n{}\n", lines.join("\n")));
        }
        text
    }
}
