//! JSON texts: the value under a path of keys, and nothing else of the text.
//!
//! The last of equal keys counts. A number keeps every digit that it was written with: no float touches it.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer as _, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// What a JSON text has under a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum JsonValue<'t> {
    /// No such key.
    NoKey,
    Null,
    Text(Cow<'t, str>),
    /// As it is written.
    Number(Cow<'t, str>),
    /// A truth value, an object or a list, as it is written.
    Other(Cow<'t, str>),
}

impl JsonValue<'_> {
    fn owned<'a>(self) -> JsonValue<'a> {
        let owned = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        match self {
            JsonValue::NoKey => JsonValue::NoKey,
            JsonValue::Null => JsonValue::Null,
            JsonValue::Text(text) => JsonValue::Text(owned(text)),
            JsonValue::Number(text) => JsonValue::Number(owned(text)),
            JsonValue::Other(text) => JsonValue::Other(owned(text)),
        }
    }
}

/// The value under a path of keys, the outermost first. An error where the text is no JSON, or holds something else where the path
/// needs an object; an empty list is the empty object of some writers. A text within may be JSON text itself.
pub(super) fn json_value<'t, K: AsRef<str>>(text: &'t str, path: &[K]) -> serde_json::Result<JsonValue<'t>> {
    let mut at = text;
    for (place, key) in path.iter().enumerate() {
        match at_key(at, key.as_ref())? {
            Some(raw) => at = raw.get(),
            None => return Ok(JsonValue::NoKey),
        }
        if at == "null" || at == "\"\"" {
            return Ok(JsonValue::Null);
        }
        let rest = &path[place + 1..];
        if at.starts_with('"') && !rest.is_empty() {
            let inner: String = serde_json::from_str(at)?;
            return if inner.trim().is_empty() { Ok(JsonValue::Null) } else { json_value(&inner, rest).map(JsonValue::owned) };
        }
    }
    match at.as_bytes().first() {
        // Without escapes it is what stands between the quotes.
        Some(b'"') if !at.contains('\\') => Ok(JsonValue::Text(Cow::Borrowed(&at[1..at.len() - 1]))),
        Some(b'"') => serde_json::from_str(at).map(Cow::Owned).map(JsonValue::Text),
        Some(b'-' | b'0'..=b'9') => Ok(JsonValue::Number(at.into())),
        _ => Ok(JsonValue::Other(at.into())),
    }
}

/// The keys of the object in which the first key of a path is that is not there, as far as it can be read.
pub(super) fn json_keys<K: AsRef<str>>(text: &str, path: &[K]) -> Vec<String> {
    let is_missing = |known: &usize| matches!(json_value(text, &path[..*known]), Ok(JsonValue::NoKey));
    let missing = (1..path.len()).find(is_missing).unwrap_or(path.len());
    let outer = &path[..missing.saturating_sub(1)];
    let object = match json_value(text, outer) {
        _ if outer.is_empty() => Cow::Borrowed(text),
        Ok(JsonValue::Other(object) | JsonValue::Text(object)) => object,
        _ => return Vec::new(),
    };
    let object: serde_json::Result<serde_json::Map<String, serde_json::Value>> = serde_json::from_str(&object);
    object.map(|object| object.into_iter().map(|(key, _)| key).collect()).unwrap_or_default()
}

fn at_key<'t>(text: &'t str, key: &str) -> serde_json::Result<Option<&'t RawValue>> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let found = deserializer.deserialize_any(OneKey(key))?;
    deserializer.end()?;
    Ok(found)
}

/// The value of a key of an object, the others passed over.
struct OneKey<'k>(&'k str);

impl<'de> Visitor<'de> for OneKey<'_> {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        match list.next_element::<IgnoredAny>()? {
            None => Ok(None),
            Some(_) => Err(A::Error::custom("a list stands where an object is needed")),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(is_wanted) = map.next_key_seed(Is(self.0))? {
            if is_wanted {
                found = Some(map.next_value::<&RawValue>()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

/// Whether a text is this one.
struct Is<'k>(&'k str);

impl<'de> DeserializeSeed<'de> for Is<'_> {
    type Value = bool;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Is<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, text: &str) -> Result<bool, E> {
        Ok(text == self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn read<'t>(text: &'t str, path: &[&str]) -> Option<JsonValue<'t>> {
        json_value(text, path).ok()
    }

    fn text(text: &str) -> Option<JsonValue<'_>> {
        Some(JsonValue::Text(Cow::Borrowed(text)))
    }

    #[test]
    fn a_key_is_read_without_touching_its_digits() {
        let cell = r##"{"a": {"b": 1}, "#wa.referral.source_id": 120226305854810727, "t": "x\"y", "n": null, "f": 1.50e+1}"##;
        assert_eq!(read(cell, &["#wa.referral.source_id"]), Some(JsonValue::Number("120226305854810727".into())));
        assert_eq!(read(cell, &["f"]), Some(JsonValue::Number("1.50e+1".into())));
        assert_eq!(read(cell, &["t"]), text("x\"y"));
        assert_eq!(read(cell, &["n"]), Some(JsonValue::Null));
        assert_eq!(read(cell, &["b"]), Some(JsonValue::NoKey));
        assert_eq!(read(cell, &["a"]), Some(JsonValue::Other("{\"b\": 1}".into())));
        assert_eq!(read(cell, &["a", "b"]), Some(JsonValue::Number("1".into())));
        assert_eq!(read(cell, &["a", "c"]), Some(JsonValue::NoKey));
        assert_eq!(read(cell, &["n", "c"]), Some(JsonValue::Null));
        assert_eq!(read(r#"{"a": 1, "a": "2", "b": {"c": 1}, "b": {"c": [3]}}"#, &["a"]), text("2"), "the last counts");
        assert_eq!(read(r#"{"b": {"c": 1}, "b": {"c": [3]}}"#, &["b", "c"]), Some(JsonValue::Other("[3]".into())));
        assert_eq!(read(r#"{"\u0061": "\u00e9\n"}"#, &["a"]), text("é\n"), "escapes are read");
    }

    #[test]
    fn what_is_no_object_is_an_error_unless_it_says_nothing() {
        for nothing in ["null", " null ", "{}", "[]", " [ ] ", r#"{"a": []}"#, r#"{"a": ""}"#, r#"{"a": null}"#] {
            let found = read(nothing, &["a", "b"]);
            assert!(matches!(found, Some(JsonValue::NoKey | JsonValue::Null)), "{nothing}: {found:?}");
        }
        for broken in [
            "{\"b\": ",
            "{'b': 1}",
            "[1]",
            "\"{\\\"b\\\": 1}\"",
            "5",
            "true",
            "nan",
            "{\"b\": NaN}",
            "{\"b\": 1} x",
            "{\"b\": \"\\ud800\"}",
        ] {
            assert!(json_value(broken, &["b"]).is_err(), "{broken}");
        }
        assert!(json_value(r#"{"a": "x"}"#, &["a", "b"]).is_err());
    }

    #[test]
    fn json_text_within_json_text_is_read_on() {
        let cell = r#"{"raw": "{\"referral\": \"{\\\"id\\\": 120226305854810727}\"}", "no": "x", "blank": " "}"#;
        assert_eq!(read(cell, &["raw", "referral", "id"]), Some(JsonValue::Number("120226305854810727".into())));
        assert_eq!(read(cell, &["raw", "other", "id"]), Some(JsonValue::NoKey));
        assert_eq!(read(cell, &["blank", "id"]), Some(JsonValue::Null));
        assert_eq!(read(cell, &["no", "id"]), None);
        assert_eq!(json_keys(cell, &["raw", "x"]), ["referral"]);
    }

    #[test]
    fn keys_are_told_of_the_object_that_should_have_the_last() {
        let cell = r#"{"a": {"b": 1, "c": 2}, "d": 3}"#;
        assert_eq!(json_keys(cell, &["x"]), ["a", "d"]);
        assert_eq!(json_keys(cell, &["a", "x"]), ["b", "c"]);
        assert_eq!(json_keys(cell, &["x", "y"]), ["a", "d"], "where the first is not there");
        assert_eq!(json_keys(cell, &["a", "x", "y"]), ["b", "c"]);
        assert_eq!(json_keys(cell, &["d", "x"]), [""; 0], "which holds no object");
        assert_eq!(json_keys("{", &["x"]), [""; 0]);
    }

    /// JSON of every kind, with equal keys, odd numbers and escapes; and bytes that are near it.
    fn texts() -> impl Strategy<Value = String> {
        const NUMBERS: [&str; 7] =
            ["0", "-0", "120226305854810727", "1.50", "1e400", "-1E-5", "123456789012345678901234567890.0"];
        let leaf = prop_oneof![
            prop::sample::select(&["null", "true", "false", "NaN", "", "'x'"][..]).prop_map(str::to_string),
            prop::sample::select(&NUMBERS[..]).prop_map(str::to_string),
            any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap()),
            prop::sample::select(&["\"\\u0061\"", "\"\\ud83c\\udf89\"", "\"\\ud800\"", "\"a\\/b\""][..]).prop_map(str::to_string),
        ];
        let key = prop::sample::select(&["a", "b", "\\u0061", "é"][..]);
        let tree = leaf.prop_recursive(3, 24, 4, move |inner| {
            let object = prop::collection::vec((key.clone(), inner.clone()), 0..4);
            let object = object.prop_map(|pairs| {
                let pairs: Vec<String> = pairs.into_iter().map(|(key, value)| format!("\"{key}\" : {value}")).collect();
                format!("{{{}}}", pairs.join(", "))
            });
            prop_oneof![object, prop::collection::vec(inner, 0..3).prop_map(|items| format!("[{}]", items.join(",")))]
        });
        let cut = (tree, any::<prop::sample::Index>(), any::<bool>()).prop_map(|(text, index, is_cut)| {
            let end = text.char_indices().map(|(at, _)| at).nth(index.index(text.chars().count() + 1)).unwrap_or(text.len());
            if is_cut { text[..end].to_string() } else { text }
        });
        let bytes = prop::collection::vec(any::<u8>(), 0..40).prop_map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        prop_oneof![4 => cut, 1 => bytes]
    }

    const PATHS: [&[&str]; 3] = [&["a"], &["a", "b"], &["é"]];

    fn parsed(text: &str) -> Option<Value> {
        serde_json::from_str(text).ok()
    }

    proptest! {
        #[test]
        fn a_value_is_what_json_says(text in texts(), path in prop::sample::select(&PATHS[..])) {
            let whole: serde_json::Result<Value> = serde_json::from_str(&text);
            match (json_value(&text, path), whole) {
                (Ok(found), Ok(whole)) => {
                    let value = path.iter().try_fold(&whole, |at, key| at.get(key));
                    match found {
                        JsonValue::NoKey => prop_assert_eq!(value, None),
                        JsonValue::Null => prop_assert!(
                            value.is_none_or(|value| value.is_null() || value == ""),
                            "{:?}", value
                        ),
                        JsonValue::Text(found) => prop_assert_eq!(value.and_then(Value::as_str), Some(found.as_ref())),
                        JsonValue::Number(found) => {
                            prop_assert!(text.contains(found.as_ref()));
                            prop_assert_eq!(value.cloned(), parsed(&found));
                        }
                        JsonValue::Other(found) => prop_assert_eq!(value.cloned(), parsed(&found)),
                    }
                }
                // A number that no float holds is kept by its text.
                (Ok(_), Err(error)) => prop_assert!(error.to_string().contains("number out of range") || text.contains("\\ud800"), "{}: {}", text, error),
                (Err(_), Ok(whole)) => {
                    let mut at = Some(&whole);
                    let is_object = path.iter().all(|key| {
                        let holds = at.is_none_or(|at| at.is_object() || at.is_null() || at == "" || at.as_array().is_some_and(Vec::is_empty));
                        at = at.and_then(|at| at.get(key));
                        holds
                    });
                    prop_assert!(!is_object, "{}", text);
                }
                (Err(_), Err(_)) => {}
            }
        }
    }
}
