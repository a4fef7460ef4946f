//! Rows set aside: the rows of a partition that break the contract, each with its reason, the column at fault and the cell as it came
//! (rule 18).

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};

use crate::base::bound::Bound;
use crate::base::cells::{Fault, Faults, TextCells};
use crate::base::dictionary::column;
use crate::base::error::Result;
use crate::base::ids::is_of_ids;
use crate::base::schema::{self, InputTable};
use crate::extract::words::FewWords;

pub(super) const UNREADABLE_ID: &str = "unreadable_id";
pub(super) const UNREADABLE_TEXT: &str = "unreadable_text";
pub(super) const UNREADABLE_JSON: &str = "unreadable_json";
pub(super) const UNREADABLE_TIME: &str = "unreadable_time";
pub(super) const ABSURD_TIME: &str = "absurd_time";
pub(super) const NO_TIME: &str = "no_time";
pub(super) const UNKNOWN_DIRECTION: &str = "unknown_direction";

/// Why a row is set aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Reason {
    pub name: &'static str,
    /// The column at fault.
    pub column: &'static str,
}

impl Reason {
    pub(super) fn new(name: &'static str, column: &'static str) -> Reason {
        Reason { name, column }
    }

    /// The first of these columns that a row has a fault in.
    pub(super) fn of_cells(columns: &[(&'static str, &TextCells)], times: (&'static str, &Faults), row: usize) -> Option<Reason> {
        let (time, times) = times;
        let of_texts = columns.iter().map(|(name, cells)| (*name, &cells.faults));
        let faults = of_texts.chain([(time, times)]).filter_map(|(name, faults)| Some((name, faults.of(row)?)));
        // What lies in a cell that is no JSON is worst: nobody can tell what it is.
        let (column, fault) = faults.min_by_key(|(_, fault)| *fault != Fault::NoJson)?;
        let name = match fault {
            Fault::NoJson => UNREADABLE_JSON,
            Fault::BrokenText if !is_of_ids(column) => UNREADABLE_TEXT,
            Fault::NoId | Fault::BrokenText => UNREADABLE_ID,
        };
        Some(Reason { name, column })
    }
}

/// As many characters of a cell are kept: one that should hold an id, and holds a book, is told by its beginning.
const MOST_OF_A_CELL: usize = 1_000;

/// The rows of one reason: what to say of them.
#[derive(Debug, Default)]
pub(super) struct RowsOfReason {
    pub rows: u64,
    /// Cells as they came.
    pub cells: FewWords,
    /// The first of the objects that have them, by name.
    pub object: Option<Arc<str>>,
}

/// The rows of a partition that are set aside.
pub(crate) struct SetAside {
    columns: &'static [&'static str],
    /// What is read.
    object: Option<Arc<str>>,
    /// How often each came: the reason, the column, its cell, then all cells.
    rows: BTreeMap<Vec<Option<String>>, u64>,
    by_reason: BTreeMap<Reason, RowsOfReason>,
}

impl SetAside {
    pub(super) fn new(columns: &'static [&'static str], object: Option<&str>) -> SetAside {
        SetAside { columns, object: object.map(Arc::from), rows: BTreeMap::new(), by_reason: BTreeMap::new() }
    }

    /// Takes the rows of a batch for which there is a reason.
    pub(super) fn take(&mut self, bound: &Bound, batch: &RecordBatch, reasons: &[(usize, Reason)]) -> Result<()> {
        if reasons.is_empty() {
            return Ok(());
        }
        let rows: Vec<usize> = reasons.iter().map(|(row, _)| *row).collect();
        let columns = self.columns.iter().map(|name| bound.as_they_came(name, batch, &rows)).collect::<Result<Vec<_>>>()?;
        for (place, (_, reason)) in reasons.iter().enumerate() {
            let at_fault = self.columns.iter().position(|name| *name == reason.column).and_then(|of| columns[of][place].as_ref());
            let cell: Option<String> = at_fault.map(|raw| raw.text.chars().take(MOST_OF_A_CELL).collect());
            let of_reason = self.by_reason.entry(*reason).or_default();
            of_reason.rows += 1;
            of_reason.cells.add(cell.as_deref().unwrap_or_default(), 1);
            of_reason.object.clone_from(&self.object);
            let first = [Some(reason.name.to_string()), Some(reason.column.to_string()), cell];
            let of_row = columns.iter().map(|cells| cells[place].as_ref().filter(|raw| !raw.is_whole));
            let kept = first.into_iter().chain(of_row.map(|raw| raw.map(|raw| raw.text.clone()))).collect();
            *self.rows.entry(kept).or_default() += 1;
        }
        Ok(())
    }

    pub(super) fn append(&mut self, other: SetAside) {
        other.rows.into_iter().for_each(|(row, times)| *self.rows.entry(row).or_default() += times);
        for (reason, more) in other.by_reason {
            let known = self.by_reason.entry(reason).or_default();
            known.rows += more.rows;
            known.cells.append(&more.cells);
            known.object = known.object.take().into_iter().chain(more.object).min();
        }
    }

    /// What there is to say of the rows of each reason, those of most rows first.
    pub(super) fn reasons(&self) -> Vec<(Reason, &RowsOfReason)> {
        let mut reasons: Vec<(Reason, &RowsOfReason)> = self.by_reason.iter().map(|(reason, rows)| (*reason, rows)).collect();
        reasons.sort_by_key(|(_, of_reason)| std::cmp::Reverse(of_reason.rows));
        reasons
    }

    /// The rows as a table; none where there are none.
    pub(super) fn table(&self, table: &InputTable) -> Result<Option<RecordBatch>> {
        if self.rows.is_empty() {
            return Ok(None);
        }
        let rows: Vec<_> = self.rows.iter().flat_map(|(row, times)| std::iter::repeat_n(row, *times as usize)).collect();
        let cells = |i: usize| Arc::new(column(rows.iter().map(|row| row[i].as_deref()))) as ArrayRef;
        let rejected = schema::rejected(table);
        let columns = (0..rejected.schema.fields().len()).map(cells).collect();
        rejected.batch(columns).map(Some)
    }
}
