//! What is refused inside `server` and `location /`, with what nginx 1.31.5 says; see `errors`.

/// Inside `server`, at line 5.
pub(crate) const SERVER: &[(&str, &str)] = &[
    ("root a;\nroot b;", r#""root" directive is duplicate"#),
    (
        "root;",
        r#"invalid number of arguments in "root" directive"#,
    ),
    (
        "root a b;",
        r#"invalid number of arguments in "root" directive"#,
    ),
    (
        "location { }",
        r#"invalid number of arguments in "location" directive"#,
    ),
    (
        "location / { }\nlocation / { }",
        r#"duplicate location "/""#,
    ),
    (
        "location = / { }\nlocation = / { }",
        r#"duplicate location "/""#,
    ),
    (
        "location ~ ( { }",
        r#"pcre2_compile() failed: missing closing parenthesis in "(""#,
    ),
    (
        "location foo bar baz { }",
        r#"invalid number of arguments in "location" directive"#,
    ),
    ("location ! / { }", r#"invalid location modifier "!""#),
    (
        "location /a/ { location /b/ { } }",
        r#"location "/b/" is outside location "/a/""#,
    ),
    (
        "location = /a { location /a/b { } }",
        r#"location "/a/b" cannot be inside the exact location "/a""#,
    ),
    (
        "location @a { location /b { } }",
        r#"location "/b" cannot be inside the named location "@a""#,
    ),
    (
        "location ~ a { location /b { } }",
        r#"location "/b" is outside location "a""#,
    ),
];

/// Directives, and the message without its place.
pub(crate) const LOCATION: &[(&str, &str)] = &[
    (
        "alias a;\nroot b;",
        r#""root" directive is duplicate, "alias" directive was specified earlier"#,
    ),
    ("alias a;\nalias b;", r#""alias" directive is duplicate"#),
    ("server { }", r#""server" directive is not allowed here"#),
    ("listen 80;", r#""listen" directive is not allowed here"#),
    (
        "internal on;",
        r#"invalid number of arguments in "internal" directive"#,
    ),
    (
        "return;",
        r#"invalid number of arguments in "return" directive"#,
    ),
    ("return 1000;", r#"invalid return code "1000""#),
    ("return x y;", r#"invalid return code "x""#),
    (
        "return 200 a b;",
        r#"invalid number of arguments in "return" directive"#,
    ),
    (
        "rewrite ^;",
        r#"invalid number of arguments in "rewrite" directive"#,
    ),
    ("rewrite ^ /x bad;", r#"invalid parameter "bad""#),
    (
        "rewrite ( /x;",
        r#"pcre2_compile() failed: missing closing parenthesis in "(""#,
    ),
    ("set a b;", r#"invalid variable name "a""#),
    (
        "set $a;",
        r#"invalid number of arguments in "set" directive"#,
    ),
    ("set $host x;", r#"the duplicate "host" variable"#),
    ("set $ x;", r#"invalid variable name "$""#),
    ("if { }", r#"invalid number of arguments in "if" directive"#),
    ("if ($a) { foo; }", r#"unknown directive "foo""#),
    ("if $a { }", r#"invalid condition "$a""#),
    ("if ($host = ) { }", r#"invalid condition "$host""#),
    (
        "if ($host ~ () { }",
        r#"pcre2_compile() failed: missing closing parenthesis in "(""#,
    ),
    ("if (-f) { }", r#"invalid condition "-f""#),
    ("if ($host x y) { }", r#"unexpected "x" in condition"#),
    (
        "if ($host) { server_name x; }",
        r#""server_name" directive is not allowed here"#,
    ),
    (
        "error_page 404;",
        r#"invalid number of arguments in "error_page" directive"#,
    ),
    (
        "error_page 200 /x;",
        r#"value "200" must be between 300 and 599"#,
    ),
    (
        "error_page 999 /x;",
        r#"value "999" must be between 300 and 599"#,
    ),
    ("error_page 404 =x /y;", r#"invalid value "=x""#),
    ("error_page abc /y;", r#"invalid value "abc""#),
    ("error_page 499 /y;", r#"invalid value "499""#),
    (r#"return 200 "$";"#, "invalid variable name"),
    (
        "add_header X;",
        r#"invalid number of arguments in "add_header" directive"#,
    ),
    (
        "add_header X y sometimes;",
        r#"invalid parameter "sometimes""#,
    ),
    (
        "expires;",
        r#"invalid number of arguments in "expires" directive"#,
    ),
    ("expires soon;", r#""expires" directive invalid value"#),
    ("expires modified;", r#""expires" directive invalid value"#),
    ("expires 1x;", r#""expires" directive invalid value"#),
    (
        "autoindex maybe;",
        r#"invalid value "maybe" in "autoindex" directive, it must be "on" or "off""#,
    ),
    ("autoindex_format yaml;", r#"invalid value "yaml""#),
    (
        "sendfile on;\nsendfile off;",
        r#""sendfile" directive is duplicate"#,
    ),
    (
        "client_max_body_size x;",
        r#""client_max_body_size" directive invalid value"#,
    ),
    (
        "client_max_body_size -1;",
        r#""client_max_body_size" directive invalid value"#,
    ),
    (
        "client_body_timeout x;",
        r#""client_body_timeout" directive invalid value"#,
    ),
    (
        "client_body_timeout 1s 2s;",
        r#"invalid number of arguments in "client_body_timeout" directive"#,
    ),
    (
        "keepalive_timeout 1 2 3;",
        r#"invalid number of arguments in "keepalive_timeout" directive"#,
    ),
    ("limit_rate 1z;", r#""limit_rate" directive invalid value"#),
    ("satisfy some;", r#"invalid value "some""#),
    ("deny 1.2.3;", r#"invalid parameter "1.2.3""#),
    ("deny 1.2.3.4/33;", r#"invalid parameter "1.2.3.4/33""#),
    (
        "allow;",
        r#"invalid number of arguments in "allow" directive"#,
    ),
    (
        "limit_except { }",
        r#"invalid number of arguments in "limit_except" directive"#,
    ),
    ("limit_except FOO { }", r#"invalid method "FOO""#),
    (
        "limit_except GET { root x; }",
        r#""root" directive is not allowed here"#,
    ),
    (
        "try_files $uri;",
        r#"invalid number of arguments in "try_files" directive"#,
    ),
    ("try_files $uri =abc;", r#"invalid code "=abc""#),
    (
        "try_files $uri =404;\ntry_files $uri =404;",
        r#""try_files" directive is duplicate"#,
    ),
    (
        "access_log;",
        r#"invalid number of arguments in "access_log" directive"#,
    ),
    (
        "access_log logs/a.log nosuch;",
        r#"unknown log format "nosuch""#,
    ),
    (
        "access_log logs/a.log combined buffer=x;",
        r#"invalid buffer size "x""#,
    ),
    (
        "access_log logs/a.log combined foo=1;",
        r#"invalid parameter "foo=1""#,
    ),
    ("access_log off on;", r#"invalid parameter "on""#),
    ("dav_methods FOO;", r#"invalid value "FOO""#),
    ("dav_access foo:rw;", r#"invalid value "foo:rw""#),
    (
        "create_full_put_path x;",
        r#"invalid value "x" in "create_full_put_path" directive, it must be "on" or "off""#,
    ),
    (
        "stub_status a b;",
        r#"invalid number of arguments in "stub_status" directive"#,
    ),
    (
        "empty_gif on;",
        r#"invalid number of arguments in "empty_gif" directive"#,
    ),
];
