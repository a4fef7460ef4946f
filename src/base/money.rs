//! Decimals in whole millionths. Money, in a currency's major unit, is read exactly or not at all, never through a float, never
//! rounded.

use crate::base::error::{Error, Result};

/// One, in millionths.
const MILLIONTHS: i64 = 1_000_000;
/// The largest amount that decimal(18,6) holds.
const LARGEST_SPEND: i128 = 999_999_999_999_999_999;

/// A decimal as it is written in full.
pub fn decimal_text(value: i128, scale: i8) -> String {
    let places = usize::try_from(scale).unwrap_or(0);
    let zeros = "0".repeat(usize::from(scale.min(0).unsigned_abs()));
    let digits = format!("{:0>width$}{zeros}", value.unsigned_abs(), width = places + 1);
    let (whole, fraction) = digits.split_at(digits.len() - places);
    let sign = if value < 0 { "-" } else { "" };
    if places == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

pub fn inexact(text: &str) -> Error {
    Error::data(format!("spend {text} has more digits than decimal(18,6) holds"))
        .with("column", "spend")
        .mend("look at the loader: money is never rounded")
}

/// A decimal of some scale in millionths, if it is exactly one.
pub fn rescale(value: i128, scale: i8) -> Option<i64> {
    let millionths = match i32::from(scale) - 6 {
        0 => value,
        more if more > 0 => {
            let divisor = 10i128.checked_pow(more as u32)?;
            (value % divisor == 0).then_some(value / divisor)?
        }
        fewer => value.checked_mul(10i128.checked_pow(fewer.unsigned_abs())?)?,
    };
    (millionths.abs() <= LARGEST_SPEND).then_some(millionths as i64)
}

/// Meta's text for money: digits, perhaps a point, perhaps digits: "5339.5", "144.".
pub fn parse_money(text: &str) -> Result<i64> {
    let trimmed = text.trim();
    let (sign, digits) = match trimmed.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, trimmed),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_number =
        !(whole.is_empty() && fraction.is_empty()) && (whole.bytes().chain(fraction.bytes())).all(|b| b.is_ascii_digit());
    if !is_number {
        return Err(Error::data(format!("spend {text:?} is not an amount"))
            .with("column", "spend")
            .mend("write it as Meta sends it, such as \"5339.5\""));
    }
    let (leading, trailing) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
    if trailing.len() > 6 || leading.len() > 12 {
        return Err(inexact(text));
    }
    let value: i64 = format!("{leading}{trailing:0<6}").parse().map_err(|_| inexact(text))?;
    Ok(sign * value)
}

/// Digits, perhaps a point and digits, in millionths, rounded half up: for what is no money, such as a frequency. None where it is too
/// large.
pub(crate) fn rounded_millionths(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits: String = fraction.chars().chain("000000".chars()).take(6).collect();
    let is_up = fraction.as_bytes().get(6).is_some_and(|digit| *digit >= b'5');
    let value = whole.parse::<i64>().ok()?.checked_mul(MILLIONTHS)?.checked_add(digits.parse().ok()?)?;
    value.checked_add(i64::from(is_up)).filter(|value| i128::from(*value) <= LARGEST_SPEND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_read_exactly_or_not_at_all() {
        for (text, millionths) in [
            ("5339.5", 5_339_500_000),
            ("144.", 144_000_000),
            ("0", 0),
            (".5", 500_000),
            ("0.0000010", 1),
            ("-3.25", -3_250_000),
            ("999999999999.999999", 999_999_999_999_999_999),
        ] {
            assert_eq!(parse_money(text).unwrap(), millionths, "{text}");
        }
        for text in ["", ".", "1e3", "1,5", "0.0000001", "1000000000000", "NaN", "--1", "+1"] {
            assert!(parse_money(text).is_err(), "{text}");
        }
        assert_eq!(rescale(12_345, 2), Some(123_450_000));
        assert_eq!(rescale(1_234_500, 8), Some(12_345));
        assert_eq!(rescale(1_234_501, 8), None);
        for (value, scale, text) in [(1_234_567, 7, "0.1234567"), (-15, 1, "-1.5"), (12, 0, "12"), (12, -2, "1200")] {
            assert_eq!(decimal_text(value, scale), text);
        }
    }

    #[test]
    fn what_is_no_money_is_rounded() {
        for (text, value) in [("1.2135", Some(1_213_500)), ("7", Some(7_000_000)), ("1.9999995", Some(2_000_000))] {
            assert_eq!(rounded_millionths(text), value, "{text}");
        }
        assert_eq!(rounded_millionths("99999999999999"), None);
    }
}
