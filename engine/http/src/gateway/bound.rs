//! `ntlm`: connections to peers that belong to one client's connection.
//!
//! NTLM authenticates a connection and not a request: whoever sends over it afterwards is taken
//! for the one who did. So a connection over which a client began to authenticate serves requests
//! of that client's connection only, all of them, and is closed with it.

use super::pool::{KeepAlive, PeerStream, Pool};
use super::upstream::Upstream;
use crate::request::Request;
use base::bytes::starts_with_ignore_case;
use engine::peer::PeerId;
use http1::Known;
use std::cell::RefCell;
use std::rc::Rc;

/// What a client's connection keeps to itself: for the pool of each group, a pool of its own.
#[derive(Default)]
pub(crate) struct OwnPools(RefCell<Vec<(Rc<Pool>, Rc<Pool>)>>);

impl OwnPools {
    fn find(&self, group: &Rc<Pool>) -> Option<Rc<Pool>> {
        let pools = self.0.borrow();
        let found = pools.iter().find(|(of, _)| Rc::ptr_eq(of, group));
        found.map(|(_, own)| Rc::clone(own))
    }

    fn open(&self, group: &Rc<Pool>) -> Rc<Pool> {
        self.find(group).unwrap_or_else(|| {
            // One connection, for whatever location.
            let own = Pool::new(KeepAlive {
                connections: 1,
                is_local: false,
                ..group.rules.clone()
            });
            let pair = (Rc::clone(group), Rc::clone(&own));
            self.0.borrow_mut().push(pair);
            own
        })
    }
}

/// The pool that the client's connection has to itself, if it has one.
fn own(request: &Request, upstream: &Upstream) -> Option<Rc<Pool>> {
    let own_pools = &request.connection.rare_if_known()?.own_pools;
    own_pools.find(&upstream.pool)
}

/// Whether the request authenticates the connection that it is sent over.
fn authenticates(request: &Request) -> bool {
    request.header(Known::Authorization).is_some_and(|value| {
        starts_with_ignore_case(value, b"NTLM") || starts_with_ignore_case(value, b"Negotiate")
    })
}

/// The peer that the client's connection has a connection to.
pub(super) fn peer(request: &Request, upstream: &Upstream) -> Option<PeerId> {
    match upstream.binds_clients {
        true => own(request, upstream)?.peer(),
        false => None,
    }
}

/// Takes an idle connection to `peer` that `request` may be sent over.
pub(super) fn take(request: &Request, upstream: &Upstream, peer: PeerId) -> Option<PeerStream> {
    let owner = request.location.id;
    if upstream.binds_clients
        && let Some(own) = own(request, upstream)
        && let Some(idle) = own.take(peer, owner)
    {
        return Some(idle);
    }
    upstream.pool.take(peer, owner)
}

/// Where a connection that `request` was sent over is kept.
pub(super) fn home(request: &Request, upstream: &Upstream) -> Rc<Pool> {
    let is_own = upstream.binds_clients
        && upstream.pool.rules.connections > 0
        && (authenticates(request) || own(request, upstream).is_some());
    if is_own {
        let own_pools = &request.connection.rare().own_pools;
        return own_pools.open(&upstream.pool);
    }
    Rc::clone(&upstream.pool)
}
