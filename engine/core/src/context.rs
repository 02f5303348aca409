//! Where a directive may stand and how many arguments it takes.

use std::ops::BitOr;

/// A set of contexts of `nginx.conf`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contexts(u32);

impl Contexts {
    /// Outside of every block.
    pub const MAIN: Self = Self(1);
    /// `events { }`.
    pub const EVENTS: Self = Self(1 << 1);
    /// `http { }`.
    pub const HTTP: Self = Self(1 << 2);
    /// `http { server { } }`.
    pub const SERVER: Self = Self(1 << 3);
    /// `location { }`.
    pub const LOCATION: Self = Self(1 << 4);
    /// `if` in a server.
    pub const SERVER_IF: Self = Self(1 << 5);
    /// `if` in a location.
    pub const LOCATION_IF: Self = Self(1 << 6);
    /// `limit_except { }`.
    pub const LIMIT_EXCEPT: Self = Self(1 << 7);
    /// `http { upstream { } }`.
    pub const UPSTREAM: Self = Self(1 << 8);

    /// `http`, `server`, `location`: where most directives may stand.
    pub const ALL: Self = Self(Self::HTTP.0 | Self::SERVER.0 | Self::LOCATION.0);
    /// `http`, `server`, `location` and `if` in a location.
    pub const ALL_AND_IF: Self = Self(Self::ALL.0 | Self::LOCATION_IF.0);
    /// `http`, `server`.
    pub const HTTP_SERVER: Self = Self(Self::HTTP.0 | Self::SERVER.0);

    /// Whether one of `other`'s contexts is in this set.
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// The union, for constants.
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The names of the contexts as the documentation writes them.
    pub fn names(self) -> Vec<&'static str> {
        const NAMES: [(Contexts, &str); 9] = [
            (Contexts::MAIN, "main"),
            (Contexts::EVENTS, "events"),
            (Contexts::HTTP, "http"),
            (Contexts::SERVER, "server"),
            (Contexts::LOCATION, "location"),
            (Contexts::SERVER_IF, "if"),
            (Contexts::LOCATION_IF, "if in location"),
            (Contexts::LIMIT_EXCEPT, "limit_except"),
            (Contexts::UPSTREAM, "upstream"),
        ];
        NAMES
            .iter()
            .filter(|(context, _)| self.contains(*context))
            .map(|(_, name)| *name)
            .collect()
    }
}

impl BitOr for Contexts {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        self.with(other)
    }
}

/// How many arguments a directive takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arity {
    /// Fewest.
    pub min: usize,
    /// Most.
    pub max: usize,
}

impl Arity {
    /// No argument.
    pub const NONE: Self = Self::exactly(0);
    /// One argument.
    pub const ONE: Self = Self::exactly(1);
    /// Two arguments.
    pub const TWO: Self = Self::exactly(2);
    /// One argument or more.
    pub const SOME: Self = Self {
        min: 1,
        max: usize::MAX,
    };
    /// Any number of arguments.
    pub const ANY: Self = Self {
        min: 0,
        max: usize::MAX,
    };

    /// Exactly `count` arguments.
    pub const fn exactly(count: usize) -> Self {
        Self {
            min: count,
            max: count,
        }
    }

    /// From `min` to `max` arguments.
    pub const fn between(min: usize, max: usize) -> Self {
        Self { min, max }
    }

    /// Whether `count` arguments are right.
    pub fn admits(self, count: usize) -> bool {
        (self.min..=self.max).contains(&count)
    }
}
