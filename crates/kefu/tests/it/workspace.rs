//! The rules which keep the workspace what `docs/architecture.md` says it is.
//!
//! Each rule is data first: to change what is allowed, change the list, and say why in the commit.
//! `scripts/check` runs exactly these tests.

mod crash_points;
mod graph;
mod guarantees;
mod languages;
mod layout;
mod manifests;
mod metadata;
mod metrics;
mod packages;
mod platform;

use std::fs;
use std::path::Path;

/// Fails with one line for each place that breaks the rule.
#[track_caller]
fn check(rule: &str, broken: &[String]) {
    assert!(broken.is_empty(), "{rule}:\n  {}", broken.join("\n  "));
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()))
}

/// The entries of a folder by name.
fn names(folder: &Path) -> Vec<String> {
    let entries =
        fs::read_dir(folder).unwrap_or_else(|error| panic!("cannot list {}: {error}", folder.display()));
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}
