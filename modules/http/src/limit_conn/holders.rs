//! Who holds how many of a key's connections: pairs of a process and a count.
//!
//! Counts belong to the processes that made them, so that those of one that was killed can be
//! taken back by whoever finds them in its way.

/// One pair, as it stands in shared memory.
const PAIR: usize = 8;

/// The pairs of one key.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Holders(Vec<(u32, u32)>);

impl Holders {
    /// Reads what [`Holders::to_bytes`] wrote.
    pub(super) fn from_bytes(bytes: &[u8]) -> Self {
        let (pairs, _) = bytes.as_chunks::<PAIR>();
        let read = |pair: &[u8; PAIR]| {
            let [a, b, c, d, rest @ ..] = *pair;
            (u32::from_ne_bytes([a, b, c, d]), u32::from_ne_bytes(rest))
        };
        Self(pairs.iter().map(read).collect())
    }

    /// The bytes for shared memory.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let write = |(owner, count): &(u32, u32)| [owner.to_ne_bytes(), count.to_ne_bytes()];
        let pairs: Vec<_> = self.0.iter().map(write).collect();
        pairs.as_flattened().as_flattened().to_vec()
    }

    /// How many connections there are.
    pub(super) fn total(&self) -> u64 {
        self.0.iter().map(|(_, count)| u64::from(*count)).sum()
    }

    /// Whether nobody holds any.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Counts one more of `owner`.
    pub(super) fn add(&mut self, owner: u32) {
        match self.0.iter_mut().find(|(known, _)| *known == owner) {
            Some((_, count)) => *count = count.saturating_add(1),
            None => self.0.push((owner, 1)),
        }
    }

    /// Counts one less of `owner`.
    pub(super) fn remove(&mut self, owner: u32) {
        if let Some((_, count)) = self.0.iter_mut().find(|(known, _)| *known == owner) {
            *count = count.saturating_sub(1);
        }
        self.0.retain(|(_, count)| *count > 0);
    }

    /// Drops what belongs to owners that are not to be kept; says whether there was any.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(u32) -> bool) -> bool {
        let before = self.0.len();
        self.0.retain(|(owner, _)| keep(*owner));
        self.0.len() < before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_are_counted_apart() {
        let mut holders = Holders::default();
        holders.add(7);
        holders.add(8);
        holders.add(7);
        assert_eq!(holders.total(), 3);
        assert_eq!(Holders::from_bytes(&holders.to_bytes()), holders);
        holders.remove(7);
        holders.remove(7);
        holders.remove(7);
        assert_eq!(holders, Holders(vec![(8, 1)]));
        assert!(holders.retain(|owner| owner != 8));
        assert!(!holders.retain(|_| false));
        assert!(holders.is_empty());
        assert!(holders.to_bytes().is_empty());
    }
}
