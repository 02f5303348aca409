//! The variables of the core (nginx: "Embedded Variables" of ngx_http_core_module).

use super::files;
use crate::connection::render::decimal;
use crate::module::Module;
use crate::request::Request;
use crate::response::{LastModified, ResponseHead};
use crate::variable::Variable;
use http1::Known;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;

/// The core's variables.
pub static MODULE: Module = Module {
    name: "core_variables",
    variables: VARIABLES,
    ..Module::EMPTY
};

const VARIABLES: &[Variable] = &[
    Variable::family("arg_", argument),
    Variable::changeable("args", |r, out| some(out, &r.args), set_args),
    Variable::new("binary_remote_addr", binary_remote_addr),
    Variable::new("body_bytes_sent", |r, out| print(out, r.sent.body_bytes)),
    Variable::new("bytes_received", |r, out| print(out, r.bytes_received())),
    Variable::new("bytes_sent", |r, out| print(out, r.sent.bytes)),
    Variable::new("connection", |r, out| print(out, r.connection.number)),
    Variable::new("connection_requests", |r, out| {
        print(out, r.connection.requests.get())
    }),
    Variable::new("connection_time", connection_time),
    Variable::new("content_length", content_length),
    Variable::new("content_type", |r, out| field(r, b"content_type", out)),
    Variable::family("cookie_", cookie),
    Variable::new("document_root", |r, out| {
        text(out, files::document_root(r).as_os_str().as_bytes())
    }),
    Variable::new("document_uri", |r, out| some(out, &r.uri)),
    Variable::new("host", |r, out| text(out, r.host())),
    Variable::new("hostname", |_, out| text(out, &sys::host::name())),
    Variable::family("http_", field),
    Variable::new("https", |r, out| {
        let is_secure = r.connection.scheme() == b"https";
        text(out, if is_secure { b"on" } else { b"" })
    }),
    Variable::new("is_args", |r, out| {
        if !r.args.is_empty() {
            out.push(b'?');
        }
        true
    }),
    Variable::new("is_request_port", |r, out| {
        if r.host_port.is_some() {
            out.push(b':');
        }
        true
    }),
    Variable::changeable("limit_rate", limit_rate, set_limit_rate),
    Variable::new("msec", |r, out| {
        let wall = r.connection.http.worker.wall();
        decimal(wall.unix_secs.unsigned_abs(), out);
        out.push(b'.');
        three_digits(wall.millis, out);
        true
    }),
    Variable::new("nginx_version", |_, out| text(out, b"1.31.5")),
    Variable::new("pid", |_, out| print(out, sys::process::id())),
    Variable::new("pipe", |r, out| {
        text(
            out,
            if r.connection.is_pipelined() {
                b"p"
            } else {
                b"."
            },
        )
    }),
    Variable::family("proxy_protocol_tlv_", proxy_tlv),
    Variable::new("proxy_protocol_addr", |r, out| {
        proxy_address(r, out, false, false)
    }),
    Variable::new("proxy_protocol_port", |r, out| {
        proxy_address(r, out, false, true)
    }),
    Variable::new("proxy_protocol_server_addr", |r, out| {
        proxy_address(r, out, true, false)
    }),
    Variable::new("proxy_protocol_server_port", |r, out| {
        proxy_address(r, out, true, true)
    }),
    Variable::new("query_string", |r, out| some(out, &r.args)),
    Variable::new("realpath_root", |r, out| {
        std::fs::canonicalize(files::document_root(r))
            .is_ok_and(|path| text(out, path.as_os_str().as_bytes()))
    }),
    Variable::new("remote_addr", remote_addr),
    Variable::new("remote_port", |r, out| {
        let port = r.remote_addr().port().filter(|port| *port > 0);
        port.is_none_or(|port| print(out, port))
    }),
    Variable::new("remote_user", remote_user),
    Variable::new("request", |r, out| some(out, r.line())),
    Variable::new("request_body", request_body),
    Variable::new("request_body_file", |r, out| {
        let path = r.body.as_ref().and_then(|body| body.path.as_ref());
        path.is_some_and(|path| text(out, path.as_os_str().as_bytes()))
    }),
    Variable::new("request_completion", |r, out| {
        if r.sent.is_complete {
            out.extend_from_slice(b"OK");
        }
        true
    }),
    Variable::new("request_filename", |r, out| {
        files::path_of(r, &r.uri).is_ok_and(|path| text(out, path.as_os_str().as_bytes()))
    }),
    Variable::new("request_id", request_id),
    Variable::new("request_length", |r, out| print(out, r.bytes_received())),
    Variable::new("request_method", |r, out| {
        let head = &r.head;
        match r.is_subrequest {
            true => some(out, head.parsed.method_span.of(&head.buf)),
            false => some(out, r.method_name()),
        }
    }),
    Variable::new("request_port", |r, out| {
        r.host_port.is_none_or(|port| print(out, port))
    }),
    Variable::new("request_time", request_time),
    Variable::new("request_uri", |r, out| some(out, r.original_uri())),
    Variable::new("scheme", |r, out| text(out, r.connection.scheme())),
    Variable::family("sent_http_", sent_field),
    Variable::family("sent_trailer_", sent_trailer),
    Variable::new("server_addr", |r, out| match r.connection.local_addr() {
        Some(addr) => text(out, addr.ip().to_string().as_bytes()),
        None => text(out, r.connection.local_host().as_bytes()),
    }),
    Variable::new("server_name", |r, out| text(out, r.server.name())),
    Variable::new("server_port", |r, out| match r.connection.local_port() {
        0 => true,
        port => print(out, port),
    }),
    Variable::new("server_protocol", |r, out| {
        some(out, r.head.parsed.protocol.of(&r.head.buf).trim_ascii_end())
    }),
    Variable::new("status", status),
    Variable::new("tcpinfo_rcv_space", |r, out| {
        tcp_info(r, out, |info| info.receive_space)
    }),
    Variable::new("tcpinfo_rtt", |r, out| {
        tcp_info(r, out, |info| info.rtt_micros)
    }),
    Variable::new("tcpinfo_rttvar", |r, out| {
        tcp_info(r, out, |info| info.rtt_variance_micros)
    }),
    Variable::new("tcpinfo_snd_cwnd", |r, out| {
        tcp_info(r, out, |info| info.send_window)
    }),
    Variable::new("time_iso8601", |r, out| {
        text(out, &r.connection.http.worker.wall().iso8601)
    }),
    Variable::new("time_iso8601_ms", |r, out| {
        text(out, &r.connection.http.worker.wall().iso8601_ms())
    }),
    Variable::new("time_local", |r, out| {
        text(out, &r.connection.http.worker.wall().log_time)
    }),
    Variable::new("uri", |r, out| {
        // Of a path that leads out of the root nothing is left, and that is known.
        some(out, &r.uri) || !r.original_uri().is_empty()
    }),
];

fn text(out: &mut Vec<u8>, bytes: &[u8]) -> bool {
    out.extend_from_slice(bytes);
    true
}

/// As [`text`], but nothing is no value.
fn some(out: &mut Vec<u8>, bytes: &[u8]) -> bool {
    out.extend_from_slice(bytes);
    !bytes.is_empty()
}

fn print(out: &mut Vec<u8>, value: impl Into<u64>) -> bool {
    decimal(value.into(), out);
    true
}

/// `$arg_name`: the first argument of that name, in whatever case.
fn argument(request: &Request, name: &[u8], out: &mut Vec<u8>) -> bool {
    argument_of(&request.args, name).is_some_and(|value| text(out, value))
}

/// The value of argument `name` in a query string.
pub fn argument_of<'a>(args: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    args.split(|byte| *byte == b'&').find_map(|pair| {
        let at = memchr::memchr(b'=', pair)?;
        pair[..at]
            .eq_ignore_ascii_case(name)
            .then(|| &pair[at + 1..])
    })
}

fn set_args(request: &mut Request, value: &[u8]) {
    request.args = value.to_vec();
    request.uri_is_original = false;
}

/// `$cookie_name`: the first cookie of that name, in whatever case, over all Cookie fields.
fn cookie(request: &Request, name: &[u8], out: &mut Vec<u8>) -> bool {
    let cookies = request.head.parsed.all(Known::Cookie);
    let found = cookies
        .flat_map(|f| f.value.of(&request.head.buf).split(|b| *b == b';'))
        .find_map(|pair| {
            let pair = pair.trim_ascii_start();
            let at = memchr::memchr(b'=', pair)?;
            pair[..at]
                .eq_ignore_ascii_case(name)
                .then(|| &pair[at + 1..])
        });
    found.is_some_and(|value| text(out, value))
}

/// `$http_name`: fields of that name joined, `-` for `_`. Source: RFC 9110 section 5.3.
fn field(request: &Request, name: &[u8], out: &mut Vec<u8>) -> bool {
    let values = request
        .headers()
        .filter(|(known, _)| is_field(known, name))
        .map(|(_, v)| v);
    let separator: &[u8] = if name == b"cookie" { b"; " } else { b", " };
    join(values, separator, out)
}

fn join<'v>(values: impl Iterator<Item = &'v [u8]>, separator: &[u8], out: &mut Vec<u8>) -> bool {
    let mut found = false;
    for value in values {
        if found {
            out.extend_from_slice(separator);
        }
        out.extend_from_slice(value);
        found = true;
    }
    found
}

/// Whether field `name` is what a variable calls `wanted`.
fn is_field(name: &[u8], wanted: &[u8]) -> bool {
    let plain = |byte: &u8| {
        if *byte == b'-' {
            b'_'
        } else {
            byte.to_ascii_lowercase()
        }
    };
    name.len() == wanted.len() && name.iter().map(plain).eq(wanted.iter().copied())
}

/// `$sent_http_name`.
fn sent_field(request: &Request, name: &[u8], out: &mut Vec<u8>) -> bool {
    let Some(head) = request.sent.head.as_deref() else {
        return false;
    };
    let optional = |value: &Option<crate::Bytes>, out: &mut Vec<u8>| {
        value.as_ref().is_some_and(|value| text(out, value))
    };
    let unless_empty = |value: &Option<crate::Bytes>, out: &mut Vec<u8>| {
        value.as_ref().is_some_and(|value| some(out, value))
    };
    let among_fields = |first: Option<&[u8]>, out: &mut Vec<u8>| {
        let fields = head.fields.iter();
        let named = fields.filter(|(known, _)| is_field(known, name));
        join(
            first.into_iter().chain(named.map(|(_, value)| &**value)),
            b", ",
            out,
        )
    };
    match name {
        b"date" if head.date.is_some() => unless_empty(&head.date, out),
        b"server" if head.server.is_some() => unless_empty(&head.server, out),
        b"content_type" => head.write_content_type(out),
        b"content_length" => head.content_length.is_some_and(|length| print(out, length)),
        b"content_encoding" => among_fields(head.content_encoding.as_deref(), out),
        b"last_modified" => match &head.last_modified {
            None => false,
            Some(LastModified::At(time)) => text(out, base::date::http(*time).as_bytes()),
            Some(LastModified::Said(said)) => text(out, said),
        },
        // What a peer said of itself, and stays as it said it, is among the fields.
        b"location" if head.location.is_some() => head
            .location
            .as_ref()
            .is_some_and(|location| text(out, &crate::redirect::location_field(request, location))),
        b"connection" => sent_connection(request, head, out),
        b"keep_alive" => {
            let settings = &request.location.transfer;
            let seconds = *settings.keepalive_header;
            let is_sent = request.keep_alive.get() && seconds > 0;
            is_sent && write!(out, "timeout={seconds}").is_ok()
        }
        b"transfer_encoding" => {
            let framing = crate::connection::render::framing_of(request, head);
            let chunked = framing == crate::connection::render::BodyFraming::Chunked;
            chunked && text(out, b"chunked")
        }
        b"etag" => optional(&head.etag, out),
        _ => among_fields(None, out),
    }
}

fn sent_connection(request: &Request, head: &ResponseHead, out: &mut Vec<u8>) -> bool {
    let value: &[u8] = match (head.status, request.keep_alive.get()) {
        (0, _) => return false,
        (101, _) => b"upgrade",
        (_, true) => b"keep-alive",
        (_, false) => b"close",
    };
    text(out, value)
}

fn sent_trailer(request: &Request, name: &[u8], out: &mut Vec<u8>) -> bool {
    let trailers = request.sent.head.iter().flat_map(|head| &head.trailers);
    let values = trailers
        .filter(|(known, _)| is_field(known, name))
        .map(|(_, value)| &**value);
    join(values, b", ", out)
}

fn binary_remote_addr(request: &Request, out: &mut Vec<u8>) -> bool {
    match request.remote_addr().ip() {
        Some(std::net::IpAddr::V4(ip)) => text(out, &ip.octets()),
        Some(std::net::IpAddr::V6(ip)) => text(out, &ip.octets()),
        None => text(out, b"unix:"),
    }
}

fn content_length(request: &Request, out: &mut Vec<u8>) -> bool {
    if let Some(value) = request.header(Known::ContentLength) {
        return text(out, value);
    }
    // A chunked body's length is known once it was read.
    let length = request
        .body
        .as_ref()
        .filter(|_| request.incoming.is_chunked())
        .map(|b| b.len);
    length.is_some_and(|length| print(out, length))
}

fn seconds(out: &mut Vec<u8>, millis: u64) -> bool {
    decimal(millis / 1000, out);
    out.push(b'.');
    three_digits(u16::try_from(millis % 1000).unwrap_or(0), out);
    true
}

/// Appends `value`, from 0 to 999, with leading zeros. Logs print such numbers for every
/// request, and formatting machinery would be the larger part of their cost.
fn three_digits(value: u16, out: &mut Vec<u8>) {
    let digit = |power: u16| b'0' + u8::try_from(value / power % 10).unwrap_or(0);
    out.extend_from_slice(&[digit(100), digit(10), digit(1)]);
}

fn connection_time(request: &Request, out: &mut Vec<u8>) -> bool {
    let now = request.connection.http.worker.now();
    seconds(out, now.saturating_sub(request.connection.started))
}

fn request_time(request: &Request, out: &mut Vec<u8>) -> bool {
    let now = request.connection.http.worker.now();
    seconds(out, now.saturating_sub(request.started))
}

fn limit_rate(request: &Request, out: &mut Vec<u8>) -> bool {
    match request.limit_rate {
        Some(rate) => print(out, rate),
        None => {
            let settings = &request.location.transfer;
            let rate = settings.limit_rate.eval(request);
            print(out, base::units::parse_size(&rate).unwrap_or(0))
        }
    }
}

fn set_limit_rate(request: &mut Request, value: &[u8]) {
    if let Ok(rate) = base::units::parse_size(value) {
        request.limit_rate = Some(rate);
    }
}

fn proxy_address(request: &Request, out: &mut Vec<u8>, ours: bool, port: bool) -> bool {
    let Some(header) = request.connection.proxy() else {
        return false;
    };
    let Some(address) = (if ours {
        header.destination()
    } else {
        header.source()
    }) else {
        return false;
    };
    match port {
        true => print(out, address.port()),
        false => write!(out, "{}", address.ip()).is_ok(),
    }
}

fn proxy_tlv(request: &Request, name: &[u8], out: &mut Vec<u8>) -> bool {
    let header = request.connection.proxy();
    let value = header.and_then(|header| header.tlv_by_name(name));
    value.is_some_and(|value| text(out, &value))
}

fn remote_addr(request: &Request, out: &mut Vec<u8>) -> bool {
    let address = request.remote_addr();
    if let Some(std::net::IpAddr::V4(ip)) = address.ip() {
        let [a, b, c, d] = ip.octets();
        decimal(a.into(), out);
        for part in [b, c, d] {
            out.push(b'.');
            decimal(part.into(), out);
        }
        return true;
    }
    // Writing to memory does not fail.
    write!(out, "{}", address.host()).is_ok()
}

fn remote_user(request: &Request, out: &mut Vec<u8>) -> bool {
    if let Some(user) = &request.user {
        return some(out, user);
    }
    request
        .basic_credentials()
        .is_some_and(|(user, _)| some(out, &user))
}

fn request_body(request: &Request, out: &mut Vec<u8>) -> bool {
    match &request.body {
        Some(body) if body.file.is_none() => some(out, &body.memory),
        _ => false,
    }
}

/// 16 random bytes in hexadecimal, the same for the whole request.
fn request_id(request: &Request, out: &mut Vec<u8>) -> bool {
    let id = request.random_id();
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in id {
        out.push(DIGITS[usize::from(byte >> 4)]);
        out.push(DIGITS[usize::from(byte & 15)]);
    }
    true
}

fn status(request: &Request, out: &mut Vec<u8>) -> bool {
    // An answer keeps the status of the error that it stands for. Filters ask before it is sent.
    let head = request.sent.head.as_ref();
    let status = match request.sent.status {
        0 => head.map_or(0, |head| head.status),
        sent => sent,
    };
    let status = request.error_status.unwrap_or(status);
    three_digits(status, out);
    true
}

fn tcp_info(
    request: &Request,
    out: &mut Vec<u8>,
    value: fn(&sys::tcp_info::TcpInfo) -> u32,
) -> bool {
    let info = sys::tcp_info::of(request.connection.stream.fd());
    info.is_ok_and(|info| print(out, value(&info)))
}
