//! Pages with SSI commands.

use crate::pieces;
use http_modules::pure::scanner::{Command, Event, Scanner};
use http_modules::pure::text::{Expression, evaluate};

/// Most bytes of a value.
const VALUE_MAX: usize = 64;

/// Reads a page, at once and in pieces, and evaluates what its commands say.
///
/// # Panics
///
/// When the pieces matter, a limit does not hold, or a command reads otherwise once written.
pub fn ssi(data: &[u8]) {
    let whole = scan(data, &[data.len()]);
    assert_eq!(whole, scan(data, &pieces::cuts(data)), "in pieces");
    let mut text_len = 0;
    for event in &whole {
        match event {
            Event::Text(text) => {
                assert!(!text.is_empty());
                text_len += text.len();
            }
            Event::Command(command) => check(command),
            Event::Broken(problem) => assert!(!problem.is_empty()),
        }
    }
    assert!(text_len <= data.len());
}

fn check(command: &Command) {
    assert!((1..=32).contains(&command.name.len()));
    for (name, value) in &command.params {
        assert!((1..=32).contains(&name.len()) && value.len() <= VALUE_MAX);
        if let Ok(evaluated) = evaluate(value, |name, _| assert!(!name.is_empty())) {
            assert!(evaluated.len() <= value.len());
        }
        if let Some(expression) = Expression::parse(value) {
            assert!(expression.left.len() <= value.len());
            let right = expression.right.map_or(0, |right| right.text.len());
            assert!(right < value.len() || right == 0);
        }
    }
    // A value between other quotes may have these in it, and could not be written again.
    if command
        .params
        .iter()
        .all(|(_, value)| !value.contains(&b'"'))
    {
        let text = command.to_text();
        assert_eq!(
            scan(&text, &[text.len()]),
            [Event::Command(command.clone())]
        );
    }
}

fn scan(data: &[u8], cuts: &[usize]) -> Vec<Event> {
    let (mut scanner, mut events, mut at) = (Scanner::new(VALUE_MAX), Vec::new(), 0);
    let mut add = |event| match (events.last_mut(), event) {
        (Some(Event::Text(text)), Event::Text(more)) => text.extend_from_slice(&more),
        (_, event) => events.push(event),
    };
    for &cut in cuts {
        let mut input = &data[at..cut];
        while let Some(event) = scanner.next(&mut input) {
            add(event);
        }
        assert!(input.is_empty());
        at = cut;
    }
    if let Some(event) = scanner.end() {
        add(event);
    }
    events
}
