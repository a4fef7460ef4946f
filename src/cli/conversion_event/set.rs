//! `ctwa conversion-event set`: writes another conversion event into the pipeline file.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use clap_complete::engine::ArgValueCompleter;

use crate::base::error::{Error, Result};
use crate::cli::complete;
use crate::cli::exit::Exit;
use crate::cli::machine::with_job;
use crate::cli::stdout::print_as;
use crate::commands::new_setting::{NewSetting, Wish, new_setting};
use crate::config::Settings;
use crate::known::job::Wanted;
use crate::report::style::{counted, harmless, visible};

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct SetArgs {
    /// The pipeline file. It keeps its comments and order.
    pipeline: PathBuf,
    /// The bot.
    #[arg(long, value_name = "ID", add = ArgValueCompleter::new(complete::bots))]
    bot: String,
    /// The category, as it stands in the events: case and accents matter.
    #[arg(long, value_name = "CATEGORY")]
    category: String,
    /// When it takes effect: a time with an offset, or a day of the bot's zone. Without it, now.
    #[arg(long, value_name = "TIME")]
    effective_at: Option<String>,
    /// Accept a category that no event had in the last 90 days.
    #[arg(long)]
    unseen: bool,
    /// Print one JSON object as the result.
    #[arg(long)]
    pub json: bool,
}

const EXAMPLES: &str = "Examples:
  ctwa conversion-event set nightly.toml --bot shop-br@msging.net --category purchase
  ctwa conversion-event set nightly.toml --bot shop-br@msging.net --category purchase --effective-at 2026-12-01
  ctwa conversion-event set nightly.toml --bot shop-br@msging.net --category refund --unseen";

const DAYS_LOOKED_AT: u16 = 90;

pub(super) fn execute(args: &SetArgs, quiet: bool) -> Result<Exit> {
    let new = set(args)?;
    if args.json || !quiet {
        print_as(args.json, &new, |new| text(new, &args.pipeline))?;
    }
    Ok(Exit::Done)
}

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

fn text(new: &NewSetting, file: &Path) -> String {
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
