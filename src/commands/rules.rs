//! Rules: where the rules that an explanation cites are told. The text is the project's own document; its headings are the links.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::commands::story::Fact;

/// The document, by its path in the repository.
const DOCUMENT: &str = "docs/rules.md";
const TEXT: &str = include_str!("../../docs/rules.md");

/// A rule that is cited.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct CitedRule {
    pub rule: u8,
    /// The rule in a few words.
    pub title: String,
    /// Where it is told whole.
    pub link: String,
}

/// The rules that these facts cite, by number.
pub(crate) fn cited<'f>(facts: impl Iterator<Item = &'f Fact>) -> Vec<CitedRule> {
    let numbers: BTreeSet<u8> = facts.flat_map(Fact::cited).collect();
    let rule = |rule: u8| CitedRule { rule, title: title(rule).to_string(), link: format!("{DOCUMENT}#rule-{rule}") };
    numbers.into_iter().map(rule).collect()
}

/// The words in bold with which the document begins a rule; nothing where it has none.
fn title(rule: u8) -> &'static str {
    let section = TEXT.split_once(&format!("\n### Rule {rule}\n\n**")).map(|(_, section)| section);
    section.and_then(|section| section.split_once("**")).map_or("", |(title, _)| title.trim_end_matches([',', '.', ':', ';']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_of_the_document_has_a_title() {
        let rules: Vec<u8> =
            TEXT.lines().filter_map(|line| line.strip_prefix("### Rule ")).map(|number| number.parse().unwrap()).collect();
        assert!(rules.len() > 20 && rules.is_sorted());
        for rule in rules {
            let title = title(rule);
            assert!(!title.is_empty() && title.len() < 90 && !title.contains('\n'), "rule {rule}: {title:?}");
        }
        assert_eq!((title(1), title(99)), ("A click is a conversation", ""));
    }

    #[test]
    fn cited_rules_come_once_and_in_their_order() {
        let facts = [Fact::plain("a", &[9, 3], String::new()), Fact::plain("b", &[3], String::new())];
        let found: Vec<(u8, String)> = cited(facts.iter()).into_iter().map(|rule| (rule.rule, rule.link)).collect();
        assert_eq!(found, [(3, "docs/rules.md#rule-3".to_string()), (9, "docs/rules.md#rule-9".to_string())]);
        let resolved = Fact { is_resolved: true, ..Fact::plain("c", &[1], String::new()) };
        assert_eq!(cited([resolved].iter()).iter().map(|rule| rule.rule).collect::<Vec<_>>(), [1, 16]);
    }
}
