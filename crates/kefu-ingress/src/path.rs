//! Where callbacks are taken, below the host: `ingress.path`.

use kefu_settings::SettingsError;

/// Longest path, in bytes; WeCom's console takes an address of 512.
const PATH_BYTES_MAX: usize = 200;
/// What the ingress answers itself: a callback path below would be shadowed, or shadow it.
const OWN: [&str; 2] = ["health", "metrics"];

/// A checked path without a slash at its end; below it stands the name of an app, or nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CallbackPath(String);

impl CallbackPath {
    pub(crate) fn parse(text: &str) -> Result<CallbackPath, SettingsError> {
        // As in a request: a slash at the end makes no other path.
        let path = match text.strip_suffix('/') {
            Some(path) if !path.is_empty() => path,
            _ => text,
        };
        check(path)
            .map(|()| CallbackPath(path.to_owned()))
            .map_err(|problem| SettingsError::new("ingress.path", problem))
    }

    /// The path of the app `default`.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The pattern of all other apps' paths. A checked path holds nothing that a pattern gives a meaning.
    pub(crate) fn of_apps(&self) -> String {
        format!("{}/{{app}}", self.0)
    }
}

fn check(path: &str) -> Result<(), String> {
    if PATH_BYTES_MAX < path.len() {
        return Err(format!("must have at most {PATH_BYTES_MAX} bytes"));
    }
    let Some(below) = path.strip_prefix('/') else {
        return Err(
            "must begin with `/`, such as /callback; it is the path only, without scheme and host".to_owned(),
        );
    };
    if below.is_empty() {
        return Err("must not be `/` alone: that page tells which role answers".to_owned());
    }
    for segment in below.split('/') {
        let is_plain =
            |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.' | '~');
        if segment.is_empty() {
            return Err("must not have `/` twice in a row".to_owned());
        }
        if matches!(segment, "." | "..") {
            return Err("must not have `.` or `..` between slashes".to_owned());
        }
        if !segment.chars().all(is_plain) {
            return Err("may hold letters a-z, digits, `-`, `_`, `.`, `~` and `/` only".to_owned());
        }
    }
    match below.split('/').next().filter(|first| OWN.contains(first)) {
        Some(own) => Err(format!(
            "must not begin with /{own}: the ingress answers there itself"
        )),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_plain_and_does_not_meet_our_own() {
        for fine in [
            "/callback",
            "/wecom/kf",
            "/a-b_c.d~e/F1",
            "/healthy",
            "/callback/metrics",
        ] {
            assert_eq!(CallbackPath::parse(fine).unwrap().as_str(), fine);
        }
        assert_eq!(CallbackPath::parse("/wecom/kf/").unwrap().as_str(), "/wecom/kf");
        for (path, told) in [
            ("", "must begin with `/`"),
            ("callback", "must begin with `/`"),
            ("https://kf.example.com/callback", "must begin with `/`"),
            ("/", "must not be `/` alone"),
            ("//callback", "twice in a row"),
            ("/callback//", "twice in a row"),
            ("//", "must not be `/` alone"),
            ("/a/../b", "must not have `.` or `..`"),
            ("/callback?app=1", "may hold"),
            ("/callback#x", "may hold"),
            ("/{app}", "may hold"),
            ("/call%62ack", "may hold"),
            ("/回调", "may hold"),
            ("/call back", "may hold"),
            ("/health", "must not begin with /health"),
            ("/health/live", "must not begin with /health"),
            ("/metrics/kf", "must not begin with /metrics"),
        ] {
            let error = CallbackPath::parse(path).unwrap_err().to_string();
            assert!(
                error.starts_with("ingress.path: ") && error.contains(told),
                "{path}: {error}"
            );
        }
        assert!(CallbackPath::parse(&format!("/{}", "a".repeat(200))).is_err());
    }
}
