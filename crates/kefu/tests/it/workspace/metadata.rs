//! What cargo knows of the workspace: `cargo metadata` and `Cargo.lock`.

use std::env;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use serde::Deserialize;

use super::read;

#[derive(Debug, Deserialize)]
pub(super) struct Metadata {
    /// Ours and, as far as this platform needs them, everybody else's.
    pub(super) packages: Vec<Package>,
    workspace_members: Vec<String>,
    pub(super) workspace_root: PathBuf,
}

#[derive(Debug, Deserialize)]
pub(super) struct Package {
    id: String,
    pub(super) name: String,
    pub(super) version: String,
    pub(super) license: Option<String>,
    pub(super) license_file: Option<String>,
    pub(super) manifest_path: PathBuf,
    pub(super) dependencies: Vec<Dependency>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Dependency {
    pub(super) name: String,
    /// `None` for a normal dependency, else `dev` or `build`.
    kind: Option<String>,
    /// Set for crates of this workspace.
    pub(super) path: Option<PathBuf>,
}

impl Metadata {
    pub(super) fn members(&self) -> impl Iterator<Item = &Package> {
        self.packages
            .iter()
            .filter(|package| self.workspace_members.contains(&package.id))
    }
}

impl Dependency {
    /// Whether it is part of what is shipped.
    pub(super) fn is_shipped(&self) -> bool {
        self.kind.as_deref() != Some("dev")
    }
}

/// Asked once for all tests.
pub(super) fn metadata() -> &'static Metadata {
    static METADATA: OnceLock<Metadata> = OnceLock::new();
    METADATA.get_or_init(|| {
        let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        // Only this platform: the manifests of the others' packages would have to be downloaded.
        let platform = host();
        let json = output(Command::new(cargo()).args([
            "metadata",
            "--locked",
            "--format-version=1",
            "--filter-platform",
            &platform,
            "--manifest-path",
            manifest,
        ]));
        serde_json::from_str(&json).unwrap()
    })
}

/// The names of all packages that a binary of this crate is linked from.
pub(super) fn linked_by(package: &str) -> Vec<String> {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let tree = output(Command::new(cargo()).args([
        "tree",
        "--locked",
        "--package",
        package,
        "--edges=normal",
        "--prefix=none",
        "--format={p}",
        "--manifest-path",
        manifest,
    ]));
    let names = tree.lines().filter_map(|line| line.split(' ').next());
    names.map(str::to_owned).collect()
}

/// One `[[package]]` of `Cargo.lock`, which lists every platform.
#[derive(Debug, Default)]
pub(super) struct Locked {
    pub(super) name: String,
    pub(super) source: Option<String>,
}

pub(super) fn locked() -> Vec<Locked> {
    let lock = read(&metadata().workspace_root.join("Cargo.lock"));
    let value = |package: &str, key: &str| {
        let line = package
            .lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix(" = \""));
        line.map(|value| value.trim_end_matches('"').to_owned())
    };
    let packages = lock.split("[[package]]").skip(1);
    packages
        .map(|package| Locked {
            name: value(package, "name").unwrap(),
            source: value(package, "source"),
        })
        .collect()
}

fn cargo() -> String {
    env::var("CARGO").unwrap_or_else(|_| env!("CARGO").to_owned())
}

fn host() -> String {
    let version = output(Command::new(env::var("RUSTC").as_deref().unwrap_or("rustc")).arg("-vV"));
    version
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .unwrap()
        .to_owned()
}

fn output(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?} failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}
