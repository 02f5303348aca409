//! Lists of media types, as the directives of filters have them: `charset_types`, `ssi_types`.

use engine::{Line, Setting};
use http::ResponseHead;
use std::rc::Rc;

/// Types of responses that a filter is for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum MediaTypes {
    /// Any, even none.
    All,
    /// These, in lower case.
    These(Rc<[Vec<u8>]>),
}

impl MediaTypes {
    /// The types of a default.
    pub(crate) fn of(types: &[&str]) -> Self {
        Self::These(types.iter().map(|kind| kind.as_bytes().to_vec()).collect())
    }

    /// Whether a response's type is one of them.
    pub(crate) fn admit(&self, head: &ResponseHead) -> bool {
        match (self, &head.content_type) {
            (Self::All, _) => true,
            (Self::These(types), Some(kind)) => {
                types.iter().any(|known| known.eq_ignore_ascii_case(kind))
            }
            (Self::These(_), None) => false,
        }
    }
}

/// Reads `name mime-type ...`, which may repeat. `text/html` is always one of them; `*` stands
/// for all.
pub(crate) fn read(field: &mut Setting<MediaTypes>, line: &mut Line<'_>) {
    let mut types = match &**field {
        MediaTypes::All if field.is_set() => return,
        MediaTypes::These(types) if field.is_set() => types.to_vec(),
        _ => vec![b"text/html".to_vec()],
    };
    for index in 0..line.args().len() {
        let kind = line.arg(index).to_ascii_lowercase();
        if kind == b"*" {
            field.set(MediaTypes::All);
            return;
        }
        if types.contains(&kind) {
            let shown = String::from_utf8_lossy(&kind).into_owned();
            line.warn(format!("duplicate MIME type \"{shown}\""));
        } else {
            types.push(kind);
        }
    }
    field.set(MediaTypes::These(types.into()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Bytes;

    fn head(kind: Option<&'static str>) -> ResponseHead {
        ResponseHead {
            content_type: kind.map(Bytes::from),
            ..ResponseHead::default()
        }
    }

    #[test]
    fn case_does_not_matter_and_all_means_all() {
        let types = MediaTypes::of(&["text/html", "text/plain"]);
        assert!(types.admit(&head(Some("Text/HTML"))));
        assert!(!types.admit(&head(Some("text/xml"))));
        assert!(!types.admit(&head(None)));
        assert!(MediaTypes::All.admit(&head(None)));
    }
}
