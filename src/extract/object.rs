//! One object of a raw partition, read row by row through the pipeline's mapping, behind a row filter.

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{BooleanArray, RecordBatch};

use crate::base::bound::Bound;
use crate::base::day::Day;
use crate::base::error::{Error, Result};
use crate::base::object::Object;
use crate::config::PartitionedInput;
use crate::lake::{Filter, Lake, ReadPlan};

/// How the objects of a partition are read.
pub(super) struct PartitionObjects<'a> {
    pub lake: &'a Lake,
    pub input: &'a PartitionedInput,
    pub day: Day,
    /// The columns that the filter looks at; the others are decoded only for the rows that pass.
    pub tested: &'a [&'static str],
}

impl PartitionObjects<'_> {
    /// Gives `each` the rows that pass the test. What is odd about the object is added to the warnings.
    pub(super) fn rows(
        &self,
        object: &Object,
        warnings: &mut BTreeSet<String>,
        mut test: impl FnMut(&Bound, &RecordBatch) -> Result<BooleanArray> + Send + 'static,
        mut each: impl FnMut(&Bound, &RecordBatch) -> Result<()>,
    ) -> Result<()> {
        let table = self.input.columns.table;
        let names: Vec<&str> = table.columns.iter().map(|column| column.name).collect();
        let cell: OnceCell<Arc<Bound>> = OnceCell::new();
        let read = self.lake.read_batches(
            object,
            |schema| {
                let bound = Arc::new(self.input.columns.bind(schema)?);
                let columns = bound.paths(self.tested);
                let of_test = bound.clone();
                let filter = Filter { columns, test: Box::new(move |batch| test(&of_test, batch)) };
                let plan = ReadPlan { columns: bound.paths(&names), filter: Some(filter) };
                let _ = cell.set(bound);
                Ok(plan)
            },
            |batch| match cell.get() {
                Some(bound) => each(bound, &batch),
                None => Err(Error::bug("a batch came before its schema")),
            },
        );
        read.map_err(|error| error.with("table", table.name).with("day", self.day))?;
        if let Some(bound) = cell.get() {
            for column in bound.missing() {
                warnings.insert(format!("{}: optional column {column} is missing, it is NULL", table.name));
            }
            for (column, _) in bound.unreadable_json() {
                warnings.insert(format!("{}: some cells of {column} are not JSON objects, they are NULL", table.name));
            }
        }
        Ok(())
    }
}
