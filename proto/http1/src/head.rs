//! A parsed request head: spans into the head buffer, nothing copied.

use crate::names::NameSet;
use crate::{Known, Method, Span};

/// The HTTP version of a request line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// A request line without a version: no header, no status line in the answer.
    Http09,
    /// `HTTP/1.0`.
    Http10,
    /// `HTTP/1.1`, and `HTTP/1.2` and up, which nginx serves by the rules of 1.1.
    #[default]
    Http11,
}

/// Which form of RFC 9112 section 3.2 the target has. nginx refuses the asterisk form
/// (`OPTIONS *`) with 400, and so it has no variant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TargetForm {
    /// `/path?query`.
    #[default]
    Origin,
    /// `http://host/path?query`.
    Absolute,
    /// `host:port`, of CONNECT alone.
    Authority,
}

/// The target of a request line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// How it was written.
    pub form: TargetForm,
    /// `http` of the absolute form, else empty.
    pub scheme: Span,
    /// `host:port` of the absolute and authority forms, else empty.
    pub authority: Span,
    /// Path and query as sent, which is `$request_uri`. Of the absolute form nginx keeps what
    /// follows the authority; where nothing follows, and for CONNECT, it is a `/`.
    pub uri: Span,
    /// `uri` up to its query or fragment, still escaped.
    pub path: Span,
    /// Between `?` and the end or the fragment; `None` without a `?`.
    pub query: Option<Span>,
    /// Whether `uri` must go through [`crate::uri::normalize_into`]: it has an escape, a dot
    /// segment, a double slash, a fragment, or an empty path.
    pub complex: bool,
    /// Whether `uri` has an escape.
    pub quoted: bool,
    /// Whether `uri` has a `+` in its path.
    pub plus: bool,
    /// `http://host?query`: the path is `/` though `uri` does not say so.
    pub empty_path: bool,
}

/// One header line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// As sent, in whatever case.
    pub name: Span,
    /// Without the spaces around it.
    pub value: Span,
    /// What `name` is, if this server has a use for it.
    pub known: Known,
}

impl Field {
    /// The line of which `name` and `value` are parts of `buf`.
    pub(crate) fn of(name: Span, value: Span, buf: &[u8]) -> Self {
        Self {
            name,
            value,
            known: Known::from_name(name.of(buf)),
        }
    }
}

/// A request head. Reuse one: after [`Head::reset`] it keeps its memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// The method.
    pub method: Method,
    /// The method's text.
    pub method_span: Span,
    /// The target.
    pub target: Target,
    /// The version.
    pub version: Version,
    /// The version's text as sent, `$server_protocol`; empty for HTTP/0.9.
    pub protocol: Span,
    /// The request line without its line end, `$request`.
    pub request_line: Span,
    /// Header lines in the order sent, without those that were ignored.
    pub fields: Vec<Field>,
    /// How many header lines were dropped as invalid.
    pub ignored: usize,
    /// The first line dropped, for the log.
    pub first_ignored: Span,
    names: NameSet,
}

impl Head {
    /// An empty head.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets the request, keeps the memory.
    pub fn reset(&mut self) {
        self.fields.clear();
        self.target = Target::default();
        self.method = Method::Get;
        self.version = Version::Http11;
        self.method_span = Span::default();
        self.protocol = Span::default();
        self.request_line = Span::default();
        self.first_ignored = Span::default();
        self.ignored = 0;
        self.names = NameSet::default();
    }

    /// The first header line called `known`. Costs nothing when there is none.
    #[must_use]
    #[inline]
    pub fn find(&self, known: Known) -> Option<Field> {
        if !self.has(known) {
            return None;
        }
        self.fields
            .iter()
            .find(|field| field.known == known)
            .copied()
    }

    /// The value of the first header line called `known`.
    #[must_use]
    #[inline]
    pub fn value<'a>(&self, known: Known, buf: &'a [u8]) -> Option<&'a [u8]> {
        self.find(known).map(|field| field.value.of(buf))
    }

    /// Every header line called `known`, in order.
    pub fn all(&self, known: Known) -> impl Iterator<Item = Field> + '_ {
        let fields = if self.has(known) {
            self.fields.as_slice()
        } else {
            &[]
        };
        fields
            .iter()
            .filter(move |field| field.known == known)
            .copied()
    }

    /// Whether there is a header line called `known`.
    #[must_use]
    #[inline]
    pub fn has(&self, known: Known) -> bool {
        self.names.has(known.bit())
    }

    /// The names of `set` that are there more than once.
    #[inline]
    pub(crate) fn repeated(&self, set: u64) -> u64 {
        self.names.repeated(set & !Known::Other.bit())
    }

    /// Adds a header line.
    #[inline]
    pub fn push(&mut self, field: Field) {
        self.names.add(field.known.bit());
        self.fields.push(field);
    }

    /// Drops the header lines that `keep` does not want.
    pub fn retain(&mut self, keep: impl FnMut(&Field) -> bool) {
        self.fields.retain(keep);
        self.names = NameSet::default();
        for field in &self.fields {
            self.names.add(field.known.bit());
        }
    }

    /// Gives the header line whose name stands at `name` another value.
    pub fn set_value(&mut self, name: Span, value: Span) {
        let mut fields = self.fields.iter_mut();
        if let Some(field) = fields.find(|field| field.name == name) {
            field.value = value;
        }
    }
}
