//! A piece of the connection's head buffer, by position instead of by reference.

use std::ops::Range;

/// Positions of a piece of the head buffer: half the size of a slice, and valid however
/// often the buffer moves while it grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    start: u32,
    end: u32,
}

impl Span {
    /// The bytes from `start` up to, not including, `end`.
    ///
    /// Heads are bounded by [`crate::Limits::head_max`], far below 4 GiB; positions beyond
    /// that saturate and [`Span::of`] answers with what is there.
    #[must_use]
    #[inline]
    pub fn new(start: usize, end: usize) -> Self {
        Self {
            start: position(start),
            end: position(end),
        }
    }

    /// The piece of `buf` that this span names; empty when `buf` is too short for it.
    #[must_use]
    #[inline]
    pub fn of<'a>(&self, buf: &'a [u8]) -> &'a [u8] {
        buf.get(self.start()..self.end()).unwrap_or_default()
    }

    /// First byte's position.
    #[must_use]
    #[inline]
    pub fn start(&self) -> usize {
        self.start as usize
    }

    /// Position after the last byte.
    #[must_use]
    #[inline]
    pub fn end(&self) -> usize {
        self.end as usize
    }

    /// Both positions.
    #[must_use]
    #[inline]
    pub fn range(&self) -> Range<u32> {
        self.start..self.end
    }

    /// How many bytes.
    #[must_use]
    #[inline]
    pub fn len(&self) -> usize {
        self.end().saturating_sub(self.start())
    }

    /// Whether there is nothing in it.
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.end <= self.start
    }

    /// The same start with another end.
    #[must_use]
    #[inline]
    pub(crate) fn to(self, end: usize) -> Self {
        Self {
            start: self.start,
            end: position(end),
        }
    }
}

#[inline]
fn position(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}
