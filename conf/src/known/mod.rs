//! Whose a directive is that nothing here knows.

use std::fmt;

/// Who made the module of a directive.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Origin {
    /// A module of open-source nginx.
    Nginx,
    /// The commercial subscription.
    NginxPlus,
    /// The fork Angie.
    Angie,
    /// OpenResty and its Lua modules.
    OpenResty,
    /// A module built into nginx by its users.
    ThirdParty,
    /// nginx of the past.
    Removed,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nginx => "nginx",
            Self::NginxPlus => "nginx Plus",
            Self::Angie => "Angie",
            Self::OpenResty => "OpenResty",
            Self::ThirdParty => "third-party",
            Self::Removed => "an older nginx",
        })
    }
}

/// What is known about a directive that is not built in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ForeignDirective {
    /// The module that has it, by its usual name.
    pub module: &'static str,
    /// Who made that module.
    pub origin: Origin,
    /// What to write instead.
    pub instead: Option<&'static str>,
}

/// Whose the directive `name` is, if it is known anywhere.
#[must_use]
pub fn foreign_module(name: &str) -> Option<ForeignDirective> {
    let _ = name;
    None
}

impl fmt::Display for ForeignDirective {
    /// The sentence that a hint says.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { module, origin, .. } = self;
        match origin {
            Origin::Nginx => write!(f, "it belongs to {module}, which is not built in")?,
            Origin::Removed => write!(f, "nginx no longer has it")?,
            _ => write!(
                f,
                "it belongs to {module} ({origin}), which is not built in"
            )?,
        }
        match self.instead {
            Some(instead) => write!(f, "; {instead}"),
            None => Ok(()),
        }
    }
}
