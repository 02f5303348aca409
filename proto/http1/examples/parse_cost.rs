//! How long one usual request head takes: `cargo run --release -p tidegate-http1 --example parse_cost`.
use std::hint::black_box;
use tidegate_http1::{Head, Limits, Progress, RequestParser, framing};

const WIRE: &[u8] = b"GET /static/index.html HTTP/1.1\r\nHost: localhost:8080\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\nAccept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\nAccept-Encoding: gzip, deflate, br\r\nConnection: keep-alive\r\n\r\n";

#[expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "measures and prints"
)]
fn main() {
    let limits = Limits::default();
    let mut head = Head::new();
    for _ in 0..5 {
        let start = std::time::Instant::now();
        const N: u32 = 2_000_000;
        for _ in 0..N {
            head.reset();
            let mut parser = RequestParser::new();
            let answer = parser.parse(black_box(WIRE), &limits, &mut head);
            assert!(matches!(answer, Ok(Progress::Complete { .. })));
            black_box(&head);
        }
        let parse = start.elapsed() / N;
        let start = std::time::Instant::now();
        for _ in 0..N {
            black_box(framing(black_box(&head), WIRE).is_ok());
        }
        println!("parse {parse:?} framing {:?}", start.elapsed() / N);
    }
}
