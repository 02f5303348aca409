//! Tests of the log file.

use super::*;
use crate::worker::WorkerLimits;
use std::io::Read;

/// A folder that is removed with its test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("runtime-log-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn path(&self) -> PathBuf {
        self.0.join("access.log")
    }

    fn text(&self) -> String {
        std::fs::read_to_string(self.path()).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn lines_of_a_turn_are_written_at_its_end() {
    let folder = Folder::new("turn");
    let worker = Worker::new(WorkerLimits::default()).unwrap();
    let log = LogFile::open(folder.path(), LogOptions::default()).unwrap();
    log.append(b"one");
    log.append(b"two");
    assert_eq!(folder.text(), "");
    worker.turn(Some(0));
    assert_eq!(folder.text(), "one\ntwo\n");
    log.write_now(b"three");
    assert_eq!(folder.text(), "one\ntwo\nthree\n");
}

#[test]
fn without_a_worker_lines_are_written_at_once() {
    let folder = Folder::new("alone");
    let log = LogFile::open(folder.path(), LogOptions::default()).unwrap();
    log.append(b"one");
    assert_eq!(folder.text(), "one\n");
}

#[test]
fn a_buffer_is_written_when_full_or_old() {
    let folder = Folder::new("buffer");
    let worker = Worker::new(WorkerLimits::default()).unwrap();
    let options = LogOptions {
        buffer: Some(8),
        flush: Some(500),
        gzip: None,
    };
    let log = LogFile::open(folder.path(), options).unwrap();
    log.append(b"one");
    worker.turn(Some(0));
    assert_eq!(folder.text(), "");
    log.append(b"three");
    assert_eq!(folder.text(), "one\n", "both do not fit");
    let start = worker.now();
    while folder.text() == "one\n" {
        worker.turn(Some(1000));
        assert!(worker.now() < start + 5000, "the timer writes it");
    }
    assert_eq!(folder.text(), "one\nthree\n");
    log.append(b"too long for the buffer");
    assert!(folder.text().ends_with("buffer\n"));
}

#[test]
fn compressed_buffers_make_one_gzip_file() {
    let folder = Folder::new("gzip");
    let options = LogOptions {
        buffer: Some(1024),
        flush: None,
        gzip: Some(1),
    };
    let log = LogFile::open(folder.path(), options).unwrap();
    log.append(b"one");
    log.flush();
    log.append(b"two");
    drop(log);
    let file = File::open(folder.path()).unwrap();
    let mut text = String::new();
    flate2::read::MultiGzDecoder::new(file)
        .read_to_string(&mut text)
        .unwrap();
    assert_eq!(text, "one\ntwo\n");
}

#[test]
fn after_rotation_lines_go_to_the_new_file() {
    let folder = Folder::new("reopen");
    let options = LogOptions {
        buffer: Some(1024),
        ..LogOptions::default()
    };
    let log = LogFile::open(folder.path(), options).unwrap();
    log.append(b"before");
    let old = folder.0.join("access.log.1");
    std::fs::rename(folder.path(), &old).unwrap();
    log.reopen().unwrap();
    log.append(b"after");
    log.flush();
    assert_eq!(std::fs::read_to_string(old).unwrap(), "before\n");
    assert_eq!(folder.text(), "after\n");
}

#[test]
fn a_link_is_refused_where_others_could_put_it() {
    let folder = Folder::new("link");
    let target = folder.0.join("secret");
    std::fs::write(&target, "").unwrap();
    std::os::unix::fs::symlink(&target, folder.path()).unwrap();
    assert!(open_to_append(&folder.path(), false).is_ok());
    assert!(open_to_append(&folder.path(), true).is_err());
    assert!(!others_may_replace(&folder.path()), "the folder is ours");
}

#[test]
fn a_full_disk_drops_lines_and_says_so_once() {
    let worker = Worker::new(WorkerLimits::default()).unwrap();
    let log = LogFile::open("/dev/full", LogOptions::default()).unwrap();
    let messages = Rc::new(RefCell::new(Vec::new()));
    let seen = Rc::clone(&messages);
    log.set_error_hook(Rc::new(move |text| seen.borrow_mut().push(text.to_owned())));
    for _ in 0..3 {
        log.append(b"line");
        worker.turn(Some(0));
    }
    assert_eq!(log.dropped(), 3);
    let messages = messages.borrow();
    assert_eq!(messages.len(), 1);
    let expected =
        "write() to \"/dev/full\" failed (28: No space left on device), 1 lines lost so far";
    assert_eq!(messages[0], expected);
}
