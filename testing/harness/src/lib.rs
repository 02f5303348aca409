//! Starts servers for tests, talks to them, and judges how they ended.
//!
//! A test writes the inside of an `http` block and asks questions over real sockets:
//!
//! ```no_run
//! let server = harness::Server::new(
//!     "server { listen 127.0.0.1:{port}; location / { return 200 hello; } }",
//! )
//! .start();
//! assert_eq!(server.get("/").text(), "hello");
//! ```
//!
//! The same text runs under Tidegate or under nginx ([`Binary`]), and [`Differential`] runs it
//! under both and compares the answers. When a [`Server`] is dropped it is asked to quit, and the
//! test fails if the end was not clean: see `Violation` in `oracle.rs`.
//!
//! Linux only: workers, listeners and descriptors are read from `/proc`.
#![forbid(unsafe_code)]

pub mod backend;
mod binary;
mod builder;
mod client;
pub mod clock;
mod config;
mod differential;
pub mod length;
mod oracle;
mod prefix;
pub mod process;
mod response;
pub mod scripted;
mod server;
pub mod skip;

pub use backend::Backend;
pub use binary::{Binary, nginx_is_tested};
pub use builder::{Builder, StartError};
pub use client::Client;
pub use differential::{Differential, Exchange, differential};
pub use prefix::Prefix;
pub use process::Signal;
pub use response::Response;
pub use server::Server;
