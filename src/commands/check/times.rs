//! When rows are, against the days of arrival that they lie in.

use crate::base::day::Zone;
use crate::base::said::Said;
use crate::config::PartitionedInput;

use super::finding::Findings;
use super::met::{HOURS, HOURS_BEFORE, Met, Times};

/// As many rows of each partition tell whose days they are.
const ENOUGH_ROWS: u64 = 48;

pub(super) fn check(input: &PartitionedInput, met: &Met, findings: &mut Findings<'_>) {
    let table = input.columns.table.name;
    let spans = || met.times.values();
    let Some((first, last)) = spans().map(|times| times.first).min().zip(spans().map(|times| times.last).max()) else { return };
    let time = |at: i64| Zone::UTC.time(at);
    findings.ok(table, format!("times lie between {} and {}, in {} partitions", time(first), time(last), met.times.len()));
    let far: Vec<_> = met.times.iter().filter(|(_, times)| times.far * 2 > times.rows).collect();
    if let Some((day, times)) = far.last() {
        let said = Said::new(format!(
            "{} of {} rows of {day} lie more than two days from it, such as {}, and so on {} of {} days: folders should be days of \
             arrival",
            times.far,
            times.rows,
            time(times.furthest),
            far.len(),
            met.times.len()
        ));
        findings.warn(
            table,
            said.example(time(times.furthest)).mend(
                "a first load of a history may lie so; else see unit and zone of the times, and land each day's rows in its folder",
            ),
        );
    }
    if let Some(hours) = hours_off(met) {
        // Days that begin so many hours after UTC's are those of a zone behind it.
        let zone = format!("{}{:02}:00", if hours > 0 { '-' } else { '+' }, hours.abs());
        let said = Said::new(format!(
            "no row lies in the {} {} hours of its partition's day, and rows lie in as many hours {} it: days of arrival look like those \
             of UTC{zone}",
            if hours > 0 { "first" } else { "last" },
            hours.abs(),
            if hours > 0 { "after" } else { "before" }
        ));
        findings.warn(table, said.mend(format!("if they are, write partition_zone = {zone:?} in [inputs.{table}]")));
    }
}

/// How many hours after the day of its folder the rows of every partition begin and end; before it where negative.
fn hours_off(met: &Met) -> Option<i64> {
    let all: Vec<&Times> = met.times.values().filter(|times| times.rows >= ENOUGH_ROWS).collect();
    if all.len() < 2 {
        return None;
    }
    let by_hour: Vec<u64> = (0..HOURS).map(|hour| all.iter().map(|times| times.by_hour[hour]).sum()).collect();
    let at = |hour: i64| by_hour[(hour + HOURS_BEFORE) as usize];
    let rows: u64 = (0..24).map(at).sum();
    let few = rows / 100;
    for hours in 1..=12 {
        let early = |from: i64| (from..from + hours).map(at).sum::<u64>();
        let (begins, ends, after, before) = (early(0), early(24 - hours), early(24), early(-hours));
        let is_last_hour_met = at(24 + hours - 1) > 0 && at(24 + hours) == 0;
        let is_first_hour_met = at(-hours) > 0 && at(-hours - 1) == 0;
        if begins == 0 && after > few && before == 0 && is_last_hour_met && at(hours) > 0 {
            return Some(hours);
        }
        if ends == 0 && before > few && after == 0 && is_first_hour_met && at(23 - hours) > 0 {
            return Some(-hours);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::day::Day;

    /// Two partitions with rows in these hours of their day.
    fn off(hours: std::ops::Range<i64>) -> Option<i64> {
        let mut times = Times { first: 0, last: 0, rows: 0, far: 0, furthest: 0, by_hour: [0; HOURS] };
        for hour in hours {
            times.by_hour[(hour + HOURS_BEFORE) as usize] += 10;
            times.rows += 10;
        }
        let of_days = [(Day(1), times.clone()), (Day(2), times)];
        hours_off(&Met { times: of_days.into(), ..Met::default() })
    }

    #[test]
    fn days_of_another_zone_begin_and_end_at_another_hour() {
        assert_eq!(off(3..27), Some(3));
        assert_eq!(off(-9..15), Some(-9));
        assert_eq!(off(0..24), None, "days of UTC");
        assert_eq!(off(0..27), None, "late rows");
        assert_eq!(off(8..20), None, "shops are shut at night");
        assert_eq!(off(-3..24), None, "early rows");
    }
}
