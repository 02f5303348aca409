//! The directives of gateways, the same for every protocol, and what reads their words.

use super::{Bind, Settings, Transparent, parse_local};
use crate::core::receive::read_temp_path;
use crate::gateway::store::Store;
use engine::directive::{lossy, set_once, unset};
use engine::{Line, Refused};

/// The rows of what is about connections, for gateways of every kind.
#[macro_export]
macro_rules! gateway_connection_directives {
    ($prefix:literal) => {{
        use engine::directive::{custom, flag, millis, number, size, unsupported_size};
        use engine::{Arity, Contexts};
        use $crate::gateway::settings::rows as read;
        const ALL: Contexts = Contexts::ALL;
        [
            custom(
                concat!($prefix, "allow_upstream"),
                ALL,
                Arity::SOME,
                |s, line| s.allow_upstream.edit().add(line),
            ),
            custom(
                concat!($prefix, "bind"),
                ALL,
                Arity::between(1, 2),
                read::read_bind,
            ),
            flag(concat!($prefix, "bind_dynamic"), ALL, |s| {
                &mut s.bind_dynamic
            }),
            size(concat!($prefix, "buffer_size"), ALL, |s| &mut s.buffer_size),
            millis(concat!($prefix, "connect_timeout"), ALL, |s| {
                &mut s.connect_timeout
            }),
            flag(concat!($prefix, "half_close"), ALL, |s| &mut s.half_close),
            millis(concat!($prefix, "next_upstream_timeout"), ALL, |s| {
                &mut s.next_upstream_timeout
            }),
            number(
                concat!($prefix, "next_upstream_tries"),
                ALL,
                0,
                1 << 31,
                |s| &mut s.next_upstream_tries,
            ),
            millis(concat!($prefix, "read_timeout"), ALL, |s| {
                &mut s.read_timeout
            }),
            unsupported_size(concat!($prefix, "send_lowat"), ALL, |s| &mut s.send_lowat),
            millis(concat!($prefix, "send_timeout"), ALL, |s| {
                &mut s.send_timeout
            }),
            flag(concat!($prefix, "socket_keepalive"), ALL, |s| {
                &mut s.socket_keepalive
            }),
            size(concat!($prefix, "socket_rcvbuf"), ALL, |s| {
                &mut s.socket_rcvbuf
            }),
            size(concat!($prefix, "socket_sndbuf"), ALL, |s| {
                &mut s.socket_sndbuf
            }),
        ]
    }};
}

/// The rows of what is about requests and responses.
#[macro_export]
macro_rules! gateway_message_directives {
    ($prefix:literal) => {{
        use engine::directive::{bits, custom, flag, offset, size, size_template, template};
        use engine::{Arity, Contexts};
        use $crate::gateway::settings::rows as read;
        use $crate::gateway::settings::{ignore, next};
        const ALL: Contexts = Contexts::ALL;
        [
            flag(concat!($prefix, "buffering"), ALL, |s| &mut s.buffering),
            flag(concat!($prefix, "request_buffering"), ALL, |s| {
                &mut s.request_buffering
            }),
            flag(concat!($prefix, "request_dynamic"), ALL, |s| {
                &mut s.request_dynamic
            }),
            flag(concat!($prefix, "ignore_client_abort"), ALL, |s| {
                &mut s.ignore_client_abort
            }),
            flag(concat!($prefix, "intercept_errors"), ALL, |s| {
                &mut s.intercept_errors
            }),
            custom(
                concat!($prefix, "buffers"),
                ALL,
                Arity::TWO,
                read::read_buffers,
            ),
            size(concat!($prefix, "busy_buffers_size"), ALL, |s| {
                &mut s.busy_buffers_size
            }),
            offset(concat!($prefix, "max_temp_file_size"), ALL, |s| {
                &mut s.max_temp_file_size
            }),
            size(concat!($prefix, "temp_file_write_size"), ALL, |s| {
                &mut s.temp_file_write_size
            }),
            custom(
                concat!($prefix, "temp_path"),
                ALL,
                Arity::between(1, 4),
                read::read_temp,
            ),
            bits(
                concat!($prefix, "next_upstream"),
                ALL,
                Arity::SOME,
                next::WORDS,
                |s| &mut s.next_upstream,
            ),
            custom(
                concat!($prefix, "hide_header"),
                ALL,
                Arity::ONE,
                |s, line| {
                    s.hide.edit().push(line.arg(0).to_vec());
                    Ok(())
                },
            ),
            custom(
                concat!($prefix, "pass_header"),
                ALL,
                Arity::ONE,
                |s, line| {
                    s.pass.edit().push(line.arg(0).to_vec());
                    Ok(())
                },
            ),
            bits(
                concat!($prefix, "ignore_headers"),
                ALL,
                Arity::SOME,
                ignore::NAMES,
                |s| &mut s.ignore_headers,
            ),
            flag(concat!($prefix, "pass_request_headers"), ALL, |s| {
                &mut s.pass_request_headers
            }),
            flag(concat!($prefix, "pass_request_body"), ALL, |s| {
                &mut s.pass_request_body
            }),
            size_template(concat!($prefix, "limit_rate"), ALL, |s| &mut s.limit_rate),
            custom(concat!($prefix, "store"), ALL, Arity::ONE, read::read_store),
            custom(
                concat!($prefix, "store_access"),
                ALL,
                Arity::between(1, 3),
                |s, line| {
                    let bits = engine::access::read(line)?;
                    engine::directive::set_once(&mut s.store_access, u64::from(bits))
                },
            ),
            flag(concat!($prefix, "force_ranges"), ALL, |s| {
                &mut s.force_ranges
            }),
        ]
    }};
}

/// `buffers number size`
///
/// # Errors
///
/// `invalid value` for what is no number or size.
pub fn read_buffers(settings: &mut Settings, line: &mut Line<'_>) -> Result<(), Refused> {
    let invalid = |_| Refused::new("invalid value");
    let number = base::units::parse_decimal(line.arg(0)).map_err(invalid)?;
    let size = base::units::parse_size(line.arg(1)).map_err(invalid)?;
    if number < 2 {
        let name = line.name();
        return Err(Refused::new(format!("there must be at least 2 \"{name}\"")));
    }
    set_once(&mut settings.buffers, (number, size))
}

/// `temp_path path [level...]`
///
/// # Errors
///
/// As [`read_temp_path`].
pub fn read_temp(settings: &mut Settings, line: &mut Line<'_>) -> Result<(), Refused> {
    let path = read_temp_path(line)?;
    set_once(&mut settings.temp_path, path)
}

/// `store on | off | path`
///
/// # Errors
///
/// What a path with variables is refused for.
pub fn read_store(settings: &mut Settings, line: &mut Line<'_>) -> Result<(), Refused> {
    let store = match line.arg(0) {
        b"on" => Store::ByUri,
        b"off" => Store::Off,
        _ => Store::At(line.template(0)?),
    };
    set_once(&mut settings.store, store)
}

/// `bind address [transparent] | off`
///
/// # Errors
///
/// `invalid address "..."`, `invalid parameter "..."`.
pub fn read_bind(settings: &mut Settings, line: &mut Line<'_>) -> Result<(), Refused> {
    unset(&mut settings.bind)?;
    if line.args().len() == 1 && line.arg(0) == b"off" {
        settings.bind.set(None);
        return Ok(());
    }
    let address = line.template(0)?;
    if let Some(text) = address.as_constant() {
        let valid = std::str::from_utf8(text).ok().and_then(parse_local);
        if valid.is_none() {
            return Err(Refused::new(format!("invalid address \"{}\"", lossy(text))));
        }
    }
    let is_transparent = match line.arg(1) {
        b"" if line.args().len() == 1 => false,
        b"transparent" => true,
        _ => return Err(line.invalid_parameter(1)),
    };
    if is_transparent {
        line.loading.shared::<Transparent>().0 = true;
    }
    settings.bind.set(Some(Bind {
        address,
        is_transparent,
    }));
    Ok(())
}
