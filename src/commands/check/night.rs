//! How much a run would read, and about how long that takes, by what reading took just now.

use crate::base::day::MICROS_PER_SECOND;
use crate::base::schema::Raw;
use crate::known::survey::Survey;
use crate::lake::Partition;
use crate::plan::stages::PartitionStep;

use super::finding::Findings;
use super::rows::Took;

/// A run does more than read: for each second of reading about as many of counting and writing.
const TIMES_READING: u64 = 2;

pub(super) fn tell(unread: &[PartitionStep], survey: &Survey, took: Took, findings: &mut Findings<'_>) {
    let listings = Raw::BOTH.into_iter().map(|table| survey.raw(table)).chain([&survey.insights]);
    let newest: u64 = listings.filter_map(|listing| listing.partitions.values().next_back()).map(Partition::bytes).sum();
    let to_read: u64 = unread.iter().map(|step| step.bytes).sum();
    let about = |bytes: u64| {
        let rate = u64::try_from(took.micros).ok().filter(|_| took.bytes > 0);
        let micros = rate.map(|micros| u128::from(bytes) * u128::from(micros * TIMES_READING) / u128::from(took.bytes));
        micros.map_or(String::new(), |micros| format!(", in about {} s", seconds(micros)))
    };
    findings.ok("night", format!("the next run reads {} partitions of {}{}", unread.len(), size(to_read), about(to_read)));
    findings.ok("night", format!("a night like the newest reads {}{}", size(newest), about(newest)));
}

fn seconds(micros: u128) -> u128 {
    micros.div_ceil(MICROS_PER_SECOND as u128).max(1)
}

fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KB", "MB", "GB", "TB"];
    let unit = UNITS.iter().enumerate().rev().find(|(n, _)| bytes >= 1000_u64.pow(*n as u32 + 1)).map_or(0, |(n, _)| n);
    let of_unit = 1000_u64.pow(unit as u32 + 1);
    let tenths = (u128::from(bytes) * 10).div_ceil(u128::from(of_unit));
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_at_a_glance() {
        let told = [0, 1, 999, 1_000, 1_234_567, 5_000_000_000].map(size);
        assert_eq!(told, ["0.0 KB", "0.1 KB", "1.0 KB", "1.0 KB", "1.3 MB", "5.0 GB"]);
    }
}
