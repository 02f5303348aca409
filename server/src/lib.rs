//! The program: command line, master, workers, signals, upgrade.
//!
//! What a configuration means is the business of an [`Engine`], which turns text into a
//! [`Configuration`]; this crate reads it, opens its sockets, and keeps processes running it.
#![forbid(unsafe_code)]

mod cli;
mod configuration;
mod daemon;
mod environment;
mod identity;
mod listeners;
mod master;
mod paths;
mod pid_file;
mod plan;
mod program;
mod report;
mod send;
mod signals;
mod single;
mod site;
mod source;
mod status;
mod upgrade;
mod worker;

pub use configuration::{Configuration, Engine, LoadRequest, Purpose, Refusal};
pub use paths::Paths;
pub use plan::{Account, ListenerSpec, ProcessPlan};
pub use program::run;
pub use site::Site;
pub use worker::{Command, WorkerContext, WorkerListener};
