//! The configuration file around a test's text, and the placeholders in it.

use std::collections::BTreeMap;
use std::io;
use std::net::TcpListener;
use std::time::Duration;

use crate::{clock, process};

/// Ports by the name that a configuration gives them; the one of `{port}` has the empty name.
#[derive(Debug, Default)]
pub(crate) struct Ports {
    numbers: BTreeMap<String, u16>,
    /// Keep chosen ports from being chosen again until the server is about to bind them.
    reserved: Vec<TcpListener>,
    /// The names that stand in a `listen` directive for TCP.
    listening: Vec<String>,
}

impl Ports {
    /// Gives `name` a port that the test knows already.
    pub(crate) fn set(&mut self, name: &str, number: u16) {
        self.numbers.insert(name.to_owned(), number);
    }

    /// The port called `name`, if the configuration names it.
    pub(crate) fn get(&self, name: &str) -> Option<u16> {
        self.numbers.get(name).copied()
    }

    /// The ports that the server will listen on.
    pub(crate) fn listening(&self) -> impl Iterator<Item = u16> {
        self.listening.iter().filter_map(|name| self.get(name))
    }

    /// All ports with their names.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&str, u16)> {
        self.numbers
            .iter()
            .map(|(name, number)| (name.as_str(), *number))
    }

    /// Lets go of the reserved ports, for the server to bind them.
    ///
    /// A child that another thread forks in this moment holds them until its exec, so their end
    /// is waited for.
    pub(crate) fn release(&mut self) {
        let addrs = self
            .reserved
            .drain(..)
            .filter_map(|listener| listener.local_addr().ok());
        let ports: Vec<u16> = addrs.map(|addr| addr.port()).collect();
        let is_free = || !ports.iter().any(|&port| process::is_listening(port));
        clock::becomes_true(Duration::from_secs(1), is_free);
    }

    /// The port called `name`, chosen by the kernel when it is new.
    fn choose(&mut self, name: &str) -> io::Result<u16> {
        if let Some(number) = self.get(name) {
            return Ok(number);
        }
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let number = listener.local_addr()?.port();
        self.set(name, number);
        self.reserved.push(listener);
        Ok(number)
    }

    /// Replaces `{port}`, `{port_NAME}`, `%%PORT%%` and `%%PORT_NAME%%` in `text` by ports, and
    /// `{prefix}` by `prefix`.
    ///
    /// # Errors
    ///
    /// When the kernel has no port left.
    pub(crate) fn expand(&mut self, text: &str, prefix: &str) -> io::Result<String> {
        let mut expanded = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, name, after)) = next_placeholder(rest) {
            expanded.push_str(before);
            let is_new = !self.listening.iter().any(|known| known == name);
            if is_new && is_tcp_listen(&expanded, after) {
                self.listening.push(name.to_owned());
            }
            expanded.push_str(&self.choose(name)?.to_string());
            rest = after;
        }
        expanded.push_str(rest);
        Ok(expanded.replace("{prefix}", prefix))
    }
}

/// The first placeholder of `text`: what stands before it, its name, what stands after it.
fn next_placeholder(text: &str) -> Option<(&str, &str, &str)> {
    [("{port", "}"), ("%%PORT", "%%")]
        .iter()
        .filter_map(|(open, close)| {
            let (before, rest) = text.split_once(open)?;
            let (name, after) = rest.split_once(close)?;
            let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
            name.chars()
                .all(is_name)
                .then_some((before, name.trim_start_matches('_'), after))
        })
        .min_by_key(|(before, ..)| before.len())
}

/// Whether a port between `before` and `after` stands in a `listen` directive, and not one for UDP.
fn is_tcp_listen(before: &str, after: &str) -> bool {
    let start = before.rfind([';', '{', '}', '\n']).map_or(0, |at| at + 1);
    let rest = after.split(';').next().unwrap_or_default();
    let is_udp = rest
        .split_whitespace()
        .any(|word| word == "udp" || word == "quic");
    before[start..].trim_start().starts_with("listen") && !is_udp
}

/// Folders that a distribution builds into its nginx as absolute paths.
const TEMPORARY_FOLDERS: [&str; 5] = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];

/// A whole configuration file: `http` inside an `http` block, `main` before it.
///
/// Access logging is off unless `http` itself speaks of it at its top level. With
/// `has_built_in_paths`, temporary files are sent into the prefix.
pub(crate) fn file(main: &str, events: &str, http: &str, has_built_in_paths: bool) -> String {
    let mut text = String::from("daemon off;\npid logs/nginx.pid;\n");
    for (directive, value) in [
        ("worker_processes", "1"),
        ("error_log", "logs/error.log info"),
    ] {
        if !has_directive(main, directive) {
            text.push_str(&format!("{directive} {value};\n"));
        }
    }
    text.push_str(&format!("{main}\nevents {{\n{events}\n}}\n"));
    if http.is_empty() {
        return text;
    }
    text.push_str("http {\n");
    if !has_directive(http, "access_log") {
        text.push_str("access_log off;\n");
    }
    let folders = TEMPORARY_FOLDERS
        .iter()
        .map(|kind| (kind, format!("{kind}_temp_path")));
    for (kind, directive) in folders.filter(|_| has_built_in_paths) {
        if !has_directive(http, &directive) {
            text.push_str(&format!("{directive} {kind}_temp;\n"));
        }
    }
    text.push_str(&format!("{http}\n}}\n"));
    text
}

/// Whether `text` holds `directive` outside any block of its own.
fn has_directive(text: &str, directive: &str) -> bool {
    let mut depth = 0_usize;
    let mut statement = String::new();
    for character in text.chars() {
        match character {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            ';' if depth == 0 && statement.split_whitespace().next() == Some(directive) => {
                return true;
            }
            _ if depth == 0 && !matches!(character, ';') => {
                statement.push(character);
                continue;
            }
            _ => {}
        }
        statement.clear();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_name_is_one_port_in_both_spellings() {
        let mut ports = Ports::default();
        ports.set("peer", 7);
        let text = "listen {port}; listen %%PORT_b%%; pass {port_b} {port_peer} %%PORT%% {x};";
        let expanded = ports.expand(text, "/p").unwrap();
        let (own, other) = (ports.get("").unwrap(), ports.get("b").unwrap());
        assert_eq!(
            expanded,
            format!("listen {own}; listen {other}; pass {other} 7 {own} {{x}};")
        );
        assert_ne!(own, other);
    }

    #[test]
    fn only_tcp_listeners_are_waited_for() {
        let mut ports = Ports::default();
        let text =
            "server { listen 127.0.0.1:{port}; listen {port_u} udp; proxy_pass h:{port_x}; }";
        ports.expand(text, "").unwrap();
        assert_eq!(
            ports.listening().collect::<Vec<_>>(),
            [ports.get("").unwrap()]
        );
        assert_eq!(ports.all().count(), 3);
    }

    #[test]
    fn a_default_gives_way_to_the_test_at_the_same_level_alone() {
        assert!(!file("", "", "access_log logs/a.log;", false).contains("access_log off"));
        assert!(file("", "", "server { access_log logs/a; }", false).contains("access_log off"));
        assert!(
            file("", "", "map $a $b { default 1; }\naccess_log x;", false)
                .matches("off")
                .count()
                == 1
        );
        assert!(
            file("worker_processes 2;", "", "", true)
                .matches("worker_processes")
                .count()
                == 1
        );
    }
}
