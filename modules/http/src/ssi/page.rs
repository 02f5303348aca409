//! A page while it is sent: its text and what is included in it, in order.
//!
//! What the page's body has ready is read at once, and every include in it begun, so that those
//! that wait for somebody wait together; they are sent one after the other. After an include
//! that the page waits for, nothing more is read until it was sent.

use super::commands::Progress;
use super::memory::Memory;
use super::scanner::{Event, Scanner};
use super::{SETTINGS, Settings};
use http::body::Chunk;
use http::subrequest::Nested;
use http::{Body, Bytes, Error, InMemory, Request, Source};
use std::collections::VecDeque;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

/// Parts that may be read while the first of them waits.
const PARTS_MAX: usize = 64;

/// Bytes of text among them.
const TEXT_MAX: usize = 64 << 10;

/// A page.
pub(super) struct Page {
    /// The request that it answers, for variables and to include from.
    pub(super) request: Box<Request>,
    pub(super) settings: Rc<Settings>,
    pub(super) memory: Rc<Memory>,
    /// Where in conditions and blocks it is.
    pub(super) progress: Progress,
    inner: InMemory,
    /// What of the body was pulled and not read yet.
    unread: Bytes,
    has_ended: bool,
    scanner: Scanner,
    parts: VecDeque<Part>,
    /// Whether nothing is read before all parts were sent.
    waits: bool,
}

/// What is to be sent, or to be waited for.
pub(super) enum Part {
    /// Text.
    Text(Vec<u8>),
    /// Another response.
    Include(Box<Include>),
    /// Another response, to be the value of a variable.
    Value(Vec<u8>, Value),
}

/// The status and the body of a response that becomes a value.
pub(super) type Value = Pin<Box<dyn Future<Output = Result<(u16, Vec<u8>), Error>>>>;

impl Page {
    /// The page with `body` that answers `request`.
    pub(super) fn new(request: Box<Request>, body: Body) -> Self {
        let settings = SETTINGS.share(&request.location.settings);
        let value_max = usize::try_from(*settings.value_length).unwrap_or(usize::MAX);
        Self {
            memory: request.shared(),
            inner: InMemory::new(&request, body),
            request,
            settings,
            progress: Progress::default(),
            unread: Bytes::EMPTY,
            has_ended: false,
            scanner: Scanner::new(value_max),
            parts: VecDeque::new(),
            waits: false,
        }
    }

    /// Adds text that is sent.
    pub(super) fn add_text(&mut self, text: &[u8]) {
        match self.parts.back_mut() {
            Some(Part::Text(last)) => last.extend_from_slice(text),
            _ => self.parts.push_back(Part::Text(text.to_vec())),
        }
    }

    /// Adds another response; nothing is read behind it until it was sent, if the page `waits`.
    pub(super) fn add(&mut self, part: Part, waits: bool) {
        self.parts.push_back(part);
        self.waits = waits;
    }

    /// Reads what was pulled, as far as nothing must be waited for.
    fn read(&mut self) {
        let unread = std::mem::take(&mut self.unread);
        let mut input = &*unread;
        while !self.waits
            && let Some(event) = self.scanner.next(&mut input)
        {
            self.take(event);
        }
        let at = unread.len() - input.len();
        let end = unread.len();
        self.unread = unread.slice(at, end);
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Text(text) if self.progress.is_shown() => self.add_text(&text),
            Event::Text(text) if self.progress.is_in_block() => self.memory.extend_block(&text),
            Event::Text(_) => {}
            Event::Command(command) => self.run(&command),
            Event::Broken(problem) => self.fail(&problem),
        }
    }

    /// Pulls more of the body.
    fn poll_pull(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        match ready!(self.inner.poll_bytes(cx))? {
            Some(bytes) => self.unread = bytes,
            None => {
                self.has_ended = true;
                if let Some(event) = self.scanner.end() {
                    self.take(event);
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Whether more may be pulled while the first part waits.
    fn may_read_on(&self) -> bool {
        let text = self.parts.iter().map(|part| match part {
            Part::Text(text) => text.len(),
            Part::Include(_) | Part::Value(..) => 0,
        });
        !self.waits
            && !self.has_ended
            && self.unread.is_empty()
            && self.parts.len() < PARTS_MAX
            && text.sum::<usize>() < TEXT_MAX
    }

    /// The next chunk of the first part; `None` when there is none left of any.
    fn poll_parts(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Chunk>, Error>> {
        loop {
            match self.parts.front_mut() {
                None => {
                    self.waits = false;
                    return Poll::Ready(Ok(None));
                }
                Some(Part::Text(text)) => {
                    let text = std::mem::take(text);
                    self.parts.pop_front();
                    return Poll::Ready(Ok(Some(Chunk::Bytes(text.into()))));
                }
                Some(Part::Include(include)) => {
                    if let Some(chunk) = ready!(include.poll_chunk(cx))? {
                        return Poll::Ready(Ok(Some(chunk)));
                    }
                }
                Some(Part::Value(name, value)) => {
                    let (status, value) = ready!(value.as_mut().poll(cx))?;
                    if status < 300 {
                        self.memory.set(name, value);
                    }
                }
            }
            self.parts.pop_front();
        }
    }

    /// Lets every response that is not sent yet begin.
    fn poll_others(&mut self, cx: &mut Context<'_>) -> Result<(), Error> {
        for part in self.parts.iter_mut().skip(1) {
            if let Part::Include(include) = part
                && let Poll::Ready(begun) = include.nested.poll_head(cx)
            {
                begun?;
            }
        }
        Ok(())
    }
}

impl Source for Page {
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Chunk>, Error>> {
        loop {
            self.read();
            match self.poll_parts(cx)? {
                Poll::Ready(Some(chunk)) if chunk.is_empty() => {}
                Poll::Ready(Some(chunk)) => return Poll::Ready(Ok(Some(chunk))),
                Poll::Ready(None) if !self.unread.is_empty() => {}
                Poll::Ready(None) if self.has_ended && self.parts.is_empty() => {
                    return Poll::Ready(Ok(None));
                }
                Poll::Ready(None) => ready!(self.poll_pull(cx))?,
                Poll::Pending => {
                    if self.may_read_on() && self.poll_pull(cx)?.is_ready() {
                        continue;
                    }
                    self.poll_others(cx)?;
                    return Poll::Pending;
                }
            }
        }
    }

    fn holds_head(&self) -> bool {
        // A value that is too long ends everything, as in nginx, which sends no head either.
        matches!(self.parts.front(), Some(Part::Value(..)))
    }

    fn take_trailers(&mut self) -> Vec<(Bytes, Bytes)> {
        self.inner.take_trailers()
    }
}

/// Another response in a page, with a text that takes its place when it is empty or fails.
pub(super) struct Include {
    nested: Nested,
    stub: Option<Vec<u8>>,
    /// The subrequest, to show the stub in its place.
    place: Option<Box<Request>>,
    /// The stub that is being shown.
    shown: Option<Box<dyn Source>>,
}

impl Include {
    /// The response of `request`.
    pub(super) fn new(mut request: Box<Request>, stub: Option<Vec<u8>>) -> Self {
        request.has_substitute = stub.is_some();
        Self {
            nested: Nested::new(request),
            stub,
            place: None,
            shown: None,
        }
    }

    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Chunk>, Error>> {
        if let Some(shown) = &mut self.shown {
            return shown.poll_chunk(cx);
        }
        ready!(self.nested.poll_head(cx))?;
        if self.stub.is_some() && self.place.is_none() {
            let request = self.nested.request();
            self.place = request.map(|request| Box::new(request.snapshot()));
        }
        loop {
            match ready!(self.nested.poll_chunk(cx))? {
                Some(chunk) if chunk.is_empty() => {}
                Some(chunk) => {
                    self.stub = None;
                    return Poll::Ready(Ok(Some(chunk)));
                }
                None => break,
            }
        }
        let (Some(stub), Some(place)) = (self.stub.take(), self.place.take()) else {
            return Poll::Ready(Ok(None));
        };
        let is_page = *SETTINGS.of(&place.location.settings).enabled;
        let stub = Body::Bytes(stub.into());
        let mut shown: Box<dyn Source> = match is_page {
            true => Box::new(Page::new(place, stub)),
            false => Box::new(Plain(stub)),
        };
        let chunk = shown.poll_chunk(cx);
        self.shown = Some(shown);
        chunk
    }
}

/// A body as it is.
struct Plain(Body);

impl Source for Plain {
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Chunk>, Error>> {
        self.0.poll_chunk(cx)
    }
}
