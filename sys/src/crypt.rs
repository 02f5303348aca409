//! Password hashes as the system's `crypt(3)` knows them.

use std::ffi::{CStr, CString, c_char};
use std::mem::MaybeUninit;

/// What libxcrypt (and glibc before it) declare `struct crypt_data` at most as: 32768 bytes in
/// libxcrypt, 131232 in glibc's libcrypt. Taking the larger serves both.
const WORKSPACE: usize = 131_232;

/// The workspace of `crypt_r`, aligned as the widest member of either library's structure.
#[repr(C, align(16))]
struct Workspace([u8; WORKSPACE]);

#[link(name = "crypt")]
unsafe extern "C" {
    fn crypt_r(
        password: *const c_char,
        setting: *const c_char,
        workspace: *mut Workspace,
    ) -> *mut c_char;
}

/// Hashes `password` the way `setting` says: a whole stored hash, or its beginning up to the salt
/// (`$6$salt$`, `$1$salt$`, two letters for DES, ...). The password is right when the result equals
/// the stored hash.
///
/// Takes as long as the setting asks for, up to seconds: call it where waiting is allowed.
///
/// Returns `None` when either text holds a NUL, or the library does not know the setting. Its
/// failure marks (`*0`, `*1`) count as not knowing.
#[must_use]
pub fn crypt(password: &[u8], setting: &[u8]) -> Option<Vec<u8>> {
    let password = CString::new(password).ok()?;
    let setting = CString::new(setting).ok()?;
    let mut workspace = Box::<Workspace>::new_uninit();
    let pointer = zero(&mut workspace);

    // SAFETY: both strings are NUL-terminated, the workspace is zeroed as crypt_r(3) asks, at
    // least as large as either library needs, and all three outlive the call.
    let hash = unsafe { crypt_r(password.as_ptr(), setting.as_ptr(), pointer) };
    if hash.is_null() {
        return None;
    }
    // SAFETY: a result that is not null is NUL-terminated and lies in `workspace`, which lives on.
    let hash = unsafe { CStr::from_ptr(hash) }.to_bytes();
    (!hash.starts_with(b"*")).then(|| hash.to_vec())
}

fn zero(workspace: &mut Box<MaybeUninit<Workspace>>) -> *mut Workspace {
    let pointer = workspace.as_mut_ptr();
    // SAFETY: `pointer` is valid for writing one `Workspace`, whose bytes may all be zero.
    unsafe { pointer.write_bytes(0, 1) };
    pointer
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by `openssl passwd` and `perl -e 'print crypt(...)'`.
    #[test]
    fn known_hashes() {
        for stored in [
            "$1$saltsalt$qjXMvbEw8oaL.CzflDtaK/",
            "$5$saltsalt$gOjOtoMpVhru2uyjeJSEc/JaLQWOXMNmlOnj6T4AtC.",
            "$6$saltsalt$qFmFH.bQmmtXzyBY0s9v7Oicd2z4XSIecDzlB5KiA2/jctKu9YterLp8wwnSq.qc.eoxqOmSuNp2xS0ktL3nh/",
            "sa3tHJ3/KuYvI",
        ] {
            let hash = crypt(b"password", stored.as_bytes());
            assert_eq!(hash.as_deref(), Some(stored.as_bytes()));
            assert_ne!(
                crypt(b"passwore", stored.as_bytes()).as_deref(),
                Some(stored.as_bytes())
            );
        }
    }

    #[test]
    fn unknown_settings_have_no_hash() {
        assert_eq!(crypt(b"password", b"*0"), None);
        assert_eq!(crypt(b"password", b"$nonsense"), None);
        assert_eq!(crypt(b"pass\0word", b"sa"), None);
    }
}
