//! Receipts as they lie under `work/receipts/`, a file per kind and month, and all of them together in a [`Book`].

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::base::day::Day;
use crate::base::digest::Digest;
use crate::base::error::Result;
use crate::base::object::Object;
use crate::base::schema::Raw;
use crate::extract::found::RawContent;
use crate::insights::InsightsContent;
use crate::lake::{Lake, read_json, write_json};
use crate::plan::receipt::{AdsReceipt, DayReceipt, PartitionReceipt, Receipts};

/// All receipts.
pub struct Book {
    pub messages: Receipts<PartitionReceipt<RawContent>>,
    pub events: Receipts<PartitionReceipt<RawContent>>,
    pub insights: Receipts<PartitionReceipt<InsightsContent>>,
    pub days: Receipts<DayReceipt>,
    pub ads: Option<AdsReceipt>,
    pub identities: Option<IdentitiesReceipt>,
}

impl Book {
    pub fn read(output: &Lake) -> Result<Book> {
        Ok(Book {
            messages: Receipts::read(output, "messages")?,
            events: Receipts::read(output, "events")?,
            insights: Receipts::read(output, "insights")?,
            days: Receipts::read(output, "days")?,
            ads: read_json(output, ADS_RECEIPT)?,
            identities: read_json(output, IDENTITIES_RECEIPT)?,
        })
    }

    pub fn raw(&self, table: Raw) -> &Receipts<PartitionReceipt<RawContent>> {
        match table {
            Raw::Messages => &self.messages,
            Raw::Events => &self.events,
        }
    }

    pub fn raw_mut(&mut self, table: Raw) -> &mut Receipts<PartitionReceipt<RawContent>> {
        match table {
            Raw::Messages => &mut self.messages,
            Raw::Events => &mut self.events,
        }
    }
}

pub(crate) const ADS_RECEIPT: &str = "work/receipts/ads.json";
pub(crate) const IDENTITIES_RECEIPT: &str = "work/receipts/identities.json";

/// The alias table as the published days know it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentitiesReceipt {
    pub inputs: Vec<Object>,
    /// Which ids count as which bot's.
    pub bots: Digest,
}

impl<T: Serialize + DeserializeOwned + PartialEq> Receipts<T> {
    pub fn read(output: &Lake, kind: &'static str) -> Result<Receipts<T>> {
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
    pub fn write(&mut self, output: &Lake) -> Result<()> {
        for month in self.take_changed() {
            let days: BTreeMap<Day, &T> = self.iter().filter(|(day, _)| day.month() == month).collect();
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
