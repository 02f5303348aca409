//! One worker: reactor, executor, timers, sockets, logs.
#![forbid(unsafe_code)]
