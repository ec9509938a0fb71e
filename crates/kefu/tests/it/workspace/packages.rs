//! What we accept from others: where packages come from, their licences, and which never enter.

use std::collections::BTreeMap;

use super::check;
use super::metadata::{locked, metadata};

const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// Packages that must not even be resolved, and why.
const BANNED: &[(&str, &str)] = &[
    ("aws-lc-rs", "rustls uses ring here: one provider, no CMake"),
    ("aws-lc-sys", "rustls uses ring here: one provider, no CMake"),
    ("backoff", "unmaintained (RUSTSEC-2025-0012); use backon"),
    (
        "figment",
        "takes all-digit values of the environment for numbers; use config",
    ),
    ("native-tls", "rustls is the one TLS library"),
    ("openssl-sys", "rustls is the one TLS library"),
    ("serde_yaml", "unmaintained; settings are TOML"),
    ("serde_yml", "unsound; settings are TOML"),
];

const LICENSES: &[&str] = &[
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Zlib",
];

/// Older versions that are built next to a newer one, and who still asks for them.
const DUPLICATES: &[(&str, &[&str])] = &[
    (
        "p12-keystore (client certificates of lapin) uses the previous RustCrypto generation",
        &[
            "aes 0.8",
            "block-buffer 0.10",
            "block-padding 0.3",
            "cbc 0.1",
            "cipher 0.4",
            "const-oid 0.9",
            "cpufeatures 0.2",
            "crypto-common 0.1",
            "digest 0.10",
            "hmac 0.12",
            "inout 0.1",
            "sha1 0.10",
            "sha2 0.10",
        ],
    ),
    ("reqwest has moved on to 0.23; sqlx has not", &["base64 0.22"]),
    (
        "ring asks for 0.2, rand 0.9 for 0.3",
        &["getrandom 0.2", "getrandom 0.3"],
    ),
    ("sqlx and metrics-util", &["hashbrown 0.16"]),
    ("actix-http", &["http 0.2"]),
    ("x509-parser of lapin's TLS", &["nom 7"]),
    (
        "metrics-util and opentelemetry_sdk",
        &["rand 0.9", "rand_core 0.9"],
    ),
    (
        "build time only: sqlx, prost and tracing macros",
        &["syn 2", "synstructure 0.13"],
    ),
];

#[test]
fn banned_packages_are_not_resolved_on_any_platform() {
    let broken: Vec<String> = locked()
        .iter()
        .filter_map(|package| BANNED.iter().find(|(name, _)| *name == package.name))
        .map(|(name, why)| format!("{name}: {why} (cargo tree -i {name} --target all)"))
        .collect();
    check("some packages never enter", &broken);
}

#[test]
fn every_package_is_ours_or_from_crates_io() {
    let ours: Vec<&str> = metadata()
        .members()
        .map(|package| package.name.as_str())
        .collect();
    let broken: Vec<String> = locked()
        .iter()
        .filter(|package| match &package.source {
            Some(source) => source != CRATES_IO,
            None => !ours.contains(&package.name.as_str()),
        })
        .map(|package| format!("{} comes from {:?}", package.name, package.source))
        .collect();
    check("packages come from crates.io", &broken);
}

#[test]
fn every_license_is_on_the_list() {
    let broken: Vec<String> = metadata()
        .packages
        .iter()
        .filter(|package| !package.license.as_deref().is_some_and(accepted))
        .map(|package| {
            format!(
                "{} {}: {:?} {:?}",
                package.name, package.version, package.license, package.license_file
            )
        })
        .collect();
    check("licences are permissive", &broken);
}

#[test]
fn a_license_is_read_as_a_choice_or_a_sum() {
    assert!(accepted("MIT/Apache-2.0"));
    assert!(accepted("GPL-3.0-only OR (MIT AND ISC)"));
    assert!(accepted("(MIT OR GPL-3.0-only) AND Unicode-3.0"));
    assert!(!accepted("MIT AND GPL-3.0-only"));
    assert!(!accepted("MIT AND (GPL-3.0-only OR AGPL-3.0-only)"));
    assert!(!accepted("Apache-2.0 WITH Some-exception"));
    assert!(!accepted(""));
}

#[test]
fn only_known_packages_are_built_in_two_versions() {
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for package in &metadata().packages {
        versions.entry(&package.name).or_default().push(&package.version);
    }
    versions.retain(|_, versions| versions.len() > 1);
    let mut tolerated: Vec<&str> = DUPLICATES
        .iter()
        .flat_map(|(_, packages)| packages.iter().copied())
        .collect();
    let mut broken = Vec::new();
    for (name, mut versions) in versions {
        versions.sort_by_key(|version| numbers(version));
        versions.pop();
        for version in versions {
            let known = tolerated.iter().position(|entry| is_of(entry, name, version));
            match known {
                Some(place) => drop(tolerated.remove(place)),
                None => broken.push(format!(
                    "{name} {version} is new (cargo tree -i {name}@{version})"
                )),
            }
        }
    }
    broken.extend(
        tolerated
            .iter()
            .map(|entry| format!("{entry} is no duplicate any more: remove it from the list")),
    );
    check("a second version of a package is a known exception", &broken);
}

/// Whether an entry like `aes 0.8` or `nom 7` means this version.
fn is_of(entry: &str, name: &str, version: &str) -> bool {
    let rest = entry.strip_prefix(name).and_then(|rest| rest.strip_prefix(' '));
    rest.and_then(|start| version.strip_prefix(start))
        .is_some_and(|rest| rest.starts_with('.'))
}

fn numbers(version: &str) -> Vec<u64> {
    version
        .split(['.', '-', '+'])
        .map_while(|number| number.parse().ok())
        .collect()
}

/// Whether an SPDX expression can be satisfied from the list. The old form `A/B` means a choice.
fn accepted(license: &str) -> bool {
    let spaced = license
        .replace('/', " OR ")
        .replace('(', " ( ")
        .replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    let answer = choice(&mut rest);
    answer && rest.is_empty()
}

fn choice(words: &mut &[&str]) -> bool {
    let mut answer = sum(words);
    while take(words, "OR") {
        answer |= sum(words);
    }
    answer
}

fn sum(words: &mut &[&str]) -> bool {
    let mut answer = one(words);
    while take(words, "AND") {
        answer &= one(words);
    }
    answer
}

fn one(words: &mut &[&str]) -> bool {
    if take(words, "(") {
        let answer = choice(words);
        return take(words, ")") && answer;
    }
    let Some((license, rest)) = words.split_first() else {
        return false;
    };
    *words = rest;
    if take(words, "WITH") {
        // Exceptions are not on the list; the packages that have one offer a choice.
        *words = words.get(1..).unwrap_or_default();
        return false;
    }
    LICENSES.contains(license)
}

fn take(words: &mut &[&str], word: &str) -> bool {
    match words.split_first() {
        Some((first, rest)) if *first == word => {
            *words = rest;
            true
        }
        _ => false,
    }
}
