//! `ctwa init`: looks at a lake and writes a pipeline file for it.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use clap::{Args, Parser};

use crate::base::arrival::ArrivalZone;
use crate::base::day::Zone;
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::money::{decimal_text, parse_money};
use crate::commands::categories::{CategoryRow, categories};
use crate::commands::init::{Decided, EventWish, Look, Wishes, Written};
use crate::config::Settings;
use crate::known::job::Wanted;
use crate::lake::{Lake, Location};
use crate::report::style::harmless;

use super::ask;
use super::check::{self, CheckArgs};
use super::exit::Exit;
use super::machine::{environment, with_job};
use super::new_file;
use super::progress;
use super::stdout::print;

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct InitArgs {
    /// The lake: a folder, or a prefix such as s3://bucket/prefix, below which messages and events lie in folders of their own.
    lake: String,
    /// The pipeline file to write; - writes it to stdout.
    #[arg(long, value_name = "FILE", default_value = "ctwa.toml")]
    out: PathBuf,
    /// Write over a file that is there.
    #[arg(long)]
    force: bool,
    /// Ask nothing, also at a terminal.
    #[arg(long)]
    no_input: bool,
    /// A bot that is to be counted; may be given several times. Without it, all that messages name.
    #[arg(long = "bot", value_name = "ID")]
    bots: Vec<String>,
    /// A sub-bot behind a router; may be given several times.
    #[arg(long = "member", value_name = "BOT=ID")]
    members: Vec<String>,
    /// The time zone of a bot's ad account, an IANA name; without a bot, of all bots.
    #[arg(long = "timezone", value_name = "[BOT=]ZONE")]
    timezones: Vec<String>,
    /// The category that is a conversion, from a day or time on, else from the lake's first day on. A blank one says that the bot has
    /// none.
    #[arg(long = "conversion-event", value_name = "[BOT=]CATEGORY[@TIME]")]
    conversion_events: Vec<String>,
    /// An ad account beside those whose ads were clicked.
    #[arg(long = "ad-account", value_name = "[BOT=]ID")]
    ad_accounts: Vec<String>,
    /// The folder of messages, where several look like it.
    #[arg(long, value_name = "PATH")]
    messages: Option<String>,
    /// The folder of events, where several look like it.
    #[arg(long, value_name = "PATH")]
    events: Option<String>,
    /// The folder of Meta's figures, where several look like it.
    #[arg(long, value_name = "PATH")]
    insights: Option<String>,
    /// The folder of aliases, where several look like it.
    #[arg(long, value_name = "PATH")]
    identities: Option<String>,
    /// Whose clock times are of that name no zone: an IANA name, or an offset such as -03:00.
    #[arg(long, value_name = "ZONE")]
    times_zone: Option<ArrivalZone>,
    /// The currency of Meta's figures, where they name none.
    #[arg(long, value_name = "CODE")]
    currency: Option<String>,
    /// The share of broken rows from which on a day is refused.
    #[arg(long, value_name = "SHARE", value_parser = share)]
    max_rejected_share: Option<String>,
    /// Where to publish; without it the folder ctwa in the lake.
    #[arg(long, value_name = "URL")]
    output: Option<String>,
}

const EXAMPLES: &str = "Examples:
  ctwa init s3://acme-lake/whatsapp
  ctwa init lake --out nightly.toml --timezone America/Sao_Paulo --conversion-event purchase
  ctwa init lake --bot shop-br@msging.net --timezone America/Sao_Paulo --conversion-event 'shop-br@msging.net=purchase@2026-08-11'
Exit code 2 says that something is left to write: the file says what and where.";

/// As many days of events are looked at.
const DAYS_LOOKED_AT: u16 = 90;

/// A number from 0 to 1, as it was written.
fn share(text: &str) -> std::result::Result<String, String> {
    let is_share = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') && text.starts_with(['0', '1']);
    let millionths = parse_money(text).ok().filter(|millionths| is_share && *millionths <= 1_000_000);
    millionths.map(|millionths| decimal_text(millionths.into(), 6)).ok_or("a number from 0 to 1 is needed".to_string())
}

pub(super) fn execute(args: &InitArgs) -> Result<Exit> {
    let is_stdout = args.out == Path::new("-");
    if !is_stdout {
        new_file::check_free(&args.out, args.force)?;
    }
    let here = Path::new(".");
    let location = Location::resolve(&args.lake, here)?;
    let lake = Lake::open(&location, &environment())?;
    let mut wishes = wishes(args)?;
    let look = Look::at(&lake, &wishes, &progress::show);
    progress::clear();
    let look = look?;
    let asks = !args.no_input && std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    if asks && wishes.bots.is_empty() {
        wishes.bots = ask::bots(&look.decide(&wishes)?, &look.bots());
    }
    let mut decided = look.decide(&wishes)?;
    if asks {
        ask::zones(&mut decided);
    }
    add_categories(&lake, &look, &wishes, &mut decided)?;
    let asked = if asks { ask::conversion_events(&decided, &wishes.conversion_events) } else { Vec::new() };
    Look::set_events(&[&wishes.conversion_events[..], &asked].concat(), &mut decided)?;
    let name = if is_stdout { "ctwa".to_string() } else { new_file::stem(&args.out) };
    let written = look.written(&wishes, &decided, &name, &new_file::url_from(&args.lake, &args.out));
    if is_stdout {
        print(written.text.as_bytes())?;
        return Ok(left(&written));
    }
    new_file::write(&args.out, &written.text, args.force)?;
    say(&args.out, &written)?;
    let checked = check_it(&args.out)?;
    Ok(if written.missing.is_empty() { checked } else { left(&written) })
}

/// The command line of `check`.
#[derive(Parser)]
struct CheckLine {
    #[command(flatten)]
    check: CheckArgs,
}

/// Runs `check` on what was written.
fn check_it(file: &Path) -> Result<Exit> {
    let line = CheckLine::try_parse_from([Path::new("check"), Path::new("--"), file]);
    let line = line.map_err(|error| Error::bug("the command line of check is refused").source(error))?;
    check::execute(&line.check)
}

fn left(written: &Written) -> Exit {
    if written.missing.is_empty() { Exit::Done } else { Exit::Partly(ErrorKind::Usage) }
}

fn say(file: &Path, written: &Written) -> Result<()> {
    let mut text = format!("{} is written", file.display());
    if !written.missing.is_empty() {
        text += "; left to say, where it stands in the file as a comment:";
    }
    let lines = [text].into_iter().chain(written.missing.iter().map(|missing| format!("  - {missing}")));
    print(lines.map(|line| format!("{}\n", harmless(&line))).collect::<String>().as_bytes())
}

/// Adds what each category would yield.
fn add_categories(lake: &Lake, look: &Look, wishes: &Wishes, decided: &mut Decided) -> Result<()> {
    let settings: Settings = match look.settings(lake, wishes, decided) {
        Ok(settings) => settings,
        Err(error) => {
            decided.no_numbers = Some(error.to_string());
            return Ok(());
        }
    };
    match with_job(&settings, Wanted::Through(None), true, |job| categories(job, &[], DAYS_LOOKED_AT)) {
        Ok(found) => {
            decided.days = found.first_day.zip(found.last_day);
            let mut by_bot: BTreeMap<String, Vec<CategoryRow>> =
                found.bots.into_iter().map(|bot| (bot.bot_id, bot.categories)).collect();
            for (id, choice) in &mut decided.bots {
                choice.categories = by_bot.remove(id).unwrap_or_default();
            }
            Ok(())
        }
        Err(error) if [ErrorKind::Interrupted, ErrorKind::Terminated].contains(&error.kind()) => Err(error),
        // What is wrong with the lake `check` says.
        Err(error) => {
            decided.no_numbers = Some(error.to_string());
            Ok(())
        }
    }
}

fn wishes(args: &InitArgs) -> Result<Wishes> {
    let InitArgs { messages, events, insights, identities, .. } = args;
    let folders = [("messages", messages), ("events", events), ("insights", insights), ("identities", identities)];
    let zones: Vec<(Option<String>, String)> = args.timezones.iter().map(|text| of_bot(text)).collect();
    for (_, zone) in &zones {
        zone.parse::<Zone>()?;
    }
    let members = args.members.iter().map(|text| match of_bot(text) {
        (Some(bot), member) => Ok((bot, member)),
        _ => Err(Error::usage(format!("--member {text:?} names no router")).mend("write it as --member ROUTER=SUB-BOT")),
    });
    Ok(Wishes {
        folders: folders.into_iter().filter_map(|(table, folder)| Some((table, folder.clone()?))).collect(),
        bots: args.bots.iter().map(|bot| bot.trim().to_string()).collect(),
        zones,
        members: members.collect::<Result<_>>()?,
        ad_accounts: args.ad_accounts.iter().map(|text| of_bot(text)).collect(),
        conversion_events: args.conversion_events.iter().map(|text| event(text)).collect(),
        times_zone: args.times_zone,
        currency: args.currency.clone(),
        max_rejected_share: args.max_rejected_share.clone(),
        output: args.output.as_ref().map(|output| new_file::url_from(output, &args.out)),
    })
}

/// The bot before the first `=`, if there is one, and the rest.
fn of_bot(text: &str) -> (Option<String>, String) {
    match text.split_once('=') {
        Some((bot, rest)) => (Some(bot.trim().to_string()), rest.trim().to_string()),
        None => (None, text.trim().to_string()),
    }
}

/// A category with its bot before `=`, and with the time from which on it counts behind `@`.
fn event(text: &str) -> EventWish {
    let (bot, rest) = match text.split_once('=') {
        Some((bot, rest)) => (Some(bot.trim().to_string()), rest),
        None => (None, text),
    };
    let is_time = |time: &str| time.get(..10).is_some_and(|day| day.parse::<crate::base::day::Day>().is_ok());
    let (category, effective_at) = match rest.rsplit_once('@') {
        Some((category, time)) if is_time(time) => (category, Some(time.to_string())),
        _ => (rest, None),
    };
    EventWish { bot, category: category.to_string(), effective_at }
}
