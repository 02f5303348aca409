//! Whose a directive is that nothing here knows.

mod angie;
mod core;
mod gateways;
mod http;
mod mail;
mod openresty;
mod plus;
mod removed;
mod stream;
mod third_party;

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

/// The name of a module and those of its directives.
type Module = (&'static str, &'static [&'static str]);

/// Every table with whose modules it holds. A name in several belongs to the first, so what
/// nginx itself has comes before what others call the same.
const TABLES: &[(Origin, &[Module])] = &[
    (Origin::Nginx, core::MODULES),
    (Origin::Nginx, http::MODULES),
    (Origin::Nginx, gateways::MODULES),
    (Origin::Nginx, stream::MODULES),
    (Origin::Nginx, mail::MODULES),
    (Origin::NginxPlus, plus::MODULES),
    (Origin::Angie, angie::MODULES),
    (Origin::OpenResty, openresty::MODULES),
    (Origin::ThirdParty, third_party::MODULES),
];

/// Prefixes whose every directive is one module's, for those that the tables do not list.
const PREFIXES: &[(Origin, &[(&str, &str)])] = &[
    (Origin::Angie, angie::PREFIXES),
    (Origin::OpenResty, openresty::PREFIXES),
    (Origin::ThirdParty, third_party::PREFIXES),
];

/// Whose the directive `name` is, if it is known anywhere.
///
/// Walks the tables from end to end, which is for the error path alone.
#[must_use]
pub fn foreign_module(name: &str) -> Option<ForeignDirective> {
    removed(name)
        .or_else(|| listed(name))
        .or_else(|| prefixed(name))
}

fn removed(name: &str) -> Option<ForeignDirective> {
    let &(_, module, instead) = removed::DIRECTIVES
        .iter()
        .find(|(known, ..)| *known == name)?;
    Some(ForeignDirective {
        module,
        origin: Origin::Removed,
        instead: Some(instead),
    })
}

fn listed(name: &str) -> Option<ForeignDirective> {
    TABLES.iter().find_map(|&(origin, modules)| {
        let &(module, _) = modules.iter().find(|(_, names)| names.contains(&name))?;
        Some(ForeignDirective {
            module,
            origin,
            instead: None,
        })
    })
}

fn prefixed(name: &str) -> Option<ForeignDirective> {
    if name.contains("_by_lua") {
        let module = "lua-nginx-module";
        return Some(ForeignDirective {
            module,
            origin: Origin::OpenResty,
            instead: None,
        });
    }
    PREFIXES.iter().find_map(|&(origin, prefixes)| {
        let &(_, module) = prefixes
            .iter()
            .find(|(prefix, _)| name.starts_with(prefix))?;
        Some(ForeignDirective {
            module,
            origin,
            instead: None,
        })
    })
}

impl fmt::Display for ForeignDirective {
    /// The sentence that a hint says.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { module, origin, .. } = self;
        match origin {
            Origin::Nginx => write!(f, "it is a directive of {module} that is not built in")?,
            Origin::Removed => write!(f, "an older nginx had it in {module}")?,
            _ => write!(
                f,
                "it is a directive of {module} ({origin}) that is not built in"
            )?,
        }
        match self.instead {
            Some(instead) => write!(f, "; {instead}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whose(name: &str) -> Option<(&'static str, Origin)> {
        foreign_module(name).map(|foreign| (foreign.module, foreign.origin))
    }

    #[test]
    fn names_are_found_with_their_origin() {
        assert_eq!(whose("gzip"), Some(("ngx_http_gzip_module", Origin::Nginx)));
        assert_eq!(
            whose("proxy_pass"),
            Some(("ngx_http_proxy_module", Origin::Nginx))
        );
        assert_eq!(
            whose("ssl_preread"),
            Some(("ngx_stream_ssl_preread_module", Origin::Nginx))
        );
        assert_eq!(
            whose("health_check"),
            Some(("ngx_http_upstream_hc_module", Origin::NginxPlus))
        );
        assert_eq!(
            whose("docker_endpoint"),
            Some(("Angie's http_docker", Origin::Angie))
        );
        assert_eq!(
            whose("content_by_lua_block"),
            Some(("lua-nginx-module", Origin::OpenResty))
        );
        assert_eq!(
            whose("lua_whatever"),
            Some(("lua-nginx-module", Origin::OpenResty))
        );
        assert_eq!(
            whose("more_set_headers"),
            Some(("headers-more-nginx-module", Origin::ThirdParty))
        );
        assert_eq!(
            whose("vod_anything"),
            Some(("nginx-vod-module", Origin::ThirdParty))
        );
        assert_eq!(whose("nobodys_directive"), None);
        assert_eq!(whose(""), None);
    }

    /// `ssl on` is in the tables of nginx too; the advice is worth more than the module.
    #[test]
    fn what_was_removed_says_what_replaced_it() {
        let ssl = foreign_module("ssl").unwrap();
        assert_eq!(ssl.origin, Origin::Removed);
        assert_eq!(
            ssl.to_string(),
            "an older nginx had it in ngx_http_ssl_module; write \"listen ... ssl\""
        );
        assert!(foreign_module("spdy_chunk_size").unwrap().instead.is_some());
    }

    /// A name twice in one table, or an empty one, is a slip of the pen.
    #[test]
    fn tables_have_no_duplicates() {
        for (_, modules) in TABLES {
            for (module, names) in *modules {
                let mut sorted = names.to_vec();
                sorted.sort_unstable();
                sorted.dedup();
                assert_eq!(sorted.len(), names.len(), "{module} has a name twice");
                assert!(
                    sorted.iter().all(|name| !name.is_empty()),
                    "{module} has an empty name"
                );
            }
        }
        let mut removed: Vec<_> = removed::DIRECTIVES.iter().map(|(name, ..)| name).collect();
        let count = removed.len();
        removed.dedup();
        assert_eq!(removed.len(), count);
        assert!(removed.is_sorted());
    }
}
