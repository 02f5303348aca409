//! Request methods by name.

/// The methods that nginx tells apart; all others are [`Method::Other`] and keep their text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Method {
    /// RFC 9110 section 9.3.1.
    #[default]
    Get,
    /// RFC 9110 section 9.3.2.
    Head,
    /// RFC 9110 section 9.3.3.
    Post,
    /// RFC 9110 section 9.3.4.
    Put,
    /// RFC 9110 section 9.3.5.
    Delete,
    /// RFC 4918 section 9.3.
    Mkcol,
    /// RFC 4918 section 9.8.
    Copy,
    /// RFC 4918 section 9.9.
    Move,
    /// RFC 9110 section 9.3.7.
    Options,
    /// RFC 4918 section 9.1.
    Propfind,
    /// RFC 4918 section 9.2.
    Proppatch,
    /// RFC 4918 section 9.10.
    Lock,
    /// RFC 4918 section 9.11.
    Unlock,
    /// RFC 5789.
    Patch,
    /// RFC 9110 section 9.3.8.
    Trace,
    /// RFC 9110 section 9.3.6.
    Connect,
    /// Any other name of `A`-`Z`, `_` and `-`.
    Other,
}

impl Method {
    /// The method called `name`. Names are case-sensitive (RFC 9110 section 9.1).
    #[must_use]
    pub fn from_name(name: &[u8]) -> Self {
        match name {
            b"GET" => Self::Get,
            b"HEAD" => Self::Head,
            b"POST" => Self::Post,
            b"PUT" => Self::Put,
            b"DELETE" => Self::Delete,
            b"MKCOL" => Self::Mkcol,
            b"COPY" => Self::Copy,
            b"MOVE" => Self::Move,
            b"OPTIONS" => Self::Options,
            b"PROPFIND" => Self::Propfind,
            b"PROPPATCH" => Self::Proppatch,
            b"LOCK" => Self::Lock,
            b"UNLOCK" => Self::Unlock,
            b"PATCH" => Self::Patch,
            b"TRACE" => Self::Trace,
            b"CONNECT" => Self::Connect,
            _ => Self::Other,
        }
    }

    /// The name, or `None` for [`Method::Other`], whose text is in [`crate::Head::method_span`].
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
            Self::Mkcol => "MKCOL",
            Self::Copy => "COPY",
            Self::Move => "MOVE",
            Self::Options => "OPTIONS",
            Self::Propfind => "PROPFIND",
            Self::Proppatch => "PROPPATCH",
            Self::Lock => "LOCK",
            Self::Unlock => "UNLOCK",
            Self::Patch => "PATCH",
            Self::Trace => "TRACE",
            Self::Connect => "CONNECT",
            Self::Other => return None,
        })
    }
}
