//! In the lake: what lies there, by one listing of each table.
//!
//! In: the lake and the receipts, which tell of files without an ending that they were read before. Out: the partitions of each
//! table, the objects of the alias table, and where we fetch Meta's figures, what was fetched.

use std::collections::BTreeSet;

use crate::base::day::Day;
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::object::Object;
use crate::base::parallel::at_once;
use crate::config::{PartitionedInput, Settings};
use crate::extract::identity::Identities;
use crate::insights::InsightsContent;
use crate::insights::ledger::{self, Ledgers};
use crate::known::job::Places;
use crate::known::receipts::Book;
use crate::known::sync_days::KeptSyncDays;
use crate::lake::{Files, Lake, Listed, Listing};
use crate::plan::receipt::{PartitionReceipt, Receipts};

/// What is there of the lake.
pub(super) struct InLake {
    pub messages: Listing,
    pub events: Listing,
    pub insights: Listing,
    /// Why nothing can be told of them, where their table as a whole cannot be read.
    pub insights_away: Option<Error>,
    pub ledgers: Option<Ledgers>,
    pub sync_days: KeptSyncDays,
    pub identities: Vec<Object>,
    pub aliases_left_out: Option<String>,
}

/// The same as it is listed, before files without an ending are looked into.
pub(super) struct ListedTables<'a> {
    messages: Listed<'a>,
    events: Listed<'a>,
    insights: ListedInsights<'a>,
    identities: Option<Files>,
}

impl<'a> ListedTables<'a> {
    pub(super) fn list(lake: &Lake, settings: &'a Settings) -> Result<ListedTables<'a>> {
        let list = |table: &'static str, input: &'a PartitionedInput| {
            lake.listed(&input.path, &input.layout).map_err(|error| error.with("table", table))
        };
        let (messages, events) = at_once(|| list("messages", &settings.messages), || list("events", &settings.events))?;
        let (messages, events) = (messages?, events?);
        let insights = ListedInsights::list(lake, settings)?;
        let identities = settings.identities.as_ref().map(|input| Identities::files(lake, input)).transpose()?;
        Ok(ListedTables { messages, events, insights, identities })
    }

    pub(super) fn settled(self, places: &Places<'_>, receipts: &Book) -> Result<InLake> {
        let Places { settings, lake, .. } = *places;
        let table = |table: &'static str, input: &PartitionedInput, listed: Listed<'_>, known: &Receipts<_>| {
            let listing = listed.settled(lake, &|day, object| is_known(known, day, object));
            let listing = listing.map_err(|error| error.with("table", table))?;
            if listing.partitions.is_empty() {
                let error = Error::not_ready(format!("no partition has landed in {}/", input.path));
                let error = error.with("folder", lake.location().join(&input.path));
                return Err(match (&input.layout.marker, listing.left_out.first()) {
                    (Some(_), Some(told)) => error.mend(told.clone()),
                    _ => error.mend(format!(
                        "land partitions as {} there, or correct the path in the pipeline file",
                        input.layout.example()
                    )),
                });
            }
            Ok(listing)
        };
        let messages = table("messages", &settings.messages, self.messages, &receipts.messages)?;
        let events = table("events", &settings.events, self.events, &receipts.events)?;
        let mut listed_insights = self.insights;
        let insights_away = listed_insights.away.take();
        let (insights, ledgers, sync_days) = listed_insights.settled(places, &receipts.insights)?;
        let known_aliases = receipts.identities.as_ref().map(|receipt| receipt.inputs.as_slice()).unwrap_or_default();
        let (identities, aliases_left_out) = match self.identities.zip(settings.identities.as_ref()) {
            Some((files, input)) => Identities::settled(lake, input, files, known_aliases)?,
            None => (Vec::new(), None),
        };
        Ok(InLake { messages, events, insights, insights_away, ledgers, sync_days, identities, aliases_left_out })
    }
}

/// Whether a partition's receipt names this object.
fn is_known<C: PartialEq>(receipts: &Receipts<PartitionReceipt<C>>, day: Day, object: &Object) -> bool {
    receipts.get(day).is_some_and(|receipt| receipt.inputs.contains(object))
}

/// Meta's figures as they are listed.
struct ListedInsights<'a> {
    listed: Option<Listed<'a>>,
    ledgers: Option<Ledgers>,
    away: Option<Error>,
}

impl<'a> ListedInsights<'a> {
    fn list(lake: &Lake, settings: &'a Settings) -> Result<ListedInsights<'a>> {
        let nothing = || ListedInsights { listed: None, ledgers: None, away: None };
        let Some(insights) = &settings.insights else { return Ok(nothing()) };
        let listed = match lake.listed(&insights.path, &insights.layout).map_err(|error| error.with("table", "insights")) {
            // No count waits for figures (rule 19). What we fetch ourselves has no log that could be broken.
            Err(error) if error.kind() == ErrorKind::Data && insights.api.is_none() => {
                return Ok(ListedInsights { away: Some(error), ..nothing() });
            }
            listed => listed?,
        };
        let is_fetched = insights.api.is_some();
        let ledgers = is_fetched.then(|| Ledgers::read(lake, &insights.path, settings)).transpose()?;
        Ok(ListedInsights { listed: Some(listed), ledgers, away: None })
    }

    /// What is no longer there counts as never fetched.
    fn settled(
        self,
        places: &Places<'_>,
        receipts: &Receipts<PartitionReceipt<InsightsContent>>,
    ) -> Result<(Listing, Option<Ledgers>, KeptSyncDays)> {
        let Places { settings, lake, .. } = *places;
        let Some((listed, insights)) = self.listed.zip(settings.insights.as_ref()) else { return Ok(<_>::default()) };
        let listing = listed.settled(lake, &|day, object| is_known(receipts, day, object));
        let listing = listing.map_err(|error| error.with("table", "insights"))?;
        if insights.columns.is_mapped("date") {
            return KeptSyncDays::take(places, &insights.columns, listing).map(|(listing, days)| (listing, None, days));
        }
        let Some(mut ledgers) = self.ledgers else { return Ok((listing, None, KeptSyncDays::default())) };
        let mut lost = BTreeSet::new();
        for (account, known) in &mut ledgers.accounts {
            known.ledger.days.retain(|day, fetched| {
                let path = ledger::day_object(&insights.path, account, *day);
                let objects = listing.partitions.get(day).map(|partition| partition.objects.as_slice()).unwrap_or_default();
                let is_there = fetched.object.is_none() || objects.iter().any(|object| object.path == path);
                if !is_there {
                    lost.insert(*day);
                }
                is_there
            });
        }
        ledgers.forget_answers_of(&lost);
        Ok((listing, Some(ledgers), KeptSyncDays::default()))
    }
}

/// The landed insights, and where we fetch them, what was fetched.
pub(crate) fn insights(
    places: &Places<'_>,
    receipts: &Receipts<PartitionReceipt<InsightsContent>>,
) -> Result<(Listing, Option<Ledgers>, KeptSyncDays)> {
    ListedInsights::list(places.lake, places.settings)?.settled(places, receipts)
}
