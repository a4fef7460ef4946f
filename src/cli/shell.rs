//! What a shell and `man` know of the commands: completions and pages, made from the same definitions as `--help`.

use std::path::{Path, PathBuf};

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::error::{Error, Result};

use super::args::Cli;

#[derive(Args)]
#[command(after_help = COMPLETIONS_EXAMPLES)]
pub struct CompletionsArgs {
    /// Whose completions to print.
    #[arg(value_enum)]
    pub shell: Shell,
}

const COMPLETIONS_EXAMPLES: &str = "Examples:
  ctwa completions bash > ~/.local/share/bash-completion/completions/ctwa
  ctwa completions zsh > \"${fpath[1]}/_ctwa\"
  ctwa completions fish > ~/.config/fish/completions/ctwa.fish
  ctwa completions powershell >> $PROFILE";

#[derive(Args)]
#[command(after_help = MAN_EXAMPLES)]
pub struct ManArgs {
    /// Write the pages of ctwa and of each command into this folder, which must exist, instead of the first one to stdout.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

const MAN_EXAMPLES: &str = "Examples:
  ctwa man | man -l -
  ctwa man --out ~/.local/share/man/man1";

pub fn completions(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "ctwa", &mut script);
    script
}

/// The page of ctwa, to print; where a folder is given, all pages are there instead.
pub fn man(folder: Option<&Path>) -> Result<Vec<u8>> {
    let mut page = Vec::new();
    match folder {
        None => clap_mangen::Man::new(Cli::command())
            .render(&mut page)
            .map_err(|error| Error::bug("the page cannot be made").source(error))?,
        Some(folder) => clap_mangen::generate_to(Cli::command(), folder).map_err(|error| {
            Error::usage("the pages cannot be written")
                .with("folder", folder.display())
                .source(error)
                .mend("give --out a folder that exists and can be written to")
        })?,
    }
    Ok(page)
}
