//! `ctwa sessions`: the sessions behind the figures.

use std::path::PathBuf;

use clap::Args;
use clap_complete::engine::ArgValueCompleter;

use crate::base::error::Result;
use crate::commands::sessions::{SessionsRequest, sessions};
use crate::config::Settings;
use crate::known::job::Wanted;
use crate::report::By;

use super::complete;
use super::exit::Exit;
use super::flags::Days;
use super::machine::with_job;
use super::sheet::SheetArgs;

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct SessionsArgs {
    /// The pipeline file.
    pipeline: PathBuf,
    #[command(flatten)]
    days: Days,
    /// Only this bot; may be given several times.
    #[arg(long = "bot", value_name = "ID", add = ArgValueCompleter::new(complete::bots))]
    bots: Vec<String>,
    /// Only sessions of this ad; may be given several times.
    #[arg(long = "ad", value_name = "ID", add = ArgValueCompleter::new(complete::ads))]
    ads: Vec<String>,
    /// Only sessions of this contact. The full id; an alias finds its contact.
    #[arg(long, value_name = "ID")]
    contact: Option<String>,
    /// Which sessions are of the range: those opened on its days, or those that converted on them, whenever they were opened.
    #[arg(long, value_enum, default_value_t = By::ConversationDay)]
    by: By,
    /// Write contact and message ids as they are. Without it contacts are shortened and messages left out: both tell telephone
    /// numbers.
    #[arg(long)]
    full_contacts: bool,
    #[command(flatten)]
    sheet: SheetArgs,
}

const EXAMPLES: &str = "Examples:
  ctwa sessions nightly.toml --from 2026-10-01 --to 2026-10-31
  ctwa sessions nightly.toml --last 7 --limit 20
  ctwa sessions nightly.toml --from 2026-10-01 --to 2026-10-31 --by conversion-day --ad 120226305854810726 --format csv --out ad.csv
  ctwa sessions nightly.toml --from 2026-10-01 --to 2026-10-31 --contact 5511987654321@wa.gw.msging.net --full-contacts";

const SPARE: [&str; 9] =
    ["message_id", "zone", "opened_on", "event_id", "converted_on", "closed_at", "category", "bot_id", "ad_title"];

pub(super) fn execute(args: &SessionsArgs) -> Result<Exit> {
    args.sheet.check()?;
    let settings = Settings::load(&args.pipeline)?;
    let request = SessionsRequest {
        days: args.days.range(&settings)?,
        by: args.by,
        bots: args.bots.clone(),
        ads: args.ads.clone(),
        contact: args.contact.clone(),
        full_contacts: args.full_contacts,
    };
    let found = with_job(&settings, Wanted::Through(None), true, |job| sessions(job, &request))?;
    let which = match args.by {
        By::ConversationDay => "opened",
        By::ConversionDay => "converted",
    };
    let heading = format!("{}, sessions {which} on these days: {}", request.days, found.rows.len());
    args.sheet.write(found.sheet(), heading, &SPARE, &found.notes)?;
    Ok(Exit::Done)
}
