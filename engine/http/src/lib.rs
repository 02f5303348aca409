//! A request's life, without any optional feature: connection, request, phases,
//! filters, writer.
//!
//! The engine knows no module. What a module is, it says as plain data in [`module`];
//! the server hands the list of modules in.
#![forbid(unsafe_code)]

pub mod body;
pub mod bytes;
pub mod config;
pub mod connection;
pub mod core;
pub mod error;
pub mod error_page;
pub mod gateway;
pub mod in_memory;
pub mod log;
pub mod module;
pub mod phase;
pub mod redirect;
pub mod request;
pub mod request_body;
pub mod response;
pub mod subrequest;
pub mod variable;
pub mod worker;

pub use body::{Body, Chunk, FileRange, Source};
pub use bytes::Bytes;
pub use config::generation::{Generation, Location, Server};
pub use error::Error;
pub use in_memory::InMemory;
pub use module::{BoxFuture, Filter, Flow, Handler, Module, Phase, Stage};
pub use request::{Request, RequestSlot};
pub use response::{LastModified, Response, ResponseHead};
pub use variable::Variable;
