//! One object of a raw partition, read row by row through the pipeline's mapping, behind a row filter.

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::{BooleanArray, RecordBatch};

use crate::base::bound::Bound;
use crate::base::day::Day;
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::object::Object;
use crate::config::PartitionedInput;
use crate::extract::hints::{line_of, named, unit_of};
use crate::extract::keys::KeyUses;
use crate::extract::words::FewWords;
use crate::lake::{Filter, Lake, ReadPlan};

/// What is odd about objects, though their rows count.
#[derive(Default)]
pub(super) struct Oddities {
    pub warnings: BTreeSet<String>,
    pub keys: KeyUses,
}

impl Oddities {
    pub(super) fn append(&mut self, other: Oddities) {
        self.warnings.extend(other.warnings);
        self.keys.append(other.keys);
    }
}

/// How the objects of a partition are read.
pub(super) struct PartitionObjects<'a> {
    pub lake: &'a Lake,
    pub input: &'a PartitionedInput,
    pub day: Day,
    /// The columns that the filter looks at; the others are decoded only for the rows that pass.
    pub tested: &'a [&'static str],
}

impl PartitionObjects<'_> {
    /// Gives `each` the rows that pass the test. What is odd about the object is added to the oddities.
    pub(super) fn rows(
        &self,
        object: &Object,
        oddities: &mut Oddities,
        mut test: impl FnMut(&Bound, &RecordBatch) -> Result<BooleanArray> + Send + 'static,
        mut each: impl FnMut(&Bound, &RecordBatch) -> Result<()>,
    ) -> Result<()> {
        let table = self.input.columns.table;
        let names: Vec<&str> = table.columns.iter().map(|column| column.name).collect();
        let cell: OnceCell<Arc<Bound>> = OnceCell::new();
        let rows_tested = Arc::new(AtomicU64::new(0));
        let read = self.lake.read_batches(
            object,
            |schema| {
                let bound = Arc::new(self.input.columns.bind(schema, &object.path)?);
                let columns = bound.paths(self.tested);
                let (of_test, tested) = (bound.clone(), rows_tested.clone());
                let counted_test = move |batch: &RecordBatch| {
                    tested.fetch_add(batch.num_rows() as u64, Ordering::Relaxed);
                    test(&of_test, batch)
                };
                let filter = Filter { columns, test: Box::new(counted_test) };
                let plan = ReadPlan { columns: bound.paths(&names), filter: Some(filter) };
                let _ = cell.set(bound);
                Ok(plan)
            },
            |batch| match cell.get() {
                Some(bound) => each(bound, &batch),
                None => Err(Error::bug("a batch came before its schema")),
            },
        );
        let here = |error: Error| error.with("object", &object.path).with("table", table.name).with("day", self.day);
        read.map_err(|error| match error.kind() {
            ErrorKind::Data => here(self.without_unit(object).unwrap_or(error)),
            _ => here(error),
        })?;
        if let Some(bound) = cell.get() {
            oddities.warnings.extend(bound.missing().iter().map(|column| format!("{}: {}", table.name, column.text(""))));
            let mut keys = bound.keys();
            // Columns of the test were looked at in every row, and once more in those that passed.
            let of_test = keys.iter_mut().filter(|((column, _), _)| self.tested.contains(column));
            of_test.for_each(|(_, of)| of.rows = rows_tested.load(Ordering::Relaxed));
            oddities.keys.add(keys);
        }
        Ok(())
    }

    /// What to say of whole numbers that are times, where the mapping names no unit and the file's footer tells one of them.
    fn without_unit(&self, object: &Object) -> Option<Error> {
        let mapping = &self.input.columns;
        let source = mapping.plain_instants().filter(|source| source.unit.is_none())?;
        let (_, schema, stored) = self.lake.stored_span(object, &source.column).ok()?;
        let kind = schema.field_with_name(&source.column).ok().map(|field| field.data_type()).filter(|kind| kind.is_integer())?;
        let column = mapping.columns.iter().find(|column| column.spec.is_instant())?.spec.name;
        let (number, allowed) = (stored?.high, self.input.zone.allowed_instants(self.day));
        let (name, unit) = named(unit_of(number, &allowed)?);
        let error = Error::data(format!("{source} is {kind}, and the mapping does not say what it counts"));
        Some(
            error.with("column", &source.column).with("such as", number).mend(format!(
                "{number} looks like Unix {name}: write {}",
                line_of(mapping, column, &format!("unit = {unit:?}"))
            )),
        )
    }

    /// The words that a column of an object holds, but for those of the contract.
    pub(super) fn other_words(&self, object: &Object, column: &'static str) -> Result<FewWords> {
        let ours = self.input.columns.table.columns.iter().find(|of| of.name == column).map_or(&[][..], |of| of.words);
        let (cell, mut words) = (OnceCell::new(), FewWords::default());
        self.lake.read_batches(
            object,
            |schema| {
                let bound = self.input.columns.bind(schema, &object.path)?;
                let plan = ReadPlan { columns: bound.paths(&[column]), filter: None };
                let _ = cell.set(bound);
                Ok(plan)
            },
            |batch| {
                let bound: &Bound = cell.get().ok_or_else(|| Error::bug("a batch came before its schema"))?;
                let texts = bound.text(column, &batch)?;
                texts.iter().flatten().filter(|word| !ours.contains(word)).for_each(|word| words.add(word, 1));
                Ok(())
            },
        )?;
        Ok(words)
    }
}
