//! Hints: the unit that a number looks like, and the line of the mapping that says so.

use std::ops::Range;

use crate::base::mapping::{ColumnSource, TableMapping, TimeUnit};

/// The line of a mapping that reads a column so.
pub(super) fn line_of(mapping: &TableMapping, column: &str, more: &str) -> String {
    let source = mapping.columns.iter().find(|of| of.spec.name == column).and_then(|of| of.sources.first());
    let own = || ColumnSource::column(column).entry(more);
    format!("{column} = {} in [{}.columns]", source.map_or_else(own, |source| source.entry(more)), mapping.table.section)
}

/// The unit in which a number is one of these instants.
pub(super) fn unit_of(number: i64, allowed: &Range<i64>) -> Option<TimeUnit> {
    let units = [TimeUnit::Second, TimeUnit::Millisecond, TimeUnit::Microsecond];
    units.into_iter().find(|unit| unit.to_micros(number).is_some_and(|micros| allowed.contains(&micros)))
}

/// What a unit is called, and how the mapping writes it.
pub(super) fn named(unit: TimeUnit) -> (&'static str, &'static str) {
    match unit {
        TimeUnit::Second => ("seconds", "s"),
        TimeUnit::Millisecond => ("milliseconds", "ms"),
        TimeUnit::Microsecond => ("microseconds", "us"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_the_unit_in_which_it_is_near_its_day() {
        let allowed = crate::base::arrival::ArrivalZone::Utc.allowed_instants("2026-10-20".parse().unwrap());
        let unit = |number| unit_of(number, &allowed).map(|unit| named(unit).1);
        assert_eq!(unit(1_792_497_600), Some("s"));
        assert_eq!(unit(1_792_497_600_000), Some("ms"));
        assert_eq!(unit(1_792_497_600_000_000), Some("us"));
        assert_eq!(unit(1_792_497_600_000_000_000), None);
        assert_eq!(unit(0), None);
    }
}
