//! Days that lack rows for good: rows came for them while they were kept back, and then their partition left the lake. They are frozen as
//! published (rule 22), and say that they are not complete (rule 19).

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch, StringArray};
use arrow::compute::concat_batches;

use crate::base::error::{Error, ErrorKind, Result};
use crate::base::object::Object;
use crate::base::schema::{self, Table, published_column};
use crate::lake::decode;
use crate::lake::layout::day_object;
use crate::plan::reason::DayStep;
use crate::plan::receipt::DayReceipt;
use crate::run::publish::put;

use super::Run;

impl Run<'_> {
    /// Notes of the days that are kept back whether rows came that they lack.
    pub(super) fn note_lacking_days(&mut self) -> Result<()> {
        let noted: Vec<_> = {
            let planner = self.planner();
            let blocked = self.with_seen(|seen| seen.steps()).blocked.into_iter().map(|(day, _)| day);
            // What a day lacks whose own rows are lost, too, nobody can tell.
            blocked.filter(|day| !planner.would_lose_rows(*day)).map(|day| (day, planner.lacks_rows(day))).collect()
        };
        for (day, lacks_rows) in noted {
            if let Some(receipt) = self.survey.receipts.days.get(day).cloned() {
                self.survey.receipts.days.set(day, DayReceipt { lacks_rows, ..receipt });
            }
        }
        self.survey.receipts.days.write(self.job.output)
    }

    /// Publishes these days as they are, but not as complete.
    pub(super) fn publish_as_incomplete(&mut self, steps: &[DayStep]) -> Result<()> {
        for step in steps {
            (self.job.stopped)()?;
            let Some(mut receipt) = self.survey.receipts.days.get(step.day).cloned() else { continue };
            for table in [schema::ad_days, schema::bot_days] {
                let version = self.publish_table_as_incomplete(step, table).map_err(|error| error.with("day", step.day))?;
                receipt.objects.insert(table().name.to_string(), version);
            }
            receipt.complete = "0".repeat(receipt.complete.len());
            self.survey.receipts.days.set(step.day, receipt);
            self.survey.receipts.days.write(self.job.output)?;
            self.report.days_incomplete += 1;
            self.report.days.push(step.clone());
        }
        Ok(())
    }

    fn publish_table_as_incomplete(&mut self, step: &DayStep, of: fn() -> Table) -> Result<String> {
        let table = of();
        let path = day_object(table.name, step.day);
        let surveyed = self.survey.published.get(table.name).and_then(|days| days.get(&step.day)).cloned();
        let bytes = surveyed.as_ref().map(|object| self.job.output.get_listed(object)).transpose()?.flatten();
        let bytes = bytes.ok_or_else(|| {
            let error = Error::new(ErrorKind::Conflict, "a published object went or changed while the run looked at it");
            error.with("object", &path).mend("run again")
        })?;
        let put = put(&table, path.clone(), &incomplete(of(), &decode(bytes)?)?, surveyed)?;
        let version = self.publish(std::slice::from_ref(&put)).remove(0)?;
        let object = Object::plain(path, put.bytes.len() as u64, version.clone());
        self.survey.published.entry(table.name).or_default().insert(step.day, object);
        Ok(version)
    }
}

/// The rows, of which those of bots are not complete. On a row without a bot it says whether Meta's figures have landed.
fn incomplete(table: Table, batches: &[RecordBatch]) -> Result<RecordBatch> {
    let rows = concat_batches(&table.schema, batches).map_err(|error| Error::bug(format!("published rows: {error}")))?;
    let (bots, complete) =
        (published_column::<StringArray>(&rows, "bot_id")?, published_column::<BooleanArray>(&rows, "complete")?);
    let now: BooleanArray = (0..rows.num_rows()).map(|row| Some(!bots.is_valid(row) && complete.value(row))).collect();
    let column = |(field, array): (&Arc<arrow::datatypes::Field>, &ArrayRef)| match field.name().as_str() {
        "complete" => Arc::new(now.clone()) as ArrayRef,
        _ => array.clone(),
    };
    let columns = table.schema.fields().iter().zip(rows.columns()).map(column).collect();
    table.batch(columns)
}
