//! The keys of the reference, in its order: those with a default and those that are only shown.

use std::sync::OnceLock;

use crate::settings::REFERENCE;

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
                let key = format!("{section}.{}", name.trim_end_matches("_file"));
                if !keys.contains(&key) {
                    keys.push(key);
                }
            }
        }
        keys
    })
}

/// The key whose name, with an underscore for each point, is this one: `queue_prefix`, `apps_shop_secret_file`.
pub(crate) fn key_like(name: &str) -> Option<String> {
    let plain = name.trim_end_matches("_file");
    let known = keys().iter().find(|key| key.replace('.', "_") == plain);
    if let Some(known) = known {
        return Some(known.clone());
    }
    let of_app = plain.strip_prefix("apps_")?;
    keys().iter().find_map(|key| {
        let key = key.strip_prefix("apps.default.")?;
        let app = of_app.strip_suffix(&key.replace('.', "_"))?.strip_suffix('_')?;
        (!app.is_empty()).then(|| format!("apps.{app}.{key}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_known_whether_they_have_a_default_or_not() {
        for key in [
            "apps.default.corp_id",
            "apps.default.secret",
            "ingress.ops_listen",
            "worker.slots.high",
            "ai.model",
        ] {
            assert!(
                keys().iter().any(|known| known == key),
                "{key} is not among {:?}",
                keys()
            );
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
            "samples",
        ] {
            check(other, None);
        }
    }
}
