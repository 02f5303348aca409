//! Handing requests on to other servers: one conversation for every protocol.
//!
//! A gateway module finds out whom to ask ([`Upstream`]) and knows how to say it ([`Codec`]).
//! Everything else is here: choosing and retrying peers, idle connections, request bodies,
//! response heads and bodies, what clients are shown of them, and what logs say about it.
//!
//! A response's body is a [`Source`](crate::Source): it is pulled by the client's writer, so a
//! slow client slows the peer, and a client that leaves drops it, and the connection with it.

mod announce;
mod answer;
pub mod bell;
mod bound;
mod claim;
pub mod codec;
mod conversation;
mod early;
mod exchange;
mod failure;
mod head;
mod hints;
mod named;
pub mod pool;
mod probe;
pub mod queue;
mod read_ahead;
pub mod record;
mod relay;
pub mod settings;
pub mod sticky;
pub mod store;
mod tunnel;
pub mod upstream;
mod variables;

pub(crate) use answer::{kept_type, merge_kept};
pub(crate) use bound::OwnPools;
pub use codec::{Codec, Decoded, HeadStep, Interim, RequestBody, UpstreamHead};
pub use conversation::{Call, converse};
pub use head::Rewrite;
pub use named::{Groups, group_of, says_port};
pub use pool::{KeepAlive, PeerStream};
pub use probe::{NoAnswer, Probe, Probed, probe};
pub use settings::Settings;
pub use tunnel::{Ended, Tunnel};
pub use upstream::{Upstream, Upstreams};

use crate::module::Module;

/// The variables that tell of the peers that a request was sent to.
pub(crate) static MODULE: Module = Module {
    name: "upstream",
    variables: variables::VARIABLES,
    ..Module::EMPTY
};
