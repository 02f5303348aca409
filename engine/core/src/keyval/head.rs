//! What a zone knows of itself.

use super::{HEAD, PREFIX_MAX, Refusal};
use runtime::Millis;
use shm::MapGuard;

/// Words of 64 lengths each.
const WORDS: usize = PREFIX_MAX / 64 + 1;

/// Bytes of a head.
const LENGTH: usize = (5 + WORDS) * size_of::<u64>();

/// Changes, who writes them to the state file, and of which lengths keys are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// Different after each change.
    pub(super) version: u64,
    /// The version that was last written to the state file.
    pub(super) saved: u64,
    /// The process that writes the state file now; 0 for none.
    pub(super) writer: u64,
    /// Since when it does, in milliseconds of the monotonic clock.
    pub(super) since: Millis,
    /// When the whole zone was last searched for what is over.
    pub(super) purged: Millis,
    /// A bit for each length that a key may have. There may be more bits than lengths.
    lengths: [u64; WORDS],
}

impl Default for Head {
    /// The head of a zone without keys.
    fn default() -> Self {
        Self {
            version: 0,
            saved: 0,
            writer: 0,
            since: 0,
            purged: 0,
            lengths: [0; WORDS],
        }
    }
}

impl Head {
    /// The head of a zone. Where it was lost, because a process was killed while changing it,
    /// keys may be of any length and nothing is known to be saved.
    pub(super) fn read(guard: &MapGuard<'_>) -> Self {
        let lost = || Self {
            version: 1,
            lengths: [u64::MAX; WORDS],
            ..Self::default()
        };
        guard.get(HEAD).and_then(Self::decode).unwrap_or_else(lost)
    }

    /// Puts it into the zone.
    ///
    /// # Errors
    ///
    /// It was lost, and there is no room for it.
    pub(super) fn write(&self, guard: &mut MapGuard<'_>) -> Result<(), Refusal> {
        let encoded = self.encode();
        let written = guard.update(HEAD, |bytes| bytes.copy_from_slice(&encoded));
        match written {
            Some(()) => Ok(()),
            None => guard.insert(HEAD, &encoded).map_err(|_| Refusal::Full),
        }
    }

    pub(super) fn encode(&self) -> [u8; LENGTH] {
        let mut bytes = [0; LENGTH];
        let first = [
            self.version,
            self.saved,
            self.writer,
            self.since,
            self.purged,
        ];
        let words = first.iter().chain(&self.lengths);
        for (place, word) in bytes.chunks_exact_mut(size_of::<u64>()).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (words, []) = bytes.as_chunks() else {
            return None;
        };
        let mut words = words.iter().map(|word| u64::from_le_bytes(*word));
        let mut next = || words.next();
        let mut head = Self {
            version: next()?,
            saved: next()?,
            writer: next()?,
            since: next()?,
            purged: next()?,
            lengths: [0; WORDS],
        };
        for word in &mut head.lengths {
            *word = next()?;
        }
        Some(head)
    }

    /// From now on keys may have this length.
    pub(super) fn add_length(&mut self, length: Option<usize>) {
        if let Some(length) = length
            && let Some(word) = self.lengths.get_mut(length / 64)
        {
            *word |= 1 << (length % 64);
        }
    }

    /// Lengths that keys may have, up to `most`, the longest first.
    pub(super) fn lengths(&self, most: usize) -> impl Iterator<Item = usize> + '_ {
        let has = |length: &usize| {
            let word = self.lengths.get(length / 64);
            word.is_some_and(|word| word >> (length % 64) & 1 == 1)
        };
        (0..=most).rev().filter(has)
    }
}
