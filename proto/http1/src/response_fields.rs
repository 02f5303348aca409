//! The header lines of a response, with a set of the names that are there.

use crate::names::NameSet;
use crate::{ResponseName, Span};
use std::ops::Deref;

/// One header line of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponseField {
    /// As sent, in whatever case.
    pub name: Span,
    /// Without the spaces around it.
    pub value: Span,
    /// What `name` is, if a gateway has a use for it.
    pub known: ResponseName,
}

/// Header lines in the order sent. Asking for a name that is not there costs nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResponseFields {
    lines: Vec<ResponseField>,
    names: NameSet,
}

impl ResponseFields {
    /// No lines, with room for `lines` of them.
    #[must_use]
    pub fn with_capacity(lines: usize) -> Self {
        Self {
            lines: Vec::with_capacity(lines),
            ..Self::default()
        }
    }

    /// Adds a line.
    #[inline]
    pub fn push(&mut self, line: ResponseField) {
        self.names.add(line.known.bit());
        self.lines.push(line);
    }

    /// Forgets the lines, keeps the memory.
    pub fn clear(&mut self) {
        self.lines.clear();
        self.names = NameSet::default();
    }

    /// Whether there is a line called `known`.
    #[must_use]
    #[inline]
    pub fn has(&self, known: ResponseName) -> bool {
        self.names.has(known.bit())
    }

    /// Whether there are several lines called `known`.
    #[must_use]
    #[inline]
    pub fn repeats(&self, known: ResponseName) -> bool {
        self.names.repeated(known.bit()) != 0
    }

    /// The first line called `known`.
    #[must_use]
    #[inline]
    pub fn find(&self, known: ResponseName) -> Option<&ResponseField> {
        self.all(known).next()
    }

    /// Every line called `known`, in order.
    #[inline]
    pub fn all(&self, known: ResponseName) -> impl Iterator<Item = &ResponseField> {
        let lines = if self.has(known) {
            self.lines.as_slice()
        } else {
            &[]
        };
        lines.iter().filter(move |line| line.known == known)
    }
}

impl Deref for ResponseFields {
    type Target = [ResponseField];

    fn deref(&self) -> &[ResponseField] {
        &self.lines
    }
}

impl<'f> IntoIterator for &'f ResponseFields {
    type Item = &'f ResponseField;
    type IntoIter = std::slice::Iter<'f, ResponseField>;

    fn into_iter(self) -> Self::IntoIter {
        self.lines.iter()
    }
}

impl FromIterator<ResponseField> for ResponseFields {
    fn from_iter<I: IntoIterator<Item = ResponseField>>(lines: I) -> Self {
        let mut fields = Self::default();
        lines.into_iter().for_each(|line| fields.push(line));
        fields
    }
}
