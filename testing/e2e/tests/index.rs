//! `index`: which file stands for a folder.

use harness::{Builder, Differential, Exchange, Server};

fn server() -> Builder {
    let inside = "add_header X-URI $uri;
        location /redirect/ { index /re.html; }
        location /loop/ { index /loop/; }
        location /none/ { alias html/; index missing.html; }
        location /second/ { alias html/; index missing.html many.html; }
        location /variable/ { alias html/; index $arg_name ${server_name}.html; }
        location /arguments/ { index /$arg_name.html; }
        location /folder/ { index nested; }
        location /alias { alias html/al; index ias.html; }
        location = /exact/ { index only.html; }
        location /exact/ { return 200 general; }";
    Server::of_one(&format!("server_name localhost; {inside}"))
        .with_file("html/index.html", "index")
        .with_file("html/many.html", "many")
        .with_file("html/re.html", "re")
        .with_file("html/localhost.html", "variable")
        .with_file("html/folder/nested/x", "x")
        .with_file("html/alias.html", "alias")
        .with_file("html/exact/only.html", "only")
        .with_file("secret.html", "secret")
}

#[test]
fn index_files_are_found_as_nginx_finds_them() {
    let paths = [
        "/",
        "/?a=b",
        "/redirect/?a=b",
        "/loop/",
        "/none/",
        "/second/",
        "/variable/",
        "/variable/?name=many.html",
        "/variable/?name=/re.html",
        "/arguments/?name=re",
        "/folder/",
        "/exact/",
        "/missing/",
        "/index.html/",
        "/re.html",
    ];
    let method = |method: &str| {
        Exchange::new(format!(
            "{method} / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"
        ))
    };
    Differential::new(server())
        .with_exchanges(paths.map(|path| Exchange::get(path, "")))
        .with_exchanges(["HEAD", "POST", "OPTIONS", "DELETE"].map(method))
        .run();
}

/// nginx serves the file: it takes the URI of an internal redirection as normalised, though
/// here it was made of what the client sent.
#[test]
fn values_of_a_request_do_not_lead_out_of_the_folder() {
    let server = server().start();
    for name in ["../../secret.html", "../index.html", ".."] {
        let response = server.get(&format!("/variable/?name={name}"));
        assert_eq!(response.status, 404, "{name}");
    }
}

#[test]
fn an_index_that_is_not_found_is_logged_where_wanted() {
    let server = Server::of_one(
        "location /quiet/ { log_not_found off; }
         location / { }",
    )
    .start();
    assert_eq!(server.get("/quiet/").status, 404);
    assert_eq!(server.get("/loud/").status, 404);
    server.wait_for_error_log("html/loud/index.html\" is not found (2: No such file or directory)");
    assert!(!server.error_log().contains("quiet/index.html"));
}

#[test]
fn configurations_are_checked_as_nginx_checks_them() {
    let said = |line: &str| {
        let output = Server::of_one(line).run(&["-t"]);
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    assert!(said("index '';").contains("index \"\" in \"index\" directive is invalid"));
    assert!(said("index /a b;").contains("only the last index in \"index\" directive should be"));
    assert!(said("index $;").contains("invalid variable name"));
}
