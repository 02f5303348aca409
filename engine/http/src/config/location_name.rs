//! What stands behind `location`.

use engine::{Line, Loading, Pattern, Refused};

/// How a location is chosen.
#[derive(Clone, Debug)]
pub enum LocationName {
    /// The server's own level, an `if`, a `limit_except`: never chosen by URI.
    Unnamed,
    /// `location = /uri`
    Exact(Vec<u8>),
    /// `location /uri`, and with `final_prefix`, `location ^~ /uri`.
    Prefix {
        /// The prefix.
        prefix: Vec<u8>,
        /// Whether regular expressions are not tried when this is the longest prefix.
        is_final: bool,
    },
    /// `location ~ regex`
    Pattern(Pattern),
    /// `location @name`, without the `@`.
    Named(Vec<u8>),
}

impl LocationName {
    /// The name as the configuration writes it, for logs and errors.
    pub fn text(&self) -> Vec<u8> {
        match self {
            Self::Unnamed => Vec::new(),
            Self::Exact(uri) => uri.clone(),
            Self::Prefix { prefix, .. } => prefix.clone(),
            Self::Pattern(pattern) => pattern.text().to_vec(),
            Self::Named(name) => [b"@", &name[..]].concat(),
        }
    }

    /// Reads the arguments of `location`.
    ///
    /// # Errors
    ///
    /// `invalid location modifier "..."`, and whatever a pattern is refused for.
    pub fn parse(args: &[conf::Word], loading: &mut Loading) -> Result<Self, Refused> {
        let text = |index: usize| args.get(index).map_or(&b""[..], |word| &word.text[..]);
        let (modifier, name) = match args.len() {
            2 => (text(0), text(1)),
            _ => split_modifier(text(0)),
        };
        let pattern = |ignore_case, loading: &mut Loading| {
            Pattern::compile(name, ignore_case, &mut loading.variables)
        };
        Ok(match modifier {
            b"=" => Self::Exact(name.to_vec()),
            b"^~" => Self::Prefix {
                prefix: name.to_vec(),
                is_final: true,
            },
            b"~" => Self::Pattern(pattern(false, loading)?),
            b"~*" => Self::Pattern(pattern(true, loading)?),
            b"" => match name.strip_prefix(b"@") {
                Some(name) => Self::Named(name.to_vec()),
                None => Self::Prefix {
                    prefix: name.to_vec(),
                    is_final: false,
                },
            },
            _ => {
                return Err(Refused::new(format!(
                    "invalid location modifier \"{}\"",
                    String::from_utf8_lossy(modifier)
                )));
            }
        })
    }

    /// Refuses what may not be nested in `outer`.
    ///
    /// # Errors
    ///
    /// In nginx's words: `location "/b" cannot be inside the exact location "/a"`,
    /// `location "/b" is outside location "/a"`.
    pub fn check_inside(&self, outer: &Self) -> Result<(), Refused> {
        let refuse = |why: &str| {
            Err(Refused::new(format!(
                "location \"{}\" {why} \"{}\"",
                String::from_utf8_lossy(&self.text()),
                String::from_utf8_lossy(&outer.text())
            )))
        };
        match outer {
            Self::Exact(_) => refuse("cannot be inside the exact location"),
            Self::Named(_) => refuse("cannot be inside the named location"),
            Self::Unnamed => Ok(()),
            Self::Prefix { .. } | Self::Pattern(_) if matches!(self, Self::Named(_)) => {
                Err(Refused::new(format!(
                    "named location \"{}\" can be on the server level only",
                    String::from_utf8_lossy(&self.text())
                )))
            }
            // A pattern is compared by its text, which no URI begins with: nginx takes nothing but
            // patterns into one.
            Self::Prefix { .. } | Self::Pattern(_) => match self {
                Self::Exact(uri) | Self::Prefix { prefix: uri, .. }
                    if !uri.starts_with(&outer.text()) =>
                {
                    refuse("is outside location")
                }
                _ => Ok(()),
            },
        }
    }
}

/// `=/uri`, `^~/uri`, `~*regex` and `~regex` without a space.
fn split_modifier(text: &[u8]) -> (&[u8], &[u8]) {
    for modifier in [&b"="[..], b"^~", b"~*", b"~"] {
        if let Some(rest) = text.strip_prefix(modifier) {
            return (modifier, rest);
        }
    }
    (b"", text)
}

/// The name of the location that `line` stands in.
pub fn of_line(line: &mut Line<'_>) -> LocationName {
    let level = line.level;
    super::arena::arena(line.loading).levels[level as usize]
        .name
        .clone()
}
