//! `geoip_country`, `geoip_city`, `geoip_org`: where a client is, by a legacy GeoIP database.
//!
//! Databases are read whole when the configuration is loaded. The address is the client's;
//! behind a `geoip_proxy` it is the one that the proxy forwards for.
//!
//! Source: nginx documentation, ngx_http_geoip_module.

mod countries;
pub mod database;
mod regions;

use crate::forwarded;
use countries::Country;
use database::{Database, Invalid, Kind, Place};
use engine::directive::{custom, flag, lossy, unset};
use engine::{Arity, Contexts, Directive, Line, Refused, Setting, Slot, inherit_fields};
use http::error::os_error;
use http::{Module, Request, Variable};
use std::ffi::OsStr;
use std::net::IpAddr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::rc::Rc;

/// The databases of a configuration.
#[derive(Clone, Default)]
struct Settings {
    country: Setting<Option<Opened>>,
    org: Setting<Option<Opened>>,
    city: Setting<Option<Opened>>,
    /// Those of `geoip_proxy`.
    trusted: Setting<Vec<base::cidr::Cidr>>,
    recursive: Setting<bool>,
}

inherit_fields!(Settings {
    country,
    org,
    city,
    trusted,
    recursive,
});

/// A database, and in which characters it is to speak.
#[derive(Clone)]
struct Opened {
    database: Rc<Database>,
    utf8: bool,
}

const DIRECTIVES: &[Directive<Settings>] = &[
    custom("geoip_country", HTTP, FILE, |s, line| {
        open(&mut s.country, line, Kind::Country, "")
    }),
    custom("geoip_org", HTTP, FILE, |s, line| {
        open(&mut s.org, line, Kind::Name, "")
    }),
    custom("geoip_city", HTTP, FILE, |s, line| {
        open(&mut s.city, line, Kind::City, " City")
    }),
    custom("geoip_proxy", HTTP, Arity::ONE, |s, line| {
        let network = forwarded::read_proxy(line)?;
        s.trusted.edit().push(network);
        Ok(())
    }),
    flag("geoip_proxy_recursive", HTTP, |s| &mut s.recursive),
];

const HTTP: Contexts = Contexts::HTTP;
/// A file, and perhaps `utf8`.
const FILE: Arity = Arity::between(1, 2);

static SETTINGS: Slot<Settings> = Slot::main(DIRECTIVES);

/// Variables by legacy GeoIP databases.
pub(crate) static MODULE: Module = Module {
    name: "geoip",
    configure_option: Some("--with-http_geoip_module"),
    settings: &[&SETTINGS],
    variables: &[
        Variable::new("geoip_country_code", |r, out| {
            country(r, out, |c, _| c.code)
        }),
        Variable::new("geoip_country_code3", |r, out| {
            country(r, out, |c, _| c.code3)
        }),
        Variable::new("geoip_country_name", |r, out| {
            country(r, out, Country::name)
        }),
        Variable::new("geoip_org", org),
        Variable::new("geoip_city_continent_code", |r, out| {
            place(r, out, |p, _, out| push(out, p.country.continent))
        }),
        Variable::new("geoip_city_country_code", |r, out| {
            place(r, out, |p, _, out| push(out, p.country.code))
        }),
        Variable::new("geoip_city_country_code3", |r, out| {
            place(r, out, |p, _, out| push(out, p.country.code3))
        }),
        Variable::new("geoip_city_country_name", |r, out| {
            place(r, out, |p, utf8, out| push(out, p.country.name(utf8)))
        }),
        Variable::new("geoip_region", |r, out| {
            place(r, out, |p, _, out| out.extend_from_slice(p.region))
        }),
        Variable::new("geoip_region_name", |r, out| {
            place(r, out, |p, _, out| {
                push(out, regions::name(p.country.code, p.region).unwrap_or(""));
            })
        }),
        Variable::new("geoip_city", |r, out| {
            place(r, out, |p, utf8, out| push_text(out, p.city, utf8))
        }),
        Variable::new("geoip_postal_code", |r, out| {
            place(r, out, |p, _, out| out.extend_from_slice(p.postal_code))
        }),
        Variable::new("geoip_latitude", |r, out| {
            place(r, out, |p, _, out| push(out, &format!("{:.4}", p.latitude)))
        }),
        Variable::new("geoip_longitude", |r, out| {
            place(r, out, |p, _, out| {
                push(out, &format!("{:.4}", p.longitude))
            })
        }),
        Variable::new("geoip_dma_code", |r, out| {
            place(r, out, |p, _, out| push(out, &p.dma_code.to_string()))
        }),
        Variable::new("geoip_area_code", |r, out| {
            place(r, out, |p, _, out| push(out, &p.area_code.to_string()))
        }),
    ],
    ..Module::EMPTY
};

/// The address to look for.
fn address(settings: &Settings, request: &Request) -> Option<IpAddr> {
    let proxies = &settings.trusted;
    let is_recursive = *settings.recursive;
    forwarded::client(request.remote_addr(), request, proxies, is_recursive).ip()
}

fn country(request: &Request, out: &mut Vec<u8>, text: fn(&Country, bool) -> &'static str) -> bool {
    let settings = SETTINGS.of(&request.generation.main);
    let Some(Opened { database, utf8 }) = &*settings.country else {
        return false;
    };
    let found = database.country(address(settings, request));
    found.is_some_and(|country| {
        push(out, text(country, *utf8));
        true
    })
}

fn org(request: &Request, out: &mut Vec<u8>) -> bool {
    let settings = SETTINGS.of(&request.generation.main);
    let Some(Opened { database, utf8 }) = &*settings.org else {
        return false;
    };
    let found = database.name(address(settings, request));
    found.is_some_and(|name| {
        push_text(out, name, *utf8);
        true
    })
}

/// Writes something of the place where the client is; what is empty there has no value.
fn place(request: &Request, out: &mut Vec<u8>, write: fn(&Place<'_>, bool, &mut Vec<u8>)) -> bool {
    let settings = SETTINGS.of(&request.generation.main);
    let Some(Opened { database, utf8 }) = &*settings.city else {
        return false;
    };
    let before = out.len();
    if let Some(place) = database.place(address(settings, request)) {
        write(&place, *utf8, out);
    }
    out.len() > before
}

fn push(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}

/// Adds text that the database has in ISO 8859-1.
fn push_text(out: &mut Vec<u8>, text: &[u8], utf8: bool) {
    if utf8 {
        let text: String = text.iter().map(|byte| char::from(*byte)).collect();
        push(out, &text);
    } else {
        out.extend_from_slice(text);
    }
}

/// `geoip_... file [utf8]`, where `what` is said of the database in an error.
fn open(
    field: &mut Setting<Option<Opened>>,
    line: &mut Line<'_>,
    kind: Kind,
    what: &str,
) -> Result<(), Refused> {
    let field = unset(field)?;
    let (word, shown) = (line.arg(0), lossy(line.arg(0)));
    let failed = |why: &str| Refused::new(format!("GeoIP_open(\"{shown}\") failed ({why})"));
    let read = line.loading.source.read(Path::new(OsStr::from_bytes(word)));
    let bytes = read.map_err(|error| failed(&os_error(&error)))?;
    let wrong = |number| {
        let message = format!("invalid GeoIP{what} database \"{shown}\" type:{number}");
        Refused::new(message)
    };
    let database = Database::parse(bytes).map_err(|invalid| match invalid {
        Invalid::Edition(number) => wrong(number),
        Invalid::Truncated | Invalid::Broken => failed(&invalid.to_string()),
    })?;
    let utf8 = match line.arg(1) {
        b"" if line.args().len() == 1 => false,
        b"utf8" => true,
        _ => return Err(line.invalid_parameter(1)),
    };
    if database.kind() != kind {
        return Err(wrong(database.number()));
    }
    let database = Rc::new(database);
    field.set(Some(Opened { database, utf8 }));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::check;

    #[test]
    fn texts_are_of_one_byte_a_letter_or_in_utf8() {
        let write = |utf8| {
            let mut out = Vec::new();
            push_text(&mut out, b"K\xf6ln", utf8);
            out
        };
        assert_eq!(write(false), b"K\xf6ln");
        assert_eq!(write(true), "K\u{f6}ln".as_bytes());
    }

    #[test]
    fn mistakes_are_told_in_nginx_words() {
        check(
            "geoip_country /nonexistent/GeoIP.dat;",
            "GeoIP_open(\"/nonexistent/GeoIP.dat\") failed (entity not found)",
        );
        // The configuration itself, which is no database.
        check(
            "geoip_city /nonexistent/main;",
            "GeoIP_open(\"/nonexistent/main\") failed (the file is corrupt)",
        );
        check("geoip_proxy 10.0.0.0/8; geoip_proxy_recursive on;", "");
        check(
            "geoip_proxy 10.0.0.1/8;",
            "low address bits of 10.0.0.1/8 are meaningless",
        );
        check("geoip_proxy nowhere;", "invalid network \"nowhere\"");
    }
}
