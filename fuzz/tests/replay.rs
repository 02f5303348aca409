//! Replays every corpus, and mutations of it, so that what fuzzing has found stays found.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use tidegate_fuzz::{TARGETS, Target, mutate::Mutator};

/// How many mutations each target gets in a test run.
const MUTATIONS: usize = 20_000;

/// Targets that start a whole server, or whose inputs stand for large ones, and how many mutations
/// these get.
const SLOW: ([&str; 3], usize) = (["exchange", "geo_base", "rules"], 1_000);

/// Where the mutations of a test run begin.
const SEED: u64 = 0x7469_6465;

/// A number from the environment, for runs longer than a test's and other than the last one.
fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// What is in a folder, in the order of the names.
fn paths(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder");
    let mut paths: Vec<_> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    paths.sort();
    paths
}

/// The inputs of one target.
fn corpus(target: &Target) -> Vec<Vec<u8>> {
    let paths = paths(&folder("corpus").join(target.name));
    paths
        .iter()
        .map(|path| fs::read(path).expect("a readable seed"))
        .collect()
}

/// Says which input was being tried when a target panicked.
struct Trying<'a>(&'a str, &'a [u8]);

impl Drop for Trying<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("target {}, input b\"{}\"", self.0, self.1.escape_ascii());
        }
    }
}

fn run(target: &Target, input: &[u8]) {
    let _trying = Trying(target.name, input);
    (target.run)(input);
}

#[track_caller]
fn replay(name: &str) {
    let target = TARGETS
        .iter()
        .find(|target| target.name == name)
        .expect("a target");
    let corpus = corpus(target);
    for input in &corpus {
        run(target, input);
    }
    let mut mutator = Mutator::new(number("TIDEGATE_FUZZ_SEED").unwrap_or(SEED));
    let is_slow = SLOW.0.contains(&target.name);
    let usual = if is_slow { SLOW.1 } else { MUTATIONS };
    let wanted = number("TIDEGATE_FUZZ_MUTATIONS").and_then(|count| usize::try_from(count).ok());
    for _ in 0..wanted.unwrap_or(usual) {
        let input = mutator.next(&corpus);
        run(target, &input);
    }
}

/// One test a target, so that they run side by side.
macro_rules! replays {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                replay(stringify!($name));
            }
        )*

        #[test]
        fn every_target_is_replayed_and_has_its_files() {
            let tested = BTreeSet::from([$(stringify!($name).to_owned()),*]);
            let targets: BTreeSet<_> = TARGETS.iter().map(|target| target.name.to_owned()).collect();
            assert_eq!(tested, targets);
            for target in TARGETS {
                let file = folder("fuzz_targets").join(target.name).with_extension("rs");
                assert!(file.is_file(), "{}", target.name);
                assert!(corpus(target).len() > 3, "{}", target.name);
            }
            let folders = paths(&folder("corpus")).into_iter().filter_map(|path| {
                path.file_name().and_then(|name| name.to_str()).map(str::to_owned)
            });
            assert_eq!(folders.collect::<BTreeSet<_>>(), targets);
        }
    };
}

replays! { charset chunked config dns escaping exchange geo_base geoip http1_request http1_response jwt maxmind proxy_protocol ranges_and_dates rules ssi sub_filter uri }

#[test]
fn mutations_repeat() {
    let corpus = vec![b"abc".to_vec(), b"GET / HTTP/1.1".to_vec()];
    let stream = |seed| {
        let mut mutator = Mutator::new(seed);
        (0..100).map(|_| mutator.next(&corpus)).collect::<Vec<_>>()
    };
    assert_eq!(stream(5), stream(5));
    assert_ne!(stream(5), stream(7));
}
