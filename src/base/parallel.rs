//! Work on several items at once, with the answers in the order of the items.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::base::error::{Error, Result};

pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// What takes the processor: as many at once as there are cores.
pub(crate) fn on_all_cores<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> Result<R> + Sync) -> Vec<Result<R>> {
    on_threads(cores(), items, work)
}

/// Two things at once.
pub(crate) fn at_once<A, B: Send>(one: impl FnOnce() -> A, other: impl FnOnce() -> B + Send) -> Result<(A, B)> {
    std::thread::scope(|scope| {
        let other = scope.spawn(other);
        let one = one();
        let other = other.join().map_err(|_| Error::bug("a worker thread panicked"))?;
        Ok((one, other))
    })
}

/// What mostly waits for storage.
pub(crate) fn while_waiting<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> Result<R> + Sync) -> Vec<Result<R>> {
    const AT_ONCE: usize = 8;
    on_threads(AT_ONCE, items, work)
}

/// Sorts on two cores where there is much to sort.
pub(crate) fn sort_by<T: Send>(items: &mut [T], order: impl Fn(&T, &T) -> std::cmp::Ordering + Sync) -> Result<()> {
    const MUCH: usize = 100_000;
    if items.len() < MUCH {
        items.sort_unstable_by(&order);
        return Ok(());
    }
    let middle = items.len() / 2;
    items.select_nth_unstable_by(middle, &order);
    let (low, high) = items.split_at_mut(middle);
    at_once(|| low.sort_unstable_by(&order), || high.sort_unstable_by(&order)).map(drop)
}

fn on_threads<T: Sync, R: Send>(threads: usize, items: &[T], work: impl Fn(&T) -> Result<R> + Sync) -> Vec<Result<R>> {
    let (next, done) = (AtomicUsize::new(0), Mutex::new(HashMap::new()));
    let worker = || {
        loop {
            let i = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(i) else { return };
            let result =
                catch_unwind(AssertUnwindSafe(|| work(item))).unwrap_or_else(|_| Err(Error::bug("a worker thread panicked")));
            if let Ok(mut done) = done.lock() {
                done.insert(i, result);
            }
        }
    };
    // Whoever asks works too: memory that one thread has freed is of little use to another.
    std::thread::scope(|scope| {
        (1..threads.min(items.len())).for_each(|_| drop(scope.spawn(worker)));
        worker();
    });
    let mut done = done.into_inner().unwrap_or_default();
    (0..items.len())
        .map(|i| done.remove(&i).unwrap_or_else(|| Err(Error::bug("a worker thread ended without a result"))))
        .collect()
}
