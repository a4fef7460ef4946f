//! Texts that people take for one another.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Without what people overlook: case, accents, blanks around it.
pub(crate) fn folded(text: &str) -> String {
    text.trim().nfkd().filter(|c| !is_combining_mark(*c)).flat_map(char::to_lowercase).collect()
}

/// Without case and white space, in one form of Unicode: what stays is what tells two names apart.
pub(crate) fn without_case_and_blanks(text: &str) -> String {
    // What small letters are made of may be composed otherwise.
    text.nfc().flat_map(char::to_lowercase).filter(|letter| !is_unseen(*letter)).collect::<String>().nfc().collect()
}

/// As alike, of a thousand, are words that one is taken for the other.
const NEAR: u32 = 800;
/// A part of a word says which is meant from so many letters on.
const PART: usize = 4;

/// The word that is most like another, of those that are near.
pub(crate) fn nearest<'w>(words: impl IntoIterator<Item = &'w str>, to: &str) -> Option<&'w str> {
    let bare = |word: &str| folded(word).chars().filter(|letter| letter.is_alphanumeric()).collect::<String>();
    let wanted = bare(to);
    let is_part_of = |part: &str, whole: &str| part.chars().count() >= PART && whole.contains(part);
    let likeness = |word: &'w str| {
        let known = bare(word);
        let is_near = is_part_of(&wanted, &known) || is_part_of(&known, &wanted);
        let likest = strsim::jaro_winkler(word, to).max(strsim::jaro_winkler(&known, &wanted));
        let alike = (likest * 1_000.0) as u32;
        (is_near || alike >= NEAR).then_some((alike, word))
    };
    let near = words.into_iter().filter_map(likeness).max_by_key(|(alike, _)| *alike);
    near.map(|(_, word)| word)
}

/// White space, and what takes no space at all.
fn is_unseen(letter: char) -> bool {
    letter.is_whitespace() || matches!(letter, '\u{ad}' | '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_far_is_not_proposed() {
        let bots = ["shop-br@msging.net", "loja", "vendas-br@msging.net"];
        for (asked, near) in [
            ("shop-br", Some("shop-br@msging.net")),
            ("shop_br@msging.net", Some("shop-br@msging.net")),
            ("shp-br@msging.net", Some("shop-br@msging.net")),
            ("Lója", Some("loja")),
            ("ljoa", Some("loja")),
            ("nope", None),
            ("x", None),
            ("", None),
            ("5511987654321", None),
        ] {
            assert_eq!(nearest(bots, asked), near, "{asked:?}");
        }
        assert_eq!(nearest(["url", "name", "path"], "uri"), Some("url"));
        assert_eq!(nearest(["timezone", "id"], "time_zone"), Some("timezone"));
        assert_eq!(nearest(["timezone", "id"], "colour"), None);
    }

    #[test]
    fn case_and_blanks_tell_nothing_apart_and_accents_do() {
        let name = without_case_and_blanks("Confirmação de Pedido");
        for alike in [
            "confirmação de pedido",
            " CONFIRMAÇÃO DE PEDIDO\n",
            "Confirmac\u{327}a\u{303}o de Pedido",
            "Confirmação\u{a0}de  Pedido",
            "\u{feff}ConfirmaçãodePedido\u{200b}",
        ] {
            assert_eq!(without_case_and_blanks(alike), name, "{alike:?}");
        }
        for other in ["Confirmacao de Pedido", "Confirmação-de-Pedido", "Confirmação de Pedidos", "Confirmação"] {
            assert_ne!(without_case_and_blanks(other), name, "{other:?}");
        }
        assert_eq!(without_case_and_blanks("İ"), without_case_and_blanks("i\u{307}"));
    }
}
