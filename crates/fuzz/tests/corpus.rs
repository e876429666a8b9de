//! What is kept of fuzzing, and what can be tried whole, on every run of the tests.

use std::path::Path;

use quorarium_fuzz::{TARGETS, run, seeds};

/// Seeds up to this size are cut at every byte.
const CUT_BYTES_MAX: usize = 32 << 10;
/// Bits that are turned over of each seed, spread evenly; all of them with `FUZZ_ALL_BITS=1`.
const FLIPS: usize = 3_000;

#[test]
fn inputs_that_once_failed_are_read() {
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let mut read = 0;
    for (target, _) in TARGETS {
        let Ok(folder) = std::fs::read_dir(kept.join(target)) else { continue };
        for entry in folder {
            let path = entry.expect("a folder lists").path();
            run(target, &std::fs::read(&path).expect("a file is read"));
            read += 1;
        }
    }
    println!("{read} kept inputs");
}

#[test]
fn seeds_are_read() {
    for (target, _) in TARGETS {
        let seeds = seeds::of(target);
        assert!(!seeds.is_empty(), "{target} has a seed");
        for seed in seeds {
            run(target, &seed);
        }
    }
}

#[test]
fn every_truncation_of_a_seed_is_read() {
    for (target, _) in TARGETS {
        for seed in seeds::of(target) {
            let cuts = 0..seed.len().min(CUT_BYTES_MAX);
            cuts.for_each(|len| run(target, &seed[..len]));
        }
    }
}

#[test]
fn bit_flips_of_a_seed_are_read() {
    let all = std::env::var_os("FUZZ_ALL_BITS").is_some();
    for (target, _) in TARGETS {
        for seed in seeds::of(target) {
            let bits = seed.len() * 8;
            let step = if all { 1 } else { bits.div_ceil(FLIPS) };
            let mut bytes = seed.clone();
            for bit in (0..bits).step_by(step) {
                bytes[bit / 8] ^= 1 << (bit % 8);
                run(target, &bytes);
                bytes[bit / 8] = seed[bit / 8];
            }
        }
    }
}
