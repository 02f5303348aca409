//! `num_map`.

use harness::Server;

/// Numbers, ranges, values of variables, volatile values, included tables.
#[test]
fn values_follow_from_numbers() {
    let server = Server::new(
        r#"
        num_map $arg_n $kind {
            default "no number";
            80 http;
            <=1023 "low $arg_n";
            8080-8090 alternative;
            include {prefix}/html/included;
        }
        num_map $seen $once { 1 one; 2 two; }
        num_map $seen $every { volatile; 1 one; 2 two; }
        server {
            listen 127.0.0.1:{port};
            location / { return 200 "$kind"; }
            location /seen {
                set $seen 1;
                set $first "$once $every";
                set $seen 2;
                return 200 "$first $once $every";
            }
        }
        "#,
    )
    .with_file("html/included", ">=60000 high;\n")
    .start();
    let value = |number: &str| server.get(&format!("/?n={number}")).text();
    assert_eq!(value("80"), "http");
    assert_eq!(value("79"), "low 79");
    assert_eq!(value("8085"), "alternative");
    assert_eq!(value("61000"), "high");
    assert_eq!(value("2000"), "no number");
    assert_eq!(value("x"), "no number");
    assert_eq!(value(""), "no number");
    assert_eq!(server.get("/seen").text(), "one one one two");
}
