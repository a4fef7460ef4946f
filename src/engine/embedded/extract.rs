//! Raw partitions, read on this machine: many of them at once, a core each; one that comes alone with all cores, unless it is far
//! larger than they usually are: then one object after the other, in the memory of an ordinary one.

use arrow::array::RecordBatch;

use crate::base::error::Result;
use crate::base::memory;
use crate::base::parallel::{cores, on_all_cores};
use crate::base::progress::Progress;
use crate::base::schema::Raw;
use crate::engine::embedded::working;
use crate::engine::request::{ExtractRequest, Extraction, Keep};
use crate::extract::found::Scope;
use crate::extract::{self, Extracted};
use crate::lake::Partition;
use crate::lake::{Lake, readable};

/// A partition this small is never unusual.
const FEW_BYTES: u64 = 32 << 20;

/// What each partition holds, with its rows where it is not refused.
pub(super) fn extract(
    lake: &Lake,
    output: &Lake,
    request: &ExtractRequest<'_>,
) -> Vec<Result<(Extraction, Option<RecordBatch>)>> {
    let scope = Scope::new(request.settings);
    let is_unusual = |partition: &Partition| partition.bytes() > (2 * request.usual_bytes).max(FEW_BYTES);
    let is_alone = request.partitions.len() < cores();
    if is_alone && request.partitions.iter().any(is_unusual) {
        memory::give_back();
    }
    on_all_cores(request.partitions, |partition| {
        let at_once = is_alone && !is_unusual(partition);
        let extracted = readable(|| match request.table {
            Raw::Messages => extract::messages(lake, &scope, partition, at_once),
            Raw::Events => extract::events(lake, &scope, partition, at_once),
        })?;
        let Extracted { rows, content, set_aside, refusal } = extracted;
        let rows = refusal.is_none().then_some(rows);
        let to_store = rows.as_ref().filter(|_| request.keep == Keep::Stored);
        let version = to_store.map(|batch| working::store(output, request.table, partition.day, batch)).transpose()?;
        (request.progress)(Progress::Done { rows: content.accepted, bytes: partition.bytes() });
        Ok((Extraction { content, set_aside, refusal, version }, rows))
    })
}
