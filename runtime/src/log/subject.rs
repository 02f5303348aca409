//! What a line of the error log is about, beside its words.

use std::borrow::Cow;

/// What a message is about: the connection, and named values such as the client's address.
#[derive(Clone, Debug, Default)]
pub struct Subject {
    /// The connection's number.
    pub connection: Option<u64>,
    tags: Vec<Tag>,
}

#[derive(Clone, Debug)]
pub(super) struct Tag {
    pub(super) name: Cow<'static, str>,
    pub(super) value: Vec<u8>,
    /// Whether the text of a line has quotes around the value: what others chose may hold
    /// commas and spaces.
    is_quoted: bool,
}

impl Subject {
    /// For messages about the server itself.
    pub const NONE: &'static Self = &Self {
        connection: None,
        tags: Vec::new(),
    };

    /// A connection, without tags yet.
    pub fn connection(number: u64) -> Self {
        Self {
            connection: Some(number),
            tags: Vec::new(),
        }
    }

    /// Adds a value that is shown as it is.
    pub fn tag(&mut self, name: &'static str, value: impl Into<Vec<u8>>) {
        self.tags.push(Tag {
            name: Cow::Borrowed(name),
            value: value.into(),
            is_quoted: false,
        });
    }

    /// Adds a value that is shown in quotes.
    pub fn quote(&mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Vec<u8>>) {
        self.tags.push(Tag {
            name: name.into(),
            value: value.into(),
            is_quoted: true,
        });
    }

    pub(super) fn tags(&self) -> &[Tag] {
        &self.tags
    }

    /// The tags as nginx's lines end with them: `, client: 192.0.2.1, request: "GET / ..."`.
    pub(super) fn text(&self) -> Vec<u8> {
        let mut text = Vec::new();
        for tag in &self.tags {
            text.extend_from_slice(b", ");
            text.extend_from_slice(tag.name.as_bytes());
            text.extend_from_slice(if tag.is_quoted { b": \"" } else { b": " });
            text.extend_from_slice(&tag.value);
            if tag.is_quoted {
                text.push(b'"');
            }
        }
        text
    }
}
