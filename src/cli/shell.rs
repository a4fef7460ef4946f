//! `ctwa completions` and `ctwa man`: what a shell and `man` know of the commands, made from the definitions of `--help`.

use std::path::{Path, PathBuf};

use clap::Args;
use clap_complete::Shell;

use crate::base::error::{Error, Result};

use super::exit::Exit;
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
  ctwa completions powershell >> $PROFILE";

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

/// `ctwa` is the whole command, with all flags and commands.
pub(super) fn completions(args: &CompletionsArgs, mut ctwa: clap::Command) -> Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut ctwa, "ctwa", &mut script);
    print(&script)?;
    Ok(Exit::Done)
}

pub(super) fn man(args: &ManArgs, ctwa: clap::Command) -> Result<Exit> {
    match args.out.as_deref() {
        None => print(&first_page(ctwa)?)?,
        Some(folder) => write_pages(folder, ctwa)?,
    }
    Ok(Exit::Done)
}

fn first_page(ctwa: clap::Command) -> Result<Vec<u8>> {
    let mut page = Vec::new();
    clap_mangen::Man::new(ctwa).render(&mut page).map_err(|error| Error::bug("the page cannot be made").source(error))?;
    Ok(page)
}

fn write_pages(folder: &Path, ctwa: clap::Command) -> Result<()> {
    clap_mangen::generate_to(ctwa, folder).map_err(|error| {
        Error::usage("the pages cannot be written")
            .with("folder", folder.display())
            .source(error)
            .mend("give --out a folder that exists and can be written to")
    })
}
