//! Field names that mean something, told apart without comparing them with each other.

use base::words::is_word;

/// Declares an enum of names, and the table of how they are written.
macro_rules! names {
    (
        $(#[$doc:meta])*
        $type:ident, $table:ident
        $($variant:ident $text:literal $(, $note:literal)?;)*
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum $type {
            $(#[doc = concat!("`", $text, "`", $($note,)? ".")] $variant,)*
            /// Any other name.
            Other,
        }

        static $table: $crate::names::Names<$type> =
            $crate::names::Names::new(&[$(($text, $type::$variant),)*]);

        // Sets of names are the bits of a word.
        const _: () = assert!(($type::Other as u8) < 64);

        impl $type {
            /// What `name` is, in whatever case it is written.
            #[must_use]
            #[inline]
            pub fn from_name(name: &[u8]) -> Self {
                $table.find(name).unwrap_or(Self::Other)
            }

            /// This name's bit in a set of names.
            #[must_use]
            #[inline]
            pub const fn bit(self) -> u64 {
                1 << (self as u8)
            }
        }
    };
}

pub(crate) use names;

/// The names of header lines, each by its bit: which there are, and which more than once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct NameSet {
    present: u64,
    repeated: u64,
}

impl NameSet {
    /// Another line has the name of `bit`.
    #[inline]
    pub(crate) fn add(&mut self, bit: u64) {
        self.repeated |= self.present & bit;
        self.present |= bit;
    }

    /// Whether a line has a name of `bits`.
    #[inline]
    pub(crate) fn has(self, bits: u64) -> bool {
        self.present & bits != 0
    }

    /// The names of `bits` that several lines have.
    #[inline]
    pub(crate) fn repeated(self, bits: u64) -> u64 {
        self.repeated & bits
    }
}

/// A perfect hash of names: each has a place of its own, by its length and its two ends.
pub(crate) struct Names<T: 'static> {
    list: &'static [(&'static str, T)],
    factor: u32,
    /// By place: one more than the index in `list`, 0 for none.
    places: [u8; PLACES],
}

/// Places for the names: enough of them that a factor is found soon.
const PLACES: usize = 1 << PLACE_BITS;
const PLACE_BITS: u32 = 8;

/// The first factor tried. That of Knuth's multiplicative hashing spreads well; any odd one would do.
const FIRST_FACTOR: u32 = 0x9e37_79b1;

impl<T: Copy> Names<T> {
    /// The table of `list`.
    ///
    /// # Panics
    ///
    /// For names of other bytes than letters and dashes. Tables are constants, so that a panic
    /// is an error of the compiler.
    pub(crate) const fn new(list: &'static [(&'static str, T)]) -> Self {
        let mut factor = FIRST_FACTOR;
        loop {
            if let Some(places) = places(list, factor) {
                return Self {
                    list,
                    factor,
                    places,
                };
            }
            factor = factor.wrapping_add(2);
        }
    }

    /// What `name` is, in whatever case; `None` for a name that is not in the list.
    #[inline]
    pub(crate) fn find(&self, name: &[u8]) -> Option<T> {
        let index = self.places[place(name, self.factor)?].checked_sub(1)?;
        let (text, known) = self.list.get(usize::from(index))?;
        is_word(name, text.as_bytes()).then_some(*known)
    }
}

/// The places of all names of `list`; `None` if two of them would have the same.
const fn places<T>(list: &[(&str, T)], factor: u32) -> Option<[u8; PLACES]> {
    let mut places = [0; PLACES];
    let mut index = 0u8;
    while (index as usize) < list.len() {
        let name = list[index as usize].0.as_bytes();
        assert_letters_and_dashes(name);
        match place(name, factor) {
            Some(place) if places[place] == 0 => places[place] = index + 1,
            _ => return None,
        }
        index += 1;
    }
    Some(places)
}

const fn assert_letters_and_dashes(name: &[u8]) {
    let mut at = 0;
    while at < name.len() {
        assert!(name[at].is_ascii_alphabetic() || name[at] == b'-');
        at += 1;
    }
}

/// Where a name may be, whatever its case; `None` for an empty one.
#[inline]
const fn place(name: &[u8], factor: u32) -> Option<usize> {
    let (Some(first), Some(last)) = (name.first(), name.last()) else {
        return None;
    };
    // A name longer than all shares a place with a shorter one, which it is not.
    let [length, ..] = name.len().to_le_bytes();
    let key = [*first | 0x20, *last | 0x20, length, 0];
    let hash = u32::from_le_bytes(key).wrapping_mul(factor);
    Some((hash >> (u32::BITS - PLACE_BITS)) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &[(&str, u8)] = &[
        ("TE", 0),
        ("Host", 1),
        ("Keep-Alive", 2),
        ("X-A-Limit-Rate-Of-All", 3),
    ];

    #[test]
    fn every_name_is_found_in_any_case() {
        let names = Names::new(LIST);
        for (text, known) in LIST {
            assert_eq!(names.find(text.as_bytes()), Some(*known));
            assert_eq!(
                names.find(text.to_ascii_uppercase().as_bytes()),
                Some(*known)
            );
            assert_eq!(
                names.find(text.to_ascii_lowercase().as_bytes()),
                Some(*known)
            );
        }
    }

    /// One other byte, wherever it is, makes another name of it.
    #[test]
    fn no_other_name_is_found() {
        let names = Names::new(LIST);
        for (text, known) in LIST {
            for at in 0..text.len() {
                for byte in 0..=255 {
                    let mut name = text.as_bytes().to_vec();
                    name[at] = byte;
                    let is_it = name.eq_ignore_ascii_case(text.as_bytes());
                    assert_eq!(names.find(&name), is_it.then_some(*known), "{name:?}");
                }
            }
        }
        for other in [&b""[..], b"T", b"Hos", b"Hosts", b"Keep-Aliv", &[b'x'; 300]] {
            assert_eq!(names.find(other), None);
        }
    }
}
