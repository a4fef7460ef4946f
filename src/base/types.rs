//! Types of columns: which of them hold a text or an id exactly, and that text.
//!
//! Text in every encoding, also bytes that are UTF-8; integers; decimals, whole ones without the zeros behind the point; UUIDs. A
//! column of any other type is one only where it has no value.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray, new_null_array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field};
use arrow::util::display::{ArrayFormatter, FormatOptions};

use crate::base::error::{Error, Result};

/// What a column's values are, beside their type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exact {
    /// Ids and texts.
    Plain,
    /// Words that the mapping translates, true and false among them.
    Translated,
}

/// Why a column is not read.
pub(crate) enum Inexact {
    /// Its type, and its first value.
    Type { kind: DataType, example: String },
    /// Bytes that are no text, as they stand.
    Bytes { example: String },
}

pub(crate) fn is_text(kind: &DataType) -> bool {
    match kind {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => true,
        DataType::Dictionary(_, value) => is_text(value),
        _ => false,
    }
}

pub(crate) fn is_binary(kind: &DataType) -> bool {
    matches!(kind, DataType::Binary | DataType::LargeBinary | DataType::BinaryView)
}

pub(crate) fn is_decimal(kind: &DataType) -> bool {
    matches!(kind, DataType::Decimal32(..) | DataType::Decimal64(..) | DataType::Decimal128(..) | DataType::Decimal256(..))
}

/// Whether every value of a type has one text.
pub(crate) fn is_exact(kind: &DataType, of: Exact) -> bool {
    match kind {
        DataType::Dictionary(_, value) => is_exact(value, of),
        DataType::Boolean => of == Exact::Translated,
        kind => is_text(kind) || is_binary(kind) || is_decimal(kind) || kind.is_integer(),
    }
}

/// A column without a value, whatever its type says.
pub(crate) fn is_empty(stored: &dyn Array) -> bool {
    match stored.data_type() {
        DataType::Dictionary(..) => stored.logical_null_count() == stored.len(),
        _ => stored.null_count() == stored.len() || stored.data_type() == &DataType::Null,
    }
}

/// A column as texts.
pub(crate) fn texts(stored: &ArrayRef, of: Exact) -> Result<StringArray, Inexact> {
    let kind = stored.data_type();
    match kind {
        DataType::Utf8 => Ok(stored.as_string::<i32>().clone()),
        DataType::Dictionary(_, value) if !is_text(value) => match cast(stored, value) {
            Ok(values) => texts(&values, of),
            Err(_) => Err(mistyped(stored)),
        },
        _ if is_empty(stored) => Ok(StringArray::new_null(stored.len())),
        _ if !is_exact(kind, of) => Err(mistyped(stored)),
        _ => {
            let Ok(cast) = cast(stored, &DataType::Utf8) else { return Err(mistyped(stored)) };
            let texts = cast.as_string::<i32>();
            if is_decimal(kind) {
                return Ok(texts.iter().map(|text| text.map(whole)).collect());
            }
            match (0..stored.len()).find(|row| stored.is_valid(*row) && texts.is_null(*row)) {
                Some(row) if is_binary(kind) => Err(Inexact::Bytes { example: shown(stored, row) }),
                _ => Ok(texts.clone()),
            }
        }
    }
}

/// A column as texts, with the rows whose bytes are no UTF-8: their texts have a sign in the place of those, and are to be looked at alone.
pub(crate) fn texts_shown(stored: &ArrayRef, of: Exact) -> Result<(StringArray, Vec<usize>), Inexact> {
    match texts(stored, of) {
        Ok(texts) => Ok((texts, Vec::new())),
        Err(inexact) => broken_texts(stored).ok_or(inexact),
    }
}

/// The texts of a column of bytes of which some are no UTF-8, with those rows; none of any other column.
pub(super) fn broken_texts(stored: &ArrayRef) -> Option<(StringArray, Vec<usize>)> {
    let is_of_bytes = match stored.data_type() {
        DataType::Dictionary(_, value) => is_binary(value),
        kind => is_binary(kind),
    };
    let bytes = is_of_bytes.then(|| cast(stored, &DataType::LargeBinary).ok()).flatten()?;
    let bytes = bytes.as_binary::<i64>();
    let is_broken = |row: &usize| bytes.is_valid(*row) && str::from_utf8(bytes.value(*row)).is_err();
    let broken: Vec<usize> = (0..bytes.len()).filter(is_broken).collect();
    (!broken.is_empty()).then(|| (bytes.iter().map(|cell| cell.map(String::from_utf8_lossy)).collect(), broken))
}

fn mistyped(stored: &ArrayRef) -> Inexact {
    let row = (0..stored.len()).find(|row| stored.is_valid(*row)).unwrap_or_default();
    Inexact::Type { kind: stored.data_type().clone(), example: shown(stored, row) }
}

/// So much of a value tells what it is.
const LETTERS_SHOWN: usize = 60;

/// A value as it stands.
pub(crate) fn shown(stored: &ArrayRef, row: usize) -> String {
    let format = FormatOptions::default();
    let Ok(formatter) = ArrayFormatter::try_new(stored, &format) else { return "a value".to_string() };
    let text = formatter.value(row).try_to_string().unwrap_or_default();
    let short: String = text.chars().take(LETTERS_SHOWN).flat_map(char::escape_debug).collect();
    if text.chars().count() > LETTERS_SHOWN { format!("{short}...") } else { short }
}

/// A whole decimal without its zeros behind the point; another as it is.
pub(crate) fn whole(text: &str) -> &str {
    match text.split_once('.') {
        Some((whole, fraction)) if fraction.bytes().all(|digit| digit == b'0') => whole,
        _ => text,
    }
}

/// What a field's metadata says of a UUID: the name of the type that Arrow has for it.
const EXTENSION: (&str, &str) = ("ARROW:extension:name", "arrow.uuid");

/// A field of UUIDs, where it is of 16 bytes.
pub(crate) fn as_uuid(field: &Field) -> Field {
    let mut metadata = field.metadata().clone();
    metadata.insert(EXTENSION.0.to_string(), EXTENSION.1.to_string());
    field.clone().with_metadata(metadata)
}

pub(super) fn is_uuid(field: &Field) -> bool {
    *field.data_type() == DataType::FixedSizeBinary(16)
        && field.metadata().get(EXTENSION.0).is_some_and(|name| name == EXTENSION.1)
}

/// UUIDs in small letters, with hyphens.
pub(super) fn uuid_texts(stored: &ArrayRef) -> ArrayRef {
    let Some(uuids) = stored.as_fixed_size_binary_opt() else { return new_null_array(&DataType::Utf8, stored.len()) };
    let text = |bytes: &[u8]| {
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
    };
    Arc::new(uuids.iter().map(|uuid| uuid.map(text)).collect::<StringArray>())
}

impl Inexact {
    /// The error that says what a column is, and what would do for a column of the contract.
    pub(crate) fn error(self, column: &str, place: &str) -> Error {
        self.error_with(column, place, None)
    }

    /// The same, with what would do where that is known better.
    pub(crate) fn error_with(self, column: &str, place: &str, mend: Option<String>) -> Error {
        let (kind, example) = match self {
            Inexact::Bytes { example } => {
                return Error::data(format!("{column} is read from {place}, and its bytes {example} are no UTF-8 text"))
                    .mend("write it as text");
            }
            Inexact::Type { kind, example } => (kind, example),
        };
        let is_float = kind.is_floating();
        let said = if place == column { format!("{column} is {kind}") } else { format!("{column} is {kind} in {place}") };
        let error = Error::data(format!("{said}, a text is needed; it holds {example}"));
        let error = mend.into_iter().fold(error, Error::mend);
        error.mend(if is_float {
            "cast it to text or to an integer where it is still exact, before it becomes a float: ids are texts, and a float cannot \
             hold all of them"
        } else {
            "cast it to text in the table"
        })
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{
        BinaryArray, BinaryViewArray, BooleanArray, Date32Array, Decimal128Array, Decimal256Array, DictionaryArray,
        FixedSizeBinaryArray, Float64Array, Int8Array, Int64Array, LargeBinaryArray, LargeStringArray, StringViewArray,
        UInt64Array,
    };
    use arrow::datatypes::{Int8Type, i256};

    use super::*;

    fn read(stored: impl Array + 'static, of: Exact) -> Result<Vec<Option<String>>, String> {
        let stored: ArrayRef = Arc::new(stored);
        match texts(&stored, of) {
            Ok(texts) => Ok(texts.iter().map(|text| text.map(str::to_string)).collect()),
            Err(inexact) => Err(inexact.error("ad_id", "ad_id").to_string()),
        }
    }

    fn some(texts: &[&str]) -> Result<Vec<Option<String>>, String> {
        Ok(texts.iter().map(|text| Some(text.to_string())).collect())
    }

    #[test]
    fn every_exact_type_has_its_text() {
        let ids = |stored: ArrayRef| match texts(&stored, Exact::Plain) {
            Ok(texts) => texts.iter().map(|text| text.unwrap_or("NULL").to_string()).collect::<Vec<_>>().join(" "),
            Err(inexact) => inexact.error("ad_id", "ad_id").to_string(),
        };
        let decimal = |value: i128, scale: i8| {
            Arc::new(Decimal128Array::from(vec![Some(value), None]).with_precision_and_scale(38, scale).unwrap()) as ArrayRef
        };
        let wide: Decimal256Array = [Some(i256::from(7))].into_iter().collect();
        let of_numbers = DictionaryArray::<Int8Type>::new(Int8Array::from(vec![0, 1]), Arc::new(Int64Array::from(vec![5, 6])));
        let of_bytes = DictionaryArray::<Int8Type>::new(Int8Array::from(vec![0]), Arc::new(BinaryArray::from(vec![&b"x"[..]])));
        let cases: Vec<(ArrayRef, &str)> = vec![
            (Arc::new(StringArray::from(vec![Some("a"), None])), "a NULL"),
            (Arc::new(LargeStringArray::from(vec!["a"])), "a"),
            (Arc::new(StringViewArray::from(vec!["a"])), "a"),
            (Arc::new(DictionaryArray::<Int8Type>::from_iter(["a", "b", "a"])), "a b a"),
            (Arc::new(BinaryArray::from(vec![Some("é".as_bytes()), None])), "é NULL"),
            (Arc::new(LargeBinaryArray::from(vec![&b"a"[..]])), "a"),
            (Arc::new(BinaryViewArray::from(vec![&b"a"[..]])), "a"),
            (Arc::new(Int8Array::from(vec![Some(-1), None])), "-1 NULL"),
            (Arc::new(UInt64Array::from(vec![u64::MAX])), "18446744073709551615"),
            (decimal(120_226_305_854_810_727, 0), "120226305854810727 NULL"),
            (decimal(1_202_263_058_548_107_270_000, 4), "120226305854810727 NULL"),
            (decimal(1_202_263_058_548_107_275, 1), "120226305854810727.5 NULL"),
            (Arc::new(wide.with_precision_and_scale(60, 0).unwrap()), "7"),
            (Arc::new(of_numbers), "5 6"),
            (Arc::new(of_bytes), "x"),
        ];
        for (stored, expected) in cases {
            let kind = stored.data_type().clone();
            assert_eq!(ids(stored), expected, "{kind}");
        }
    }

    #[test]
    fn another_type_is_read_only_where_it_has_no_value() {
        let nothing = || Ok(vec![None, None]);
        assert_eq!(read(Float64Array::from(vec![None::<f64>, None]), Exact::Plain), nothing());
        assert_eq!(read(BooleanArray::from(vec![None, None]), Exact::Plain), nothing());
        assert_eq!(read(Date32Array::from(vec![None, None]), Exact::Plain), nothing());
        let error = read(Float64Array::from(vec![None, Some(1.5e17)]), Exact::Plain).unwrap_err();
        assert!(
            error.starts_with("ad_id is Float64, a text is needed; it holds 1.5e17; cast it to text or to an integer"),
            "{error}"
        );
        let error = read(BooleanArray::from(vec![false]), Exact::Plain).unwrap_err();
        assert!(error.contains("ad_id is Boolean, a text is needed; it holds false"), "{error}");
        assert_eq!(read(BooleanArray::from(vec![true, false]), Exact::Translated), some(&["true", "false"]));
        let error = read(BinaryArray::from(vec![&b"ok"[..], b"\xff\x1b"]), Exact::Plain).unwrap_err();
        assert!(error.contains("its bytes ff1b are no UTF-8 text"), "{error}");
        let bytes = FixedSizeBinaryArray::try_from_iter([[7u8; 16]].into_iter()).unwrap();
        assert!(read(bytes, Exact::Plain).unwrap_err().contains("FixedSizeBinary(16)"), "16 bytes need not be a UUID");
    }

    #[test]
    fn a_uuid_is_written_as_everybody_writes_it() {
        let bytes: [u8; 16] = [0x12, 0x3e, 0x45, 0x67, 0xe8, 0x9b, 0x12, 0xd3, 0xa4, 0x56, 0x42, 0x66, 0x14, 0x17, 0x40, 0xff];
        let stored = FixedSizeBinaryArray::try_from_sparse_iter_with_size([Some(bytes), None].into_iter(), 16).unwrap();
        let texts = uuid_texts(&(Arc::new(stored) as ArrayRef));
        assert_eq!(texts.as_string::<i32>().iter().collect::<Vec<_>>(), [Some("123e4567-e89b-12d3-a456-4266141740ff"), None]);
        let field = Field::new("id", DataType::FixedSizeBinary(16), true);
        assert!(is_uuid(&as_uuid(&field)) && !is_uuid(&field));
    }
}
