//! `charset`: names of charsets and recoding, as nginx does it.

use harness::{Builder, Differential, Exchange, Prefix, Server};

/// A part of KOI8-R, by its code points in UTF-8 and in the Windows charset.
const MAPS: &str = "
    charset_map koi8-r utf-8 { C0 D18E; C1 D0B0; C2 D0B1; A4 E282AC; 9C C2B0; }
    charset_map koi8-r windows-1251 { C0 FE; C1 E0; C2 E1; }
    charset_map iso-8859-5 utf-8 { }
    map $arg_to $to { default utf-8; koi koi8-r; windows windows-1251; latin latin-1; }
";

fn server(folder: &Prefix) -> Builder {
    let root = folder.path().join("files");
    let root = root.display();
    Server::new(&format!(
        "{MAPS} server {{ listen 127.0.0.1:{{port}}; root {root}; default_type text/plain;
         location /named/ {{ alias {root}/; charset UTF-8; }}
         location /off/ {{ alias {root}/; charset off; }}
         location /to-utf8/ {{ alias {root}/; charset utf-8; source_charset koi8-r; }}
         location /from-utf8/ {{ alias {root}/; charset koi8-r; source_charset utf-8; }}
         location /to-windows/ {{ alias {root}/; charset windows-1251; source_charset KOI8-R; }}
         location /variable/ {{ alias {root}/; charset $to; source_charset koi8-r; }}
         location /typed/ {{ alias {root}/; charset utf-8; default_type image/x; }}
         location /any/ {{ alias {root}/; charset utf-8; charset_types *; default_type image/x; }}
         location /more/ {{ alias {root}/; charset utf-8; charset_types image/x; default_type image/x; }}
         location /asked/ {{ alias {root}/; charset $arg_charset; }}
         location /moved/ {{ charset utf-8; return 301 /x; }}
         location /missing/ {{ charset utf-8; return 404; }} }}"
    ))
}

#[test]
fn text_is_named_and_recoded_as_in_nginx() {
    let folder = Prefix::new();
    folder.write("files/koi", b"a\xc0\xc1\xc2\xa4\x9c\xa0<\x00>\n");
    folder.write("files/ascii", b"nothing to recode\n");
    // Something to recode comes first: nginx leaves bytes before it as they are, unknown or not.
    let long = format!(
        "\u{a0}{}юаб{}€😀\u{ffff}",
        "x".repeat(600),
        "ю".repeat(5000)
    );
    folder.write("files/utf8", long.as_bytes());
    folder.write(
        "files/broken",
        b"\xc0a\xe2A\xe2\xffB\xf5\x8f\xbf\xbf\xd0\xc1\xe0\x80\x80z\xf0\x9f",
    );
    let places = [
        "named",
        "off",
        "to-utf8",
        "from-utf8",
        "to-windows",
        "typed",
        "any",
        "more",
        "seen",
    ];
    let files = ["koi", "ascii", "utf8", "broken"];
    let all = places
        .iter()
        .flat_map(|place| files.map(|file| Exchange::get(&format!("/{place}/{file}"), "")));
    let to = ["utf-8", "koi", "windows", "latin"];
    Differential::new(server(&folder))
        .with_exchanges(all)
        .with_exchanges(to.map(|to| Exchange::get(&format!("/variable/koi?to={to}"), "")))
        .with_exchanges(
            ["", "x", "%3B"].map(|name| Exchange::get(&format!("/asked/ascii?charset={name}"), "")),
        )
        .with_exchanges(["/moved/", "/missing/"].map(|path| Exchange::get(path, "")))
        .with_exchanges([
            Exchange::get("/to-utf8/koi", "Range: bytes=1-3\r\n"),
            Exchange::get("/to-windows/koi", "Range: bytes=1-3\r\n"),
        ])
        .run();
}
