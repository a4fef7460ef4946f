//! `ctwa conversion-event`: which category counts in each bot, which could, and the setting of another.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde::Serialize;

use crate::base::error::{Error, Result};
use crate::commands::categories::{self, Categories};
use crate::commands::new_setting::{NewSetting, Wish, new_setting};
use crate::config::{Settings, known_bot};
use crate::known::job::Wanted;
use crate::report::grid::{Content, small_table};
use crate::report::style::{Style, counted, harmless, visible};

use super::{Exit, now, print, print_json, terminal, with_job};

#[derive(Args)]
pub(super) struct ConversionEventArgs {
    #[command(subcommand)]
    command: ConversionEvent,
}

#[derive(Subcommand)]
enum ConversionEvent {
    /// The settings of each bot: since when each holds, and which one is in effect.
    List(ListArgs),
    /// The categories of the last days, and what each would yield as the conversion event. Changes nothing.
    Categories(CategoriesArgs),
    /// Write another conversion event into the pipeline file. What was counted stays.
    Set(SetArgs),
}

#[derive(Args)]
#[command(after_help = LIST_EXAMPLES)]
struct ListArgs {
    /// The pipeline file.
    pipeline: PathBuf,
    /// Only this bot; may be given several times.
    #[arg(long = "bot", value_name = "ID")]
    bots: Vec<String>,
    /// Print one JSON object as the result.
    #[arg(long)]
    json: bool,
}

const LIST_EXAMPLES: &str = "Examples:
  ctwa conversion-event list nightly.toml";

#[derive(Args)]
#[command(after_help = CATEGORIES_EXAMPLES)]
struct CategoriesArgs {
    /// The pipeline file.
    pipeline: PathBuf,
    /// Only this bot; may be given several times.
    #[arg(long = "bot", value_name = "ID")]
    bots: Vec<String>,
    /// How many days to look at, up to the last that has landed.
    #[arg(long, value_name = "N", default_value_t = 90, value_parser = clap::value_parser!(u16).range(1..=400))]
    days: u16,
    /// Print one JSON object as the result.
    #[arg(long)]
    json: bool,
}

const CATEGORIES_EXAMPLES: &str = "Examples:
  ctwa conversion-event categories nightly.toml
  ctwa conversion-event categories nightly.toml --bot shop-br@msging.net --days 28 --json";

#[derive(Args)]
#[command(after_help = SET_EXAMPLES)]
struct SetArgs {
    /// The pipeline file. It keeps its comments and order.
    pipeline: PathBuf,
    /// The bot.
    #[arg(long, value_name = "ID")]
    bot: String,
    /// The category, as it stands in the events: case and accents matter.
    #[arg(long, value_name = "CATEGORY")]
    category: String,
    /// From when on: a time with an offset, or a day of the bot's zone. Without it, from now on.
    #[arg(long, value_name = "TIME")]
    effective_at: Option<String>,
    /// Take a category that no event had in the last 90 days.
    #[arg(long)]
    unseen: bool,
    /// Print one JSON object as the result.
    #[arg(long)]
    json: bool,
}

const SET_EXAMPLES: &str = "Examples:
  ctwa conversion-event set nightly.toml --bot shop-br@msging.net --category purchase
  ctwa conversion-event set nightly.toml --bot shop-br@msging.net --category purchase --effective-at 2026-12-01
  ctwa conversion-event set nightly.toml --bot shop-br@msging.net --category refund --unseen";

const DAYS_LOOKED_AT: u16 = 90;

impl ConversionEventArgs {
    pub(super) fn wants_json(&self) -> bool {
        match &self.command {
            ConversionEvent::List(args) => args.json,
            ConversionEvent::Categories(args) => args.json,
            ConversionEvent::Set(args) => args.json,
        }
    }
}

pub(super) fn execute(args: &ConversionEventArgs) -> Result<Exit> {
    match &args.command {
        ConversionEvent::List(args) => {
            let settings = Settings::load(&args.pipeline)?;
            args.bots.iter().try_for_each(|bot| known_bot(&settings, bot))?;
            let history = History::of(&settings, &args.bots, now());
            if args.json {
                print_json(&history)?
            } else {
                print(&history.text(terminal::stdout()))?
            }
            Ok(Exit::Done)
        }
        ConversionEvent::Categories(args) => {
            let settings = Settings::load(&args.pipeline)?;
            args.bots.iter().try_for_each(|bot| known_bot(&settings, bot))?;
            let found =
                with_job(&settings, Wanted::Through(None), true, |job| categories::categories(job, &args.bots, args.days))?;
            if args.json {
                print_json(&found)?
            } else {
                print(&categories_text(&found, terminal::stdout()))?
            }
            Ok(found.worst.into())
        }
        ConversionEvent::Set(args) => {
            let new = set(args)?;
            if args.json {
                print_json(&new)?
            } else {
                print(&set_text(&new, &args.pipeline))?
            }
            Ok(Exit::Done)
        }
    }
}

// ------------------------------------------------------------------------------------------------------------------- list

#[derive(Serialize)]
struct History {
    pipeline: String,
    bots: Vec<BotHistory>,
}

#[derive(Serialize)]
struct BotHistory {
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

impl History {
    fn of(settings: &Settings, asked: &[String], now: i64) -> History {
        let bots = settings.bots.iter().filter(|bot| asked.is_empty() || asked.contains(&bot.id)).map(|bot| {
            let next = bot.conversion_events.iter().skip(1).map(|next| Some(next.effective_at)).chain([None]);
            let row = |(setting, next): (&crate::config::ConversionSetting, Option<i64>)| SettingRow {
                category: setting.category.clone(),
                effective_at: bot.zone.time(setting.effective_at),
                until: next.map(|next| bot.zone.time(next)),
                state: match (setting.effective_at <= now, next.is_some_and(|next| next <= now)) {
                    (false, _) => "to come",
                    (true, true) => "past",
                    (true, false) => "in effect",
                },
            };
            BotHistory {
                bot_id: bot.id.clone(),
                timezone: bot.zone.name(),
                in_effect: bot.category_at(now).map(str::to_string),
                conversion_events: bot.conversion_events.iter().zip(next).map(row).collect(),
            }
        });
        History { pipeline: settings.name.clone(), bots: bots.collect() }
    }

    fn text(&self, style: Style) -> String {
        let columns = [
            ("bot", Content::Text),
            ("category", Content::LongText),
            ("from", Content::Text),
            ("until", Content::Text),
            ("", Content::Text),
        ];
        let mut rows = Vec::new();
        for bot in &self.bots {
            if bot.conversion_events.is_empty() {
                rows.push([&bot.bot_id, "-", "-", "-", "not set"].map(str::to_string).to_vec());
            }
            for (i, setting) in bot.conversion_events.iter().enumerate() {
                let bot_id = if i == 0 { bot.bot_id.as_str() } else { "" };
                let until = setting.until.as_deref().unwrap_or("-");
                let cells = [bot_id, &shown(&setting.category), &setting.effective_at, until, setting.state];
                rows.push(cells.map(str::to_string).to_vec());
            }
        }
        let mut text = small_table(&columns, &rows, style).join("\n") + "\n";
        if self.bots.iter().any(|bot| bot.in_effect.is_none()) {
            let note = "where none is in effect nothing converts: `ctwa conversion-event categories` shows what could";
            text.push_str(&format!("\n{}\n", style.faint(note)));
        }
        text
    }
}

// ------------------------------------------------------------------------------------------------------------- categories

fn categories_text(found: &Categories, style: Style) -> String {
    let columns = [
        ("category", Content::LongText),
        ("events", Content::Number),
        ("last seen", Content::Text),
        ("conversions", Content::Number),
        ("without ad", Content::Number),
        ("in a session", Content::Number),
        ("", Content::Text),
    ];
    let mut text = String::new();
    if let Some((first, last)) = found.first_day.zip(found.last_day) {
        text.push_str(&format!("{first}..{last}, by the events' own time in each bot's zone\n"));
    }
    for bot in &found.bots {
        text.push_str(&format!("\n{}\n", style.heading(&format!("{} ({})", visible(&bot.bot_id), bot.timezone))));
        if bot.categories.is_empty() {
            text.push_str("no event with a category\n");
            continue;
        }
        let row = |row: &categories::CategoryRow| {
            let in_effect = bot.category_in_effect.as_ref() == Some(&row.category);
            let minute = row.last_seen.get(..16).unwrap_or(&row.last_seen).replace('T', " ");
            vec![
                shown(&row.category),
                row.events.to_string(),
                minute,
                row.conversions.to_string(),
                row.unattributed_conversions.to_string(),
                percent(&row.open_session_share, style),
                if in_effect { "in effect" } else { "" }.to_string(),
            ]
        };
        let rows: Vec<Vec<String>> = bot.categories.iter().map(row).collect();
        for line in small_table(&columns, &rows, style) {
            text.push_str(&line);
            text.push('\n');
        }
        if bot.events_without_usable_time > 0 {
            let rows = counted(bot.events_without_usable_time, "event", "events");
            text.push_str(&format!("{rows} without a usable time not counted\n"));
        }
    }
    let note = "\
events: as they landed, copies included
conversions: of ads, had the category been the conversion event on all of these days; at most one per session, copies dropped
without ad: the same, of conversations that name no ad
in a session: conversions of both kinds for each event";
    text.push('\n');
    note.lines().for_each(|line| text.push_str(&format!("{}\n", style.faint(line))));
    found.failures.iter().for_each(|failure| text.push_str(&format!("not counted: {}\n", harmless(failure))));
    text
}

/// A category, in quotes where it is not what it looks like: categories compare exactly.
fn shown(category: &str) -> String {
    if visible(category) == category { category.to_string() } else { format!("{category:?}") }
}

/// A share of six decimals as `12.3%`, half up.
fn percent(share: &str, style: Style) -> String {
    let digits: String = share.chars().filter(char::is_ascii_digit).collect();
    let Ok(millionths) = digits.parse::<u64>() else { return "-".to_string() };
    let thousandths = (millionths + 500) / 1_000;
    style.numerals.write(&format!("{}.{}", thousandths / 10, thousandths % 10)) + "%"
}

// -------------------------------------------------------------------------------------------------------------------- set

fn set(args: &SetArgs) -> Result<NewSetting> {
    let settings = Settings::load(&args.pipeline)?;
    let name = args.pipeline.display().to_string();
    // A link stays one: what it leads to is written.
    let file = fs::canonicalize(&args.pipeline).map_err(|error| unwritable(&args.pipeline, error))?;
    let text = fs::read_to_string(&file).map_err(|error| unwritable(&args.pipeline, error))?;
    let base = args.pipeline.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let wish = Wish {
        bot_id: &args.bot,
        category: &args.category,
        effective_at: args.effective_at.as_deref(),
        unseen: args.unseen,
        days: DAYS_LOOKED_AT,
    };
    let new = with_job(&settings, Wanted::Through(None), false, |job| new_setting(job, &wish, &name, &text, base))?;
    if new.changed {
        replace(&file, &text, &new.text).map_err(|error| error.with("file", &name))?;
    }
    Ok(new)
}

fn unwritable(file: &Path, error: std::io::Error) -> Error {
    Error::usage("the pipeline file cannot be written")
        .with("file", file.display())
        .source(error)
        .mend("see that it and its folder can be written to")
}

/// Replaces a file at once: whoever reads it finds the old text or the new one. It keeps its permissions.
fn replace(file: &Path, old: &str, new: &str) -> Result<()> {
    let failed = |error| unwritable(file, error);
    let permissions = fs::metadata(file).map_err(failed)?.permissions();
    if permissions.readonly() {
        return Err(
            Error::usage("the pipeline file is read-only").mend("make it writable, or write the setting where it comes from")
        );
    }
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let beside = file.with_file_name(format!(".{name}.{}.new", std::process::id()));
    let write = || {
        let mut written = fs::File::options().write(true).create_new(true).open(&beside)?;
        written.write_all(new.as_bytes())?;
        written.set_permissions(permissions)?;
        written.sync_all()
    };
    let done = write().map_err(failed).and_then(|()| {
        if fs::read_to_string(file).map_err(failed)? != old {
            return Err(Error::usage("the pipeline file was changed meanwhile").mend("look at it and try again"));
        }
        fs::rename(&beside, file).map_err(failed)
    });
    if done.is_err() {
        // Another's file of that name is not ours to remove, but nobody else uses our process id.
        let _ = fs::remove_file(&beside);
    }
    done
}

fn set_text(new: &NewSetting, file: &Path) -> String {
    let bot = visible(&new.bot_id);
    if !new.changed {
        return format!(
            "{bot}: {:?} is the conversion event at {} already, nothing was changed\n",
            new.category, new.effective_at
        );
    }
    let before = new.category_before.as_ref().map_or("none".to_string(), |category| format!("{category:?}"));
    let mut lines =
        vec![format!("{bot}: from {} on the conversion event is {:?}, before that {before}", new.effective_at, new.category)];
    if let Some(until) = &new.until {
        lines.push(format!("until {until}, when the next setting takes over"));
    }
    if let Some((events, days)) = new.events_seen.zip(new.days_looked_at.as_ref()) {
        lines.push(format!("{} of that category in {days}", counted(events, "event", "events")));
    }
    lines.push(format!(
        "days before {day} stay as they are; {day} counts each event by what was in effect at its time",
        day = new.first_day
    ));
    lines.push(format!("written to {}; the next run uses it", file.display()));
    lines.iter().map(|line| format!("{}\n", harmless(line))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_told_in_percent_half_up() {
        for (share, text) in
            [("0.000000", "0.0%"), ("0.123449", "12.3%"), ("0.123500", "12.4%"), ("1.000000", "100.0%"), ("", "-")]
        {
            assert_eq!(percent(share, Style::PLAIN), text, "{share}");
        }
    }
}
