//! Identities: which contact an id stands for (rule 16).
//!
//! The alias table says "this id is that contact", for one bot or for all. A chain is followed to its end; a row for the bot beats
//! one for all bots. Two targets for one alias, or a loop, is an error. Nothing is merged on a guess.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::datatypes::DataType;

use crate::base::dictionary::column;
use crate::base::error::{Error, Result};
use crate::base::schema;
use crate::config::Settings;

#[derive(Debug, Default)]
pub struct Identities {
    of_bot: Vec<HashMap<String, String>>,
    of_every_bot: HashMap<String, String>,
}

impl Identities {
    /// No alias yet, for so many bots.
    pub fn of_bots(bots: usize) -> Identities {
        Identities { of_bot: vec![HashMap::new(); bots], of_every_bot: HashMap::new() }
    }

    /// Adds rows of the table.
    pub fn add(&mut self, batch: &RecordBatch, bots: &std::collections::BTreeMap<&str, usize>) -> Result<()> {
        let text = |name: &'static str| -> Result<StringArray> {
            let column = batch.column_by_name(name).ok_or_else(|| Error::bug(format!("column {name} was not read")))?;
            match column.data_type() {
                DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Dictionary(..) | DataType::Null => {}
                other => return Err(Error::data(format!("{name} is {other}, a text is needed")).with("column", name)),
            }
            let cast = arrow::compute::cast(column, &DataType::Utf8);
            Ok(cast.map_err(|error| Error::bug("a text column cannot be cast").source(error))?.as_string::<i32>().clone())
        };
        let (ids, aliases, contacts) = (text("bot_id")?, text("alias")?, text("contact_id")?);
        for row in 0..batch.num_rows() {
            let cell = |array: &StringArray| {
                array.is_valid(row).then(|| array.value(row).to_string()).filter(|cell| !cell.trim().is_empty())
            };
            let targets = match cell(&ids) {
                None => &mut self.of_every_bot,
                Some(id) => match bots.get(id.as_str()) {
                    Some(bot) => &mut self.of_bot[*bot],
                    None => continue,
                },
            };
            let (Some(alias), Some(contact)) = (cell(&aliases), cell(&contacts)) else {
                return Err(Error::data("an identity has no alias or no contact").mend("remove the row, or fill it"));
            };
            match targets.insert(alias.clone(), contact.clone()) {
                Some(known) if known != contact => {
                    return Err(Error::data(format!("alias {alias:?} has two targets, {known:?} and {contact:?}"))
                        .mend("keep one of the rows: contacts are never merged on a guess"));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The ids, with the index of the bot, that stand for another contact here than there.
    pub fn changed_since(&self, before: &Identities, bots: usize) -> HashSet<(u32, String)> {
        let mut changed = HashSet::new();
        for bot in 0..bots {
            let of_bot = [self, before].into_iter().filter_map(|identities| identities.of_bot.get(bot)).flat_map(HashMap::keys);
            let aliases: HashSet<&String> = of_bot.chain(self.of_every_bot.keys()).chain(before.of_every_bot.keys()).collect();
            let moved = aliases.into_iter().filter(|alias| self.resolve(bot, alias) != before.resolve(bot, alias));
            changed.extend(moved.map(|alias| (bot as u32, alias.clone())));
        }
        changed
    }

    /// The ids of a bot that have a target.
    pub fn aliases(&self, bot: usize) -> impl Iterator<Item = &str> {
        let of_bot = self.of_bot.get(bot).into_iter().flat_map(HashMap::keys);
        of_bot.chain(self.of_every_bot.keys()).map(String::as_str)
    }

    /// All ids that stand for these contacts of a bot, their own among them.
    pub fn ids_of(&self, bot: usize, contacts: &HashSet<&str>) -> HashSet<String> {
        let standing = self.aliases(bot).filter(|alias| contacts.contains(self.resolve(bot, alias)));
        standing.chain(contacts.iter().copied()).map(str::to_string).collect()
    }

    /// The table, with the ids of members as those of their bots, sorted.
    pub fn table(&self, settings: &Settings) -> Result<RecordBatch> {
        let mut rows: Vec<(Option<&str>, &String, &String)> =
            self.of_every_bot.iter().map(|(alias, contact)| (None, alias, contact)).collect();
        for (bot, targets) in settings.bots.iter().zip(&self.of_bot) {
            rows.extend(targets.iter().map(|(alias, contact)| (Some(bot.id.as_str()), alias, contact)));
        }
        rows.sort_unstable();
        let columns: Vec<ArrayRef> = vec![
            Arc::new(column(rows.iter().map(|row| row.0))),
            Arc::new(column(rows.iter().map(|row| Some(row.1.as_str())))),
            Arc::new(column(rows.iter().map(|row| Some(row.2.as_str())))),
        ];
        schema::identities().batch(columns)
    }

    fn next(&self, bot: usize, contact: &str) -> Option<&str> {
        let of_bot = self.of_bot.get(bot).and_then(|targets| targets.get(contact));
        // An id that stands for itself is the end of its chain.
        of_bot.or_else(|| self.of_every_bot.get(contact)).map(String::as_str).filter(|next| *next != contact)
    }

    /// Refuses chains that never end.
    pub fn check_loops(&self, settings: &Settings) -> Result<()> {
        let longest = self.of_every_bot.len() + self.of_bot.iter().map(HashMap::len).sum::<usize>();
        for (bot, setting) in settings.bots.iter().enumerate() {
            let mut aliases: Vec<&String> = self.of_bot[bot].keys().chain(self.of_every_bot.keys()).collect();
            aliases.sort_unstable();
            for alias in aliases {
                let (mut at, mut steps) = (alias.as_str(), 0);
                while let Some(next) = self.next(bot, at) {
                    (at, steps) = (next, steps + 1);
                    if steps > longest {
                        return Err(Error::data(format!("alias {alias:?} leads into a loop"))
                            .with("table", "identities")
                            .with("bot", &setting.id)
                            .mend("remove one of the rows of the loop"));
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether every id stands for itself.
    pub fn is_empty(&self) -> bool {
        self.of_every_bot.is_empty() && self.of_bot.iter().all(HashMap::is_empty)
    }

    /// The contact that an id of a bot stands for; itself where no alias says otherwise.
    pub fn resolve<'a>(&'a self, bot: usize, contact: &'a str) -> &'a str {
        let mut at = contact;
        while let Some(next) = self.next(bot, at) {
            at = next;
        }
        at
    }
}
