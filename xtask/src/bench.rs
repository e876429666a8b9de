//! `cargo xtask bench AREA`: builds what measures and what it is compared with, and lets
//! `crates/bench` do the rest.
//!
//! `--check-instructions` instead holds the number of instructions of the main cases against the
//! committed ones ([`crate::instructions`]).
//!
//! `--wasm` adds our own cases in wasm under Node; `--json` prints one document; `--filter WORD`,
//! `--repetitions N` and `--budget-ms N` go on to the report as they are.

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use crate::tools::Tool;
use crate::{Failure, dist, instructions, process, tools};

/// Another implementation, in a workspace of its own below `peers/`: nobody compiles it who does
/// not compare with it.
struct Peer {
    area: &'static str,
    folder: &'static str,
    needs_protoc: bool,
    /// How it can be built.
    variants: &'static [Variant],
}

/// One way of building and running a peer.
struct Variant {
    name: &'static str,
    feature: &'static str,
    options: &'static str,
}

const REDB: Peer = Peer {
    area: "etcd",
    folder: "redb",
    needs_protoc: false,
    variants: &[Variant { name: "redb", feature: "", options: "" }],
};

const RAFT_RS: Peer = Peer {
    area: "raft",
    folder: "raft-rs",
    needs_protoc: true,
    variants: &[
        Variant { name: "raft-rs, prost", feature: "prost-codec", options: "" },
        Variant { name: "raft-rs, protobuf", feature: "protobuf-codec", options: "" },
        Variant {
            name: "raft-rs, protobuf, batch_append",
            feature: "protobuf-codec",
            options: "--batch",
        },
    ],
};

const PEERS: &[Peer] = &[RAFT_RS, REDB];

/// What can be measured: features of the measuring crate.
const AREAS: &[&str] = &["raft", "etcd", "sim"];

/// The program that measures.
pub(crate) const PROGRAM: &str = "target/release/quorarium-bench";

/// What builds this area of the measuring crate alone: what another area turns on would be measured
/// with it.
fn only(area: &str) -> [&str; 5] {
    ["--package", "quorarium-bench", "--no-default-features", "--features", area]
}

/// Builds [`PROGRAM`] for an area.
pub(crate) fn build(area: &str) -> Result<(), Failure> {
    process::run("cargo", &[&["build", "--quiet", "--release"], &only(area)[..]].concat())
}

/// Builds and measures.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode, Failure> {
    if arguments.first().is_some_and(|first| first.ends_with("-instructions")) {
        return instructions::run(arguments);
    }
    let Some((area, options)) = arguments.split_first() else {
        return Err("bench takes an area: raft, etcd, sim or page".into());
    };
    if area == "page" {
        return page(options);
    }
    if !AREAS.contains(&area.as_str()) {
        return Err(format!("`{area}` has no benches: there are {}, page", AREAS.join(", ")).into());
    }
    build(area)?;
    let mut words = vec!["report".to_owned(), area.clone()];
    for peer in PEERS.iter().filter(|peer| peer.area == area) {
        words.extend(peer.words()?);
    }
    for option in options {
        match option.as_str() {
            "--wasm" => words.extend(["--wasm".to_owned(), build_wasm(area)?]),
            _ => words.push(option.clone()),
        }
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    process::exit_code_of(PROGRAM, &words)
}

/// Measures the built site in a headless browser.
fn page(options: &[String]) -> Result<ExitCode, Failure> {
    const FOLDER: &str = "target/page-under-test";
    tools::ensure(tools::EVERYTHING)?;
    dist::build(FOLDER)?;
    let words = ["tests/bench/page.mjs", FOLDER].into_iter();
    let words: Vec<&str> = words.chain(options.iter().map(String::as_str)).collect();
    process::exit_code_of("node", &words)
}

impl Peer {
    /// Builds every variant; gives what the report must hear of them.
    fn words(&self) -> Result<Vec<String>, Failure> {
        let protoc = if self.needs_protoc { Some(self.protoc()?) } else { None };
        let mut words = Vec::new();
        for variant in self.variants {
            let target = PathBuf::from("target/peers").join(self.folder).join(variant.feature);
            let mut build = Command::new("cargo");
            build
                .args(["build", "--quiet", "--release", "--locked"])
                .args(["--manifest-path", &self.manifest(), "--features", variant.feature])
                .env("CARGO_TARGET_DIR", &target)
                .envs(protoc.iter().map(|protoc| ("PROTOC", protoc)));
            let status = build.status()?;
            if !status.success() {
                return Err(format!("{} does not build ({status})", variant.name).into());
            }
            let program = target.join("release").join(format!("quorarium-peer-{}", self.folder));
            let program = program.to_string_lossy().into_owned();
            words.extend(["--peer", variant.name].map(str::to_owned));
            words.extend([program, variant.options.to_owned()]);
        }
        Ok(words)
    }

    fn manifest(&self) -> String {
        format!("peers/{}/Cargo.toml", self.folder)
    }

    /// The protobuf compiler that raft-rs's build asks for: the one that `PROTOC` names, else the
    /// one that its own build dependency brings along.
    fn protoc(&self) -> Result<String, Failure> {
        if let Ok(named) = std::env::var("PROTOC") {
            return Ok(named);
        }
        let manifest = self.manifest();
        let query = ["metadata", "--locked", "--format-version", "1", "--manifest-path", &manifest];
        let metadata = process::output_of("cargo", &query).ok_or("cargo metadata failed")?;
        let file = format!("protoc-{}-{}", bundled_system()?, std::env::consts::ARCH);
        let folder = metadata.split('"').find_map(|word| {
            word.strip_suffix("/Cargo.toml").filter(|path| path.contains("/protobuf-build-"))
        });
        let found = folder.map(|folder| PathBuf::from(folder).join("bin").join(&file));
        match found.filter(|path| path.is_file()) {
            Some(path) => Ok(path.to_string_lossy().into_owned()),
            None => Err(format!(
                "building raft-rs needs protoc, and there is no {file} beside protobuf-build: \
                 install protoc and name it in PROTOC"
            )
            .into()),
        }
    }
}

/// The system's name in the names of the bundled compilers.
fn bundled_system() -> Result<&'static str, Failure> {
    match std::env::consts::OS {
        "linux" => Ok("linux"),
        "macos" => Ok("osx"),
        other => Err(format!("no protoc is bundled for {other}: name one in PROTOC").into()),
    }
}

/// Builds our cases for Node; gives the folder.
pub(crate) fn build_wasm(area: &str) -> Result<String, Failure> {
    tools::ensure(&[Tool::WasmTarget, Tool::WasmBindgen, Tool::WasmOpt, Tool::Node])?;
    let target = "wasm32-unknown-unknown";
    let build = ["build", "--quiet", "--release", "--lib", "--target", target];
    process::run("cargo", &[&build[..], &only(area)[..]].concat())?;
    let (module, folder) = (format!("target/{target}/release/bench.wasm"), "target/bench-wasm");
    let node = ["--target", "experimental-nodejs-module", "--out-dir", folder];
    process::run("wasm-bindgen", &[&node[..], &[module.as_str()]].concat())?;
    // As the page's build does; there for size.
    let code = format!("{folder}/bench_bg.wasm");
    process::run("wasm-opt", &["-O3", &code, "-o", &code])?;
    Ok(folder.to_owned())
}
