//! Ids: what a cell that should hold one holds (rule 18).
//!
//! An id is kept as it came but for white space at both ends. A float may have changed it, an object or a list is none, and a word for
//! nothing would be one contact, or one ad, that all rows without any share: these are no ids.

/// What stands for nothing where a program wrote it as text.
pub(crate) const WORDS_FOR_NOTHING: [&str; 9] = ["nan", "NaN", "None", "NULL", "null", "\\N", "<NA>", "N/A", "undefined"];

/// What a cell that should hold an id holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IdCell<'t> {
    Blank,
    /// Trimmed.
    Id(&'t str),
    /// Something that is no id.
    Unreadable,
}

/// Why a text is no id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoId {
    Float,
    Compound,
    WordForNothing,
}

/// Whether a column of the contract holds ids.
pub(crate) fn is_of_ids(column: &str) -> bool {
    column.ends_with("_id") || column == "ctwa_clid"
}

/// Reads a cell as an id.
pub(crate) fn id_cell(text: &str) -> IdCell<'_> {
    let id = trimmed(text);
    match no_id(id) {
        _ if id.is_empty() => IdCell::Blank,
        None => IdCell::Id(id),
        Some(_) => IdCell::Unreadable,
    }
}

/// A text without white space at both ends. Most texts have none.
fn trimmed(text: &str) -> &str {
    match text.as_bytes() {
        [first, .., last] if first.is_ascii_graphic() && last.is_ascii_graphic() => text,
        _ => text.trim(),
    }
}

/// Why a trimmed text is no id, if it is none.
pub(crate) fn no_id(id: &str) -> Option<NoId> {
    match id.as_bytes().first()? {
        b'0'..=b'9' | b'.' | b'+' | b'-' => is_float(id).then_some(NoId::Float),
        b'{' | b'[' => is_compound(id).then_some(NoId::Compound),
        b'n' | b'N' | b'\\' | b'<' | b'u' => WORDS_FOR_NOTHING.contains(&id).then_some(NoId::WordForNothing),
        _ => None,
    }
}

/// Digits with a point, with an exponent, or with both.
fn is_float(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let digits = |part: &str| part.bytes().take_while(u8::is_ascii_digit).count();
    let whole = digits(unsigned);
    let mut rest = &unsigned[whole..];
    if rest.is_empty() {
        return false;
    }
    let mut all = whole;
    if let Some(fraction) = rest.strip_prefix('.') {
        let after = digits(fraction);
        (all, rest) = (all + after, &fraction[after..]);
    }
    let is_exponent = |part: &str| {
        let power = part.strip_prefix(['+', '-']).unwrap_or(part);
        !power.is_empty() && digits(power) == power.len()
    };
    all > 0 && (rest.is_empty() || rest.strip_prefix(['e', 'E']).is_some_and(is_exponent))
}

/// An object or a list, in whatever language's form. A UUID in braces is neither.
fn is_compound(text: &str) -> bool {
    match text.as_bytes() {
        [b'[', .., b']'] => true,
        [b'{', .., b'}'] => text.len() == 2 || text.contains([':', '=']),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_id_is_trimmed_and_otherwise_kept_as_it_came() {
        for (text, id) in [
            ("120226305854810726", "120226305854810726"),
            (" 120226305854810726", "120226305854810726"),
            ("120226305854810726\u{a0}", "120226305854810726"),
            ("\u{2003}a b\t\r\n", "a b"),
            ("5511987654321@wa.gw.msging.net", "5511987654321@wa.gw.msging.net"),
            ("-1", "-1"),
            ("+5511987654321", "+5511987654321"),
            ("1.2.3", "1.2.3"),
            ("1e", "1e"),
            ("e5", "e5"),
            ("12e5f", "12e5f"),
            (".", "."),
            ("-", "-"),
            ("726,0", "726,0"),
            ("Nan", "Nan"),
            ("none", "none"),
            ("nano", "nano"),
            ("{0f8fad5b-d9cb-469f-a165-70867728950e}", "{0f8fad5b-d9cb-469f-a165-70867728950e}"),
            ("{", "{"),
            ("[a", "[a"),
            ("a\u{0}b", "a\u{0}b"),
            ("é", "é"),
        ] {
            assert_eq!(id_cell(text), IdCell::Id(id), "{text:?}");
        }
        for text in ["", " ", "\u{a0}\t", "\u{2003}"] {
            assert_eq!(id_cell(text), IdCell::Blank, "{text:?}");
        }
    }

    #[test]
    fn a_float_an_object_a_list_and_a_word_for_nothing_are_no_ids() {
        let floats = ["1.2E+17", "726.0", "726.", ".5", "1.2022630585481073e17", "1e17", "-7.0", "+1E-5", "1.e5", " 726.0\u{a0}"];
        for text in floats {
            assert_eq!((id_cell(text), no_id(text.trim())), (IdCell::Unreadable, Some(NoId::Float)), "{text:?}");
        }
        for text in ["{\"id\":1}", "{'id': 1}", "{id=1}", "{}", "[]", "[1]", "['a']", " [\"a\", null] "] {
            assert_eq!((id_cell(text), no_id(text.trim())), (IdCell::Unreadable, Some(NoId::Compound)), "{text:?}");
        }
        for text in WORDS_FOR_NOTHING.into_iter().chain([" nan ", "\u{a0}<NA>\n"]) {
            assert_eq!((id_cell(text), no_id(text.trim())), (IdCell::Unreadable, Some(NoId::WordForNothing)), "{text:?}");
        }
    }

    /// Texts near the line between ids and what is none.
    fn texts() -> impl Strategy<Value = String> {
        const PARTS: [&str; 19] =
            ["1", "20", ".", "e", "E", "+", "-", " ", "\u{a0}", "nan", "NULL", "{", "}", "[", "]", ":", "a", "\u{0}", "é"];
        let of_parts = prop::collection::vec(prop::sample::select(&PARTS[..]), 0..8).prop_map(|parts| parts.concat());
        let of_bytes = prop::collection::vec(any::<u8>(), 0..24).prop_map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        prop_oneof![of_parts, of_bytes]
    }

    proptest! {
        #[test]
        fn an_accepted_id_is_read_again_as_itself(text in texts()) {
            match id_cell(&text) {
                IdCell::Blank => prop_assert!(text.trim().is_empty()),
                IdCell::Id(id) => {
                    prop_assert_eq!(id, text.trim());
                    prop_assert_eq!(id_cell(id), IdCell::Id(id));
                    // What reads as a number is a whole one.
                    if serde_json::from_str::<serde_json::Number>(id).is_ok() {
                        prop_assert!(!id.contains(['.', 'e', 'E']), "{}", id);
                    }
                }
                IdCell::Unreadable => prop_assert_eq!(id_cell(text.trim()), IdCell::Unreadable),
            }
        }
    }
}
