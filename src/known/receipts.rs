//! Receipts as they lie under `work/receipts/`, a file per kind and month, and all of them together in a [`Book`].

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::base::day::Day;
use crate::base::digest::Digest;
use crate::base::error::Result;
use crate::base::object::Object;
use crate::base::schema::Raw;
use crate::config::Settings;
use crate::extract::fingerprints;
use crate::extract::found::RawContent;
use crate::insights::InsightsContent;
use crate::lake::{Lake, read_json, write_json};
use crate::plan::marks::Marks;
use crate::plan::receipt::{AdsReceipt, DayReceipt, PartitionReceipt, Receipts, Refusal};

/// All receipts.
pub(crate) struct Book {
    pub messages: Receipts<PartitionReceipt<RawContent>>,
    pub events: Receipts<PartitionReceipt<RawContent>>,
    /// The partitions that could not be read when they were tried last.
    pub refused_messages: Receipts<Refusal>,
    pub refused_events: Receipts<Refusal>,
    pub insights: Receipts<PartitionReceipt<InsightsContent>>,
    pub days: Receipts<DayReceipt>,
    pub ads: Option<AdsReceipt>,
    pub identities: Option<IdentitiesReceipt>,
}

impl Book {
    pub(crate) fn read(output: &Lake) -> Result<Book> {
        Ok(Book {
            messages: Receipts::read(output, "messages")?,
            events: Receipts::read(output, "events")?,
            refused_messages: Receipts::read(output, "refused_messages")?,
            refused_events: Receipts::read(output, "refused_events")?,
            insights: Receipts::read(output, "insights")?,
            days: Receipts::read(output, "days")?,
            ads: read_json(output, ADS_RECEIPT)?,
            identities: read_json(output, IDENTITIES_RECEIPT)?,
        })
    }

    pub(crate) fn raw(&self, table: Raw) -> &Receipts<PartitionReceipt<RawContent>> {
        match table {
            Raw::Messages => &self.messages,
            Raw::Events => &self.events,
        }
    }

    pub(crate) fn raw_mut(&mut self, table: Raw) -> &mut Receipts<PartitionReceipt<RawContent>> {
        match table {
            Raw::Messages => &mut self.messages,
            Raw::Events => &mut self.events,
        }
    }

    pub(crate) fn refused(&self, table: Raw) -> &Receipts<Refusal> {
        match table {
            Raw::Messages => &self.refused_messages,
            Raw::Events => &self.refused_events,
        }
    }

    pub(crate) fn refused_mut(&mut self, table: Raw) -> &mut Receipts<Refusal> {
        match table {
            Raw::Messages => &mut self.refused_messages,
            Raw::Events => &mut self.refused_events,
        }
    }

    /// Writes what changed of a raw table's partitions.
    pub(crate) fn write_raw(&mut self, table: Raw, output: &Lake) -> Result<()> {
        self.raw_mut(table).write(output)?;
        self.refused_mut(table).write(output)
    }
}

pub(crate) const ADS_RECEIPT: &str = "work/receipts/ads.json";
pub(crate) const IDENTITIES_RECEIPT: &str = "work/receipts/identities.json";

/// The alias table as the published days know it. The table itself lies beside, under the name of the newest state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct IdentitiesReceipt {
    pub inputs: Vec<Object>,
    /// Which ids count as which bot's.
    pub bots: Digest,
    /// What of an id is not the contact, and who counts nowhere.
    #[serde(default, skip_serializing_if = "Digest::is_none")]
    pub people: Digest,
    /// How many aliases are set aside, by reason.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub set_aside: BTreeMap<String, u64>,
    /// What is said of mapped keys that no row has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unmet: Vec<String>,
    #[serde(default, skip_serializing_if = "Marks::is_empty")]
    pub marks: Marks,
    /// Tables of before that are still to be removed: they may name a contact that was erased.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<String>,
}

impl IdentitiesReceipt {
    /// Whether it is of this alias table, and nothing of an older one is left.
    pub(crate) fn knows(&self, inputs: &[Object], settings: &Settings) -> bool {
        let are_ids_alike = self.bots == fingerprints::identities(settings) && self.people == fingerprints::people(settings);
        self.inputs == inputs && are_ids_alike && self.left.is_empty()
    }

    /// The object that holds the table.
    pub(crate) fn table(&self) -> String {
        known_identities(self.marks.tip())
    }
}

/// Where the alias tables lie that the published days know: one, but for a moment.
pub(crate) const KNOWN_IDENTITIES: &str = "work/identities";

/// The object of the alias table of a state.
pub(crate) fn known_identities(state: Digest) -> String {
    // As version 0.1.0 named it, which had no states.
    let name = if state.is_none() { "identities".to_string() } else { state.to_string() };
    format!("{KNOWN_IDENTITIES}/{name}.parquet")
}

/// The object of the ads' places of a state.
pub(crate) fn known_places(state: Digest) -> String {
    if state.is_none() { "work/ad_places.json".to_string() } else { format!("work/ad_places/{state}.json") }
}

impl<T: Serialize + DeserializeOwned + PartialEq> Receipts<T> {
    pub(crate) fn read(output: &Lake, kind: &'static str) -> Result<Receipts<T>> {
        let mut days = BTreeMap::new();
        for object in output.list(&format!("work/receipts/{kind}"))? {
            let Some(bytes) = output.get(&object.path)? else { continue };
            // A receipt that cannot be read is a receipt that is lost.
            if let Ok(month) = serde_json::from_slice::<BTreeMap<Day, T>>(&bytes) {
                days.extend(month);
            }
        }
        Ok(Receipts::new(kind, days))
    }

    /// Writes the months that changed.
    pub(crate) fn write(&mut self, output: &Lake) -> Result<()> {
        for month in self.take_changed() {
            let days: BTreeMap<Day, &T> = self.iter().chain(self.aside()).filter(|(day, _)| day.month() == month).collect();
            let object = format!("work/receipts/{}/{month}.json", self.kind());
            if days.is_empty() {
                output.remove(&object)?;
            } else {
                write_json(output, &object, &days)?;
            }
        }
        Ok(())
    }
}
