//! Driving a server with wrk from a core of its own.

use std::process::{Command, Stdio};

use super::contestant::Running;
use super::rows::Row;

/// Where the client runs.
pub(super) const CORE: &str = "1";

/// How much longer than asked wrk may take, in seconds.
const GRACE: u32 = 10;

/// What one drive showed.
pub(super) struct Load {
    pub(super) per_second: f64,
    /// User and system time of the server, in microseconds a request.
    pub(super) cpu_us_each: f64,
}

/// Complains where a tool is missing.
pub(crate) fn check_tools() -> Result<(), String> {
    for tool in ["wrk", "taskset", "timeout"] {
        let found = Command::new(tool)
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        found.map_err(|_| format!("{tool} is needed and not installed"))?;
    }
    match std::thread::available_parallelism() {
        Ok(cores) if cores.get() >= 2 => Ok(()),
        _ => Err("two cores are needed, one for the server and one for the client".to_owned()),
    }
}

/// Requests the row's URI for `seconds`, as fast as the server answers.
pub(super) fn drive(running: &Running, row: &Row, seconds: u32) -> Result<Load, String> {
    let before = running.cpu_us();
    let output = Command::new("timeout")
        .arg((seconds + GRACE).to_string())
        .args(["taskset", "-c", CORE, "wrk", "-t1"])
        .arg(format!("-c{}", row.connections))
        .arg(format!("-d{seconds}"))
        .args(row.fields.iter().flat_map(|field| ["-H", *field]))
        .arg(format!("http://{}{}", running.addr(), row.uri))
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("wrk: {error}"))?;
    let spent = running.cpu_us().saturating_sub(before);
    let text = String::from_utf8_lossy(&output.stdout);
    match parse(&text) {
        Some((requests, per_second)) if requests > 0.0 && !text.contains("Non-2xx") => {
            #[expect(
                clippy::cast_precision_loss,
                reason = "microseconds of seconds fit exactly"
            )]
            let spent = spent as f64;
            Ok(Load {
                per_second,
                cpu_us_each: spent / requests,
            })
        }
        _ => Err(format!(
            "{} in {}: wrk said\n{text}",
            running.name(),
            row.name
        )),
    }
}

/// The requests made, and made a second, of wrk's report.
fn parse(text: &str) -> Option<(f64, f64)> {
    let number = |word: &str| word.parse::<f64>().ok();
    let requests = text.lines().find(|line| line.contains(" requests in "))?;
    let rate = text
        .lines()
        .find_map(|line| line.strip_prefix("Requests/sec:"))?;
    Some((
        number(requests.split_whitespace().next()?)?,
        number(rate.trim())?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrks_report_is_understood() {
        let text = "Running 3s test\n  2 threads\n  123456 requests in 3.01s, 9.00MB read\nRequests/sec:  41015.28\n";
        assert_eq!(parse(text), Some((123_456.0, 41_015.28)));
        assert_eq!(parse("unable to connect"), None);
    }
}
