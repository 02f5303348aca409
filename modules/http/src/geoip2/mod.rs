//! `geoip2`: variables from a MaxMind database.
//!
//! The database is read whole when the configuration is loaded, and, with `auto_reload`, again by
//! each worker when its file was replaced. The address is the client's, behind a `geoip2_proxy`
//! the one that the proxy forwards for, or that of a variable.
//!
//! Source: the documentation of ngx_http_geoip2_module 3.4, a third-party module for nginx.

pub mod reader;

use crate::forwarded;
use crate::map::variable_name;
use base::units;
use engine::directive::{block, custom, flag, lossy};
use engine::{
    Arity, Contexts, Directive, Line, Loading, Refused, Setting, Slot, Template, inherit_fields,
};
use http::core::error_log::ERROR_LOG;
use http::error::os_error;
use http::variable::{Caching, define};
use http::{Module, Request};
use reader::Reader;
use runtime::log::Level;
use std::cell::{Cell, RefCell};
use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::SystemTime;

/// The databases of a configuration.
#[derive(Clone, Default)]
struct Settings {
    /// Their files, which may be named once each.
    files: Setting<Vec<PathBuf>>,
    /// Those of `geoip2_proxy`.
    trusted: Setting<Vec<base::cidr::Cidr>>,
    recursive: Setting<bool>,
}

inherit_fields!(Settings {
    files,
    trusted,
    recursive,
});

const DIRECTIVES: &[Directive<Settings>] = &[
    block("geoip2", Contexts::HTTP, Arity::ONE, read),
    custom("geoip2_proxy", Contexts::HTTP, Arity::ONE, |s, line| {
        let network = forwarded::read_proxy(line)?;
        s.trusted.edit().push(network);
        Ok(())
    }),
    flag("geoip2_proxy_recursive", Contexts::HTTP, |s| {
        &mut s.recursive
    }),
];

static SETTINGS: Slot<Settings> = Slot::main(DIRECTIVES);

/// Variables by MaxMind databases.
pub(crate) static MODULE: Module = Module {
    name: "geoip2",
    settings: &[&SETTINGS],
    ..Module::EMPTY
};

/// A database as long as a configuration uses it.
struct Database {
    path: PathBuf,
    reader: RefCell<Rc<Reader>>,
    /// Seconds between two looks at the file; 0 for none.
    check_interval: Cell<u64>,
    /// When the file was looked at last, in seconds since 1970.
    last_check: Cell<i64>,
    /// When it was read first, then the time that it had when it was read again.
    last_change: Cell<i64>,
    /// The time of the file that was read.
    modified: Cell<Option<SystemTime>>,
}

impl Database {
    fn open(loading: &Loading, path: PathBuf) -> Result<Self, String> {
        let modified = fs::metadata(&path).and_then(|file| file.modified()).ok();
        let bytes = loading.source.read(&path);
        let reader = Reader::parse(bytes.map_err(|error| os_error(&error))?)?;
        let now = sys::clock::wall().unix_secs;
        Ok(Self {
            path,
            reader: RefCell::new(Rc::new(reader)),
            check_interval: Cell::new(0),
            last_check: Cell::new(now),
            last_change: Cell::new(now),
            modified: Cell::new(modified),
        })
    }

    /// Looks at the file, if that is due, without holding up the request.
    fn refresh(self: &Rc<Self>, request: &Request) {
        let server = &request.connection.http;
        let now = server.worker.wall().unix_secs;
        let interval = i64::try_from(self.check_interval.get()).unwrap_or(i64::MAX);
        if interval == 0 || self.last_check.get().saturating_add(interval) > now {
            return;
        }
        let Some(pool) = server.pools.get(&b"default"[..]) else {
            return;
        };
        self.last_check.set(now);
        let (path, known) = (self.path.clone(), self.modified.get());
        let reading = server
            .worker
            .blocking(pool, move || read_changed(&path, known));
        let (database, location) = (Rc::clone(self), Rc::clone(&request.location));
        server.worker.spawn(async move {
            let (level, message) = match reading.await {
                Ok(Ok(None)) => return,
                Ok(Ok(Some(changed))) => {
                    database.replace(changed);
                    let path = database.path.display();
                    (Level::Info, format!("Reload MMDB \"{path}\""))
                }
                Ok(Err(failure)) => (Level::Error, failure),
                Err(full) => (Level::Error, full.to_string()),
            };
            let logger = ERROR_LOG.of(&location.settings).logs.logger();
            logger.log(level, &message);
        });
    }

    fn replace(&self, changed: Changed) {
        let since = changed.modified.duration_since(SystemTime::UNIX_EPOCH);
        let secs = since.map_or(0, |since| since.as_secs());
        self.last_change.set(i64::try_from(secs).unwrap_or(0));
        self.modified.set(Some(changed.modified));
        self.reader.replace(Rc::new(changed.reader));
    }
}

/// A file that is another than the one that was read.
struct Changed {
    reader: Reader,
    modified: SystemTime,
}

/// Reads the file of `path` unless its time is the `known` one; an error is what to log.
fn read_changed(path: &Path, known: Option<SystemTime>) -> Result<Option<Changed>, String> {
    let shown = path.display();
    let failed =
        |call: &str, error: io::Error| format!("{call} \"{shown}\" failed ({})", os_error(&error));
    let modified = fs::metadata(path).and_then(|file| file.modified());
    let modified = modified.map_err(|error| failed("stat()", error))?;
    if known == Some(modified) {
        return Ok(None);
    }
    let bytes = fs::read(path).map_err(|error| failed("read()", error))?;
    let reader = Reader::parse(bytes)
        .map_err(|why| format!("MMDB_open(\"{shown}\") failed to reload - {why}"))?;
    Ok(Some(Changed { reader, modified }))
}

/// A variable with something of the data.
struct Value {
    database: Rc<Database>,
    /// Whose value is the address, if it is not the client's.
    source: Option<Template>,
    default: Option<Vec<u8>>,
    /// Keys of maps and places in arrays.
    path: Vec<String>,
}

impl Value {
    fn write(&self, request: &Request, out: &mut Vec<u8>) -> bool {
        self.database.refresh(request);
        let reader = Rc::clone(&self.database.reader.borrow());
        let is_found = self
            .address(request)
            .is_some_and(|address| reader.write(address, &self.path, out));
        if let (false, Some(default)) = (is_found, &self.default) {
            out.extend_from_slice(default);
        }
        is_found || self.default.is_some()
    }

    fn address(&self, request: &Request) -> Option<IpAddr> {
        if let Some(source) = &self.source {
            return forwarded::parse_ip(&source.eval(request));
        }
        let settings = SETTINGS.of(&request.generation.main);
        let (trusted, is_recursive) = (&settings.trusted, *settings.recursive);
        forwarded::client(request.remote_addr(), request, trusted, is_recursive).ip()
    }
}

/// What `metadata` names.
#[derive(Clone, Copy)]
enum Metadata {
    BuildEpoch,
    LastCheck,
    LastChange,
}

impl Metadata {
    fn of(word: &[u8]) -> Option<Self> {
        Some(match word {
            b"build_epoch" => Self::BuildEpoch,
            b"last_check" => Self::LastCheck,
            b"last_change" => Self::LastChange,
            _ => return None,
        })
    }

    fn text(self, database: &Database) -> String {
        match self {
            Self::BuildEpoch => database.reader.borrow().build_epoch().to_string(),
            Self::LastCheck => database.last_check.get().to_string(),
            Self::LastChange => database.last_change.get().to_string(),
        }
    }
}

/// `geoip2 file { ... }`
fn read(settings: &mut Settings, line: &mut Line<'_>) -> Result<(), Refused> {
    let path = line.loading.full_path(line.arg(0));
    let shown = path.display().to_string();
    if settings.files.contains(&path) {
        return Err(Refused::new(format!("Duplicate GeoIP2 mmdb - {shown}")));
    }
    settings.files.edit().push(path.clone());
    let database = Database::open(line.loading, path)
        .map_err(|why| Refused::new(format!("MMDB_open(\"{shown}\") failed - {why}")))?;
    let database = Rc::new(database);
    for directive in line.block() {
        add(&database, directive, line.loading).map_err(|refused| refused.at(directive.end))?;
    }
    Ok(())
}

/// Adds one line of the block.
fn add(
    database: &Rc<Database>,
    line: &conf::Directive,
    loading: &mut Loading,
) -> Result<(), Refused> {
    let first = line.name.text.as_slice();
    let words: Vec<&[u8]> = line.args.iter().map(|word| word.text.as_slice()).collect();
    if first.starts_with(b"$") {
        let name = variable_name(first)?;
        return match &words[..] {
            [b"metadata", what] => define_metadata(database, name, what, loading),
            _ => define_value(database, name, &words, loading),
        };
    }
    if first != b"auto_reload" {
        return Err(Refused::new(format!(
            "invalid setting \"{}\"",
            lossy(first)
        )));
    }
    let [interval] = words[..] else {
        return Err(Refused::new("invalid number of arguments for auto_reload"));
    };
    let seconds = units::parse_time_sec(interval).map_err(|_| {
        let shown = lossy(interval);
        Refused::new(format!("invalid interval for auto_reload \"{shown}\""))
    })?;
    database.check_interval.set(seconds);
    Ok(())
}

/// `$variable metadata build_epoch | last_check | last_change`
fn define_metadata(
    database: &Rc<Database>,
    name: &[u8],
    what: &[u8],
    loading: &mut Loading,
) -> Result<(), Refused> {
    let unknown = || Refused::new(format!("invalid metadata \"{}\"", lossy(what)));
    let what = Metadata::of(what).ok_or_else(unknown)?;
    let database = Rc::clone(database);
    let compute = move |request: &Request, out: &mut Vec<u8>| {
        database.refresh(request);
        out.extend_from_slice(what.text(&database).as_bytes());
        true
    };
    define(loading, name, Caching::Once, Rc::new(compute))?;
    Ok(())
}

/// `$variable [default=value] [source=$variable] path ...`
fn define_value(
    database: &Rc<Database>,
    name: &[u8],
    words: &[&[u8]],
    loading: &mut Loading,
) -> Result<(), Refused> {
    let shown = lossy(name);
    let twice = |what| {
        let message = format!("{what} has already been declared for  \"${shown}\"");
        Refused::new(message)
    };
    let is_parameter = |word: &&&[u8]| word.contains(&b'=');
    let (mut default, mut source) = (None, None);
    let parameters = words.iter().take_while(is_parameter);
    let path = &words[parameters.clone().count()..];
    for word in parameters {
        if let Some(value) = parameter(word, b"default=") {
            if default.replace(value.to_vec()).is_some() {
                return Err(twice("default"));
            }
        } else if let Some(value) = parameter(word, b"source=") {
            if !value.starts_with(b"$") {
                let message = format!("invalid source variable name \"{}\"", lossy(value));
                return Err(Refused::new(message));
            }
            let template = Template::compile(value, &mut loading.variables)?;
            if source.replace(template).is_some() {
                return Err(twice("source"));
            }
        } else {
            let message = format!("invalid setting \"{}\" for \"${shown}\"", lossy(word));
            return Err(Refused::new(message));
        }
    }
    let value = Value {
        database: Rc::clone(database),
        source,
        default,
        path: path.iter().map(|word| lossy(word)).collect(),
    };
    let compute = move |request: &Request, out: &mut Vec<u8>| value.write(request, out);
    define(loading, name, Caching::Once, Rc::new(compute))?;
    Ok(())
}

/// What follows on `name`, where anything does.
fn parameter<'w>(word: &'w [u8], name: &[u8]) -> Option<&'w [u8]> {
    word.strip_prefix(name).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::reader;
    use crate::testing;

    /// Checks what `http { INSIDE }` says, where `db` is a database and `text` is none.
    #[track_caller]
    fn check(inside: &str, expected: &str) {
        let database = reader::tests::database(&reader::tests::places());
        let files = [("db", database), ("text", b"no database".to_vec())];
        let messages = testing::messages_with(&files, inside);
        assert_eq!(messages, [expected; 1][..usize::from(!expected.is_empty())]);
    }

    #[test]
    fn mistakes_are_told_in_the_words_of_the_module() {
        let with = |line: &str| format!("geoip2 db {{ {line} }}");
        check(&with("$a country iso_code; auto_reload 5m;"), "");
        check(&with("$a default=x source=$arg_ip country iso_code;"), "");
        check(
            &with("$b metadata build_epoch; $c metadata last_check;"),
            "",
        );
        check(&with("$a metadata size;"), "invalid metadata \"size\"");
        check(&with("colour red;"), "invalid setting \"colour\"");
        check(
            &with("auto_reload;"),
            "invalid number of arguments for auto_reload",
        );
        check(
            &with("auto_reload often;"),
            "invalid interval for auto_reload \"often\"",
        );
        check(
            &with("$a default=x default=y city;"),
            "default has already been declared for  \"$a\"",
        );
        check(
            &with("$a source=$arg_b source=$arg_c city;"),
            "source has already been declared for  \"$a\"",
        );
        check(
            &with("$a source=b city;"),
            "invalid source variable name \"b\"",
        );
        check(
            &with("$a other=b city;"),
            "invalid setting \"other=b\" for \"$a\"",
        );
        check(
            "geoip2 db {} geoip2 db {}",
            "Duplicate GeoIP2 mmdb - /nonexistent/db",
        );
        check("geoip2_proxy 10.0.0.0/8; geoip2_proxy_recursive on;", "");
        check("geoip2_proxy x;", "invalid network \"x\"");
    }

    #[test]
    fn what_is_no_database_is_told() {
        check(
            "geoip2 missing {}",
            "MMDB_open(\"/nonexistent/missing\") failed - entity not found",
        );
        let messages =
            testing::messages_with(&[("text", b"no database".to_vec())], "geoip2 text {}");
        let [message] = &messages[..] else {
            panic!("{messages:?}");
        };
        let start = "MMDB_open(\"/nonexistent/text\") failed - ";
        assert!(message.starts_with(start), "{message}");
    }
}
