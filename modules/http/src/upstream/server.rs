//! `server address [parameters]` in an `upstream` block.

use super::current;
use super::resolve::{self, Named};
use engine::address::split_host;
use engine::directive::lossy;
use engine::peer::PeerConfig;
use engine::{Line, Refused};
use http::gateway::upstream::addresses_of;
use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;

/// Port of a server that names none.
const DEFAULT_PORT: u16 = 80;

/// Longest route in bytes, as nginx has it.
const ROUTE_MAX: usize = 32;

pub(super) fn read(line: &mut Line<'_>) -> Result<(), Refused> {
    let level = line.level;
    let block = current(line.loading, level)?;
    block.servers += 1;
    if block.has_state {
        return Err(Refused::new("\"state\" is incompatible with \"server\""));
    }
    add(line)
}

/// Adds one server; a name that stands for several addresses makes several peers.
pub(super) fn add(line: &mut Line<'_>) -> Result<(), Refused> {
    let level = line.level;
    let text = lossy(line.arg(0));
    let mut shape = PeerConfig::new(engine::address::Address::Unix(Default::default()));
    let mut lookup = Lookup::default();
    for index in 1..line.args().len() {
        if !lookup.read(line.arg(index))? {
            read_parameter(&mut shape, line, index)?;
        }
    }
    let block = current(line.loading, level)?;
    block.admits(&shape)?;
    let server: Rc<str> = text.as_str().into();
    shape.server = Rc::clone(&server);
    if let Some(named) = lookup.named(&text, &shape)? {
        block.named.push(named);
        return Ok(());
    }
    let addresses = addresses_of(&text, DEFAULT_PORT, engine::address::resolve);
    for address in addresses.map_err(Refused::new)? {
        block.peers.push(PeerConfig {
            name: address.to_string().into(),
            address,
            ..shape.clone()
        });
    }
    Ok(())
}

/// What the line says about looking its name up while the server works.
#[derive(Default)]
struct Lookup {
    is_wanted: bool,
    service: Option<String>,
}

impl Lookup {
    /// Reads `word` if it is about this.
    fn read(&mut self, word: &[u8]) -> Result<bool, Refused> {
        if word == b"resolve" {
            self.is_wanted = true;
        } else if let Some(name) = word.strip_prefix(b"service=") {
            self.service = Some(resolve::read_service(name)?);
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    /// What is to be looked up; `None` where there is nothing to look up.
    fn named(self, text: &str, shape: &PeerConfig) -> Result<Option<Named>, Refused> {
        let refuse = |why: &str| Err(Refused::new(format!("service upstream \"{text}\" {why}")));
        if !self.is_wanted {
            return match self.service {
                Some(_) => refuse("requires \"resolve\" parameter"),
                None => Ok(None),
            };
        }
        // An address needs no looking up, and what is neither is refused as ever.
        let name = RefCell::new(None);
        let read = addresses_of(text, DEFAULT_PORT, |host| match host.parse::<IpAddr>() {
            Ok(ip) => Some(vec![ip]),
            Err(_) => {
                name.replace(Some(host.to_owned()));
                Some(vec![Ipv4Addr::UNSPECIFIED.into()])
            }
        });
        let addresses = read.map_err(Refused::new)?;
        let has_port = split_host(text).is_none_or(|(_, port)| port.is_some());
        if self.service.is_some() && has_port {
            return refuse("may not have port");
        }
        let Some(host) = name.take() else {
            return match self.service {
                Some(_) => refuse("requires domain name"),
                None => Ok(None),
            };
        };
        let port = addresses.first().and_then(|address| address.peer().port());
        Ok(Some(Named::new(
            (text, &host, port.unwrap_or(DEFAULT_PORT)),
            self.service,
            shape.clone(),
        )))
    }
}

fn read_parameter(shape: &mut PeerConfig, line: &Line<'_>, index: usize) -> Result<(), Refused> {
    let word = line.arg(index);
    let invalid = || line.invalid_parameter(index);
    let (name, value) = match word.iter().position(|&byte| byte == b'=') {
        Some(at) => (&word[..at], &word[at + 1..]),
        None => (word, &b""[..]),
    };
    let number = || -> Result<u32, Refused> {
        let value = base::units::parse_decimal(value).map_err(|_| invalid())?;
        u32::try_from(value).map_err(|_| invalid())
    };
    // What is never reached may be as much as anybody likes.
    let limit = || -> Result<u32, Refused> {
        let value = base::units::parse_decimal(value).map_err(|_| invalid())?;
        Ok(u32::try_from(value).unwrap_or(u32::MAX))
    };
    match name {
        b"weight" => {
            shape.weight = number()?;
            if shape.weight == 0 {
                return Err(invalid());
            }
        }
        b"max_conns" => shape.max_conns = limit()?,
        b"max_fails" => shape.max_fails = limit()?,
        b"fail_timeout" => {
            let seconds = base::units::parse_time_sec(value).map_err(|_| invalid())?;
            shape.fail_timeout = seconds.saturating_mul(1000);
        }
        b"slow_start" => {
            let time = base::units::parse_time_ms(value).map_err(|_| invalid())?;
            shape.slow_start = time;
        }
        b"route" => {
            if value.is_empty() {
                return Err(Refused::new("route is empty"));
            }
            if value.len() > ROUTE_MAX {
                return Err(Refused::new(format!("route is longer than {ROUTE_MAX}")));
            }
            shape.route = lossy(value).into();
        }
        b"drain" if word == name => shape.is_draining = true,
        b"backup" if word == name => shape.is_backup = true,
        b"down" if word == name => shape.is_down = true,
        _ => return Err(invalid()),
    }
    Ok(())
}
