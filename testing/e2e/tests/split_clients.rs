//! `split_clients`.

use harness::{Differential, Exchange, Server};

/// A thousand keys are in the groups that nginx puts them in.
#[test]
fn the_same_keys_go_to_the_same_groups() {
    let http = r#"
        split_clients "$arg_key" $group { 0.5% tiny; 33.3% third; 20% fifth; * rest; }
        split_clients "${arg_key}x" $whole { 50% a; 25.01% b; 24.99% c; }
        split_clients "$arg_key" $open { 10% ten; }
        server {
            listen 127.0.0.1:{port};
            location / { return 200 "$group $whole $open."; }
        }
    "#;
    let ask = |number: usize| {
        let key = "client-".repeat(number % 3) + &(number * 7919).to_string();
        Exchange::get(&format!("/?key={key}"), "")
    };
    Differential::new(Server::new(http))
        .with_exchanges((0..1000).map(ask))
        .run();
}
