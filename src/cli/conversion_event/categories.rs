//! `ctwa conversion-event categories`: what each category would yield as the conversion event.

use std::path::PathBuf;

use clap::Args;
use clap_complete::engine::ArgValueCompleter;

use crate::base::error::Result;
use crate::cli::complete;
use crate::cli::exit::Exit;
use crate::cli::machine::with_job;
use crate::cli::stdout::print_as;
use crate::cli::terminal;
use crate::cli::text::category;
use crate::commands::categories::{Categories, CategoryRow, categories};
use crate::config::{Settings, known_bot};
use crate::known::job::Wanted;
use crate::report::grid::{Content, small_table};
use crate::report::style::{Style, counted, harmless, visible};

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct CategoriesArgs {
    /// The pipeline file.
    pipeline: PathBuf,
    /// Only this bot; may be given several times.
    #[arg(long = "bot", value_name = "ID", add = ArgValueCompleter::new(complete::bots))]
    bots: Vec<String>,
    /// How many days to look at, up to the last that has landed.
    #[arg(long, value_name = "N", default_value_t = 90, value_parser = clap::value_parser!(u16).range(1..=400))]
    days: u16,
    /// Print one JSON object as the result.
    #[arg(long)]
    pub json: bool,
}

const EXAMPLES: &str = "Examples:
  ctwa conversion-event categories nightly.toml
  ctwa conversion-event categories nightly.toml --bot shop-br@msging.net --days 28 --json";

pub(super) fn execute(args: &CategoriesArgs) -> Result<Exit> {
    let settings = Settings::load(&args.pipeline)?;
    args.bots.iter().try_for_each(|bot| known_bot(&settings, bot))?;
    let found = with_job(&settings, Wanted::Through(None), true, |job| categories(job, &args.bots, args.days))?;
    print_as(args.json, &found, |found| text(found, terminal::style()))?;
    Ok(found.worst.into())
}

fn text(found: &Categories, style: Style) -> String {
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
        let heading = style.lines(&format!("{first}..{last}, by the events' own time in each bot's zone"));
        text.push_str(&format!("{}\n", heading.join("\n")));
    }
    for bot in &found.bots {
        text.push_str(&format!("\n{}\n", style.heading(&format!("{} ({})", visible(&bot.bot_id), bot.timezone))));
        if bot.categories.is_empty() {
            text.push_str("no event with a category\n");
            continue;
        }
        let row = |row: &CategoryRow| {
            let in_effect = bot.category_in_effect.as_ref() == Some(&row.category);
            let minute = row.last_seen.get(..16).unwrap_or(&row.last_seen).replace('T', " ");
            vec![
                category(&row.category),
                row.events.to_string(),
                minute,
                row.conversions.to_string(),
                row.unattributed_conversions.to_string(),
                percent(&row.open_session_share, style),
                if in_effect { "in effect" } else { "" }.to_string(),
            ]
        };
        let rows: Vec<Vec<String>> = bot.categories.iter().map(row).collect();
        for line in small_table(&columns, &rows, &[2, 4], style) {
            text.push_str(&line);
            text.push('\n');
        }
        if bot.events_without_usable_time > 0 {
            let events = counted(bot.events_without_usable_time, "event", "events");
            text.push_str(&format!("{events} without a usable time not counted\n"));
        }
    }
    let note = "\
events: as they landed, copies included
conversions: of ads, had the category been the conversion event on all of these days; at most one per session, copies dropped
without ad: the same, of conversations that name no ad
in a session: conversions of both kinds for each event";
    text.push('\n');
    let lines = note.lines().flat_map(|sentence| style.lines(sentence));
    lines.for_each(|line| text.push_str(&format!("{}\n", style.faint(&line))));
    found.failures.iter().for_each(|failure| text.push_str(&format!("not counted: {}\n", harmless(failure))));
    text
}

/// A share of six decimals as `12.3%`, half up.
fn percent(share: &str, style: Style) -> String {
    let digits: String = share.chars().filter(char::is_ascii_digit).collect();
    let Ok(millionths) = digits.parse::<u64>() else { return "-".to_string() };
    let thousandths = (millionths + 500) / 1_000;
    style.numerals.write(&format!("{}.{}", thousandths / 10, thousandths % 10)) + "%"
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
