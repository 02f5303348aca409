//! Keys and values in shared memory, which are changed while they are used.
//!
//! A [`Keyval`] has a zone to itself. Its pairs are found by the whole key, by an address that
//! lies in a network, or by the longest key that another text begins with; the latter two by
//! one look for each length of network or key that there is. With a state file the pairs
//! outlive the server.
//!
//! Source: nginx documentation, ngx_http_keyval_module.

mod head;
mod saving;
mod state;
#[cfg(test)]
mod tests;

use base::cidr::Cidr;
use head::Head;
use runtime::Millis;
use saving::Saving;
use shm::{Full, MapGuard, SharedMap};
use std::fmt;
use std::path::PathBuf;

/// Longest key of [`Matching::Prefix`] in bytes: what is searched for is looked up in as many
/// lengths as there are.
pub const PREFIX_MAX: usize = 512;

/// Milliseconds between two searches of a whole zone for pairs whose time is over, which is
/// done when there is no room.
const PURGE_INTERVAL: Millis = 1000;

/// The key of what the zone knows of itself. No pair has an empty key.
const HEAD: &[u8] = b"";

/// Bytes before each value: when its time is over, in milliseconds of the monotonic clock.
const EXPIRY: usize = size_of::<u64>();

/// How a key is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Matching {
    /// By the same text.
    Exact,
    /// Keys are addresses and networks: by an address or network within; the narrowest counts.
    Network,
    /// By a text that begins with it; the longest counts.
    Prefix,
}

/// A key with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The key; of [`Matching::Network`] in its shortest notation.
    pub key: Vec<u8>,
    /// Its value.
    pub value: Vec<u8>,
    /// How many milliseconds it has left, where it has an end.
    pub left: Option<Millis>,
}

/// Why a pair was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The key is empty, too long, or no address where it must be one.
    Key,
    /// It is to have an end, and the zone has no `timeout`.
    NoTimeout,
    /// It is not UTF-8, as the state file is.
    NotText,
    /// The zone has no room.
    Full,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Key => "invalid key format",
            Self::NoTimeout => "timeout is not enabled",
            Self::NotText => "a pair that is not UTF-8 cannot be kept in the state file",
            Self::Full => "no room",
        })
    }
}

impl std::error::Error for Refusal {}

/// Pairs of one zone.
pub struct Keyval {
    map: SharedMap,
    matching: Matching,
    /// How long pairs last.
    timeout: Option<Millis>,
    saving: Option<Saving>,
}

/// A key as it stands in the map.
enum Stored<'k> {
    Text(&'k [u8]),
    Network([u8; 17], usize),
}

impl Stored<'_> {
    fn network(cidr: Cidr) -> Self {
        let mut bytes = [0; 17];
        bytes[0] = cidr.prefix();
        let length = match cidr.address() {
            std::net::IpAddr::V4(v4) => {
                bytes[1..5].copy_from_slice(&v4.octets());
                5
            }
            std::net::IpAddr::V6(v6) => {
                bytes[1..].copy_from_slice(&v6.octets());
                17
            }
        };
        Self::Network(bytes, length)
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text,
            Self::Network(bytes, length) => &bytes[..*length],
        }
    }
}

impl Keyval {
    /// The pairs in `map`: those that are there, or none in a new one. `timeout` is for pairs
    /// that are set from now on, `state` the file that they are written to.
    ///
    /// # Errors
    ///
    /// [`Full`] when not even what the zone knows of itself has room.
    pub fn open(
        map: SharedMap,
        matching: Matching,
        timeout: Option<Millis>,
        state: Option<PathBuf>,
    ) -> Result<Self, Full> {
        {
            let mut guard = map.lock();
            if guard.is_empty() {
                guard.insert(HEAD, &Head::default().encode())?;
            }
        }
        let saving = state.map(Saving::new);
        Ok(Self {
            map,
            matching,
            timeout,
            saving,
        })
    }

    /// How keys are found.
    #[must_use]
    pub fn matching(&self) -> Matching {
        self.matching
    }

    /// The file that pairs are written to.
    #[must_use]
    pub fn state_file(&self) -> Option<&std::path::Path> {
        self.saving.as_ref().map(Saving::path)
    }

    /// Appends the value of the key that `sought` finds to `out`; `false` when there is none.
    pub fn find(&self, sought: &[u8], now: Millis, out: &mut Vec<u8>) -> bool {
        let guard = self.map.lock();
        match self.matching {
            Matching::Exact => write(&guard, sought, now, out),
            Matching::Network => find_network(&guard, sought, now, out),
            Matching::Prefix => Head::read(&guard)
                .lengths(sought.len().min(PREFIX_MAX))
                .any(|length| write(&guard, &sought[..length], now, out)),
        }
    }

    /// Gives `key` a value, for `left` milliseconds, or as long as the zone says.
    ///
    /// # Errors
    ///
    /// The pair cannot be taken; what there was stays.
    pub fn set(
        &self,
        key: &[u8],
        value: &[u8],
        left: Option<Millis>,
        now: Millis,
    ) -> Result<(), Refusal> {
        let stored = self.stored(key)?;
        if left.is_some() && self.timeout.is_none() {
            return Err(Refusal::NoTimeout);
        }
        let is_text = |bytes| std::str::from_utf8(bytes).is_ok();
        if self.saving.is_some() && !(is_text(key) && is_text(value)) {
            return Err(Refusal::NotText);
        }
        let end = left
            .or(self.timeout)
            .map_or(u64::MAX, |left| now.saturating_add(left));
        let entry = [&end.to_le_bytes()[..], value].concat();
        let mut guard = self.map.lock();
        let mut head = Head::read(&guard);
        head.version += 1;
        head.add_length(self.length_of(stored.bytes()));
        // First, so that a key whose length is unknown is nowhere.
        head.write(&mut guard)?;
        insert(&mut guard, stored.bytes(), &entry, now)
    }

    /// Takes `key` away; says whether it was there.
    pub fn remove(&self, key: &[u8], now: Millis) -> bool {
        let Ok(stored) = self.stored(key) else {
            return false;
        };
        let mut guard = self.map.lock();
        let was_there = guard
            .get(stored.bytes())
            .is_some_and(|entry| is_current(entry, now));
        guard.remove(stored.bytes());
        if was_there {
            note_change(&mut guard);
        }
        was_there
    }

    /// Takes all keys away.
    pub fn clear(&self) {
        let mut guard = self.map.lock();
        guard.retain(|key, _| key == HEAD);
        note_change(&mut guard);
    }

    /// All pairs, the longest unchanged first.
    #[must_use]
    pub fn pairs(&self, now: Millis) -> Vec<Pair> {
        self.pairs_of(&mut self.map.lock(), now)
    }

    fn pairs_of(&self, guard: &mut MapGuard<'_>, now: Millis) -> Vec<Pair> {
        let mut pairs = Vec::new();
        guard.retain(|key, entry| {
            if key == HEAD {
                return true;
            }
            let Some((end, value)) = take_apart(entry).filter(|(end, _)| now < *end) else {
                return false;
            };
            pairs.push(Pair {
                key: self.shown(key),
                value: value.to_vec(),
                left: (end != u64::MAX).then(|| end - now),
            });
            true
        });
        pairs
    }

    /// Takes over pairs from elsewhere, with the time that they have left. They count as saved.
    ///
    /// # Errors
    ///
    /// One of them cannot be taken, or there is no room for all.
    pub fn fill(&self, pairs: &[Pair], now: Millis) -> Result<(), Refusal> {
        for pair in pairs {
            let left = pair.left.filter(|_| self.timeout.is_some());
            self.set(&pair.key, &pair.value, left, now)?;
        }
        let mut guard = self.map.lock();
        let mut head = Head::read(&guard);
        head.saved = head.version;
        head.write(&mut guard)
    }

    fn stored<'k>(&self, key: &'k [u8]) -> Result<Stored<'k>, Refusal> {
        let stored = match self.matching {
            Matching::Exact => Some(Stored::Text(key)),
            Matching::Network => network(key).map(Stored::network),
            Matching::Prefix => (key.len() <= PREFIX_MAX).then_some(Stored::Text(key)),
        };
        stored
            .filter(|stored| !stored.bytes().is_empty())
            .ok_or(Refusal::Key)
    }

    /// Where the length of a stored key is noted.
    fn length_of(&self, stored: &[u8]) -> Option<usize> {
        match self.matching {
            Matching::Exact => None,
            Matching::Network => {
                let family = if stored.len() == 5 { V4 } else { V6 };
                stored.first().map(|prefix| family + usize::from(*prefix))
            }
            Matching::Prefix => Some(stored.len()),
        }
    }

    /// A stored key as its owner wrote it, or nearly so.
    fn shown(&self, stored: &[u8]) -> Vec<u8> {
        let (Matching::Network, [prefix, address @ ..]) = (self.matching, stored) else {
            return stored.to_vec();
        };
        let address: std::net::IpAddr = match (<[u8; 4]>::try_from(address), address.try_into()) {
            (Ok(v4), _) => v4.into(),
            (_, Ok(v6)) => <[u8; 16]>::into(v6),
            _ => return stored.to_vec(),
        };
        let is_whole = *prefix == if address.is_ipv4() { 32 } else { 128 };
        let text = if is_whole {
            address.to_string()
        } else {
            format!("{address}/{prefix}")
        };
        text.into_bytes()
    }
}

/// Where the lengths of networks of IPv4 and IPv6 begin among all lengths.
const V4: usize = 0;
const V6: usize = 64;

fn network(text: &[u8]) -> Option<Cidr> {
    let text = std::str::from_utf8(text).ok()?;
    Cidr::parse(text).map(|parsed| parsed.cidr)
}

/// The narrowest network around `sought`. An IPv4 address that is mapped into IPv6 is looked for
/// as both.
fn find_network(guard: &MapGuard<'_>, sought: &[u8], now: Millis, out: &mut Vec<u8>) -> bool {
    let Some(sought) = network(sought) else {
        return false;
    };
    let head = Head::read(guard);
    let mut search = |sought: Cidr, family: usize| {
        head.lengths(family + usize::from(sought.prefix()))
            .take_while(|length| *length >= family)
            .filter_map(|length| u8::try_from(length - family).ok())
            .map(|prefix| Stored::network(Cidr::new(sought.address(), prefix)))
            .any(|stored| write(guard, stored.bytes(), now, out))
    };
    match sought.address() {
        std::net::IpAddr::V4(_) => search(sought, V4),
        std::net::IpAddr::V6(v6) => {
            let mapped = v6.to_ipv4_mapped().zip(sought.prefix().checked_sub(96));
            search(sought, V6)
                || mapped.is_some_and(|(v4, prefix)| search(Cidr::new(v4.into(), prefix), V4))
        }
    }
}

/// Appends the value of a stored key.
fn write(guard: &MapGuard<'_>, stored: &[u8], now: Millis, out: &mut Vec<u8>) -> bool {
    if stored == HEAD {
        return false;
    }
    let found = guard.get(stored).and_then(take_apart);
    found
        .filter(|(end, _)| now < *end)
        .inspect(|(_, value)| out.extend_from_slice(value))
        .is_some()
}

/// When the time of an entry is over, and its value.
fn take_apart(entry: &[u8]) -> Option<(u64, &[u8])> {
    let (end, value) = entry.split_first_chunk::<EXPIRY>()?;
    Some((u64::from_le_bytes(*end), value))
}

fn is_current(entry: &[u8], now: Millis) -> bool {
    take_apart(entry).is_some_and(|(end, _)| now < end)
}

fn note_change(guard: &mut MapGuard<'_>) {
    let mut head = Head::read(guard);
    head.version += 1;
    // Something was just removed, or the head is there: it has room.
    let _ = head.write(guard);
}

/// Puts an entry in, in the place of those whose time is over where there is no room.
fn insert(
    guard: &mut MapGuard<'_>,
    stored: &[u8],
    entry: &[u8],
    now: Millis,
) -> Result<(), Refusal> {
    let before = guard.get(stored).map(<[u8]>::to_vec);
    if guard.insert(stored, entry).is_ok() {
        return Ok(());
    }
    // With one timeout for all, the oldest are over first.
    while let Some((key, oldest)) = guard.oldest()
        && key != HEAD
        && !is_current(oldest, now)
    {
        guard.remove_oldest();
        if guard.insert(stored, entry).is_ok() {
            return Ok(());
        }
    }
    let mut head = Head::read(guard);
    if now >= head.purged.saturating_add(PURGE_INTERVAL) {
        head.purged = now;
        head.write(guard)?;
        guard.retain(|key, entry| key == HEAD || is_current(entry, now));
        if guard.insert(stored, entry).is_ok() {
            return Ok(());
        }
    }
    if let Some(before) = before {
        // It has just left.
        let _ = guard.insert(stored, &before);
    }
    Err(Refusal::Full)
}
