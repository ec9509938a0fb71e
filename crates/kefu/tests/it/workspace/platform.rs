//! kefu-process is a platform: whoever adds a feature has no reason to open it.

use super::check;
use super::layout::sources;
use super::read;

const PLATFORM: &str = "kefu-process";

/// Nouns of customer service, in lower case.
const DOMAIN: [&str; 8] = [
    "callback",
    "conversation",
    "customer",
    "deadletter",
    "msgid",
    "openkf",
    "reply",
    "wecom",
];

#[test]
fn the_platform_names_nothing_of_customer_service() {
    let mut broken = Vec::new();
    for file in sources().into_iter().filter(|file| is_shipped(file)) {
        let text = read(&file);
        let shipped = text.split("#[cfg(test)]").next().unwrap_or_default();
        let code = shipped
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"));
        for line in code {
            let folded = line.to_lowercase();
            for noun in DOMAIN.iter().filter(|noun| folded.contains(**noun)) {
                broken.push(format!("{}: {noun} in {}", file.display(), line.trim()));
            }
        }
    }
    check("kefu-process knows no domain", &broken);
}

fn is_shipped(file: &std::path::Path) -> bool {
    let has = |name: &str| file.iter().any(|part| part == name);
    has(PLATFORM) && !has("tests") && !has("tests.rs")
}
