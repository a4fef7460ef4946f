//! Every table: its columns, their types, its key and its order. The names are the contract's.
//!
//! Input tables are described as what the mapping must find; output and working tables as Arrow schemas. Rows of every stored
//! table are sorted by its key, texts by their bytes, null first.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

use crate::base::error::{Error, Result};

/// A raw table: its partitions are read row by row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Raw {
    Messages,
    Events,
}

impl Raw {
    pub const BOTH: [Raw; 2] = [Raw::Messages, Raw::Events];

    pub fn table(self) -> &'static str {
        match self {
            Raw::Messages => "messages",
            Raw::Events => "events",
        }
    }
}

/// The tables of a day, in the order of their publication; `bot_days` is the sign of a finished day.
pub const DAY_TABLES: [&str; 3] = ["ad_conversions", "ad_days", "bot_days"];

/// A table of the lake, read through the pipeline's mapping.
#[derive(Debug)]
pub struct InputTable {
    pub name: &'static str,
    /// The section of the pipeline file that maps its columns is `columns` of this one.
    pub section: &'static str,
    pub columns: &'static [InputColumn],
}

#[derive(Debug)]
pub struct InputColumn {
    pub name: &'static str,
    pub kind: InputKind,
    /// A file without it breaks the contract; without an optional one the column is NULL.
    pub required: bool,
    /// The words the column may hold, for columns that hold words.
    pub words: &'static [&'static str],
    /// Read only where the pipeline file names it: a table can have one of that name by chance.
    pub only_named: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputKind {
    Text,
    Instant,
    /// Of several types: who reads the column says which.
    Unchecked,
}

impl InputColumn {
    const fn text(name: &'static str) -> InputColumn {
        InputColumn { name, kind: InputKind::Text, required: true, words: &[], only_named: false }
    }

    const fn instant(name: &'static str) -> InputColumn {
        InputColumn { name, kind: InputKind::Instant, required: true, words: &[], only_named: false }
    }

    const fn unchecked(name: &'static str) -> InputColumn {
        InputColumn { name, kind: InputKind::Unchecked, required: true, words: &[], only_named: false }
    }

    const fn words(mut self, words: &'static [&'static str]) -> InputColumn {
        self.words = words;
        self
    }

    const fn optional(mut self) -> InputColumn {
        self.required = false;
        self
    }

    const fn only_named(mut self) -> InputColumn {
        self.required = false;
        self.only_named = true;
        self
    }

    pub fn is_instant(&self) -> bool {
        self.kind == InputKind::Instant
    }
}

pub static MESSAGES: InputTable = InputTable {
    name: "messages",
    section: "inputs.messages",
    columns: &[
        InputColumn::text("bot_id"),
        InputColumn::text("message_id"),
        InputColumn::text("contact_id"),
        InputColumn::instant("sent_at"),
        InputColumn::text("direction").words(&["received", "sent"]).optional(),
        InputColumn::text("ad_id"),
        InputColumn::text("ad_type").words(&["ad", "post"]).optional(),
        InputColumn::text("ad_title").optional(),
        InputColumn::text("ctwa_clid").optional(),
    ],
};

pub static EVENTS: InputTable = InputTable {
    name: "events",
    section: "inputs.events",
    columns: &[
        InputColumn::text("bot_id"),
        InputColumn::text("contact_id"),
        InputColumn::text("category"),
        InputColumn::instant("occurred_at"),
        InputColumn::text("event_id").optional(),
    ],
};

/// Which ids stand for which contacts.
pub static IDENTITIES: InputTable = InputTable {
    name: "identities",
    section: "inputs.identities",
    columns: &[InputColumn::text("bot_id"), InputColumn::text("alias"), InputColumn::text("contact_id")],
};

/// Meta's figures, as whoever lands them has them.
pub static INSIGHTS: InputTable = InputTable {
    name: "insights",
    section: "insights",
    columns: &[
        InputColumn::unchecked("account_id"),
        InputColumn::unchecked("ad_id"),
        InputColumn::unchecked("currency"),
        InputColumn::unchecked("spend"),
        InputColumn::unchecked("impressions").optional(),
        InputColumn::unchecked("reach").optional(),
        InputColumn::unchecked("clicks").optional(),
        InputColumn::unchecked("inline_link_clicks").optional(),
        InputColumn::unchecked("messaging_conversations_started").optional(),
        InputColumn::unchecked("ad_name").optional(),
        InputColumn::unchecked("adset_id").optional(),
        InputColumn::unchecked("adset_name").optional(),
        InputColumn::unchecked("campaign_id").optional(),
        InputColumn::unchecked("campaign_name").optional(),
        InputColumn::unchecked("date").only_named(),
        InputColumn::instant("loaded_at").only_named(),
    ],
};

/// The number of each table's logic: raised when the same inputs give other rows, so that what older logic made is stale. A day's
/// counts are read back from its published tables as long as its rows are what they were, so a mended rule heals nothing without it.
pub struct Logic {
    pub touches: u32,
    pub conversions: u32,
    pub insights: u32,
    pub ads: u32,
    pub ad_days: u32,
    pub ad_conversions: u32,
    pub bot_days: u32,
}

pub const LOGIC: Logic = Logic { touches: 4, conversions: 3, insights: 3, ads: 1, ad_days: 2, ad_conversions: 2, bot_days: 2 };

/// Spend, costs, rates and frequencies: decimal(18,6).
pub const MONEY_PRECISION: u8 = 18;
pub const MONEY_SCALE: i8 = 6;

pub fn money() -> DataType {
    DataType::Decimal128(MONEY_PRECISION, MONEY_SCALE)
}

pub fn instant() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// A column of a published table, in the type it has.
pub fn published_column<'a, A: Array + 'static>(batch: &'a RecordBatch, name: &'static str) -> Result<&'a A> {
    batch.column_by_name(name).and_then(|column| column.as_any().downcast_ref()).ok_or_else(|| mistyped(name))
}

pub fn mistyped(column: &'static str) -> Error {
    Error::data("a published table lacks a column, or has it in another type")
        .with("column", column)
        .mend("build the day again with `ctwa backfill`: another version or program wrote it")
}

/// A stored table: its name, its columns in order, and how many of the first columns are its key.
pub struct Table {
    pub name: &'static str,
    pub schema: SchemaRef,
    pub key: &'static [&'static str],
}

impl Table {
    /// Its columns as rows of it.
    pub(crate) fn batch(self, columns: Vec<ArrayRef>) -> Result<RecordBatch> {
        RecordBatch::try_new(self.schema, columns)
            .map_err(|error| Error::bug("columns do not fit their table").with("table", self.name).source(error))
    }
}

fn schema(columns: &[(&str, DataType, bool)]) -> SchemaRef {
    Arc::new(Schema::new(
        columns.iter().map(|(name, kind, nullable)| Field::new(*name, kind.clone(), *nullable)).collect::<Vec<_>>(),
    ))
}

const NULLABLE: bool = true;
const NEVER_NULL: bool = false;

pub fn ad_days() -> Table {
    use DataType::*;
    Table {
        name: "ad_days",
        key: &["date", "bot_id", "ad_id"],
        schema: schema(&[
            ("date", Date32, NEVER_NULL),
            ("bot_id", Utf8, NULLABLE),
            ("ad_id", Utf8, NEVER_NULL),
            ("account_id", Utf8, NULLABLE),
            ("currency", Utf8, NULLABLE),
            ("conversations", Int64, NEVER_NULL),
            ("conversions", Int64, NULLABLE),
            ("spend", money(), NULLABLE),
            ("impressions", Int64, NULLABLE),
            ("reach", Int64, NULLABLE),
            ("clicks", Int64, NULLABLE),
            ("inline_link_clicks", Int64, NULLABLE),
            ("meta_conversations", Int64, NULLABLE),
            ("complete", Boolean, NEVER_NULL),
        ]),
    }
}

pub fn ad_conversions() -> Table {
    use DataType::*;
    Table {
        name: "ad_conversions",
        key: &["date", "bot_id", "ad_id", "conversation_date", "category"],
        schema: schema(&[
            ("date", Date32, NEVER_NULL),
            ("bot_id", Utf8, NEVER_NULL),
            ("ad_id", Utf8, NEVER_NULL),
            ("conversation_date", Date32, NEVER_NULL),
            ("category", Utf8, NEVER_NULL),
            ("conversions", Int64, NEVER_NULL),
        ]),
    }
}

pub fn ads() -> Table {
    use DataType::*;
    Table {
        name: "ads",
        key: &["bot_id", "ad_id"],
        schema: schema(&[
            ("bot_id", Utf8, NULLABLE),
            ("ad_id", Utf8, NEVER_NULL),
            ("ad_type", Utf8, NULLABLE),
            ("ad_title", Utf8, NULLABLE),
            ("first_conversation_at", instant(), NULLABLE),
            ("last_conversation_at", instant(), NULLABLE),
            ("account_id", Utf8, NULLABLE),
            ("currency", Utf8, NULLABLE),
            ("ad_name", Utf8, NULLABLE),
            ("adset_id", Utf8, NULLABLE),
            ("adset_name", Utf8, NULLABLE),
            ("campaign_id", Utf8, NULLABLE),
            ("campaign_name", Utf8, NULLABLE),
        ]),
    }
}

pub fn bot_days() -> Table {
    use DataType::*;
    Table {
        name: "bot_days",
        key: &["date", "bot_id"],
        schema: schema(&[
            ("date", Date32, NEVER_NULL),
            ("bot_id", Utf8, NEVER_NULL),
            ("touches", Int64, NEVER_NULL),
            ("duplicate_touches", Int64, NEVER_NULL),
            ("unattributed_touches", Int64, NEVER_NULL),
            ("conversion_events", Int64, NULLABLE),
            ("conversions", Int64, NULLABLE),
            ("unattributed_conversions", Int64, NULLABLE),
            ("organic_conversion_events", Int64, NULLABLE),
            ("events_without_contact", Int64, NULLABLE),
            ("rejected_rows", Int64, NEVER_NULL),
            ("complete", Boolean, NEVER_NULL),
            ("insights_status", Utf8, NEVER_NULL),
        ]),
    }
}

/// Meta's figures of an account on a day, as they are landed beside the inputs.
pub fn insights() -> Table {
    use DataType::*;
    Table {
        name: "insights",
        key: &["account_id", "ad_id"],
        schema: schema(&[
            ("account_id", Utf8, NEVER_NULL),
            ("ad_id", Utf8, NEVER_NULL),
            ("currency", Utf8, NEVER_NULL),
            ("spend", money(), NEVER_NULL),
            ("impressions", Int64, NULLABLE),
            ("reach", Int64, NULLABLE),
            ("clicks", Int64, NULLABLE),
            ("inline_link_clicks", Int64, NULLABLE),
            ("messaging_conversations_started", Int64, NULLABLE),
            ("ad_name", Utf8, NULLABLE),
            ("adset_id", Utf8, NULLABLE),
            ("adset_name", Utf8, NULLABLE),
            ("campaign_id", Utf8, NULLABLE),
            ("campaign_name", Utf8, NULLABLE),
        ]),
    }
}

/// Meta's figures of ranges as a whole; a day's object holds those of the ranges that end with it.
pub fn reach() -> Table {
    use DataType::*;
    Table {
        name: "reach",
        key: &["account_id", "ad_id", "since", "until"],
        schema: schema(&[
            ("account_id", Utf8, NEVER_NULL),
            ("ad_id", Utf8, NEVER_NULL),
            ("since", Date32, NEVER_NULL),
            ("until", Date32, NEVER_NULL),
            ("reach", Int64, NULLABLE),
            ("impressions", Int64, NULLABLE),
            ("frequency", money(), NULLABLE),
        ]),
    }
}

/// Touches and unattributed touches of one partition, before copies are dropped; contacts as they came. Hashes are short hashes of
/// the ids, by which few rows are found without reading the ids of all.
pub fn touches() -> Table {
    use DataType::*;
    Table {
        name: "touches",
        key: &["contact_hash", "bot_id", "contact_id", "sent_at", "message_id"],
        schema: schema(&[
            ("contact_hash", Int64, NEVER_NULL),
            ("message_hash", Int64, NEVER_NULL),
            ("bot_id", Utf8, NEVER_NULL),
            ("contact_id", Utf8, NEVER_NULL),
            ("sent_at", Int64, NEVER_NULL),
            ("message_id", Utf8, NEVER_NULL),
            ("ad_id", Utf8, NULLABLE),
            ("ad_type", Utf8, NULLABLE),
            ("ad_title", Utf8, NULLABLE),
        ]),
    }
}

/// Conversion events of one partition, before copies are dropped; contacts as they came, null where the event has none. The event's
/// hash is of its id and category, null where it has no id.
pub fn conversions() -> Table {
    use DataType::*;
    Table {
        name: "conversions",
        key: &["contact_hash", "bot_id", "contact_id", "occurred_at", "category", "event_id"],
        schema: schema(&[
            ("contact_hash", Int64, NULLABLE),
            ("event_hash", Int64, NULLABLE),
            ("bot_id", Utf8, NEVER_NULL),
            ("contact_id", Utf8, NULLABLE),
            ("occurred_at", Int64, NEVER_NULL),
            ("category", Utf8, NEVER_NULL),
            ("event_id", Utf8, NULLABLE),
        ]),
    }
}

/// The alias table as the last run knew it.
pub fn identities() -> Table {
    let columns =
        [("bot_id", DataType::Utf8, NULLABLE), ("alias", DataType::Utf8, NEVER_NULL), ("contact_id", DataType::Utf8, NEVER_NULL)];
    Table { name: "identities", key: &["bot_id", "alias"], schema: schema(&columns) }
}

/// Aliases set aside, with the reason; the bot is that whose ids they are, none where they are every bot's.
pub(crate) fn rejected_identities() -> Table {
    let columns = ["reason", "bot_id", "alias", "contact_id"].map(|name| (name, DataType::Utf8, name == "bot_id"));
    Table { name: "rejected", key: &[], schema: schema(&columns) }
}

/// Rows set aside, as they came (times as text), with the reason, the column at fault and its cell.
pub fn rejected(table: &InputTable) -> Table {
    let mut columns =
        vec![("reason", DataType::Utf8, NEVER_NULL), ("column", DataType::Utf8, NEVER_NULL), ("value", DataType::Utf8, NULLABLE)];
    columns.extend(table.columns.iter().map(|column| (column.name, DataType::Utf8, NULLABLE)));
    Table { name: "rejected", key: &[], schema: schema(&columns) }
}
