//! The documents in `docs/` tell what the code has: every rule that is cited, every key, column, exit code and reason.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(file: &str) -> String {
    fs::read_to_string(repository().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// All files of Rust below a folder.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let of = |path: PathBuf| match path.is_dir() {
        true => sources(&path),
        false => vec![path],
    };
    entries.flat_map(of).filter(|path| path.extension().is_some_and(|extension| extension == "rs")).collect()
}

/// The numbers with which a text begins: `7`, `7, 8)`, `3 to 6 and 11`.
fn numbers_at_start(text: &str) -> Vec<u64> {
    let text = text.trim_start_matches(|letter: char| letter == '(' || letter == '[' || letter == '&' || letter.is_whitespace());
    let end = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let Ok(number) = text[..end].parse() else { return Vec::new() };
    let rest = &text[end..];
    let more = [", ", " and ", " to "].iter().find_map(|word| rest.strip_prefix(word));
    [vec![number], more.map(numbers_at_start).unwrap_or_default()].concat()
}

#[test]
fn numbers_are_read_from_citations() {
    assert_eq!(numbers_at_start("s 7"), Vec::<u64>::new());
    assert_eq!(numbers_at_start(" 3 to 6 and 11). The"), [3, 6, 11]);
    assert_eq!(numbers_at_start("[7, 8], text)"), [7, 8]);
}

#[test]
fn every_rule_that_is_cited_is_a_heading() {
    let document = read("docs/rules.md");
    let headings: BTreeSet<u64> = document
        .lines()
        .filter_map(|line| line.strip_prefix("### Rule "))
        .map(|number| number.parse().expect("a number"))
        .collect();
    let mut cited = BTreeSet::new();
    for file in sources(&repository().join("src")) {
        let text = fs::read_to_string(&file).expect("a source");
        let is_story = file.ends_with("commands/story.rs") || file.ends_with("commands/explain_ad.rs");
        // What explain cites stands as numbers in lists, beside the comments' words.
        let words: &[&str] = if is_story { &["rule ", "rules ", "Fact::plain(", "vec![", "&["] } else { &["rule ", "rules "] };
        for word in words {
            for rest in text.split(word).skip(1) {
                let rest = if *word == "Fact::plain(" { rest.split_once("&[").map_or("", |(_, rest)| rest) } else { rest };
                for rule in numbers_at_start(rest) {
                    assert!(headings.contains(&rule), "{} cites rule {rule}, which docs/rules.md lacks", file.display());
                    cited.insert(rule);
                }
            }
        }
    }
    assert!(cited.len() > 15, "citations are read: {cited:?}");
    for rule in &headings {
        assert!(document.contains(&format!("\n### Rule {rule}\n\n**")), "rule {rule} begins with a title");
    }
}
