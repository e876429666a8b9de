#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| quorarium_fuzz::run("snap_file", bytes));
