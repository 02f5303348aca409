//! Names of servers, and which server a Host leads to.

use super::generation::Server;
use engine::Pattern;
use engine::host_names::{HostName, HostNames};
use std::rc::Rc;

/// One argument of `server_name`.
#[derive(Clone, Debug)]
pub enum ServerName {
    /// `example.com`
    Exact(Vec<u8>),
    /// `*.example.com`; with `bare`, `.example.com`, which means the name itself too.
    Leading {
        /// As written.
        text: Vec<u8>,
        /// What follows the asterisk, with its dot.
        suffix: Vec<u8>,
        /// Whether the name without a label in front matches too.
        bare: bool,
    },
    /// `www.example.*`
    Trailing {
        /// As written.
        text: Vec<u8>,
        /// What precedes the asterisk, with its dot.
        prefix: Vec<u8>,
    },
    /// `~regex`
    Pattern(Vec<u8>, Pattern),
}

impl ServerName {
    /// The name for `$server_name` and redirects.
    pub fn text(&self) -> &[u8] {
        match self {
            Self::Exact(text) | Self::Trailing { text, .. } | Self::Pattern(text, _) => text,
            Self::Leading {
                text, bare: false, ..
            } => text,
            // nginx calls a server ".example.com" by the name without the dot.
            Self::Leading {
                text, bare: true, ..
            } => &text[1..],
        }
    }
}

/// The servers behind one address.
#[derive(Default)]
pub struct NameTable {
    names: HostNames<Rc<Server>>,
    patterns: Vec<(Pattern, Rc<Server>)>,
}

/// Which server a host leads to.
pub enum NameMatch<'t> {
    /// This one.
    Server(&'t Rc<Server>),
    /// This one, chosen by a pattern whose captures the request shall keep.
    Pattern(&'t Pattern, &'t Rc<Server>),
    /// None: the default server answers.
    Default,
}

impl NameTable {
    /// Adds a name; `false` when it is taken.
    pub fn add(&mut self, name: &ServerName, server: &Rc<Server>) -> bool {
        let server = Rc::clone(server);
        let name = match name {
            ServerName::Exact(text) => HostName::Exact(text),
            ServerName::Leading { suffix, bare, .. } => HostName::Leading {
                suffix,
                bare: *bare,
            },
            ServerName::Trailing { prefix, .. } => HostName::Trailing(prefix),
            ServerName::Pattern(_, pattern) => {
                self.patterns.push((pattern.clone(), server));
                return true;
            }
        };
        self.names.insert(name, server)
    }

    /// Whether there are names whose captures requests keep.
    pub fn has_patterns(&self) -> bool {
        !self.patterns.is_empty()
    }

    /// The server for `host`, which is lower case and without port: exact name, longest
    /// leading wildcard, longest trailing wildcard, first pattern, in this order.
    pub fn find(&self, host: &[u8]) -> NameMatch<'_> {
        if let Some(server) = self.names.find(host) {
            return NameMatch::Server(server);
        }
        if host.is_empty() {
            return NameMatch::Default;
        }
        let pattern = self
            .patterns
            .iter()
            .find(|(p, _)| p.is_match(host).unwrap_or(false));
        match pattern {
            Some((pattern, server)) => NameMatch::Pattern(pattern, server),
            None => NameMatch::Default,
        }
    }
}
