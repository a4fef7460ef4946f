//! Aliases, followed: where each chain of the alias table ends, for every bot (rule 16).
//!
//! In: the rows of the table, in any order. Out: [`Identities`]. Each alias is followed once, and what is kept grows with the table, not
//! with the bots: of a bot that has no rows of its own, nothing is kept.

use std::cell::OnceCell;
use std::collections::{BTreeMap, HashMap, HashSet};

use arrow::array::{Array, AsArray, BooleanArray, RecordBatch, StringArray};
use arrow::compute::filter;
use foldhash::fast::FixedState;

use crate::base::bound::{Bound, RawCell};
use crate::base::error::{Error, Result};
use crate::base::ids::no_id;
use crate::base::mapping::TableMapping;
use crate::base::object::Object;
use crate::config::Forms;
use crate::extract::identity::{Ends, Identities, LOOP, NO_ID, SetAsideAlias, SetAsideAliases, TWO_TARGETS};
use crate::extract::keys::KeyUses;
use crate::lake::{Lake, ReadPlan};

/// The rows of the table, as they come.
pub struct AliasRows {
    forms: Forms,
    of_bot: Vec<Ends>,
    of_every_bot: Ends,
    two_targets: Vec<SetAsideAlias>,
    no_ids: Vec<SetAsideAlias>,
    keys: KeyUses,
}

impl AliasRows {
    /// No alias yet, for so many bots.
    pub fn new(bots: usize, forms: Forms) -> AliasRows {
        let (two_targets, no_ids) = (Vec::new(), Vec::new());
        let (of_bot, of_every_bot, keys) = (vec![Ends::default(); bots], Ends::default(), KeyUses::default());
        AliasRows { forms, of_bot, of_every_bot, two_targets, no_ids, keys }
    }

    /// Adds the rows of a file of the table.
    pub(crate) fn read(
        &mut self,
        lake: &Lake,
        columns: &TableMapping,
        object: &Object,
        bots: &BTreeMap<&str, usize>,
    ) -> Result<()> {
        let cell: OnceCell<Bound> = OnceCell::new();
        let names: Vec<&str> = columns.columns.iter().map(|column| column.spec.name).collect();
        lake.read_batches(
            object,
            |schema| {
                let bound = columns.bind(schema, &object.path)?;
                let plan = ReadPlan { columns: bound.paths(&names), filter: None };
                let _ = cell.set(bound);
                Ok(plan)
            },
            |batch| match cell.get() {
                Some(bound) => self.take(bound, &batch, bots),
                None => Err(Error::bug("a batch came before its schema")),
            },
        )?;
        if let Some(bound) = cell.get() {
            self.keys.add(bound.keys());
        }
        Ok(())
    }

    /// Adds the rows of a batch. Rows with what is no id, or without an alias or a contact, are set aside.
    fn take(&mut self, bound: &Bound, batch: &RecordBatch, bots: &BTreeMap<&str, usize>) -> Result<()> {
        let cells = |name| bound.id_cells(name, batch);
        let (ids, aliases, contacts) = (cells("bot_id")?, cells("alias")?, cells("contact_id")?);
        let is_fault = |row: usize| {
            let has_fault = [&ids, &aliases, &contacts].into_iter().any(|column| column.faults.of(row).is_some());
            has_fault || aliases.get(row).is_none() || contacts.get(row).is_none()
        };
        let faulty: Vec<usize> = (0..batch.num_rows()).filter(|row| is_fault(*row)).collect();
        if faulty.is_empty() {
            return self.add([&ids.texts, &aliases.texts, &contacts.texts], bots);
        }
        let came = |name| bound.as_they_came(name, batch, &faulty);
        let shown = |cell: Option<RawCell>| cell.map(|cell| cell.text).unwrap_or_default();
        for ((row, alias), contact) in faulty.iter().zip(came("alias")?).zip(came("contact_id")?) {
            let bot = ids.get(*row).map(|id| bots.get(id).copied());
            // Of a bot that the pipeline does not name.
            if bot != Some(None) {
                let (alias, contact) = (shown(alias), shown(contact));
                self.no_ids.push(SetAsideAlias { reason: NO_ID, bot: bot.flatten(), alias, contact });
            }
        }
        let is_kept: BooleanArray = (0..batch.num_rows()).map(|row| Some(faulty.binary_search(&row).is_err())).collect();
        let kept = |texts: &StringArray| -> Result<StringArray> {
            let kept = filter(texts, &is_kept).map_err(|error| Error::bug("texts cannot be filtered").source(error))?;
            Ok(kept.as_string::<i32>().clone())
        };
        self.add([&kept(&ids.texts)?, &kept(&aliases.texts)?, &kept(&contacts.texts)?], bots)
    }

    /// Adds rows of the table: the ids of bots, aliases and contacts.
    pub fn add(&mut self, [ids, aliases, contacts]: [&StringArray; 3], bots: &BTreeMap<&str, usize>) -> Result<()> {
        for row in 0..ids.len() {
            let id = cell(ids, row);
            let bot = id.and_then(|id| bots.get(id).copied());
            // Of a bot that the pipeline does not name.
            if bot.is_none() && id.is_some_and(|id| no_id(id).is_none()) {
                continue;
            }
            let (Some(alias), Some(contact)) = (cell(aliases, row), cell(contacts, row)) else {
                return Err(Error::data("an identity has no alias or no contact").mend("remove the row, or fill it"));
            };
            if [id, Some(alias), Some(contact)].into_iter().flatten().any(|id| no_id(id).is_some()) {
                // All whose contact is the word for nothing would be one.
                self.no_ids.push(SetAsideAlias { reason: NO_ID, bot, alias: alias.to_string(), contact: contact.to_string() });
                continue;
            }
            self.note(bot, self.forms.of(alias).into_owned(), self.forms.of(contact).into_owned());
        }
        Ok(())
    }

    fn note(&mut self, bot: Option<usize>, alias: String, contact: String) {
        let targets = match bot {
            None => &mut self.of_every_bot,
            Some(bot) => &mut self.of_bot[bot],
        };
        let Some(known) = targets.get(&alias) else {
            targets.insert(alias, contact);
            return;
        };
        if *known != contact {
            let row = |target: &String| SetAsideAlias { reason: TWO_TARGETS, bot, alias: alias.clone(), contact: target.clone() };
            self.two_targets.extend([row(known), row(&contact)]);
        }
    }

    /// Follows every alias to its end.
    pub fn followed(self) -> Identities {
        let AliasRows { forms, mut of_bot, mut of_every_bot, two_targets: mut rows, mut no_ids, keys } = self;
        no_ids.sort_unstable();
        no_ids.dedup();
        rows.sort_unstable();
        rows.dedup();
        for row in &rows {
            let targets = row.bot.map_or(&mut of_every_bot, |bot| &mut of_bot[bot]);
            // It stands for itself, in spite of what rows for all bots say.
            targets.insert(row.alias.clone(), row.alias.clone());
        }
        let set_aside_of = no_ids.len() + of_every_bot.len() + of_bot.iter().map(HashMap::len).sum::<usize>();
        let mut every = Chains::default();
        for alias in of_every_bot.keys() {
            let is_end = |id: &str| !of_every_bot.contains_key(id);
            every.follow(alias, &|id| of_every_bot.get(id).map(String::as_str), &|id| is_end(id).then_some(id));
        }
        let looped = |bot: Option<usize>, alias: &str, contact: &str| SetAsideAlias {
            reason: LOOP,
            bot,
            alias: alias.to_string(),
            contact: contact.to_string(),
        };
        rows.extend(every.looped.iter().map(|alias| looped(None, alias, &of_every_bot[*alias])));
        let leading_to = leading_to(&of_every_bot, &of_bot);
        let mut own_ends = Vec::with_capacity(of_bot.len());
        for (bot, own) in of_bot.iter().enumerate() {
            let reached = reached_by(own, &leading_to);
            let next = |id: &str| own.get(id).or_else(|| of_every_bot.get(id)).map(String::as_str);
            let mut chains = Chains::default();
            for alias in &reached {
                let beyond = |id| (!reached.contains(id)).then(|| every.ends.get(id).copied().unwrap_or(id));
                chains.follow(alias, &next, &beyond);
            }
            rows.extend(chains.looped.iter().map(|alias| looped(Some(bot), alias, next(alias).unwrap_or(alias))));
            own_ends.push(chains.owned());
        }
        rows.extend(no_ids);
        rows.sort_unstable();
        let unmet = keys.in_no_row().iter().map(|(key, of)| of.text(key)).collect();
        let set_aside = SetAsideAliases { rows, of: set_aside_of, unmet };
        Identities::new(forms, every.owned(), own_ends, set_aside)
    }
}

/// The id in a cell, trimmed; none where it is blank.
fn cell(array: &StringArray, row: usize) -> Option<&str> {
    array.is_valid(row).then(|| array.value(row).trim()).filter(|text| !text.is_empty())
}

/// The aliases for all bots, by what they stand for; nobody asks where no bot has rows of its own.
fn leading_to<'t>(of_every_bot: &'t Ends, of_bot: &[Ends]) -> HashMap<&'t str, Vec<&'t str>, FixedState> {
    let mut leading_to: HashMap<&str, Vec<&str>, FixedState> = HashMap::default();
    if of_bot.iter().any(|own| !own.is_empty()) {
        of_every_bot.iter().for_each(|(alias, contact)| leading_to.entry(contact).or_default().push(alias));
    }
    leading_to
}

/// A bot's own aliases, and those for all bots whose chains meet one.
fn reached_by<'t>(own: &'t Ends, leading_to: &HashMap<&'t str, Vec<&'t str>, FixedState>) -> HashSet<&'t str, FixedState> {
    let mut reached: HashSet<&str, FixedState> = own.keys().map(String::as_str).collect();
    let mut waiting: Vec<&str> = reached.iter().copied().collect();
    while let Some(contact) = waiting.pop() {
        let aliases = leading_to.get(contact).into_iter().flatten();
        waiting.extend(aliases.copied().filter(|alias| reached.insert(alias)));
    }
    reached
}

/// Chains, followed: each id once.
#[derive(Default)]
struct Chains<'t> {
    ends: HashMap<&'t str, &'t str, FixedState>,
    looped: Vec<&'t str>,
}

impl<'t> Chains<'t> {
    /// `next` gives what an id stands for; `beyond` the end of an id that is not among those that are followed here.
    fn follow(
        &mut self,
        alias: &'t str,
        next: &impl Fn(&'t str) -> Option<&'t str>,
        beyond: &impl Fn(&'t str) -> Option<&'t str>,
    ) {
        let (mut path, mut places) = (Vec::<&str>::new(), HashMap::<&str, usize, FixedState>::default());
        let mut at = alias;
        let end = loop {
            if let Some(end) = self.ends.get(at).copied().or_else(|| beyond(at)) {
                break end;
            }
            if let Some(place) = places.get(at) {
                // Whoever stands in the loop is as it came; whoever leads to it ends where it enters.
                let looped = path.split_off(*place);
                self.ends.extend(looped.iter().map(|id| (*id, *id)));
                self.looped.extend(looped);
                break at;
            }
            places.insert(at, path.len());
            path.push(at);
            match next(at) {
                Some(contact) if contact != at => at = contact,
                // An id that stands for itself is the end of its chain.
                _ => break at,
            }
        };
        self.ends.extend(path.into_iter().map(|id| (id, end)));
    }

    fn owned(&self) -> Ends {
        self.ends.iter().map(|(alias, end)| (alias.to_string(), end.to_string())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identities(rows: &[(Option<usize>, &str, &str)]) -> Identities {
        let mut table = AliasRows::new(2, Forms::default());
        rows.iter().for_each(|(bot, alias, contact)| table.note(*bot, alias.to_string(), contact.to_string()));
        table.followed()
    }

    fn set_aside(identities: &Identities) -> Vec<(&str, Option<usize>, &str)> {
        identities.set_aside.rows.iter().map(|row| (row.reason, row.bot, row.alias.as_str())).collect()
    }

    #[test]
    fn a_chain_is_followed_and_a_row_of_the_bot_s_own_beats_one_for_all() {
        let known = identities(&[(None, "a", "b"), (None, "b", "c"), (None, "c", "d"), (Some(1), "c", "e"), (Some(1), "e", "e")]);
        assert_eq!(["a", "b", "c", "d"].map(|id| known.resolve(0, id)), ["d", "d", "d", "d"]);
        assert_eq!(["a", "b", "c", "d", "e"].map(|id| known.resolve(1, id)), ["e", "e", "e", "d", "e"]);
        assert_eq!(set_aside(&known), []);
    }

    #[test]
    fn a_loop_costs_those_who_stand_in_it_and_nobody_else() {
        let known = identities(&[(None, "x", "y"), (None, "y", "x"), (None, "p", "q"), (None, "a", "x")]);
        assert_eq!(["x", "y", "p", "a"].map(|id| known.resolve(0, id)), ["x", "y", "q", "x"]);
        assert_eq!(set_aside(&known), [(LOOP, None, "x"), (LOOP, None, "y")]);
        assert_eq!(known.set_aside.counts(), BTreeMap::from([(LOOP.to_string(), 2)]));
    }

    #[test]
    fn a_loop_may_be_one_bot_s_alone_and_a_bot_may_be_without_it() {
        let known = identities(&[(None, "y", "x"), (Some(0), "x", "y")]);
        assert_eq!(["x", "y"].map(|id| known.resolve(0, id)), ["x", "y"]);
        assert_eq!(["x", "y"].map(|id| known.resolve(1, id)), ["x", "x"]);
        assert_eq!(set_aside(&known), [(LOOP, Some(0), "x"), (LOOP, Some(0), "y")]);
        let broken = identities(&[(None, "x", "y"), (None, "y", "x"), (Some(0), "y", "z")]);
        assert_eq!(["x", "y"].map(|id| broken.resolve(0, id)), ["z", "z"]);
        assert_eq!(["x", "y"].map(|id| broken.resolve(1, id)), ["x", "y"]);
    }

    #[test]
    fn two_targets_are_none() {
        let known =
            identities(&[(None, "x", "z"), (Some(0), "x", "a"), (Some(0), "x", "b"), (Some(0), "x", "a"), (None, "p", "x")]);
        assert_eq!(["x", "p"].map(|id| known.resolve(0, id)), ["x", "x"]);
        assert_eq!(["x", "p"].map(|id| known.resolve(1, id)), ["z", "z"]);
        assert_eq!(set_aside(&known), [(TWO_TARGETS, Some(0), "x"), (TWO_TARGETS, Some(0), "x")]);
        assert_eq!(known.set_aside.counts(), BTreeMap::from([(TWO_TARGETS.to_string(), 1)]));
    }

    #[test]
    fn the_share_is_of_aliases() {
        let looped = |i: usize| [format!("x{i}"), format!("y{i}")];
        let table = |loops: usize| {
            let mut table = AliasRows::new(1, Forms::default());
            for [one, other] in (0..loops).map(looped) {
                table.note(None, one.clone(), other.clone());
                table.note(None, other, one);
            }
            (0..12).for_each(|i| table.note(None, format!("p{i}"), "q".to_string()));
            table.followed().set_aside
        };
        assert!(table(5).check_share(0.01).is_ok(), "a few are never too many");
        assert!(table(6).check_share(0.5).is_ok());
        let error = table(6).check_share(0.49).unwrap_err().to_string();
        for says in ["12 of 24 aliases", "limit of 0.49", "loop: 12", "\"x0\" -> \"y0\""] {
            assert!(error.contains(says), "{error}");
        }
    }

    #[test]
    fn what_changed_is_found_in_either_direction() {
        let before = identities(&[(None, "a", "b"), (None, "p", "q"), (Some(1), "s", "t")]);
        let now = identities(&[(None, "a", "c"), (None, "p", "q"), (None, "n", "o")]);
        assert_eq!(now.changed_since(&before), HashSet::from(["a", "n", "s"]));
        assert_eq!(now.ends_of(&HashSet::from(["a", "z"])), HashSet::from(["a", "c", "z"]));
        assert_eq!(before.ids_of(&HashSet::from(["t"])), HashSet::from(["s".to_string(), "t".to_string()]));
    }
}
