//! Who may import whom: our crates among themselves, and the outside packages that have one home.

use super::check;
use super::metadata::{linked_by, metadata};

/// A crate of ours and the crates of ours it may import. A new edge is a decision, not a detail.
const IMPORTS: &[(&str, &[&str])] = &[
    ("kefu-domain", &[]),
    // For tests, so nobody may ship it: it stands in no list below. Anybody's tests may have it.
    ("kefu-faults", &[]),
    ("kefu-wecom", &["kefu-settings"]),
    ("kefu-settings", &[]),
    ("kefu-process", &["kefu-settings"]),
    ("kefu-queue", &["kefu-domain", "kefu-settings"]),
    ("kefu-model", &["kefu-domain", "kefu-process", "kefu-settings"]),
    (
        "kefu-outbound",
        &[
            "kefu-domain",
            "kefu-process",
            "kefu-settings",
            "kefu-state",
            "kefu-wecom",
        ],
    ),
    ("kefu-jobs", &["kefu-domain", "kefu-queue"]),
    ("kefu-state", &["kefu-domain", "kefu-settings"]),
    ("kefu-store", &["kefu-domain", "kefu-settings"]),
    // Neither the database nor Redis: a callback is answered without them.
    (
        "kefu-ingress",
        &[
            "kefu-domain",
            "kefu-jobs",
            "kefu-process",
            "kefu-queue",
            "kefu-settings",
            "kefu-wecom",
        ],
    ),
    (
        "kefu-worker",
        &[
            "kefu-domain",
            "kefu-jobs",
            "kefu-model",
            "kefu-outbound",
            "kefu-process",
            "kefu-queue",
            "kefu-settings",
            "kefu-state",
            "kefu-store",
            "kefu-wecom",
        ],
    ),
    ("kefu-simulator", &["kefu-process", "kefu-wecom"]),
    (
        "kefu",
        &[
            "kefu-domain",
            "kefu-ingress",
            "kefu-jobs",
            "kefu-process",
            "kefu-queue",
            "kefu-settings",
            "kefu-simulator",
            "kefu-state",
            "kefu-store",
            "kefu-wecom",
            "kefu-worker",
        ],
    ),
];

/// An outside package (`*` at the end: a family) and the only crates that may name it.
const HOMES: &[(&str, &[&str])] = &[
    // The command's bench has a bare handler to compare the ingress with.
    (
        "actix-*",
        &[
            "kefu",
            "kefu-ingress",
            "kefu-process",
            "kefu-simulator",
            "kefu-worker",
        ],
    ),
    ("aes", &["kefu-wecom"]),
    ("cbc", &["kefu-wecom"]),
    ("clap*", &["kefu"]),
    ("deadpool*", &["kefu-state"]),
    ("indicatif", &["kefu"]),
    ("lapin", &["kefu-queue"]),
    ("metrics-exporter-*", &["kefu-process"]),
    ("moka", &["kefu-state"]),
    ("opentelemetry*", &["kefu-process"]),
    ("pulldown-cmark", &["kefu-domain"]),
    ("quick-xml", &["kefu-wecom"]),
    ("redis", &["kefu-state"]),
    // WeCom, the model, the export of traces, the simulator's callbacks, and the command's probes and benches.
    (
        "reqwest",
        &[
            "kefu",
            "kefu-model",
            "kefu-process",
            "kefu-simulator",
            "kefu-wecom",
        ],
    ),
    // Business tables, and the embedded engine of the queue.
    ("sqlx", &["kefu-queue", "kefu-store"]),
    ("toml", &["kefu-settings"]),
    ("tracing-opentelemetry", &["kefu-process"]),
    ("tracing-subscriber", &["kefu-process"]),
];

#[test]
fn crates_import_only_what_the_table_allows() {
    let mut broken = Vec::new();
    for package in metadata().members() {
        let Some((_, allowed)) = IMPORTS.iter().find(|(name, _)| *name == package.name) else {
            broken.push(format!("{} is not in the table", package.name));
            continue;
        };
        for dependency in package
            .dependencies
            .iter()
            .filter(|dependency| dependency.is_shipped())
        {
            if dependency.path.is_some() && !allowed.contains(&dependency.name.as_str()) {
                broken.push(format!("{} imports {}", package.name, dependency.name));
            }
        }
    }
    for (name, _) in IMPORTS {
        if !metadata().members().any(|package| package.name == *name) {
            broken.push(format!("{name} is in the table and not in the workspace"));
        }
    }
    check("imports between our crates are a table", &broken);
}

#[test]
fn outside_packages_are_named_only_in_their_homes() {
    let mut broken = Vec::new();
    for package in metadata().members() {
        for dependency in package
            .dependencies
            .iter()
            .filter(|dependency| dependency.is_shipped())
        {
            let home = HOMES
                .iter()
                .find(|(pattern, _)| matches(pattern, &dependency.name));
            if let Some((_, homes)) = home
                && !homes.contains(&package.name.as_str())
            {
                broken.push(format!(
                    "{} names {}, the home of which is {homes:?}",
                    package.name, dependency.name
                ));
            }
        }
    }
    check("one outside system, one crate that names it", &broken);
}

/// What the binary links is another question than what its manifest names: features are united over the build.
#[test]
fn the_ingress_links_no_database_server_and_no_redis() {
    let linked = linked_by("kefu-ingress");
    assert!(linked.iter().any(|name| name == "lapin"), "{linked:?}");
    let unwanted = ["sqlx-postgres", "redis", "kefu-store", "kefu-state"];
    let broken: Vec<String> = unwanted
        .iter()
        .filter(|name| linked.iter().any(|linked| linked == *name))
        .map(|name| format!("kefu-ingress links {name} (cargo tree -p kefu-ingress -e normal -i {name})"))
        .collect();
    check("the ingress reaches neither the database nor Redis", &broken);
}

fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == pattern,
    }
}
