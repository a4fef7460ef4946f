//! Objects of many days, read several at once: in parts of the range, each by one thread from its first day to its last.

use arrow::array::RecordBatch;

use crate::base::day::Day;
use crate::base::error::Result;
use crate::base::object::Object;
use crate::lake::Lake;

use super::columns::StoredColumn;

/// Days that one thread reads in a row: enough for what it learns of the ids on the first to pay on the others.
pub(super) const DAYS_PER_PART: usize = 32;

/// Freed memory that is used again rather than given back.
const KEPT_BYTES: usize = 8 << 20;

/// What `work` makes of the objects, a part at a time, in the order of the objects.
pub(super) fn in_parts<T: Send>(
    output: &Lake,
    objects: &[(Day, Object)],
    work: impl Fn(&[(Day, Object)]) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    // An allocator that gives memory back to the system gets it anew for each column of each day, page by page. GNU's learns from
    // a large block that is freed, without a page of it ever used, to keep what is smaller.
    drop(std::hint::black_box(Vec::<u8>::with_capacity(KEPT_BYTES)));
    let parts: Vec<&[(Day, Object)]> = objects.chunks(DAYS_PER_PART).collect();
    output.on_each(&parts, |part: &&[(Day, Object)]| work(part)).into_iter().collect()
}

/// The rows of the objects, in their order.
pub(super) fn rows<R: Send>(
    output: &Lake,
    objects: &[(Day, Object)],
    columns: &[StoredColumn],
    add: impl Fn(&RecordBatch, &mut Vec<R>) -> Result<()> + Sync,
) -> Result<Vec<R>> {
    let parts = in_parts(output, objects, |part| {
        let mut of_part = Vec::new();
        each_batch(output, part, columns, |batch| add(batch, &mut of_part))?;
        Ok(of_part)
    })?;
    let mut rows = Vec::with_capacity(parts.iter().map(Vec::len).sum());
    parts.into_iter().for_each(|part| rows.extend(part));
    Ok(rows)
}

pub(super) fn each_batch(
    output: &Lake,
    objects: &[(Day, Object)],
    columns: &[StoredColumn],
    mut each: impl FnMut(&RecordBatch) -> Result<()>,
) -> Result<()> {
    for (_, object) in objects {
        for batch in output.read_columns(object, columns)? {
            each(&batch).map_err(|error| error.with("object", &object.path))?;
        }
    }
    Ok(())
}
