//! `ctwa completions` and `ctwa man`: what a shell and `man` know of the commands, made from the definitions of `--help`.

use std::path::{Path, PathBuf};

use clap::Args;
use clap_complete::Shell;
use clap_complete::env::Shells;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use crate::base::error::{Error, Result};

use super::complete;
use super::exit::Exit;
use super::manual::{CHAPTERS, Chapter};
use super::stdout::print;

#[derive(Args)]
#[command(after_help = COMPLETIONS_EXAMPLES)]
pub(super) struct CompletionsArgs {
    /// The shell that they are for.
    #[arg(value_enum)]
    shell: Shell,
}

const COMPLETIONS_EXAMPLES: &str = "Examples:
  ctwa completions bash > ~/.local/share/bash-completion/completions/ctwa
  ctwa completions zsh > \"${fpath[1]}/_ctwa\"
  ctwa completions fish > ~/.config/fish/completions/ctwa.fish
  ctwa completions powershell >> $PROFILE
The scripts offer commands, flags and their values, and the bots and ads of the pipeline file that stands on the line.";

#[derive(Args)]
#[command(after_help = MAN_EXAMPLES)]
pub(super) struct ManArgs {
    /// Write the pages of ctwa and of each command into this folder, which must exist, instead of the first one to stdout.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

const MAN_EXAMPLES: &str = "Examples:
  ctwa man | man -l -
  ctwa man --out ~/.local/share/man/man1";

/// A script that has the binary itself say what a shell may offer.
pub(super) fn completions(args: &CompletionsArgs) -> Result<Exit> {
    let failed = || Error::bug("the script cannot be made");
    let (shells, name) = (Shells::builtins(), args.shell.to_string());
    let shell = shells.completer(&name).ok_or_else(failed)?;
    let mut script = Vec::new();
    shell.write_registration(complete::VARIABLE, "ctwa", "ctwa", "ctwa", &mut script).map_err(|error| failed().source(error))?;
    print(&script)?;
    Ok(Exit::Done)
}

/// `ctwa` is the whole command, with all flags and commands.
pub(super) fn man(args: &ManArgs, mut ctwa: clap::Command) -> Result<Exit> {
    ctwa = ctwa.disable_help_subcommand(true);
    ctwa.build();
    match args.out.as_deref() {
        None => print(&page(ctwa).map_err(|error| Error::bug("the page cannot be made").source(error))?)?,
        Some(folder) => write_pages(folder, ctwa).map_err(|error| {
            Error::usage("the pages cannot be written")
                .with("folder", folder.display())
                .source(error)
                .mend("give --out a folder that exists and can be written to")
        })?,
    }
    Ok(Exit::Done)
}

/// The page of a command, and of each command below it.
fn write_pages(folder: &Path, command: clap::Command) -> std::io::Result<()> {
    for below in command.get_subcommands().filter(|below| !below.is_hide_set()).cloned() {
        write_pages(folder, below)?;
    }
    let file = folder.join(Man::new(command.clone()).get_filename());
    std::fs::write(file, page(command)?)
}

/// The first page tells of the environment, the files and the pipeline file; the others lead to it.
fn page(command: clap::Command) -> std::io::Result<Vec<u8>> {
    let is_first = command.get_display_name().unwrap_or_else(|| command.get_name()) == "ctwa";
    let mut page = Vec::new();
    Man::new(command).render(&mut page)?;
    let mut more = Roff::new();
    if is_first {
        CHAPTERS.iter().for_each(|chapter| write_chapter(&mut more, chapter));
    } else {
        more.control("SH", ["SEE ALSO"]);
        more.text([bold("ctwa"), roman("(1), for exit codes, the environment, files and the pipeline file.")]);
    }
    more.to_writer(&mut page)?;
    Ok(page)
}

fn write_chapter(page: &mut Roff, chapter: &Chapter) {
    page.control("SH", [chapter.title]);
    for (term, meaning) in chapter.entries {
        match (term.is_empty(), meaning.is_empty()) {
            (true, _) => {
                page.control("PP", []);
                page.text([roman(*meaning)]);
            }
            (false, true) => _ = page.control("SS", [*term]),
            (false, false) => {
                page.control("TP", []);
                page.text([bold(*term)]);
                page.text([roman(*meaning)]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use crate::cli::manual::CHAPTERS;

    /// The keys that the code asks a pipeline file for, as texts behind the names of what asks.
    fn keys_of_code() -> BTreeSet<String> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/config");
        let asks = ["text(", "texts(", "integer(", "integers(", "flag(", "number(", "section(", "sections(", "alternatives("];
        let mut keys = BTreeSet::new();
        for file in fs::read_dir(folder).unwrap() {
            let code = fs::read_to_string(file.unwrap().path()).unwrap();
            let code = code.split("#[cfg(test)]").next().unwrap_or_default().split_whitespace().collect::<String>();
            for ask in asks {
                let asked = code.split(ask).skip(1).filter_map(|rest| rest.strip_prefix('"')?.split('"').next());
                keys.extend(asked.filter(|key| key.chars().all(|c| c.is_ascii_lowercase() || c == '_')).map(str::to_string));
            }
        }
        keys
    }

    #[test]
    fn the_manual_names_every_key_of_the_pipeline_file() {
        let keys = keys_of_code();
        assert!(keys.len() > 30, "{keys:?}");
        let text: String = CHAPTERS[2].entries.iter().map(|(term, meaning)| format!("{term} {meaning} ")).collect();
        let words: BTreeSet<&str> = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).collect();
        let missing: Vec<&String> = keys.iter().filter(|key| !words.contains(key.as_str())).collect();
        assert!(missing.is_empty(), "the manual lacks {missing:?}");
    }
}
