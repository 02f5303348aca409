//! Files in a folder of their own: every call, and what it refuses.

use std::fs;
use std::io::ErrorKind;
use std::os::fd::AsFd;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;

/// A folder of its own for each test, removed at its end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("sys-file-{}-{number}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        fs::write(self.at(name), text).unwrap();
        self.at(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

#[test]
fn describes_what_std_describes() {
    use std::os::unix::fs::MetadataExt;

    let folder = Folder::new();
    let path = folder.write("a", "hello");
    let ours = stat(&path).unwrap();
    let theirs = fs::metadata(&path).unwrap();

    assert_eq!((ours.dev, ours.ino), (theirs.dev(), theirs.ino()));
    assert_eq!((ours.size, ours.kind()), (5, Kind::File));
    assert_eq!(
        (ours.mode, ours.uid, ours.blocks),
        (theirs.mode(), theirs.uid(), theirs.blocks())
    );
    assert_eq!(ours.mtime(), theirs.mtime());
    assert_eq!(
        ours.mtime_ns,
        theirs.mtime() * 1_000_000_000 + theirs.mtime_nsec()
    );
    assert_eq!(
        ours.ctime_ns,
        theirs.ctime() * 1_000_000_000 + theirs.ctime_nsec()
    );

    let file = open(&path, Open::READ, 0).unwrap();
    assert_eq!(stat_of(file.as_fd()).unwrap(), ours);
}

#[test]
fn follows_links_only_when_asked() {
    let folder = Folder::new();
    folder.write("a", "hello");
    symlink("a", folder.at("link")).unwrap();

    assert_eq!(stat(&folder.at("link")).unwrap().kind(), Kind::File);
    assert_eq!(stat_link(&folder.at("link")).unwrap().kind(), Kind::Link);
    let place = open(&folder.0, Open::DIRECTORY, 0).unwrap();
    assert!(stat_at(place.as_fd(), "link", true).unwrap().is_file());
    assert_eq!(
        stat_at(place.as_fd(), "link", false).unwrap().kind(),
        Kind::Link
    );
    let refused = open(&folder.at("link"), Open::READ.no_follow(), 0).unwrap_err();
    assert_eq!(refused.raw_os_error(), Some(libc::ELOOP));
}

/// Both ways of staying beneath a folder must agree on what is a way out.
#[test]
fn stays_beneath_the_folder() {
    let folder = Folder::new();
    fs::create_dir_all(folder.at("root/deep")).unwrap();
    folder.write("secret", "no");
    folder.write("root/deep/page", "yes");
    symlink("../secret", folder.at("root/out")).unwrap();
    symlink("deep", folder.at("root/inside")).unwrap();
    let root = open(&folder.at("root"), Open::DIRECTORY, 0).unwrap();
    let root = root.as_fd();

    let strict = |path: &std::ffi::CStr| {
        let by_kernel = open_beneath(root, path, Open::READ, 0, Resolve::BeneathWithoutLinks);
        let by_hand = open::walk_for_test(root, path);
        assert_eq!(by_kernel.is_ok(), by_hand.is_ok(), "{path:?}");
        by_kernel.map_err(|e| e.raw_os_error().unwrap())
    };
    assert!(strict(c"deep/page").is_ok());
    assert!(strict(c"./deep//page").is_ok());
    assert_eq!(strict(c"inside/page").unwrap_err(), libc::ELOOP);
    assert_eq!(strict(c"out").unwrap_err(), libc::ELOOP);
    assert_eq!(strict(c"../secret").unwrap_err(), libc::EXDEV);
    assert_eq!(strict(c"/etc/passwd").unwrap_err(), libc::EXDEV);
    assert_eq!(strict(c"deep/page/more").unwrap_err(), libc::ENOTDIR);

    let loose = |path| open_beneath(root, path, Open::READ, 0, Resolve::Beneath);
    assert!(loose("inside/page").is_ok());
    assert_eq!(loose("out").unwrap_err().raw_os_error(), Some(libc::EXDEV));
}

#[test]
fn reads_and_writes_at_offsets() {
    let folder = Folder::new();
    let file = open(&folder.at("a"), Open::READ_WRITE.create(), 0o600).unwrap();
    let file = file.as_fd();

    write_all_at(file, b"hello world", 0).unwrap();
    write_all_at(file, b"W", 6).unwrap();
    assert_eq!(read_to_vec(file, 6, 100).unwrap(), b"World");
    assert_eq!(read_to_vec(file, 0, 5).unwrap(), b"hello");
    assert_eq!(read_at(file, &mut [0; 4], 11).unwrap(), 0);

    truncate(file, 4).unwrap();
    assert_eq!(read_to_vec(file, 0, 100).unwrap(), b"hell");
    preallocate(file, 8192).unwrap();
    assert_eq!(stat_of(file).unwrap().size, 8192);
    advise_read_ahead(file).unwrap();
    sync(file).unwrap();
}

#[test]
fn appends_at_the_end() {
    let folder = Folder::new();
    let one = open(&folder.at("log"), Open::APPEND, 0o644).unwrap();
    let two = open(&folder.at("log"), Open::APPEND, 0o644).unwrap();
    append_all(one.as_fd(), b"a\n").unwrap();
    append_all(two.as_fd(), b"b\n").unwrap();
    append_all(one.as_fd(), b"c\n").unwrap();
    assert_eq!(fs::read(folder.at("log")).unwrap(), b"a\nb\nc\n");
}

#[test]
fn copies_in_the_kernel_and_through_a_buffer() {
    let folder = Folder::new();
    let bytes: Vec<u8> = (0..200_000u32).flat_map(u32::to_le_bytes).collect();
    fs::write(folder.at("from"), &bytes).unwrap();
    let from = open(&folder.at("from"), Open::READ, 0).unwrap();
    let to = open(&folder.at("to"), Open::WRITE.create(), 0o600).unwrap();

    assert_eq!(
        copy_all(from.as_fd(), to.as_fd(), u64::MAX).unwrap(),
        800_000
    );
    assert_eq!(fs::read(folder.at("to")).unwrap(), bytes);

    // /proc files say that they are empty, and cannot be copied in the kernel.
    let from = open("/proc/self/status", Open::READ, 0).unwrap();
    let to = open(&folder.at("status"), Open::WRITE.create(), 0o600).unwrap();
    assert!(copy_all(from.as_fd(), to.as_fd(), u64::MAX).unwrap() > 100);
    assert!(
        fs::read_to_string(folder.at("status"))
            .unwrap()
            .starts_with("Name:")
    );
}

#[test]
fn temporary_files_go_unless_kept() {
    let folder = Folder::new();
    folder.write("1", "taken");
    let names = || ["1", "2"].map(|name| folder.at(name));

    let temporary = create_unique(names(), 0o640).unwrap();
    assert_eq!(temporary.path(), folder.at("2"));
    assert_eq!(stat_of(temporary.as_fd()).unwrap().mode & 0o7777, 0o640);
    assert_eq!(
        create_unique(names(), 0o600).unwrap_err().kind(),
        ErrorKind::AlreadyExists
    );
    drop(temporary);
    assert!(!folder.at("2").exists());

    create_unique(names(), 0o600)
        .unwrap()
        .rename_to(&folder.at("real"))
        .unwrap();
    assert!(folder.at("real").exists() && !folder.at("2").exists());

    let unlinked = create_unique(names(), 0o600).unwrap().unlink().unwrap();
    write_all_at(unlinked.as_fd(), b"x", 0).unwrap();
    assert!(!folder.at("2").exists());
}

#[test]
fn arranges_names() {
    let folder = Folder::new();
    let (a, b) = (folder.write("a", "1"), folder.write("b", "2"));

    let taken = rename_without_replacing(&a, &b).unwrap_err();
    assert_eq!(taken.kind(), ErrorKind::AlreadyExists);
    hard_link(&a, &folder.at("c")).unwrap();
    rename(&a, &b).unwrap();
    assert_eq!(fs::read(&b).unwrap(), b"1");

    create_directory(&folder.at("d"), 0o700).unwrap();
    let mut names: Vec<_> = read_directory(&folder.0)
        .unwrap()
        .map(|entry| entry.map(|entry| (entry.name, entry.kind)).unwrap())
        .collect();
    names.sort_by(|a, b| a.0.cmp(&b.0));
    let file = Some(Kind::File);
    assert_eq!(
        names,
        [
            (b"b".to_vec(), file),
            (b"c".to_vec(), file),
            (b"d".to_vec(), Some(Kind::Directory))
        ]
    );
    remove_directory(&folder.at("d")).unwrap();
    remove_file(&b).unwrap();
    assert_eq!(stat(&b).unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn sets_attributes() {
    let folder = Folder::new();
    let path = folder.write("a", "1");
    set_modified(&path, 1_000_000).unwrap();
    assert_eq!(stat(&path).unwrap().mtime_ns, 1_000_000_000_000_000);
    change_mode(&path, 0o604).unwrap();
    assert_eq!(stat(&path).unwrap().mode & 0o777, 0o604);
    accessible(&path, Access::Read).unwrap();
    assert!(accessible(&folder.at("none"), Access::Exist).is_err());
    assert_eq!(
        accessible(&path, Access::Execute).unwrap_err().kind(),
        ErrorKind::PermissionDenied
    );
}

#[test]
fn paths_of_any_length_reach_the_kernel_whole() {
    let folder = Folder::new();
    for length in [1, 200, 255] {
        let name = "n".repeat(length);
        let mut path = folder.0.clone();
        path.push("././././././././././././././././././././././././././././././././././././././");
        path.push("./".repeat(100));
        path.push(&name);
        fs::write(&path, "x").unwrap();
        assert_eq!(stat(&path).unwrap().size, 1);
    }
    assert_eq!(stat("a\0b").unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(stat("").unwrap_err().kind(), ErrorKind::NotFound);
}
