//! Every metric that is recorded is described, and the other way round: operators read the descriptions.

use std::collections::BTreeSet;

use super::layout::sources;
use super::metadata::metadata;
use super::{check, read};

const NAMES: &str = "crates/kefu-process/src/metrics/names.rs";
const MACROS: [&str; 3] = ["counter!(\"", "gauge!(\"", "histogram!(\""];

#[test]
fn recorded_and_described_metrics_are_the_same() {
    let root = &metadata().workspace_root;
    let described = quoted(&squeezed(&read(&root.join(NAMES))), "(\"");
    let mut recorded = BTreeSet::new();
    for file in sources()
        .iter()
        .filter(|file| !file.iter().any(|part| part == "tests"))
    {
        let text = squeezed(&read(file));
        recorded.extend(MACROS.iter().flat_map(|name| quoted(&text, name)));
    }
    let list = |set: BTreeSet<&String>| set.into_iter().cloned().collect::<Vec<_>>();
    check(
        "recorded metrics are described in names.rs",
        &list(recorded.difference(&described).collect()),
    );
    check(
        "described metrics are recorded somewhere",
        &list(described.difference(&recorded).collect()),
    );
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
