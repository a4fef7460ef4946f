//! What a shell offers for ids: the bots of the pipeline file that the line names, and the ads that it has published.
//!
//! A line is completed by running the binary with [`VARIABLE`] set, as the scripts of `ctwa completions` do. What is offered comes from
//! strangers and goes into a line that a shell will run: an id is offered only where it has no letter that means something to a shell.

use std::ffi::OsStr;
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use arrow::array::{Array, AsArray};
use clap_complete::CompletionCandidate;

use crate::config::Settings;
use crate::lake::layout::ADS_OBJECT;
use crate::lake::{Lake, decode};
use crate::report::style::visible;

use super::machine::environment;

/// The variable that asks for completions instead of a command.
pub(super) const VARIABLE: &str = "CTWA_COMPLETE";

/// Whoever presses TAB waits no longer for a store.
const PATIENCE: Duration = Duration::from_secs(2);

pub(super) fn bots(current: &OsStr) -> Vec<CompletionCandidate> {
    let ids = settings().map(|settings| settings.bots.into_iter().map(|bot| (bot.id, None)).collect());
    offered(ids.unwrap_or_default(), current)
}

pub(super) fn ads(current: &OsStr) -> Vec<CompletionCandidate> {
    let Some(settings) = settings() else { return Vec::new() };
    let (found, awaited) = mpsc::channel();
    // The end of the process ends it, too.
    thread::spawn(move || found.send(published(&settings)));
    offered(awaited.recv_timeout(PATIENCE).ok().flatten().unwrap_or_default(), current)
}

/// Ids with what is said of them.
type Ids = Vec<(String, Option<String>)>;

fn offered(mut ids: Ids, current: &OsStr) -> Vec<CompletionCandidate> {
    let begun = current.to_string_lossy();
    let is_harmless = |id: &str| id.chars().all(|c| c.is_ascii_alphanumeric() || ".:@-_+".contains(c)) && !id.starts_with('-');
    ids.retain(|(id, _)| id.starts_with(begun.as_ref()) && is_harmless(id));
    ids.sort();
    ids.dedup_by(|(one, _), (other, _)| one == other);
    ids.into_iter().map(|(id, said)| CompletionCandidate::new(id).help(said.map(|said| visible(&said).into()))).collect()
}

/// The settings of the first pipeline file on the line; none where there is none, or it is wrong.
fn settings() -> Option<Settings> {
    let words = std::env::args_os().skip_while(|word| word != "--").skip(2);
    words.filter(|word| Path::new(word).is_file()).find_map(|file| Settings::load(Path::new(&file)).ok())
}

fn published(settings: &Settings) -> Option<Ids> {
    let output = Lake::open(&settings.output, &environment()).ok()?;
    let mut ids = Vec::new();
    for batch in decode(output.get(ADS_OBJECT).ok()??).ok()? {
        let texts = |name: &str| batch.column_by_name(name)?.as_string_opt::<i32>();
        let (ads, titles) = (texts("ad_id")?, texts("ad_title")?);
        let title = |row: usize| titles.is_valid(row).then(|| titles.value(row).to_string());
        ids.extend((0..batch.num_rows()).map(|row| (ads.value(row).to_string(), title(row))));
    }
    Some(ids)
}
