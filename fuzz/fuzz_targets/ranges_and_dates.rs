//! libFuzzer entry of the `ranges_and_dates` target.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tidegate_fuzz::ranges_and_dates(data));
