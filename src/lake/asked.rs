//! Which rows of an object are asked for: a test on some columns, which are decoded first.

use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{BooleanArray, RecordBatch};
use arrow::error::ArrowError;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowPredicateFn, RowFilter};

use super::batches::cut;
use super::delta::{ColumnPath, FileView};
use crate::base::error::{Error, Result};

pub(super) type Test = Box<dyn FnMut(&RecordBatch) -> Result<BooleanArray> + Send>;

/// Which rows to read: a test on some columns.
pub struct Filter {
    pub columns: Vec<ColumnPath>,
    pub test: Test,
}

/// A filter, which is asked again where an object is read once more. The first error of its test is kept.
#[derive(Clone)]
pub(super) struct Asked {
    pub(super) columns: Arc<[ColumnPath]>,
    test: Arc<Mutex<Test>>,
    failed: Arc<Mutex<Option<Error>>>,
}

impl Asked {
    /// Whether the test itself failed.
    pub(super) fn has_failed(&self) -> bool {
        self.failed.lock().is_ok_and(|failed| failed.is_some())
    }

    /// The error of the test itself.
    pub(super) fn failure(&self) -> Option<Error> {
        self.failed.lock().ok()?.take()
    }
}

impl From<Filter> for Asked {
    fn from(Filter { columns, test }: Filter) -> Asked {
        Asked { columns: columns.into(), test: Arc::new(Mutex::new(test)), failed: Arc::default() }
    }
}

/// The test on these columns.
pub(super) fn row_filter(stored: ProjectionMask, filter: &Asked, view: Arc<FileView>) -> RowFilter {
    let Asked { columns, test, failed } = filter.clone();
    let predicate = ArrowPredicateFn::new(stored, move |batch| {
        let mut passes = Vec::new();
        let mut test = test.lock().unwrap_or_else(PoisonError::into_inner);
        for part in cut(batch) {
            let of_part = test(&view.shown(part, &columns)?).map_err(|error| {
                let text = error.to_string();
                if let Ok(mut failed) = failed.lock() {
                    *failed = Some(error);
                }
                ArrowError::ComputeError(text)
            })?;
            passes.push(of_part);
        }
        match <[BooleanArray; 1]>::try_from(passes) {
            Ok([all]) => Ok(all),
            Err(parts) => Ok(parts.iter().flatten().collect()),
        }
    });
    RowFilter::new(vec![Box::new(predicate)])
}
