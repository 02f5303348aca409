//! Paths, hosts, headers and logs: what a client writes never means more than it may.

mod hosts;
mod injection;
mod logs;
mod redirects;
mod symlinks;
mod traversal;
