//! `sub_filter`: strings replaced in responses, as nginx replaces them.

use harness::{Differential, Exchange, Server};

const SERVER: &str = "
    default_type text/html;
    root {prefix}/files;
    location /once/ { sub_filter foo bar; }
    location /all/ { sub_filter_once off; sub_filter foo bar; sub_filter OOPS ''; }
    location /order/ { sub_filter_once off; sub_filter ab 1; sub_filter abc 2; sub_filter c 3; }
    location /variables/ { sub_filter_once off; sub_filter $arg_a '$arg_b$uri'; sub_filter x y; }
    location /typed/ { sub_filter foo bar; default_type text/plain; }
    location /more/ { sub_filter foo bar; default_type text/plain; sub_filter_types text/plain; }
    location /any/ { sub_filter foo bar; default_type text/plain; sub_filter_types *; }
    location /tagged/ { sub_filter foo bar; sub_filter_last_modified on; }
    location /framed/ { sub_filter foo bar; add_after_body /once/page; }
    location /long/ { sub_filter_once off; sub_filter 'begin and end' END; }
    location /said { sub_filter_once off; sub_filter a b; return 200 banana; }
    location /missing { sub_filter 'Not Found' gone; }
";

#[test]
fn strings_are_replaced_as_in_nginx() {
    let mut builder = Server::of_one(SERVER);
    let places = [
        "once",
        "all",
        "order",
        "variables",
        "typed",
        "more",
        "any",
        "tagged",
        "framed",
    ];
    for place in places {
        let page = "foo fofoo FOO oops abcab\nab foo x";
        builder = builder
            .with_file(&format!("files/{place}/page"), page)
            .with_file(&format!("files/{place}/empty"), "");
    }
    // Over the ends of what is read at once.
    let long: String = (0..9000)
        .map(|number| format!("{}begin and end", "begin and ".repeat(number % 3)))
        .collect();
    builder = builder.with_file("files/long/page", long);
    let pages = places.map(|place| Exchange::get(&format!("/{place}/page"), ""));
    let empty = ["once", "variables", "any", "tagged"];
    let empty = empty.map(|place| Exchange::get(&format!("/{place}/empty"), ""));
    Differential::new(builder)
        .with_exchanges(pages)
        .with_exchanges(empty)
        .with_exchanges([
            Exchange::get("/variables/page?a=FOO&b=bar", ""),
            Exchange::get("/long/page", ""),
            Exchange::get("/said", ""),
            Exchange::get("/missing", ""),
            Exchange::get("/once/page", "Range: bytes=0-3\r\n"),
            Exchange::get("/tagged/page", "If-None-Match: *\r\n"),
            Exchange::new("HEAD /once/page HTTP/1.1\r\nHost: localhost\r\n\r\n"),
            Exchange::new("GET /once/page HTTP/1.0\r\n\r\n"),
        ])
        .run();
}
