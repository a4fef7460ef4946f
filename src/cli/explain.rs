//! `ctwa explain`: what is behind a cell or a contact, as a story.

use std::path::PathBuf;

use clap::Args;

use crate::base::day::Day;
use crate::base::error::{Error, Result};
use crate::commands::explain::{Explanation, Question, explain};
use crate::commands::rules::CitedRule;
use crate::config::Settings;
use crate::known::job::Wanted;
use crate::report::style::visible;

use super::exit::Exit;
use super::flags::range_of;
use super::machine::with_job;
use super::stdout::print_as;
use super::terminal;

/// The width of what is no terminal.
const PAPER_WIDTH: usize = 100;
const WIDTH_MIN: usize = 40;
/// The width of a link to a rule, with the blanks around it.
const LINK_WIDTH: usize = 25;

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct ExplainArgs {
    /// The pipeline file.
    pipeline: PathBuf,
    /// The ad whose day is explained.
    #[arg(long, value_name = "ID", requires = "date", conflicts_with = "contact", required_unless_present = "contact")]
    ad: Option<String>,
    /// The local day of the bot, YYYY-MM-DD.
    #[arg(long, value_name = "DATE", requires = "ad")]
    date: Option<Day>,
    /// The contact whose clicks and events are told. The full id; an alias finds its contact.
    #[arg(long, value_name = "ID")]
    contact: Option<String>,
    /// Only in this bot.
    #[arg(long, value_name = "ID")]
    bot: Option<String>,
    /// With --contact, the first day, YYYY-MM-DD.
    #[arg(long, value_name = "DATE", requires_all = ["to", "contact"])]
    from: Option<Day>,
    /// With --contact, the last day, YYYY-MM-DD, included.
    #[arg(long, value_name = "DATE", requires_all = ["from", "contact"])]
    to: Option<Day>,
    /// Write contact ids as they are. Without it they are shortened: most are telephone numbers.
    #[arg(long)]
    full_contacts: bool,
    /// Print one JSON object with the same facts.
    #[arg(long)]
    pub json: bool,
}

const EXAMPLES: &str = "Examples:
  ctwa explain nightly.toml --ad 120226305854810726 --date 2026-10-20
  ctwa explain nightly.toml --contact 5511987654321@wa.gw.msging.net --bot shop-br@msging.net --from 2026-10-01 --to 2026-10-31";

pub(super) fn execute(args: &ExplainArgs) -> Result<Exit> {
    let days = range_of(args.from, args.to);
    let question = match (&args.ad, args.date, &args.contact) {
        (Some(ad), Some(day), _) => Question::Ad { ad: ad.clone(), day },
        (_, _, Some(contact)) => Question::Contact { contact: contact.clone(), days: days? },
        _ => return Err(Error::usage("nothing was asked for").mend("give --ad with --date, or --contact")),
    };
    let settings = Settings::load(&args.pipeline)?;
    let bot = args.bot.as_deref();
    let told = with_job(&settings, Wanted::Through(None), true, |job| explain(job, &question, bot, args.full_contacts))?;
    for note in &told.notes {
        tracing::warn!("{note}");
    }
    let width = terminal::stdout().width.map_or(PAPER_WIDTH, usize::from).max(WIDTH_MIN);
    print_as(args.json, &told, |told| text(told, &settings, width))?;
    Ok(Exit::Done)
}

fn text(told: &Explanation, settings: &Settings, width: usize) -> String {
    let mut lines = vec![format!("About {}", told.about)];
    let mut bot = "";
    for chapter in &told.chapters {
        if chapter.bot_id != bot {
            bot = &chapter.bot_id;
            let zone = settings.bot(bot).map_or("UTC", |of| of.zone.name());
            lines.extend([String::new(), format!("Bot {}, local times of {zone}", visible(bot))]);
        }
        lines.extend([String::new(), chapter.title.clone()]);
        for fact in &chapter.facts {
            let sentence = wrapped(&format!("{}.", fact.sentence()), width - 4);
            let indent = |(i, line): (usize, &String)| if i == 0 { format!("  - {line}") } else { format!("    {line}") };
            lines.extend(sentence.iter().enumerate().map(indent));
        }
    }
    lines.extend(rules(told, width));
    lines.join("\n") + "\n"
}

/// The rules that are cited, each with the place where it is told whole.
fn rules(told: &Explanation, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for CitedRule { link, title, .. } in &told.rules {
        let mut place = link.as_str();
        for line in wrapped(title, width - LINK_WIDTH) {
            lines.push(format!("  {:<1$}{line}", std::mem::take(&mut place), LINK_WIDTH - 2));
        }
    }
    let heading = [String::new(), "Rules".to_string()].into_iter().filter(|_| !told.rules.is_empty());
    heading.chain(lines).collect()
}

/// Lines of at most `width` letters, broken between words; a longer word stands alone.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_string()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_break_between_words() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("120226305854810726 is long", 8), ["120226305854810726", "is long"]);
        assert_eq!(wrapped("ação é", 6), ["ação é"]);
    }
}
