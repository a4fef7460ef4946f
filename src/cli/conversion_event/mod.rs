//! `ctwa conversion-event`: which category counts in each bot, which could, and the setting of another.

mod categories;
mod list;
mod set;

use clap::{Args, Subcommand};

use crate::base::error::Result;
use crate::cli::exit::Exit;

#[derive(Args)]
pub(super) struct ConversionEventArgs {
    #[command(subcommand)]
    command: ConversionEvent,
}

#[derive(Subcommand)]
enum ConversionEvent {
    /// The settings of each bot: since when each holds, and which one is in effect.
    List(list::ListArgs),
    /// The categories of the last days, and what each would yield as the conversion event. Changes nothing.
    Categories(categories::CategoriesArgs),
    /// Write another conversion event into the pipeline file. What was counted stays.
    Set(set::SetArgs),
}

impl ConversionEventArgs {
    pub(super) fn wants_json(&self) -> bool {
        match &self.command {
            ConversionEvent::List(args) => args.json,
            ConversionEvent::Categories(args) => args.json,
            ConversionEvent::Set(args) => args.json,
        }
    }
}

pub(super) fn execute(args: &ConversionEventArgs, quiet: bool) -> Result<Exit> {
    match &args.command {
        ConversionEvent::List(args) => list::execute(args),
        ConversionEvent::Categories(args) => categories::execute(args),
        ConversionEvent::Set(args) => set::execute(args, quiet),
    }
}
