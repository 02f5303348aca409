//! Answers of DNS servers.

use dns::limits::{NAME_MAX, RECORDS_MAX};
use dns::{Data, Kind, Name, Query};

/// Reads a message as the answer to the question that it repeats, of every kind, and follows
/// its aliases.
///
/// # Panics
///
/// When a beginning of an answer reads as another answer, or a limit does not hold.
pub fn dns(data: &[u8]) {
    let id = data.first_chunk().map_or(0, |id| u16::from_be_bytes(*id));
    for kind in [Kind::A, Kind::Aaaa, Kind::Srv] {
        let name = Name::parse(b"a.test").expect("a name");
        check_answer(&Query { id, name, kind }, data);
    }
    if let Ok(name) = Name::parse(data) {
        check_name(&name);
        let query = Query {
            id,
            name,
            kind: Kind::A,
        };
        assert!(query.read(&query.encode()).is_err(), "no answer to itself");
    }
}

fn check_answer(query: &Query, data: &[u8]) {
    let whole = query.read(data);
    for cut in 0..data.len().min(512) {
        if let Ok(early) = query.read(&data[..cut]) {
            // Of what says that nothing is there, less may be left.
            assert_eq!(Ok(&early.records), whole.as_ref().map(|all| &all.records));
        }
    }
    let Ok(answer) = whole else { return };
    assert!(answer.records.len() <= RECORDS_MAX);
    for record in &answer.records {
        check_name(&record.name);
        match &record.data {
            Data::Cname(name) | Data::Srv { target: name, .. } => {
                check_name(name);
            }
            Data::A(_) | Data::Aaaa(_) => {}
        }
    }
    if let Ok(chain) = answer.chain(query) {
        assert!(chain.found.len() <= answer.records.len());
    }
}

fn check_name(name: &Name) {
    assert!(name.as_wire().len() <= NAME_MAX);
    let text = name.to_string();
    assert!(text.is_ascii() && !text.contains(|c: char| c.is_ascii_control()));
    if !text.contains('\\') && !name.is_root() {
        assert_eq!(Name::parse(text.as_bytes()).as_ref(), Ok(name));
    }
}
