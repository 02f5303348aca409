//! Configuration text.

use conf::{Directive, Position, parse_str};

/// Parses a configuration, and renders what is wrong with it.
///
/// # Panics
///
/// When the same text reads differently, a position names no place, or a comment at the end
/// changes what stands before it.
pub fn config(data: &[u8]) {
    let (tree, errors) = parse_str(data);
    assert_eq!(parse_str(data), (tree.clone(), errors.clone()));
    check_directives(&tree.directives);

    for error in &errors {
        let line = error.nginx_line(&tree);
        assert!(line.starts_with("nginx: ["), "{line}");
        assert!(!error.render_terminal(&tree, true).is_empty());
    }
    if errors.is_empty() {
        let longer = [data, b"\n# end\n"].concat();
        let (again, errors) = parse_str(&longer);
        assert!(errors.is_empty(), "a comment breaks it");
        assert_eq!(again.directives, tree.directives);
    }
}

fn check_directives(directives: &[Directive]) {
    for directive in directives {
        let words = || std::iter::once(&directive.name).chain(&directive.args);
        let places = words().map(|word| word.position).chain([directive.end]);
        places.for_each(check_position);
        assert!(words().all(|word| word.quoted || !word.text.is_empty()));
        assert!(directive.raw.is_none() || directive.block.as_ref().is_some_and(Vec::is_empty));
        check_directives(directive.block.as_deref().unwrap_or_default());
    }
}

fn check_position(position: Position) {
    assert!(position.line > 0 && position.column > 0, "{position:?}");
}
