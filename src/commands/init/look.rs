//! The look at a lake: its folders, what they are, and what their rows name.

use std::collections::BTreeMap;
use std::path::Path;

use super::census::{self, Census};
use super::columns::Looked;
use super::decided::{BotChoice, Decided};
use super::details;
use super::found::Look;
use super::kinds;
use super::text;
use super::wishes::Wishes;
use crate::base::error::{Error, Result};
use crate::base::progress::Listener;
use crate::config::Settings;
use crate::lake::Lake;

impl Look {
    /// Looks at a lake.
    pub(crate) fn at(lake: &Lake, wishes: &Wishes, progress: Listener<'_>) -> Result<Look> {
        let found = lake.tables()?;
        if let Some(table) = found.tables.iter().find(|table| table.folder.is_empty()) {
            let what = if table.is_delta { "a Delta table" } else { "the folder of a table" };
            return Err(Error::usage(format!("{} is itself {what}, not the lake above it", lake.location()))
                .mend("name the folder or prefix in which the folders of messages and events lie"));
        }
        if found.files == 0 {
            return Err(Error::usage(format!("nothing lies in {}", lake.location()))
                .mend("name the folder or prefix in which the folders of messages and events lie"));
        }
        let (candidates, unreadable) = kinds::look(lake, found.tables, wishes.times_zone, progress)?;
        let refused = found.refused.into_iter().chain(unreadable).collect();
        let mut look = Look { candidates, refused, files: found.files, census: Census::default() };
        for (table, folder) in &wishes.folders {
            look.check_folder(table, folder)?;
        }
        if let Some(settings) = look.settings_to_look(lake, wishes) {
            look.take_census(lake, wishes, &settings, progress)?;
        }
        Ok(look)
    }

    fn check_folder(&self, table: &str, folder: &str) -> Result<()> {
        if self.pick(table, Some(folder)).0.is_some() {
            return Ok(());
        }
        let known = self.candidates.iter().find(|candidate| candidate.found.folder == folder.trim_matches('/'));
        let error = match known {
            Some(other) => Error::usage(format!("{folder:?} does not look like a table of {table}"))
                .with("it looks like", other.table().unwrap_or("none of the tables")),
            None => Error::usage(format!("no folder {folder:?} with Parquet lies in the lake")),
        };
        let folders: Vec<String> = self.candidates.iter().map(|candidate| format!("{:?}", candidate.found.folder)).collect();
        Err(error.with("folders", folders.join(", ")).mend(format!("correct --{table}")))
    }

    /// The settings by which rows are read for a look: of one bot that there is not. None where the file would not be one yet.
    fn settings_to_look(&self, lake: &Lake, wishes: &Wishes) -> Option<Settings> {
        let bots = BTreeMap::from([("-".to_string(), BotChoice { zone: Some("UTC".to_string()), ..BotChoice::default() })]);
        self.settings(lake, wishes, &Decided { bots, ..Decided::default() }).ok()
    }

    /// What the file would be with these bots, each in UTC where its zone is not known.
    pub(crate) fn settings(&self, lake: &Lake, wishes: &Wishes, decided: &Decided) -> Result<Settings> {
        let text = text::to_look(self, wishes, decided, &lake.location().to_string());
        Settings::parse("the file", &text, Path::new("/"))
    }

    fn take_census(&mut self, lake: &Lake, wishes: &Wishes, settings: &Settings, progress: Listener<'_>) -> Result<()> {
        let mut census = Census::default();
        let insights = settings.insights.as_ref().map(|insights| &insights.columns);
        let mappings =
            [("messages", Some(&settings.messages.columns)), ("events", Some(&settings.events.columns)), ("insights", insights)];
        for (table, mapping) in mappings {
            if let Some((mapping, candidate)) = mapping.zip(self.picked(table, wishes)) {
                census::take(lake, mapping, candidate, &mut census, progress)?;
            }
        }
        for candidate in &mut self.candidates {
            let Some(fit) = &mut candidate.fit else { continue };
            if let Some(words) = census.null_words.get(fit.table.name) {
                candidate.null_words.clone_from(words);
            }
            if let Some(direction) = fit.choice_mut("direction") {
                let looked = Looked { sample: &candidate.sample, seen: &candidate.seen };
                details::complete_directions(direction, &looked, &census.directions);
            }
        }
        self.census = census;
        Ok(())
    }

    /// The pipeline file, and what of it only a person can say.
    pub(crate) fn written(&self, wishes: &Wishes, decided: &Decided, name: &str, url: &str) -> text::Written {
        text::file(self, wishes, decided, (name, url))
    }
}
