#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| quorarium_fuzz::run("archive", bytes));
