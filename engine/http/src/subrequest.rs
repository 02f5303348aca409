//! Requests made for another request: what `auth_request` asks, what SSI and `addition` put in,
//! what `mirror` sends away.
//!
//! A subrequest has the head of the request that it is made for, and shares with it the body as
//! far as it was read and the values of variables. Nobody asks it for access again. It runs
//! nowhere but in the future, or the body, that it was made for: when that is dropped, so is it.

use crate::body::{Body, Chunk, Source};
use crate::connection::h1;
use crate::error::{Abort, Error};
use crate::in_memory::InMemory;
use crate::phase;
use crate::request::Request;
use crate::response::Response;
use http1::Method;
use runtime::log::Level;
use std::any::{Any, TypeId};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

/// How many subrequests one request may lead to in all: a page that includes itself twice must
/// come to an end.
const COUNT_MAX: u32 = 64_535;

/// What all requests made for one main request share.
#[derive(Default)]
pub struct Family {
    /// Subrequests so far.
    count: Cell<u32>,
    shared: RefCell<HashMap<TypeId, Rc<dyn Any>>>,
}

impl Family {
    /// The value of type `T`, made at its first use: what a filter of the main request tells
    /// those of its subrequests.
    pub fn shared<T: Default + 'static>(&self) -> Rc<T> {
        let mut shared = self.shared.borrow_mut();
        let entry = shared
            .entry(TypeId::of::<T>())
            .or_insert_with(|| Rc::<T>::default());
        Rc::clone(entry)
            .downcast()
            .expect("the entry is kept under its own type")
    }
}

impl Request {
    /// The value of type `T` that all requests made for one main request share.
    pub fn shared<T: Default + 'static>(&self) -> Rc<T> {
        self.family().shared()
    }
}

/// A request for `uri` with `args`, made for `parent` and not begun yet. Its method is GET.
///
/// # Errors
///
/// There are too many within one another, or too many in all: the response that needs it cannot
/// be completed.
pub fn subrequest(parent: &Request, uri: Vec<u8>, args: Vec<u8>) -> Result<Box<Request>, Error> {
    let family = parent.family();
    let count = family.count.get() + 1;
    if parent.nesting_left == 0 || count > COUNT_MAX {
        let shown = String::from_utf8_lossy(&uri).into_owned();
        let message = format!("subrequests cycle while processing \"{shown}\"");
        parent.log(Level::Error, &message);
        return Err(Abort::SourceFailed.into());
    }
    family.count.set(count);
    let mut request = Box::new(parent.nested());
    request.method = Method::Get;
    request.uri = uri;
    request.args = args;
    request.is_internal = true;
    request.is_subrequest = true;
    Ok(request)
}

/// Makes the response of a subrequest, filters applied.
///
/// # Errors
///
/// There is none, and its main request can have none either.
pub async fn serve(request: &mut Request) -> Result<Response, Abort> {
    let response = phase::serve_nested(request).await?;
    request.sent.status = response.head.status;
    Ok(response)
}

/// Ends a subrequest whose response was used: logs it, where the location says so.
pub fn finish(request: &mut Request) {
    request.sent.is_complete = true;
    if *request.location.respond.log_subrequest {
        h1::log(request);
    }
}

/// A subrequest and its response, to be polled by whoever puts the response somewhere.
pub struct Nested {
    state: State,
}

enum State {
    Answering(Pin<Box<dyn Future<Output = Answered>>>),
    Answered(Box<Request>, Body),
    Ended,
}

type Answered = (Box<Request>, Result<Response, Abort>);

impl Nested {
    /// Begins `request`, as soon as this is polled.
    pub fn new(mut request: Box<Request>) -> Self {
        let answer = async move {
            let response = serve(&mut request).await;
            (request, response)
        };
        Self {
            state: State::Answering(Box::pin(answer)),
        }
    }

    /// Waits for the response to begin.
    ///
    /// # Errors
    ///
    /// There is none.
    pub fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let State::Answering(answer) = &mut self.state else {
            return Poll::Ready(Ok(()));
        };
        let (mut request, response) = ready!(answer.as_mut().poll(cx));
        self.state = State::Ended;
        let Response { head, body } = response?;
        request.sent.head = Some(head);
        self.state = State::Answered(request, body);
        Poll::Ready(Ok(()))
    }

    /// The request, while its response is sent; `$status` and the fields of the response's head
    /// are known of it.
    pub fn request(&self) -> Option<&Request> {
        match &self.state {
            State::Answered(request, _) => Some(request),
            State::Answering(_) | State::Ended => None,
        }
    }

    /// The status and the whole body, in at most as many bytes as the location's
    /// `subrequest_output_buffer_size`.
    ///
    /// # Errors
    ///
    /// It is longer, or fails.
    pub async fn into_memory(mut self) -> Result<(u16, Vec<u8>), Error> {
        poll_fn(|cx| self.poll_head(cx)).await?;
        let State::Answered(mut request, body) = self.state else {
            return Err(Abort::SourceFailed.into());
        };
        let limit = *request.location.respond.subrequest_buffer;
        let head = request.sent.head.as_ref();
        let length = head.and_then(|head| head.content_length);
        if let Some(length) = length.filter(|length| *length > limit) {
            return Err(too_big(&request, &format!(": {length}")));
        }
        let mut body = InMemory::new(&request, body);
        let mut all = Vec::new();
        while let Some(bytes) = poll_fn(|cx| body.poll_bytes(cx)).await? {
            if (all.len() + bytes.len()) as u64 > limit {
                return Err(too_big(&request, ""));
            }
            all.extend_from_slice(&bytes);
        }
        request.sent.body_bytes = all.len() as u64;
        finish(&mut request);
        Ok((request.sent.status, all))
    }
}

/// What a response that does not fit its buffer ends the main request with.
fn too_big(request: &Request, length: &str) -> Error {
    let message = format!("too big subrequest response{length}");
    request.log(Level::Error, &message);
    Abort::SourceFailed.into()
}

impl Source for Nested {
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Chunk>, Error>> {
        ready!(self.poll_head(cx))?;
        let State::Answered(request, body) = &mut self.state else {
            return Poll::Ready(Ok(None));
        };
        match ready!(body.poll_chunk(cx))? {
            Some(chunk) => {
                request.sent.body_bytes += chunk.len();
                Poll::Ready(Ok(Some(chunk)))
            }
            None => {
                finish(request);
                self.state = State::Ended;
                Poll::Ready(Ok(None))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_shares_one_value_of_a_type() {
        let family = Family::default();
        let count: Rc<Cell<u32>> = family.shared();
        count.set(7);
        assert_eq!(family.shared::<Cell<u32>>().get(), 7);
        assert_eq!(family.shared::<Cell<u64>>().get(), 0);
    }
}
