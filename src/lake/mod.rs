//! The lake: the only user of `object_store`, synchronous outside, asynchronous inside.
//!
//! A [`Location`] is a place named in the pipeline file; [`Lake::open`] gives access to it. Paths are relative to the location
//! and use `/`. Publishing replaces one object at once: readers see the old bytes or the new ones, never a part, and no other
//! name ever appears in the target's folder. Storage errors are classified here, while they are in hand.
//!
//! ```text
//! as_bytes.rs        texts that are none
//! asked.rs           which rows are asked for
//! batches.rs         how many rows at once
//! blocks.rs          an object, piece by piece
//! delta/days.rs      a Delta table's live files by their days
//! delta/handlers.rs  what its kernel asks of storage
//! delta/mod.rs       Delta Lake: tables by their log
//! delta/reading.rs   a file as its table's rows and columns
//! delta/table.rs     the current version, by the log
//! disk.rs            a folder on a local disk
//! epochs.rs          the lock on an object store
//! failure.rs         what a failure of storage means
//! fetch.rs           an object's bytes for the Parquet reader
//! formats.rs         folders that are more than their files
//! guess.rs           the pattern that would fit
//! holder.rs          who holds a lock
//! json.rs            small JSON objects
//! layout.rs          where things lie in the output
//! listing.rs         the days of an input table
//! location.rs        a folder, or a prefix in a bucket
//! lock.rs            one run at a time
//! names.rs           which files hold rows
//! objects.rs         listed, and got whole
//! odd_keys.rs        names that have no address
//! open.rs            a location, opened
//! pattern.rs         which folders are days
//! probe.rs           what a store can do
//! projection.rs      which columns are read
//! read.rs            Parquet in batches
//! store.rs           opened by the environment
//! table.rs           our own tables as Parquet
//! tables.rs          the tables of an unknown lake
//! traffic.rs         over the wire to a store
//! trial.rs           whether a folder can be written to
//! write.rs           one object at once
//! ```

mod as_bytes;
mod asked;
mod batches;
mod blocks;
mod delta;
mod disk;
mod epochs;
mod failure;
mod fetch;
mod formats;
mod guess;
mod holder;
mod json;
pub(crate) mod layout;
mod listing;
mod location;
mod lock;
mod names;
mod objects;
mod odd_keys;
mod open;
mod pattern;
mod probe;
mod projection;
mod read;
mod store;
mod table;
mod tables;
mod traffic;
mod trial;
mod write;

pub use asked::Filter;
pub use holder::Released;
pub use json::{read_json, write_json};
pub use listing::{Fault, Layout, Listing, Partition};
pub(crate) use listing::{Files, Listed};
pub use location::Location;
pub use lock::{Lock, Put};
pub use open::Lake;
pub use pattern::{Glob, Pattern};
pub use probe::Probe;
pub(crate) use read::readable;
pub use read::{ReadPlan, StoredSpan, TextForm};
pub use store::Environment;
pub use table::{StoredTable, decode, encode, encode_working, read_footer_schema};
pub(crate) use tables::FoundTable;
pub use traffic::Requests;
