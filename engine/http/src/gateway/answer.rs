//! What becomes of a peer's answer: another URI, an error page, a tunnel, or a response.

use super::claim::Claim;
use super::codec::{Codec, UpstreamHead};
use super::conversation::Call;
use super::exchange::Received;
use super::failure::Doing;
use super::head;
use super::pool::PeerStream;
use super::read_ahead::{self, ReadAhead};
use super::record::{add, records};
use super::relay::{Lease, Relay, Watched};
use super::settings::ignore;
use super::store;
use super::tunnel;
use crate::body::Body;
use crate::bytes::Bytes;
use crate::error::Error;
use crate::module::Flow;
use crate::request::Request;
use crate::response::{Response, ResponseHead};
use http1::{Known, Method, ResponseName};
use std::rc::Rc;

/// A response whose head was read.
pub(super) struct Answer {
    pub(super) peer: PeerStream,
    pub(super) received: Received,
}

/// Makes of `answer` what the configuration and the answer itself say.
pub(super) fn give<C: Codec>(
    request: &mut Request,
    call: Box<Call<C>>,
    claim: Claim,
    answer: Answer,
) -> Result<Flow, Error> {
    let Answer { peer, received } = answer;
    let Received {
        head,
        input,
        consumed,
        is_sent,
    } = received;
    if head.status == 101 && request.header(Known::Upgrade).is_none() {
        // Nobody asked for another protocol: what follows would be read as something it is not.
        let message = "upstream switched protocols for a request that did not ask for it";
        request.log(runtime::log::Level::Error, message);
        claim.record.finish(request.connection.http.worker.now());
        // As in nginx, without a page: the client may take whatever follows for the protocol.
        let mut refusal = Response::new(502);
        refusal.head.content_length = Some(0);
        refusal.head.must_close = true;
        return Ok(Flow::respond(refusal));
    }
    if head.is_tunnel {
        let response = head::response(request, &call, &head)?;
        let rules = tunnel::Rules::of(request, &call.settings, head.status);
        remember(request, head);
        let early = input.get(consumed..).unwrap_or_default().to_vec();
        return Ok(tunnel::open(request, response, (peer, claim), early, rules));
    }
    // A connection that began with who its client is serves no other.
    let keeps = head.keep_alive && is_sent && *call.settings.proxy_protocol == 0;
    let mut lease = Lease::new(request, &call.upstream, (peer, claim), keeps);
    head::keep_charset(request, &call.settings, &head);
    let redirected = redirected(request, &call, &head);
    if let Some(flow) = redirected {
        if !head.has_body && input.len() == consumed {
            lease.complete();
        }
        remember(request, head);
        return Ok(flow);
    }
    let wants_buffering = head::wants_buffering(&call.settings, &head);
    let response = head::response(request, &call, &head)?;
    let settings = Rc::clone(&call.settings);
    let body = body(
        request,
        call,
        lease,
        &head,
        (input, consumed),
        wants_buffering,
    );
    remember(request, head);
    let body = store::keep(request, &settings, &response, body?)?;
    Ok(Flow::respond(Response {
        head: response,
        body,
    }))
}

/// Keeps the head for variables.
fn remember(request: &mut Request, head: Box<UpstreamHead>) {
    records(request).head = Some(head);
}

/// The body: at once where all of it is here, else as it comes.
fn body<C: Codec>(
    request: &mut Request,
    call: Box<Call<C>>,
    mut lease: Lease,
    head: &UpstreamHead,
    (input, consumed): (Vec<u8>, usize),
    wants_buffering: bool,
) -> Result<Body, Error> {
    let rest = input.len() - consumed;
    let announced = if head.has_body { head.length } else { Some(0) };
    if announced.is_some_and(|length| (rest as u64) > length) && request.method != Method::Head {
        let doing = Doing::ReadingBody.text();
        let what = "upstream sent more data than specified in \"Content-Length\" header";
        request.log(runtime::log::Level::Warn, &format!("{what} {doing}"));
    }
    if !head.has_body {
        // Bytes that belong to no response make the connection worthless.
        if input.len() == consumed {
            lease.complete();
        }
        request.connection.http.give_buffer(input);
        return Ok(Body::Empty);
    }
    if let (Some(start), Some(length)) = (head.body_start, head.length)
        && length == rest as u64
    {
        add(&lease.record().response_length, rest);
        lease.complete();
        request.connection.http.give_buffer(input);
        let all = Bytes::Shared(Rc::clone(&head.bytes));
        return Ok(Body::Bytes(all.slice(start, head.bytes.len())));
    }
    let trailers = head::PassedTrailers::of(request, &call, head);
    let watches = super::exchange::watches(request, &call.settings);
    let finishes = *call.settings.ignore_client_abort;
    let connection = Rc::clone(&request.connection);
    let limits = wants_buffering.then(|| read_ahead::Limits::of(&call.settings));
    let relay = Relay::new(request, call, lease, (input, consumed));
    let Some(limits) = limits else {
        return Ok(Body::from_source(
            Watched::new(relay, connection, watches).passing_trailers(trailers),
        ));
    };
    let ahead = ReadAhead::new(relay, &connection, limits, finishes);
    Ok(Body::from_source(
        Watched::new(ahead, connection, watches).passing_trailers(trailers),
    ))
}

/// Where the request goes instead: to an error page or to the URI that the peer names.
fn redirected<C>(request: &mut Request, call: &Call<C>, head: &UpstreamHead) -> Option<Flow> {
    if head.status >= 300 && *call.settings.intercept_errors {
        let location = Rc::clone(&request.location);
        let mut pages = location.respond.error_pages.iter();
        if pages.any(|page| page.codes.contains(&head.status)) {
            if head.status == 401 {
                keep_fields(request, call, head, &[ResponseName::WwwAuthenticate]);
            }
            return Some(Flow::Status(head.status));
        }
    }
    if *call.settings.ignore_headers & ignore::REDIRECT != 0 {
        return None;
    }
    let target = head.value(ResponseName::XAccelRedirect)?.to_vec();
    head::apply_limit_rate(request, &call.settings, head);
    keep_fields(
        request,
        call,
        head,
        &[
            ResponseName::ContentType,
            ResponseName::SetCookie,
            ResponseName::CacheControl,
            ResponseName::Expires,
            ResponseName::AcceptRanges,
        ],
    );
    if let Some(name) = target.strip_prefix(b"@") {
        return Some(Flow::Named(name.to_vec()));
    }
    // What a server says is a name as it stands: `#` and several slashes belong to it.
    let split = http1::uri::split_unsafe(&target).ok();
    let Some((uri, args)) = split.filter(|(path, _)| path.starts_with(b"/")) else {
        let shown = String::from_utf8_lossy(&target).into_owned();
        let doing = Doing::ReadingHead.text();
        let message = format!("unsafe URI \"{shown}\" was detected {doing}");
        request.log(runtime::log::Level::Error, &message);
        return Some(Flow::Status(404));
    };
    if request.method != Method::Head {
        request.method = Method::Get;
    }
    let (uri, args) = (uri.into_owned(), args.unwrap_or_default().to_vec());
    Some(Flow::Redirect { uri, args })
}

/// Keeps fields of a response that is thrown away for the one that takes its place.
fn keep_fields<C>(
    request: &mut Request,
    call: &Call<C>,
    head: &UpstreamHead,
    names: &[ResponseName],
) {
    let mut seen = 0;
    for field in &head.fields {
        if !head::counts(request, head, field, &mut seen) || !names.contains(&field.known) {
            continue;
        }
        let rewritten = match field.known {
            ResponseName::AcceptRanges if *call.settings.force_ranges => continue,
            ResponseName::SetCookie => {
                let value = field.value.of(&head.bytes);
                call.rewrite.cookie(request, value).map(Bytes::from)
            }
            _ => None,
        };
        let value = rewritten.unwrap_or_else(|| head.share(field.value));
        request.extra_fields.push((head.share(field.name), value));
    }
    let disposition = b"Content-Disposition";
    for field in &head.fields {
        if names.len() > 1 && field.name.of(&head.bytes).eq_ignore_ascii_case(disposition) {
            let kept = (head.share(field.name), head.share(field.value));
            request.extra_fields.push(kept);
        }
    }
}

/// The media type that was kept from a response for the one that takes its place, where that
/// would be named by its extension alone.
pub(crate) fn kept_type(request: &Request) -> Option<Bytes> {
    // The last of several: each took the place of the one before.
    let mut kept = request.extra_fields.iter().rev();
    let (_, value) = kept.find(|(name, value)| is_type(name) && !value.is_empty())?;
    Some(head::split_type(value.clone()).0)
}

fn is_type(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"Content-Type")
}

/// Puts fields kept from earlier into the head of the final response, before its own: of cookies
/// of one name the later counts. The last kept type is that of a response without one, and its charset
/// stays, whoever says the type, as in nginx.
pub(crate) fn merge_kept(request: &mut Request, head: &mut ResponseHead) {
    if request.extra_fields.is_empty() {
        return;
    }
    let mut fields = std::mem::take(&mut request.extra_fields);
    for (_, value) in fields.iter().rev().filter(|(name, _)| is_type(name)) {
        let (kind, charset) = head::split_type(value.clone());
        head.charset = head.charset.take().or(charset);
        head.content_type.get_or_insert(kind);
    }
    fields.retain(|(name, _)| !is_type(name));
    fields.append(&mut head.fields);
    head.fields = fields;
}
