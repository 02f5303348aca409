//! `resolver address ... [valid=time] [ipv4=on|off] [ipv6=on|off] [status_zone=name]`

use crate::address::{Address, resolve, split_host};
use crate::directive::lossy;
use crate::line::{Line, Refused};
use runtime::Millis;
use std::net::SocketAddr;

/// The port of DNS servers.
const PORT: u16 = 53;

/// One line `resolver`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The servers, asked in turn.
    pub servers: Vec<Address>,
    /// Milliseconds that answers are remembered, instead of what they say themselves.
    pub valid: Option<Millis>,
    /// Whether IPv4 addresses are asked for.
    pub ipv4: bool,
    /// Whether IPv6 addresses are asked for.
    pub ipv6: bool,
    /// The zone that everything is counted in.
    pub status_zone: Option<String>,
}

impl Config {
    /// Reads the directive.
    ///
    /// # Errors
    ///
    /// In nginx's words: `invalid parameter: ...`, `"ipv4" and "ipv6" cannot both be "off"`,
    /// `host not found in resolver "..."`.
    pub fn read(line: &Line<'_>) -> Result<Self, Refused> {
        let mut config = Self {
            servers: Vec::new(),
            valid: None,
            ipv4: true,
            ipv6: true,
            status_zone: None,
        };
        for index in 0..line.args().len() {
            let word = line.arg(index);
            let invalid = || Refused::new(format!("invalid parameter: {}", lossy(word)));
            let flag = |value: &[u8]| match value {
                b"on" => Ok(true),
                b"off" => Ok(false),
                _ => Err(invalid()),
            };
            if let Some(value) = word.strip_prefix(b"valid=") {
                let seconds = base::units::parse_time_sec(value).map_err(|_| invalid())?;
                // 0 is what nginx has when there is none.
                config.valid = (seconds > 0).then(|| seconds.saturating_mul(1000));
            } else if let Some(value) = word.strip_prefix(b"ipv4=") {
                config.ipv4 = flag(value)?;
            } else if let Some(value) = word.strip_prefix(b"ipv6=") {
                config.ipv6 = flag(value)?;
            } else if let Some(name) = word.strip_prefix(b"status_zone=") {
                let name = Some(lossy(name)).filter(|name| !name.is_empty());
                config.status_zone = Some(name.ok_or_else(invalid)?);
            } else {
                config.servers.extend(read_server(&lossy(word))?);
            }
        }
        if !config.ipv4 && !config.ipv6 {
            return Err(Refused::new("\"ipv4\" and \"ipv6\" cannot both be \"off\""));
        }
        if config.servers.is_empty() {
            return Err(Refused::new("no name servers defined"));
        }
        Ok(config)
    }
}

/// A name stands for all of its addresses.
fn read_server(text: &str) -> Result<Vec<Address>, Refused> {
    let refuse = |why: &str| Refused::new(format!("{why} in resolver \"{text}\""));
    let (host, port) = split_host(text).ok_or_else(|| refuse("invalid host"))?;
    let port = match port {
        None => PORT,
        Some(text) => {
            let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
            let port = text.parse().ok().filter(|&port| port > 0 && is_number);
            port.ok_or_else(|| refuse("invalid port"))?
        }
    };
    if host.is_empty() {
        return Err(refuse("no host"));
    }
    let ips = resolve(host).ok_or_else(|| refuse("host not found"))?;
    let server = |ip| Address::Ip(SocketAddr::new(ip, port));
    Ok(ips.into_iter().map(server).collect())
}
