//! The programs that the commands need: are they there, in the pinned version, and if not, how
//! they come.
//!
//! When nothing is missing, a check costs milliseconds: it looks at files and asks small programs
//! for their version. What can be installed without asking (into cargo's own folder, into
//! `node_modules`, or as root through the system's packages) is installed, after one line that
//! says what it is and about how long it takes on two cores. Anything else stops with the exact
//! command for the person to run.

use crate::{Failure, process};
use std::path::{Path, PathBuf};

/// Must equal the version of the `wasm-bindgen` crate that Cargo.toml pins.
const WASM_BINDGEN: &str = "0.2.130";
const TRUNK: &str = "0.21.14";
const BINARYEN: &str = "132";
/// The oldest Node.js that the end-to-end tests were run with.
const NODE_MAJOR_MIN: u32 = 20;

/// What serving or building the page needs.
pub(crate) const FOR_THE_PAGE: &[Tool] =
    &[Tool::WasmTarget, Tool::WasmBindgen, Tool::Node, Tool::WasmOpt, Tool::Trunk];

/// What all commands together need.
pub(crate) const EVERYTHING: &[Tool] = &[
    Tool::WasmTarget,
    Tool::WasmBindgen,
    Tool::Node,
    Tool::WasmOpt,
    Tool::Trunk,
    Tool::NpmPackages,
    Tool::Chromium,
    Tool::Etcd,
];

/// One thing that a command needs on the machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Tool {
    WasmTarget,
    WasmBindgen,
    Trunk,
    Node,
    WasmOpt,
    NpmPackages,
    Chromium,
    Etcd,
}

/// Installs what is missing of `tools`, in order.
pub(crate) fn ensure(tools: &[Tool]) -> Result<(), Failure> {
    for tool in tools {
        if tool.is_there() {
            continue;
        }
        println!("xtask: {} is missing; installing it ({}).", tool.name(), tool.duration());
        tool.install().map_err(|failure| {
            format!(
                "{failure}\n{} could not be installed. Run this, then try again:\n\n    {}\n",
                tool.name(),
                tool.by_hand()
            )
        })?;
        if !tool.is_there() {
            return Err(format!(
                "{} was installed but is not found on PATH (what cargo and npm install goes to {})",
                tool.name(),
                cargo_home().join("bin").display()
            )
            .into());
        }
    }
    Ok(())
}

impl Tool {
    fn name(self) -> String {
        match self {
            Tool::WasmTarget => "the Rust target wasm32-unknown-unknown".to_owned(),
            Tool::WasmBindgen => format!("wasm-bindgen {WASM_BINDGEN}"),
            Tool::Trunk => format!("Trunk {TRUNK}"),
            Tool::Node => format!("Node.js {NODE_MAJOR_MIN} or later"),
            Tool::WasmOpt => format!("wasm-opt {BINARYEN}"),
            Tool::NpmPackages => "the set of npm packages for the end-to-end tests".to_owned(),
            Tool::Chromium => "Chromium with its driver".to_owned(),
            Tool::Etcd => "etcd with etcdctl, which the acceptance tests boot".to_owned(),
        }
    }

    /// About how long the installation takes.
    fn duration(self) -> &'static str {
        match self {
            Tool::WasmTarget | Tool::NpmPackages | Tool::WasmOpt => "seconds",
            Tool::WasmBindgen => "about 4 minutes",
            Tool::Trunk => "5 to 15 minutes",
            Tool::Node | Tool::Chromium | Tool::Etcd => "about a minute",
        }
    }

    fn is_there(self) -> bool {
        match self {
            Tool::WasmTarget => {
                process::output_of("rustc", &["--print", "sysroot"]).is_some_and(|root| {
                    Path::new(&root).join("lib/rustlib/wasm32-unknown-unknown/lib").is_dir()
                })
            }
            Tool::WasmBindgen => {
                let pinned = format!("wasm-bindgen {WASM_BINDGEN}");
                process::output_of("wasm-bindgen", &["--version"]) == Some(pinned)
                    && on_path("wasm-bindgen-test-runner").is_some()
            }
            Tool::Trunk => {
                process::output_of("trunk", &["--version"]) == Some(format!("trunk {TRUNK}"))
            }
            Tool::Node => process::output_of("node", &["--version"])
                .and_then(|version| version.trim_start_matches('v').split('.').next()?.parse().ok())
                .is_some_and(|major: u32| major >= NODE_MAJOR_MIN),
            Tool::WasmOpt => process::output_of("wasm-opt", &["--version"])
                .is_some_and(|version| version.split_whitespace().any(|word| word == BINARYEN)),
            Tool::NpmPackages => {
                let wanted = std::fs::read(LOCK_FILE).ok();
                wanted.is_some() && wanted == std::fs::read(INSTALLED_LOCK_FILE).ok()
            }
            Tool::Chromium => Browser::find().is_some(),
            // Where the packages cannot be had, the tests that need them say so and pass.
            Tool::Etcd => {
                on_path("apt-get").is_none()
                    || (on_path("etcd").is_some() && on_path("etcdctl").is_some())
            }
        }
    }

    fn install(self) -> Result<(), Failure> {
        match self {
            Tool::WasmTarget => {
                process::run("rustup", &["target", "add", "wasm32-unknown-unknown"])
            }
            // Without --locked: the lock file of this release names a crate version that was withdrawn.
            Tool::WasmBindgen => {
                process::run("cargo", &["install", "wasm-bindgen-cli", "--version", WASM_BINDGEN])
            }
            Tool::Trunk => process::run(
                "cargo",
                &[
                    "install",
                    "trunk",
                    "--version",
                    TRUNK,
                    "--locked",
                    "--no-default-features",
                    "--features",
                    "rustls",
                ],
            ),
            Tool::Node => Err("Node.js comes from your system's packages".into()),
            Tool::WasmOpt => {
                let prefix = cargo_home();
                let package = format!("binaryen@{BINARYEN}");
                process::run(
                    "npm",
                    &["install", "--global", "--prefix", &prefix.to_string_lossy(), &package],
                )
            }
            Tool::NpmPackages => {
                process::run("npm", &["ci", "--no-audit", "--no-fund"])?;
                std::fs::copy(LOCK_FILE, INSTALLED_LOCK_FILE)?;
                Ok(())
            }
            Tool::Chromium => install_packages(&["chromium", "chromium-driver"]),
            Tool::Etcd => install_packages(&["etcd-server", "etcd-client"]),
        }
    }

    /// What a person types when we cannot do it.
    fn by_hand(self) -> String {
        match self {
            Tool::WasmTarget => "rustup target add wasm32-unknown-unknown".to_owned(),
            Tool::WasmBindgen => format!("cargo install wasm-bindgen-cli --version {WASM_BINDGEN}"),
            Tool::Trunk => {
                format!(
                    "cargo install trunk --version {TRUNK} --locked --no-default-features --features rustls"
                )
            }
            Tool::Node if cfg!(target_os = "macos") => "brew install node".to_owned(),
            Tool::Node => "sudo apt-get install -y nodejs npm".to_owned(),
            Tool::WasmOpt => {
                format!(
                    "npm install --global --prefix {} binaryen@{BINARYEN}",
                    cargo_home().display()
                )
            }
            Tool::NpmPackages => "npm ci".to_owned(),
            Tool::Chromium if cfg!(target_os = "macos") => {
                "brew install --cask chromium chromedriver".to_owned()
            }
            Tool::Chromium => {
                "sudo apt-get update && sudo apt-get install -y chromium chromium-driver".to_owned()
            }
            Tool::Etcd => {
                "sudo apt-get update && sudo apt-get install -y etcd-server etcd-client".to_owned()
            }
        }
    }
}

const LOCK_FILE: &str = "package-lock.json";
/// A copy of the lock file that `node_modules` was made from.
const INSTALLED_LOCK_FILE: &str = "node_modules/.installed-package-lock.json";

/// A Chromium and the driver that speaks to it.
pub(crate) struct Browser {
    pub(crate) program: PathBuf,
    pub(crate) driver: PathBuf,
}

impl Browser {
    /// The first pair on PATH; `CHROMIUM` and `CHROMEDRIVER` name others.
    pub(crate) fn find() -> Option<Browser> {
        let program = named_by("CHROMIUM").or_else(|| {
            ["chromium", "chromium-browser", "google-chrome"].into_iter().find_map(on_path)
        })?;
        let driver = named_by("CHROMEDRIVER").or_else(|| on_path("chromedriver"))?;
        Some(Browser { program, driver })
    }
}

fn install_packages(packages: &[&str]) -> Result<(), Failure> {
    if on_path("apt-get").is_none() {
        return Err("only Debian's packages can be installed from here".into());
    }
    if process::output_of("id", &["-u"]).as_deref() != Some("0") {
        return Err("installing a system package needs root".into());
    }
    process::run("apt-get", &["update", "-q"])?;
    process::run("apt-get", &[&["install", "-q", "-y"], packages].concat())
}

/// The folder of the workspace: the parent of this crate's own.
pub(crate) fn workspace_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map_or_else(PathBuf::new, Path::to_path_buf)
}

fn cargo_home() -> PathBuf {
    named_by("CARGO_HOME").unwrap_or_else(|| {
        PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cargo")
    })
}

fn named_by(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from)
}

fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}
