//! Publish: what a run puts where readers look, in the order in which it must appear.
//!
//! An object that holds the same bytes already is left alone. Several are put at once, after one look at the lock; each replaces only
//! what was surveyed, where the store can tell.

use arrow::array::RecordBatch;
use bytes::Bytes;

use crate::base::error::{Error, Result};
use crate::base::object::Object;
use crate::base::parallel::while_waiting;
use crate::base::schema::{DAY_TABLES, Table};
use crate::lake::{Lake, Lock, Put, encode, read_footer_schema};
use crate::plan::reason::DayStep;
use crate::plan::receipt::DayReceipt;
use crate::tables::audit::{DayRows, failed};

/// A day that is to be published.
pub(crate) struct BuiltDay<'s> {
    pub step: &'s DayStep,
    pub rows: DayRows,
    /// In the order of their publication.
    pub puts: Vec<Put>,
    pub receipt: DayReceipt,
}

/// What became of an object.
pub struct PublishedObject {
    pub version: String,
    /// None where the same bytes were there.
    pub bytes_written: Option<u64>,
}

/// An object of a table, read back from its bytes.
pub(crate) fn put(table: &Table, path: String, rows: &RecordBatch, surveyed: Option<Object>) -> Result<Put> {
    let bytes = encode(&table.schema, std::slice::from_ref(rows))?;
    footer(table, rows.num_rows(), &bytes)?;
    Ok(Put { path, bytes, surveyed })
}

/// Days that were put. Where something failed, they are not whole.
pub(crate) struct PublishedDays<'s> {
    pub days: Vec<BuiltDay<'s>>,
    pub objects: Vec<PublishedObject>,
    pub failed: Option<Error>,
}

/// Publishes days table by table, so that of each day `bot_days` comes last.
pub(crate) fn days<'s>(lock: &Lock, output: &Lake, days: Vec<BuiltDay<'s>>) -> PublishedDays<'s> {
    let mut published = PublishedDays { days, objects: Vec::new(), failed: None };
    if published.days.is_empty() {
        return published;
    }
    for (i, table) in DAY_TABLES.iter().enumerate() {
        let puts: Vec<Put> = published.days.iter().map(|built| built.puts[i].clone()).collect();
        for (built, object) in published.days.iter_mut().zip(publish(lock, output, &puts)) {
            match object {
                Ok(object) => {
                    built.receipt.objects.insert(table.to_string(), object.version.clone());
                    published.objects.push(object);
                }
                // What storage refuses now it would refuse for every day.
                Err(error) => _ = published.failed.get_or_insert(error.with("day", built.step.day)),
            }
        }
        if published.failed.is_some() {
            break;
        }
    }
    published
}

/// Publishes objects, in no order among themselves. One error alone says that nothing was put: the lock is lost.
pub(crate) fn publish(lock: &Lock, output: &Lake, puts: &[Put]) -> Vec<Result<PublishedObject>> {
    if let Err(error) = lock.check() {
        return vec![Err(error)];
    }
    while_waiting(puts, |put| {
        if let Some(there) = &put.surveyed
            && there.size == put.bytes.len() as u64
            && output.get(&put.path)?.as_ref() == Some(&put.bytes)
        {
            return Ok(PublishedObject { version: there.version.clone(), bytes_written: None });
        }
        let version = lock.publish(output, put)?;
        Ok(PublishedObject { version, bytes_written: Some(put.bytes.len() as u64) })
    })
}

/// The schema and the number of rows, read back from the bytes.
pub(crate) fn footer(table: &Table, rows: usize, bytes: &Bytes) -> Result<()> {
    let (schema, stated) = read_footer_schema(bytes)?;
    if schema.fields() != table.schema.fields() {
        return Err(failed("the footer states the table's schema", format!("{}: {:?}", table.name, schema.fields())));
    }
    if stated != rows as i64 {
        return Err(failed("the footer states the number of rows", format!("{}: {stated} of {rows}", table.name)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_footer_is_found() {
        let table = crate::base::schema::bot_days();
        let bytes = crate::lake::encode(&crate::base::schema::ads().schema, &[]).unwrap();
        assert!(footer(&table, 0, &bytes).is_err());
        let bytes = crate::lake::encode(&table.schema, &[]).unwrap();
        assert!(footer(&table, 0, &bytes).is_ok());
        assert!(footer(&table, 1, &bytes).is_err());
    }
}
