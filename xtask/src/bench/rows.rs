//! What is measured: one configuration and one URI a row.

/// The row about memory, which is measured in another way.
pub(super) const IDLE: &str = "idle";

/// The row about the memory of WebSocket connections, both sides of them.
pub(super) const WEBSOCKET: &str = "websocket";

/// The row about how much later what streams arrives.
pub(super) const STREAMING: &str = "streaming";

/// What a server does in a row.
pub(super) struct Row {
    pub(super) name: &'static str,
    /// Requested all the time.
    pub(super) uri: &'static str,
    /// Length of the answer, in bytes.
    pub(super) length: usize,
    /// Connections of the client.
    pub(super) connections: u32,
    /// nginx's directives inside `http`, beside those of every row.
    pub(super) http: &'static str,
    /// nginx's directives inside `server`.
    pub(super) server: &'static str,
    /// The file at that URI, of which the answer is made.
    pub(super) page: Page,
    /// Fields of the request, beside those of every row.
    pub(super) fields: &'static [&'static str],
    /// Whether an access log is written, by servers of any kind.
    pub(super) is_logged: bool,
    /// Whether servers with a configuration of their own can do the same.
    pub(super) is_common: bool,
    /// Whether the answer comes from a server behind, at `{port_back}`.
    pub(super) is_proxied: bool,
}

/// What stands in a file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Page {
    /// The answer itself, without any meaning.
    Plain,
    /// Text with links of which some are replaced by others of the same length.
    Links,
    /// Text with SSI commands.
    Commands,
}

impl Page {
    /// The file of which an answer of `length` bytes is made.
    pub(super) fn bytes(self, length: usize) -> Vec<u8> {
        // Every eighth paragraph has what filters look for.
        const EVERY: usize = 8;
        let paragraph = "<p class=\"text\">The quick brown fox jumps over the lazy dog, \
             and <b>then</b> goes <a href=\"/start/\">home</a>.</p>\n";
        let (command, result) = match self {
            Self::Plain => return vec![b'x'; length],
            Self::Links => {
                let link = "<a href=\"http://old.example/page\"><img src=\"/old/a.png\"></a>\n";
                (link.to_owned(), link)
            }
            Self::Commands => (
                "<!--# set var=\"name\" value=\"fox\" --><!--# if expr=\"$name = fox\" -->\
                 <!--# echo var=\"name\" --><!--# else -->dog<!--# endif -->\
                 <!--# include virtual=\"/part\" -->\n"
                    .to_owned(),
                "foxpart\n",
            ),
        };
        let (mut page, mut answer_length) = (String::new(), 0);
        for number in 0.. {
            let (written, read) = if number % EVERY == 0 {
                (command.as_str(), result)
            } else {
                (paragraph, paragraph)
            };
            if answer_length + read.len() > length {
                break;
            }
            page.push_str(written);
            answer_length += read.len();
        }
        page.push_str(&" ".repeat(length - answer_length));
        page.into_bytes()
    }
}

/// Serving a file, as most installations are configured.
const STATIC: Row = Row {
    name: "static-1k",
    uri: "/1k.bin",
    length: 1 << 10,
    connections: 32,
    http: "",
    server: "",
    page: Page::Plain,
    fields: &[],
    is_logged: false,
    is_common: true,
    is_proxied: false,
};

/// A page that a filter makes something else of.
const PAGE: Row = Row {
    length: 100 << 10,
    http: "types { text/html html; }",
    is_common: false,
    ..STATIC
};

/// Passing on what another server answers, over connections that stay.
const PROXY: Row = Row {
    name: "proxy-1k",
    http: "upstream back { server 127.0.0.1:{port_back}; keepalive 64; }",
    server: "location / {
        proxy_pass http://back;
        proxy_http_version 1.1;
        proxy_set_header Connection \"\";
    }",
    is_common: false,
    is_proxied: true,
    ..STATIC
};

/// All rows, the cheapest first.
pub(super) const ROWS: &[Row] = &[
    Row {
        name: "return",
        uri: "/hello",
        length: 6,
        server: "location /hello { return 200 \"hello\\n\"; }",
        is_common: false,
        ..STATIC
    },
    STATIC,
    Row {
        name: "static-1k-cache",
        http: "open_file_cache max=1000 inactive=60s; open_file_cache_valid 60s;",
        is_common: false,
        ..STATIC
    },
    Row {
        name: "static-1k-log",
        http: "access_log logs/access.log;",
        is_logged: true,
        ..STATIC
    },
    Row {
        name: "static-100k",
        uri: "/100k.bin",
        length: 100 << 10,
        ..STATIC
    },
    Row {
        name: "static-10m",
        uri: "/10m.bin",
        length: 10 << 20,
        connections: 8,
        ..STATIC
    },
    Row {
        name: "policy",
        http: "limit_req_zone $binary_remote_addr zone=all:10m rate=1000000r/s;
            map $uri $class { default other; /a one; /b two; ~^/c three; /1k.bin four; }
            set_real_ip_from 127.0.0.0/8;
            real_ip_header X-Forwarded-For;
            access_log logs/access.log;",
        server: "location / {
            limit_req zone=all burst=1000 nodelay;
            add_header X-Class $class;
            add_header X-Frame-Options DENY always;
        }",
        fields: &["X-Forwarded-For: 192.0.2.7"],
        is_common: false,
        ..STATIC
    },
    Row {
        name: "sub-filter-100k",
        uri: "/links.html",
        server: "location / {
            sub_filter http://old.example/ http://new.example/;
            sub_filter src=\"/old/ src=\"/new/;
            sub_filter_once off;
        }",
        page: Page::Links,
        ..PAGE
    },
    Row {
        name: "ssi-100k",
        uri: "/commands.html",
        server: "ssi on; location /part { return 200 part; }",
        page: Page::Commands,
        ..PAGE
    },
    PROXY,
    Row {
        name: "proxy-1m",
        uri: "/1m.bin",
        length: 1 << 20,
        connections: 8,
        ..PROXY
    },
];

/// What streams is passed on at once, and so is a switch of protocols.
pub(super) const STREAM: Row = Row {
    name: STREAMING,
    server: "location / {
        proxy_pass http://127.0.0.1:{port_back};
        proxy_buffering off;
        proxy_http_version 1.1;
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection $http_connection;
        proxy_read_timeout 600s;
    }",
    http: "",
    ..PROXY
};

/// Idle connections have each fetched this.
pub(super) const BEFORE_IDLE: Row = Row {
    http: "keepalive_timeout 600s;",
    ..STATIC
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_have_the_length_they_should() {
        assert_eq!(Page::Plain.bytes(3), b"xxx");
        let links = Page::Links.bytes(100 << 10);
        assert_eq!(links.len(), 100 << 10);
        let page = String::from_utf8(Page::Commands.bytes(100 << 10)).unwrap();
        let commands = page.matches("<!--# set").count();
        let command = page.find('\n').unwrap() + 1;
        let result = "foxpart\n".len();
        assert!(commands > 100);
        assert_eq!(page.len() - commands * (command - result), 100 << 10);
    }
}
