//! Manifests: versions in one place, each with its reason, and members that inherit everything.

use super::metadata::{Package, metadata};
use super::{check, read};

/// What every member takes from the workspace.
const INHERITED: &[&str] = &["edition", "license", "publish", "rust-version", "version"];

#[test]
fn every_outside_dependency_has_a_reason_and_stands_in_order() {
    let manifest = read(&metadata().workspace_root.join("Cargo.toml"));
    let mut broken = Vec::new();
    let mut above = "";
    let mut previous = "";
    for line in section(&manifest, "workspace.dependencies") {
        if let Some((name, value)) = entry(line)
            && !value.contains("path = ")
        {
            if !above.starts_with('#') {
                broken.push(format!("{name} has no comment above it that says what it is for"));
            }
            if name < previous {
                broken.push(format!("{name} stands after {previous}"));
            }
            previous = name;
        }
        above = line;
    }
    assert!(
        !previous.is_empty(),
        "the root manifest has no [workspace.dependencies]"
    );
    check("dependencies carry a reason, sorted", &broken);
}

#[test]
fn every_shared_dependency_is_used() {
    let manifest = read(&metadata().workspace_root.join("Cargo.toml"));
    let used = |name: &str| {
        metadata().members().any(|package| {
            package
                .dependencies
                .iter()
                .any(|dependency| dependency.name == name)
        })
    };
    let broken: Vec<String> = section(&manifest, "workspace.dependencies")
        .filter_map(entry)
        .filter(|(name, _)| !used(name))
        .map(|(name, _)| format!("nobody uses {name}"))
        .collect();
    check("no dependency is there for nothing", &broken);
}

#[test]
fn members_take_versions_and_lints_from_the_workspace() {
    let mut broken = Vec::new();
    for package in metadata().members() {
        let manifest = read(&package.manifest_path);
        for key in INHERITED {
            let inherits =
                section(&manifest, "package").any(|line| line == format!("{key}.workspace = true"));
            if !inherits {
                broken.push(format!("{}: {key} is not taken from the workspace", package.name));
            }
        }
        if !section(&manifest, "lints").any(|line| line == "workspace = true") {
            broken.push(format!(
                "{}: the lints are not taken from the workspace",
                package.name
            ));
        }
        broken.extend(own_dependencies(package, &manifest));
    }
    check("members inherit", &broken);
}

fn own_dependencies(package: &Package, manifest: &str) -> Vec<String> {
    let mut broken = Vec::new();
    let mut in_dependencies = false;
    for line in manifest.lines() {
        if line.starts_with('[') {
            in_dependencies = line.ends_with("dependencies]");
            if line.contains("dependencies.") {
                broken.push(format!("{}: write {line} as a line of its table", package.name));
            }
        } else if in_dependencies && entry(line).is_some() && !line.contains("workspace = true") {
            broken.push(format!(
                "{}: `{line}` does not take its version from the workspace",
                package.name
            ));
        }
    }
    broken
}

/// The lines of one table.
fn section<'a>(manifest: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    let header = format!("[{name}]");
    manifest
        .lines()
        .skip_while(move |line| *line != header)
        .skip(1)
        .take_while(|line| !line.starts_with('['))
}

/// Key and value of a line, where it has them; a continued value has no key.
fn entry(line: &str) -> Option<(&str, &str)> {
    let starts_a_key = line.starts_with(|first: char| first.is_ascii_alphanumeric());
    line.split_once('=').filter(|_| starts_a_key).map(|(key, value)| {
        let key = key.trim();
        (key.strip_suffix(".workspace").unwrap_or(key), value)
    })
}
