//! `ctwa what-if`: a past period under another conversion event or window. Writes nothing.

use std::path::PathBuf;

use clap::{ArgGroup, Args};
use clap_complete::engine::ArgValueCompleter;

use crate::base::error::Result;
use crate::commands::what_if::{Hypothesis, what_if};
use crate::config::Settings;
use crate::known::job::Wanted;

use super::complete;
use super::exit::Exit;
use super::flags::Days;
use super::machine::with_job;
use super::sheet::SheetArgs;

#[derive(Args)]
#[command(after_help = EXAMPLES, group = ArgGroup::new("supposed").args(["category", "window_days"]).required(true).multiple(true))]
pub(super) struct WhatIfArgs {
    /// The pipeline file.
    pipeline: PathBuf,
    #[command(flatten)]
    days: Days,
    /// The bot to suppose it for.
    #[arg(long, value_name = "ID", add = ArgValueCompleter::new(complete::bots))]
    bot: String,
    /// The event category to suppose as the only conversion event there ever was. Without it, the bot's own history.
    #[arg(long, value_name = "CATEGORY")]
    category: Option<String>,
    /// How many days a session could have converted, 1 to 90. Without it, the pipeline's.
    #[arg(long, value_name = "N")]
    window_days: Option<i32>,
    #[command(flatten)]
    sheet: SheetArgs,
}

const EXAMPLES: &str = "Examples:
  ctwa what-if nightly.toml --bot shop-br@msging.net --category lead --from 2026-10-01 --to 2026-10-31
  ctwa what-if nightly.toml --bot shop-br@msging.net --window-days 7 --from 2026-10-01 --to 2026-10-31 --format csv --out week.csv";

const SPARE: [&str; 9] = [
    "unconfigured_days_if",
    "unconfigured_days",
    "cost_per_conversion_difference",
    "conversion_rate_difference",
    "bot_id",
    "conversion_rate",
    "conversion_rate_if",
    "currency",
    "ad_title",
];

pub(super) fn execute(args: &WhatIfArgs) -> Result<Exit> {
    args.sheet.check()?;
    let settings = Settings::load(&args.pipeline)?;
    let hypothesis = Hypothesis {
        bot: args.bot.clone(),
        category: args.category.clone(),
        window_days: args.window_days,
        days: args.days.range(&settings)?,
    };
    let found = with_job(&settings, Wanted::Through(None), true, |job| what_if(job, &hypothesis))?;
    let heading = hypothesis.heading(&settings);
    // A table says so itself; whoever gets another format hears it beside.
    let said = (!args.sheet.is_table()).then(|| heading.clone());
    let notes: Vec<String> = said.into_iter().chain(found.notes.iter().cloned()).collect();
    args.sheet.write(found.sheet(), heading, &SPARE, &notes)?;
    Ok(Exit::Done)
}
