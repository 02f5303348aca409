//! Bytes of a body or a header value: static, owned or shared.

use std::ops::{Deref, Range};
use std::rc::Rc;

/// A run of bytes that is cheap to hand on.
#[derive(Clone)]
pub enum Bytes {
    /// Part of the program.
    Static(&'static [u8]),
    /// Shared by count: a cached file, a configured text.
    Shared(Rc<[u8]>),
    /// Part of shared bytes, from `start` to `end`.
    Slice {
        /// What is shared.
        all: Rc<[u8]>,
        /// First byte.
        start: u32,
        /// One past the last byte.
        end: u32,
    },
    /// Owned, made for this response.
    Owned(Vec<u8>),
}

impl Bytes {
    /// No bytes.
    pub const EMPTY: Self = Self::Static(b"");

    /// The bytes from `start` to `end`, clamped to what there is.
    #[must_use]
    pub fn slice(self, start: usize, end: usize) -> Self {
        let end = end.min(self.len());
        let start = start.min(end);
        match self {
            Self::Static(all) => Self::Static(&all[start..end]),
            Self::Shared(all) => Self::part(all, start, end),
            Self::Slice {
                all, start: from, ..
            } => {
                let from = from as usize;
                Self::part(all, from + start, from + end)
            }
            Self::Owned(mut all) => {
                all.truncate(end);
                all.drain(..start);
                Self::Owned(all)
            }
        }
    }
}

impl Bytes {
    /// The bytes of `all` in `range`, clamped to what there is.
    #[must_use]
    #[inline]
    pub fn part_of(all: &Rc<[u8]>, range: Range<u32>) -> Self {
        let end = range.end.min(u32::try_from(all.len()).unwrap_or(u32::MAX));
        Self::Slice {
            all: Rc::clone(all),
            start: range.start.min(end),
            end,
        }
    }

    /// A part of shared bytes; copied in the rare case that positions do not fit.
    fn part(all: Rc<[u8]>, start: usize, end: usize) -> Self {
        match (u32::try_from(start), u32::try_from(end)) {
            (Ok(start), Ok(end)) => Self::Slice { all, start, end },
            _ => Self::Owned(all[start..end].to_vec()),
        }
    }
}

impl Deref for Bytes {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match self {
            Self::Static(bytes) => bytes,
            Self::Shared(bytes) => bytes,
            Self::Slice { all, start, end } => &all[*start as usize..*end as usize],
            Self::Owned(bytes) => bytes,
        }
    }
}

impl Default for Bytes {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl std::fmt::Debug for Bytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "b\"{}\"", self.escape_ascii())
    }
}

impl PartialEq for Bytes {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Bytes {}

impl From<&'static str> for Bytes {
    fn from(text: &'static str) -> Self {
        Self::Static(text.as_bytes())
    }
}

impl From<&'static [u8]> for Bytes {
    fn from(bytes: &'static [u8]) -> Self {
        Self::Static(bytes)
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Owned(bytes)
    }
}

impl From<String> for Bytes {
    fn from(text: String) -> Self {
        Self::Owned(text.into_bytes())
    }
}

impl From<Rc<[u8]>> for Bytes {
    fn from(bytes: Rc<[u8]>) -> Self {
        Self::Shared(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_of_slices_of_every_kind() {
        let kinds = [
            Bytes::Static(b"0123456789"),
            Bytes::Shared(Rc::from(&b"0123456789"[..])),
            Bytes::Owned(b"0123456789".to_vec()),
        ];
        for bytes in kinds {
            let part = bytes.slice(2, 8);
            assert_eq!(&*part, b"234567");
            assert_eq!(&*part.clone().slice(1, 3), b"34");
            assert_eq!(&*part.slice(5, 100), b"7");
        }
    }
}
