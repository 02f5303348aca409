//! Questions and what is taken as their answers.

use tidegate_dns::limits::{ALIASES_MAX, RECORDS_MAX, TTL_MAX};
use tidegate_dns::{Data, Endless, Kind, Name, Query, Rejected};

const RESPONSE: u16 = 0x8180;

fn name(text: &str) -> Name {
    Name::parse(text.as_bytes()).expect("a name")
}

fn query(text: &str, kind: Kind) -> Query {
    Query {
        id: 0x1234,
        name: name(text),
        kind,
    }
}

/// A message under construction: header, then question, then records.
struct Message(Vec<u8>);

impl Message {
    fn answering(query: &Query, flags: u16) -> Self {
        let mut message = query.encode();
        message[2..4].copy_from_slice(&flags.to_be_bytes());
        Self(message)
    }

    fn count(&mut self, section: usize) {
        let at = 6 + section * 2;
        let count = u16::from_be_bytes([self.0[at], self.0[at + 1]]) + 1;
        self.0[at..at + 2].copy_from_slice(&count.to_be_bytes());
    }

    fn record(mut self, section: usize, owner: &[u8], kind: u16, ttl: u32, data: &[u8]) -> Self {
        self.count(section);
        self.0.extend_from_slice(owner);
        self.0.extend_from_slice(&kind.to_be_bytes());
        self.0.extend_from_slice(&1_u16.to_be_bytes());
        self.0.extend_from_slice(&ttl.to_be_bytes());
        let len = u16::try_from(data.len()).expect("short data");
        self.0.extend_from_slice(&len.to_be_bytes());
        self.0.extend_from_slice(data);
        self
    }

    fn a(self, owner: &str, ttl: u32, ip: [u8; 4]) -> Self {
        self.record(0, name(owner).as_wire(), 1, ttl, &ip)
    }

    fn cname(self, owner: &str, target: &str) -> Self {
        self.record(0, name(owner).as_wire(), 5, 60, name(target).as_wire())
    }
}

#[test]
fn a_question_as_sent() {
    let query = query("Example.net", Kind::Aaaa);
    let expected = b"\x12\x34\x01\x00\0\x01\0\0\0\0\0\0\x07example\x03net\0\0\x1c\0\x01";
    assert_eq!(query.encode(), expected);
    assert_eq!(query.encode_stream(), [&b"\0\x1d"[..], expected].concat());
}

#[test]
fn addresses_in_the_servers_order() {
    let query = query("example.net", Kind::A);
    let message = Message::answering(&query, RESPONSE)
        .record(0, b"\xc0\x0c", 1, 60, &[192, 0, 2, 2])
        .a("EXAMPLE.net", 30, [192, 0, 2, 1]);
    let answer = query.read(&message.0).unwrap();
    let chain = answer.chain(&query).unwrap();
    let expected = [[192, 0, 2, 2], [192, 0, 2, 1]].map(|ip| Data::A(ip.into()));
    assert_eq!(chain.found, expected.iter().collect::<Vec<_>>());
    assert_eq!((chain.end, chain.ttl), (&query.name, 30));
}

#[test]
fn only_the_answer_to_this_question_is_taken() {
    let query = query("example.net", Kind::A);
    let good = Message::answering(&query, RESPONSE).a("example.net", 60, [192, 0, 2, 1]);
    assert!(query.read(&good.0).is_ok());
    let foreign = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut message = good.0.clone();
        change(&mut message);
        assert_eq!(query.read(&message), Err(Rejected::Foreign));
    };
    foreign(&|m| m[1] ^= 1);
    foreign(&|m| m[2] &= 0x7f);
    foreign(&|m| m[2] |= 0x08);
    foreign(&|m| m[5] = 0);
    foreign(&|m| m[5] = 2);
    foreign(&|m| m[13] = b'f');
    foreign(&|m| m[26] = 28);
    foreign(&|m| m[28] = 3);
    foreign(&|m| m.truncate(20));
    foreign(&|m| m.clear());
}

#[test]
fn a_broken_answer_is_no_answer_however_it_is_cut() {
    let query = query("example.net", Kind::A);
    let good = Message::answering(&query, RESPONSE)
        .cname("example.net", "a.example.net")
        .a("a.example.net", 60, [192, 0, 2, 1])
        .0;
    for cut in 0..good.len() {
        let expected = if cut < 12 + 13 + 4 {
            Rejected::Foreign
        } else {
            Rejected::Malformed
        };
        assert_eq!(query.read(&good[..cut]), Err(expected), "{cut}");
    }
    for len in [0, 3, 5] {
        let data = &[192, 0, 2, 1, 0][..len];
        let bad = Message::answering(&query, RESPONSE).record(0, b"\xc0\x0c", 1, 60, data);
        assert_eq!(query.read(&bad.0), Err(Rejected::Malformed), "{len}");
    }
}

#[test]
fn a_truncated_answer_says_so_whatever_is_left_of_it() {
    let query = query("example.net", Kind::A);
    let mut message = Message::answering(&query, RESPONSE | 0x0200).0;
    message[7] = 9;
    assert!(query.read(&message).unwrap().is_truncated);
}

#[test]
fn aliases_are_followed_in_any_order() {
    let query = query("a.test", Kind::A);
    let message = Message::answering(&query, RESPONSE)
        .a("c.test", 90, [192, 0, 2, 1])
        .cname("b.test", "c.test")
        .cname("a.test", "b.test")
        .a("elsewhere.test", 1, [203, 0, 113, 1]);
    let answer = query.read(&message.0).unwrap();
    let chain = answer.chain(&query).unwrap();
    assert_eq!(chain.end, &name("c.test"));
    assert_eq!(chain.found, [&Data::A([192, 0, 2, 1].into())]);
    assert_eq!(chain.ttl, 60);
}

#[test]
fn an_alias_without_addresses_is_where_to_go_on() {
    let query = query("a.test", Kind::Aaaa);
    let message = Message::answering(&query, RESPONSE).cname("a.test", "b.test");
    let answer = query.read(&message.0).unwrap();
    let chain = answer.chain(&query).unwrap();
    assert_eq!((chain.end, chain.found.len()), (&name("b.test"), 0));
}

#[test]
fn aliases_end() {
    let query = query("0.test", Kind::A);
    let own = Message::answering(&query, RESPONSE).cname("0.test", "0.test");
    assert_eq!(query.read(&own.0).unwrap().chain(&query), Err(Endless));
    let long = |count: usize| {
        let mut message = Message::answering(&query, RESPONSE);
        for index in 0..count {
            let (owner, target) = (format!("{index}.test"), format!("{}.test", index + 1));
            message = message.cname(&owner, &target);
        }
        let answer = query.read(&message.0).unwrap();
        answer.chain(&query).map(|chain| chain.end.clone())
    };
    let last = name(&format!("{ALIASES_MAX}.test"));
    assert_eq!(long(ALIASES_MAX), Ok(last));
    assert_eq!(long(ALIASES_MAX + 1), Err(Endless));
}

#[test]
fn services() {
    let query = query("_http._tcp.example.net", Kind::Srv);
    let data = [&[0, 1, 0, 5, 0x1f, 0x90][..], b"\x01a\xc0\x17"].concat();
    let message = Message::answering(&query, RESPONSE).record(0, b"\xc0\x0c", 33, 60, &data);
    let answer = query.read(&message.0).unwrap();
    let expected = Data::Srv {
        priority: 1,
        weight: 5,
        port: 8080,
        target: name("a.example.net"),
    };
    assert_eq!(answer.chain(&query).unwrap().found, [&expected]);
}

#[test]
fn how_long_nothing_may_be_remembered() {
    let query = query("example.net", Kind::A);
    let soa = |ttl: u32, minimum: u32| {
        let data = [&b"\0\0"[..], &[0; 16], &minimum.to_be_bytes()].concat();
        Message::answering(&query, RESPONSE | 3).record(1, b"\xc0\x0c", 6, ttl, &data)
    };
    let read = |message: Message| {
        let answer = query.read(&message.0).unwrap();
        (answer.rcode, answer.negative_ttl)
    };
    assert_eq!(read(soa(60, 5)), (3, Some(5)));
    assert_eq!(read(soa(4, 5)), (3, Some(4)));
    assert_eq!(read(Message::answering(&query, RESPONSE | 3)), (3, None));
    let mut cut = soa(60, 5);
    cut.0.pop();
    assert_eq!(read(cut), (3, None));
}

#[test]
fn times_to_live_are_believed_within_reason() {
    let query = query("example.net", Kind::A);
    let ttl = |ttl: u32| {
        let message = Message::answering(&query, RESPONSE).a("example.net", ttl, [192, 0, 2, 1]);
        query.read(&message.0).unwrap().records[0].ttl
    };
    assert_eq!(ttl(0), 0);
    assert_eq!(ttl(300), 300);
    assert_eq!(ttl(0x7fff_ffff), TTL_MAX);
    assert_eq!(ttl(0x8000_0000), 0);
}

#[test]
fn unknown_types_and_classes_are_passed_over() {
    let query = query("example.net", Kind::A);
    let mut message = Message::answering(&query, RESPONSE)
        .record(0, b"\xc0\x0c", 99, 60, b"whatever")
        .a("example.net", 60, [192, 0, 2, 9]);
    let class = message.0.len() - 4 - 2 - 4 - 2;
    message.0[class + 1] = 3;
    let message = message.a("example.net", 60, [192, 0, 2, 1]);
    let answer = query.read(&message.0).unwrap();
    assert_eq!(answer.records.len(), 1);
    assert_eq!(answer.records[0].data, Data::A([192, 0, 2, 1].into()));
}

#[test]
fn records_beyond_the_limit_are_not_looked_at() {
    let query = query("example.net", Kind::A);
    let mut message = Message::answering(&query, RESPONSE).0;
    message[6..8].copy_from_slice(&u16::MAX.to_be_bytes());
    let record = b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\xc0\0\x02\x01";
    for _ in 0..RECORDS_MAX {
        message.extend_from_slice(record);
    }
    assert_eq!(query.read(&message).unwrap().records.len(), RECORDS_MAX);
}
