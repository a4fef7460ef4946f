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

/// White space, and what takes no space at all.
fn is_unseen(letter: char) -> bool {
    letter.is_whitespace() || matches!(letter, '\u{ad}' | '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

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
