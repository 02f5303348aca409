//! A static site as Debian lays nginx out: sites-enabled, conf.d, snippets, mime.types.

use crate::Site;

fn start() -> Site {
    Site::start(
        "debian",
        &[
            ("var/www/html/index.nginx-debian.html", b"welcome"),
            ("var/www/html/folder/index.htm", b"folder"),
            ("var/www/html/.htaccess", b"secret"),
            ("var/www/html/.well-known/security.txt", b"contact"),
            ("var/www/html/empty/x", b""),
            ("var/www/example.com/index.html", b"example"),
            ("var/www/example.com/style.css", b"css"),
            ("var/www/example.com/logo.SVG", b"<svg/>"),
            ("var/www/example.com/errors/404.html", b"not found, sorry"),
            ("var/www/example.com/favicon.ico", b"icon"),
        ],
    )
}

#[test]
fn the_default_site() {
    let site = start();
    let welcome = site.get("unknown.test", "/");
    assert_eq!((welcome.status, welcome.text().as_str()), (200, "welcome"));
    assert_eq!(welcome.header("Content-Type"), Some("text/html"));
    assert_eq!(welcome.header("Accept-Ranges"), Some("bytes"));
    assert!(!welcome.header("Server").unwrap_or_default().contains('/'));
    let redirect = site.get("unknown.test", "/folder");
    assert_eq!(redirect.status, 301);
    let target = redirect.header("Location").unwrap_or_default();
    assert!(target.starts_with("http://unknown.test"), "{target}");
    assert!(target.ends_with("/folder/"), "{target}");
    assert_eq!(site.get("x", "/folder/").text(), "folder");
    assert_eq!(site.get("x", "/empty/").status, 403);
    assert_eq!(site.get("x", "/nothing").status, 404);
    assert_eq!(site.get("x", "/.htaccess").status, 403);
    assert_eq!(site.get("x", "/.well-known/security.txt").text(), "contact");
}

#[test]
fn a_site_beside_it() {
    let site = start();
    assert_eq!(site.get("www.example.com", "/").text(), "example");
    let css = site.get("example.com", "/style.css");
    assert_eq!(css.header("Content-Type"), Some("text/css"));
    let cache: Vec<&str> = css.headers_named("Cache-Control").collect();
    assert_eq!(cache, ["max-age=2592000", "public"]);
    assert!(css.header("Expires").is_some());
    let logo = site.get("example.com", "/logo.SVG");
    assert_eq!(logo.header("Content-Type"), Some("image/svg+xml"));
    let missing = site.get("example.com", "/nothing");
    assert_eq!(missing.status, 404);
    assert_eq!(missing.text(), "not found, sorry");
    assert_eq!(site.get("example.com", "/errors/404.html").status, 404);
    assert_eq!(site.get("example.com", "/robots.txt").status, 404);
    assert_eq!(site.get("example.com", "/status").status, 403);
    let blog = site.get("example.com", "/old-blog/2012/05/hello.php?page=2");
    assert_eq!(blog.status, 301);
    let target = blog.header("Location").unwrap_or_default();
    assert!(target.ends_with("/blog/2012-05/hello/?page=2"), "{target}");
    assert_eq!(site.get("example.com", "/old-blog/x").status, 410);
}

/// Each site has its log. Icons are in none; what is missing is, since its error page is another
/// location's, but no error is logged for it.
#[test]
fn logs() {
    let site = start();
    assert_eq!(site.get("example.com", "/favicon.ico").status, 200);
    assert_eq!(site.get("example.com", "/robots.txt").status, 404);
    site.log("example.com.log", 1);
    assert_eq!(site.get("example.com", "/?a=b").status, 200);
    assert_eq!(site.get("other", "/").status, 200);
    let lines = site.log("example.com.log", 2);
    assert_eq!(lines.len(), 2);
    assert!(lines[0].starts_with("example.com:"), "{}", lines[0]);
    assert!(lines[0].contains("\"GET /robots.txt HTTP/1.1\" 404 16 \"-\" \"-\""));
    assert!(lines[1].contains("\"GET /?a=b HTTP/1.1\" 200 7 "));
    let lines = site.log("access.log", 1);
    assert_eq!(lines.len(), 1);
    assert!(
        lines[0].contains("\"GET / HTTP/1.1\" 200 7 "),
        "{}",
        lines[0]
    );
    assert_eq!(site.prefix.read("var/log/nginx/example.com.error.log"), "");
}
