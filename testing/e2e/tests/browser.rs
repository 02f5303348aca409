//! `modern_browser` and `ancient_browser`.

use harness::{Differential, Exchange, Server};

#[test]
fn browsers_are_sorted_as_nginx_sorts_them() {
    let server = Server::of_one(
        r#"
        modern_browser safari 413;
        modern_browser msie 5.5;
        modern_browser gecko 1.0.0;
        modern_browser konqueror 3.4;
        modern_browser_value modern;
        ancient_browser_value ancient;
        location / { return 200 "$modern_browser|$ancient_browser|$msie"; }
        location /unlisted/ {
            modern_browser unlisted;
            ancient_browser Links Lynx netscape4;
            return 200 "$modern_browser|$ancient_browser|$msie";
        }
        location /opera/ {
            modern_browser opera 8.0;
            modern_browser unlisted;
            ancient_browser "MSIE";
            return 200 "$modern_browser|$ancient_browser|$msie";
        }
        "#,
    );
    let agents = [
        "Opera/7.50 (X11; FreeBSD i386; U)  [en]",
        "Opera/9.01 (X11; FreeBSD 6 i386; U; en)",
        "Mozilla/4.0 (compatible; MSIE 6.0; X11; FreeBSD i386) Opera 7.50  [en]",
        "Mozilla/4.0 (compatible; MSIE 6.0; Windows NT 5.0; en) Opera 8.0",
        "Mozilla/4.0 (compatible; MSIE 6.0; Windows NT 5.1)",
        "Mozilla/4.0 (compatible; MSIE 5.5; Windows NT 5.1)",
        "Mozilla/4.0 (compatible; MSIE 5.01; Windows NT 5.1)",
        "Mozilla/5.0 (X11; U; Linux i686; en-US; rv:1.0.0) Gecko/20020610",
        "Mozilla/5.0 (X11; U; Linux i686; en-US; rv:0.9.9) Gecko/20020610",
        "Mozilla/5.0 (Macintosh; U; PPC Mac OS X; en) AppleWebKit/418 (KHTML) Safari/417.9.3",
        "Mozilla/5.0 (Macintosh; U; PPC Mac OS X; en) AppleWebKit/125 (KHTML) Safari/125.7",
        "Mozilla/5.0 (compatible; Konqueror/3.5; FreeBSD) KHTML/3.5.1 (like Gecko)",
        "Mozilla/5.0 (compatible; Konqueror/3.1; Linux)",
        "Mozilla/4.79 [en] (X11; U; Linux 2.4)",
        "Mozilla/3",
        "Lynx/2.8.5",
        "curl/8.0",
        "MSIE 6",
        "MSIE 6.0",
        "Mozilla/4.0 (compatible; MSIE ",
        "x",
    ];
    let paths = ["/", "/unlisted/", "/opera/"];
    let ask = |path: &str, agent: &str| Exchange::get(path, &format!("User-Agent: {agent}\r\n"));
    let with = paths
        .iter()
        .flat_map(|path| agents.map(|agent| ask(path, agent)));
    Differential::new(server)
        .with_exchanges(with)
        .with_exchanges(paths.map(|path| Exchange::get(path, "")))
        .run();
}
