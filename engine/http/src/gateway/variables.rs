//! `$upstream_*`.
//!
//! Source: nginx documentation, ngx_http_upstream_module, embedded variables.

use super::head::is_new;
use super::record::{Record, Records};
use crate::request::Request;
use crate::variable::Variable;
use http1::ResponseName;
use runtime::Millis;

/// The table.
pub(super) const VARIABLES: &[Variable] = &[
    Variable::new("upstream_addr", |request, out| {
        each(request, out, |record, _, out| {
            out.extend_from_slice(record.peer.as_bytes());
        })
    }),
    Variable::new("upstream_last_addr", |request, out| {
        let Some(record) = records(request).and_then(Records::last) else {
            return false;
        };
        let peer: &str = &record.peer;
        // Without the port, and of an IPv6 address without brackets, as `geo` takes it.
        let host = match peer.strip_prefix("unix:") {
            Some(_) => peer,
            None => engine::address::split_host(peer).map_or(peer, |(host, _)| host),
        };
        out.extend_from_slice(host.as_bytes());
        true
    }),
    Variable::new("upstream_last_server_name", |request, out| {
        let Some(record) = records(request).and_then(Records::last) else {
            return false;
        };
        let server = &record.server;
        let name = engine::address::split_host(server).map_or(&**server, |(host, _)| host);
        out.extend_from_slice(name.as_bytes());
        true
    }),
    Variable::new("upstream_status", |request, out| {
        each(request, out, |record, _, out| match record.status.get() {
            0 => out.push(b'-'),
            status => out.extend_from_slice(status.to_string().as_bytes()),
        })
    }),
    Variable::new("upstream_queue_time", |request, out| {
        each(request, out, |record, _, out| {
            time(record.queue_time.get(), out)
        })
    }),
    Variable::new("upstream_connect_time", |request, out| {
        each(request, out, |record, _, out| {
            time(record.connect_time.get(), out)
        })
    }),
    Variable::new("upstream_header_time", |request, out| {
        each(request, out, |record, _, out| {
            time(record.header_time.get(), out)
        })
    }),
    Variable::new("upstream_response_time", |request, out| {
        each(request, out, |record, is_known, out| {
            time(record.response_time.get().filter(|_| is_known), out);
        })
    }),
    Variable::new("upstream_response_length", |request, out| {
        each(request, out, |record, is_known, out| {
            number(
                if is_known {
                    record.response_length.get()
                } else {
                    0
                },
                out,
            );
        })
    }),
    Variable::new("upstream_bytes_received", |request, out| {
        each(request, out, |record, _, out| {
            number(record.received.get(), out)
        })
    }),
    Variable::new("upstream_bytes_sent", |request, out| {
        each(request, out, |record, _, out| {
            number(record.sent.get(), out)
        })
    }),
    Variable::family("upstream_http_", |request, name, out| {
        let Some(records) = records(request) else {
            return false;
        };
        let Some(head) = &records.head else {
            return false;
        };
        let mut seen = 0;
        let values = head
            .fields
            .iter()
            .filter(|field| is_variable_name(field.name.of(&head.bytes), name))
            .filter(|field| is_new(field, &mut seen))
            .map(|field| field.value.of(&head.bytes));
        // These an answer by HTTP always has in nginx, be they empty.
        let is_assumed = || matches!(name, b"date" | b"server");
        join(values, out) || is_assumed() && records.scheme == "http://"
    }),
    Variable::family("upstream_trailer_", |request, name, out| {
        let Some(trailers) = records(request).and_then(|known| known.trailers.as_ref()) else {
            return false;
        };
        let trailers = trailers.borrow();
        let values = trailers
            .iter()
            .filter(|(field, _)| is_variable_name(field, name));
        join(values.map(|(_, value)| &**value), out)
    }),
    Variable::family("upstream_cookie_", |request, name, out| {
        let Some(head) = records(request).and_then(|known| known.head.as_ref()) else {
            return false;
        };
        let cookies = head.fields.all(ResponseName::SetCookie);
        let mut values = cookies.filter_map(|field| cookie(field.value.of(&head.bytes), name));
        let Some(value) = values.next() else {
            return false;
        };
        out.extend_from_slice(value);
        true
    }),
];

fn records(request: &Request) -> Option<&Records> {
    request.records.as_deref()
}

/// Writes something of every attempt: `a, b : c`. The second argument of `write` says whether
/// the attempt's response has come as far as the client's log would see it.
fn each(request: &Request, out: &mut Vec<u8>, write: impl Fn(&Record, bool, &mut Vec<u8>)) -> bool {
    let Some(records) = records(request).filter(|r| !r.attempts.is_empty()) else {
        return false;
    };
    let last = records.attempts.len() - 1;
    let mut separator: &[u8] = b"";
    for (index, attempt) in records.attempts.iter().enumerate() {
        match attempt {
            Some(record) => {
                out.extend_from_slice(separator);
                let is_known = index < last || request.sent.status != 0 || records.is_copy;
                write(record, is_known, out);
                separator = b", ";
            }
            None => separator = b" : ",
        }
    }
    true
}

fn time(millis: Option<Millis>, out: &mut Vec<u8>) {
    match millis {
        Some(ms) => out.extend_from_slice(format!("{}.{:03}", ms / 1000, ms % 1000).as_bytes()),
        None => out.push(b'-'),
    }
}

fn number(value: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(value.to_string().as_bytes());
}

/// Whether a field's name is `name` as variables write it: lower case, dashes as underscores.
fn is_variable_name(field: &[u8], name: &[u8]) -> bool {
    let plain = |byte: &u8| match byte {
        b'-' => b'_',
        other => other.to_ascii_lowercase(),
    };
    field.len() == name.len() && field.iter().map(plain).eq(name.iter().map(plain))
}

fn join<'v>(values: impl Iterator<Item = &'v [u8]>, out: &mut Vec<u8>) -> bool {
    let mut is_found = false;
    for value in values {
        if std::mem::replace(&mut is_found, true) {
            out.extend_from_slice(b", ");
        }
        out.extend_from_slice(value);
    }
    is_found
}

/// The value of cookie `name` in a `Set-Cookie` field.
fn cookie<'v>(field: &'v [u8], name: &[u8]) -> Option<&'v [u8]> {
    let spaces = |text: &[u8]| text.iter().take_while(|&&byte| byte == b' ').count();
    let pair = field.split(|&byte| byte == b';').next()?.trim_ascii();
    let (known, rest) = pair.split_at_checked(name.len())?;
    let value = rest.get(spaces(rest)..)?.strip_prefix(b"=")?;
    let value = value.get(spaces(value)..)?;
    known.eq_ignore_ascii_case(name).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_cookies() {
        assert!(is_variable_name(b"X-Accel-Redirect", b"x_accel_redirect"));
        assert!(!is_variable_name(b"X-Accel", b"x_accel_redirect"));
        assert_eq!(cookie(b"uid=abc; path=/", b"uid"), Some(&b"abc"[..]));
        assert_eq!(cookie(b"uid2=abc", b"uid"), None);
        assert_eq!(cookie(b"uid=", b"uid"), Some(&b""[..]));
        assert_eq!(cookie(b"uid = a b", b"uid"), Some(&b"a b"[..]));
    }

    #[test]
    fn times() {
        let mut out = Vec::new();
        time(Some(1_005), &mut out);
        time(None, &mut out);
        assert_eq!(out, b"1.005-");
    }
}
