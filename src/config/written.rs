//! Values of a pipeline file as text: quoted so that whatever they hold stays one value on one line, also within a comment.

use crate::base::mapping::{ColumnSource, TimeUnit};

/// A text as TOML has it.
pub(crate) fn quoted(text: &str) -> String {
    let escaped = text.chars().map(|letter| match letter {
        '"' => "\\\"".to_string(),
        '\\' => "\\\\".to_string(),
        letter if is_plain(letter) => letter.to_string(),
        letter if u32::from(letter) <= 0xffff => format!("\\u{:04X}", u32::from(letter)),
        letter => format!("\\U{:08X}", u32::from(letter)),
    });
    format!("\"{}\"", escaped.collect::<String>())
}

/// Whether a letter shows as it is, and moves nothing.
fn is_plain(letter: char) -> bool {
    letter == ' ' || !letter.escape_debug().to_string().starts_with("\\u") && !letter.is_control()
}

/// Several texts as a list.
pub(crate) fn list<'t>(texts: impl IntoIterator<Item = &'t str>) -> String {
    format!("[{}]", texts.into_iter().map(quoted).collect::<Vec<_>>().join(", "))
}

/// The places of a column as its line of `[...columns]` has them.
pub(crate) fn sources(sources: &[ColumnSource]) -> String {
    match sources {
        [only] => source(only),
        several => format!("[{}]", several.iter().map(source).collect::<Vec<_>>().join(", ")),
    }
}

fn source(source: &ColumnSource) -> String {
    let ColumnSource { column, key, partition, unit, zone, values, float, constant } = source;
    if let Some(constant) = constant {
        return format!("{{ value = {} }}", quoted(constant));
    }
    let mut parts = match partition {
        Some(folder) => vec![format!("partition = {}", quoted(folder))],
        None => vec![format!("column = {}", quoted(column))],
    };
    match key.as_slice() {
        [] => {}
        [only] => parts.push(format!("key = {}", quoted(only))),
        several => parts.push(format!("key = {}", list(several.iter().map(String::as_str)))),
    }
    let name = |of: &TimeUnit| match of {
        TimeUnit::Second => "s",
        TimeUnit::Millisecond => "ms",
        TimeUnit::Microsecond => "us",
    };
    parts.extend(unit.as_ref().map(|of| format!("unit = {}", quoted(name(of)))));
    parts.extend(zone.as_ref().map(|zone| format!("zone = {}", quoted(&zone.to_string()))));
    if !values.is_empty() {
        parts.push(format!("values = {{ {} }}", words(values)));
    }
    if *float {
        parts.push("float = true".to_string());
    }
    if parts.len() == 1 && partition.is_none() { quoted(column) } else { format!("{{ {} }}", parts.join(", ")) }
}

/// The lake's words by the contract's, which are keys.
fn words(values: &[(String, &'static str)]) -> String {
    let mut names: Vec<&str> = Vec::new();
    for (_, name) in values {
        if !names.contains(name) {
            names.push(name);
        }
    }
    let of = |name: &&str| {
        let theirs = values.iter().filter(|(_, of)| of == name).map(|(word, _)| word.as_str());
        format!("{name} = {}", list(theirs))
    };
    names.iter().map(of).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use toml_edit::Document;

    use super::*;

    #[test]
    fn a_text_is_one_value_on_one_line_whatever_it_holds() {
        for text in [
            "a",
            "",
            "a\"b\\c",
            "a\nb\r\n\t\u{0}\u{1b}[2J\u{7f}",
            "\u{202e}x\u{200b}\u{feff}",
            "# = ]\"\"\"'''",
            "ação 😀",
            "\u{2028}\u{85}",
        ] {
            let quoted = quoted(text);
            assert_eq!(quoted.lines().count(), 1, "{quoted}");
            assert!(!quoted.chars().any(|letter| letter.is_control() || letter == '\u{202e}'), "{quoted:?}");
            let file = format!("x = {quoted}");
            let document = Document::parse(file.as_str()).unwrap_or_else(|error| panic!("{quoted}: {error}"));
            assert_eq!(document.get("x").and_then(|item| item.as_str()), Some(text));
        }
    }

    #[test]
    fn sources_are_written_as_they_are_read() {
        let plain = ColumnSource::column("t");
        let inside = ColumnSource { key: vec!["a".into(), "b".into()], ..plain.clone() };
        let timed = ColumnSource { unit: Some(TimeUnit::Millisecond), ..plain.clone() };
        let words = vec![("in".to_string(), "received"), ("out".to_string(), "sent"), ("IN".to_string(), "received")];
        let directed = ColumnSource { values: words, ..plain.clone() };
        for (of, expected) in [
            (vec![plain.clone()], r#""t""#),
            (vec![inside], r#"{ column = "t", key = ["a", "b"] }"#),
            (vec![timed, plain.clone()], r#"[{ column = "t", unit = "ms" }, "t"]"#),
            (vec![directed], r#"{ column = "t", values = { received = ["in", "IN"], sent = ["out"] } }"#),
            (vec![ColumnSource { partition: Some("bot".into()), ..plain.clone() }], r#"{ partition = "bot" }"#),
            (vec![ColumnSource { constant: Some("BRL".into()), ..plain.clone() }], r#"{ value = "BRL" }"#),
        ] {
            assert_eq!(sources(&of), expected);
        }
    }
}
