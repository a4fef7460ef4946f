//! Exact decimals of the report. Pure.

use std::fmt;

pub(super) const MILLION: i128 = 1_000_000;

/// An exact decimal with 6 decimals: money in major units, a cost, or a rate. Held as millionths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Amount(pub i128);

impl Amount {
    /// The quotient of an amount and a count, rounded half up; none when the count is 0.
    pub(super) fn per(self, count: i64) -> Option<Amount> {
        let count = i128::from(count);
        (count > 0).then(|| Amount((2 * self.0 + count).div_euclid(2 * count)))
    }

    /// The part of a whole; none where there is nothing.
    pub(crate) fn share(part: i64, whole: i64) -> Option<Amount> {
        Amount(i128::from(part) * MILLION).per(whole)
    }

    /// With 2 decimals, half up.
    pub(super) fn rounded(self) -> String {
        let text = Amount((self.0 + 5_000).div_euclid(10_000) * 10_000).to_string();
        text[..text.len() - 4].to_string()
    }

    /// In per cent, with 1 decimal, half up.
    pub(super) fn per_cent(self) -> String {
        let text = Amount((self.0 * 100 + 50_000).div_euclid(100_000) * 100_000).to_string();
        text[..text.len() - 5].to_string() + "%"
    }

    /// The amount as a person reads it: no zeros at the end beyond the second decimal.
    pub(crate) fn short(self) -> String {
        let text = self.to_string();
        let kept = text.trim_end_matches('0').len().max(text.len() - 4);
        text[..kept].to_string()
    }
}

impl fmt::Display for Amount {
    /// Plain, with all 6 decimals: `-12.500000`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let (whole, millionths) = (self.0.unsigned_abs() / MILLION as u128, self.0.unsigned_abs() % MILLION as u128);
        write!(f, "{sign}{whole}.{millionths:06}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotients_round_half_up_at_the_sixth_decimal() {
        let per = |millionths, count| Amount(millionths).per(count).unwrap().0;
        assert_eq!(per(10 * MILLION, 3), 3_333_333);
        assert_eq!(per(20 * MILLION, 3), 6_666_667);
        assert_eq!(per(1, 2), 1, "0.0000005 goes up");
        assert_eq!(per(499_999, 1_000_000), 0, "just below the half goes down");
        assert_eq!(per(5, 2), 3, "not to the even neighbour");
        assert_eq!(per(i64::MAX as i128, 1), i64::MAX as i128);
        assert_eq!(Amount(MILLION).per(0), None);
    }

    #[test]
    fn a_terminal_gets_two_decimals_and_per_cent() {
        for (millionths, cost, rate) in [
            (0, "0.00", "0.0%"),
            (3_333_333, "3.33", "333.3%"),
            (125_000, "0.13", "12.5%"),
            (5_000, "0.01", "0.5%"),
            (4_999, "0.00", "0.5%"),
            (123_499, "0.12", "12.3%"),
            (123_500, "0.12", "12.4%"),
            (-5_100, "-0.01", "-0.5%"),
        ] {
            assert_eq!(
                (Amount(millionths).rounded().as_str(), Amount(millionths).per_cent().as_str()),
                (cost, rate),
                "{millionths}"
            );
        }
    }

    #[test]
    fn the_plain_form_has_six_decimals_and_the_short_one_at_least_two() {
        for (millionths, plain, short) in [
            (0, "0.000000", "0.00"),
            (12_500_000, "12.500000", "12.50"),
            (3_333_333, "3.333333", "3.333333"),
            (1_230_000_000, "1230.000000", "1230.00"),
            (5_100, "0.005100", "0.0051"),
            (-500_000, "-0.500000", "-0.50"),
        ] {
            assert_eq!(Amount(millionths).to_string(), plain);
            assert_eq!(Amount(millionths).short(), short);
        }
    }
}
