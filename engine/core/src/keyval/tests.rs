//! Tables without files, and what the files say.

use super::*;
use conf::MemorySource;
use shm::Zone;
use std::rc::Rc;

fn map(size: usize) -> SharedMap {
    SharedMap::open(Rc::new(Zone::new("z", "keyval", size).unwrap())).unwrap()
}

fn keyval(matching: Matching, timeout: Option<Millis>) -> Keyval {
    Keyval::open(map(64 << 10), matching, timeout, None).unwrap()
}

#[track_caller]
fn check(keyval: &Keyval, sought: &str, now: Millis, expected: Option<&str>) {
    let mut out = b"before ".to_vec();
    let found = keyval.find(sought.as_bytes(), now, &mut out);
    let out = String::from_utf8(out).unwrap();
    let value = out.strip_prefix("before ").unwrap();
    assert!(found || value.is_empty());
    assert_eq!(found.then_some(value), expected, "{sought}");
}

fn set(keyval: &Keyval, key: &str, value: &str) -> Result<(), Refusal> {
    keyval.set(key.as_bytes(), value.as_bytes(), None, 0)
}

#[test]
fn values_are_found_by_the_same_text() {
    let keyval = keyval(Matching::Exact, None);
    set(&keyval, "a", "1").unwrap();
    set(&keyval, "A", "").unwrap();
    check(&keyval, "a", 0, Some("1"));
    check(&keyval, "A", u64::MAX - 1, Some(""));
    check(&keyval, "b", 0, None);
    check(&keyval, "", 0, None);
    set(&keyval, "a", "longer than before").unwrap();
    check(&keyval, "a", 0, Some("longer than before"));
    assert_eq!(set(&keyval, "", "x"), Err(Refusal::Key));
    assert!(keyval.remove(b"a", 0));
    assert!(!keyval.remove(b"a", 0));
    check(&keyval, "a", 0, None);
    check(&keyval, "A", 0, Some(""));
    keyval.clear();
    check(&keyval, "A", 0, None);
    assert_eq!(keyval.pairs(0), []);
}

#[test]
fn the_narrowest_network_counts() {
    let keyval = keyval(Matching::Network, None);
    for (key, value) in [
        ("10.0.0.0/8", "eight"),
        ("10.1.2.3/16", "sixteen"),
        ("10.1.0.1", "one"),
        ("::/0", "six"),
        ("2001:db8::/32", "documents"),
    ] {
        set(&keyval, key, value).unwrap();
    }
    check(&keyval, "10.2.0.1", 0, Some("eight"));
    check(&keyval, "10.1.9.9", 0, Some("sixteen"));
    check(&keyval, "10.1.0.1", 0, Some("one"));
    check(&keyval, "11.0.0.1", 0, None);
    check(&keyval, "10.1.0.0/24", 0, Some("sixteen"));
    check(&keyval, "10.0.0.0/7", 0, None);
    check(&keyval, "2001:db8::1", 0, Some("documents"));
    check(&keyval, "::1", 0, Some("six"));
    check(&keyval, "::ffff:10.1.0.1", 0, Some("six"));
    assert!(keyval.remove(b"::/0", 0));
    check(&keyval, "::ffff:10.1.0.1", 0, Some("one"));
    check(&keyval, "::ffff:10.1.0.0/112", 0, Some("sixteen"));
    check(&keyval, "::ffff:0:0/95", 0, None);
    for text in ["", "x", "unix:", "10.0.0", "10.0.0.0/33", "\u{e9}"] {
        check(&keyval, text, 0, None);
        assert_eq!(set(&keyval, text, "x"), Err(Refusal::Key));
    }
    assert!(keyval.remove(b"10.1.0.0/16", 0));
    check(&keyval, "10.1.9.9", 0, Some("eight"));
    let keys: Vec<_> = keyval.pairs(0).into_iter().map(|pair| pair.key).collect();
    assert_eq!(keys, [&b"10.0.0.0/8"[..], b"10.1.0.1", b"2001:db8::/32"]);
}

#[test]
fn the_longest_prefix_counts() {
    let keyval = keyval(Matching::Prefix, None);
    set(&keyval, "/a", "short").unwrap();
    set(&keyval, "/a/b", "long").unwrap();
    let longest = "x".repeat(PREFIX_MAX);
    set(&keyval, &longest, "longest").unwrap();
    check(&keyval, "/a/bc", 0, Some("long"));
    check(&keyval, "/a/b", 0, Some("long"));
    check(&keyval, "/a/", 0, Some("short"));
    check(&keyval, "/b", 0, None);
    check(&keyval, "", 0, None);
    check(&keyval, &format!("{longest}y"), 0, Some("longest"));
    let longer = format!("{longest}y");
    assert_eq!(set(&keyval, &longer, "x"), Err(Refusal::Key));
}

#[test]
fn pairs_end() {
    let keyval = keyval(Matching::Prefix, Some(1000));
    keyval.set(b"a", b"short", None, 500).unwrap();
    keyval.set(b"ab", b"shorter", Some(10), 500).unwrap();
    check(&keyval, "abc", 509, Some("shorter"));
    check(&keyval, "abc", 510, Some("short"));
    check(&keyval, "abc", 1500, None);
    assert!(!keyval.remove(b"ab", 510));
    let left = keyval.pairs(600).first().and_then(|pair| pair.left);
    assert_eq!(left, Some(900));
    assert_eq!(keyval.pairs(1500), []);
    let endless = self::keyval(Matching::Exact, None);
    let refused = endless.set(b"a", b"b", Some(5), 0);
    assert_eq!(refused, Err(Refusal::NoTimeout));
}

/// A full zone refuses; what is over makes room, in whatever order it came.
#[test]
fn room_is_made_of_what_is_over() {
    let keyval = keyval(Matching::Exact, Some(1000));
    let value = [b'v'; 1000];
    keyval.set(b"first", &value, Some(1_000_000), 0).unwrap();
    let mut count = 0;
    while keyval.set(format!("{count}").as_bytes(), &value, None, 0) != Err(Refusal::Full) {
        count += 1;
    }
    assert!(count > 20, "{count}");
    // What cannot be replaced stays.
    let larger = [b'w'; 8000];
    assert_eq!(keyval.set(b"3", &larger, None, 500), Err(Refusal::Full));
    let mut out = Vec::new();
    assert!(keyval.find(b"3", 500, &mut out) && out == value);
    keyval.set(b"new", &larger, None, 2000).unwrap();
    check(&keyval, "0", 500, None);
    let mut out = Vec::new();
    assert!(keyval.find(b"first", 2000, &mut out) && keyval.find(b"new", 2000, &mut out));
    assert_eq!(keyval.pairs(2000).len(), 2);
}

/// Killed while it changed the head, a process leaves a zone that still finds everything.
#[test]
fn a_lost_head_is_made_up_for() {
    let map = map(64 << 10);
    let keyval = Keyval::open(map.clone(), Matching::Prefix, None, None).unwrap();
    set(&keyval, "abc", "1").unwrap();
    assert!(map.lock().remove(HEAD));
    check(&keyval, "abcd", 0, Some("1"));
    set(&keyval, "ab", "2").unwrap();
    let reopened = Keyval::open(map, Matching::Prefix, None, None).unwrap();
    check(&reopened, "abx", 0, Some("2"));
    check(&reopened, "abcd", 0, Some("1"));
}

fn pair(key: &str, value: &str, left: Option<Millis>) -> Pair {
    let (key, value) = (key.as_bytes().to_vec(), value.as_bytes().to_vec());
    Pair { key, value, left }
}

#[test]
fn state_files_come_back() {
    let pairs = [
        pair("a\"b\\\n", "", None),
        pair("\u{e9}\u{1}", "\u{1f600}", Some(250)),
    ];
    let text = state::encode(&pairs, 1_000_000);
    let read = |wall| state::decode(&text, wall).unwrap();
    assert_eq!(read(1_000_000), pairs);
    assert_eq!(read(1_000_200)[1].left, Some(50));
    assert_eq!(read(1_000_250), pairs[..1]);
    assert_eq!(state::decode(&state::encode(&[], 0), 0), Ok(Vec::new()));
}

#[test]
fn broken_state_files_are_told() {
    let check = |text: &str, expected: &str| {
        let error = state::decode(text.as_bytes(), 0).unwrap_err();
        assert!(error.contains(expected), "{text}: {error}");
    };
    check("", "EOF");
    check("[]", "not an object");
    check("{\"a\":1}", "invalid value of \"a\"");
    check("{\"a\":{\"value\":\"b\"}}", "invalid value of \"a\"");
    let negative = "{\"a\":{\"value\":\"b\",\"until\":-1}}";
    check(negative, "invalid value of \"a\"");
    check("{\"a\":\"b\",\"a\":\"c\"}", "twice");
}

#[test]
fn what_is_loaded_is_saved() {
    let path = std::path::Path::new("/state");
    let open = |size| {
        let path = Some(path.to_owned());
        Keyval::open(map(size), Matching::Exact, None, path).unwrap()
    };
    let long = format!("{{\"a\":\"b\",\"c\":\"{}\"}}", "x".repeat(2000));
    let source = MemorySource::new().with(path, long.as_str());
    let keyval = open(64 << 10);
    keyval.load(&source).unwrap();
    check(&keyval, "a", 0, Some("b"));
    assert!(!keyval.is_unsaved());
    set(&keyval, "a", "c").unwrap();
    assert!(keyval.is_unsaved());
    assert_eq!(keyval.set(b"\xff", b"", None, 0), Err(Refusal::NotText));
    assert_eq!(keyval.set(b"a", b"\xff", None, 0), Err(Refusal::NotText));
    // No file yet, and an empty one.
    let keyval = open(64 << 10);
    assert_eq!(keyval.load(&MemorySource::new()), Ok(()));
    assert_eq!(keyval.load(&MemorySource::new().with(path, "")), Ok(()));
    assert_eq!(keyval.pairs(0), []);
    let refused = keyval.load(&MemorySource::new().with(path, "{\"\":\"x\"}"));
    assert_eq!(refused, Err("invalid key format".to_owned()));
}
