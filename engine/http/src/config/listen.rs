//! `listen`: addresses and options.

use engine::address::{Address, parse_listen};
use engine::{Line, Refused};
use sys::socket::{KeepAlive, Kind, ListenOptions};

/// One address of one `listen` directive.
#[derive(Clone, Debug)]
pub struct Listen {
    /// The address.
    pub address: Address,
    /// Level of the server it stands in.
    pub server: u32,
    /// Whether that server answers for names nobody has.
    pub is_default: bool,
    /// Whether connections begin with a PROXY protocol header.
    pub proxy_protocol: bool,
    /// Options of the socket.
    pub options: ListenOptions,
    /// Whether options of the socket were given, which one `listen` of an address may.
    pub has_options: bool,
    /// Whether the address gets a socket of its own even beside a wildcard.
    pub binds: bool,
    /// Where it stands.
    pub position: conf::Position,
}

/// All addresses of a load.
#[derive(Default)]
pub struct Listens {
    /// In the order of the file.
    pub all: Vec<Listen>,
}

/// Reads one `listen`.
///
/// # Errors
///
/// In nginx's words: `invalid parameter "..."`, `invalid port in "..." of the "listen"
/// directive`, `duplicate listen options`, and what this system has no socket option for.
pub fn read(line: &mut Line<'_>) -> Result<(), Refused> {
    let text = String::from_utf8_lossy(line.arg(0)).into_owned();
    let mut listen = Listen {
        address: Address::Unix(Box::default()),
        server: line.level,
        is_default: false,
        proxy_protocol: false,
        options: ListenOptions::default(),
        has_options: false,
        binds: false,
        position: line.directive.end,
    };
    for index in 1..line.args().len() {
        parameter(&mut listen, line, index)?;
    }
    let addresses = parse_listen(&text, 80)?;
    let listens = line.loading.shared::<Listens>();
    for address in addresses {
        let twice = |other: &Listen| other.server == listen.server && other.address == address;
        if listens.all.iter().any(twice) {
            return Err(Refused::new(format!("a duplicate listen {address}")));
        }
        listens.all.push(Listen {
            address,
            ..listen.clone()
        });
    }
    Ok(())
}

fn parameter(listen: &mut Listen, line: &mut Line<'_>, index: usize) -> Result<(), Refused> {
    let word = String::from_utf8_lossy(line.arg(index)).into_owned();
    let (name, value) = word.split_once('=').unwrap_or((&word, ""));
    match (name, value) {
        ("default_server" | "default", "") => {
            listen.is_default = true;
            return Ok(());
        }
        ("proxy_protocol", "") => {
            listen.proxy_protocol = true;
            return Ok(());
        }
        ("ssl" | "http2" | "quic", "") => {
            return Err(Refused::new(format!(
                "the \"{name}\" parameter requires a module that is not built in"
            )));
        }
        ("setfib", _) => {
            return Err(Refused::new("\"setfib\" is not supported on this platform"));
        }
        ("accept_filter", _) => {
            return Err(Refused::new(format!(
                "accept filters \"{value}\" are not supported on this platform, ignored"
            )));
        }
        _ => {}
    }
    listen.has_options = true;
    socket_option(listen, name, value).ok_or_else(|| option_refusal(name, value, &word))?;
    // Options need a socket that they are set on.
    listen.binds = true;
    Ok(())
}

/// Sets an option of the socket; `None` when it is unknown or its value is wrong.
fn socket_option(listen: &mut Listen, name: &str, value: &str) -> Option<()> {
    let options = &mut listen.options;
    let size = || base::units::parse_size(value.as_bytes()).ok();
    let count = || {
        base::units::parse_decimal(value.as_bytes())
            .ok()
            .and_then(|n| i32::try_from(n).ok())
    };
    match name {
        "bind" if value.is_empty() => {}
        "deferred" if value.is_empty() => options.deferred = true,
        "reuseport" if value.is_empty() => options.reuseport = true,
        "multipath" if value.is_empty() => options.kind = Kind::Multipath,
        "backlog" => options.backlog = count().filter(|&n| n != 0)?,
        "rcvbuf" => options.receive_buffer = Some(size()?),
        "sndbuf" => options.send_buffer = Some(size()?),
        "fastopen" => options.fastopen = u32::try_from(count()?).ok(),
        "ipv6only" => options.ipv6only = Some(parse_flag(value)?),
        "so_keepalive" => keepalive(options, value)?,
        _ => return None,
    }
    Some(())
}

fn parse_flag(value: &str) -> Option<bool> {
    match value {
        "on" => Some(true),
        "off" => Some(false),
        _ => None,
    }
}

/// `on`, `off` or `[idle]:[interval]:[count]`.
fn keepalive(options: &mut ListenOptions, value: &str) -> Option<()> {
    if let Some(on) = parse_flag(value) {
        options.keepalive = Some(KeepAlive {
            on,
            ..KeepAlive::default()
        });
        return Some(());
    }
    let number = |text: &str, read: fn(&[u8]) -> Result<u64, base::units::InvalidValue>| {
        let number = u32::try_from(read(text.as_bytes()).ok()?).ok()?;
        (number > 0).then_some(number)
    };
    let parts: Vec<&str> = value.split(':').collect();
    let part = |at: usize, read| match parts.get(at).copied().unwrap_or("") {
        "" => Some(None),
        text => number(text, read).map(Some),
    };
    let keepalive = KeepAlive {
        on: true,
        idle_secs: part(0, base::units::parse_time_sec)?,
        interval_secs: part(1, base::units::parse_time_sec)?,
        probes: part(2, base::units::parse_decimal)?,
    };
    let is_empty = parts.iter().all(|part| part.is_empty());
    options.keepalive = (parts.len() <= 3 && !is_empty).then_some(keepalive);
    options.keepalive.as_ref().map(|_| ())
}

fn option_refusal(name: &str, value: &str, word: &str) -> Refused {
    Refused::new(match name {
        "backlog" | "rcvbuf" | "sndbuf" | "fastopen" if !value.is_empty() => {
            format!("invalid {name} \"{word}\"")
        }
        "ipv6only" => format!("invalid ipv6only flags \"{value}\""),
        "so_keepalive" => format!("invalid so_keepalive value: \"{value}\""),
        _ => format!("invalid parameter \"{word}\""),
    })
}
