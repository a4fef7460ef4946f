//! Identities: which contact an id stands for (rule 16).
//!
//! The alias table says "this id is that contact", for one bot or for all. A chain is followed to its end; a row for the bot beats
//! one for all bots. An alias with two targets, all aliases of a loop, and rows with what is no id are set aside: their contacts count
//! as they came. Nothing is merged on a guess.
//!
//! In: the ends of all aliases, as `aliases.rs` finds them. Out: who an id stands for, and what of the table is set aside.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use foldhash::fast::FixedState;

use crate::base::dictionary::column;
use crate::base::error::{Error, Result};
use crate::base::schema;
use crate::config::{Forms, Settings};

pub(super) type Ends = HashMap<String, String, FixedState>;

/// Who ids stand for. Aliases and contacts are in the pipeline's forms.
#[derive(Debug, Default)]
pub struct Identities {
    forms: Forms,
    of_every_bot: Ends,
    /// Of each bot, the aliases whose chain meets a row of the bot's own.
    of_bot: Vec<Ends>,
    pub(crate) set_aside: SetAsideAliases,
}

/// The aliases that are set aside.
#[derive(Debug, Default)]
pub(crate) struct SetAsideAliases {
    pub rows: Vec<SetAsideAlias>,
    /// How many aliases there are.
    pub of: usize,
    /// What is said of mapped keys that no row has.
    pub unmet: Vec<String>,
}

/// A row of the table that is set aside, for one bot or for all.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SetAsideAlias {
    pub reason: &'static str,
    pub bot: Option<usize>,
    pub alias: String,
    pub contact: String,
}

/// As many may always be set aside: a person whose number changed and changed back refuses nobody's table, however short it is.
const FEW_ALIASES: u64 = 10;

pub(super) const TWO_TARGETS: &str = "two_targets";
pub(super) const LOOP: &str = "loop";
/// The row holds what is no id (rule 18).
pub(super) const NO_ID: &str = "unreadable_id";

impl SetAsideAliases {
    /// How many aliases are set aside, by reason.
    pub(crate) fn counts(&self) -> BTreeMap<String, u64> {
        let aliases: HashSet<(&str, Option<usize>, &str)> =
            self.rows.iter().map(|row| (row.reason, row.bot, row.alias.as_str())).collect();
        let mut counts = BTreeMap::new();
        aliases.into_iter().for_each(|(reason, ..)| *counts.entry(reason.to_string()).or_default() += 1);
        counts
    }

    /// Refuses a table of which too large a share is set aside.
    pub(super) fn check_share(&self, limit: f64) -> Result<()> {
        let counts = self.counts();
        let aliases: u64 = counts.values().sum();
        if aliases <= FEW_ALIASES || aliases as f64 <= limit * self.of as f64 {
            return Ok(());
        }
        let reasons: Vec<String> = counts.iter().map(|(reason, count)| format!("{reason}: {count}")).collect();
        let examples: Vec<String> = self.examples().map(|row| format!("{:?} -> {:?}", row.alias, row.contact)).collect();
        Err(Error::data(format!(
            "{aliases} of {} aliases have two targets or stand in loops, or hold what is no id, more than the limit of {limit}",
            self.of
        ))
        .with("table", "identities")
        .with("reasons", reasons.join(", "))
        .with("such as", examples.join(", "))
        .mend(format!(
            "{}keep one row of each alias, break the loops, and write ids as texts, NULL where there is none; [quality] \
             max_rejected_share says how many may be set aside",
            self.unmet.iter().map(|text| format!("{text}; ")).collect::<String>()
        )))
    }

    /// A few of the rows.
    fn examples(&self) -> impl Iterator<Item = &SetAsideAlias> {
        self.rows.iter().take(4)
    }

    /// What there is to say of them, if there are any.
    pub(crate) fn warning(counts: &BTreeMap<String, u64>) -> Option<String> {
        let of = |reason: &str| counts.get(reason).copied().unwrap_or_default();
        let (two_targets, looped, no_ids) = (of(TWO_TARGETS), of(LOOP), of(NO_ID));
        let all = two_targets + looped + no_ids;
        let no_ids = if no_ids > 0 { format!(", {no_ids} with what is no id") } else { String::new() };
        (all > 0).then(|| {
            format!(
                "identities: {all} aliases are set aside ({two_targets} with two targets, {looped} in loops{no_ids}), their contacts \
                 count as they came; the rows are in {REJECTED_ALIASES}"
            )
        })
    }

    /// What there is to say of them beside their number: a few of them by name.
    pub(crate) fn named(&self) -> String {
        let name = |row: &SetAsideAlias| format!("{:?} -> {:?} ({})", row.alias, row.contact, row.reason);
        self.examples().map(name).collect::<Vec<_>>().join(", ")
    }

    /// The rows as a table; none where there are none.
    pub(crate) fn table(&self, settings: &Settings) -> Result<Option<RecordBatch>> {
        if self.rows.is_empty() {
            return Ok(None);
        }
        let column = |text: &dyn Fn(&SetAsideAlias) -> Option<String>| -> ArrayRef {
            Arc::new(self.rows.iter().map(text).collect::<StringArray>())
        };
        let columns = vec![
            column(&|row| Some(row.reason.to_string())),
            column(&|row| row.bot.map(|bot| settings.bots[bot].id.clone())),
            column(&|row| Some(row.alias.clone())),
            column(&|row| Some(row.contact.clone())),
        ];
        schema::rejected_identities().batch(columns).map(Some)
    }
}

/// Where the aliases lie that are set aside.
pub(crate) const REJECTED_ALIASES: &str = "rejected/identities/rejected.parquet";

impl Identities {
    /// The ends of aliases, in these forms.
    pub(super) fn new(forms: Forms, of_every_bot: Ends, of_bot: Vec<Ends>, set_aside: SetAsideAliases) -> Identities {
        Identities { forms, of_every_bot, of_bot, set_aside }
    }

    /// No alias, in a pipeline's forms.
    pub fn without_aliases(settings: &Settings) -> Identities {
        Identities { forms: settings.forms.clone(), ..Identities::default() }
    }

    /// The same aliases, which are in these forms already.
    pub(crate) fn in_forms(self, forms: Forms) -> Identities {
        Identities { forms, ..self }
    }

    /// Refuses the table if too large a share of it is set aside.
    pub(crate) fn check_share(self, limit: f64) -> Result<Identities> {
        self.set_aside.check_share(limit)?;
        Ok(self)
    }

    /// The ids that stand for another contact here than there, in whatever bot.
    pub fn changed_since<'a>(&'a self, before: &'a Identities) -> HashSet<&'a str> {
        let mut changed = HashSet::new();
        for (one, other) in [(self, before), (before, self)] {
            let end = |id: &str, ends: &Ends| ends.get(id).map_or(id.to_string(), String::clone);
            let all = one.of_every_bot.iter().filter(|(alias, of)| end(alias, &other.of_every_bot) != **of);
            changed.extend(all.map(|(alias, _)| alias.as_str()));
            for (bot, own) in one.of_bot.iter().enumerate() {
                changed
                    .extend(own.iter().filter(|(alias, of)| other.resolve(bot, alias) != *of).map(|(alias, _)| alias.as_str()));
            }
        }
        changed
    }

    /// The ends of these ids, in whatever bot, themselves among them.
    pub(crate) fn ends_of<'a>(&'a self, ids: &HashSet<&'a str>) -> HashSet<&'a str> {
        let all = || [&self.of_every_bot].into_iter().chain(&self.of_bot);
        let ends = ids.iter().flat_map(|id| all().filter_map(move |ends| ends.get(*id).map(String::as_str)));
        ends.chain(ids.iter().copied()).collect()
    }

    /// Each alias with its end, in whatever bot.
    pub(crate) fn aliases(&self) -> impl Iterator<Item = (&str, &str)> {
        let all = [&self.of_every_bot].into_iter().chain(&self.of_bot);
        all.flatten().map(|(alias, end)| (alias.as_str(), end.as_str()))
    }

    /// All ids that stand for these contacts in some bot, their own among them.
    pub fn ids_of(&self, contacts: &HashSet<&str>) -> HashSet<String> {
        let standing = self.aliases().filter(|(_, end)| contacts.contains(end)).map(|(alias, _)| alias);
        standing.chain(contacts.iter().copied()).map(str::to_string).collect()
    }

    /// The table with every alias at its end, and with the ids of members as those of their bots, sorted. A row that changes nobody's
    /// end is not in it: tables that say the same are the same, so a contact that is erased is in none.
    pub fn table(&self, settings: &Settings) -> Result<RecordBatch> {
        let all = self.of_every_bot.iter().filter(|(alias, end)| alias != end);
        let mut rows: Vec<(Option<&str>, &String, &String)> = all.map(|(alias, end)| (None, alias, end)).collect();
        for (bot, targets) in settings.bots.iter().zip(&self.of_bot) {
            let own = targets.iter().filter(|(alias, end)| self.of_every_bot.get(*alias).unwrap_or(alias) != *end);
            rows.extend(own.map(|(alias, end)| (Some(bot.id.as_str()), alias, end)));
        }
        rows.sort_unstable();
        let columns: Vec<ArrayRef> = vec![
            Arc::new(column(rows.iter().map(|row| row.0))),
            Arc::new(column(rows.iter().map(|row| Some(row.1.as_str())))),
            Arc::new(column(rows.iter().map(|row| Some(row.2.as_str())))),
        ];
        schema::identities().batch(columns)
    }

    /// Whether every id, in its form, stands for itself.
    pub fn is_empty(&self) -> bool {
        self.aliases().all(|(alias, end)| alias == end)
    }

    /// The contact that an id of a bot stands for; itself where no alias says otherwise. The id is in its form.
    pub fn resolve<'a>(&'a self, bot: usize, id: &'a str) -> &'a str {
        let own = self.of_bot.get(bot).filter(|ends| !ends.is_empty()).and_then(|ends| ends.get(id));
        own.or_else(|| self.of_every_bot.get(id)).map_or(id, String::as_str)
    }

    /// The contact that an id of a bot stands for, as it came.
    pub fn contact<'a>(&'a self, bot: usize, as_it_came: &'a str) -> Cow<'a, str> {
        match self.forms.of(as_it_came) {
            Cow::Borrowed(id) => Cow::Borrowed(self.resolve(bot, id)),
            Cow::Owned(id) => Cow::Owned(self.resolve(bot, &id).to_string()),
        }
    }
}
