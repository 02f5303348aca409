//! What is here already of a body that is passed on as it comes.

use crate::error::Error;
use crate::request::Request;
use crate::request_body::ReceivedBody;
use http1::Method;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

/// Whether there is a body to pass on. Where a part of it went to a server that then sent the
/// request elsewhere, nothing is passed instead of the rest.
///
/// # Errors
///
/// A part is missing and the method does not do without it.
pub(super) fn is_there(request: &Request) -> Result<bool, Error> {
    if request.body.is_some() || request.incoming.is_untouched() {
        return Ok(true);
    }
    if !matches!(request.method, Method::Get | Method::Head) {
        request.check_body_is_untouched()?;
    }
    Ok(false)
}

/// Moves what has arrived of the body to `out`, without waiting for more. Gives `true` when
/// that was all of it: then it is a body like any that was read before the peer is asked.
///
/// # Errors
///
/// As of reading a body.
pub(super) async fn take(request: &mut Request, out: &mut Vec<u8>) -> Result<bool, Error> {
    let (buffer, max) = {
        let settings = &request.location.receive;
        (*settings.buffer_size, *settings.max_size)
    };
    while (out.len() as u64) < buffer {
        match next_now(request, out).await {
            None => return Ok(false),
            Some(Ok(true)) => {}
            Some(Ok(false)) => {
                let mut body = ReceivedBody::default();
                body.len = out.len() as u64;
                body.memory = std::mem::take(out);
                body.trailers = request.trailers();
                request.body = Some(body.into());
                return Ok(true);
            }
            Some(Err(error)) => return Err(error),
        }
        let size = request.body_bytes_received();
        if max > 0 && size > max {
            let reason = format!("client intended to send too large chunked body: {size} bytes");
            return Err(Error::client(413, reason));
        }
    }
    Ok(false)
}

/// The next part if it is here; `None` if it must be waited for.
async fn next_now(request: &mut Request, out: &mut Vec<u8>) -> Option<Result<bool, Error>> {
    let mut next = pin!(request.next_body_part(out));
    poll_fn(|cx| {
        Poll::Ready(match next.as_mut().poll(cx) {
            Poll::Ready(part) => Some(part),
            Poll::Pending => None,
        })
    })
    .await
}
