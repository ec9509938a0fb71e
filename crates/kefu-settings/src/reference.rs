//! The keys of the reference, in its order: those with a default and those that are only shown; and which of them
//! somebody meant who wrote another.

use std::sync::OnceLock;

use crate::SECTIONS;
use crate::settings::REFERENCE;

/// The app of the reference, which stands for all.
const APP: &str = "apps.default.";
/// A table whose keys are names of others, so that any may stand there.
const OPEN: &str = "ingress.lanes.";

/// Every key, in the order of the reference. The app in it is called `default`.
pub(crate) fn keys() -> &'static [String] {
    static KEYS: OnceLock<Vec<String>> = OnceLock::new();
    KEYS.get_or_init(|| {
        let mut keys = Vec::new();
        let mut section = "";
        for line in REFERENCE.lines() {
            let line = line.trim_start_matches("# ");
            if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
                section = name;
            } else if let Some((name, _)) = line.split_once(" = ")
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            {
                let key = format!("{section}.{}", plain(name));
                if !keys.contains(&key) {
                    keys.push(key);
                }
            }
        }
        keys
    })
}

/// Whether the reference has this key, of whatever app.
pub(crate) fn is_known(key: &str) -> bool {
    let key = of_default(key);
    key.starts_with(OPEN) || keys().contains(&key)
}

/// The key whose name, with an underscore for each point, is this one: `queue_prefix`, `apps_shop_secret_file`.
pub(crate) fn key_like(name: &str) -> Option<String> {
    let name = plain(name);
    let known = keys().iter().find(|key| key.replace('.', "_") == name);
    if let Some(known) = known {
        return Some(known.clone());
    }
    let of_app = name.strip_prefix("apps_")?;
    let of_app = |key: &String| {
        let key = key.strip_prefix(APP)?;
        let app = of_app.strip_suffix(&key.replace('.', "_"))?.strip_suffix('_')?;
        (!app.is_empty()).then(|| format!("apps.{app}.{key}"))
    };
    // The longest: `previous.token` ends with `token`.
    let found = keys().iter().filter_map(of_app);
    found.max_by_key(|key| {
        key.rsplit("apps.")
            .next()
            .map_or(0, |rest| rest.matches('.').count())
    })
}

/// The same for a name in which a finger slipped. Strict: others name their variables as they like.
pub(crate) fn key_near(name: &str) -> Option<String> {
    let name = plain(name);
    let slips = |key: &str, name: &str| {
        let most = (key.rsplit('.').next().map_or(0, str::len) / 4).clamp(1, 2);
        let found = strsim::osa_distance(&key.replace('.', "_"), name);
        (found <= most).then_some(found)
    };
    let near = |key: &String| {
        if let Some(slips) = slips(key, name) {
            return Some((slips, key.clone()));
        }
        let (key, name) = (key.strip_prefix(APP)?, name.strip_prefix("apps_")?);
        // The app's own name may be any: what stands behind one of its underscores is the key.
        let splits = name.match_indices('_').map(|(at, _)| name.split_at(at));
        let tried = splits.filter_map(|(app, rest)| {
            let slips = slips(key, &rest[1..])?;
            (!app.is_empty()).then(|| (slips, format!("apps.{app}.{key}")))
        });
        tried.min_by_key(|(slips, _)| *slips)
    };
    let found = keys().iter().filter_map(near).min_by_key(|(slips, _)| *slips);
    found.map(|(_, key)| key)
}

/// The variable that sets a key.
pub(crate) fn variable(key: &str) -> String {
    format!("KEFU_{}", key.replace('.', "__").to_ascii_uppercase())
}

/// The key that was probably meant by one that the reference does not have: with its points and underscores right,
/// in the section it belongs to, or without the slip of a finger.
pub(crate) fn meant(key: &str) -> Option<String> {
    let wanted = of_default(plain(key)).to_ascii_lowercase().replace('-', "_");
    let in_app = |found: &str| match (key.strip_prefix("apps."), found.strip_prefix(APP)) {
        (Some(given), Some(rest)) => format!("apps.{}.{rest}", given.split('.').next().unwrap_or("default")),
        _ => found.to_owned(),
    };
    if let Some(found) = key_like(&wanted.replace('.', "_")) {
        return Some(in_app(&found));
    }
    // Names in the table of lanes are words of WeCom, and keys of apps are about apps only.
    let is_candidate =
        |known: &&str| !known.starts_with(OPEN) && known.starts_with(APP) == wanted.starts_with(APP);
    let candidates: Vec<&str> = keys().iter().map(String::as_str).filter(is_candidate).collect();
    let last = |key: &str| key.rsplit('.').next().unwrap_or_default().to_owned();
    let mut same_name = candidates.iter().filter(|known| last(known) == last(&wanted));
    if let (Some(found), None) = (same_name.next(), same_name.next()) {
        return Some(in_app(found));
    }
    let section = wanted.split('.').next();
    let in_section = candidates
        .iter()
        .filter(|known| known.split('.').next() == section);
    let near = nearest(&wanted, in_section.copied()).or_else(|| nearest(&wanted, candidates.iter().copied()));
    near.map(in_app)
}

/// The section that was probably meant.
pub(crate) fn section_meant(name: &str) -> Option<&'static str> {
    nearest(&name.to_ascii_lowercase(), SECTIONS.into_iter())
}

/// The nearest name, if no more than a finger in three slipped.
fn nearest<'n>(name: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let last = name.rsplit('.').next().unwrap_or(name);
    let most = (last.chars().count() / 3).clamp(1, 3);
    names
        .map(|known| (strsim::osa_distance(name, known), known))
        .filter(|(distance, _)| *distance <= most)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

fn plain(name: &str) -> &str {
    name.strip_suffix("_file").unwrap_or(name)
}

/// The same key of the app that the reference shows.
fn of_default(key: &str) -> String {
    match key.strip_prefix("apps.").and_then(|key| key.split_once('.')) {
        Some((_, rest)) => format!("{APP}{rest}"),
        None => key.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_known_whether_they_have_a_default_or_not() {
        for key in [
            "apps.default.corp_id",
            "apps.shop.previous.token",
            "ingress.lanes.my_event",
            "ingress.ops_listen",
            "worker.slots.high",
            "ai.model",
        ] {
            assert!(is_known(key), "{key} is not among {:?}", keys());
        }
        for key in ["apps.default", "queue.urls", "log.file", "ai.base"] {
            assert!(!is_known(key), "{key}");
        }
    }

    #[test]
    fn an_underscore_for_a_point_is_seen() {
        let check =
            |name: &str, expected: Option<&str>| assert_eq!(key_like(name).as_deref(), expected, "{name}");
        check("queue_prefix", Some("queue.prefix"));
        check("ai_model", Some("ai.model"));
        check("ai_api_key_file", Some("ai.api_key"));
        check("worker_slots_high", Some("worker.slots.high"));
        check("apps_default_corp_id", Some("apps.default.corp_id"));
        check("apps_shop_previous_token", Some("apps.shop.previous.token"));
        check(
            "apps_my_shop_encoding_aes_key",
            Some("apps.my_shop.encoding_aes_key"),
        );
        for other in [
            "config",
            "crash",
            "ingress_service_host",
            "ingress_port",
            "worker_port_3002_tcp",
            "state_port",
            "database_port",
            "samples",
        ] {
            check(other, None);
        }
    }

    #[test]
    fn what_was_meant_is_found_and_nothing_is_made_up() {
        let check = |key: &str, expected: Option<&str>| assert_eq!(meant(key).as_deref(), expected, "{key}");
        check("queue.prefx", Some("queue.prefix"));
        check("queue.spool.after", Some("queue.spool_after"));
        check("queue.spool-after", Some("queue.spool_after"));
        check("worker.prefix", Some("queue.prefix"));
        check("worker.fallback", Some("reply.fallback"));
        check("worker.slot.high", Some("worker.slots.high"));
        check("reply.handover_keyword", Some("reply.handover_keywords"));
        check("apps.shop.secrt", Some("apps.shop.secret"));
        check(
            "apps.shop.encoding_aeskey_file",
            Some("apps.shop.encoding_aes_key"),
        );
        check("ai.apikey", Some("ai.api_key"));
        check("log.Level", Some("log.level"));
        for other in [
            "worker.threads",
            "ingress.port",
            "apps.default.password",
            "ai.temperature",
            "log.file",
        ] {
            check(other, None);
        }
        assert_eq!(section_meant("app"), Some("apps"));
        assert_eq!(section_meant("databse"), Some("database"));
        assert_eq!(section_meant("Queue"), Some("queue"));
        assert_eq!(section_meant("kitchen"), None);
    }
}
