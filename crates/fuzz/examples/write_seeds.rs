//! Writes the seeds of all targets into folders below the one that is named, for cargo-fuzz:
//! `cargo run -p quorarium-fuzz --example write_seeds fuzz/corpus`.

use std::path::Path;

use quorarium_fuzz::{TARGETS, seeds};

fn main() -> std::io::Result<()> {
    let folder = std::env::args().nth(1).unwrap_or_else(|| "fuzz/corpus".to_owned());
    for (target, _) in TARGETS {
        let folder = Path::new(&folder).join(target);
        std::fs::create_dir_all(&folder)?;
        for (number, seed) in seeds::of(target).into_iter().enumerate() {
            std::fs::write(folder.join(format!("seed-{number}")), seed)?;
        }
    }
    Ok(())
}
