//! Values by range of IPv4 addresses.
//!
//! Ranges are cut at every 65536 addresses, as nginx cuts them: a later range may replace an
//! earlier one or lie in it, which is judged piece by piece.

use base::range_table::RangeTable;
use http::Bytes;
use std::collections::{BTreeMap, HashMap};
use std::net::Ipv4Addr;

/// Ranges while they are being read: pieces by their first address.
#[derive(Default)]
pub(super) struct Ranges {
    pieces: BTreeMap<u32, Piece>,
}

#[derive(Clone)]
struct Piece {
    last: u32,
    value: Bytes,
}

/// What came of adding a range.
#[derive(Debug, PartialEq)]
pub(super) enum Added {
    /// It was new, or lay inside another.
    New,
    /// It took the place of ranges with these values.
    Replaced(Vec<Bytes>),
    /// It overlaps this range without lying in it: nothing more of it was added.
    Overlaps(Ipv4Addr, Ipv4Addr),
}

impl Ranges {
    /// Adds the addresses from `first` to `last`.
    pub(super) fn add(&mut self, first: u32, last: u32, value: &Bytes) -> Added {
        let mut replaced = Vec::new();
        for (first, last) in pieces(first, last) {
            match self.add_piece(first, last, value) {
                Added::New => {}
                Added::Replaced(mut values) => replaced.append(&mut values),
                overlaps @ Added::Overlaps(..) => return overlaps,
            }
        }
        if replaced.is_empty() {
            Added::New
        } else {
            Added::Replaced(replaced)
        }
    }

    fn add_piece(&mut self, first: u32, last: u32, value: &Bytes) -> Added {
        let new = Piece {
            last,
            value: value.clone(),
        };
        let nearest = self.pieces.range(..=last).next_back();
        let nearest = nearest.filter(|(_, piece)| piece.last >= first);
        let Some((&start, piece)) = nearest else {
            self.pieces.insert(first, new);
            return Added::New;
        };
        let outer = piece.clone();
        if start > first || outer.last < last {
            return Added::Overlaps(start.into(), outer.last.into());
        }
        if start == first && outer.last == last {
            self.pieces.insert(first, new);
            return Added::Replaced(vec![outer.value]);
        }
        if start < first
            && let Some(left) = self.pieces.get_mut(&start)
        {
            left.last = first - 1;
        }
        if outer.last > last {
            self.pieces.insert(last + 1, outer);
        }
        self.pieces.insert(first, new);
        Added::New
    }

    /// Removes the addresses from `first` to `last`, which must be ranges as they were added;
    /// says whether all of them were there.
    pub(super) fn remove(&mut self, first: u32, last: u32) -> bool {
        let mut is_complete = true;
        for (first, last) in pieces(first, last) {
            if self
                .pieces
                .get(&first)
                .is_some_and(|piece| piece.last == last)
            {
                self.pieces.remove(&first);
            } else {
                is_complete = false;
            }
        }
        is_complete
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// The ranges as they are looked up in.
    pub(super) fn into_table(self) -> RangeTable {
        let mut table = RangeTable::default();
        let mut numbers: HashMap<&[u8], u32> = HashMap::new();
        for (&first, piece) in &self.pieces {
            let value = &*piece.value;
            let number = *numbers
                .entry(value)
                .or_insert_with(|| table.add_value(value));
            let pushed = table.push(first, piece.last, number);
            debug_assert!(
                pushed.is_ok(),
                "pieces lie apart, in order, each in a block"
            );
        }
        table
    }
}

/// Cuts a range into pieces within 65536 addresses each.
fn pieces(first: u32, last: u32) -> impl Iterator<Item = (u32, u32)> {
    (first >> 16..=last >> 16).map(move |high| {
        let (start, end) = (high << 16, high << 16 | 0xffff);
        (first.max(start), last.min(end))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(ranges: &mut Ranges, first: &str, last: &str, value: &'static str) -> Added {
        let bits = |text: &str| text.parse::<Ipv4Addr>().unwrap().to_bits();
        ranges.add(bits(first), bits(last), &Bytes::Static(value.as_bytes()))
    }

    #[track_caller]
    fn check(ranges: &Ranges, address: &str, expected: Option<&str>) {
        let bits = address.parse::<Ipv4Addr>().unwrap().to_bits();
        let piece = ranges.pieces.range(..=bits).next_back();
        let found = piece.filter(|(_, piece)| piece.last >= bits);
        let found = found.map(|(_, piece)| &*piece.value);
        assert_eq!(found, expected.map(str::as_bytes), "{address}");
    }

    #[test]
    fn a_range_may_lie_in_another_or_replace_it() {
        let mut ranges = Ranges::default();
        assert_eq!(
            add(&mut ranges, "10.0.0.0", "10.2.0.9", "outer"),
            Added::New
        );
        assert_eq!(
            add(&mut ranges, "10.0.0.5", "10.0.0.8", "middle"),
            Added::New
        );
        assert_eq!(add(&mut ranges, "10.0.0.9", "10.0.0.9", "left"), Added::New);
        assert_eq!(
            add(&mut ranges, "10.1.255.255", "10.1.255.255", "right"),
            Added::New
        );
        let replaced = add(&mut ranges, "10.2.0.0", "10.2.0.9", "new");
        assert_eq!(replaced, Added::Replaced(vec![Bytes::Static(b"outer")]));
        for (address, value) in [
            ("9.255.255.255", None),
            ("10.0.0.4", Some("outer")),
            ("10.0.0.5", Some("middle")),
            ("10.0.0.8", Some("middle")),
            ("10.0.0.9", Some("left")),
            ("10.0.0.10", Some("outer")),
            ("10.1.0.0", Some("outer")),
            ("10.1.255.255", Some("right")),
            ("10.2.0.0", Some("new")),
            ("10.2.0.10", None),
        ] {
            check(&ranges, address, value);
        }
    }

    #[test]
    fn ranges_may_not_cross() {
        let mut ranges = Ranges::default();
        add(&mut ranges, "10.0.0.5", "10.0.0.9", "a");
        let a = Added::Overlaps([10, 0, 0, 5].into(), [10, 0, 0, 9].into());
        assert_eq!(add(&mut ranges, "10.0.0.0", "10.0.0.5", "b"), a);
        assert_eq!(add(&mut ranges, "10.0.0.9", "10.0.0.20", "b"), a);
        assert_eq!(add(&mut ranges, "10.0.0.0", "10.0.0.20", "b"), a);
        assert_eq!(add(&mut ranges, "10.0.0.10", "10.0.0.20", "b"), Added::New);
    }

    #[test]
    fn the_whole_of_ipv4_is_a_range() {
        let mut ranges = Ranges::default();
        assert_eq!(
            add(&mut ranges, "0.0.0.0", "255.255.255.254", "all"),
            Added::New
        );
        check(&ranges, "255.255.255.254", Some("all"));
        check(&ranges, "255.255.255.255", None);
        assert!(ranges.remove(0, u32::MAX - 1));
        assert!(!ranges.remove(0, 5));
        check(&ranges, "1.2.3.4", None);
    }
}
