//! How many rows of an object are decoded at once, and in which form, so that memory is bounded whatever its writer did: row groups of any
//! size, long texts, long texts that stand once in a dictionary and often in the rows.
//!
//! In: an object's footer and the columns to read. A batch has at most so many rows that they are a few tens of megabytes on the average.
//! Texts in dictionaries, which may be longer than their bytes in the file, come as numbers or views, which do not repeat them, and a batch
//! is cut by what its texts would take before anybody copies them.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, OffsetSizeTrait, RecordBatch};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{ArrowDictionaryKeyType, DataType, Field, FieldRef, Fields, Schema};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::basic::Encoding;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, RowGroupMetaData};

/// The rows of a batch where they are of ordinary length.
pub(super) const ROWS_PER_BATCH: usize = 65_536;

/// As many bytes a batch has, about.
const BATCH_BYTES: u64 = 32 << 20;

/// Row groups of which more bytes would be fetched are fetched piece by piece.
const GROUP_BYTES: u64 = 192 << 20;

/// How to read an object.
pub(super) struct Reading {
    pub metadata: ArrowReaderMetadata,
    pub rows_per_batch: usize,
    /// Whether a row group is too large to be fetched at once.
    pub is_by_pieces: bool,
}

impl Reading {
    /// For these columns of an object.
    pub(super) fn of(stored: ArrowReaderMetadata, columns: &ProjectionMask) -> Reading {
        let rows_per_batch = rows_per_batch(stored.metadata(), columns);
        let fetched = |group: &RowGroupMetaData| -> u64 { leaves(group, columns).map(|(_, fetched)| fetched).sum() };
        let is_by_pieces = stored.metadata().row_groups().iter().any(|group| fetched(group) > GROUP_BYTES);
        Reading { metadata: numbered(stored, columns), rows_per_batch, is_by_pieces }
    }
}

/// The bytes of each column to be read, decoded and as they are fetched.
fn leaves<'g>(group: &'g RowGroupMetaData, columns: &'g ProjectionMask) -> impl Iterator<Item = (u64, u64)> {
    let wanted = group.columns().iter().enumerate().filter(|(leaf, _)| columns.leaf_included(*leaf));
    wanted.map(|(_, chunk)| {
        let texts = chunk.unencoded_byte_array_data_bytes().unwrap_or_default();
        let bytes = |bytes: i64| u64::try_from(bytes).unwrap_or_default();
        (bytes(chunk.uncompressed_size()).max(bytes(texts)), bytes(chunk.compressed_size()))
    })
}

fn rows_per_batch(metadata: &ParquetMetaData, columns: &ProjectionMask) -> usize {
    let of_group = |group: &RowGroupMetaData| {
        let rows = u64::try_from(group.num_rows()).unwrap_or_default();
        let bytes: u64 = leaves(group, columns).map(|(decoded, _)| decoded).sum();
        usize::try_from(u128::from(BATCH_BYTES) * u128::from(rows) / u128::from(bytes.max(1))).unwrap_or(ROWS_PER_BATCH)
    };
    let groups = metadata.row_groups().iter().filter(|group| group.num_rows() > 0);
    groups.map(of_group).min().unwrap_or(ROWS_PER_BATCH).clamp(1, ROWS_PER_BATCH)
}

/// Texts as they lie in dictionaries, so that a text of any length is a small number in each row: numbers where all of a column does, else
/// views, and inside a column. A view holds the page that it looks into: not of columns whose pages are many megabytes, of which few rows
/// may be wanted from each.
fn numbered(stored: ArrowReaderMetadata, columns: &ProjectionMask) -> ArrowReaderMetadata {
    let parquet = stored.parquet_schema();
    let wanted = |field: &FieldRef| {
        let is_of_field =
            |leaf: usize| columns.leaf_included(leaf) && parquet.get_column_root(leaf).name() == field.name().as_str();
        let groups = stored.metadata().row_groups().iter();
        let chunks = groups.flat_map(|group| group.columns().iter().enumerate()).filter(|(leaf, _)| is_of_field(*leaf));
        let chunks: Vec<&ColumnChunkMetaData> = chunks.map(|(_, chunk)| chunk).collect();
        let is_small =
            |chunk: &&ColumnChunkMetaData| u64::try_from(chunk.uncompressed_size()).is_ok_and(|bytes| bytes <= BATCH_BYTES);
        let in_dictionary = chunks.iter().any(|chunk| chunk.dictionary_page_offset().is_some());
        if !in_dictionary || !chunks.iter().all(is_small) {
            return field.clone();
        }
        match field.data_type() {
            DataType::Utf8 if chunks.iter().all(|chunk| is_all_in_dictionary(chunk)) => {
                let kind = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
                Arc::new(Field::clone(field).with_data_type(kind))
            }
            _ => viewed(field),
        }
    };
    let fields: Fields = stored.schema().fields().iter().map(wanted).collect();
    if fields == *stored.schema().fields() {
        return stored;
    }
    let schema = Arc::new(Schema::new_with_metadata(fields, stored.schema().metadata().clone()));
    let options = ArrowReaderOptions::new().with_schema(schema);
    ArrowReaderMetadata::try_new(stored.metadata().clone(), options).unwrap_or(stored)
}

/// Whether no page holds texts beside the dictionary, as pages do that came when the writer found it too large.
fn is_all_in_dictionary(chunk: &ColumnChunkMetaData) -> bool {
    let in_dictionary = |encoding: Encoding| matches!(encoding, Encoding::PLAIN_DICTIONARY | Encoding::RLE_DICTIONARY);
    // Of the pages of data, where the writer says which are. The dictionary itself may be PLAIN: else nobody can tell.
    let mut encodings = chunk.page_encoding_stats_mask().unwrap_or(chunk.encodings_mask()).encodings();
    encodings.all(|encoding| in_dictionary(encoding) || encoding == Encoding::RLE)
}

/// A field with its texts as views.
fn viewed(field: &FieldRef) -> FieldRef {
    let kind = match field.data_type() {
        DataType::Utf8 | DataType::LargeUtf8 => DataType::Utf8View,
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(viewed).collect()),
        DataType::List(item) => DataType::List(viewed(item)),
        DataType::LargeList(item) => DataType::LargeList(viewed(item)),
        DataType::Map(entries, is_sorted) => DataType::Map(viewed(entries), *is_sorted),
        _ => return field.clone(),
    };
    Arc::new(Field::clone(field).with_data_type(kind))
}

/// A batch in parts of which each has at most [`BATCH_BYTES`] of texts, or one row.
pub(super) fn cut(batch: RecordBatch) -> Vec<RecordBatch> {
    let at_most: u64 = batch.columns().iter().map(|column| most_bytes(column)).sum();
    if at_most <= BATCH_BYTES {
        return vec![batch];
    }
    let mut bytes = vec![0; batch.num_rows()];
    batch.columns().iter().for_each(|column| add_bytes(column, &mut bytes));
    let (mut parts, mut start, mut sum) = (Vec::new(), 0, 0);
    for (row, of_row) in bytes.iter().enumerate() {
        if row > start && sum + of_row > BATCH_BYTES {
            parts.push(batch.slice(start, row - start));
            (start, sum) = (row, 0);
        }
        sum += of_row;
    }
    parts.push(batch.slice(start, batch.num_rows() - start));
    parts
}

/// What the texts of an array would take at most, quickly.
fn most_bytes(array: &dyn Array) -> u64 {
    match array.data_type() {
        DataType::Utf8 => span(array.as_string::<i32>().offsets()),
        DataType::LargeUtf8 => span(array.as_string::<i64>().offsets()),
        DataType::Binary => span(array.as_binary::<i32>().offsets()),
        DataType::LargeBinary => span(array.as_binary::<i64>().offsets()),
        DataType::Utf8View => array.as_string_view().views().iter().map(|view| u64::from(*view as u32)).sum(),
        DataType::BinaryView => array.as_binary_view().views().iter().map(|view| u64::from(*view as u32)).sum(),
        DataType::Dictionary(..) if of_longest_words(array) <= BATCH_BYTES => 0,
        DataType::Dictionary(..) | DataType::Struct(_) | DataType::List(_) | DataType::LargeList(_) | DataType::Map(..) => {
            let mut bytes = vec![0; array.len()];
            add_bytes(array, &mut bytes);
            bytes.iter().sum()
        }
        _ => 0,
    }
}

/// What the rows of a dictionary would take if all of them had its longest text.
fn of_longest_words(array: &dyn Array) -> u64 {
    let longest = array.as_any_dictionary_opt().and_then(|words| words.values().as_string_opt::<i32>());
    let longest = longest.and_then(|words| words.offsets().lengths().max());
    longest.map_or(u64::MAX, |longest| longest as u64 * array.len() as u64)
}

fn span<O: OffsetSizeTrait>(offsets: &OffsetBuffer<O>) -> u64 {
    offsets.last().zip(offsets.first()).map_or(0, |(last, first)| (last.as_usize() - first.as_usize()) as u64)
}

/// Adds what the texts of each row take.
fn add_bytes(array: &dyn Array, rows: &mut [u64]) {
    match array.data_type() {
        DataType::Utf8 => add_spans(array.as_string::<i32>().offsets(), rows),
        DataType::LargeUtf8 => add_spans(array.as_string::<i64>().offsets(), rows),
        DataType::Binary => add_spans(array.as_binary::<i32>().offsets(), rows),
        DataType::LargeBinary => add_spans(array.as_binary::<i64>().offsets(), rows),
        DataType::Utf8View => add_views(array.as_string_view().views(), rows),
        DataType::BinaryView => add_views(array.as_binary_view().views(), rows),
        DataType::Dictionary(key, _) => match key.as_ref() {
            DataType::Int8 => add_words::<arrow::datatypes::Int8Type>(array, rows),
            DataType::Int16 => add_words::<arrow::datatypes::Int16Type>(array, rows),
            DataType::Int64 => add_words::<arrow::datatypes::Int64Type>(array, rows),
            DataType::UInt8 => add_words::<arrow::datatypes::UInt8Type>(array, rows),
            DataType::UInt16 => add_words::<arrow::datatypes::UInt16Type>(array, rows),
            DataType::UInt32 => add_words::<arrow::datatypes::UInt32Type>(array, rows),
            DataType::UInt64 => add_words::<arrow::datatypes::UInt64Type>(array, rows),
            _ => add_words::<arrow::datatypes::Int32Type>(array, rows),
        },
        DataType::Struct(_) => array.as_struct().columns().iter().for_each(|child| add_bytes(child, rows)),
        DataType::List(_) => add_items(array.as_list::<i32>().values(), array.as_list::<i32>().offsets(), rows),
        DataType::LargeList(_) => add_items(array.as_list::<i64>().values(), array.as_list::<i64>().offsets(), rows),
        DataType::Map(..) => {
            let map = array.as_map();
            map.entries().columns().iter().for_each(|child| add_items(child, map.offsets(), rows));
        }
        _ => {}
    }
}

fn add_spans<O: OffsetSizeTrait>(offsets: &OffsetBuffer<O>, rows: &mut [u64]) {
    rows.iter_mut().zip(offsets.lengths()).for_each(|(row, length)| *row += length as u64);
}

fn add_views(views: &[u128], rows: &mut [u64]) {
    // The length of a view is in its lowest bits.
    rows.iter_mut().zip(views).for_each(|(row, view)| *row += u64::from(*view as u32));
}

fn add_words<K: ArrowDictionaryKeyType>(array: &dyn Array, rows: &mut [u64]) {
    let Some(words) = array.as_dictionary_opt::<K>() else { return };
    let mut of_words = vec![0; words.values().len()];
    add_bytes(words.values(), &mut of_words);
    for (row, word) in rows.iter_mut().zip(words.keys_iter()) {
        *row += word.and_then(|word| of_words.get(word)).copied().unwrap_or_default();
    }
}

fn add_items<O: OffsetSizeTrait>(items: &ArrayRef, offsets: &OffsetBuffer<O>, rows: &mut [u64]) {
    let mut of_items = vec![0; items.len()];
    add_bytes(items, &mut of_items);
    for (row, ends) in rows.iter_mut().zip(offsets.windows(2)) {
        *row += of_items[ends[0].as_usize()..ends[1].as_usize()].iter().sum::<u64>();
    }
}
