//! `ctwa explain`: what is behind a cell or a contact, as a story.

use std::path::PathBuf;

use clap::{ArgGroup, Args};
use clap_complete::engine::ArgValueCompleter;

use crate::base::day::Day;
use crate::base::error::{Error, Result};
use crate::commands::explain::{Explanation, Question, explain};
use crate::commands::rules::CitedRule;
use crate::config::Settings;
use crate::known::job::Wanted;
use crate::report::style::{visible, wrapped};

use super::complete;
use super::exit::Exit;
use super::flags::AnyDays;
use super::machine::with_job;
use super::stdout::print_as;
use super::terminal;

/// The width of what is no terminal.
const PAPER_WIDTH: usize = 100;
const WIDTH_MIN: usize = 40;
/// The width of a link to a rule, with the blanks around it.
const LINK_WIDTH: usize = 25;

#[derive(Args)]
#[command(after_help = EXAMPLES, group = ArgGroup::new("about").args(["ad", "contact"]).required(true))]
pub(super) struct ExplainArgs {
    /// The pipeline file.
    pipeline: PathBuf,
    /// The ad whose day is explained, with --date.
    #[arg(long, value_name = "ID", requires = "date", add = ArgValueCompleter::new(complete::ads))]
    ad: Option<String>,
    /// The local day of the bot, YYYY-MM-DD.
    #[arg(long, value_name = "DATE", requires = "ad")]
    date: Option<Day>,
    /// Instead of an ad, the contact whose clicks and events are told, on all days or on those of --from and --to or one of their
    /// shortcuts. The full id; an alias finds its contact.
    #[arg(long, value_name = "ID")]
    contact: Option<String>,
    /// Only in this bot.
    #[arg(long, value_name = "ID", add = ArgValueCompleter::new(complete::bots))]
    bot: Option<String>,
    #[command(flatten)]
    days: AnyDays,
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
    let settings = Settings::load(&args.pipeline)?;
    let question = match (&args.ad, args.date, &args.contact, args.days.range(&settings)?) {
        (Some(ad), Some(day), _, None) => Question::Ad { ad: ad.clone(), day },
        (_, _, Some(contact), days) => Question::Contact { contact: contact.clone(), days },
        (Some(_), ..) => {
            return Err(Error::usage("an ad is explained day by day").mend("give --ad with --date, or --contact with a range"));
        }
        _ => return Err(Error::usage("nothing was asked for").mend("give --ad with --date, or --contact")),
    };
    let bot = args.bot.as_deref();
    let told = with_job(&settings, Wanted::Through(None), true, |job| explain(job, &question, bot, args.full_contacts))?;
    for note in &told.notes {
        tracing::warn!("{note}");
    }
    let width = terminal::style().width.map_or(PAPER_WIDTH, usize::from).max(WIDTH_MIN);
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
