//! Values by range of IPv4 addresses, ready to be looked up in.

/// Ranges in the order of their addresses. Values are kept once, however many ranges have them.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct RangeTable {
    values: Vec<Box<[u8]>>,
    firsts: Vec<u32>,
    lasts: Vec<u32>,
    /// The number of each range's value.
    numbers: Vec<u32>,
}

/// A range that cannot stand behind those before it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Misplaced;

/// Within how many addresses a range has to stay.
pub const BLOCK: u32 = 1 << 16;

impl RangeTable {
    /// Adds a value, and gives its number. Whoever adds one twice gets two numbers.
    pub fn add_value(&mut self, value: impl Into<Box<[u8]>>) -> u32 {
        let number = u32::try_from(self.values.len()).unwrap_or(u32::MAX);
        self.values.push(value.into());
        number
    }

    /// Adds the addresses from `first` to `last` with the value `number`.
    ///
    /// # Errors
    ///
    /// When they lie before or in a range added earlier, end before they begin, do not lie in one
    /// block of [`BLOCK`] addresses, or there is no such value.
    pub fn push(&mut self, first: u32, last: u32, number: u32) -> Result<(), Misplaced> {
        let is_behind = self.lasts.last().is_none_or(|&before| before < first);
        let is_known = (number as usize) < self.values.len();
        if !is_behind || !is_known || last < first || first / BLOCK != last / BLOCK {
            return Err(Misplaced);
        }
        self.firsts.push(first);
        self.lasts.push(last);
        self.numbers.push(number);
        Ok(())
    }

    /// The value for `address`.
    #[must_use]
    pub fn find(&self, address: u32) -> Option<&[u8]> {
        let behind = self.firsts.partition_point(|&first| first <= address);
        let index = behind.checked_sub(1)?;
        if *self.lasts.get(index)? < address {
            return None;
        }
        let number = *self.numbers.get(index)?;
        self.values.get(number as usize).map(|value| &**value)
    }

    /// Every value, in the order of the numbers.
    pub fn values(&self) -> impl Iterator<Item = &[u8]> {
        self.values.iter().map(|value| &**value)
    }

    /// Every range as first address, last address and the number of its value.
    pub fn ranges(&self) -> impl Iterator<Item = (u32, u32, u32)> {
        let ends = self.firsts.iter().zip(&self.lasts);
        ends.zip(&self.numbers)
            .map(|((&first, &last), &number)| (first, last, number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ranges_in_order_and_within_a_block_are_taken() {
        let mut table = RangeTable::default();
        assert_eq!(table.push(1, 2, 0), Err(Misplaced), "no such value");
        let (a, b) = (table.add_value(*b"a"), table.add_value(*b"b"));
        assert_eq!(table.push(10, 20, a), Ok(()));
        assert_eq!(table.push(20, 30, a), Err(Misplaced), "overlaps");
        assert_eq!(table.push(1, 2, a), Err(Misplaced), "before");
        assert_eq!(table.push(30, 29, a), Err(Misplaced), "ends first");
        assert_eq!(
            table.push(30, BLOCK, a),
            Err(Misplaced),
            "crosses the border"
        );
        assert_eq!(table.push(21, BLOCK - 1, b), Ok(()));
        assert_eq!(table.push(u32::MAX, u32::MAX, a), Ok(()));
        assert_eq!(table.ranges().count(), 3);
        for (address, value) in [
            (9, None),
            (10, Some("a")),
            (20, Some("a")),
            (21, Some("b")),
            (BLOCK - 1, Some("b")),
            (BLOCK, None),
            (u32::MAX - 1, None),
            (u32::MAX, Some("a")),
        ] {
            assert_eq!(table.find(address), value.map(str::as_bytes), "{address}");
        }
        assert_eq!(RangeTable::default().find(0), None);
    }
}
