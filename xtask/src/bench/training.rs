//! Showing a server that counts what it does what it will be asked.

use std::path::Path;

use super::contestant::{Contestant, Kind};
use super::rows::{ROWS, Row};
use super::{idle, load, streaming};
use crate::Outcome;

/// How long each row is asked for, in seconds.
const SECONDS: u32 = 2;

/// How many WebSocket connections are opened.
const WEBSOCKETS: usize = 200;

/// Asks the server at `binary` every row once, as the benchmark does; where a row proxies, it is
/// the server behind as well. `after_each` is called before the first and after every row.
pub(crate) fn train(binary: &Path, after_each: &dyn Fn() -> Outcome) -> Outcome {
    let server = Contestant {
        name: "tidegate",
        kind: Kind::LikeNginx,
        path: binary.to_path_buf(),
    };
    after_each()?;
    for row in ROWS {
        eprintln!("{}: {SECONDS} s", row.name);
        ask(&server, row)?;
        after_each()?;
    }
    streaming::measure(&server, 1)?;
    after_each()?;
    idle::measure_websockets(&server, WEBSOCKETS)?;
    after_each()
}

fn ask(server: &Contestant, row: &Row) -> Outcome {
    let behind = row
        .is_proxied
        .then(|| server.start_behind(row))
        .transpose()?;
    let back = behind.as_ref().map(harness::Server::port);
    let running = server.start(row, back)?;
    let running = running.ok_or("it has no part in this")?;
    running.check(row)?;
    load::drive(&running, row, SECONDS).map(|_| ())
}
