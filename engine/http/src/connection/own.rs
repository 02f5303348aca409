//! Requests that no client sent: what the server asks other servers on its own account.

use super::Connection;
use crate::config::generation::{Location, Server};
use crate::error::Error;
use crate::request::{Request, RequestHead};
use crate::worker::HttpWorker;
use http1::{Limits, Progress, RequestParser};
use runtime::Stream;
use std::io;
use std::rc::Rc;
use sys::socket::{Kind, PeerAddr, socketpair};

impl Connection {
    /// A connection with nobody at the other end, for requests of the server's own. It takes a
    /// descriptor and a place in the loop, as any other.
    ///
    /// # Errors
    ///
    /// There is no descriptor left, or no socket that requests could have come through.
    pub fn own(http: &Rc<HttpWorker>) -> io::Result<Rc<Self>> {
        let socket = http.generation.sockets.first();
        let socket = socket.ok_or(io::ErrorKind::NotFound)?;
        let (end, _) = socketpair(Kind::Stream)?;
        let stream = Stream::from_fd(&http.worker, end)?;
        Ok(Self::new(http, socket, stream, PeerAddr::Unix))
    }
}

impl Request {
    /// A request by GET for `uri`, without any field, that is served at `location` of `server`.
    ///
    /// # Errors
    ///
    /// `uri` cannot stand in a request line.
    pub fn own(
        connection: &Rc<Connection>,
        server: &Rc<Server>,
        location: &Rc<Location>,
        uri: &[u8],
    ) -> Result<Box<Self>, Error> {
        let mut head = RequestHead {
            buf: [b"GET ", uri, b" HTTP/1.0\r\n\r\n"].concat(),
            ..RequestHead::default()
        };
        let parsed = RequestParser::new().parse(&head.buf, &Limits::default(), &mut head.parsed);
        match parsed {
            Ok(Progress::Complete { head_len }) if head_len == head.buf.len() => {}
            _ => {
                let shown = uri.escape_ascii();
                return Err(Error::operator(format!("invalid URI \"{shown}\"")));
            }
        }
        let mut request = Box::new(Self::new(
            Rc::clone(connection),
            Rc::clone(server),
            Box::new(head),
        ));
        super::head::fill_uri(&mut request).map_err(|refusal| Error::operator(refusal.reason))?;
        request.location = Rc::clone(location);
        Ok(request)
    }
}
