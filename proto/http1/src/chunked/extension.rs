//! The grammar of chunk extensions, which are checked only to be dropped.

/// Where in `*( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] ) BWS` the next
/// byte belongs. The blanks at the end are not in the grammar; nginx takes them, since servers
/// have padded their sizes with spaces.
///
/// Source: RFC 9112 section 7.1.1 with erratum 7633.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extension {
    /// After the size or a value: blanks, a semicolon, or the end.
    Between,
    /// After a semicolon.
    BeforeName,
    Name,
    /// After a name and a blank.
    AfterName,
    /// After an equals sign.
    BeforeValue,
    Token,
    Quoted,
    /// After a backslash in quotes.
    QuotedPair,
}

impl Extension {
    /// After the digits of the size.
    pub(super) fn start() -> Self {
        Self::Between
    }

    /// Whether the CR of the line may come now.
    pub(super) fn may_end(self) -> bool {
        matches!(
            self,
            Self::Between | Self::Name | Self::AfterName | Self::Token
        )
    }

    /// The state after `byte`, `None` if it may not be here.
    pub(super) fn after(self, byte: u8) -> Option<Self> {
        let is_blank = matches!(byte, b' ' | b'\t');
        Some(match self {
            Self::Between | Self::AfterName if is_blank => self,
            Self::Name if is_blank => Self::AfterName,
            Self::Token if is_blank => Self::Between,
            Self::BeforeName | Self::BeforeValue if is_blank => self,
            Self::Between | Self::Name | Self::AfterName | Self::Token if byte == b';' => {
                Self::BeforeName
            }
            Self::Name | Self::AfterName if byte == b'=' => Self::BeforeValue,
            Self::BeforeName | Self::Name if is_token(byte) => Self::Name,
            Self::BeforeValue if byte == b'"' => Self::Quoted,
            Self::BeforeValue | Self::Token if is_token(byte) => Self::Token,
            Self::Quoted if byte == b'"' => Self::Between,
            Self::Quoted if byte == b'\\' => Self::QuotedPair,
            Self::Quoted if is_quotable(byte) => Self::Quoted,
            Self::QuotedPair if is_quotable(byte) => Self::Quoted,
            _ => return None,
        })
    }
}

/// RFC 9110 section 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Anything but control bytes, RFC 9110 section 5.6.4.
fn is_quotable(byte: u8) -> bool {
    byte == b'\t' || (byte >= 0x20 && byte != 0x7f)
}
