//! Every metric that is recorded is described, and the other way round: operators read the descriptions.

use std::collections::{BTreeMap, BTreeSet};

use kefu_process::metrics::Described;

use super::layout::sources;
use super::metadata::metadata;
use super::{check, read};

const MACROS: [&str; 3] = ["counter!(\"", "gauge!(\"", "histogram!(\""];

/// The tables of the crates that record metrics, by crate.
fn tables() -> [(&'static str, &'static [Described]); 7] {
    let own = |role: &'static [&'static [Described]]| role[0];
    [
        ("kefu-ingress", own(kefu_ingress::METRICS)),
        ("kefu-model", kefu_model::METRICS),
        ("kefu-process", kefu_process::metrics::METRICS),
        ("kefu-queue", kefu_queue::METRICS),
        ("kefu-state", kefu_state::METRICS),
        ("kefu-wecom", kefu_wecom::METRICS),
        ("kefu-worker", own(kefu_worker::METRICS)),
    ]
}

#[test]
fn a_metric_is_described_once_by_the_crate_that_records_it() {
    let root = &metadata().workspace_root;
    let mut recorded = BTreeMap::new();
    for file in sources()
        .iter()
        .filter(|file| !file.iter().any(|part| part == "tests" || part == "tests.rs"))
    {
        let text = squeezed(shipped(&read(file)));
        let folder = file.strip_prefix(root).unwrap_or(file);
        let home = folder
            .iter()
            .nth(1)
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        for name in MACROS.iter().flat_map(|name| quoted(&text, name)) {
            recorded
                .entry(name)
                .or_insert_with(BTreeSet::new)
                .insert(home.clone());
        }
    }
    let mut described = BTreeMap::new();
    let mut broken = Vec::new();
    for (home, table) in tables() {
        for (name, _, _) in table {
            if described.insert((*name).to_owned(), home).is_some() {
                broken.push(format!("{name} is described twice"));
            }
        }
    }
    for (name, homes) in &recorded {
        let is_theirs = |home: &&str| homes.iter().all(|recording| recording == home);
        if !described.get(name).is_some_and(is_theirs) {
            broken.push(format!(
                "{name} is recorded in {homes:?}, described in {:?}",
                described.get(name)
            ));
        }
    }
    for name in described.keys().filter(|name| !recorded.contains_key(*name)) {
        broken.push(format!("{name} is recorded nowhere"));
    }
    check(
        "a metric is described once, by the crate that records it",
        &broken,
    );
}

/// Without the tests at the end of a file.
fn shipped(text: &str) -> &str {
    text.split("#[cfg(test)]").next().unwrap_or(text)
}

/// Without white space: rustfmt breaks long calls over lines.
fn squeezed(text: &str) -> String {
    text.split_whitespace().collect()
}

/// What stands behind each `before`, up to the next quote.
fn quoted(text: &str, before: &str) -> BTreeSet<String> {
    text.split(before)
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .map(str::to_owned)
        .collect()
}
