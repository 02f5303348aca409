//! `server address [parameters]` in an `upstream` block.

use super::current;
use engine::directive::lossy;
use engine::peer::PeerConfig;
use engine::{Line, Refused};
use http::gateway::upstream::addresses_of;
use std::rc::Rc;

/// Port of a server that names none.
const DEFAULT_PORT: u16 = 80;

/// Reads one server; a name that stands for several addresses makes several peers.
pub(super) fn read(line: &mut Line<'_>) -> Result<(), Refused> {
    let level = line.level;
    current(line.loading, level)?.servers += 1;
    let text = lossy(line.arg(0));
    let mut shape = PeerConfig::new(engine::address::Address::Unix(Default::default()));
    for index in 1..line.args().len() {
        read_parameter(&mut shape, line, index)?;
    }
    let block = current(line.loading, level)?;
    if shape.is_backup && !block.admits_backup {
        return Err(Refused::new(
            "balancing method does not support parameter \"backup\"",
        ));
    }
    let addresses = addresses_of(&text, DEFAULT_PORT, engine::address::resolve);
    let server: Rc<str> = text.into();
    for address in addresses.map_err(Refused::new)? {
        block.peers.push(PeerConfig {
            name: address.to_string().into(),
            server: Rc::clone(&server),
            address,
            ..shape.clone()
        });
    }
    Ok(())
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
    match name {
        b"weight" => {
            shape.weight = number()?;
            if shape.weight == 0 {
                return Err(invalid());
            }
        }
        b"max_conns" => shape.max_conns = number()?,
        b"max_fails" => shape.max_fails = number()?,
        b"fail_timeout" => {
            let seconds = base::units::parse_time_sec(value).map_err(|_| invalid())?;
            shape.fail_timeout = seconds.saturating_mul(1000);
        }
        b"backup" if word == name => shape.is_backup = true,
        b"down" if word == name => shape.is_down = true,
        b"resolve" if word == name => {
            return Err(Refused::new(
                "parameter \"resolve\" is not supported: names are resolved when the \
                 configuration is loaded",
            ));
        }
        _ => return Err(invalid()),
    }
    Ok(())
}
