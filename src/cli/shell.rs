//! What a shell and `man` know of the commands: completions and pages, made from the same definitions as `--help`.

use std::path::Path;

use clap::CommandFactory;
use clap_complete::Shell;

use crate::base::error::{Error, Result};

use super::args::Cli;

pub(super) fn completions(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "ctwa", &mut script);
    script
}

/// The page of ctwa, to print; where a folder is given, all pages are there instead.
pub(super) fn man(folder: Option<&Path>) -> Result<Vec<u8>> {
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
