//! Mends: the line of the pipeline file that would read a column whose values are no texts as they stand.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::DataType;

use crate::base::cells::as_text;
use crate::base::error::Error;
use crate::base::mapping::ColumnSource;
use crate::base::schema::InputColumn;
use crate::base::steps::{self, pair};

/// As many keys or fields are told.
const TOLD: usize = 8;

/// What would read the values of a place for a column, if it is known: the field of a struct, a key of a map or of a list of pairs, a
/// number for nothing. `null_words` are those that the pipeline file names already.
pub(crate) fn of_values(
    section: &str,
    (name, source): (&str, &ColumnSource),
    values: &ArrayRef,
    null_words: &[String],
) -> Option<String> {
    if is_all_nan(values) {
        let words: Vec<String> = null_words.iter().map(String::as_str).chain(["NaN"]).map(|word| format!("{word:?}")).collect();
        return Some(format!(
            "every value of it is NaN, which pandas writes where there is none: say so, null_words = [{}] in [{section}]",
            words.join(", ")
        ));
    }
    let (what, keys) = keys_of(values)?;
    let key = likely(name, &keys)?;
    let steps: Vec<&str> = source.key.iter().map(String::as_str).chain([key]).collect();
    let place = match steps.as_slice() {
        [only] => format!("key = {only:?}"),
        several => format!("key = {several:?}"),
    };
    let more = if keys.len() > TOLD { ", ..." } else { "" };
    let told: Vec<String> = keys.iter().take(TOLD).map(|known| format!("{known:?}")).collect();
    Some(format!(
        "name what of it is meant, of {what} {}{more}: {name} = {{ column = {:?}, {place} }} in [{section}.columns]",
        told.join(", "),
        source.column
    ))
}

/// True and false in a column of words say nothing until the pipeline file says which is which.
pub(super) fn untranslated(column: &InputColumn, source: &ColumnSource) -> Error {
    let words = column.words.join(" or ");
    let values: Vec<String> =
        column.words.iter().zip(["false", "true"]).map(|(word, theirs)| format!("{word} = [{theirs:?}]")).collect();
    let entry = source.entry(&format!("values = {{ {} }}", values.join(", ")));
    let name = column.name;
    Error::data(format!("{name} is true or false in {source}, and nothing says which of them is {words}"))
        .mend(format!("say so: {name} = {entry}, or the other way round"))
}

/// Whether a column of floats has nothing but NaN.
fn is_all_nan(values: &ArrayRef) -> bool {
    match values.data_type() {
        kind if kind.is_floating() => as_text(values).is_ok_and(|texts| texts.iter().flatten().all(|text| text == "NaN")),
        _ => false,
    }
}

/// What lies inside values: the fields of a struct, or the keys of some maps or lists of pairs.
fn keys_of(values: &ArrayRef) -> Option<(&'static str, Vec<String>)> {
    let mut keys: Vec<String> = match values.data_type() {
        DataType::Struct(fields) => return Some(("its fields", fields.iter().map(|field| field.name().clone()).collect())),
        DataType::Map(..) => as_text(values.as_map().keys()).ok()?.iter().flatten().map(str::to_string).collect(),
        kind if pair(kind).is_some() => steps::keys_of_pairs(values).ok()?,
        _ => return None,
    };
    keys.sort_unstable();
    keys.dedup();
    Some(("its keys", keys))
}

/// The key that most likely is what a column is read from.
fn likely<'k>(name: &str, keys: &'k [String]) -> Option<&'k str> {
    let bare =
        |text: &str| text.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect::<String>();
    let (own, last) = (bare(name), bare(name.rsplit('_').next().unwrap_or(name)));
    let is_own = keys.iter().find(|key| bare(key) == own);
    let ends_so = || keys.iter().find(|key| bare(key).ends_with(&last));
    is_own.or_else(ends_so).or(keys.first()).map(String::as_str)
}
