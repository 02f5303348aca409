//! `valid_referers`: whether a request was made from a page of this site, or of a friend's.
//!
//! The answer is a variable, `$invalid_referer`, which is "1" or empty. It stops no attacker, who
//! can send any `Referer`; it keeps other sites from using this one's pictures.
//!
//! Source: nginx documentation, ngx_http_referer_module.

use engine::directive::{custom, lossy, number};
use engine::host_names::{HostName, HostNames};
use engine::setting::Inherit;
use engine::{Arity, Contexts, Directive, Line, Pattern, Refused, Setting, Slot, inherit_fields};
use http::config::finish::Finishing;
use http::config::server_names::ServerName;
use http::core::names::NAMES;
use http::{Module, Request, Variable};
use http1::Known;
use std::rc::Rc;

/// Whom a location lets refer to it.
#[derive(Clone, Default)]
struct Settings {
    /// Hosts, each with what the path must begin with.
    hosts: Setting<Rc<HostNames<Rc<[u8]>>>>,
    /// Expressions for what follows the scheme.
    patterns: Setting<Vec<Pattern>>,
    /// `server_names`
    server_names: Setting<bool>,
    /// Whether the server's names that are expressions count, which an inner level's own
    /// `valid_referers` does not change.
    server_patterns: Setting<bool>,
    /// `none`
    none: Setting<bool>,
    /// `blocked`
    blocked: Setting<bool>,
}

impl Inherit for Settings {
    fn inherit(&mut self, outer: &Self) {
        self.patterns.inherit(&outer.patterns);
        self.server_patterns.inherit(&outer.server_patterns);
        if self.hosts.is_set() {
            return;
        }
        self.hosts.inherit(&outer.hosts);
        self.server_names.inherit(&outer.server_names);
        self.none.inherit(&outer.none);
        self.blocked.inherit(&outer.blocked);
    }
}

/// Sizes of nginx's hash tables. Ours grow as needed; the values are checked and change nothing.
#[derive(Clone)]
struct HashSizes {
    max_size: Setting<u64>,
    bucket_size: Setting<u64>,
}

impl Default for HashSizes {
    fn default() -> Self {
        Self {
            max_size: Setting::new(2048),
            bucket_size: Setting::new(64),
        }
    }
}

inherit_fields!(HashSizes {
    max_size,
    bucket_size,
});

const CONTEXTS: Contexts = Contexts::SERVER.with(Contexts::LOCATION);

const DIRECTIVES: &[Directive<Settings>] = &[custom(
    "valid_referers",
    CONTEXTS,
    Arity::SOME,
    read_valid_referers,
)];

const HASH_DIRECTIVES: &[Directive<HashSizes>] = &[
    number("referer_hash_max_size", CONTEXTS, 0, u64::MAX, |s| {
        &mut s.max_size
    }),
    number("referer_hash_bucket_size", CONTEXTS, 0, u64::MAX, |s| {
        &mut s.bucket_size
    }),
];

static SETTINGS: Slot<Settings> = Slot::location(DIRECTIVES);
static HASH_SIZES: Slot<HashSizes> = Slot::location(HASH_DIRECTIVES);

/// Where requests may come from.
pub(crate) static MODULE: Module = Module {
    name: "referer",
    settings: &[&SETTINGS, &HASH_SIZES],
    variables: &[Variable::replaceable("invalid_referer", invalid_referer).once()],
    finish: Some(finish),
    ..Module::EMPTY
};

fn invalid_referer(request: &Request, out: &mut Vec<u8>) -> bool {
    let settings = SETTINGS.of(&request.location.settings);
    let names: &[ServerName] = if *settings.server_patterns {
        &request.server.names
    } else {
        &[]
    };
    if !is_valid(settings, names, request.header(Known::Referer)) {
        out.push(b'1');
    }
    true
}

/// Whether a request with this `Referer` may come in. Of `server_names` only expressions count.
fn is_valid(settings: &Settings, server_names: &[ServerName], referer: Option<&[u8]>) -> bool {
    let is_expression = |name: &ServerName| matches!(name, ServerName::Pattern(..));
    if settings.hosts.is_empty()
        && settings.patterns.is_empty()
        && !server_names.iter().any(is_expression)
    {
        return true;
    }
    let Some(referer) = referer else {
        return *settings.none;
    };
    let Some(link) = without_scheme(referer) else {
        return *settings.blocked;
    };
    let end = link.iter().position(|byte| matches!(byte, b'/' | b':'));
    let (host, rest) = link.split_at(end.unwrap_or(link.len()));
    if host.len() > HOST_MAX {
        return false;
    }
    let host = host.to_ascii_lowercase();
    if let Some(path) = settings.hosts.find(&host) {
        // The port does not matter.
        let slash = rest.iter().position(|byte| *byte == b'/');
        return rest[slash.unwrap_or(rest.len())..].starts_with(path);
    }
    let matches = |pattern: &Pattern, text: &[u8]| pattern.is_match(text).unwrap_or(false);
    let is_named = |name: &ServerName| match name {
        ServerName::Pattern(_, pattern) => matches(pattern, &host),
        _ => false,
    };
    server_names.iter().any(is_named)
        || settings
            .patterns
            .iter()
            .any(|pattern| matches(pattern, link))
}

/// Longest host that is looked at, in bytes.
const HOST_MAX: usize = 256;

/// What follows `http://` or `https://`; `None` when something else stands there, as firewalls
/// and proxies put it.
fn without_scheme(referer: &[u8]) -> Option<&[u8]> {
    const SHORTEST: usize = "http://i.ru".len();
    let after = |scheme: &[u8]| {
        let (start, rest) = referer.split_at_checked(scheme.len())?;
        start.eq_ignore_ascii_case(scheme).then_some(rest)
    };
    if referer.len() < SHORTEST {
        return None;
    }
    after(b"http://").or_else(|| after(b"https://"))
}

/// `valid_referers none | blocked | server_names | string ...`
fn read_valid_referers(settings: &mut Settings, line: &mut Line<'_>) -> Result<(), Refused> {
    let mut hosts = (**settings.hosts).clone();
    for index in 0..line.args().len() {
        match line.arg(index) {
            b"" => return Err(Refused::new("invalid referer \"\"")),
            b"none" => settings.none.set(true),
            b"blocked" => settings.blocked.set(true),
            b"server_names" => {
                settings.server_names.set(true);
                settings.server_patterns.set(true);
            }
            b"~" => return Err(Refused::new("empty regex in \"~\"")),
            [b'~', pattern @ ..] => {
                let pattern = line.pattern(pattern, true)?;
                settings.patterns.edit().push(pattern);
            }
            text => {
                let slash = text.iter().position(|byte| *byte == b'/');
                let (host, path) = text.split_at(slash.unwrap_or(text.len()));
                add_host(&mut hosts, host, path)?;
            }
        }
    }
    settings.hosts.set(Rc::new(hosts));
    Ok(())
}

fn add_host(hosts: &mut HostNames<Rc<[u8]>>, host: &[u8], path: &[u8]) -> Result<(), Refused> {
    let name = host.to_ascii_lowercase();
    let refuse = |why: &str| Refused::new(format!("{why} \"{}\"", lossy(host)));
    let name = HostName::parse(&name).ok_or_else(|| refuse("invalid hostname or wildcard"))?;
    if hosts.insert(name, path.into()) {
        Ok(())
    } else {
        Err(refuse("conflicting parameter"))
    }
}

/// Adds the names of servers where `server_names` asks for them.
fn finish(finishing: &mut Finishing<'_>) -> Result<(), Refused> {
    let levels = &mut finishing.arena.levels;
    for id in 0..levels.len() {
        let server = levels[id].server_level as usize;
        let names = levels
            .get_mut(server)
            .and_then(|server| NAMES.edit(&mut server.server))
            .map(|names| names.names.to_vec())
            .unwrap_or_default();
        let Some(settings) = SETTINGS.edit(&mut levels[id].location) else {
            continue;
        };
        if *settings.server_names {
            let mut hosts = (**settings.hosts).clone();
            for name in names.iter().filter(|name| !name.text().is_empty()) {
                match name {
                    ServerName::Pattern(..) => {}
                    // A leading dot is no part of the text.
                    ServerName::Leading {
                        suffix, bare: true, ..
                    } => {
                        add_host(&mut hosts, suffix, b"")?;
                    }
                    name => add_host(&mut hosts, name.text(), b"")?,
                }
            }
            settings.hosts.set(Rc::new(hosts));
        }
        if (*settings.none || *settings.blocked) && settings.hosts.is_empty() {
            return Err(Refused::new(
                "the \"none\" or \"blocked\" referers are specified in the \"valid_referers\" \
                 directive without any valid referer",
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::check;

    fn settings(hosts: &[(&str, &str)], patterns: &[&str]) -> Settings {
        let mut settings = Settings::default();
        let mut names = HostNames::default();
        for (host, path) in hosts {
            add_host(&mut names, host.as_bytes(), path.as_bytes()).unwrap();
        }
        settings.hosts.set(Rc::new(names));
        for text in patterns {
            let mut variables = engine::variable::VariableNames::default();
            let pattern = Pattern::compile(text.as_bytes(), true, &mut variables).unwrap();
            settings.patterns.edit().push(pattern);
        }
        settings
    }

    #[track_caller]
    fn check_referer(settings: &Settings, referer: &str, expected: bool) {
        let valid = is_valid(settings, &[], Some(referer.as_bytes()));
        assert_eq!(valid, expected, "{referer}");
    }

    #[test]
    fn hosts_and_paths_are_compared() {
        let settings = settings(
            &[
                ("example.com", ""),
                ("*.example.org", ""),
                ("www.google.*", ""),
                ("a.net", "/x/"),
            ],
            &[r"\.friend\.com/page"],
        );
        check_referer(&settings, "http://example.com", true);
        check_referer(&settings, "HTTPS://EXAMPLE.COM:8080/any", true);
        check_referer(&settings, "http://www.example.com/", false);
        check_referer(&settings, "http://x.example.org/", true);
        check_referer(&settings, "http://example.org/", false);
        check_referer(&settings, "http://www.google.com/", true);
        check_referer(&settings, "http://a.net/x/y", true);
        check_referer(&settings, "http://a.net:80/x/", true);
        check_referer(&settings, "http://a.net/", false);
        check_referer(&settings, "http://a.net", false);
        check_referer(&settings, "http://my.FRIEND.com/page", true);
        check_referer(&settings, "http://my.friend.com/other", false);
        check_referer(&settings, &format!("http://{}/", "a".repeat(300)), false);
    }

    #[test]
    fn no_referer_and_one_without_scheme_are_cases_of_their_own() {
        let mut settings = settings(&[("example.com", "")], &[]);
        check_referer(&settings, "http://a", false);
        check_referer(&settings, "blocked by a firewall", false);
        assert!(!is_valid(&settings, &[], None));
        settings.blocked.set(true);
        check_referer(&settings, "http://a", true);
        check_referer(&settings, "blocked by a firewall", true);
        assert!(!is_valid(&settings, &[], None));
        settings.none.set(true);
        assert!(is_valid(&settings, &[], None));
        assert!(is_valid(&Settings::default(), &[], None));
    }

    #[test]
    fn mistakes_are_told_in_nginx_words() {
        let server = |line: &str| format!("server {{ server_name a.b .c.d; {line} }}");
        check(&server("valid_referers server_names;"), "");
        check(
            &server("valid_referers a.b server_names;"),
            "conflicting parameter \"a.b\"",
        );
        check(
            &server("valid_referers a b A;"),
            "conflicting parameter \"A\"",
        );
        check(
            &server("valid_referers a.*.b;"),
            "invalid hostname or wildcard \"a.*.b\"",
        );
        check(&server("valid_referers \"\";"), "invalid referer \"\"");
        check(&server("valid_referers ~;"), "empty regex in \"~\"");
        check(
            &server("valid_referers none blocked;"),
            "the \"none\" or \"blocked\" referers are specified in the \"valid_referers\" \
             directive without any valid referer",
        );
    }
}
