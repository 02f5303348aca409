//! libFuzzer entry of the `geo_base` target.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tidegate_fuzz::geo_base(data));
