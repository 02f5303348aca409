//! Whole connections: random bytes of a client, random bytes of a server behind.

use crate::boxed::{Boxed, Visit};
use crate::pieces;
use crate::wire::{Asked, Seen, asked, chunks, read_request, seen};
use http1::{ResponseBody, ResponseHead, ResponseParser, response_framing};

/// What parts an input: the client's bytes, then those of each answer.
pub(crate) const MARK: &[u8] = b"\n====\n";

/// How often a request may be sent elsewhere; the server's own limit is this.
const REDIRECTS_MAX: usize = 10;

/// Four ways to pass requests on.
const CONFIGURATION: &str = "
    access_log off;
    client_body_buffer_size 64k;
    proxy_next_upstream off;
    server { listen 127.0.0.1:1; location / { proxy_pass http://{upstream}:/; } }
    server { listen 127.0.0.1:2; location / {
        proxy_pass http://{upstream}:; proxy_buffering off; proxy_pass_request_trailers on;
    } }
    server {
        listen 127.0.0.1:3;
        location / {
            proxy_pass http://{upstream}:;
            proxy_request_buffering off;
            proxy_pass_trailers on;
            proxy_pass_request_trailers on;
        }
    }
    server { listen 127.0.0.1:4; location / { proxy_pass http://{upstream}:; proxy_http_version 1.0; } }
";

/// Plays a connection: the first byte says how, the rest is cut at `MARK`.
///
/// # Panics
///
/// When what reaches the upstream is not exactly requests of the client, what reaches the client
/// is not well framed, what is cut short looks whole, or something is held at the end.
pub fn exchange(data: &[u8]) {
    let Some((&how, data)) = data.split_first() else {
        return;
    };
    let mut parts = split(data).into_iter();
    let client = parts.next().unwrap_or_default();
    let answers: Vec<&[u8]> = parts.collect();
    let sent = pieces::of(client);
    let closes = how & 4 != 0;
    let address = usize::from(how & 3);
    let server = Boxed::new(CONFIGURATION).expect("a configuration");
    let outcome = server.converse(address, &sent, &answers, closes);
    let asked = asked(client);
    let passed = passed(&outcome.visits, &answers);
    // The upstream may send requests elsewhere, which is to itself again.
    let redirects = has(&answers, b"x-accel-redirect");
    if redirects {
        check_redirected(&asked, &passed);
    } else {
        check_passed(&asked, &passed);
    }
    let seen = seen(&outcome, &asked);
    if redirects {
        return;
    }
    if let ([asked], [_], [seen], [visit]) =
        (&asked[..], &passed[..], &seen[..], &outcome.visits[..])
    {
        check_answer(asked, seen, &visit.said);
    }
}

/// The parts between marks.
pub(crate) fn split(mut data: &[u8]) -> Vec<&[u8]> {
    let mut parts = Vec::new();
    while let Some(at) = data.windows(MARK.len()).position(|part| part == MARK) {
        parts.push(&data[..at]);
        data = &data[at + MARK.len()..];
    }
    parts.push(data);
    parts
}

/// What came to the upstream, read as strictly as it can be. Only the last request of a
/// connection may be incomplete. Behind one that may have switched protocols anything goes.
fn passed(visits: &[Visit], answers: &[&[u8]]) -> Vec<Asked> {
    let switches = has(answers, b" 101");
    let mut all = Vec::new();
    for visit in visits {
        let mut rest = &visit.received[..];
        while !rest.is_empty() {
            let shown = rest.escape_ascii();
            let read = match read_request(rest) {
                Ok(read) => read,
                Err(reason) => panic!("the upstream was sent {shown}: {reason}"),
            };
            let Some((asked, len)) = read else {
                panic!("the upstream was sent a part of a head: {shown}");
            };
            let fault = asked.fault.as_ref();
            assert!(switches || fault.is_none(), "{fault:?} in {shown}");
            all.push(asked);
            if switches {
                break;
            }
            rest = len.map_or(&[], |len| &rest[len..]);
        }
    }
    all
}

/// Whether `text` is in one of `answers`.
fn has(answers: &[&[u8]], text: &[u8]) -> bool {
    let mut all = answers.iter().flat_map(|answer| answer.windows(text.len()));
    all.any(|part| part.eq_ignore_ascii_case(text))
}

/// The upstream saw requests of the client, in their order and at most once, and no others.
fn check_passed(asked: &[Asked], passed: &[Asked]) {
    let mut left = asked.iter();
    for one in passed {
        assert!(
            left.any(|asked| is_same(asked, one)),
            "{passed:?} of {asked:?}"
        );
    }
}

/// Whether `one` is what becomes of `asked`: with all of its body, or as much as came before
/// somebody left.
fn is_same(asked: &Asked, one: &Asked) -> bool {
    let body = if one.is_whole {
        asked.is_whole && one.body == asked.body
    } else {
        asked.body.starts_with(&one.body)
    };
    asked.method == one.method && body
}

/// The same where a request may be passed on again, as one for the content of another URI.
fn check_redirected(asked: &[Asked], passed: &[Asked]) {
    for one in passed {
        let is_of = |asked: &Asked| {
            is_same(asked, one) || one.method == b"GET" && asked.body.starts_with(&one.body)
        };
        assert!(asked.iter().any(is_of), "{passed:?} of {asked:?}");
    }
    assert!(
        passed.len() <= asked.len() * (REDIRECTS_MAX + 1),
        "{passed:?} of {asked:?}"
    );
}

/// One request and one answer: what is whole is the same at both ends.
fn check_answer(asked: &Asked, seen: &Seen, answer: &[u8]) {
    let Some(body) = &seen.body else {
        return;
    };
    // Statuses of errors may be of our own making.
    if seen.status >= 400 || asked.is_head {
        return;
    }
    let Some((status, expected)) = read_answer(answer) else {
        panic!("whole out of {}", answer.escape_ascii());
    };
    if status == seen.status {
        assert_eq!(Some(body), expected.as_ref(), "{}", answer.escape_ascii());
    }
}

/// The final status of an answer and its body, if that is complete; a body that ends with the
/// connection is, as the upstream always closes in the end.
fn read_answer(mut answer: &[u8]) -> Option<(u16, Option<Vec<u8>>)> {
    loop {
        let mut head = ResponseHead::default();
        let len = ResponseParser::default().parse(answer, &mut head).ok()??;
        let rest = &answer[len..];
        if (100..200).contains(&head.status) {
            answer = rest;
            continue;
        }
        let body = match response_framing(&head, answer, false).ok()?.body {
            ResponseBody::None => Some(Vec::new()),
            ResponseBody::Length(length) => usize::try_from(length)
                .ok()
                .and_then(|length| Some(rest.get(..length)?.to_vec())),
            ResponseBody::Chunked => chunks(rest).ok()?.map(|(content, _)| content),
            ResponseBody::UntilClose => Some(rest.to_vec()),
        };
        return Some((head.status, body));
    }
}
