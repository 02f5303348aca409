//! `retry_budget`: how many requests are tried again.

use harness::{Client, Server};

/// One server, and one that is not there but keeps its turns.
fn half_gone(budget: &str) -> Server {
    Server::new(&format!(
        "upstream u {{
             server 127.0.0.1:1 max_fails=0; server 127.0.0.1:{{port_a}};
             {budget}
         }}
         server {{
             listen 127.0.0.1:{{port}};
             keepalive_requests 100000;
             location / {{ proxy_pass http://u; error_page 502 = @gone; }}
             location @gone {{ return 502 gone; }}
         }}
         server {{ listen 127.0.0.1:{{port_a}}; location / {{ return 200 a; }} }}"
    ))
    .start()
}

/// How many of `count` requests were answered by the server that is there.
fn answered(client: &mut Client, count: usize) -> usize {
    let get = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    let answers = (0..count).map(|_| client.request(get).status);
    answers.filter(|status| *status == 200).count()
}

#[test]
fn what_fails_now_and_then_is_always_tried_again() {
    let server = half_gone("");
    assert_eq!(answered(&mut server.connect(), 3000), 3000);
    assert!(!server.error_log().contains("retry budget"));
}

#[test]
fn retries_are_a_share_of_requests() {
    let server = half_gone("retry_budget 20% min=0;");
    // Half of 400 requests fail once. Their share are 80 retries, 20 were there to begin with.
    let answered = answered(&mut server.connect(), 400);
    assert!((298..=300).contains(&answered), "{answered}");
    server.wait_for_error_log("retry budget of upstream \"u\" is exhausted");
}

#[test]
fn a_budget_can_be_nothing_or_without_end() {
    let server = half_gone("retry_budget 0% min=0;");
    assert_eq!(answered(&mut server.connect(), 20), 10);
    let server = half_gone("retry_budget off;");
    assert_eq!(answered(&mut server.connect(), 2000), 2000);
}
