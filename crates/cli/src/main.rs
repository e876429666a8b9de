//! The `quorarium` command.

fn main() {}
