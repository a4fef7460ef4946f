//! The page: one HTML file that needs no network and no server.
//!
//! In: the days of the report as `series` packs them. Out: the bytes of the file, the same for the same days. The sources lie in
//! `page/` and are put together here, so that no other tool is needed to build them; `page/README.md` says what each is for.
//!
//! **What it may do.** A policy inside the file (Content-Security-Policy) allows the two scripts and the style of the file, by
//! their hashes, and nothing else: no request of any kind, no other script, no frame, no form, and no text that becomes markup
//! (trusted types). What came from outside, titles above all, is only in the packed days, compressed and in base64, which no
//! browser reads as markup.

use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::base::digest::sha256;
use crate::base::error::{Error, Result};

const PAGE: &str = include_str!("page/page.html");

/// Runs first, in any browser, and says what is wrong.
const GUARD: &str = include_str!("page/guard.js");

/// The styles, in the order in which they stand in the page; they share one scope.
const STYLES: [&str; 2] = [include_str!("page/vendor/uPlot.min.css"), include_str!("page/style.css")];

/// The languages, by their tags.
const WORDS: [(&str, &str); 3] = [
    ("en", include_str!("page/words/en.json")),
    ("es", include_str!("page/words/es.json")),
    ("pt", include_str!("page/words/pt.json")),
];

const LIBRARY: &str = include_str!("page/vendor/uPlot.iife.min.js");

const CODE: [&str; 9] = [
    include_str!("page/decimal.js"),
    include_str!("page/unpack.js"),
    include_str!("page/figures.js"),
    include_str!("page/language.js"),
    include_str!("page/csv.js"),
    include_str!("page/charts.js"),
    include_str!("page/table.js"),
    include_str!("page/alerts.js"),
    include_str!("page/page.js"),
];

pub(super) fn render(series: &[u8]) -> Result<Vec<u8>> {
    let (style, code) = (STYLES.join("\n"), code());
    let hash = |text: &str| format!("'sha256-{}'", BASE64.encode(sha256(text.as_bytes())));
    let policy = format!(
        "default-src 'none'; script-src {} {}; style-src {}; img-src 'none'; connect-src 'none'; base-uri 'none'; \
         form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
        hash(GUARD),
        hash(&code),
        hash(&style)
    );
    let packed = BASE64.encode(compressed(series)?);
    let page = filled(PAGE, &[("policy", &policy), ("style", &style), ("guard", GUARD), ("series", &packed), ("code", &code)])?;
    Ok(page.into_bytes())
}

fn code() -> String {
    let words: Vec<String> = WORDS.iter().map(|(tag, words)| format!("{tag}: {}", words.trim_end())).collect();
    let words = format!("const WORDS = {{\n{}\n}};\n", words.join(",\n"));
    format!("{LIBRARY}\n(() => {{\n\"use strict\";\n{words}{}}})();\n", CODE.join("\n"))
}

/// The bytes compressed, without a name or a time: the same for the same.
fn compressed(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder
        .write_all(bytes)
        .and_then(|()| encoder.finish())
        .map_err(|error| Error::bug("the page's days cannot be compressed").source(error))
}

/// The text with each `{{name}}` replaced, in one pass: what is filled in is not looked at again.
fn filled(template: &str, texts: &[(&str, &str)]) -> Result<String> {
    let mut page = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        let (name, after) = after.split_once("}}").ok_or_else(|| Error::bug("the page's template has an open {{"))?;
        let (_, text) = texts
            .iter()
            .find(|(known, _)| *known == name)
            .ok_or_else(|| Error::bug(format!("the page's template asks for {name:?}")))?;
        page.push_str(before);
        page.push_str(text);
        rest = after;
    }
    page.push_str(rest);
    Ok(page)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn nothing_ends_a_script_or_the_style_early() {
        for text in [GUARD, &code()] {
            for end in ["</script", "<script", "<!--"] {
                assert!(!text.to_lowercase().contains(end), "{end}");
            }
        }
        assert!(!STYLES.join("").to_lowercase().contains("</style"));
    }

    #[test]
    fn equal_days_are_equal_bytes_and_hold_nothing_of_the_titles_as_text() {
        let page = |bytes: &[u8]| String::from_utf8(render(bytes).unwrap()).unwrap();
        let title = b"</script><script>alert(1)</script>";
        assert_eq!(page(title), page(title));
        assert_ne!(page(title), page(b"another"));
        assert!(!page(title).contains("alert(1)"));
        assert_eq!(page(title).matches("</script>").count(), 3, "two scripts and the days");
        assert!(!page(b"").contains("{{"), "everything is filled in");
    }

    #[test]
    fn every_language_says_everything() {
        let words = |text: &str| serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text).unwrap();
        let names = |text: &str| words(text).keys().cloned().collect::<BTreeSet<_>>();
        let places = |text: &serde_json::Value| {
            let text = text.as_str().unwrap().to_string();
            text.split('{').skip(1).filter_map(|part| Some(part.split_once('}')?.0.to_string())).collect::<BTreeSet<_>>()
        };
        let (_, english) = WORDS[0];
        for (tag, text) in WORDS {
            assert_eq!(names(text), names(english), "{tag}");
            for (name, value) in words(text) {
                assert!(!value.as_str().unwrap().trim().is_empty(), "{tag}: {name}");
                assert_eq!(places(&value), places(&words(english)[&name]), "{tag}: {name}");
            }
        }
    }

    #[test]
    fn every_word_is_used_and_every_used_word_is_there() {
        let known: BTreeSet<String> =
            serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(WORDS[0].1).unwrap().keys().cloned().collect();
        let sources = format!("{PAGE}{}", CODE.join(""));
        // A word may be put together: `column_` and a column, an alert and `_do`, a count and its form.
        let stem = |name: &str| {
            let stem = ["_do", "_one", "_other"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
            ["column_", "day_", "kind_", "chart_top_"]
                .iter()
                .find_map(|start| stem.strip_prefix(start))
                .unwrap_or(stem)
                .to_string()
        };
        for name in &known {
            let said = [name.clone(), stem(name)].iter().any(|word| sources.contains(&format!("\"{word}\"")));
            assert!(said, "{name} is in the languages only");
        }
        let asked = sources.split("say(\"").skip(1).chain(sources.split("data-word=\"").skip(1));
        let asked = asked.chain(sources.split("alerts.push({ name: \"").skip(1)).chain(sources.split("ofBots(\"").skip(1));
        for word in asked.filter_map(|part| part.split_once('"')).map(|(word, _)| word) {
            assert!(known.contains(word), "{word} is in no language");
        }
    }
}
