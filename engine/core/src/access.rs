//! Permission bits of new files, as `dav_access`, `proxy_store_access` and their like write
//! them: `user:rw group:r all:r`.

use crate::line::{Line, Refused};

/// Reads all arguments of `line` as one set of permission bits.
///
/// The user may read and write unless the line says otherwise.
///
/// # Errors
///
/// `invalid value "..."` for whatever is not `user`, `group` or `all`, a colon, and `r` or `rw`.
pub fn read(line: &Line<'_>) -> Result<u32, Refused> {
    let words = (0..line.args().len()).map(|index| line.arg(index));
    bits(words).map_err(|index| line.invalid_value(index))
}

/// The bits of `words`, or which of them is wrong.
fn bits<'w>(words: impl Iterator<Item = &'w [u8]>) -> Result<u32, usize> {
    let mut bits = 0;
    let mut user = 0o600;
    for (index, word) in words.enumerate() {
        let (who, what) = base::bytes::split_once(word, b':').ok_or(index)?;
        let shift = match who {
            b"user" => {
                user = 0;
                6
            }
            b"group" => 3,
            b"all" => 0,
            _ => return Err(index),
        };
        let right = match what {
            b"rw" => 0o6,
            b"r" => 0o4,
            _ => return Err(index),
        };
        bits |= right << shift;
    }
    Ok(bits | user)
}

/// The bits of a folder for files of these bits: who may read may also pass through.
pub fn of_folder(bits: u32) -> u32 {
    bits | (bits & 0o444) >> 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(words: &[&str], expected: Result<u32, usize>) {
        assert_eq!(bits(words.iter().map(|word| word.as_bytes())), expected);
    }

    #[test]
    fn rights_add_up_and_the_user_has_both_by_default() {
        check(&["user:rw"], Ok(0o600));
        check(&["group:rw", "all:r"], Ok(0o664));
        check(&["user:r", "group:r"], Ok(0o440));
        check(&["all:rw"], Ok(0o606));
    }

    #[test]
    fn anything_else_is_refused_by_its_position() {
        check(&["user:rw", "group:w"], Err(1));
        check(&["owner:rw"], Err(0));
        check(&["all"], Err(0));
        check(&["all:"], Err(0));
    }

    #[test]
    fn folders_can_be_passed_by_readers() {
        assert_eq!(of_folder(0o600), 0o700);
        assert_eq!(of_folder(0o664), 0o775);
        assert_eq!(of_folder(0o606), 0o707);
    }
}
