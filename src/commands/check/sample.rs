//! Which partitions are looked into: the newest, the oldest, the one before the newest, and then ever more between, as long as they are not
//! too much to be read in seconds.

use crate::lake::{Listing, Partition};

/// At least as many are read, if they are no larger than [`MOST_BYTES`] together.
const FEW: usize = 5;

/// As many bytes of few partitions are read.
const MOST_BYTES: u64 = 256 << 20;

/// As many bytes of more than a few are read as a run reads them, and as many for what no run looks at.
pub(super) const AS_A_RUN: u64 = 32 << 20;
pub(super) const BESIDE: u64 = 8 << 20;

/// Items in the order in which they tell most of all: the last, the first, the last but one, the middle, the quarters, and so on.
pub(super) fn spread<T>(items: Vec<T>) -> Vec<T> {
    let number = items.len();
    let mut order: Vec<usize> = [number.checked_sub(1), Some(0), number.checked_sub(2)].into_iter().flatten().collect();
    let mut halves = vec![(0, number)];
    let mut next = 0;
    while let Some((from, to)) = halves.get(next).copied() {
        next += 1;
        if from < to {
            let middle = from.midpoint(to);
            order.push(middle);
            halves.extend([(from, middle), (middle + 1, to)]);
        }
    }
    let mut items: Vec<Option<T>> = items.into_iter().map(Some).collect();
    order.into_iter().filter_map(|place| items.get_mut(place)?.take()).collect()
}

/// Some of these partitions, or all; and how many others there are.
pub(super) fn some_of<'p>(partitions: impl Iterator<Item = &'p Partition>, most: u64, all: bool) -> (Listing, usize) {
    let (mut bytes, mut chosen, mut left) = (0, Listing::default(), 0);
    for partition in spread(partitions.collect()) {
        let (number, with_it) = (chosen.partitions.len(), bytes + Partition::bytes(partition));
        if all || number == 0 || with_it <= most || (number < FEW && with_it <= MOST_BYTES) {
            bytes = with_it;
            chosen.partitions.insert(partition.day, partition.clone());
        } else {
            left += 1;
        }
    }
    (chosen, left)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::day::Day;
    use crate::base::object::Object;

    fn chosen(megabytes: &[u64], all: bool) -> (Vec<i32>, usize) {
        let object = |day: i32| Object::plain(format!("{day}"), megabytes[day as usize] << 20, String::new());
        let partitions: Vec<Partition> =
            (0..megabytes.len() as i32).map(|day| Partition::of(Day(day), vec![object(day)])).collect();
        let (listing, left) = some_of(partitions.iter(), AS_A_RUN, all);
        (listing.partitions.keys().map(|day| day.0).collect(), left)
    }

    #[test]
    fn as_much_is_read_as_seconds_allow_and_always_the_newest() {
        assert_eq!(chosen(&[30; 97], false), (vec![0, 24, 48, 95, 96], 92));
        assert_eq!(chosen(&[30; 97], true), ((0..97).collect(), 0));
        assert_eq!(chosen(&[0; 97], false), ((0..97).collect(), 0));
        assert_eq!(chosen(&[1, 2, 900], false), (vec![2], 2));
        assert_eq!(chosen(&[900, 2, 1], false), (vec![1, 2], 1));
        assert_eq!(chosen(&[], false), (vec![], 0));
    }

    #[test]
    fn the_ends_come_first_and_everything_comes_once() {
        assert_eq!(spread(Vec::<u8>::new()), [0_u8; 0]);
        assert_eq!(spread(vec![1]), [1]);
        assert_eq!(spread(vec![1, 2]), [2, 1]);
        let order = spread((0..97).collect::<Vec<i32>>());
        assert_eq!(order[..6], [96, 0, 95, 48, 24, 73]);
        let mut sorted = order;
        sorted.sort_unstable();
        assert_eq!(sorted, (0..97).collect::<Vec<i32>>());
    }
}
